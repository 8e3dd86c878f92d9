"""A report to hand in: what was found, what it rests on, how it was done and how to check it, in one file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agentloop_nb._internal.amounts import count, dollars, duration
from agentloop_nb._internal.text import STATUS_WORDS
from agentloop_nb.actions import Finish, Query, ReadUrl, RunCode, UseTool, WriteFile
from agentloop_nb.actions.effects import Ground
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.export.claim_links import grounds_of
from agentloop_nb.export.evidence import Exhibit, exhibits
from agentloop_nb.export.finding import title_of
from agentloop_nb.export.output_fields import fit_output
from agentloop_nb.export.selection import Story
from agentloop_nb.state import State
from agentloop_nb.step import Step

Json = dict[str, Any]

UNPROVEN = "The steps were not run again when this report was written."


@dataclass(frozen=True)
class Exhibited:
    """A figure or table, with its number and what it shows."""

    name: str
    """`Figure 1`."""
    step: int
    caption: str
    output: Json


@dataclass(frozen=True)
class MethodStep:
    """One thing that was done: why, its code, and what it showed."""

    number: int
    reason: str
    code: str
    lang: str
    outputs: tuple[Json, ...]


@dataclass(frozen=True)
class Report:
    """Everything a report says; texts are fit to leave, and are not escaped yet."""

    title: str
    goal: str
    answer: str
    unfinished: str
    """Why there is no full answer, if so."""
    exhibits: tuple[Exhibited, ...]
    grounds: tuple[Ground, ...]
    """Which step shows which claim of the answer."""
    files: tuple[str, ...]
    method: tuple[MethodStep, ...]
    sources: tuple[tuple[str, str], ...]
    """Title and address of pages that were read."""
    inputs: tuple[Json, ...]
    versions: str
    verdict: str
    run: str
    made: str
    cost: str
    """Empty where it is not to be told."""


def gather(story: Story, notebook: Json, scrub: Anonymizer, verdict: str = "", *, cost: bool = False) -> Report:
    """Put together what is worth telling of a run; `story` has only the steps that its result depends on."""
    state, ours = story.state, notebook["metadata"]["agentloop"]
    shown = tuple(_exhibited(exhibits(state), scrub))
    kept = {step.number for step in story.steps} | {each.step for each in shown}
    kept |= {each.step for each in grounds_of(state)}
    versions = {"Python": ours["versions"].get("python", ""), **ours["packages"]}
    return Report(
        title=scrub.text(title_of(state)),
        goal=scrub.text(state.goal.strip()),
        answer=scrub.text(state.summary.strip()),
        unfinished="" if state.is_complete else scrub.text(f"{STATUS_WORDS[state.status]}: {state.reason}"),
        exhibits=shown,
        grounds=tuple(each.model_copy(update={"claim": scrub.text(each.claim)}) for each in grounds_of(state)),
        files=tuple(map(scrub.text, state.artifacts)),
        method=tuple(_method(state, kept, scrub)),
        sources=tuple(dict.fromkeys(_sources(state, scrub))),
        inputs=tuple(ours["inputs"]),
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
        verdict=scrub.text(verdict) or UNPROVEN,
        run=state.run,
        made=scrub.text(_made(state)),
        cost=_cost(state) if cost else "",
    )


def _exhibited(found: list[Exhibit], scrub: Anonymizer) -> Iterator[Exhibited]:
    numbers = {"figure": 0, "table": 0}
    for each in found:
        if output := fit_output(each.output, scrub):
            numbers[each.kind] += 1
            name = f"{each.kind.capitalize()} {numbers[each.kind]}"
            yield Exhibited(name, each.step, scrub.text(each.caption.strip()), output)


def _method(state: State, kept: set[int], scrub: Anonymizer) -> Iterator[MethodStep]:
    """Yield steps that worked and that the result depends on, or that read something; dead ends are left out."""
    for step in state.steps:
        if step.decision is None or step.result is None or not step.result.success:
            continue
        action = step.decision.action
        if isinstance(action, Finish) or (isinstance(action, RunCode) and step.number not in kept):
            continue
        code, lang = _code(step)
        outputs = step.result.outputs if isinstance(action, RunCode | Query | OwnAction) else ()
        fit = tuple(output for each in outputs if (output := fit_output(each, scrub)))
        yield MethodStep(step.number, scrub.text(step.decision.reasoning.strip()), scrub.code(code), lang, fit)


def _code(step: Step) -> tuple[str, str]:
    action = step.decision.action if step.decision else None
    if isinstance(action, RunCode):
        return action.code.strip("\n"), "python"
    if isinstance(action, OwnAction):
        return action.code, "python"
    if isinstance(action, Query):
        return action.sql.strip("\n"), "sql"
    if isinstance(action, UseTool):
        return f"{action.tool} {action.arguments}", "text"
    if isinstance(action, WriteFile):
        return f"{action.filename}\n\n{action.content}", "text"
    return "", ""


def _sources(state: State, scrub: Anonymizer) -> Iterator[tuple[str, str]]:
    for step in state.steps:
        action = step.decision.action if step.decision else None
        for part, result in action.outcomes(step.result) if action and step.result else ():
            if isinstance(part, ReadUrl) and result.success:
                page = result.effects.page
                yield scrub.text((page and page.title) or part.url), scrub.text(part.url)


def _made(state: State) -> str:
    model = str(state.settings.get("model") or "a model")
    who = "a recorded run" if model.startswith("replay:") else f"the model {model}"
    day = dt.datetime.fromtimestamp(state.began, dt.UTC).date().isoformat()
    return f"Made on {day} with agentloop_nb: {who} chose the steps; their code was run in Jupyter."


def _cost(state: State) -> str:
    amount = dollars(state.total_cost) if state.cost_known else f"{dollars(state.total_cost)} and an unknown part"
    took = duration(max((state.ended or state.began) - state.began, 0))
    tokens = f" and used {count(state.usage.total)} tokens" if state.usage.total else ""
    return f"It cost {amount}, took {took}{tokens}."
