"""What an evaluation found, as one value: every view of it, and the JSON file, say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from agentloop_nb._internal.amounts import count, duration
from agentloop_nb._internal.amounts import dollars as rounded_dollars
from agentloop_nb._internal.text import counted
from agentloop_nb.evals.evaluation import Evaluation
from agentloop_nb.evals.outcome import Outcome
from agentloop_nb.evals.scores import TEST, Pairing, Score, pairings, scores, spent

NONE = "—"
COLUMNS = (
    *("right", "accuracy", "95% interval", "dollars per right answer", "tokens per right answer"),
    *("steps per right answer", "seconds per right answer", "reproduced", "wrong but claimed"),
)
"""What is told of each contender."""


@dataclass(frozen=True)
class Report:
    """Everything a report says."""

    suite: str
    tasks: tuple[str, ...]
    areas: tuple[str, ...]
    """The area of each task; empty where it has none."""
    repeats: int
    scores: tuple[Score, ...]
    pairings: tuple[Pairing, ...]
    outcomes: tuple[Outcome, ...]
    missing: int
    """Runs that were not made."""

    @property
    def spent(self) -> Decimal:
        """Dollars known to have been spent on the runs told of."""
        return spent(self.outcomes)

    @property
    def head(self) -> str:
        """One line on what was run."""
        times = f", {self.repeats} times each" if self.repeats > 1 else ""
        left = f"; {counted(self.missing, 'run')} not made" if self.missing else ""
        broken = sum(each.broken for each in self.scores)
        told = f"; {broken} broke and count for nothing" if broken else ""
        tasks, runs = counted(len(self.tasks), "task"), counted(len(self.outcomes), "run")
        return f"{tasks} of {self.suite}{times}, {runs}{left}{told}"


def gather(evaluation: Evaluation) -> Report:
    """Put together what an evaluation found so far."""
    trials = evaluation.trials
    found = [evaluation.outcomes[each.place] for each in trials if each.place in evaluation.outcomes]
    added = scores([each.name for each in evaluation.contenders], found)
    return Report(
        suite=evaluation.suite.name,
        tasks=tuple(each.name for each in evaluation.suite.tasks),
        areas=tuple(each.area for each in evaluation.suite.tasks),
        repeats=evaluation.repeats,
        scores=tuple(added),
        pairings=tuple(pairings(added)),
        outcomes=tuple(found),
        missing=len(trials) - len(found),
    )


def cells(score: Score) -> tuple[str, ...]:
    """Return what stands in each of `COLUMNS`."""
    low, high = score.interval or (0.0, 0.0)
    return (
        f"{score.right} of {score.runs}",
        NONE if score.accuracy is None else f"{score.accuracy:.0%}",
        NONE if score.accuracy is None else f"{low:.0%} to {high:.0%}",
        _price(score),
        _each(score.a_right("tokens"), lambda value: count(round(value))),
        _each(score.a_right("steps"), lambda value: f"{value:.1f}"),
        _each(score.a_right("seconds"), duration),
        _share(*score.reproduced),
        _share(*score.overclaimed),
    )


def _price(score: Score) -> str:
    if not score.right:
        return NONE
    return "unknown" if score.cost_a_right is None else rounded_dollars(score.cost_a_right)


def _each(value: float | None, told: Any) -> str:
    return NONE if value is None else str(told(value))


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else NONE


def compared(pair: Pairing) -> str:
    """Two contenders in a sentence, with the test that was used."""
    split = f"{pair.one} alone is right on {pair.only_one}, {pair.other} alone on {pair.only_other}"
    verdict = "no difference is shown" if pair.p >= 0.05 else "the difference is unlikely to be chance"
    return f"On {pair.tasks} tasks {split}: p = {pair.p:.3f} ({TEST} on tasks, two-sided), so {verdict}."


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON values."""
    return {
        "suite": report.suite,
        "tasks": list(report.tasks),
        "repeats": report.repeats,
        "missing": report.missing,
        "contenders": [_score(each) for each in report.scores],
        "pairs": [asdict(each) | {"p": each.p, "test": TEST} for each in report.pairings],
        "runs": [_outcome(each) for each in report.outcomes],
    }


def _score(score: Score) -> dict[str, Any]:
    cost = score.cost_a_right
    return {
        "name": score.contender,
        "runs": score.runs,
        "right": score.right,
        "broken": score.broken,
        "accuracy": score.accuracy,
        "interval": score.interval,
        "dollars": str(score.cost),
        "dollars_known": score.cost_known,
        "a_right_answer": {
            "dollars": None if cost is None else str(cost),
            **{what: score.a_right(what) for what in ("tokens", "steps", "seconds")},
        },
        "reproduced": dict(zip(("of_right", "tried"), score.reproduced, strict=True)),
        "claimed_success": dict(zip(("of_wrong", "wrong"), score.overclaimed, strict=True)),
    }


def _outcome(each: Outcome) -> dict[str, Any]:
    judged = [check._asdict() for check in each.judged]
    return asdict(each) | {"cost": str(each.cost), "judged": judged, "right": each.right, "claimed": each.claimed}


def marks(report: Report, task: str, contender: str) -> Sequence[Outcome]:
    """Return the runs of one task by one contender."""
    return [each for each in report.outcomes if each.task == task and each.contender == contender]
