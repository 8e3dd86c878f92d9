"""Four hundred canaries in every disguise, in every field that a run can hold: none reaches a place it is shown at."""

from __future__ import annotations

import base64
import os
import random
import string
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.events import AnyEvent, RunForked, RunResumed, event_from
from agentloop_nb.record import locating
from agentloop_nb.reports.requests import messages_of, state_before
from agentloop_nb.safety.secrets import Masker
from agentloop_nb.state import State
from tests.record.hostile_events import RUN, Fill, story
from tests.record.test_hostile_events import OTHER, shown
from tests.safety.test_canaries import bare
from tests.safety.test_foreign_fields import terminal

SEED = random.Random(20261130)
MARK = "Zq7xK9"
"""What each canary begins with, so that one look finds them all."""
CANARIES = [
    MARK + "".join(SEED.choices(string.ascii_letters + string.digits, k=SEED.randint(14, 40))) for _ in range(400)
]
NEEDLES = {
    "as it is": MARK,
    "reversed": MARK[::-1],
    "hexadecimal": MARK.encode().hex(),
    "base64": base64.b64encode(MARK.encode()).decode(),
}
FORMS = (
    str,
    lambda value: f"it is {value}.",
    lambda value: value[::-1],
    lambda value: value.encode().hex(),
    lambda value: base64.b64encode(value.encode()).decode(),
    lambda value: f"https://a.example/?q={value}",
    lambda value: "\n".join(value[at : at + 9] for at in range(0, len(value), 9)),
    lambda value: f"{{'password': '{value}'}}",
)
SINKS = (
    "runs",
    "runs --tree",
    "status",
    "who",
    "why",
    "cost",
    "sent",
    "show",
    "compare",
    "text",
    "page.html",
)
SINKS += (
    "compared.html",
    "judged.html",
    "run.ipynb",
    "minimal.ipynb",
    "run.py",
    "session.ipynb",
    "run.html",
    "run.md",
    "cells.py",
)
SINKS += ("record", "terminal", "prompt", "refusals")


def with_canaries(value: Any, numbers: Iterator[int]) -> Any:
    """Put the next canary, in the next disguise, wherever a text stands."""
    if isinstance(value, str):
        number = next(numbers) if "@" in value else 0
        return value.replace("@", FORMS[number % len(FORMS)](CANARIES[number % len(CANARIES)]))
    if isinstance(value, list):
        return [with_canaries(each, numbers) for each in value]
    if isinstance(value, dict):
        return {key.replace("@", "x1"): with_canaries(each, numbers) for key, each in value.items()}
    return value


@pytest.fixture(scope="module")
def recorded() -> tuple[int, list[AnyEvent]]:
    """How many fields were filled, and the events as a run hands them on."""
    numbers, events = count(), []
    stream = Stream(State(), events.append, masker=Masker(CANARIES))
    for made in with_canaries(story(Fill("@")), numbers):
        if not isinstance(event := event_from(made), RunForked | RunResumed):
            stream.emit(event)
    return next(numbers), events


@pytest.fixture(scope="module")
def sinks(recorded: tuple[int, list[AnyEvent]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of every place that a run is shown at."""
    base, events = tmp_path_factory.mktemp("sinks"), recorded[1]
    (base / "out").mkdir()
    runs = locating.runs_folder(base)
    runs.mkdir(parents=True)
    text = "".join(event.model_dump_json() + "\n" for event in events)
    (runs / f"{RUN}.jsonl").write_text(text)
    (runs / f"{OTHER}.jsonl").write_text(text.replace(RUN, OTHER, 1))
    here = Path.cwd()
    os.chdir(base)
    try:
        told = shown(runs / f"{RUN}.jsonl", base)
    finally:
        os.chdir(here)
    told["record"], told["terminal"] = text, terminal(events)
    told["prompt"] = "\n".join(each.content for each in messages_of(state_before(events)))
    told["refusals"] = "\n".join(why for name, why in told.items() if name.endswith(", refused"))
    return told


def test_every_canary_was_put_somewhere(recorded: tuple[int, list[AnyEvent]]) -> None:
    assert recorded[0] >= len(CANARIES) == 400
    assert str(recorded[1]).count("[secret masked]") >= 400


@pytest.mark.parametrize("sink", SINKS)
def test_no_canary_reaches_a_sink(sinks: dict[str, str], sink: str) -> None:
    text = sinks[sink]
    squeezed = bare(text)
    assert [how for how, needle in NEEDLES.items() if needle in text or needle in squeezed] == []


def test_no_other_sink_is_forgotten(sinks: dict[str, str]) -> None:
    rest = {name for name in sinks if name not in SINKS and not name.endswith(", refused")}
    assert not [name for name in rest if any(needle in bare(sinks[name]) for needle in NEEDLES.values())]
