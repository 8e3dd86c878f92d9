"""Where text came from: what the user said, and what pages, searches, files and tables said.

Everything here is a function of the state, so that a recorded run is judged as the live one was.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from agentloop_nb.actions import AskUser, Delegate, Finish, ReadDocument, ReadUrl, SearchWeb, UseTool, WriteFile
from agentloop_nb.state import State
from agentloop_nb.step import Step

OPENING, CLOSING = "<<data", "data>>"
_BEGINS, _ENDS = f"{OPENING} from ", f"\n{CLOSING}"
TOOLS = "the servers of the tools"
"""Where the list of tools comes from."""
NAMESPACE = "the namespace"
"""Where values of the person's variables come from."""
Whose = Literal["person", "mixed", "stranger"]
"""Whose data a text holds: `mixed` is a file or a tool, where the person's data lie and a stranger may speak."""
_FORGED = re.compile(r"<\s*<\s*(?=data)|(?<=data)\s*>\s*>", re.IGNORECASE)


class _Mark(NamedTuple):
    """Where an opening, the text that it marks and its closing begin."""

    start: int
    body: int
    end: int


class Source(NamedTuple):
    """A text that is data, not instruction."""

    origin: str
    """For a person: `the page https://example.org (step 3)`."""
    text: str
    whose: Whose = "stranger"
    """Told by what brought the text, never by words in it or in its address."""


def mark(text: str, origin: str) -> str:
    """Put a text between marks that it cannot forge, so that a model can tell data from instructions."""
    calm = unmarked(text)
    source = " ".join(_FORGED.sub("", origin).split())[:200]
    return f"{OPENING} from {source}\n{calm}\n{CLOSING}"


def unmarked(text: str) -> str:
    """Return a text that holds no mark, however it is spelt."""
    return _FORGED.sub(lambda match: match[0].replace("<", "‹").replace(">", "›"), text)


def split(text: str) -> tuple[str, list[Source]]:
    """Part a text into what is not marked and the marked texts in it."""
    outside, found, begun = list[str](), list[Source](), 0
    for place in _marks(text):
        outside.append(text[begun : place.start])
        origin = text[place.start + len(_BEGINS) : place.body - 1]
        found.append(Source(origin, text[place.body : place.end], "person" if origin == NAMESPACE else "stranger"))
        begun = place.end + len(_ENDS)
    return "".join([*outside, text[begun:]]), found


def _marks(text: str) -> Iterator[_Mark]:
    """Yield the marked parts in order. By hand: a pattern would look for the end of each opening anew."""
    start = text.find(_BEGINS)
    while start >= 0:
        body = text.find("\n", start) + 1
        end = text.find(_ENDS, body) if body else -1
        if end < 0:
            return
        yield _Mark(start, body, end)
        start = text.find(_BEGINS, end + len(_ENDS))


def said_by_user(state: State, cells: Sequence[str] = ()) -> str:
    """Everything that counts as asked for: goal, notes, typed answers, the cells, the unmarked part of the context.

    What a model wrote of the cells does not count. The goal of a delegated part is a model's words; those of the person
    are the goals before it.
    """
    words = [said for step in state.steps for said in step.said]
    if state.borrowed is not None:
        return "\n".join((Counter(words) - Counter(state.borrowed)).elements())
    return "\n".join([goals_of_user(state), *words, *typed(state, cells), split(state.context)[0]])


def typed(state: State, cells: Sequence[str]) -> list[str]:
    """Return the cells before a run that a person typed: no code of earlier runs, no learned function."""
    by_model = {each.index for each in state.ran if each.step or each.by_model}
    return [cell for index, cell in enumerate(cells) if index not in by_model]


def goals_of_user(state: State) -> str:
    """Return the goals that the person typed: none of somebody else's record, none that a model wrote for a part."""
    if state.borrowed is not None:
        return ""
    return "\n".join([*(() if state.delegated else (state.goal,)), *state.earlier_goals])


def words_of_others(state: State) -> Iterator[Source]:
    """Yield the goal of a delegated part, and all words of a stranger's record.

    In the goal of a part may speak who moved the model.
    """
    if state.borrowed is not None:
        text = "\n".join([state.goal, *state.earlier_goals, *state.borrowed, *state.cells, state.context])
        yield Source("the record that somebody else wrote", text)
    elif state.delegated:
        yield Source("the goal that a model gave this part", state.goal)


def of_step(step: Step) -> Iterator[Source]:
    """Yield what one step brought in."""
    if step.result is None or step.decision is None:
        return
    for part, result in step.decision.action.outcomes(step.result):
        match part:
            case ReadUrl(url=url):
                yield Source(f"the page {url} (step {step.number})", result.output)
            case SearchWeb(query=query):
                yield Source(f"the search for {query!r} (step {step.number})", result.output)
            case ReadDocument(path=path):
                yield Source(f"the file {path} (step {step.number})", result.output, "mixed")
            case UseTool(tool=tool):
                yield Source(f"the tool {tool} (step {step.number})", result.output, "mixed")
            case Delegate():
                yield Source(f"the parts of step {step.number}", result.output)
            case Finish():  # refused, with the values that a condition has
                yield from split(result.output)[1]
            case WriteFile() | AskUser():  # what the system says of a file; what the person answers
                pass
            case _:
                yield Source(f"the output of step {step.number}", result.output, "person")
