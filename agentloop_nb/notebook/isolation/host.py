"""The other end of isolation: a kernel process that runs steps for a run in another process, and answers in JSON."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import importlib
import json
import os
import pickle
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from agentloop_nb.agent.control import Control
from agentloop_nb.isolated.channel import EXTEND, MIME, STOP
from agentloop_nb.isolated.codec import Packer
from agentloop_nb.isolated.process import LIMITS
from agentloop_nb.isolated.resource_limits import Limits
from agentloop_nb.isolated.unsupported import GONE, Refused
from agentloop_nb.notebook.isolation.source_masking import SourceMasking
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.kernel.shell_replies import send_by_stream
from agentloop_nb.protocols import Output, Web
from agentloop_nb.safety.observed_effects import Mandate

_LAST_WORDS = 5
"""Seconds of processor time between the signal that tells why and the one that kills."""
_SUBREAPER = 36
"""`PR_SET_CHILD_SUBREAPER` of prctl(2)."""


class Host:
    """Answers the calls of the parent process: each method not private is one, with JSON values in and out."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        no_web = cast("Web", None)  # searches and pages are read by the parent
        self._workspace = KernelWorkspace(kernel.shell, web=no_web, folder=Path.cwd())
        self._masking = SourceMasking(kernel.shell.user_ns)
        self._parent: Any = None
        kernel.control_handlers[STOP] = self._stop
        kernel.control_handlers[EXTEND] = self._extend

    async def answer(self, request: str) -> None:
        """Carry a call out, and send its answer."""
        self._parent = self._kernel.get_parent("shell")
        arguments = json.loads(request)
        result = getattr(self, arguments.pop("call"))(**arguments)
        self._send(answer=await result if asyncio.iscoroutine(result) else result)

    def _send(self, **content: Any) -> None:
        told = {"data": {MIME: content}, "metadata": {}, "transient": {}}
        self._kernel.session.send(self._kernel.iopub_socket, "display_data", told, parent=self._parent)

    def _tell(self, output: Output) -> None:
        if (shown := self._masking.appeared(output)) is not None:
            self._send(output=shown)

    def _stop(self, *_: Any) -> None:
        self._workspace.control.stop()

    def _extend(self, _stream: Any, _ident: Any, message: dict[str, Any]) -> None:
        if self._workspace.control.extend is not None:
            self._workspace.control.extend(float(message["content"]["seconds"]))

    # -- calls

    def hello(self) -> None:
        """Answer."""

    def describe(self, tokens: int, privacy: str, earlier: list[tuple[str, str]]) -> str:
        """Tell of the namespace."""
        self._workspace.privacy = cast("Any", privacy)
        self._workspace.earlier = earlier
        return self._masking.text(self._workspace.describe(tokens))

    def describe_name(self, name: str, tokens: int, privacy: str) -> str:
        """Tell of one variable."""
        self._workspace.privacy = cast("Any", privacy)
        return self._masking.text(self._workspace.describe_name(name, tokens))

    async def run_code(self, code: str, step: int, timeout: float, mandate: Any = None) -> dict[str, Any]:
        """Run a step's code, its effects judged by a mandate if there is one."""
        importlib.invalidate_caches()  # the parent may have written a module
        self._workspace.control = Control()
        self._workspace.mandate = None if mandate is None else Mandate.model_validate(mandate)
        self._masking.begin(code)
        outcome = await self._workspace.run_code(code, step=step, timeout=timeout, on_output=self._tell)
        return self._masking.whole(outcome.model_dump(mode="json"))

    async def check(self, expression: str, timeout: float, made: list[str], mandate: Any = None) -> dict[str, Any]:
        """Evaluate an expression of a contract."""
        self._workspace.control = Control()
        self._workspace.mandate = None if mandate is None else Mandate.model_validate(mandate)
        check = await self._workspace.check(expression, timeout=timeout, made=made)
        return self._masking.whole(check.model_dump(mode="json"))

    def unpack(self, items: list[tuple[str, str, str]], memory: int | None) -> dict[str, str]:
        """Take luggage in: names, how, and files. Returns what failed, with the reason."""
        namespace = self._workspace.shell.user_ns
        there = frozenset(namespace)
        failed = {}
        for name, kind, file in sorted(items, key=lambda item: item[1] != "source"):  # values may need their classes
            content = Path(file).read_bytes()
            try:
                if kind == "source":
                    _define(name, content, namespace)
                elif kind == "file":
                    namespace[name] = _of_file(name, content)
                else:
                    namespace[name] = pickle.loads(content)  # noqa: S301 - made by the parent
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}"
        self._workspace.before_run |= namespace.keys() - there
        self._workspace.past.limit = self._workspace.past.limit if memory is None else memory
        return failed

    def pack(self, names: list[str], folder: str) -> dict[str, str]:
        """Hand values over as data, one file a name. Returns what was refused, with the reason."""
        refused = {}
        namespace = self._workspace.shell.user_ns
        for number, name in enumerate(names):
            place = Path(folder, str(number))
            place.mkdir()
            if name not in namespace:
                refused[name] = GONE
                continue
            try:
                Packer(place).save(namespace[name], "value.json")
            except Refused as error:
                refused[name] = str(error)
            except Exception as error:
                refused[name] = f"it cannot be handed over ({type(error).__name__}: {error})"
        return refused

    def plan(self, first: int) -> dict[str, Any]:
        """Say what taking steps back would do."""
        return self._workspace.plan(first).model_dump()

    def undo(self, first: int) -> dict[str, Any]:
        """Take steps back."""
        return self._workspace.undo(first).model_dump()

    def restore(self, name: str) -> bool:
        """Give a name its former value."""
        return self._workspace.restore(name)


def _define(name: str, source: bytes, namespace: dict[str, Any]) -> None:
    """Bind a function or class of the user's, which its source may know by another name. Raises what its source raises.

    That name is bound as well, unless it means something else here.
    """
    made: dict[str, Any] = {}
    exec(compile(source, f"<{name}>", "exec"), namespace, made)  # noqa: S102 - the user's own function
    if name not in made and len(made) != 1:
        raise NameError(f"its source does not define {name}")
    for other, value in made.items():
        namespace.setdefault(other, value)
    namespace[name] = made.get(name, next(iter(made.values())))


def _of_file(name: str, source: bytes) -> Any:
    """Run a file of an allowed action in a namespace of its own, and return its function. Raises what it raises."""
    space: dict[str, Any] = {"__name__": f"agentloop_learned_{name}"}
    exec(compile(source, f"<{name}>", "exec"), space)  # noqa: S102 - allowed as it is
    return space[name]


@functools.cache
def host() -> Host:
    """Return the host of this process, which has one kernel."""
    from ipykernel.kernelapp import IPKernelApp

    return Host(IPKernelApp.instance().kernel)


def main() -> None:
    """Be an isolated kernel: limit this process, then serve."""
    limits = Limits(**json.loads(os.environ.pop(LIMITS)))
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize(sys.argv[1:])
    send_by_stream(app.kernel)
    host()
    _limit(limits)
    app.start()


def _limit(limits: Limits) -> None:
    """Lower what this process may use; Windows knows no such limits."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)  # what it starts stays its child, so that it can be ended
    try:
        import resource
    except ImportError:
        return
    for name, amount in _amounts(limits).items():
        if (kind := getattr(resource, name, None)) is None:
            continue
        hard = resource.getrlimit(kind)[1]
        ceiling = amount + (_LAST_WORDS if name == "RLIMIT_CPU" else 0)
        wanted = [each if hard == resource.RLIM_INFINITY else min(each, hard) for each in (amount, ceiling)]
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (wanted[0], wanted[1]))


def _amounts(limits: Limits) -> dict[str, int]:
    return {
        "RLIMIT_DATA": limits.memory,
        "RLIMIT_CPU": limits.cpu,
        "RLIMIT_FSIZE": limits.file,
        "RLIMIT_NPROC": _tasks_of_this_user() + 8 * limits.processes,
        "RLIMIT_CORE": 0,
    }


def _tasks_of_this_user() -> int:
    """Threads that the user runs already; the system's limit counts those, too."""
    import psutil

    me = os.getuid()
    found = psutil.process_iter(["uids", "num_threads"])
    return sum(each.info["num_threads"] or 0 for each in found if each.info["uids"] and each.info["uids"].real == me)
