"""What a served run offers to read: its record, its transcript, and the verdict on its newest export."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from agentloop_nb.actions.output_text import bounded
from agentloop_nb.state import State
from agentloop_nb.step import Step

if TYPE_CHECKING:
    from agentloop_nb.notebook.serve.served_kernel import ServedKernelRun

LONGEST = 2**20
"""Bytes of one resource."""
_OUTPUT = 2_000
"""Characters of one step's output in the transcript."""


class Resource(NamedTuple):
    """One of them."""

    uri: str
    name: str
    description: str
    media_type: str


RECORD = Resource("agentloop://record", "record", "Every event of this run, one a line.", "application/jsonl")
TRANSCRIPT = Resource("agentloop://transcript", "transcript", "What was done so far, step by step.", "text/markdown")
VERDICT = Resource("agentloop://verdict", "verdict", "What re-running the newest export showed.", "text/plain")
RESOURCES = (RECORD, TRANSCRIPT, VERDICT)


async def read(served: ServedKernelRun, uri: str) -> str:
    """Return the text of a resource, without secrets."""
    masker = served.session.masker
    match uri:
        case RECORD.uri if served.session.settings.privacy == "full":
            return await asyncio.to_thread(_tail, served)
        case RECORD.uri:
            return f"the record holds values, and privacy is {served.session.settings.privacy}; see {TRANSCRIPT.uri}"
        case TRANSCRIPT.uri:
            return masker.mask(bounded("\n".join(_transcript(served.session.state)), LONGEST))
        case VERDICT.uri:
            return masker.mask(served.tools.verdict or "nothing was exported yet; call export")
        case _:
            known = ", ".join(each.uri for each in RESOURCES)
            return f"there is no resource {uri} here; there are {known}"


def _tail(served: ServedKernelRun) -> str:
    """Return the end of the record, in whole lines."""
    with served.session.record.path.open("rb") as record:
        size = record.seek(0, 2)
        record.seek(max(size - LONGEST, 0))
        text = record.read().decode(errors="replace")
    return text if size <= LONGEST else text.partition("\n")[2]


def _transcript(state: State) -> Iterator[str]:
    yield f"# {state.goal}\n"
    for step in state.steps:
        if step.decision is not None:
            yield from _told(step)
    yield f"\n{state.status}{f': {state.reason}' if state.reason else ''}"


def _told(step: Step) -> Iterator[str]:
    """One step, as its client was told of it."""
    assert step.decision is not None
    action, result = step.decision.action, step.result
    yield f"## {step.number}. {action.name}: {step.decision.reasoning}\n"
    if hasattr(action, "code"):
        yield f"````python\n{bounded(action.code, _OUTPUT)}\n````\n"
    outcome = "under way" if result is None else "done" if result.success else f"failed: {result.error}"
    yield f"{outcome}\n"
    if result is not None and result.output:
        yield f"````text\n{bounded(result.output, _OUTPUT)}\n````\n"
