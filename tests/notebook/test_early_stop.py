"""A stop counts from the first moment of a step, also while its variables are still being saved for undo."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from agentloop_nb.notebook.kernel import running_step
from tests.kernel.conftest import Place


async def test_a_stop_while_variables_are_saved_ends_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class SlowWatch(running_step.Watch):
        def __init__(self, *args: Any, **options: Any) -> None:
            time.sleep(0.3)
            super().__init__(*args, **options)

    monkeypatch.setattr(running_step, "Watch", SlowWatch)
    place = Place(tmp_path)

    async def main() -> None:
        place.control.attach()
        await place.run("import time\nfor _ in range(50): time.sleep(0.1)")

    Timer(0.1, place.control.stop).start()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(main())
    assert time.monotonic() - began < 2
