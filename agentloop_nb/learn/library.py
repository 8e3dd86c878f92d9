"""The learned actions of a folder: which there are, which the user allowed as they are now, and their use in a run."""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from types import CodeType
from typing import Any, Literal, NamedTuple

from agentloop_nb._internal.links import refuse_links
from agentloop_nb._internal.text import clean
from agentloop_nb.actions.own import LIVE, OwnAction
from agentloop_nb.actions.own_names import is_function_name
from agentloop_nb.errors import Front, Hint, UserError, worded
from agentloop_nb.record import consents

Standing = Literal["allowed", "changed", "unknown"]
"""`changed` was allowed as it was before; `unknown` never was."""
Asks = Callable[[str], bool]
"""Puts a question to the person, with what is shown above it."""

FOLDER = Path(".agentloop") / "actions"
LARGEST = 100_000
"""Bytes of a file that is read at all."""
_KIND = "learned"
_refused: set[tuple[str, str]] = set()
"""Files, with their hashes, that the person said no to in this process."""


class Learned(NamedTuple):
    """A file that holds a learned action. Its text was read once: what is judged is what runs."""

    path: Path
    source: str
    standing: Standing
    before: str = ""
    """What was allowed, where that is something else."""

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def place(self) -> str:
        return f"{FOLDER.as_posix()}/{self.path.name}"


def found(folder: Path) -> list[Learned]:
    """Return the learned actions of a folder. Nothing of them is run."""
    home = folder / FOLDER
    try:
        refuse_links(home)
        paths = sorted(path for path in home.glob("*.py") if is_function_name(path.stem))
    except OSError:
        return []
    return [read for path in paths if (read := _read(path))]


def named(folder: Path, name: str) -> Learned:
    """Return one of them. Raises `UserError`."""
    there = {each.name: each for each in found(folder)}
    if name in there:
        return there[name]
    close = difflib.get_close_matches(name, there, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(there) or 'none'}"
    raise UserError(f"no action {name!r} was learned in {folder}; {hint}")


def allow(learned: Learned) -> None:
    """Keep that this file may be used as it is. Raises `UserError`."""
    content = {"name": learned.name, "file": str(learned.path), "sha256": _digest(learned.source)}
    consents.keep(_KIND, _identity(learned.path), {**content, "source": learned.source})


def forget(learned: Learned) -> bool:
    """Take that back; False where it was not allowed."""
    return consents.forget(_KIND, _identity(learned.path))


def difference(before: str, now: str, name: str) -> str:
    """Return what changed in a file, as a diff; all of it where it is new."""
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), f"{name} before", f"{name} now", lineterm="")
    return clean("\n".join(lines))


def use(folder: Path, namespace: MutableMapping[str, Any], asks: Asks | None, front: Front = "notebook") -> list[str]:
    """Put the allowed actions of a folder into a namespace, and take out those of other folders; returns what to tell.

    A file that changed since it was allowed is asked about, unless nobody is there (`asks` is None). One that never was
    allowed is not run, and only named.
    """
    there = found(folder)
    _let_go({each.name: each.source for each in there if each.standing == "allowed"}, namespace)
    told = (_used(each, namespace, asks, front) for each in there)
    return [line for line in told if line]


def _used(learned: Learned, namespace: MutableMapping[str, Any], asks: Asks | None, front: Front) -> str:
    if learned.standing == "changed" and _agreed(learned, asks):
        allow(learned)
        learned = learned._replace(standing="allowed")
    if learned.standing == "allowed":
        return _load(learned, namespace)
    why = "changed since you allowed it" if learned.standing == "changed" else "was not allowed by you"
    return worded(f"{learned.place} {why}, and is not used", [Hint(f"learn --allow {learned.name}", "shows it")], front)


def _agreed(learned: Learned, asks: Asks | None) -> bool:
    mark = (str(learned.path), _digest(learned.source))
    if asks is None or mark in _refused:
        return False
    shown = difference(learned.before, learned.source, learned.place)
    if asks(f"{shown}\n{learned.place} changed since you allowed it. Use it as it is now?"):
        return True
    _refused.add(mark)
    return False


def _load(learned: Learned, namespace: MutableMapping[str, Any]) -> str:
    """Run a file in a namespace of its own, and let runs call what it declares; returns what is wrong, if anything."""
    name, before = learned.name, LIVE.get(learned.name)
    ours = before is not None and namespace.get(name) is before.function
    if ours and before is not None and before.learned_source == learned.source:
        return ""
    declared = _declared(learned)
    if not isinstance(declared, str):
        same = _does_the_same(namespace.get(name), learned)  # a run that was rebuilt has it from its record
        if name not in namespace or same or (ours and before is not None and before.learned_source):
            declared.learned_source, declared.origin = learned.source, f"learned ({learned.place})"
            namespace[name] = declared.function
            return ""
        declared = f"there is a {name} in your namespace already; rename one of them"
    LIVE.pop(name, None)
    if before is not None:
        LIVE[name] = before
    return f"{learned.place} is not used: {declared}"


def _does_the_same(value: Any, learned: Learned) -> bool:
    """Whether a value is a function of the code of this one."""
    there = getattr(value, "__code__", None)
    return isinstance(there, CodeType) and any(_parts(there) == _parts(code) for code in _codes(learned))


def _codes(learned: Learned) -> Iterator[CodeType]:
    """Yield the code of a function compiled with its file and alone: how it calls a module depends on that."""
    file = ast.parse(learned.source)
    alone = ast.Module([node for node in file.body if getattr(node, "name", "") == learned.name], [])
    for tree in (file, alone):
        made = compile(tree, str(learned.path), "exec").co_consts
        yield from (code for code in made if isinstance(code, CodeType) and code.co_name == learned.name)


def _parts(code: CodeType) -> tuple[Any, ...]:
    """Return what code does; the lines where it stands, which code objects compare as well, are no part of that."""
    constants = tuple(_parts(each) if isinstance(each, CodeType) else (type(each), each) for each in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames


def _declared(learned: Learned) -> type[OwnAction] | str:
    """Return what a file declares, or why it declares nothing."""
    space: dict[str, Any] = {"__name__": f"agentloop_learned_{learned.name}", "__file__": str(learned.path)}
    try:
        exec(compile(learned.source, str(learned.path), "exec"), space)  # noqa: S102 - allowed as it is
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the file may do anything
        return clean(f"{type(error).__name__}: {' '.join(str(error).split())}")
    declared = LIVE.get(learned.name)
    if declared is None or declared.function is not space.get(learned.name):
        return f"it declares no action {learned.name}"
    return declared


def _let_go(kept: dict[str, str], namespace: MutableMapping[str, Any]) -> None:
    """Take out what was learned and may not be used here, or not as it is."""
    for name, declared in list(LIVE.items()):
        if declared.learned_source and kept.get(name) != declared.learned_source:
            del LIVE[name]
            if namespace.get(name) is declared.function:
                del namespace[name]


def _read(path: Path) -> Learned | None:
    try:
        refuse_links(path)
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        source = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    kept = consents.kept(_KIND, _identity(path))
    if kept.get("sha256") == _digest(source):
        return Learned(path, source, "allowed")
    return Learned(path, source, "changed" if kept else "unknown", str(kept.get("source") or ""))


def _identity(path: Path) -> tuple[str, str]:
    return str(path.parent.resolve()), path.name


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()
