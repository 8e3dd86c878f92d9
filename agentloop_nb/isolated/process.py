"""The process of an isolated kernel: how it is started, watched while it lives, and ended with all it started."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import site
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentloop_nb._internal.clean_env import plain_environment
from agentloop_nb._internal.held_folder import HeldFolder
from agentloop_nb.isolated.resource_limits import GB, Limits

if TYPE_CHECKING:
    import psutil

START = "from agentloop_nb.notebook.isolation.host import main; main()"
"""What the process runs."""
LIMITS = "AGENTLOOP_LIMITS"
"""The variable that tells the process its limits; gone before any code of the model's runs."""
ROUNDS = 10
"""How often what a process started is looked for and ended, until there is nothing more."""
ENDING = 0.05
"""Seconds between two looks at one that is ending: its threads end one after the other."""
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Process:
    """One kernel process. All methods are called on one event loop."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        from agentloop_nb.isolated.manager import new_manager

        self.limits = limits
        self.private = HeldFolder("isolated")
        """A folder that only this user can read: the process's home, its sockets, and what is handed over."""
        self._folder = folder
        self._manager = new_manager([sys.executable, "-P", "-c", START, "-f", "{connection_file}"])
        self._killed = ""
        self._main: psutil.Process | None = None
        self._seen: list[psutil.Process] = []
        """What it had started when it was last looked at."""

    async def start(self) -> Any:
        """Start it and return a client, which may not be heard yet. Raises `RuntimeError` or `OSError`."""
        root = Path(self.private.name)
        manager = self._manager
        if os.name == "posix":
            manager.transport, manager.ip = "ipc", str(root / "kernel")
        environment = clean_environment(root / "home") | {LIMITS: json.dumps(asdict(self.limits))}
        for name in (".cache", ".config/matplotlib"):  # where libraries expect to write
            (root / "home" / name).mkdir(parents=True)
        await manager.start_kernel(
            cwd=str(self._folder), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._main = _found(getattr(manager.provisioner, "pid", None))
        client = manager.client()
        client.start_channels()
        return client

    async def alive(self) -> bool:
        """Whether it runs; one that is ending is waited for, until the system says how it ended."""
        for _ in range(ROUNDS):
            if not await self._manager.is_alive():
                return False
            if not _is_ending(self._main):
                return True
            await asyncio.sleep(ENDING)
        return False

    def kill(self, why: str) -> None:
        """End it now, with everything it started; also what it left when it ended by itself."""
        self._killed = self._killed or why
        main = [self._main] if self._main else []
        with suppress(Exception):
            main[0].suspend()  # or it starts others while these are ended
        for _ in range(ROUNDS):
            if not (started := [*self._started(), *self._left()]):
                break
            _end(started)
        _end(main)

    async def close(self) -> None:
        """End it, and remove its private folder."""
        self.kill("it was closed")
        with suppress(RuntimeError):
            await self._manager.shutdown_kernel(now=True)
        self.private.cleanup()

    def check(self) -> str:
        """Hold what it started within the limits; return a remark if something had to be ended."""
        self._seen = started = self._started()
        if len(started) > self.limits.processes:
            _end(started)
            return f"More than {self.limits.processes} processes were running at once; they were all ended."
        if started and sum(map(_memory, [*started, self._main])) > self.limits.memory:
            _end(started)
            return f"The processes it started took more than {_size(self.limits.memory)} together; they were all ended."
        return ""

    @property
    def memory(self) -> int:
        """Bytes that it and what it started take."""
        return sum(map(_memory, [*self._started(), self._main]))

    def cause_of_death(self) -> str:
        """Say why it is gone."""
        if self._killed:
            return self._killed
        code = getattr(getattr(self._manager, "provisioner", None), "process", None)
        code = code.poll() if code is not None else None
        if code is None or code >= 0:
            return "it ended by itself" if not code else f"it ended by itself with code {code}"
        if code == -getattr(signal, "SIGXCPU", 0):
            return f"it used up its {self.limits.cpu} s of processor time (--limits cpu=SECONDS)"
        with suppress(ValueError):
            hint = " (as the system does when memory runs out)" if code == -9 else ""
            return f"it was ended by {signal.Signals(-code).name}{hint}"
        return f"it was ended by signal {-code}"

    def _started(self) -> list[psutil.Process]:
        """Return what it started, and what that started."""
        try:
            return _running(self._main.children(recursive=True)) if self._main else []
        except Exception:  # noqa: BLE001 - it is gone, or it may not be looked at
            return []

    def _left(self) -> list[psutil.Process]:
        """Return what it started and is nobody's child any more: seen before, or with its home in the environment.

        What began and lost its parent between two looks, in an environment without that home, is not found.
        """
        import psutil

        home = str(Path(self.private.name) / "home")
        ours = [each for each in psutil.process_iter(["environ"]) if (each.info["environ"] or {}).get("HOME") == home]
        return [each for each in _running({*ours, *self._seen}) if each != self._main]


def _found(pid: int | None) -> psutil.Process | None:
    import psutil

    try:
        return psutil.Process(pid) if pid else None
    except psutil.Error:
        return None


def _is_ending(process: psutil.Process | None) -> bool:
    """Whether a process is over, and not waited for yet."""
    import psutil

    with suppress(psutil.Error):
        return process is not None and process.status() == psutil.STATUS_ZOMBIE
    return False


def _running(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    import psutil

    running = []
    for each in processes:
        with suppress(psutil.Error):
            if each.is_running() and each.status() != psutil.STATUS_ZOMBIE:
                running.append(each)
    return running


def _end(processes: list[psutil.Process]) -> None:
    for each in processes:
        with suppress(Exception):
            each.kill()


def clean_environment(home: Path) -> dict[str, str]:
    """Return the environment of a process that has this package, a home of its own, and nothing of the user's."""
    proxies = {name: value for name, value in os.environ.items() if name.lower() in _PROXIES and "@" not in value}
    package = str(Path(__file__).parents[2])  # which may be on this process's path alone
    ours = [] if package in (*site.getsitepackages(), site.getusersitepackages()) else [package]
    paths = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *ours]
    return plain_environment(home) | proxies | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})


def _memory(process: psutil.Process | None) -> int:
    import psutil

    try:
        return int(process.memory_info().rss) if process else 0
    except psutil.Error:
        return 0


def _size(amount: int) -> str:
    return f"{amount / GB:g} GB"
