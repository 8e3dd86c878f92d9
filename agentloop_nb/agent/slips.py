"""Slips in a decision that are put right before it is carried out, where one way only makes sense of it."""

from __future__ import annotations

from agentloop_nb.actions import Finish, RunCode, WriteFile
from agentloop_nb.actions.mending import ends_with_an_action, mended, without_last_line
from agentloop_nb.actions.output_text import bounded, text_of
from agentloop_nb.actions.usual_imports import not_imported, with_imports
from agentloop_nb.agent.code_as_text import printed_text
from agentloop_nb.agent.echoes import is_echo
from agentloop_nb.decision import Decision
from agentloop_nb.protocols import Workspace
from agentloop_nb.state import State

SHOWN = 300
"""Characters of an output that stand for an answer."""


def put_right(decision: Decision, state: State, workspace: Workspace, *, small: bool) -> Decision:
    """Mend code that would not run; of a small model also code as text, and an answer that is an echo."""
    match decision.action:
        case RunCode(code=code):
            return _with(decision, code=_running(code, workspace))
        case WriteFile(content=content) as action if small:
            text = printed_text(action, state.goal)
            return _with(decision, content=content if text is None else text)
        case Finish(summary=summary, goal_met=True) if small and is_echo(summary, state):
            return _with(decision, summary=_shown(state) or summary)
        case _:
            return decision


def _shown(state: State) -> str:
    """Return what the last step that succeeded has shown, but for echoes, or made; empty where none did."""
    results = [step.result for step in state.steps if step.result and step.result.success and not step.is_only_words]
    if not results:
        return ""
    made = ", ".join(results[-1].effects.all_files)
    told = [output for output in results[-1].outputs if not any("image/" in kind for kind in output.get("data", ()))]
    lines = [line for line in text_of(told).splitlines() if not is_echo(line, state)]
    return bounded("\n".join(lines).strip(), SHOWN) or (f"Made {made}." if made else "")


def _running(code: str, workspace: Workspace) -> str:
    code = mended(code)
    if _not_there(ends_with_an_action(code), workspace):
        code = without_last_line(code)
    missing = _not_there(not_imported(code), workspace)
    return with_imports(code, missing) if missing else code


def _not_there(names: list[str], workspace: Workspace) -> list[str]:
    """Those of the names that are no variables."""
    there = workspace.variables(names) if names else {}
    return [name for name in names if name not in there]


def _with(decision: Decision, **fields: str) -> Decision:
    """Return a decision whose action has these fields."""
    if all(getattr(decision.action, name) == value for name, value in fields.items()):
        return decision
    return decision.model_copy(update={"action": decision.action.model_copy(update=fields)})
