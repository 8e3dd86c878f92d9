"""What came of one run of a task, as a value and as the file that a second start reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from agentloop_nb._internal.safe_files import place
from agentloop_nb.evals.judge import Judged

FILE = "outcome.json"
"""Where the outcome of a run lies, in the folder of that task, model and repetition."""


@dataclass(frozen=True)
class Outcome:
    """What came of one run of a task."""

    task: str
    digest: str
    contender: str
    """The model, and what it was told beside the goal."""
    repeat: int
    run: str = ""
    """The run's id; empty where none began."""
    folder: str = ""
    """The run's own folder, inside that of the evaluation; empty where none began."""
    status: str = "failed"
    reason: str = ""
    summary: str = ""
    judged: tuple[Judged, ...] = ()
    cost: Decimal = Decimal(0)
    cost_known: bool = True
    tokens: int = 0
    steps: int = 0
    seconds: float = 0.0
    reproduced: bool | None = None
    """Whether the export came out the same in a fresh kernel; None where that was not tried: the answer was wrong."""
    verdict: str = ""
    fault: str = ""
    """What broke it, so that the model was not to blame: no kernel, no reply from its server."""

    @property
    def right(self) -> bool:
        """Whether all checks hold."""
        return not self.fault and bool(self.judged) and all(each.held for each in self.judged)

    @property
    def claimed(self) -> bool:
        """Whether the model said that the goal is met."""
        return self.status == "finished"

    def save(self, folder: Path) -> None:
        """Write it whole or not at all."""
        data = asdict(self) | {"cost": str(self.cost), "judged": [list(each) for each in self.judged]}
        place(folder, FILE, json.dumps(data, indent=1).encode())


def load_outcome(folder: Path) -> Outcome | None:
    """Return the outcome that lies in a folder; None where there is none that can be read."""
    try:
        data: dict[str, Any] = json.loads((folder / FILE).read_bytes())
        judged = tuple(Judged(*each) for each in data.pop("judged"))
        return Outcome(**data | {"cost": Decimal(data["cost"]), "judged": judged})
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError):
        return None
