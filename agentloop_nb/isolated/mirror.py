"""A folder and its mirror on another machine: files go there and come here by content, in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agentloop_nb._internal.steering_files import steers
from agentloop_nb.isolated.connection import Garbled
from agentloop_nb.isolated.folder_files import MOST, PIECE, FolderFiles, Listing

MOST_BYTES = 2 * 2**30
"""Bytes of all files of a folder that are brought here."""

_LISTING = TypeAdapter(Listing)


class Mirror:
    """Keeps the folder of a run here and the one there the same; what comes from there is not trusted."""

    def __init__(
        self,
        files: FolderFiles,
        largest: int,
        asked: Callable[..., tuple[Any, Sequence[bytes]]],
        hurried: Callable[[], bool],
        remark: Callable[[str], None],
    ) -> None:
        """`asked` has a verb done there; what is left when `hurried` waits for the next time; `remark` tells."""
        self._files, self._same = files, Listing()
        self._largest, self._asked, self._hurried, self._remark = min(largest, MOST_BYTES), asked, hurried, remark

    def push(self) -> None:
        """Give the folder there what changed here."""
        here = self._files.listing()
        for name, look in here.items():
            if self._same.get(name) != look:
                self.put("files", self._files, name, name)
                self._same[name] = look
        if gone := [name for name in self._same if name not in here]:
            self._asked("remove", root="files", names=gone)
            self._same = {name: self._same[name] for name in here}

    def pull(self, told: Any = None) -> None:
        """Bring here what changed there, by the list that was `told`, or else asked for.

        A file that cannot be had is told of, and tried again after the next step. All take their places at the end: a
        machine that is lost on the way leaves nothing of the step here. Raises `Died` and `Garbled`.
        """
        there, left = self.listed("files") if told is None else _listing(told), list[str]()
        if len(there) >= MOST:
            self._remark(f"The folder holds more than {MOST:,} files; only the first by name are brought here.")
        room = MOST_BYTES
        with self._files.arriving() as arrived:
            for name, look in there.items():
                room -= look[0]
                if self._same.get(name) == look:
                    continue
                if self._hurried() or room < 0 or steers(name):
                    left.append(name)
                    continue
                try:
                    arrived.write(name, self._pieces("files", name))
                except (OSError, Garbled) as error:
                    left.append(f"{name} ({error})")
            self._remove_here([name for name in self._same if name not in there])
            left += arrived.place()
        self._same |= {name: there[name] for name in arrived.names}
        if left:
            self._remark(f"Files that could not be brought here: {', '.join(left[:10])}.")

    def _remove_here(self, names: Sequence[str]) -> None:
        """Remove what was removed there, unless it changed here meanwhile."""
        here = self._files.listing() if names else {}
        for name in names:
            if here.get(name) == self._same.pop(name):
                with suppress(OSError):
                    self._files.remove(name)

    def listed(self, root: str) -> Listing:
        """Return the files of a folder there. Raises `Died` and `Garbled`."""
        return _listing(self._asked("list", root=root)[0])

    def put(self, root: str, files: FolderFiles, name: str, target: str) -> None:
        """Send a file. Raises `Died` and `Garbled`."""
        at, last = 0, False
        while not last:
            try:
                piece = files.read(name, at)
            except OSError as error:
                raise Garbled(f"{name} cannot be read: {error}") from None
            last = len(piece) < PIECE
            self._asked("put", buffers=[piece], root=root, name=target, at=at, last=last)
            at += len(piece)

    def get(self, root: str, name: str, files: FolderFiles, target: str) -> None:
        """Bring a file here. Raises `OSError` for a name that leads elsewhere, `Died` and `Garbled`."""
        files.write(target, self._pieces(root, name))

    def _pieces(self, root: str, name: str) -> Iterator[bytes]:
        at, last = 0, False
        while not last:
            _, back = self._asked("get", root=root, name=name, at=at)
            if len(back) != 1 or len(back[0]) > PIECE:
                raise Garbled(f"{name} came in pieces that were not asked for")
            if at + len(back[0]) > self._largest:
                raise Garbled(f"{name} is larger than a file may be")
            last = len(back[0]) < PIECE
            at += len(back[0])
            yield back[0]


def _listing(told: Any) -> Listing:
    """Return a list of files as told. Raises `Garbled`."""
    try:
        return _LISTING.validate_python(told)
    except ValidationError:
        raise Garbled("the list of its files is not usable") from None
