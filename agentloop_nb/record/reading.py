"""Read a record: its events, and the state they fold into."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agentloop_nb._internal.links import refuse_links
from agentloop_nb._internal.text import whole_characters
from agentloop_nb.actions import BY_NAME
from agentloop_nb.errors import UserError
from agentloop_nb.events import ActionFinished, AnyEvent, RunInterrupted, RunStarted, UnknownEvent, event_from
from agentloop_nb.record import blobs, earlier_code, lock, trust
from agentloop_nb.state import State, fold

log = logging.getLogger(__name__)


def read(path: Path) -> list[AnyEvent]:
    """Read a record. Raises `UserError` that names the line if it is damaged anywhere but in its last line."""
    events = list(_events(path))
    if not events or not isinstance(events[0], RunStarted):
        raise UserError(f"{path} is no record of a run: its first line must be a run_started event")
    return events


def _events(path: Path) -> Iterator[AnyEvent]:
    folder = blobs.folder_of(path)
    lines = _lines(path)
    last = len(lines) - 1
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            data = _object(line)
            data.pop(trust.SIGNATURE, None)
            data = blobs.put_back(data, folder)
            event = _event(earlier_code.put_back(data, folder) if data.get("kind") == "run_started" else data)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            if index == last and isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
                return  # torn: the kernel died while it was written
            raise UserError(f"{path}, line {index + 1} is damaged ({_reason(error)})") from None
        yield event


def _object(line: bytes) -> dict[str, Any]:
    data = json.loads(line.decode("utf-8"))
    if b"\\ud" in line.lower():
        data = whole_characters(data)
    if not isinstance(data, dict):
        raise TypeError("not an object")
    return data


def _lines(path: Path) -> list[bytes]:
    refuse_linked(path)
    try:
        if not path.is_file():
            raise UserError(f"there is no record {path}")
        if path.stat().st_size > trust.MAX_RECORD:
            raise UserError(f"{path} is larger than any record ({path.stat().st_size:,} bytes)")
        return path.read_bytes().removesuffix(b"\n").split(b"\n")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None


def refuse_linked(path: Path) -> None:
    """Raise `UserError` where a record lies behind a link."""
    try:
        refuse_links(path)
    except OSError as error:
        raise UserError(str(error)) from None


def _event(data: dict[str, Any]) -> AnyEvent:
    """Rebuild an event; a decision for an action of a newer version is kept as an unknown event."""
    decision = data.get("decision") or data.get("edited")
    action = decision.get("action") if isinstance(decision, dict) else None
    if isinstance(action, dict) and action.get("name") not in BY_NAME and not action.get("own"):
        return UnknownEvent.model_validate(data)
    event = event_from(data)
    if isinstance(event, ActionFinished) and not all(map(_is_output, event.result.outputs)):
        raise ValueError("an output is none of a notebook's")
    return event


def _is_output(output: dict[str, Any]) -> bool:
    """Whether an output has the shape that nbformat gives it."""
    match output:
        case {"output_type": "stream", "text": str() | list()}:
            return True
        case {"output_type": "display_data" | "execute_result", "data": dict(data)}:
            return all(isinstance(mime, str) for mime in data)
        case {"output_type": "error", "ename": str(), "evalue": str()}:
            return isinstance(output.get("traceback", []), list)
        case _:
            return False


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error) or type(error).__name__


def load(path: Path) -> State:
    """Rebuild the state of a recorded run. One that was under way when its kernel died is `interrupted`."""
    state = fold(read(path))
    if state.status == "running" and not lock.in_use(path):
        state.apply(RunInterrupted())
    return state
