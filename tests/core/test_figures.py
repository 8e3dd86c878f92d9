"""Figures for models that can see: made small once, away from the event loop, bounded in number, and counted."""

from __future__ import annotations

import base64
import io
import threading
from typing import Any

import pytest
from PIL import Image as Pillow

from agentloop_nb.agent import prompt_images
from agentloop_nb.agent.compaction import WHOLE_STEPS
from agentloop_nb.protocols import CodeOutcome
from agentloop_nb.testing import code, finish


def figure(number: int, width: int = 1_000) -> dict[str, Any]:
    picture = Pillow.new("RGB", (width, 200), (number % 256, number // 256, 0))
    kept = io.BytesIO()
    picture.save(kept, "PNG")
    return {"output_type": "display_data", "data": {"image/png": base64.b64encode(kept.getvalue()).decode()}}


def width_of(image: Any) -> int:
    return int(Pillow.open(io.BytesIO(base64.b64decode(image.base64))).width)


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    prompt_images._small.clear()


@pytest.fixture
def shrunk(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """The threads on which pictures were made smaller."""
    threads: list[threading.Thread] = []
    real = prompt_images._shrunk
    monkeypatch.setattr(
        prompt_images, "_shrunk", lambda *each: (threads.append(threading.current_thread()), real(*each))[1]
    )
    return threads


def test_a_picture_is_made_smaller_once(shrunk: list[threading.Thread]) -> None:
    outputs = [figure(1), figure(2)]

    assert [width_of(each) for each in prompt_images.figures(outputs)] == [768, 768]
    prompt_images.figures(outputs)
    prompt_images.figures([{**each} for each in outputs])

    assert len(shrunk) == 2


def test_more_pictures_than_one_request_holds_are_remembered(shrunk: list[threading.Thread]) -> None:
    shown = [[figure(number)] for number in range(40)]
    for _ in range(3):
        for outputs in shown:
            prompt_images.figures(outputs)

    assert len(shrunk) == 40


def test_the_memory_of_pictures_is_bounded() -> None:
    for number in range(prompt_images.KEPT + 20):
        prompt_images.figures([figure(number, width=10)])

    assert len(prompt_images._small) == prompt_images.KEPT


def test_what_is_no_picture_is_left_out_and_remembered(shrunk: list[threading.Thread]) -> None:
    broken = {"output_type": "display_data", "data": {"image/png": base64.b64encode(b"no picture").decode()}}

    assert prompt_images.figures([broken]) == ()
    assert prompt_images.figures([broken]) == ()
    assert len(shrunk) == 1


def drawing(steps: int, width: int = 1_000) -> dict[str, Any]:
    """Decisions that each show two pictures, and what comes of them."""
    sources = [f"draw({number})" for number in range(steps)]
    outcomes = {
        source: CodeOutcome(ending="ok", outputs=(figure(2 * number, width), figure(2 * number + 1, width)))
        for number, source in enumerate(sources)
    }
    return {"replies": [*map(code, sources), finish()], "outcomes": outcomes, "max_steps": steps + 1}


def pictures(request: Any) -> int:
    return sum(len(message.images) for message in request.messages)


async def test_pictures_are_made_smaller_away_from_the_event_loop(scenario, shrunk: list[threading.Thread]) -> None:
    s = scenario(**drawing(4))

    await s.run()

    assert len(shrunk) == 8, "each once, though each is in several requests"
    assert threading.main_thread() not in shrunk
    assert [pictures(request) for request in s.model.requests][:3] == [0, 2, 4]


@pytest.mark.parametrize("prices", [("0", "0"), ("1", "1"), None])
async def test_no_request_holds_more_pictures_than_a_bound(scenario, prices) -> None:
    s = scenario(**drawing(24, width=10), prices=prices)

    await s.run()

    counts = [pictures(request) for request in s.model.requests]
    assert max(counts) <= prompt_images.MOST_TOLD
    assert counts[-1] >= 2 * WHOLE_STEPS - 2, "the newest are there"


async def test_pictures_count_when_a_prompt_is_shortened(scenario) -> None:
    s = scenario(**drawing(12, width=10), prices=None)

    await s.run()

    assert "transcript_compacted" in s.kinds, "their texts alone would fit"


async def test_pictures_that_are_not_shown_do_not_count(scenario) -> None:
    s = scenario(**drawing(12, width=10), prices=None, images=False)

    await s.run()

    assert "transcript_compacted" not in s.kinds


async def test_a_small_context_holds_fewer(scenario) -> None:
    s = scenario(**drawing(8, width=10), context_window=4_000)

    await s.run()

    assert max(pictures(request) for request in s.model.requests) <= 8
