"""How many bytes a run of 20 steps sends, in two trees of this project: the same decisions, the same five actions.

    git worktree add /tmp/before v0.1.0
    python -m tests.benchmarks.paired_bytes /tmp/before .

A request *brings* what the one before it had not at that place: the rest is a prefix that a server may have cached.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks.billing import fixed, sent, shared, units
from tests.wire import Request, Wire, decision, finish

STEPS = 20
GOAL = "Which region sold most last year, and by how much? Draw the revenue of each month by region; save the chart."
PURPOSE = "Look at the next part of the data, because the part before it was in order."
RUN = """
import os, sys
sys.path.insert(0, sys.argv[1])
import agentloop_nb
from agentloop_nb import run_agent
assert agentloop_nb.__file__.startswith(sys.argv[1])
five = {} if agentloop_nb.__version__ == "0.1.0" else {"no_actions": "look_up,read_document,query"}
run_agent(sys.argv[2], model="scripted", base_url=os.environ["OPENAI_BASE_URL"], max_steps=30, verbose=False, **five)
"""
OUTPUTS = {"no output": "", "200 characters": "\nprint('0123 ' * 40)", "1,000 characters": "\nprint('0123 ' * 200)"}
"""What each step prints."""


def requests(tree: Path, tail: str) -> list[Request]:
    """Return the requests of a run in a tree."""
    codes = [decision("run_code", PURPOSE, code=f"x{number} = {number}{tail}") for number in range(STEPS - 1)]
    with Wire([*codes, finish()]) as wire, tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"OPENAI_BASE_URL": wire.base_url, "HOME": folder}
        command = [sys.executable, "-c", RUN, str(tree), GOAL]
        subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
        assert len(wire.requests) == STEPS
        return wire.requests


def brought(bodies: list[dict[str, Any]]) -> list[int]:
    """Return the bytes that each request after the first brings."""
    texts = list(map(sent, bodies))
    return [len(text[shared(before, text) :].encode()) for before, text in pairwise(texts)]


def told(name: str, tree: Path) -> str:
    """Say in a line what a run in a tree sends."""
    made = requests(tree, OUTPUTS[name])
    bodies = [request.body for request in made]
    total = sum(int(request.headers["content-length"]) for request in made)
    first, *rest = bodies[0]["messages"]
    new = brought(bodies)
    return (
        f"{tree}, {name}: {total} bytes in {STEPS} requests, {units(bodies):.0f} units; form of the answer "
        f"{len(fixed(bodies[0]))}, rules {len(json.dumps(first))}, goal {len(json.dumps(rest))}; "
        f"a step brings {sum(new) / len(new):.0f}, at most {max(new)}"
    )


if __name__ == "__main__":
    for name in OUTPUTS:
        for word in sys.argv[1:]:
            print(told(name, Path(word).resolve()), flush=True)
