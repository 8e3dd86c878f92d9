"""A `Workspace` whose code runs in a kernel process of its own."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from agentloop_nb._internal import safe_files
from agentloop_nb.agent.control import Control
from agentloop_nb.errors import Hint, UserError
from agentloop_nb.isolated import handover
from agentloop_nb.isolated.channel import Line
from agentloop_nb.isolated.connection import Connect, Connection, Died, Garbled
from agentloop_nb.isolated.isolated_step import IsolatedStep, described, dumped, failure, unusable
from agentloop_nb.isolated.resource_limits import Limits
from agentloop_nb.protocols import (
    Check,
    CodeOutcome,
    CodeRan,
    Document,
    OnOutput,
    Privacy,
    Tools,
    Undone,
    Web,
    WrittenFile,
)
from agentloop_nb.safety.observed_effects import Mandate

_LOST = "Its variables are gone; before the next code runs, a new kernel is started and the steps so far are run again."

T = TypeVar("T")

Recover = Callable[["IsolatedWorkspace"], Awaitable[str]]
"""Brings the variables of a new process back; returns what to tell of it."""


class IsolatedWorkspace:
    """Steps run in a process with a clean environment, a folder and limits of its own. One workspace serves one run."""

    def __init__(
        self,
        folder: Path,
        *,
        web: Web,
        limits: Limits | None = None,
        control: Control | None = None,
        cells: tuple[str, ...] = (),
        luggage: handover.Packed | None = None,
        told: str = "",
        connect: Connect = Line,
    ) -> None:
        """`luggage` is what the process gets; `told` says so to the model.

        `connect` says where its process is: on this machine, unless another one is named.
        """
        self.folder = folder.resolve()
        self.web = web
        self.control = control or Control()
        self.privacy: Privacy = "full"
        self.tools: Tools | None = None
        self.goal = ""
        self.functions: frozenset[str] = frozenset()
        """Declared functions of the user's that its process has."""
        self.earlier: list[tuple[str, str]] = []
        """Goals and summaries of earlier runs in the parent kernel."""
        self.memory: int | None = None
        """Bytes that copies for undo may take; None is the default."""
        self.recover: Recover | None = None
        self.mandate: Mandate | None = None
        """What covers the effects of the next step; None judges nothing."""
        self.left_behind: dict[str, str] = {}
        """Luggage that could not be unpacked, with the reason."""
        self._limits = limits or Limits()
        self._cells = cells
        self.ran: tuple[CodeRan, ...] = ()
        """What is known of some of `cells`."""
        self._luggage = luggage or {}
        self.told = told
        """What the model is told of where it is."""
        self._connect = connect
        self._line: Connection | None = None
        self._starting: Connection | None = None
        self._recovering = False
        self._lost = False

    # -- the process

    @property
    def alive(self) -> bool:
        """Whether its variables are there."""
        return self._line is not None and self._line.alive

    def lives(self) -> bool:
        """Look whether its process is still there: it may have ended since it was last heard."""
        return self._line is not None and self.alive and self._line.check().result()

    def open(self) -> None:
        """Start the process, and hand the luggage over. Raises `UserError` if it does not start."""
        self.close()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._starting = line = self._connect(self.folder, self._limits)
        except OSError as error:
            raise unusable(error) from None
        try:
            self._start(line)
        except (Died, Garbled, ValidationError, OSError) as error:
            line.close()
            raise unusable(error) from None
        self._line, self._starting = line, None
        self._end = weakref.finalize(self, line.close)  # also when Python exits

    def _start(self, line: Connection) -> None:
        line.start()
        self.left_behind = handover.hand_in(line, self._luggage, self.memory)
        if self._starting is not line:
            raise Died("it was closed")

    def keep_copies(self, memory: int) -> None:
        """Let copies for undo take so many bytes from now on. Raises `UserError` if the process does not answer."""
        self.memory = memory
        if self.alive:
            self._undoing(dict, "unpack", items=[], memory=memory)

    def close(self) -> None:
        """End the process, also one that is being started. Its folder stays."""
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.close()
        if self._line is not None:
            self._end()
        self._line, self._lost = None, False

    def kill(self) -> None:
        """End the process at once, from any thread; whoever waits for it is told that it is gone."""
        if (starting := self._starting) is not None:
            threading.Thread(target=starting.close, daemon=True).start()
        if (line := self._line) is not None and line.alive:
            line.later(0, partial(line.kill, "it was ended by the user"))

    def release(self) -> None:
        """End the process for good: what it was given is not kept any longer."""
        self.close()
        self._luggage = {}

    def _live(self) -> Connection:
        if self._line is None:
            self.open()
        assert self._line is not None
        return self._line

    # -- Workspace

    def describe(self, tokens: int) -> str:
        """Tell a model where it is and what is there. Raises `UserError` if the process does not say."""
        try:
            names = self._live().call("describe", tokens=tokens, privacy=self.privacy, earlier=self.earlier)
        except (Died, Garbled) as error:
            raise unusable(error) from None
        left = "".join(f"\nNot copied: {name} ({why})." for name, why in self.left_behind.items())
        return f"{self.told}{left}\n\n{names}".strip()

    def describe_name(self, name: str, tokens: int) -> str:
        """Tell of one variable; empty where there is none of that name. Raises `UserError`."""
        try:
            return str(self._live().call("describe_name", name=name, tokens=tokens, privacy=self.privacy))
        except (Died, Garbled) as error:
            raise unusable(error) from None

    def history(self) -> tuple[str, ...]:
        """Return the user's own cells in the kernel that started this one: an export may bring them along."""
        return self._cells

    def code_ran(self) -> tuple[CodeRan, ...]:
        """Return what is known of some of these."""
        return self.ran

    def write_file(self, filename: str, content: str) -> WrittenFile:
        """Write UTF-8 text inside the folder. Raises `ActionFailed` for a name outside it."""
        return safe_files.write(self.folder, filename, content)

    async def read_document(self, path: str, part: str) -> Document:
        """Read a document of its folder; what else the goal names was brought there. Raises `ActionFailed`."""
        from agentloop_nb.documents.reader import read

        return await read(self.folder, path, part, "")

    def variables(self, names: Sequence[str]) -> dict[str, Any]:
        """Return copies of those values that exist and can be handed over as data."""
        return self.hand_over(names)[0]

    def hand_over(self, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return copies of values, and the names of those that were refused with the reason. Nothing is unpickled."""
        if not self.alive:
            return {}, dict.fromkeys(names, "its kernel is gone")
        return handover.hand_out(self._live(), names)

    def pack(self, names: Sequence[str], folder: Path) -> dict[str, str]:
        """Have values written as data, each to a folder named by its number. Returns the refused, with the reason."""
        if not self.alive:
            return dict.fromkeys(names, "its kernel is gone")
        return handover.pack(self._live(), names, folder)

    def plan(self, first: int) -> Undone:
        """Say what taking back step `first` and all later ones would do to variables."""
        return self._undoing(Undone, "plan", first=first)

    def undo(self, first: int) -> Undone:
        """Take back what step `first` and all later ones did to variables, latest first."""
        return self._undoing(Undone, "undo", first=first)

    def restore(self, name: str) -> bool:
        """Give a name back the value it had before the run; False when no copy is kept."""
        return self._undoing(bool, "restore", name=name)

    def _undoing(self, kind: type[T], what: str, **arguments: Any) -> T:
        if not self.alive:
            raise UserError("the isolated kernel of this run is gone", Hint("resume", "brings it back"))
        try:
            return TypeAdapter(kind).validate_python(self._live().call(what, **arguments))
        except (Died, Garbled, ValidationError) as error:
            raise UserError(
                f"the isolated kernel did not do it: {described(error)}", Hint("resume", "brings it back")
            ) from None

    # -- steps

    async def run_code(self, code: str, *, step: int, timeout: float, on_output: OnOutput) -> CodeOutcome:
        """Run code once, in the process."""
        mandate, self.mandate = self.mandate, None
        try:
            remarks = await self._ready()
        except UserError as error:
            return failure("KernelDied", str(error))
        if self.control.stopping or self._line is None:
            return CodeOutcome(ending="stopped")
        outcome = await IsolatedStep(self._line, self.control, timeout, on_output).run(code, step, mandate)
        self._lost = self._lost or not self.alive
        if self._lost and self.recover is not None:
            remarks.append(_LOST)
        return outcome.model_copy(update={"notes": (*outcome.notes, *remarks)})

    async def check(self, expression: str, *, timeout: float, made: Sequence[str] = ()) -> Check:
        """Evaluate an expression of a contract in the process, which puts back what that changed."""
        mandate, self.mandate = self.mandate, None
        arguments = {"expression": expression, "timeout": timeout, "made": list(made), "mandate": dumped(mandate)}
        try:
            await self._ready()
            if self.control.stopping or self._line is None:
                return Check(expression=expression, outcome="stopped")
            step = IsolatedStep(self._line, self.control, timeout, lambda _: None)
            return Check.model_validate(await step.answer("check", arguments))
        except (UserError, Died, Garbled, ValidationError) as error:
            self._lost = self._lost or not self.alive
            return Check(expression=expression, outcome="error", value=f"KernelDied: {described(error)}")

    async def _ready(self) -> list[str]:
        """Have a process with the variables of the run; say what that took. Raises `UserError`."""
        if self._recovering:
            return []
        if self._line is not None:
            self._lost = self._lost or not await asyncio.wrap_future(self._line.check())
        if self._lost:
            return await self._renew()
        if self._line is None:
            await self._opened()
        return []

    async def _opened(self) -> None:
        try:
            await asyncio.to_thread(self.open)
        except asyncio.CancelledError:
            self.kill()
            raise

    async def _renew(self) -> list[str]:
        """Replace a process whose variables are lost by one that has them; until that is done they stay lost."""
        self._recovering, whole = True, False
        try:
            await self._opened()
            told = [await self.recover(self)] if self.recover is not None else []
            whole = not self.control.stopping
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"its variables could not be brought back ({described(error)})") from error
        finally:
            self._recovering = False
            if not whole:  # variables that are there in part are worse than none
                self.close()
                self._lost = True
        return told
