"""What `%agent` can do beside telling how the last run went: one function a subcommand."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.display import publish_display_data

from agentloop_nb._internal.text import on_one_line
from agentloop_nb.errors import UserError
from agentloop_nb.options import (
    ANYWAY,
    AT,
    OPTIONS,
    describe,
    note_from,
    parse_command,
    run_and_note,
    split_words,
    step_number,
)
from agentloop_nb.record import journal

if TYPE_CHECKING:
    from agentloop_nb.notebook.magic import AgentMagics
    from agentloop_nb.run import Run
    from agentloop_nb.state import State

T = TypeVar("T")
_COUNT = re.compile(r"\d{1,4}")
_NOTE = re.compile(r"(?:^|\s)--\s")


def perform(magics: AgentMagics, line: str, *, awaited: bool) -> Any:
    """Carry out what stands after `%agent`. Raises `UserError` for an unknown word."""
    word, _, rest = line.strip().partition(" ")
    if word in ("resume", "fork"):
        return (resume if word == "resume" else fork)(magics, rest.strip(), awaited=awaited)
    command = COMMANDS.get(word or "status")
    if command is None:
        close = difflib.get_close_matches(word, COMMANDS, n=1)
        hint = f"did you mean %agent {close[0]}?" if close else f"there are {', '.join(COMMANDS)}."
        raise UserError(f"there is no %agent {word}; {hint} A goal is given with two signs: %%agent {line.strip()}")
    return command(magics, rest.strip())


def status(magics: AgentMagics, rest: str) -> None:
    """How the last run went."""
    if not magics.launcher.runs:
        print("No run in this kernel yet. Give a goal: %%agent what you want   (%agent help lists what else there is)")
        return
    run = magics.launcher.runs[-1]
    print("\n".join(filter(None, [repr(run), run.reason])))


def help_(magics: AgentMagics, rest: str) -> None:
    """List what can be typed."""
    width = max(map(len, COMMANDS))
    lines = [f"  %agent {name:<{width}}  {command.__doc__}" for name, command in COMMANDS.items()]
    print("\n".join(["%%agent [options] goal   (more lines of the goal may follow)", describe(), "", *lines]))


def export(magics: AgentMagics, rest: str) -> None:
    """[--minimal] [--share [--repository OWNER/NAME]] [RUN] PATH: write a run as a notebook, and prove it re-runs."""
    from agentloop_nb.verify.certified_export import publish

    options: dict[str, Any] = {}
    words, left = [], iter(split_words(rest))
    for word in left:
        flag, _, value = word.partition("=")
        if flag == "--repository":
            options["repository"] = value or next(left, "")
        elif word in _SWITCHES:
            options[_SWITCHES[word]] = True
        else:
            words.append(word)
    if not words or any(word.startswith("-") for word in words):
        raise UserError("name the notebook to write: %agent export run.ipynb (or .py, .html; --share takes a folder)")
    if len(words) > 2:
        raise UserError(
            f"a run and a name at most; one with spaces stands in quotes: %agent export {' '.join(words)!r}"
        )
    *reference, path = words
    record = magics.launcher.find(reference[0] if reference else None)
    here = magics.launcher.run_of(record)
    write = here.publish if here else partial(publish, record)
    print(f"Exported to {path}: {write(Path(path), **options).told}")


_SWITCHES = {"--minimal": "minimal", "--share": "shared"}


def compare(magics: AgentMagics, rest: str) -> None:
    """A [B]: decisions, results, variables and cost of two runs side by side; B is the last run if it is left out."""
    from agentloop_nb.notebook.panel.comparison_page import comparison_html
    from agentloop_nb.reports import compare as comparing
    from agentloop_nb.terminal.comparison_table import comparison_text

    words = split_words(rest)
    if not 1 <= len(words) <= 2:
        raise UserError("name the runs to compare: %agent compare RUN RUN (%agent runs lists them)")
    found = comparing.compare(*(magics.launcher.state(word) for word in (*words, None)[:2]))
    publish_display_data({"text/html": comparison_html(found), "text/plain": comparison_text(found)})


def runs(magics: AgentMagics, rest: str) -> None:
    """The runs recorded in this folder, newest first."""
    states = journal.runs(magics.launcher.folder)
    print("\n".join(map(_row, states)) or f"No run is recorded in {magics.launcher.folder}.")


def _row(state: State) -> str:
    cost = f"${state.total_cost:.4f}" if state.cost_known else "?"
    run, what = on_one_line(state.run), on_one_line(state.subject or state.reason)[:90]
    return f"{run}  {state.status:<11} {state.current_step:>3} steps  {cost:>9}  {what}"


def show(magics: AgentMagics, rest: str) -> None:
    """[RUN]: draw a run again from its record."""
    from agentloop_nb.notebook.panel.html import plain_text, static_html

    state = magics.launcher.state(rest or None)
    publish_display_data({"text/html": static_html(state), "text/plain": plain_text(state)})


def resume(magics: AgentMagics, rest: str, *, awaited: bool = False) -> Any:
    """[RUN] [--budget USD] [--max-steps N] [--anyway] [-- NOTE]: go on with a run."""
    before, *after = _NOTE.split(rest, maxsplit=1)
    arguments, *words = parse_command(before, (*OPTIONS, ANYWAY))
    note, anyway = note_from(*after), bool(arguments.pop("anyway", False))
    launch = magics.launcher.resume(
        " ".join(words).strip() or None, arguments, magics.config_values(), note, anyway=anyway
    )
    return magics.start(launch, awaited=awaited)


def fork(magics: AgentMagics, rest: str, *, awaited: bool = False) -> Any:
    """[RUN] [--at N] [--anyway] [options] [NOTE]: another way from step N on, in a process and folder of its own."""
    before, *after = _NOTE.split(rest, maxsplit=1)
    arguments, first, rest = parse_command(before, (*OPTIONS, ANYWAY, AT))
    folder = magics.launcher.folder
    reference, note = run_and_note(first, rest, " ".join(after), lambda word: journal.names_run(word, folder))
    at, anyway = step_number(arguments.pop("at", None)), bool(arguments.pop("anyway", False))
    launch = magics.launcher.fork(reference, at, arguments, magics.config_values(), note, anyway=anyway)
    return magics.start(launch, awaited=awaited)


def adopt(magics: AgentMagics, rest: str) -> None:
    """[RUN] [NAME ...] [--rerun] [--undo]: bring here what an isolated run or a fork made, or take that back."""
    from agentloop_nb.notebook.isolation.adopt import adopt as bring_here

    print(bring_here(magics.launcher, split_words(rest)))


def cost(magics: AgentMagics, rest: str) -> None:
    """[--what-if MODEL]: what the last run cost, by step and token class."""
    from agentloop_nb.models.prices import is_rates
    from agentloop_nb.models.registry import pricing
    from agentloop_nb.reports.cost import cost_report, what_if
    from agentloop_nb.settings import environment

    state = magics.launcher.state(None)
    if not rest:
        print(cost_report(state))
        return
    flag, _, model = rest.partition(" ")
    if flag != "--what-if" or not model.strip():
        raise UserError("name a model to compare with: %agent cost --what-if openai:gpt-4o")
    settings = magics.launcher.settings({}, magics.config_values())
    if settings.price and is_rates(settings.price) and model.strip() != settings.model:  # rates of another model
        settings = replace(settings, price=None)
    price = pricing(model.strip(), settings, environment(magics.launcher.folder))
    print(what_if(state, model.strip(), price.quote))


def undo(magics: AgentMagics, rest: str) -> None:
    """[RUN] [N]: take back the last N steps (1): variables, files, and what the model remembers."""
    from agentloop_nb.notebook.undo import undo_steps

    words = rest.split()
    count = int(words.pop()) if words and _COUNT.fullmatch(words[-1]) else 1
    if len(words) > 1 or "".join(words).startswith("-"):
        raise UserError("say how many steps to take back: %agent undo 2, or of which run: %agent undo RUN 2")
    undo_steps(_that_did(magics, "undo", words), count, print)


def restore(magics: AgentMagics, rest: str) -> None:
    """NAME [RUN]: give a variable back the value it had before the last run that changed it."""
    from agentloop_nb.notebook.undo import restore_name

    name, *reference = rest.split() or [""]
    if not name or len(reference) > 1:
        raise UserError("name a variable: %agent restore NAME (%agent who lists them)")
    print(restore_name(_that_did(magics, "restore from", reference, name), name))


def who(magics: AgentMagics, rest: str) -> None:
    """What the last run made or changed, and which step did."""
    from agentloop_nb.reports import lineage

    print(lineage.who(magics.launcher.state(rest or None)))


def why(magics: AgentMagics, rest: str) -> None:
    """NAME: the chain of cells and steps behind a variable."""
    from agentloop_nb.reports import lineage

    if not rest:
        raise UserError("name a variable: %agent why NAME (%agent who lists them)")
    print(lineage.why(magics.launcher.state(None), rest))


def sent(magics: AgentMagics, rest: str) -> None:
    """[STEP]: the exact text that left the machine, and its size by source."""
    from agentloop_nb.reports.requests import sent as show_sent

    if rest and not rest.isdecimal():
        raise UserError("name a step by its number: %agent sent 3")
    print(show_sent(journal.read(magics.launcher.find(None)), int(rest) if rest else None))


def login(magics: AgentMagics, rest: str) -> None:
    """[PROVIDER]: type a key in; it is kept for this kernel's life and never lands in the notebook."""
    from getpass import getpass

    from agentloop_nb.models import keys
    from agentloop_nb.models.providers import PROVIDERS

    provider = (rest or "openai").lower()
    takers = [name for name, known in PROVIDERS.items() if known.key]
    if provider not in takers:  # before anybody types a key in
        raise UserError(f"{provider!r} takes no key; %agent login takes one for {', '.join(takers)}")
    question = f"Key for {provider} (not shown, kept until the kernel ends): "
    try:
        key = _colab_key(provider) or getpass(question)
    except (EOFError, NotImplementedError):
        raise UserError("nobody is there to type a key in; set it in the environment or in .env instead") from None
    if not key.strip():
        raise UserError("no key was given; type %agent login again")
    keys.remember(provider, key.strip())
    print(f"The key for {provider} is kept until this kernel ends.")


def _colab_key(provider: str) -> str | None:
    """The key among Colab's user data, if this is Colab and it is there."""
    try:
        from google.colab import userdata
    except ImportError:
        return None
    try:
        return str(userdata.get(f"{provider.upper()}_API_KEY"))
    except Exception:  # noqa: BLE001 - not found, or access not granted: ask instead
        return None


def models(magics: AgentMagics, rest: str) -> None:
    """[PROVIDER]: the models that the configured server offers."""
    from agentloop_nb.models.providers import PROVIDERS
    from agentloop_nb.models.registry import list_models
    from agentloop_nb.settings import environment

    if rest and rest.partition(":")[0].lower() not in PROVIDERS:
        raise UserError(f"there is no provider {rest!r}; there are {', '.join(PROVIDERS)}")
    arguments = {"model": rest} if rest else {}
    settings = magics.launcher.settings(arguments, magics.config_values())
    print("\n".join(_in_thread(list_models(settings, environment(magics.launcher.folder)))))


def _in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from synchronous code inside a running loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def _that_did(magics: AgentMagics, verb: str, reference: list[str], name: str = "") -> Run:
    """The run of this kernel that is named, else the newest that took a step, or that changed a variable here."""
    runs = magics.launcher.runs
    if not runs:
        raise UserError(f"there is no run in this kernel to {verb}; give a goal first: %%agent what you want")
    if reference:
        path = magics.launcher.find(reference[0])
        found = magics.launcher.run_of(path)
        if found is None:
            raise UserError(f"run {path.stem} did not take place in this kernel, so there is nothing here to {verb}")
        return found
    did = (run for run in reversed(runs) if _did(run, name))
    return next(did, runs[-1])


def _did(run: Run, name: str) -> bool:
    results = [step.result for step in run.state.steps if step.result]
    if not name:
        return bool(results)
    return not run.state.settings.get("isolated") and any(
        change.name == name for result in results for change in result.changes
    )


COMMANDS: dict[str, Callable[[AgentMagics, str], Any]] = {
    "status": status,
    "export": export,
    "runs": runs,
    "show": show,
    "compare": compare,
    "resume": resume,
    "fork": fork,
    "adopt": adopt,
    "cost": cost,
    "undo": undo,
    "restore": restore,
    "who": who,
    "why": why,
    "sent": sent,
    "login": login,
    "models": models,
    "help": help_,
}
