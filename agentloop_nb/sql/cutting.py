"""Running a database's work on a thread of its own, so that a stop or a time limit reaches it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

POLL = 0.02
"""Seconds between two looks at whether the step was stopped."""


def cuttable(work: Callable[[], Any], cut: Callable[[], None]) -> Any:
    """Return what `work` returns. Whatever ends this wait is raised, after `cut` has ended the work."""
    found: dict[str, Any] = {}

    def run() -> None:
        try:
            found["value"] = work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            found["error"] = error

    thread = threading.Thread(target=run, name="agentloop-query", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(POLL)
    except BaseException:
        for _ in range(50):  # again and again: the first may come before the query has begun
            cut()
            thread.join(POLL)
            if not thread.is_alive():
                break
        raise
    if "error" in found:
        raise found["error"]
    return found["value"]
