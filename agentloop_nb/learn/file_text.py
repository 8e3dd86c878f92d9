"""The file of a learned action: plain Python, with where it comes from and what its test showed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from agentloop_nb._internal.text import on_one_line
from agentloop_nb.learn.proof import Proof
from agentloop_nb.learn.proposal import ProposeFunction
from agentloop_nb.safety.code_risks import read_risks

_DECLARED = {
    "network": 'reads="web"',
    "shell": "asks=True",
    "deletes files": "asks=True",
    "deletes outside the folder": "asks=True",
    "writes outside the folder": "asks=True",
    "installs packages": "asks=True",
    "controls the kernel": "asks=True",
    "runs built code": "asks=True",
}
"""What is declared of code that may do this."""


def file_text(proposal: ProposeFunction, proof: Proof, run: str, steps: Sequence[int], model: str) -> str:
    """Return the source of the file. Its declaration names what the code may reach."""
    declared = ", ".join(dict.fromkeys(_DECLARED[risk] for risk in read_risks(proposal.code) if risk in _DECLARED))
    lines = proposal.code.strip().split("\n")
    head = next(number for number, line in enumerate(lines) if line.startswith("def "))
    lines[head:head] = [f"@action({declared})" if declared else "@action"]
    numbers = ", ".join(map(str, steps))
    today = dt.datetime.now().astimezone().date().isoformat()
    comment = [
        f"# Learned from run {on_one_line(run)}, steps {numbers}, on {today} with {on_one_line(model)}.",
        f"# Tested in a fresh kernel: {proof.told}.",
    ]
    return "\n".join([*comment, "", "from agentloop_nb import action", *lines, ""])
