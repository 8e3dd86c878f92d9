"""Stopping several runs as one: the first stop reaches each once, the second kills."""

from __future__ import annotations

from agentloop_nb.agent.control import Control
from agentloop_nb.agent.group_control import GroupControl


class Counted(Control):
    """Counts its stops."""

    stops = 0

    def stop(self) -> None:
        self.stops += 1
        super().stop()


def test_a_stop_reaches_each_run_once_and_the_next_one_kills():
    group, kills, told = GroupControl(), [], []
    group.on_kill, group.on_stop = lambda: kills.append(1), lambda: told.append(1)
    parts = [Counted(), Counted()]
    for part in parts:
        group.add(part)
    group.stop()
    assert ([part.stops for part in parts], kills, told) == ([1, 1], [], [1])
    group.stop()
    group.stop()
    assert ([part.stops for part in parts], kills, told) == ([1, 1], [1, 1], [1])


def test_a_run_that_comes_too_late_is_stopped_at_once():
    group, late = GroupControl(), Counted()
    group.reason = "because"
    group.stop()
    group.add(late)
    assert late.stops == 1
    group.kill()  # with nothing to kill
