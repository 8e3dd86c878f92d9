"""What left the machine: the exact text of a request, made again from the record, and its size by source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agentloop_nb._internal.text import counted
from agentloop_nb.agent.prompt import compose
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent, FunctionProposed, ModelCalled
from agentloop_nb.protocols import Message
from agentloop_nb.safety.provenance import split
from agentloop_nb.state import State


def messages_of(state: State) -> tuple[Message, ...]:
    """Compose the messages of the request that is sent in this state."""
    return compose(state, max_retries=int(state.settings.get("max_retries", 3)))


def state_before(events: Sequence[AnyEvent], step: int | None = None) -> State:
    """Fold what stood before the last request for a step, or before the run's last one. Raises `UserError`."""
    calls = [
        index for index, event in enumerate(events) if isinstance(event, ModelCalled) and step in (None, event.step)
    ]
    if not calls:
        raise UserError(f"nothing was sent for step {step}" if step else "nothing was sent")
    state = State()
    for event in events[: calls[-1]]:
        state.apply(event)
    return state


def sent(events: Sequence[AnyEvent], step: int | None = None) -> str:
    """Show a request as text: every message with its role and pictures, what was folded, and sizes by source."""
    state = state_before(events, step)
    messages = messages_of(state)
    sizes: Counter[str] = Counter()
    for index, message in enumerate(messages):
        rest, marked = split(message.content)
        sizes["outputs, pages and searches"] += sum(len(source.text) for source in marked)
        sizes[_source(index, message)] += len(rest)
    text = "\n\n".join(f"--- {message.role}\n{message.content}{_pictures(message)}" for message in messages)
    folded = "".join(f"\n\n--- folded\n{told}" for told in filter(None, [_folded(state)]))
    pictures = sum(len(message.images) for message in messages)
    table = "\n".join(f"{size:>9,} characters: {name}" for name, size in sizes.items() if size)
    table += f"\n{pictures:>9,} picture{'s' * (pictures > 1)}" if pictures else ""
    lead = f"{counted(len(messages), 'message')}, the newest last\n\n"
    return f"{lead}{text}{folded}\n\n--- sizes\n{table}" + ("" if step else "".join(map(_asked, events)))


def _asked(event: AnyEvent) -> str:
    """Return what was sent after the run to have a function proposed."""
    if not isinstance(event, FunctionProposed):
        return ""
    return f"\n\n--- asked for the function {event.name}, after the run\n{event.asked}"


def _pictures(message: Message) -> str:
    """Name the pictures of a message, which are shown to the model beside its text."""
    return "".join(
        f"\n[picture {number}: {image.media_type}, {max(len(image.base64) * 3 // 4000, 1):,} KB]"
        for number, image in enumerate(message.images, 1)
    )


def _span(first: int, last: int) -> str:
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _folded(state: State) -> str:
    """Say what the request told in fewer words than before."""
    done = state.compacted
    if done is None:
        return ""
    lines = []
    if done.digested:
        lines.append(f"{_span(1, done.digested)}: a line each at most")
    if done.through > done.digested:
        lines.append(f"outputs of {_span(done.digested + 1, done.through)}: {done.keep:,} characters each")
    if done.newest is not None:
        lines.append(f"output of step {done.through}: {done.newest:,} characters")
    if done.in_vain:
        lines.append("steps that failed: their error alone, without their code")
    if done.context is not None:
        lines.append(f"the namespace: {done.context:,} characters")
    return "\n".join(lines)


def _source(index: int, message: Message) -> str:
    if message.role == "system":
        return "rules and actions"
    if index == 1:
        return "goal, instructions, namespace, earlier cells and runs"
    return "the model's own decisions" if message.role == "assistant" else "results and notes"
