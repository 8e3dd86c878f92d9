"""What a run may spend: each model call is reserved at its worst case before it is sent, so no budget is exceeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from agentloop_nb._internal import amounts
from agentloop_nb.agent.ledger import Hold, Ledger, NoRoom, Offer
from agentloop_nb.protocols import Message, Model, ModelReply, ModelRequest, Usage
from agentloop_nb.state import State

MAX_REPLY = 8192
"""Tokens a reply may have when nothing else bounds it."""
USEFUL_REPLY = 256
"""Tokens below which a reply is hardly a useful step any more."""
SCHEMA_TOKENS = 4096
"""What a server may add for the response format on top of the messages."""
LEAST_BYTES = 4
"""Bytes a token has at least on average; a server that counts fewer tokens leaves out those from its cache."""
MESSAGE_TOKENS = 16
"""What a chat template may add around one message."""
IMAGE_TOKENS = 4096
"""The most that one picture, downsized as we send it, counts with the providers known."""


class CostLimit(Exception):
    """The next call does not fit into the budget any more. `budget` would let the run go on."""

    def __init__(self, budget: Decimal, *, shared: bool = False) -> None:
        whose = "the budget that it shares" if shared else "the budget"
        super().__init__(f"the next step no longer fits into {whose}; {amounts.exact(budget)} would let the run go on")
        self.budget = budget


class Reservation(NamedTuple):
    """What is held for a call, and the most tokens that its prompt can count."""

    hold: Hold
    tokens: int = 0

    @property
    def cost(self) -> Decimal | None:
        """The worst the call can cost, in US dollars; None when the price is unknown (only without a budget)."""
        return self.hold.cost

    @property
    def max_tokens(self) -> int | None:
        """The reply length that keeps it there."""
        return self.hold.max_tokens


class InputBound:
    """An upper bound of a prompt's tokens: the last usage the server reported, and one token a byte of what is new."""

    def __init__(self) -> None:
        self._messages: tuple[Message, ...] = ()
        self._tokens = 0
        self.dearer = Decimal(1)
        """How many times a reservation a server reported; later ones are raised by it."""

    def learn(self, messages: tuple[Message, ...], usage: Usage) -> None:
        """Take in what the server counted for these messages; an estimate teaches nothing."""
        if not usage.estimated and usage.input:
            self._messages, self._tokens = messages, usage.input

    def __call__(self, messages: tuple[Message, ...]) -> int:
        """Bound the tokens of `messages`. A message that changed since the last usage counts as new."""
        shared = 0
        for old, new in zip(self._messages, messages, strict=False):
            if old is not new and old != new:
                break
            shared += 1
        least = sum(message.measured[0] for message in messages[:shared]) // LEAST_BYTES
        known = max(self._tokens, least) if shared else SCHEMA_TOKENS
        return known + sum(map(_bound_message, messages[shared:]))

    def counted(self, reply: ModelReply, reservation: Reservation) -> ModelReply:
        """Count a reply within a budget: what nobody reported, or what cannot be, at what was reserved for it."""
        reserved, longest = reservation.cost, reservation.max_tokens or MAX_REPLY
        beyond = reply.usage.input > reservation.tokens or reply.usage.output > longest
        if reserved is None or not (reply.usage.estimated or (beyond and reply.cost and reply.cost > reserved)):
            return reply
        if beyond and reply.cost and reserved:
            self.dearer = max(self.dearer, reply.cost / reserved)
        usage = reply.usage.model_copy(update={"estimated": True})
        return reply.model_copy(update={"cost": reserved, "usage": usage})


def _bound_message(message: Message) -> int:
    return message.measured[0] + MESSAGE_TOKENS + IMAGE_TOKENS * len(message.images)


def own_ledger(state: State) -> Ledger:
    """Return the ledger of a run that shares its budget with nobody."""
    ledger = Ledger(state.budget)
    ledger.spend(state.total_cost)
    return ledger


def share_of(ledger: Ledger, state: State) -> Ledger:
    """Return the account of a run in a ledger that it shares, bounded by its own budget too."""
    return ledger.share(state.run, None if state.budget is None else state.budget - state.total_cost)


async def reserve(
    ledger: Ledger,
    state: State,
    model: Model,
    request: ModelRequest,
    bound: InputBound,
    on_wait: Callable[[], None] | None = None,
) -> Reservation:
    """Reserve the worst case of one attempt. Raises `CostLimit` when no useful reply fits into what is left."""
    tokens = bound(request.messages)
    longest = request.max_tokens or MAX_REPLY
    if not ledger.is_limited:
        hold = await ledger.reserve([Offer(request.max_tokens, _worst(model, tokens, longest))])
        return Reservation(hold, tokens)
    priced = ((reply, _worst(model, tokens, reply)) for reply in _shrinking(longest))
    offers = [Offer(reply, None if worst is None else worst * bound.dearer) for reply, worst in priced]
    try:
        return Reservation(await ledger.reserve(offers, on_wait), tokens)
    except NoRoom:
        least = (_worst(model, tokens, 4 * USEFUL_REPLY) or Decimal(0)) * bound.dearer
        enough = (state.total_cost + least).quantize(Decimal("0.0001"), ROUND_CEILING)
        raise CostLimit(enough, shared=state.budget is None or enough <= state.budget) from None


def first_step(model: Model, messages: tuple[Message, ...]) -> Decimal:
    """Return the least budget with which a first step can be made; 0 where it has no price."""
    return _worst(model, InputBound()(messages), USEFUL_REPLY) or Decimal(0)


def _worst(model: Model, tokens: int, reply: int) -> Decimal | None:
    """Price a call as if nothing came from a cache and, where that is dearer, everything was written into one."""
    plain = model.quote(Usage(input=tokens, output=reply))
    written = model.quote(Usage(input=tokens, cache_write=tokens, output=reply))
    return None if plain is None or written is None else max(plain, written)


def _shrinking(longest: int) -> Sequence[int]:
    """Reply lengths to try, longest first, in steps of an eighth, down to the least useful one."""
    lengths = [longest]
    while lengths[-1] * 7 // 8 > USEFUL_REPLY:
        lengths.append(lengths[-1] * 7 // 8)
    return [*lengths, USEFUL_REPLY] if longest > USEFUL_REPLY else lengths
