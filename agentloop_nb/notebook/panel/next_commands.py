"""What can be typed once a run is over: one list for the buttons of its view and for the lines without a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from agentloop_nb.actions import Finish, RunCode
from agentloop_nb.notebook.panel.safe_text import escape, one_line
from agentloop_nb.notebook.panel.static_steps import LINE, MUTED
from agentloop_nb.state import State

NOTE = "what to do instead"


class Field(NamedTuple):
    """A value that a person may change before the command runs."""

    label: str
    flag: str
    """What stands before it: an option, `--` for a note, nothing for a word alone."""
    value: str = ""
    kind: Literal["whole", "dollars", "word", "note"] = "note"
    needed: bool = False


class NextCommand(NamedTuple):
    """One thing to do with a finished run."""

    label: str
    does: str
    command: str
    fields: tuple[Field, ...] = ()
    kernel: bool = False
    """Only the kernel of the run can do it."""
    newest: bool = False
    """It is about the last run of the kernel, whichever that is."""

    @property
    def line(self) -> str:
        """How it is typed, with the values that are proposed."""
        parts = [self.command]
        for field in self.fields:
            value = field.value or (NOTE if field.needed else "")
            parts += [part for part in (field.flag, value) if part] if value else []
        return " ".join(parts)

    def offered(self) -> dict[str, Any]:
        """Return it as the page is told of it."""
        fields = [field._asdict() for field in self.fields]
        return {"label": self.label, "does": self.does, "command": self.command, "fields": fields}


def next_commands(state: State) -> list[NextCommand]:
    """Return what can be done with a finished run, in the order it is offered."""
    run, code, acted = one_line(state.run), _ran_code(state), _acted(state)
    found = []
    if code:
        does = "put the steps that the result needs below, as cells of your own"
        found.append(NextCommand("Insert as cells", does, f"%agent cells --minimal {run}"))
    if state.steps:
        does = "write the run as a notebook (or .py, .html) and prove that it re-runs"
        name = Field("to", "", f"{run}.ipynb", "word", needed=True)
        found.append(NextCommand("Export", does, f"%agent export {run}", (name,)))
    if acted:
        does = "take back its last steps: variables, files, and what the model remembers"
        count = Field("steps", "", str(len(acted)), "whole", needed=True)
        found.append(NextCommand("Undo", does, f"%agent undo {run}", (count,), kernel=True))
        does = "try a different approach after a step, in a process and a copy of the folder"
        step = Field("after step", "--at", str(acted[-1]), "whole", needed=True)
        note = Field("what to do instead", "--", needed=True)
        found.append(NextCommand("Fork", does, f"%agent fork {run}", (step, note)))
    if state.settings.get("isolated"):
        does = "copy what it made into this kernel"
        found.append(NextCommand("Adopt", does, f"%agent adopt {run}", kernel=True))
    found.append(_resume(state, run))
    note = Field("a word to the agent", "--")
    found.append(NextCommand("Retry", "run the goal again from before it", "%agent retry", (note,), newest=True))
    return found


def _resume(state: State, run: str) -> NextCommand:
    note = Field("what to do next", "--", needed=state.is_complete)
    limits = {
        "cost_limit": Field("budget, $", "--budget", f"{2 * (state.budget or 1):f}", "dollars", needed=True),
        "step_limit": Field("steps in all", "--max-steps", str(state.max_steps + 20), "whole", needed=True),
    }
    limit = limits.get(state.status)
    return NextCommand("Resume", "go on with it", f"%agent resume {run}", (limit, note) if limit else (note,))


def _ran_code(state: State) -> bool:
    done = (step for step in state.steps if step.decision and step.result and step.result.success)
    return any(isinstance(step.decision.action, RunCode) for step in done if step.decision)


def _acted(state: State) -> list[int]:
    """Numbers of the steps of its own that did something."""
    own = [step for step in state.steps if step.started and not step.inherited]
    return [step.number for step in own if step.decision and not isinstance(step.decision.action, Finish)]


def lines_html(commands: Sequence[NextCommand]) -> str:
    """Return what to type, for where no kernel puts buttons; the buttons of a live one replace it on the page."""
    rows = "".join(_line(each) for each in commands if not each.newest)
    head = '<summary style="padding:3px 10px;cursor:pointer">Go on from here: what to type in a cell</summary>'
    body = f'<div style="padding:0 10px 6px 30px;font-size:12px">{rows}</div>'
    fold = f"<details>{head}{body}</details>"
    return f'<div data-lines style="border-top:1px solid {LINE}">{fold}</div>'


def _line(each: NextCommand) -> str:
    does = f"{each.does}{', while its kernel lives' if each.kernel else ''}"
    code = f'<code style="overflow-wrap:anywhere">{escape(each.line)}</code>'
    return f'<div>{code} <span style="{MUTED}">{escape(does)}</span></div>'
