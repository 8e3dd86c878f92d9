"""What can be seen of a step while it is under way: the reply as it is written, the output as it appears."""

from __future__ import annotations

from typing import Any

from agentloop_nb.actions import BY_NAME
from agentloop_nb.notebook.panel.cards import Card, worded
from agentloop_nb.notebook.panel.limits import MAX_CODE, MAX_PROSE
from agentloop_nb.notebook.panel.outputs import Block, block_of, of_lines
from agentloop_nb.notebook.panel.safe_text import Lines, clean, one_line, shortened
from agentloop_nb.protocols import Delta, Output

_BODIES = {"run_code": ("code", "python"), "query": ("sql", "sql"), "write_file": ("content", "text")}
_MAX_THINKING = 4000


class LiveReply:
    """A decision as it streams in. Only what is certain is shown: a name counts when it is a whole action's name."""

    def __init__(self) -> None:
        self._text = ""
        self._thinking = ""

    def feed(self, delta: Delta) -> None:
        """Take a piece in."""
        self._text += delta.text
        self._thinking += delta.reasoning

    @property
    def writing(self) -> bool:
        """Whether the reply itself has begun."""
        return bool(self._text.strip())

    def card(self) -> Card:
        """Return the fields of a card that are known by now."""
        if not self.writing:
            return Card(state="thinking", reasoning=clean(self._thinking[-_MAX_THINKING:]))
        data = _partial(self._text)
        action = data.get("action")
        fields = action if isinstance(action, dict) else data.get("input")
        name = action.get("name") if isinstance(action, dict) else action
        shown = Card(state="writing", reasoning=shortened(str(data.get("reasoning") or ""), MAX_PROSE))
        if name not in BY_NAME or not isinstance(fields, dict):
            return shown
        kind = BY_NAME[name]
        body, lang = _BODIES.get(name, ("", ""))
        asked = worded(kind, _title(fields.get(kind.title_field)))
        title = shown["reasoning"] if name in ("run_code", "query") else asked
        shown.update(Card(icon=kind.icon, action=name, title=one_line(title)))
        if body and isinstance(fields.get(body), str):
            shown.update(Card(code=shortened(fields[body].strip("\n"), MAX_CODE), lang=lang))
        return shown


def _title(value: Any) -> str:
    """Return a field as a card's title; of a list of requests, what each asks for."""
    if not isinstance(value, list):
        return str(value or "")
    members = (each for each in value if isinstance(each, dict))
    return ", ".join(str(next(filter(None, each.values()), "")) for each in members)


def _partial(text: str) -> dict[str, Any]:
    """Read an unfinished JSON object as far as it goes."""
    from pydantic_core import from_json

    start = text.find("{")
    if start < 0:
        return {}
    try:
        data = from_json(text[start:].encode("utf-8", "replace"), allow_partial="trailing-strings")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


class LiveOutput:
    """The outputs of a running step, rendered as the finished step will be, so that nothing has to be sent twice."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, Lines | Block, str]] = []
        """Stream name or "", what to show, display id."""

    def feed(self, output: Output) -> None:
        """Take an output in; streams carry only new text."""
        kind = output.get("output_type")
        if kind == "stream":
            self._stream(str(output.get("name", "stdout")), str(output.get("text", "")))
            return
        display_id = str((output.get("transient") or {}).get("display_id", ""))
        block = block_of({**output, "output_type": "display_data"}) if kind != "error" else None
        if block is None:
            return
        if kind == "update_display_data":
            self._entries = [
                (name, block if display_id and display_id == known else shown, known)
                for name, shown, known in self._entries
            ]
        else:
            self._entries.append(("", block, display_id))

    def _stream(self, name: str, text: str) -> None:
        if not self._entries or self._entries[-1][0] != name:
            self._entries.append((name, Lines(), ""))
        lines = self._entries[-1][1]
        if isinstance(lines, Lines):
            lines.feed(text)

    def blocks(self) -> list[Block]:
        """Return what there is to see now."""
        return [of_lines(shown, name) if isinstance(shown, Lines) else shown for name, shown, _ in self._entries]
