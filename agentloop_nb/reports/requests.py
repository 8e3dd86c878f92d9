"""What left the machine: the exact text of a request, made again from the record, and its size by source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agentloop_nb.agent.prompt import compose
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent, ModelCalled
from agentloop_nb.protocols import Message
from agentloop_nb.safety.provenance import split
from agentloop_nb.state import State


def messages_sent(events: Sequence[AnyEvent], step: int | None = None) -> tuple[Message, ...]:
    """Return the messages of the last request for a step, or of the run's last one. Raises `UserError`."""
    calls = [
        index for index, event in enumerate(events) if isinstance(event, ModelCalled) and step in (None, event.step)
    ]
    if not calls:
        raise UserError(f"nothing was sent for step {step}" if step else "nothing was sent")
    state = State()
    for event in events[: calls[-1]]:
        state.apply(event)
    return compose(state, max_retries=int(state.settings.get("max_retries", 3)))


def sent(events: Sequence[AnyEvent], step: int | None = None) -> str:
    """Show a request as text: every message with its role, then the characters it held by source."""
    messages = messages_sent(events, step)
    sizes: Counter[str] = Counter()
    for index, message in enumerate(messages):
        rest, marked = split(message.content)
        sizes["outputs, pages and searches"] += sum(len(source.text) for source in marked)
        sizes[_source(index, message)] += len(rest)
    text = "\n\n".join(f"--- {message.role}\n{message.content}" for message in messages)
    table = "\n".join(f"{size:>9,} characters: {name}" for name, size in sizes.items() if size)
    return f"{text}\n\n--- sizes\n{table}"


def _source(index: int, message: Message) -> str:
    if message.role == "system":
        return "rules and actions"
    if index == 1:
        return "goal, instructions, namespace, earlier cells and runs"
    return "the model's own decisions" if message.role == "assistant" else "results and notes"
