"""A clock of a run: it goes off once, in time, on a thread that ends with it."""

from __future__ import annotations

import threading

from agentloop_nb.agent.alarm import Alarm

LONG = 60


def test_it_goes_off_on_another_thread() -> None:
    alarm, heard, where = Alarm(), threading.Event(), []
    alarm.set(0.01, lambda: (where.append(threading.current_thread()), heard.set()))
    assert heard.wait(LONG)
    assert where != [threading.current_thread()]
    alarm.close()
    assert not where[0].is_alive()


def test_what_is_set_earlier_goes_off_earlier_and_what_is_switched_off_never_does() -> None:
    alarm, heard, wrong = Alarm(), threading.Event(), []
    alarm.set(LONG, lambda: wrong.append("late"))
    alarm.set(0.02, lambda: wrong.append("switched off"))
    alarm.switch_off()
    alarm.set(0.05, heard.set)
    assert heard.wait(LONG)
    alarm.close()
    assert wrong == []


def test_many_steps_share_one_thread() -> None:
    alarm, before = Alarm(), threading.active_count()
    for _ in range(50):
        alarm.set(LONG, lambda: None)
        alarm.switch_off()
    assert threading.active_count() == before + 1
    alarm.close()
    assert threading.active_count() == before


def test_one_that_was_never_set_has_no_thread() -> None:
    before = threading.active_count()
    Alarm().close()
    assert threading.active_count() == before
