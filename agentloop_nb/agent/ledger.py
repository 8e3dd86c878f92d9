"""One budget for many runs: the worst case of each call is reserved before it is sent, and settled when it is over.

Spent and reserved together never exceed the budget, whatever runs at the same time: on one event loop, on many threads,
or, with a file, in many processes of one machine.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from agentloop_nb.agent.ledger_book import ROOT, Account, NoRoom, Offer
from agentloop_nb.agent.ledger_store import FileStore, MemoryStore
from agentloop_nb.errors import UserError
from agentloop_nb.settings.convert import DOLLARS

log = logging.getLogger(__name__)

__all__ = ["Hold", "Ledger", "NoRoom", "Offer"]


class Hold(NamedTuple):
    """A reservation: to be settled once the call is over."""

    id: str
    max_tokens: int | None
    cost: Decimal | None


class Ledger:
    """A budget that runs share: `run_agent(goal, ledger=Ledger(budget=5))`, as many as you like, at once."""

    def __init__(self, budget: Decimal | float | str | None = None, *, path: str | Path | None = None) -> None:
        """Open a ledger of `budget` US dollars; None sets no bound and only counts.

        With `path` it lies in a file that several processes may use, and what was spent stays spent when it is opened
        again: calls that a dead process had open count at their worst case. Raises `UserError`.
        """
        amount = _dollars(budget)
        self._account = ROOT
        self._store = MemoryStore() if path is None else FileStore(Path(path))
        if amount is not None:
            self._limit(ROOT, None, amount)
        self._bury()

    def share(self, name: str, budget: Decimal | None = None) -> Ledger:
        """Return the account of a run, or of a part of one: the same ledger, with a bound of its own below it.

        `budget` is what it may still spend from now on. Opened a second time, what it has spent is kept.
        """
        part = object.__new__(Ledger)
        part._account, part._store = name if self._account == ROOT else f"{self._account}/{name}", self._store
        with self._store.open() as book:
            known = book.accounts.get(part._account, Account())
        limit = None if budget is None else budget + known.spent
        if part._account not in book.accounts or limit != known.limit:
            part._limit(part._account, self._account, limit)
        return part

    @property
    def spent(self) -> Decimal:
        """Dollars that calls have cost; a call whose end is not known counts at its worst case."""
        return self._now.spent

    @property
    def reserved(self) -> Decimal:
        """Dollars held for calls that are under way."""
        return self._now.reserved

    @property
    def left(self) -> Decimal | None:
        """Dollars that are neither spent nor reserved; None without any bound."""
        with self._store.open() as book:
            free = [
                each.limit - each.spent - each.reserved for each in book.chain(self._account) if each.limit is not None
            ]
        return min(free) if free else None

    @property
    def is_limited(self) -> bool:
        """Whether a bound is set, so that calls need a price."""
        with self._store.open() as book:
            return book.is_limited(self._account)

    @property
    def is_known(self) -> bool:
        """Whether every call had a price, so that `spent` is all."""
        return self._now.is_known

    @property
    def by_run(self) -> dict[str, Decimal]:
        """What each run that shares in this has spent, its own parts included."""
        with self._store.open() as book:
            return {
                name.removeprefix(f"{self._account}/"): account.spent
                for name, account in book.accounts.items()
                if account.parent == self._account
            }

    def spend(self, amount: Decimal | None) -> None:
        """Count what was spent before; None was of unknown price."""
        with self._store.open():
            self._store.write(do="spend", account=self._account, amount=_text(amount))

    async def reserve(self, offers: Sequence[Offer], on_wait: Callable[[], None] | None = None) -> Hold:
        """Reserve the longest reply that fits, waiting in turn while calls of others may give back.

        Raises `NoRoom` when none will fit any more, and `OSError` when the file cannot be written.
        """
        ticket = secrets.token_hex(8)
        with self._store.listening() as heard:
            try:
                while (hold := self._take(ticket, offers)) is None:
                    if on_wait is not None:
                        on_wait()
                        on_wait = None
                    with suppress(TimeoutError):
                        await asyncio.wait_for(heard.wait(), self._store.patience)
                    heard.clear()
                return hold
            finally:
                self._leave(ticket)

    def settle(self, hold: Hold, cost: Decimal | None) -> None:
        """Tell what a call cost: None if nobody knows, which is the worst case. The first word counts. Never raises."""
        paid = hold.cost if cost is None else cost
        try:
            with self._store.open() as book:
                if hold.id in book.holds:
                    self._store.write(do="settle", id=hold.id, amount=_text(paid))
        except OSError as error:
            log.warning("a call stays reserved at its worst case: %s", error)
        self._store.wake()

    def _take(self, ticket: str, offers: Sequence[Offer]) -> Hold | None:
        """Reserve at once if it is possible, else stand in line."""
        with self._store.open() as book:
            offer, fits = book.choose(ticket, self._account, offers)
            if fits or ticket not in book.waits:
                self._store.write(
                    do="hold" if fits else "wait",
                    id=ticket,
                    account=self._account,
                    amount=_text(offer.cost),
                    owner=self._store.owner,
                )
        if fits:
            return Hold(ticket, *offer)
        self._bury()
        return None

    def _leave(self, ticket: str) -> None:
        """Leave the line, if one stands in it, and let the others look."""
        with suppress(OSError), self._store.open() as book:
            if ticket in book.waits:
                self._store.write(do="leave", id=ticket)
        self._store.wake()

    def _bury(self) -> None:
        """Count what dead processes held at its worst case, and free their places in the line."""
        with self._store.open() as book:
            claims = {**book.holds, **book.waits}
            dead = {owner for owner in {claim.owner for claim in claims.values()} if self._store.is_gone(owner)}
            for number, claim in claims.items():
                if claim.owner in dead:
                    done = {"do": "leave"} if number in book.waits else {"do": "settle", "amount": _text(claim.amount)}
                    self._store.write(id=number, **done)

    def _limit(self, account: str, parent: str | None, amount: Decimal | None) -> None:
        with self._store.open():
            self._store.write(do="budget", account=account, parent=parent, amount=_text(amount))

    @property
    def _now(self) -> Account:
        with self._store.open() as book:
            return book.accounts[self._account]


def _dollars(budget: Decimal | float | str | None) -> Decimal | None:
    try:
        return None if budget is None else Decimal(DOLLARS.convert(budget))
    except (ValueError, TypeError, ArithmeticError):
        raise UserError(f"a budget is {DOLLARS.expected}, not {budget!r}: Ledger(budget=2.5)") from None


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
