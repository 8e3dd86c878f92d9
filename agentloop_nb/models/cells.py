"""Decisions in the form that a small model writes best: the code of a cell between fences, or FINISH and the answer.

Python inside JSON has to be written without its line breaks, and a quotation mark ends it; a model of a few hundred
million parameters loses its indentation there. llama.cpp's server keeps it to this form by a grammar. What streams in
is turned into the decision that everybody else writes, so nothing behind the wire knows of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from agentloop_nb.actions import Finish, RunCode, WriteFile
from agentloop_nb.models.dialect import Dialect
from agentloop_nb.models.refusal import Refusal
from agentloop_nb.protocols import Message

BEGIN, END, FINISH, GIVE_UP = "```python\n", "\n```", "FINISH: ", "GIVE UP: "
MOST_LINES, LONGEST_LINE, LONGEST_ANSWER = 40, 300, 600
"""Bounds of the grammar: what is longer runs on without end. No line begins as in a recorded session, with `>>>`."""
_CODE = f"""\
code ::= "```python\\n" line ("\\n" line){{0,{MOST_LINES}}} "\\n```"
line ::= ([^`>\\n] [^\\n]{{0,{LONGEST_LINE}}})?
"""
_ANSWER = f"""\
answer ::= "FINISH: " [^\\n]{{1,{LONGEST_ANSWER}}}
"""
_LAST = f"""\
root ::= ("FINISH: " | "GIVE UP: ") [^\\n]{{1,{LONGEST_ANSWER}}}
"""
_BEGIN = re.compile(r"```[ \t]*+(?:python|py)?[ \t]*+\n", re.IGNORECASE)
_FINISH = re.compile(r"\A\W*(FINISH|GIVE UP):[ \t]*(?=\S)")
_LEAD = re.compile(r"(?:[ \t]*+(?:(?:import|from)\b[^\n]*+)?\n)*+")
"""Imports and empty lines at the beginning of code."""
_RUN, _ANSWER_WITH, _GIVE_UP = "Run this cell.", "Finish with this answer.", "Give up."
"""What stands for a reason, which this form has no place for, where the code does not begin with a comment."""


def grammar(only: Sequence[str], *, final: bool = False) -> str:
    """Return the grammar of what may be answered: code, the answer, or either; at last, whether the goal is met."""
    if final:
        return _LAST
    ends, runs = not only or Finish.name in only, not only or RunCode.name in only
    if ends and runs:
        return f"root ::= code | answer\n{_CODE}{_ANSWER}"
    return f"root ::= answer\n{_ANSWER}" if ends else f"root ::= code\n{_CODE}"


@dataclass
class CellForm:
    """Asks one model on one server for cells."""

    dialect: Dialect

    def body(
        self,
        messages: Sequence[Message],
        *,
        final: bool,
        max_tokens: int | None,
        options: dict[str, Any],
        only: tuple[str, ...] = (),
        actions: tuple[type[BaseModel], ...] = (),
    ) -> dict[str, Any]:
        """Compose a request, with a grammar in place of a schema."""
        told = [as_cell(message) for message in messages]
        body = self.dialect.body(told, final=final, max_tokens=max_tokens, options=options, only=only, actions=actions)
        body = {name: value for name, value in body.items() if name not in ("response_format", "tools", "tool_choice")}
        if "grammar" not in self.dialect.dropped:
            body["grammar"] = grammar(only, final=final)
        return body

    def bound(self, body: dict[str, Any]) -> int | None:
        """Return the most tokens that a reply to this request may have."""
        return self.dialect.bound(body)

    def adapt(self, refusal: Refusal, body: dict[str, Any]) -> bool:
        """Learn from a refusal of `body`: without its grammar the next decision is asked for as JSON."""
        if "grammar" in body and refusal.status in (400, 422, 500) and "grammar" in refusal.text:
            self.dialect.dropped.add("grammar")
            return True
        return self.dialect.adapt(refusal, body)


def as_cell(message: Message) -> Message:
    """Tell a decision as a small model would have written it; any other message as it is."""
    if message.role != "assistant":
        return message
    try:
        action = json.loads(message.content, strict=False)["action"]
        name = action["name"]
    except (ValueError, TypeError, KeyError):
        return message
    if name == RunCode.name:
        return _with(message, f"{BEGIN}{action.get('code', '')}{END}")
    if name == WriteFile.name:
        file, content = action.get("filename", ""), action.get("content", "")
        return _with(message, f"{BEGIN}with open({file!r}, 'w') as file:\n    file.write({content!r}){END}")
    end = GIVE_UP if action.get("goal_met") is False else FINISH
    return _with(message, f"{end}{action.get('summary', '')}") if name == Finish.name else message


def _with(message: Message, content: str) -> Message:
    return message.model_copy(update={"content": content})


@dataclass
class CellReader:
    """Turns what streams in into the JSON of a decision, piece by piece."""

    final: bool = False
    """Whether the goal is met was asked for."""
    _held: str = ""
    """What is not read yet."""
    _read: Any = field(init=False)

    def __post_init__(self) -> None:
        self._read = self._start

    def feed(self, piece: str) -> str:
        """Take in a piece; return what of the decision is certain by now."""
        self._held += piece
        return str(self._read())

    def end(self) -> str:
        """Return the rest, once the reply has come to its own end."""
        begun = self._start(whole=True) if self._read == self._start else ""
        held, self._held = self._held, ""
        read, self._read = self._read, self._over
        if read == self._code:
            return f'{begun}{_inside(held.removesuffix("```").rstrip())}"}}}}'
        return f'{begun}{_inside(held.rstrip())}"}}}}' if read == self._answer else begun + held

    def _start(self, *, whole: bool = False) -> str:
        """Return the beginning of the decision, as soon as it is certain; `whole`: nothing more comes."""
        if self._held.lstrip()[:1] in ("{", "["):
            self._read = self._as_it_is
            return self._as_it_is()
        if found := _FINISH.match(self._held):  # first, since an answer may quote code
            self._held, self._read = self._held[found.end() :], self._answer
            gives_up = found[1] == "GIVE UP"
            met = "false" if gives_up else "true" if self.final else "null"
            why = _GIVE_UP if gives_up else _ANSWER_WITH
            return f'{_begun(why)}{{"name": "finish", "goal_met": {met}, "summary": "{self._answer()}'
        found = _BEGIN.search(self._held)
        reason = _reason(self._held[found.end() :], whole=whole) if found else None
        if found is None or reason is None:
            return ""
        self._held, self._read = self._held[found.end() :], self._code
        return f'{_begun(reason)}{{"name": "run_code", "code": "{self._code()}'

    def _code(self) -> str:
        """Return code but for its last characters, which may be its end; what follows the end is left out."""
        code, end, _ = self._held.partition(END)
        if end:
            self._held, self._read = "", self._over
            return f'{_inside(code)}"}}}}'
        certain = len(self._held) - len(END)
        told, self._held = self._held[: max(certain, 0)], self._held[max(certain, 0) :]
        return _inside(told)

    def _answer(self) -> str:
        told, self._held = self._held, ""
        return _inside(told)

    def _over(self) -> str:
        self._held = ""
        return ""

    def _as_it_is(self) -> str:
        told, self._held = self._held, ""
        return told


def _begun(why: str) -> str:
    return f'{{"reasoning": {json.dumps(why, ensure_ascii=False)}, "action": '


def _reason(code: str, *, whole: bool) -> str | None:
    """Return the comment that code begins with, but for its imports; None until that is certain."""
    lead = _LEAD.match(code)
    line, ended, _ = code[lead.end() if lead else 0 :].partition("\n")
    if not ended and not whole:
        return None
    return (line.strip("# \t") if line.startswith("#") else "") or _RUN


def _inside(text: str) -> str:
    """Write a text as it stands inside a string of JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
