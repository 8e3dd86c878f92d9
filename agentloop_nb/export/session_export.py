"""All goals of one kernel, in order, as one notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent, RunStarted
from agentloop_nb.export import Hiding, Values, data_folder, known_mask, write_export
from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.export.destination import checked
from agentloop_nb.export.embedded_data import hold
from agentloop_nb.export.former import former, together
from agentloop_nb.export.leftout import left_out, without
from agentloop_nb.export.notebook_writer import build_all
from agentloop_nb.export.selection import Story
from agentloop_nb.export.slicing import Piece, depended_on, pieces, undefined
from agentloop_nb.export.user_cells import before, joined
from agentloop_nb.record import reading
from agentloop_nb.state import State, fold
from agentloop_nb.step import Step


def export_session(
    records: Sequence[Path],
    destination: Path,
    *,
    folder: Path | None = None,
    mask: Callable[[str], str] | None = None,
    values: Values | None = None,
) -> Path:
    """Write runs of one kernel, oldest first, as one notebook, script or report. Raises `UserError`."""
    destination = checked(destination)
    hiding = Hiding(mask or known_mask())
    scrub = Anonymizer(folder, hiding)
    stories = tell([reading.read(record) for record in records])
    place = data_folder(destination).name
    data = former([step for story in stories for step in story.steps], place, scrub)
    if values is not None and stories[0].missing:
        data = together(hold(values(stories[0].missing), place, scrub), data)
    if data is not None:
        names = _names_in(data.source)
        missing = tuple(name for name in stories[0].missing if name not in names)
        piece = Piece(data.source, writes=frozenset(data.files) | data.made)
        first = stories[0]
        stories[0] = Story(**{**vars(first), "missing": missing, "data": data, "code": (piece, *first.code)})
    shown = [without(story, left_out(story, folder, hiding)) for story in stories]
    return write_export(build_all(shown, folder, scrub), destination, data, folder)


def _names_in(source: str) -> set[str]:
    from agentloop_nb.export.dependencies import names_of

    return names_of(source).defines


def tell(runs: Sequence[Sequence[AnyEvent]]) -> list[Story]:
    """Choose what is told of each run: its steps, and the cells before it that any run needs."""
    told: list[tuple[State, list[Piece], list[Step]]] = []
    seen = 0
    for events in runs:
        started = next((event for event in events if isinstance(event, RunStarted)), None)
        state = fold(events)
        cells = _of_the_user(started) if started else []
        told.append((state, cells[seen:], [step for step in state.steps if step.decision is not None]))
        seen = max(seen, len(cells))
    chain: list[Piece] = []
    for _, cells, steps in told:
        chain += pieces([*chain, *cells], steps)[len(chain) :]
    return list(_stories(told, chain))


def _of_the_user(started: RunStarted) -> list[Piece]:
    """Return the user's own cells among what ran before; what earlier runs did stands in their steps."""
    own = {each.index for each in started.ran if each.step}
    return [piece for piece in before(started) if piece.cell not in own]


def _stories(told: list[tuple[State, list[Piece], list[Step]]], chain: list[Piece]) -> list[Story]:
    roots: set[int] = set()
    starts: list[int] = []
    for _, cells, steps in told:
        starts.append(sum(len(each[1]) + len(each[2]) for each in told[: len(starts)]))
        roots |= set(range(starts[-1] + len(cells), starts[-1] + len(cells) + len(steps)))
    kept = depended_on(chain, roots)
    worked = {index for index in roots & kept if not chain[index].failed}
    found: list[Story] = []
    for start, (state, cells, steps) in zip(starts, told, strict=True):
        end = start + len(cells) + len(steps)
        brought = joined(chain[index] for index in range(start, start + len(cells)) if index in kept)
        found.append(
            Story(
                state=state,
                steps=tuple(steps),
                brought=tuple(brought),
                missing=tuple(undefined(chain, worked)) if not found else (),
                handed=(),
                data=None,
                code=tuple(chain[index] for index in range(start, end) if index in kept),
            )
        )
    return found


def of_one_kernel(record: Path) -> list[Path]:
    """Return the records of the runs that came before one in its kernel, oldest first, and its own.

    Raises `UserError`.
    """
    states = {path: reading.load(path) for path in sorted(record.parent.glob("*.jsonl")) if path.stem <= record.stem}
    found = [record]
    while (state := states[found[0]]).earlier_goals:
        *older, goal = state.earlier_goals
        before_it = [path for path in states if path.stem < found[0].stem]
        match = next((p for p in reversed(before_it) if _is(states[p], goal, older)), None)
        if match is None:
            raise UserError(f"the record of the goal {goal[:60]!r}, which came before, is not in {record.parent}")
        found.insert(0, match)
    return found


def _is(state: State, goal: str, older: Sequence[str]) -> bool:
    return state.goal == goal and list(state.earlier_goals) == list(older)
