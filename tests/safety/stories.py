"""Runs told as data: what the user said, what each step did and brought, and what the model decides next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agentloop_nb.actions import Action, ActionResult, ReadUrl, RunCode, SearchWeb, WriteFile
from agentloop_nb.decision import Decision
from agentloop_nb.events import ActionFinished, ActionStarted, AnyEvent, DecisionMade, RunStarted
from agentloop_nb.state import State, fold


@dataclass(frozen=True)
class Done:
    """A step that was carried out."""

    action: Action
    output: str = "Done; nothing was printed."
    success: bool = True


def code(source: str, output: str = "Done; nothing was printed.", *, success: bool = True) -> Done:
    return Done(RunCode(code=source), output, success)


def page(url: str, text: str) -> Done:
    return Done(ReadUrl(url=url), f"{url}\n\n{text}")


def found(query: str, *hits: str) -> Done:
    return Done(SearchWeb(query=query), "\n".join(f"{number}. {hit}" for number, hit in enumerate(hits, 1)))


def wrote(filename: str, content: str) -> Done:
    return Done(WriteFile(filename=filename, content=content), f"Wrote {filename}.")


def state_of(goal: str, steps: Iterable[Done] = (), context: str = "") -> State:
    events: list[AnyEvent] = [RunStarted(run="r", goal=goal, context=context, settings={})]
    for number, done in enumerate(steps, 1):
        result = ActionResult(success=done.success, output=done.output)
        events += [
            DecisionMade(step=number, decision=Decision(reasoning="because", action=done.action)),
            ActionStarted(step=number),
            ActionFinished(step=number, result=result),
        ]
    return fold(events)
