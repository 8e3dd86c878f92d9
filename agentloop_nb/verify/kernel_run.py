"""Runs a notebook in a fresh kernel: a clean folder, the input files, no key, no network, none of this package."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from agentloop_nb._internal.clean_env import plain_environment
from agentloop_nb._internal.held_folder import HeldFolder
from agentloop_nb.errors import UserError
from agentloop_nb.verify.place import Place

Json = dict[str, Any]
T = TypeVar("T")

_NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Asked:
    """Something outside that a cell asked for."""

    cell: str
    kind: str
    """`file`, `folder`, `stat`, `network`, `program`, `library` or `machine`."""
    what: str
    hooked: bool = False
    """Of a program: whether a Python that it is would be watched too."""
    folder: str = ""
    direct: bool = False
    """Whether the cell asked itself, and not a package that it uses."""


@dataclass
class Performance:
    """What a notebook did in a fresh kernel."""

    place: Place
    """Where it ran; gone by now."""
    outputs: dict[str, list[Json]] = field(default_factory=dict)
    """Of each code cell that was run, by its id."""
    updated: set[str] = field(default_factory=set)
    """Cells that changed something shown already (a display updated in place)."""
    asked: list[Asked] = field(default_factory=list)
    """What the cells asked for that lies outside."""
    how: str = "watched"
    """What kept it apart: `namespaces`, `landlock`, or `watched` from inside Python alone."""
    died: tuple[str, str] | None = None
    """The cell at which the kernel died or ran out of time, and which of the two."""


def perform(
    notebook: Json, inputs: Mapping[str, Path], *, origin: Path, timeout: int, hash_seed: int, opened: bool = False
) -> Performance:
    """Run a notebook to its end.

    `inputs` are files by the name that the notebook knows them by; `origin` is the folder it comes from, which it must
    not see; `timeout` is in seconds for each cell. Only where it is `opened`,
    what lies around `origin` is there to read.
    """
    with HeldFolder("verify") as name:
        place = Place(Path(name).resolve(), origin, opened=opened)
        place.furnish(inputs)
        run = _Run(notebook, place)
        in_thread(run.perform(_environment(place, hash_seed), timeout))
        return run.performance


START = 180
"""Seconds that a fresh kernel may take until it answers: its first start compiles what it imports."""
_RUNNING: set[Callable[[], object]] = set()
"""How to stop the verifications of this process that are under way."""


def stop() -> None:
    """Stop every verification of this process: its kernel is killed, its folder removed, `CancelledError` raised."""
    for each in list(_RUNNING):
        with contextlib.suppress(RuntimeError):  # it has ended by now
            each()


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a thread of its own: the caller may be inside a running event loop, and may be interrupted."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    cancel = partial(loop.call_soon_threadsafe, task.cancel)
    done: Future[T] = Future()
    thread = threading.Thread(target=_run_in, args=(loop, task, done), name="agentloop-verify", daemon=True)
    _RUNNING.add(cancel)
    thread.start()
    try:
        return done.result()
    except BaseException:
        with contextlib.suppress(RuntimeError):  # it has ended by now
            cancel()
        thread.join(timeout=5)
        raise
    finally:
        _RUNNING.discard(cancel)


def _run_in(loop: asyncio.AbstractEventLoop, task: asyncio.Task[T], done: Future[T]) -> None:
    try:
        asyncio.set_event_loop(loop)
        found = loop.run_until_complete(task)
        loop.run_until_complete(loop.shutdown_asyncgens())
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        loop.close()
        done.set_exception(error)
    else:
        loop.close()
        done.set_result(found)


class _Run:
    def __init__(self, notebook: Json, place: Place) -> None:
        self.performance = Performance(place)
        self._place = place
        self._read = 0
        self._notebook = nbformat.from_dict(notebook)

    async def perform(self, environment: dict[str, str], timeout: int) -> None:
        manager = AsyncKernelManager(kernel_spec_manager=_ThisPython(), kernel_name="fresh")
        if os.name == "posix":  # sockets in the folder: no port can be taken by another
            manager.transport, manager.ip = "ipc", str(self._place.root / "kernel")
        manager.connection_file = str(self._place.root / "kernel.json")
        client = _Client(
            self._notebook,
            km=manager,
            timeout=timeout,
            startup_timeout=START,
            allow_errors=True,
            store_widget_state=True,
        )
        try:
            await self._start(client, environment)
            self._note_asked("")
            await self._cells(client)
        finally:
            if client.kc is not None:
                client.kc.stop_channels()
            with contextlib.suppress(RuntimeError):
                await manager.shutdown_kernel(now=True)

    async def _start(self, client: _Client, environment: dict[str, str]) -> None:
        await client.async_start_new_kernel(
            cwd=str(self._place.folder), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            await client.async_start_new_kernel_client()
        except RuntimeError as error:  # jupyter_client's words for one that died, and for one that is too slow
            raise UserError(
                f"no fresh kernel to verify in: {error}; try again, or look whether one starts here: "
                f"{Path(sys.executable).name} -m ipykernel"
            ) from None

    async def _cells(self, client: _Client) -> None:
        for index, cell in enumerate(self._notebook.cells):
            if cell.cell_type != "code":
                continue
            client.updated = False
            try:
                await client.async_execute_cell(cell, index, store_history=False)
            except CellTimeoutError:
                self.performance.died = (cell.id, "timeout")
                return
            except DeadKernelError:
                self.performance.died = (cell.id, "death")
                return
            self.performance.outputs[cell.id] = [dict(output) for output in cell.outputs]
            if client.updated:
                self.performance.updated.add(cell.id)
            self._note_asked(cell.id)

    def _note_asked(self, cell: str) -> None:
        """Read what the log has gained. What was asked for before the first cell is none of theirs."""
        if not self._place.log.exists():
            return
        lines = self._place.log.read_text(encoding="utf-8", errors="replace").splitlines()
        fresh, self._read = lines[self._read :], len(lines)
        for line in fresh:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                if entry["kind"] == "how":
                    self.performance.how = self.performance.how if cell else str(entry["what"])
                elif cell:
                    more = bool(entry.get("hooked")), str(entry.get("folder", "")), bool(entry.get("direct"))
                    self.performance.asked.append(Asked(cell, str(entry["kind"]), str(entry["what"]), *more))


class _Client(NotebookClient):  # type: ignore[misc]
    """Notes when a cell changes an output in place: nbval does not follow that."""

    updated = False

    def process_message(self, msg: Json, cell: Any, cell_index: int) -> Any:
        self.updated = self.updated or msg["msg_type"] in ("update_display_data", "clear_output")
        return super().process_message(msg, cell, cell_index)


class _ThisPython(KernelSpecManager):
    """Knows one kernel: the Python of this process, jailed."""

    def get_kernel_spec(self, kernel_name: str) -> Any:
        jail = Path(__file__).with_name("restricted_kernel.py").read_text(encoding="utf-8")
        return KernelSpec(argv=[sys.executable, "-c", jail, "-f", "{connection_file}"], display_name="fresh")


def _environment(place: Place, hash_seed: int) -> dict[str, str]:
    plain = plain_environment(place.home)
    plain.pop("PYTHONPATH", None)  # what lies there is not installed
    for name, folder in (("XDG_CACHE_HOME", place.cache), ("MPLCONFIGDIR", place.cache / "matplotlib")):
        plain |= {name: str(folder)} if name in plain else {}
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _NOWHERE)
    return plain | proxies | {
        "PYTHONHASHSEED": str(hash_seed),
        "PIP_NO_INDEX": "1",
        "TMPDIR": str(place.temporary),
        "no_proxy": "localhost,127.0.0.1",
        "AGENTLOOP_JAIL": str(place.settings),
    }  # fmt: skip
