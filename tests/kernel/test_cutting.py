"""A query that is stopped: nothing is closed under it, however often the wait for it is struck."""

from __future__ import annotations

import threading
import time

import pytest

from agentloop_nb.notebook.kernel.interrupter import raise_in
from agentloop_nb.sql.cutting import cuttable


class Struck(BaseException):
    """What ends a wait from outside."""


class Query:
    """Work that hears only its third cut, and a connection that notes who uses it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.begun = threading.Event()
        self.closed = threading.Event()
        self._cuts = threading.Semaphore(0)

    def work(self) -> str:
        self.begun.set()
        for _ in range(3):
            self._cuts.acquire(timeout=60)
        self.events.append("ended")
        return "value"

    def cut(self) -> None:
        self.events.append("cut")
        self._cuts.release()

    def close(self) -> None:
        self.events.append("closed")
        self.closed.set()


def test_what_was_found_is_returned_and_the_connection_closed():
    query = Query()
    assert cuttable(lambda: 7, query.cut, query.close) == 7
    assert query.events == ["closed"]


def test_an_error_of_the_work_is_raised_and_the_connection_closed():
    query = Query()
    with pytest.raises(ZeroDivisionError):
        cuttable(lambda: 1 / 0, query.cut, query.close)
    assert query.events == ["closed"]


@pytest.mark.parametrize("strikes", [1, 2, 5])
def test_nothing_is_closed_before_the_work_has_ended(strikes):
    query = Query()
    ended_by: list[type[BaseException]] = []

    def wait() -> None:
        try:
            cuttable(query.work, query.cut, query.close)
        except BaseException as error:
            ended_by.append(type(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    query.begun.wait(60)
    for _ in range(strikes):
        raise_in(waiting, Struck)
        time.sleep(0.01)
    waiting.join(60)
    assert query.closed.wait(60)
    assert ended_by == [Struck]
    assert query.events == ["cut", "cut", "cut", "ended", "closed"]


def test_a_cut_that_fails_is_tried_again():
    query = Query()
    refused = iter([True, False, False, False])

    def cut() -> None:
        if next(refused):
            raise OSError("no route")
        query.cut()

    def strike() -> None:
        query.begun.wait(60)
        raise_in(main, Struck)

    main = threading.current_thread()
    threading.Thread(target=strike).start()
    with pytest.raises(Struck):
        cuttable(query.work, cut, query.close)
    assert query.closed.wait(60)
    assert query.events == ["cut", "cut", "cut", "ended", "closed"]
