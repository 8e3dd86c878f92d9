"""Isolated runs of a shell: where they take place, what they get along, and what can be brought back."""

from __future__ import annotations

import inspect
import pickle
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FunctionType
from typing import Any

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.agent.control import Control
from agentloop_nb.cluster.connecting import connection, elsewhere, named
from agentloop_nb.errors import Hint, UserError
from agentloop_nb.events import AnyEvent
from agentloop_nb.export.inputs import is_inside
from agentloop_nb.isolated.fork_copy import Copied, copy_folder
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.isolated.resource_limits import GB, Limits, parse_limits
from agentloop_nb.notebook.isolation.functions import packed_functions
from agentloop_nb.notebook.kernel import cell_history
from agentloop_nb.notebook.kernel.value_facts import size
from agentloop_nb.notebook.snapshots.tracker import is_watched
from agentloop_nb.protocols import Web
from agentloop_nb.record import locating
from agentloop_nb.reports.lineage import imported
from agentloop_nb.run import Run
from agentloop_nb.safety.secrets import known_secrets
from agentloop_nb.settings import Settings
from agentloop_nb.state import State, fold

KEPT_ALIVE = 3
"""Isolated runs of a kernel whose processes stay, for adopting, undoing and resuming."""
MAX_UNASKED = 256 * 2**20
"""Bytes of the user's variables that a run gets although nobody named them with `--with`."""
PLACE = Path(".agentloop") / "isolated"
"""Where isolated runs have their folders, beside their records."""


def placed(settings: Settings, run_id: str) -> Settings:
    """Give an isolated run its folder, and check its limits. Raises `UserError`."""
    parse_limits(settings.limits)
    if not settings.isolated:
        if settings.bring:
            raise UserError("--with names what an isolated run gets; add --isolated, or leave --with out")
        return settings
    _check_place()
    return replace(settings, output_dir=settings.output_dir or (PLACE / run_id).as_posix())


def _check_place() -> None:
    if IN_BROWSER:
        raise UserError("a browser cannot start a process, so nothing can be isolated or forked: leave --isolated out")


def workspace(
    shell: Any,
    home: Path,
    goal: str | Luggage,
    *,
    web: Web,
    settings: Settings,
    control: Control,
    earlier: Sequence[tuple[str, str]],
    kind: Callable[..., IsolatedWorkspace] = IsolatedWorkspace,
) -> IsolatedWorkspace:
    """Make the workspace of an isolated run with what its goal names, or what was packed already; empty is nothing.

    Raises `UserError`.
    """
    _check_place()
    folder = home / str(settings.output_dir)
    limits, connect = parse_limits(settings.limits), connection(settings, folder.name)
    if isinstance(goal, str):
        goal = pack(shell.user_ns, home, goal, settings.bring) if goal else Luggage()
    luggage = goal
    for name in luggage.files:
        _copy((luggage.home or home) / name, folder / name)
    functions, names = packed_functions(shell.user_ns)
    made = kind(
        folder,
        web=web,
        limits=limits,
        control=control,
        cells=cell_history.everything(shell, failed=False),
        luggage={**functions, **luggage.values},
        told=_told(luggage, limits),
        connect=connect,
    )
    made.privacy, made.memory, made.earlier = settings.privacy, settings.undo_memory * 2**20, list(earlier)
    made.functions = names
    made.ran = cell_history.by_runs(shell)
    return made


def go_on(run: Run, workspace: IsolatedWorkspace, *, web: Web, settings: Settings, control: Control) -> None:
    """Have a run go on in its living process, as it is set now. Raises `UserError` for what only a new one can have."""
    if parse_limits(settings.limits) != parse_limits(run.state.settings.get("limits") or ""):
        raise UserError(
            "the limits of a process that lives stay as they are", Hint("fork --limits ...", "starts a new one")
        )
    if elsewhere(settings) != named(run.state.settings.get("on")):
        raise UserError("a process that lives stays where it is", Hint("fork --on ...", "starts a new one"))
    if (locating.home(run.journal) / str(settings.output_dir)).resolve() != workspace.folder:
        raise UserError(f"this run goes on where its files are, in {workspace.folder}; leave --output-dir out")
    workspace.keep_copies(settings.undo_memory * 2**20)
    workspace.web, workspace.control, workspace.privacy = web, control, settings.privacy


def forked_workspace(
    namespace: Mapping[str, Any] | None,
    path: Path,
    source: Path,
    at: int | None,
    events: Sequence[AnyEvent],
    *,
    web: Web,
    settings: Settings,
    control: Control,
) -> IsolatedWorkspace:
    """Make the workspace of a fork: a copy of its parent's folder, `source`, as it was after step `at`.

    `namespace` is the user's, if the parent's run took place in this kernel: what the run left alone comes along.
    """
    parent, home = fold(events), locating.home(path)
    folder = home / str(settings.output_dir)
    at = parent.current_step if at is None else at
    connect = connection(settings, folder.name)
    copied = copy_folder(source, folder, parent, at)
    luggage = Luggage() if namespace is None else _untouched(namespace, home, parent)
    functions, names = packed_functions(namespace or {})
    made = IsolatedWorkspace(
        folder,
        web=web,
        limits=parse_limits(settings.limits),
        control=control,
        cells=parent.cells,
        luggage={**functions, **luggage.values},
        told=_told_of_files(copied),
        connect=connect,
    )
    made.privacy, made.memory = settings.privacy, settings.undo_memory * 2**20
    made.functions = names
    return made


@dataclass
class Luggage:
    """What an isolated run gets from the user's kernel."""

    values: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Name -> how (`pickle`, `source`) and the value."""
    files: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    """Names the goal mentions that could not be taken, with the reason."""
    home: Path | None = None
    """The folder that the files lie in."""


def pack(namespace: Mapping[str, Any], home: Path, goal: str, bring: str | None) -> Luggage:
    """Pack what `bring` names, else what the goal names and that holds no secret. Raises `UserError`."""
    luggage = Luggage(home=home)
    if bring is not None:
        for name in filter(None, (part.strip() for part in bring.split(","))):
            _pack_asked(luggage, namespace, home, name)
        return luggage
    words, room = set(re.findall(r"(?<![\w.])[^\W\d]\w*", goal)), MAX_UNASKED
    for name in sorted(words & namespace.keys()):
        if is_watched(name, namespace[name]) and not known_secrets({}, {}, (), {name: namespace[name]}):
            try:
                luggage.values[name] = packed = _packed_within(room, namespace[name])
                room -= len(packed[1])
            except _TooLarge:
                luggage.left[name] = f"past the {MAX_UNASKED >> 20} MB copied unasked; --with {name} brings it along"
            except Exception as error:  # pickling runs the value's own code
                luggage.left[name] = _reason(error)
    named = re.findall(r"(?<![\w./-])[\w./-]{0,200}\w\.\w+", goal)
    luggage.files = sorted({name for name in named if _is_file(home, name)})
    return luggage


def _untouched(namespace: Mapping[str, Any], home: Path, parent: State) -> Luggage:
    """Pack what a run in the user's kernel had at hand and did not touch; of an isolated run, what it was given."""
    if parent.settings.get("isolated"):
        return pack(namespace, home, parent.goal, parent.settings.get("bring"))
    touched = {change.name for step in parent.steps if step.result for change in step.result.changes}
    luggage, room = Luggage(), MAX_UNASKED
    for name in namespace.keys() - touched:
        value = namespace[name]
        if is_watched(name, value) and not known_secrets({}, {}, (), {name: value}):
            with suppress(Exception):
                luggage.values[name] = packed = _packed_within(room, value)
                room -= len(packed[1])
    return luggage


def _pack_asked(luggage: Luggage, namespace: Mapping[str, Any], home: Path, name: str) -> None:
    if name in namespace:
        try:
            luggage.values[name] = _packed(namespace[name])
        except Exception as error:
            raise UserError(f"{name} cannot be copied into an isolated run ({_reason(error)}); leave it out") from None
    elif _is_file(home, name):
        luggage.files.append(name)
    else:
        raise UserError(f"--with names {name!r}, which is no variable and no file of this folder")


def _packed(value: Any) -> tuple[str, bytes]:
    """Return the source of a function or class of the notebook's own, else the pickled value.

    Raises what pickling raises.
    """
    if isinstance(value, FunctionType | type) and value.__module__ == "__main__":
        return "source", inspect.cleandoc("\n" + inspect.getsource(value)).encode()
    return "pickle", pickle.dumps(value)


class _TooLarge(Exception):
    """A value takes more room than there is."""


def _packed_within(room: int, value: Any) -> tuple[str, bytes]:
    """Do what `_packed` does, in `room` bytes. Raises `_TooLarge`, too."""
    if size(value) > room or len((packed := _packed(value))[1]) > room:
        raise _TooLarge
    return packed


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _is_file(home: Path, name: str) -> bool:
    file = home / name
    return is_inside(name) and file.is_file() and file.resolve().is_relative_to(home.resolve())


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def _told(luggage: Luggage, limits: Limits) -> str:
    """Return what the model is told of where it is."""
    copied = [*luggage.values, *luggage.files]
    lines = [
        "This run is isolated: code runs in a process of its own, in an almost empty folder of its own.",
        f"It has at most {limits.memory / GB:g} GB of memory. The user's own folder is elsewhere and out of bounds.",
        f"Copied in for you: {', '.join(copied)}." if copied else "Nothing of the user's was copied in.",
        *(f"Not copied: {name} ({why})." for name, why in luggage.left.items()),
        "If you need something of the user's that is not there, finish and name it: --with NAME brings it along.",
    ]
    return "\n".join(lines)


def _told_of_files(copied: Copied) -> str:
    """Return what the model is told of the files of a fork that it has not, or not as they were."""
    told = {
        "Not copied, for want of room": copied.left_out,
        "Not copied, because they cannot be": copied.failed,
        "Files that later steps changed, here as those left them": copied.later,
    }
    return "\n".join(f"{what}: {_list(names)}." for what, names in told.items() if names)


def let_go(runs: Sequence[Run]) -> None:
    """End the processes of isolated runs that are over, but the last; `%agent adopt` of another one rebuilds it."""
    places = [(run, run.workspace) for run in runs if isinstance(run.workspace, IsolatedWorkspace)]
    for run, place in places[:-KEPT_ALIVE]:
        if run.status != "running":
            place.release()


def what_can_be_adopted(run: Run) -> str:
    """Say what an isolated run made, and how it is brought here."""
    assert run.workspace is not None
    imports = imported(run.state)
    made = [name for name in run.state.changed if name not in imports] + files_made(run.state, run.workspace.folder)
    if not made:
        return "This run was isolated; it left nothing to bring here."
    return f"This run was isolated; nothing here has changed. It made {_list(made)}. To bring it here: %agent adopt"


def files_made(state: State, folder: Path) -> list[str]:
    """Files that steps wrote and that are in the run's folder, in the order they were written."""
    names: dict[str, None] = {}
    for step in state.steps:
        names |= dict.fromkeys(filter(None, step.effects.all_files))
    return [name for name in names if _is_file(folder, name)]


def _list(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
