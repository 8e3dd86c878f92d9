"""What can be typed next: data in the core, words at the edge."""

import re
from pathlib import Path

import pytest

import agentloop_nb
from agentloop_nb.errors import AgentFailed, Hint, UserError, worded
from agentloop_nb.events import RunFinished, RunResumed, RunStarted, event_from
from agentloop_nb.state import fold

EDGES = ("notebook", "bridge", "cli", "command_table.py", "errors.py")
SAYS_BOTH = {
    "settings/options.py", "settings/table.py", "export/user_cells.py", "terminal/terminal_view.py",
    "safety/outside_agents.py",
}  # fmt: skip
"""They name the notebook's word where it is meant: a table's text for both, cells that are read, a choice of words."""


@pytest.mark.parametrize(
    ("hint", "notebook", "shell"),
    [
        (Hint("resume -m MODEL"), "Over: %agent resume -m MODEL", "Over: agentloop resume -m MODEL"),
        (Hint("runs", "lists them"), "Over; %agent runs lists them", "Over; agentloop runs lists them"),
        (Hint("", "a goal", lead="; give "), "Over; give %%agent a goal", "Over; give agentloop a goal"),
        (Hint("login", lead=", or type ", only="notebook"), "Over, or type %agent login", "Over"),
        (Hint("mcp", only="shell"), "Over", "Over: agentloop mcp"),
    ],
)  # fmt: skip
def test_a_hint_is_worded_where_it_is_read(hint, notebook, shell):
    error = UserError("Over", hint)
    assert (str(error), error.worded("shell")) == (notebook, shell)
    assert AgentFailed("Over", hint)._render_traceback_() == [f"AgentFailed: {notebook}"]


def test_several_hints_follow_each_other():
    assert worded("no name", [Hint("why NAME"), Hint("who", "lists them")]) == (
        "no name: %agent why NAME; %agent who lists them"
    )


def test_a_run_ends_with_a_reason_and_hints_until_it_goes_on():
    started = RunStarted(run="r", goal="g", context="", settings={})
    ended = RunFinished(status="step_limit", reason="all 2 steps are used", hints=(Hint("resume --max-steps 22"),))
    state = fold([started, event_from(ended.model_dump(mode="json"))])
    assert state.reason == "all 2 steps are used"
    assert state.ending("shell") == "all 2 steps are used: agentloop resume --max-steps 22"
    state.apply(RunResumed(max_steps=22))
    assert (state.reason, state.hints) == ("", ())


def test_an_ending_of_0_1_0_is_told_as_it_stands():
    told = {
        "kind": "run_finished",
        "step": 2,
        "status": "step_limit",
        "reason": "all used: %agent resume --max-steps 4",
    }
    assert fold([event_from(told)]).ending() == "all used: %agent resume --max-steps 4"


def test_the_core_names_no_front_in_what_it_says():
    root = Path(agentloop_nb.__file__).parent
    said = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if path.relative_to(root).parts[0] not in EDGES
        and re.search(r"%agent", re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL))
    }
    assert said <= SAYS_BOTH
