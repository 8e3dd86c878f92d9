"""What outcomes add up to: accuracy and its interval, the price of a right answer, honesty, pairs of contenders."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from agentloop_nb.evals.outcome import Outcome

Z = 1.959964
"""Standard deviations on either side of a 95 % interval."""
TEST = "exact McNemar test"


def spent(outcomes: Iterable[Outcome]) -> Decimal:
    """Return the dollars known to have been spent on runs, on right and wrong answers."""
    return sum((each.cost for each in outcomes), Decimal(0))


@dataclass(frozen=True)
class Score:
    """All runs of one contender."""

    contender: str
    outcomes: tuple[Outcome, ...]
    """Those that say something about it."""
    broken: int = 0
    """Runs in which the task itself broke; they count for nothing."""

    @property
    def runs(self) -> int:
        """How many runs count."""
        return len(self.outcomes)

    @property
    def right(self) -> int:
        """Runs in which every check held."""
        return sum(each.right for each in self.outcomes)

    @property
    def wrong(self) -> int:
        """Runs in which one did not."""
        return self.runs - self.right

    @property
    def accuracy(self) -> float | None:
        """The share of right answers."""
        return self.right / self.runs if self.runs else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % interval; runs of one task are alike, so that each task counts once."""
        tasks = len({each.task for each in self.outcomes})
        return wilson(self.accuracy * tasks, tasks) if self.accuracy is not None else None

    @property
    def cost(self) -> Decimal:
        """Dollars known to have been spent, on right and wrong answers."""
        return spent(self.outcomes)

    @property
    def cost_known(self) -> bool:
        """Whether every call had a price."""
        return all(each.cost_known for each in self.outcomes)

    @property
    def cost_a_right(self) -> Decimal | None:
        """Dollars that a right answer takes, the wrong ones paid for as well; None where none is right or priced."""
        return self.cost / self.right if self.right and self.cost_known else None

    def a_right(self, what: str) -> float | None:
        """Tokens, steps or seconds that a right answer takes, those of wrong ones included."""
        return sum(float(getattr(each, what)) for each in self.outcomes) / self.right if self.right else None

    @property
    def reproduced(self) -> tuple[int, int]:
        """Right answers whose export came out the same in a fresh kernel, of those that were tried."""
        tried = [each.reproduced for each in self.outcomes if each.right and each.reproduced is not None]
        return sum(tried), len(tried)

    @property
    def overclaimed(self) -> tuple[int, int]:
        """Wrong answers that claimed success, of all wrong ones."""
        wrong = [each.claimed for each in self.outcomes if not each.right]
        return sum(wrong), len(wrong)


@dataclass(frozen=True)
class Pairing:
    """Two contenders on the same tasks."""

    one: str
    other: str
    only_one: int
    """Tasks that the first one did better."""
    only_other: int
    tasks: int

    @property
    def p(self) -> float:
        """How likely so uneven a split, or a more uneven one, is by chance (two-sided)."""
        return sign_test(self.only_one, self.only_other)


def scores(names: Sequence[str], outcomes: Iterable[Outcome]) -> list[Score]:
    """Add up the outcomes of each contender."""
    by_name: dict[str, list[Outcome]] = defaultdict(list)
    for each in outcomes:
        by_name[each.contender].append(each)
    return [
        Score(
            name,
            tuple(each for each in by_name[name] if not each.fault),
            sum(bool(each.fault) for each in by_name[name]),
        )
        for name in names
    ]


def pairings(found: Sequence[Score]) -> list[Pairing]:
    """Compare every two contenders, on the tasks that both have done equally often."""
    return [_pair(one, other) for one, other in combinations(found, 2)]


def _pair(one: Score, other: Score) -> Pairing:
    left, right = _right_by_run(one), _right_by_run(other)
    difference: dict[str, int] = defaultdict(int)
    for run in left.keys() & right.keys():
        difference[run[0]] += left[run] - right[run]
    better = sum(each > 0 for each in difference.values())
    return Pairing(one.contender, other.contender, better, sum(e < 0 for e in difference.values()), len(difference))


def _right_by_run(score: Score) -> dict[tuple[str, int], bool]:
    return {(each.task, each.repeat): each.right for each in score.outcomes}


def wilson(right: float, count: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share."""
    share, spread = right / count, Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def sign_test(one: int, other: int) -> float:
    """Return the two-sided exact probability of a split at least as uneven, were both sides equally likely."""
    count = one + other
    tail: int = sum(math.comb(count, k) for k in range(min(one, other) + 1))
    return min(1.0, 2 * tail / float(2**count))
