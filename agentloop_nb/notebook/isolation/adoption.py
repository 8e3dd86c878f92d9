"""What was brought from an isolated run into the user's kernel, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentloop_nb._internal import safe_files
from agentloop_nb.errors import ActionFailed
from agentloop_nb.notebook.snapshots.fingerprint_tree import Appearance
from agentloop_nb.notebook.snapshots.step_record import CHANGED_SINCE
from agentloop_nb.protocols import Undone, WrittenFile

_NOTHING = object()


@dataclass
class Adoption:
    """One `%agent adopt`."""

    run: str
    """The id of the run."""
    folder: Path
    """The user's folder, in which the files were put."""
    before: dict[str, Any] = field(default_factory=dict)
    """Names that were bound, with what they were bound to before; `_NOTHING` for new ones."""
    after: dict[str, Any] = field(default_factory=dict)
    """The same names, with the value that was brought."""
    looks: dict[str, Appearance] = field(default_factory=dict)
    """The same names, with what the value looked like then."""
    files: list[WrittenFile] = field(default_factory=list)
    take_back: Callable[[], Undone] | None = None
    """Takes back what re-run code did."""

    def bind(self, namespace: MutableMapping[str, Any], name: str, value: Any) -> None:
        """Bind a name in the user's namespace, remembering what it was."""
        self.looks[name] = Appearance(value)
        self.before[name], self.after[name] = namespace.get(name, _NOTHING), value
        namespace[name] = value

    @property
    def replaced(self) -> list[str]:
        """Names that were bound here before."""
        return [name for name, value in self.before.items() if value is not _NOTHING]

    def undo(self, namespace: MutableMapping[str, Any]) -> str:
        """Put everything back, and say what could not be: what was bound or changed again since stays."""
        back, left = [], []
        for name, value in self.before.items():
            if namespace.get(name, _NOTHING) is not self.after[name]:
                left.append(f"{name} (it was bound to something else since)")
                continue
            if self.looks[name].changed():
                left.append(f"{name} ({CHANGED_SINCE})")
                continue
            back.append(name)
            if value is _NOTHING:
                del namespace[name]
            else:
                namespace[name] = value
        if self.take_back is not None:
            undone = self.take_back()
            back += undone.names
            left += [f"{name} ({why})" for name, why in undone.lost.items()]
        for file in self.files:
            try:
                safe_files.restore(self.folder, file)
            except ActionFailed as error:
                left.append(str(error))
            else:
                back.append(file.path)
        told = [f"What was adopted from run {self.run} is taken back: {', '.join(back) or 'nothing'}."]
        return "\n".join([*told, *(f"  NOT taken back: {each}" for each in left)])
