"""What a run may spend: each model call is reserved at its worst case before it is sent, so no budget is exceeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

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

    def __init__(self, budget: Decimal) -> None:
        super().__init__(f"the next step no longer fits into the budget; {_dollars(budget)} would let the run go on")
        self.budget = budget


@dataclass(frozen=True)
class Reservation:
    """The worst a call can cost, and the reply length that keeps it there."""

    cost: Decimal | None
    """US dollars; None when the price is unknown (only without a budget)."""
    max_tokens: int | None
    tokens: int = 0
    """The most tokens that the prompt can count."""


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
            if old != new:
                break
            shared += 1
        least = sum(len(message.content.encode()) for message in messages[:shared]) // LEAST_BYTES
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
    return len(message.content.encode()) + MESSAGE_TOKENS + IMAGE_TOKENS * len(message.images)


def reserve(state: State, model: Model, request: ModelRequest, bound: InputBound) -> Reservation:
    """Reserve the worst case of one attempt. Raises `CostLimit` when no useful reply fits into what is left."""
    tokens = bound(request.messages)
    longest = request.max_tokens or MAX_REPLY
    if state.budget is None:
        return Reservation(_worst(model, tokens, longest), request.max_tokens, tokens)
    left = state.budget - state.total_cost
    for reply in _shrinking(longest):
        worst = _worst(model, tokens, reply)
        if worst is not None and worst * bound.dearer <= left:
            return Reservation(worst * bound.dearer, reply, tokens)
    least = (_worst(model, tokens, 4 * USEFUL_REPLY) or Decimal(0)) * bound.dearer
    raise CostLimit((state.total_cost + least).quantize(Decimal("0.0001"), ROUND_CEILING))


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


def _dollars(amount: Decimal) -> str:
    return f"${amount.normalize():f}"
