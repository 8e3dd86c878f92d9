"""`agentloop eval`: measures models on a suite, from a shell."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agentloop_nb._internal.amounts import dollars, duration
from agentloop_nb._internal.paths import from_here, typed_path
from agentloop_nb._internal.text import clean, counted
from agentloop_nb.errors import UserError
from agentloop_nb.evals.contender import REFERENCE, contenders
from agentloop_nb.evals.evaluation import Evaluation
from agentloop_nb.evals.evaluation_report import Report, as_json, gather
from agentloop_nb.evals.outcome import Outcome
from agentloop_nb.evals.report_page import write_page
from agentloop_nb.evals.report_text import as_text
from agentloop_nb.evals.suite import load_suite
from agentloop_nb.settings import environment
from agentloop_nb.settings.convert import DOLLARS, Kind, whole

PAGE, DATA = "report.html", "report.json"
_COUNT = whole(1)


def evaluate(typed: str, options: Mapping[str, Any]) -> bool:
    """Carry out an evaluation and tell what it found; whether every run was made. Raises `UserError`."""
    suite = load_suite(typed).spread(_number("--tasks", _COUNT, options.get("tasks")))
    home = typed_path(options.get("output_dir") or f"eval-{suite.name}").absolute()
    evaluation = Evaluation(
        suite=suite,
        contenders=contenders(options.get("models", ()), options.get("prompts", ())),
        home=home,
        variables=environment(),
        arguments={name: options[name] for name in ("base_url", "effort", "max_steps", "on") if name in options},
        repeats=_number("--repeat", _COUNT, options.get("repeat")) or 1,
        jobs=_number("--jobs", _COUNT, options.get("jobs")) or 1,
        budget=_number("--budget", DOLLARS, options.get("budget")),
    )
    evaluation.prepare()
    print(_opening(evaluation))
    evaluation.run(lambda outcome: print(_line(outcome, evaluation), flush=True))
    report = gather(evaluation)
    _write(report, home)
    print(f"\n{as_text(report, shutil.get_terminal_size((110, 24)).columns)}")
    print(f"Report: {from_here(home / PAGE)}")
    if evaluation.missing:
        print(f"{_why_missing(evaluation)} The same command goes on.")
    return not evaluation.missing and not any(each.fault for each in report.outcomes) and _sound(report)


def _number(flag: str, kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    try:
        return kind.convert(value)
    except (ValueError, TypeError, ArithmeticError):
        raise UserError(f"{flag} must be {kind.expected}, not {value!r}") from None


def _opening(evaluation: Evaluation) -> str:
    names = " and ".join(each.name for each in evaluation.contenders)
    done = len(evaluation.outcomes)
    kept = f"; {counted(done, 'run')} already done" if done else ""
    return f"{counted(len(evaluation.suite.tasks), 'task')} of {evaluation.suite.name} for {names}{kept}"


def _line(outcome: Outcome, evaluation: Evaluation) -> str:
    """One run that is done."""
    sign = "!" if outcome.fault else "✓" if outcome.right else "✗"
    who = f"  {outcome.contender}" if len(evaluation.contenders) > 1 else ""
    again = f" ({outcome.repeat})" if evaluation.repeats > 1 else ""
    cost = dollars(outcome.cost) if outcome.cost_known else "price unknown"
    facts = f"{counted(outcome.steps, 'step')}, {cost}, {duration(outcome.seconds)}"
    why = outcome.fault or next((each.why or each.expression for each in outcome.judged if not each.held), "")
    done = f"{len(evaluation.outcomes)}/{len(evaluation.trials)}"
    return clean(f"{done:>7} {sign} {outcome.task}{again}{who}  {facts}{f'  {why[:100]}' if why else ''}")


def _write(report: Report, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    home.joinpath(DATA).write_text(json.dumps(as_json(report), indent=1), encoding="utf-8")
    write_page(report, home / PAGE)


def _why_missing(evaluation: Evaluation) -> str:
    count = counted(evaluation.missing, "run")
    if evaluation.stopped:
        return f"Stopped: {count} left."
    if evaluation.exhausted:
        return f"The budget is spent: {count} left; allow more with --budget."
    return f"{count} left."


def _sound(report: Report) -> bool:
    """Whether the suite's own solutions, where they were played, are right."""
    return all(each.right for each in report.outcomes if each.contender == REFERENCE)
