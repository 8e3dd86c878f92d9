"""Several tries of one goal at once: isolated runs from the same variables and files, on one budget."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from agentloop_nb._internal import amounts
from agentloop_nb.agent.budget import first_step
from agentloop_nb.agent.event_stream import Approver
from agentloop_nb.agent.group_control import GroupControl
from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.agent.prompt import compose
from agentloop_nb.decision import Decision
from agentloop_nb.errors import UserError
from agentloop_nb.events import ApprovalAsked, ApprovalGiven
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.notebook import learning
from agentloop_nb.notebook.isolation import placement
from agentloop_nb.notebook.kernel.runner import can_ask
from agentloop_nb.notebook.panel.stop_button import StopButton
from agentloop_nb.notebook.presenter import Presenter
from agentloop_nb.notebook.tries_board import TriesBoard
from agentloop_nb.notebook.tries_choice import Choice, Try
from agentloop_nb.record import locating
from agentloop_nb.run import Run
from agentloop_nb.session import Part, Session
from agentloop_nb.settings import Settings
from agentloop_nb.state import fold
from agentloop_nb.web.threads import in_thread

if TYPE_CHECKING:
    from agentloop_nb.notebook.run_manager import RunManager


MOST_TRIES = 8


def prepare(manager: RunManager, goal: str, settings: Settings, ledger: Ledger | None) -> BestOf:
    """Prepare the tries. Raises `UserError` for all that is wrong before anything is spent."""
    count = settings.best_of or 0
    group = locating.new_run_id()
    shared = Ledger(settings.budget) if ledger is None else ledger.share(group, settings.budget)
    alone = replace(
        settings, best_of=None, adopt="ask", output=None, export=None, output_dir=None, cache=None, questions="never"
    )
    learning.bring(manager, print)
    luggage = placement.pack(manager.shell.user_ns, manager.folder, goal, settings.bring)

    def begin(number: int) -> Session:
        part = Part(group, f"try {number} of {count}")
        return manager.prepare(goal, alone, ledger=shared, part=part, luggage=luggage)

    first = begin(1)
    try:
        _check_budget(first, shared, count)
    except UserError:
        discard(first)
        raise
    board = TriesBoard(manager.shell, goal)
    tries = [Try(board.row()) for _ in range(count)]
    tries[0].session = first
    made = BestOf(first, manager.shell, manager.private, not settings.quiet)
    made.manager, made.settings, made.begin_try, made.board, made.tries = manager, settings, begin, board, tries
    made.group.add(first.control)
    return made


def _check_budget(first: Session, ledger: Ledger, count: int) -> None:
    """Raise `UserError` where the budget has no room for a first step of each try."""
    left = ledger.left
    state = fold(first.opening)
    least = first_step(first.model, compose(state, max_retries=first.settings.max_retries))
    if left is None or least * count <= left:
        return
    needed = (least * count).quantize(Decimal("0.0001"), ROUND_CEILING)
    fewer = int(left / least)
    hint = f" or fewer tries: --best-of {fewer}" if fewer >= 2 else ""
    raise UserError(
        f"the budget of ${left.normalize():f} has no room for one step of each of {count} tries; they need "
        f"${needed.normalize():f}: --budget {needed.normalize():f} allows it{hint}"
    )


def discard(made: Session) -> None:
    """Let go of a run that will never go on: its process, and its record if nothing stands in it."""
    if isinstance(made.workspace, IsolatedWorkspace):
        made.workspace.release()
    made.record.close()
    with suppress(OSError):
        if made.record.path.stat().st_size == 0:
            made.record.path.unlink()


@dataclass
class BestOf(Presenter):
    """Tries of one goal, driven like one run: what comes of it is the run that was chosen."""

    manager: RunManager = field(init=False)
    settings: Settings = field(init=False)
    begin_try: Any = field(init=False)
    """Makes the session of a try; blocks."""
    board: TriesBoard = field(init=False)
    tries: list[Try] = field(init=False)
    group: GroupControl = field(default_factory=GroupControl)
    is_over: bool = False
    """No try is to begin any more."""

    @property
    def control(self) -> GroupControl:
        """Stops all tries."""
        return self.group

    @property
    def _destination(self) -> str | None:
        return self.settings.export

    def _tell_what_it_left(self, run: Run) -> None:
        """Nothing more: what can be adopted was asked, or told."""

    async def _watched(self) -> Run:
        self.board.verbose = self.verbose
        loop = asyncio.get_running_loop()
        self.group.on_stop = partial(loop.call_soon_threadsafe, self._stop_beginning)
        self.group.on_kill = self._kill
        button = StopButton(self.manager.shell, self.group)
        if self.verbose and not self.private and can_ask(self.manager.shell):
            button.open()
        self.board.open()
        try:
            self._begin_others()
            approver = self._one_at_a_time()
            for fault in await asyncio.gather(
                *(self._go_on(each, approver) for each in self.tries), return_exceptions=True
            ):
                if isinstance(fault, asyncio.CancelledError):
                    raise fault
            return await self._chosen()
        finally:
            self.is_over = True
            self.board.close()
            button.close()
            await asyncio.shield(in_thread(self._let_go, "agentloop-let-go"))

    # -- the tries

    def _begin_others(self) -> None:
        """Start the processes of all tries but the first, each in a thread."""
        for each in self.tries[1:]:
            work = partial(contextvars.copy_context().run, self._begun, each)
            each.begin = asyncio.ensure_future(in_thread(work, f"agentloop-try-{each.number}"))
        if self.group.stopping:
            self._stop_beginning()

    def _begun(self, each: Try) -> Session:
        """Make the session of a try; where a stop came meanwhile, it is let go of again."""
        made: Session = self.begin_try(each.number)
        if self._is_decided:
            discard(made)
        else:
            each.session = made
        return made

    @property
    def _is_decided(self) -> bool:
        """Whether no try may begin any more: a stop, or another one met the contract."""
        return self.is_over or self.group.stopping or self._winner is not None

    @property
    def _winner(self) -> Try | None:
        """The try that met the contract first, if one did."""
        return next((each for each in self.tries if self.settings.until and each.is_complete), None)

    def _stop_beginning(self) -> None:
        for each in self.tries:
            if each.begin is not None:
                each.begin.cancel()

    def _kill(self) -> None:
        for each in self.tries:
            if each.session is not None and isinstance(place := each.session.workspace, IsolatedWorkspace):
                place.kill()

    async def _go_on(self, each: Try, approver: Approver) -> None:
        """Take one try to its end; if it meets the contract, the others are stopped."""
        try:
            made = each.session if each.begin is None else await each.begin
        except asyncio.CancelledError:
            each.row.fail("not begun: the others were over")
            if not self._is_decided:
                raise
            return
        except Exception as error:  # noqa: BLE001 - one that cannot begin takes none of the others with it
            each.row.fail(f"it could not begin: {error}")
            return
        if made is None or each.session is None:
            return
        self.group.add(made.control)
        await made.go([each.row], partial(_asking, approver, each.number))
        if self.settings.until and made.state.is_complete and not self.group.stopping:
            self._stop_others(each)

    def _stop_others(self, winner: Try) -> None:
        for each in self.tries:
            if each is not winner and each.session is not None and not each.is_over:
                state = each.session.state
                cost = amounts.cost(state.total_cost, known=state.cost_known)
                each.session.control.reason = f"try {winner.number} met the contract first; this one had cost {cost}"
                each.session.control.stop()
        self._stop_beginning()

    def _one_at_a_time(self) -> Approver:
        """Ask a person about one try after the other."""
        ask, lock = self._approver or self._by_terminal, asyncio.Lock()

        async def approver(asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
            async with lock:
                return await ask(asked, decision)

        return approver

    @property
    def _by_terminal(self) -> Approver:
        from rich.console import Console

        from agentloop_nb.terminal.approver import TerminalApprover

        return TerminalApprover(Console(highlight=False, markup=False, emoji=False), before=self.board.close)

    async def _chosen(self) -> Run:
        """Have one chosen of those that are over; it is what comes of all of them."""
        over = [each for each in self.tries if each.is_over]
        if not over:
            raise UserError(f"no try could begin; {self.tries[0].row.doing}")
        choice = Choice(self.manager, self.settings, self.board, over, self.group)
        return (await choice.make(private=self.private)).made.run

    def _let_go(self) -> None:
        """End the processes of all tries but the one that was chosen."""
        chosen = self.manager.runs[-1] if self.manager.runs else None
        others = [each.session for each in self.tries if each.session is not None and each.session.run is not chosen]
        with ThreadPoolExecutor(MOST_TRIES) as pool:
            list(pool.map(discard, others))


async def _asking(approver: Approver, number: int, asked: ApprovalAsked, decision: Decision) -> ApprovalGiven:
    """Ask about a decision of one of the tries, and say of which."""
    print(f"Try {number} asks:")
    return await approver(asked, decision)
