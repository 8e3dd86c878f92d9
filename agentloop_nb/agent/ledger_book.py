"""The bookkeeping of a ledger: a fold of its entries, and the rule by which a call gets its reservation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

ZERO = Decimal(0)
ROOT = ""
"""The account that every other one is a part of."""
COMFORT = 2048
"""Tokens of a reply for which it is better to wait, while others may give back, than to be cut off."""


class NoRoom(Exception):
    """No reply fits any more, whatever the others give back."""


class Offer(NamedTuple):
    """A length that a reply may have, and the worst that the call then costs; None when nobody knows."""

    max_tokens: int | None
    cost: Decimal | None


class Claim(NamedTuple):
    """What a call holds, or what the next call of a run waits for."""

    account: str
    amount: Decimal | None
    owner: str
    """The process, so that what a dead one held can be counted."""


@dataclass
class Account:
    """What one run, or all parts of a run together, spend."""

    limit: Decimal | None = None
    parent: str | None = None
    spent: Decimal = ZERO
    reserved: Decimal = ZERO
    is_known: bool = True
    """Every call so far had a price."""

    def has_room(self, amount: Decimal) -> bool:
        """Whether this much fits beside what is spent and reserved."""
        return self.limit is None or self.spent + self.reserved + amount <= self.limit

    def settle(self, reserved: Decimal | None, cost: Decimal | None) -> None:
        """Replace a reservation by what the call cost."""
        self.reserved -= reserved or ZERO
        self.spent += cost or ZERO
        self.is_known = self.is_known and cost is not None


@dataclass
class Book:
    """Accounts, calls under way, and who waits, in the order in which they came."""

    accounts: dict[str, Account] = field(default_factory=lambda: {ROOT: Account()})
    holds: dict[str, Claim] = field(default_factory=dict)
    waits: dict[str, Claim] = field(default_factory=dict)

    def apply(self, entry: Mapping[str, Any]) -> None:
        """Fold one entry in. Entries of newer versions are passed over."""
        match entry:
            case {"do": "budget", "account": name, "parent": parent, "amount": amount}:
                self._limit(name, parent, _amount(amount))
            case {"do": "hold", "id": number, "account": name, "amount": amount, "owner": owner}:
                self.waits.pop(number, None)
                self.holds[number] = Claim(name, _amount(amount), owner)
                for account in self.chain(name):
                    account.reserved += _amount(amount) or ZERO
            case {"do": "settle", "id": number, "amount": amount} if number in self.holds:
                hold = self.holds.pop(number)
                for account in self.chain(hold.account):
                    account.settle(hold.amount, _amount(amount))
            case {"do": "spend", "account": name, "amount": amount}:
                for account in self.chain(name):
                    account.settle(None, _amount(amount))
            case {"do": "wait", "id": number, "account": name, "amount": amount, "owner": owner}:
                self.waits[number] = Claim(name, _amount(amount), owner)
            case {"do": "leave", "id": number}:
                self.waits.pop(number, None)

    def _limit(self, name: str, parent: str | None, amount: Decimal | None) -> None:
        if parent is not None and name in [above for above, _ in self._above(parent)]:
            raise ValueError(f"the account {name!r} is a part of itself")
        account = self.accounts.setdefault(name, Account())
        account.limit, account.parent = amount, parent

    def chain(self, name: str) -> Iterator[Account]:
        """Yield the account and all that it is a part of."""
        for _, account in self._above(name):
            yield account

    def _above(self, name: str) -> Iterator[tuple[str, Account]]:
        following: str | None = name
        while following is not None:
            account = self.accounts[following]
            yield following, account
            following = account.parent

    def is_limited(self, name: str) -> bool:
        """Whether anything bounds an account."""
        return any(account.limit is not None for account in self.chain(name))

    def choose(self, ticket: str, name: str, offers: Sequence[Offer]) -> tuple[Offer, bool]:
        """Choose the longest reply that fits; where there is none yet, the one to wait for, and False.

        First come, first served: what those ask who have waited longer is left to them. Raises `NoRoom`.
        """
        if not self.is_limited(name):
            return offers[0], True
        least = self._least(name, offers)
        for offer in offers:
            if offer.cost is not None and self._fits(ticket, name, offer.cost):
                return offer, True
            if offer == least:
                break
        return least, False

    def _least(self, name: str, offers: Sequence[Offer]) -> Offer:
        """Return the shortest reply to be content with, given that others may give back all they hold."""
        free = [account.limit - account.spent for account in self.chain(name) if account.limit is not None]
        possible = [offer for offer in offers if offer.cost is not None and offer.cost <= min(free)]
        if not possible:
            raise NoRoom
        comfortable = [offer for offer in possible if (offer.max_tokens or COMFORT) >= COMFORT]
        return comfortable[-1] if comfortable else possible[0]

    def _fits(self, ticket: str, name: str, cost: Decimal) -> bool:
        return all(account.has_room(cost + self._promised(ticket, account)) for account in self.chain(name))

    def _promised(self, ticket: str, account: Account) -> Decimal:
        """Return what those wait for, of an account, who came before."""
        promised = ZERO
        for waiting, claim in self.waits.items():
            if waiting == ticket:
                break
            if any(part is account for part in self.chain(claim.account)):
                promised += claim.amount or ZERO
        return promised


def _amount(text: str | None) -> Decimal | None:
    """Return an amount of an entry.

    Raises `ValueError` for one that nobody can have spent: it would lift the budget.
    """
    amount = None if text is None else Decimal(text)
    if amount is not None and not (amount.is_finite() and amount >= ZERO):
        raise ValueError(f"{text!r} is no amount")
    return amount
