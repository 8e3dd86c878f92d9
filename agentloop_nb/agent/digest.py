"""The oldest steps of a run, told in a line each: decision, failure, names and notes are never forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from agentloop_nb.actions.output_text import bounded
from agentloop_nb.step import Step

DIGEST_LINES = 150
"""Digested steps that are told in a line each; older ones by their purpose alone, so that a run of any length fits."""
PURPOSES = 6000
"""Characters of the purposes of older steps."""
DIGEST_NAMES = 4000
"""Characters of the names that counted steps made or changed."""


def digest(steps: list[Step]) -> str:
    """Tell the oldest steps in a line each: decision, failure, names and notes are never forgotten."""
    if not steps:
        return ""
    counted, lines = steps[:-DIGEST_LINES], steps[-DIGEST_LINES:]
    return "\n\nThe first steps, in short:\n" + "\n".join([*_counted(counted), *map(_digest_line, lines)])


def _counted(steps: list[Step]) -> Iterator[str]:
    """Tell steps by their number: how many of which kind, what they made, and what the user said."""
    if not steps:
        return
    kinds = Counter(step.decision.action.name for step in steps if step.decision)
    done = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    failed = sum(step.result is not None and not step.result.success for step in steps)
    yield f"- steps {steps[0].number} to {steps[-1].number}: {done}" + (f"; {failed} of them failed" if failed else "")
    yield f"  What for: {_purposes(steps)}"
    changes = (change for step in reversed(steps) if step.result for change in step.result.changes)
    names = dict.fromkeys(change.name for change in changes if change.how != "deleted")
    if names:
        yield f"  They made or changed, newest first: {bounded(', '.join(names), DIGEST_NAMES)}"
    yield from filter(None, (notes(step).strip() for step in steps))


def _purposes(steps: list[Step]) -> str:
    """Tell what each step was for, steps in a row for the same together, in as many words as there is room for."""
    groups: list[tuple[int, int, str]] = []
    for step in steps:
        purpose = " ".join(step.decision.reasoning.split()) if step.decision else "no decision"
        if groups and groups[-1][2] == purpose:
            groups[-1] = (groups[-1][0], step.number, purpose)
        else:
            groups.append((step.number, step.number, purpose))
    width = min(max(PURPOSES // len(groups) - 8, 16), 80)
    told = (f"{first}{f'-{last}' if last > first else ''} {purpose[:width]}" for first, last, purpose in groups)
    return bounded("; ".join(told), PURPOSES)


def _digest_line(step: Step) -> str:
    changes = step.result.changes if step.result else ()
    names = ", ".join(change.name for change in changes if change.how != "deleted")
    error = f" {step.result.error[:100]}" if step.result and step.result.error else ""
    made = f" -> {names}" if names else ""
    return f"{step.purpose}{error}{made}{notes(step)}"


def notes(step: Step) -> str:
    """Tell what a person or the system said at a step."""
    return "".join(f"\n\n{said}" for said in (*step.remarks, *(f"Note from the user: {note}" for note in step.notes)))
