"""Tab completion after `%agent` and `%%agent`: commands, options, runs and models, from the tables."""

from __future__ import annotations

from typing import Any

from agentloop_nb.errors import UserError
from agentloop_nb.settings.options import OPTIONS, Option, parse_options


def completions(shell: Any, line: str) -> Any:
    """Answer IPython's completer on a line up to the cursor; Python's own names are kept out of a goal's line."""
    from IPython.core.completer import SimpleCompletion

    found = candidates(shell, line)
    if found is None:
        return {"completions": []}
    word = line.rpartition(" ")[2]
    matches = [SimpleCompletion(text=each, type="magic") for each in found if each.startswith(word)]
    return {"completions": matches, "matched_fragment": word, "suppress": bool(matches), "ordered": True}


def candidates(shell: Any, line: str) -> list[str] | None:
    """Return what may stand at the end of a line; None where the line is none of ours."""
    from agentloop_nb.command_table import BY_NAME, available

    magic, *words = line.split(" ")
    if magic not in ("%agent", "%%agent") or not words:
        return None
    before = [word for word in words[:-1] if word]
    if magic == "%%agent":
        return None if _goal_begun(before) else _of_options(before, OPTIONS)
    if not before:
        return list(available("notebook"))
    command = BY_NAME.get(before[0])
    if command is None:
        return None
    if command.name == "help":
        return list(BY_NAME)
    runs = _runs(shell) if "RUN" in command.arguments else []
    providers = _models() if "PROVIDER" in command.arguments else []
    return [*_of_options(before[1:], command.options_in("notebook")), *runs, *providers]


def _goal_begun(before: list[str]) -> bool:
    try:
        return bool(parse_options(" ".join(before))[1])
    except UserError:  # an option that waits for its value
        return False


def _of_options(before: list[str], options: tuple[Option, ...]) -> list[str]:
    """Return the values of the option that was typed last, else the options."""
    last = next((each for each in options if before and before[-1] in each.flags), None)
    if last is None or not last.value:
        return [each.flags[-1] for each in options]
    if last.setting in ("model", "what_if"):
        return _models()
    known = {"approve": ["auto", "code", "all"], "privacy": ["full", "schema", "none"]}
    return known.get(last.setting, [last.example])


def _runs(shell: Any) -> list[str]:
    from agentloop_nb.notebook.run_manager import run_manager_of
    from agentloop_nb.record import locating

    found = locating.runs_folder(run_manager_of(shell).folder).glob("*.jsonl")
    return sorted((path.stem for path in found), reverse=True)


def _models() -> list[str]:
    from agentloop_nb.models.providers import PROVIDERS
    from agentloop_nb.settings import DEFAULT_MODEL

    return ["demo", "replay:", DEFAULT_MODEL, *(f"{name}:" for name in PROVIDERS)]
