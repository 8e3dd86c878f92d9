"""Asks a model for a function: one decision, within a budget, and once more where the first is not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from agentloop_nb.agent.budget import CostLimit, InputBound, reserve
from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.agent.model_call import Backoff
from agentloop_nb.decision import parse
from agentloop_nb.errors import DecisionError, Hint, ModelFault, TransientFault, UserError
from agentloop_nb.events import AnyEvent, FunctionProposed
from agentloop_nb.learn.proof import Proof
from agentloop_nb.learn.proposal import ProposeFunction, Unfit
from agentloop_nb.protocols import Message, Model, ModelReply, ModelRequest, Privacy
from agentloop_nb.state import State

ATTEMPTS = 2
_RULES = """\
You turn steps of a notebook run that worked into one Python function, which later runs call as an action.
Reply with one JSON object and nothing else:
{{"reasoning": "one sentence", "action": {{"name": "propose_function", \
"code": "import ...\\n\\ndef {name}(...) -> ...:\\n    '''What it does.'''\\n    ...\\n    return ...", \
"call": "...", "result": "..."}}}}
- code: imports at the top, then exactly one function, def {name}(...). What may differ the next time (a file's name, \
a column, a threshold) is a parameter; the rest stays as the steps have it.
- Every parameter has a type: str, int, float, bool, a date, Path, Literal, a list of these, or pd.DataFrame (with \
import pandas as pd at the top) where the steps work on a table. It has a return type, and a docstring of one \
sentence that says what it does and what it returns.
- The function uses nothing but its parameters, its imports and Python's own: no variable of the run. It returns its \
result, prints nothing and does not change a table it is given.
- call: the expression {name}(...) with the arguments with which it does what the steps did. It is evaluated before \
the steps run: a table that they read themselves is pd.read_csv("the file") there.
- result: the variable of the run that this call has to equal, or an expression that stands in the steps.
Both are run in a fresh kernel and compared."""


@dataclass
class Asking:
    """One conversation with a model about a function."""

    model: Model
    ledger: Ledger
    state: State
    name: str
    record: Callable[[AnyEvent], None]
    max_retries: int
    privacy: Privacy
    bound: InputBound = field(default_factory=InputBound)

    async def answer(self, told: str, judge: Callable[[ProposeFunction], Proof]) -> tuple[ProposeFunction, Proof]:
        """Return a proposal that `judge` took. Raises `UserError` when two were not fit."""
        rules = Message(role="system", content=_RULES.format(name=self.name))
        messages: tuple[Message, ...] = (
            rules,
            Message(role="user", content=f"{told}\n\nWrite the function {self.name}."),
        )
        problem = ""
        for attempt in range(ATTEMPTS):
            reply = await self._reply(messages, attempt)
            try:
                proposal = _read(reply)
                proof = await asyncio.to_thread(judge, proposal)
            except Unfit as error:
                problem, told_back = error.whole, error.whole if self.privacy == "full" else str(error)
                self._note(messages, reply, problem)
                again = f"That cannot be taken: {told_back}. Reply with the whole object again, put right."
                messages = (
                    *messages,
                    Message(role="assistant", content=reply.text),
                    Message(role="user", content=again),
                )
                continue
            except UserError as error:
                self._note(messages, reply, error.said)
                raise
            self._note(messages, reply, "")
            return proposal, proof
        raise UserError(f"nothing was learned, and nothing is saved: {problem}", Hint(f"learn {self.name} STEPS"))

    async def _reply(self, messages: tuple[Message, ...], repairs: int) -> ModelReply:
        """Ask once, over as many attempts as the wire takes. Raises `UserError`."""
        waits = Backoff(self.max_retries)
        only = ProposeFunction.name
        request = ModelRequest(messages=messages, actions=(ProposeFunction,), only=(only,), repairs=repairs)
        while True:
            try:
                reservation = await reserve(self.ledger, self.state, self.model, request, self.bound)
            except CostLimit as limit:
                raise UserError(f"the model was not asked: {limit}") from None
            bounded = request.model_copy(update={"max_tokens": reservation.max_tokens})
            spent = reservation.cost
            try:
                reply = await self.model.reply(bounded, lambda _: None)
                reply = self.bound.counted(reply, reservation) if self.ledger.is_limited else reply
            except ModelFault as fault:
                spent = reservation.cost if fault.billed else Decimal(0)
                wait = waits.delay(fault) if isinstance(fault, TransientFault) else None
                if wait is None:
                    raise UserError(f"the model did not answer: {fault}", *getattr(fault, "hints", ())) from None
            else:
                self.bound.learn(messages, reply.usage)
                spent = reply.cost
                return reply
            finally:
                self.ledger.settle(reservation.hold, spent)
            await asyncio.sleep(wait)

    def _note(self, messages: tuple[Message, ...], reply: ModelReply, problem: str) -> None:
        """Write down what was proposed and what it cost."""
        event = FunctionProposed(
            step=self.state.current_step,
            name=self.name,
            asked="\n\n".join(message.content for message in messages),
            text=reply.text,
            problem=problem,
            model=reply.model or self.model.name,
            usage=reply.usage,
            cost=reply.cost,
        )
        self.record(event)


def _read(reply: ModelReply) -> ProposeFunction:
    """Read a reply. Raises `Unfit`."""
    try:
        action = parse(reply.text, actions=(ProposeFunction,)).action
    except DecisionError as error:
        raise Unfit(str(error)) from None
    assert isinstance(action, ProposeFunction)
    return action
