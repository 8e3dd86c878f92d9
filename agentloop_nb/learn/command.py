"""What `%agent learn` does: list what a folder has learned, learn one more, allow it, take that back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from agentloop_nb._internal import amounts, atomic
from agentloop_nb._internal.links import refuse_links
from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb._internal.text import disallowed
from agentloop_nb.actions.own import LIVE
from agentloop_nb.actions.own_names import is_function_name
from agentloop_nb.actions.registry import BUILT_IN_BY_NAME
from agentloop_nb.agent.budget import own_ledger
from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.errors import Front, Hint, UserError, worded
from agentloop_nb.events import AnyEvent
from agentloop_nb.learn import library
from agentloop_nb.learn.asking import Asking
from agentloop_nb.learn.file_text import file_text
from agentloop_nb.learn.material import Material, material, step_numbers
from agentloop_nb.learn.proof import Proof, prove
from agentloop_nb.learn.proposal import ProposeFunction, check
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.record import journal, locating, reading
from agentloop_nb.session.parts import make_model
from agentloop_nb.settings import Settings
from agentloop_nb.state import State
from agentloop_nb.verify.kernel_run import in_thread

_NOBODY = "nobody is there to look at it, so nothing is learned or allowed; where you can answer, type"


@dataclass(frozen=True)
class Desk:
    """Where a person types the command: their folder, their runs, and how they are asked."""

    front: Front
    folder: Path
    attended: bool
    """Somebody is there to answer."""
    asks: library.Asks
    find: Callable[[str | None], Path]
    """The record meant, once its code may run."""
    settings: Callable[[Path, Mapping[str, Any]], Settings]
    """The settings of a recorded run but for those named now."""
    variables: Mapping[str, str]
    working: Callable[[Path], Path]
    """The working folder of a recorded run."""
    state: Callable[[Path], State | None]
    """The state of a run of this kernel."""


def learn(desk: Desk, words: Sequence[str], options: Mapping[str, Any]) -> str:
    """Carry the command out, and return what to tell. Raises `UserError`."""
    given = dict(options)
    allows, forgets = given.pop("allow", False), given.pop("forget", False)
    if not words:
        return _listed(desk)
    if allows:
        return "\n".join(_allow(desk, library.named(desk.folder, name)) for name in words)
    if forgets:
        found = [library.named(desk.folder, name) for name in words]
        return "\n".join(disallowed(each.name, before=library.forget(each)) for each in found)
    _refuse_nobody(desk, f"learn {' '.join(words)}")
    if IN_BROWSER:
        raise UserError("a browser has no second kernel to try a function in; learn it in a notebook elsewhere")
    reference, name, steps = _taken_apart(desk, list(words))
    _check_name(name)
    return _learned(desk, desk.find(reference), name, steps, given)


def _listed(desk: Desk) -> str:
    there = library.found(desk.folder)
    if not there:
        hint = Hint("learn NAME", "makes one of the last run.")
        return worded(f"No action was learned in {desk.folder}", [hint], desk.front)
    states = {"allowed": "allowed", "changed": "changed since you allowed it", "unknown": "not allowed"}
    return "\n".join(f"{each.name} ({each.place}): {states[each.standing]}" for each in there)


def _refuse_nobody(desk: Desk, typed: str) -> None:
    if not desk.attended:
        raise UserError(worded(_NOBODY, [], desk.front), Hint(typed, lead=": "))


def _allow(desk: Desk, learned: library.Learned) -> str:
    """Show a file, and keep what the person says of it."""
    if learned.standing == "allowed":
        return f"{learned.name} is allowed as it is."
    _refuse_nobody(desk, f"learn --allow {learned.name}")
    shown = library.difference(learned.before, learned.source, learned.place)
    if not desk.asks(f"{shown}\nLet runs of this folder call {learned.name}? It runs with your rights"):
        raise UserError(f"{learned.name} is not allowed")
    library.allow(learned)
    return f"{learned.name} is allowed; once its file changes you are asked again."


def _taken_apart(desk: Desk, words: list[str]) -> tuple[str | None, str, frozenset[int]]:
    """Return the run, the name and the steps that were typed. Raises `UserError`."""
    reference = words.pop(0) if len(words) > 1 and locating.names_run(words[0], desk.folder) else None
    name, *steps = words
    if len(steps) > 1:
        raise UserError(f"not {' '.join(words)!r}", Hint("learn [RUN] NAME [STEPS]"))
    return reference, name, step_numbers(steps[0]) if steps else frozenset()


def _check_name(name: str) -> None:
    if not is_function_name(name):
        raise UserError(f"{name[:60]!r} is no name for a function; a name has letters, digits and underscores")
    if name in BUILT_IN_BY_NAME:
        raise UserError(f"there is an action {name!r} already; choose another name")
    if name in LIVE and not LIVE[name].learned_source:
        raise UserError(f"there is a function {name!r} with @action in your notebook; choose another name")


def _learned(desk: Desk, record: Path, name: str, steps: frozenset[int], given: Mapping[str, Any]) -> str:
    """Have a function proposed and tried, show it, and save it if the person says so."""
    found = material(reading.read(record), desk.working(record), steps)
    settings = desk.settings(record, given)
    state = desk.state(record) or reading.load(record)
    kept = journal.Journal.open(record, limit=settings.record_limit * journal.MEGABYTE)
    before = state.total_cost

    def note(event: AnyEvent) -> None:
        kept.append(event)
        state.apply(event)

    ledger = own_ledger(state) if given.get("budget") is None else Ledger(settings.budget)
    try:
        proposal, proof, model = in_thread(_proposed(desk, settings, ledger, state, found, name, note))
    finally:
        kept.close()
    source = file_text(proposal, proof, state.run, found.numbers, model)
    path = desk.folder / library.FOLDER / f"{name}.py"
    shown = library.difference(_existing(path), source, f"{library.FOLDER.as_posix()}/{name}.py")
    spent = amounts.cost(state.total_cost - before)
    question = f"Save it, and let later runs of this folder call {name}? It runs with your rights"
    if not desk.asks(f"{shown}\n\nThe test passed in a fresh kernel ({proof.how}): {proof.told}.\n{question}"):
        raise UserError(f"{name} is not saved (asking the model cost {spent})")
    _save(path, source)
    place = path.relative_to(desk.folder).as_posix()
    return f"Saved as {place} (cost {spent}). Later runs of this folder may call {name}."


async def _proposed(
    desk: Desk,
    settings: Settings,
    ledger: Ledger,
    state: State,
    found: Material,
    name: str,
    note: Callable[[AnyEvent], None],
) -> tuple[ProposeFunction, Proof, str]:
    model = make_model(settings, desk.variables, ledger)
    if isinstance(model, ReplayModel):
        raise UserError("a record decides nothing new; name a model", Hint(f"learn {name} -m MODEL"))
    asking = Asking(model, ledger, state, name, note, settings.max_retries, settings.privacy)
    judge = partial(_judged, name=name, found=found, timeout=settings.timeout)
    try:
        proposal, proof = await asking.answer(found.told(settings.privacy), judge)
    finally:
        await model.close()
    return proposal, proof, model.name


def _judged(proposal: ProposeFunction, *, name: str, found: Material, timeout: int) -> Proof:
    check(proposal, name, found.sources, found.made, found.there)
    return prove(proposal, name, found, timeout)


def _existing(path: Path) -> str:
    """Return the file as it is now; empty where there is none. Raises `UserError`."""
    try:
        refuse_links(path)
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _save(path: Path, source: str) -> None:
    """Write the file, and keep that it is allowed as it is. Raises `UserError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_links(path)
        atomic.replace(path, source.encode(), mode=0o644)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}), so nothing is saved") from None
    library.allow(library.Learned(path, source, "unknown"))
