"""What an export tells: the steps that are kept, and what they need from before the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agentloop_nb.actions import Finish
from agentloop_nb.events import AnyEvent, RunStarted
from agentloop_nb.export.dependencies import names_of
from agentloop_nb.export.embedded_data import Data
from agentloop_nb.export.slicing import Piece, depended_on, pieces, undefined
from agentloop_nb.export.user_cells import before, joined
from agentloop_nb.protocols import Output
from agentloop_nb.state import State, fold
from agentloop_nb.step import Step


@dataclass(frozen=True)
class Story:
    """A run as it will be told."""

    state: State
    steps: tuple[Step, ...]
    """In order; of a minimal story only those that the result depends on, and the finish."""
    brought: tuple[Piece, ...]
    """Earlier cells and steps of earlier runs that the steps need, oldest first."""
    missing: tuple[str, ...]
    """Names that are used and that no known cell defines."""
    handed: tuple[str, ...]
    """Names that the steps use, and that were there before the run."""
    data: Data | None
    """What makes some of these from data."""
    code: tuple[Piece, ...]
    """All of the above that is run, in order."""
    minimal: bool = False
    left_out: dict[str, str] = field(default_factory=dict)
    """Input files that are not given away, and why."""
    placeheld: frozenset[int] = frozenset()
    """Numbers of steps in which something stands in place of code that reads such a file."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of Python and this package, when the run was made."""


def story(events: Sequence[AnyEvent], *, minimal: bool = False, data: Data | None = None, also: str = "") -> Story:
    """Choose what is told of a run. Cells that `data` stands for are left out; those that `also` needs are told."""
    state = fold(events)
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    earlier = list(before(started)) if started else []
    steps = [step for step in state.steps if step.decision is not None]
    chain = pieces(earlier, steps)
    first = len(earlier)
    if data:
        names = names_of(data.source)
        names.uses.clear()  # no option or seed of a module matters to what is read from data
        chain.insert(first, Piece(data.source, names, writes=frozenset(data.files) | data.made))
        first += 1
    roots = {first + root for root in (_results(steps, state) if minimal else range(len(steps)))}
    contract = len(chain)
    for needing in filter(None, (asserting(state), also)):
        roots.add(len(chain))
        chain.append(Piece(needing, names_of(needing)))
    kept = depended_on(chain, roots)
    told = [step for number, step in enumerate(steps) if first + number in kept or _is_finish(step)]
    worked = {first + number for number, step in enumerate(steps) if _worked(step)} | {contract}
    return Story(
        state=state,
        steps=tuple(told),
        brought=tuple(joined(chain[number] for number in range(len(earlier)) if number in kept)),
        missing=tuple(undefined(chain, kept & worked)),
        handed=tuple(undefined(chain[first:], {index - first for index in kept & worked})),
        data=data,
        code=tuple(chain[index] for index in sorted(kept)),
        minimal=minimal,
        versions=started.versions if started else {},
    )


def asserting(state: State) -> str:
    """Return the code that asserts those expressions of the contract that held; empty where there is none."""
    return "\n".join(f"assert {check.expression}" for check in state.checks if check.held)


def _is_finish(step: Step) -> bool:
    return step.decision is not None and isinstance(step.decision.action, Finish)


def _worked(step: Step) -> bool:
    return step.result is not None and step.result.success


def _results(steps: Sequence[Step], state: State) -> set[int]:
    """Return steps that are results in themselves: makers of the artifacts, figures, and what was shown last."""
    found: set[int] = set()
    wanted = set(state.artifacts)
    last_shown = last_worked = None
    for number in reversed(range(len(steps))):
        result = steps[number].result
        if result is None or not result.success or _is_finish(steps[number]):
            continue
        last_worked = number if last_worked is None else last_worked
        last_shown = number if last_shown is None and result.outputs else last_shown
        made = set(result.effects.all_files)
        if made & wanted or _shows_figure(result.outputs):
            found.add(number)
            wanted -= made
    last = last_worked if last_shown is None else last_shown
    return found if last is None else found | {last}


def _shows_figure(outputs: Iterable[Output]) -> bool:
    return any(mime.startswith("image/") for output in outputs for mime in output.get("data", {}))
