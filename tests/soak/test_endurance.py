"""Long runs, floods of output and many runs in one kernel: memory and record stay bounded, and nothing is lost."""

from __future__ import annotations

import pytest

from agentloop_nb.state import State
from tests.soak.conftest import Place, early_and_late, size
from tests.wire import decision

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(3600)]


def code(source: str, timeout: int = 300) -> dict:
    return decision("run_code", code=source, timeout=timeout)


def printed(state: State, step: int, name: str = "stdout") -> str:
    """What a step left of a stream in the record."""
    return "".join(output["text"] for output in state.steps[step].result.outputs if output.get("name") == name)


def test_a_long_run_stays_as_small_and_fast_as_it_began(place: Place) -> None:
    steps = size(1000, 120)
    before = place.memory
    state = place.run([code(f"x{n % 50} = {n}\nprint('value', {n}, 'y' * 200)") for n in range(steps)])
    early, late = early_and_late(place.seconds())
    place.note(steps=steps, early_ms=round(early * 1000, 1), late_ms=round(late * 1000, 1), prompt=max(place.asked))
    assert [printed(state, n) for n in (0, steps - 1)] == [f"value {n} {'y' * 200}\n" for n in (0, steps - 1)]
    assert place.kernel.text(f"print(x{(steps - 1) % 50})") == f"{steps - 1}\n"
    assert place.memory - before < 60
    assert place.bytes < 3000 * steps + 100_000
    assert max(place.asked) < 120_000, "what is sent stops growing"


def test_steps_that_print_a_megabyte_each_are_not_all_held_in_memory(place: Place) -> None:
    steps = size(400, 12)
    before = place.memory
    place.kernel.run("from agentloop_nb.agent import output_limit; output_limit.LIMIT = 4_000_000")
    state = place.run([code(f"print('{n % 10}' * 900_000)") for n in range(steps)])
    place.note(steps=steps, grown_mb=round(place.memory - before, 1))
    assert printed(state, 0) == "0" * 900_000 + "\n", "the record has what memory gave up"
    assert printed(state, steps - 1) == f"{(steps - 1) % 10}" * 900_000 + "\n"
    held = place.kernel.text("print(sum(output_limit.weight(step) for step in _agent.state.steps))")
    assert int(held) <= 4_900_000
    assert place.memory - before < 80


@pytest.mark.parametrize("how", ["in one print", "in one line", "in many prints"])
def test_a_huge_output_is_kept_at_its_ends(place: Place, how: str) -> None:
    megabytes = size(100, 10)
    before = place.memory
    text = {
        "in one print": f"print('begin\\n' + 'abcdefghi\\n' * {megabytes * 100_000} + 'end')",
        "in one line": f"print('begin' + 'abcdefghi ' * {megabytes * 100_000} + 'end')",
        "in many prints": f"print('begin')\nfor _ in range({megabytes}_000): print('abcdefghi\\n' * 100)\nprint('end')",
    }[how]
    state = place.run([code(text)])
    left = printed(state, 0)
    place.note(megabytes=megabytes, seconds=round(state.steps[0].seconds, 2))
    assert left.startswith("begin")
    assert left.endswith("end\n")
    assert "characters cut" in left
    assert len(left) < 1_100_000
    assert place.memory - before < 60
    assert place.bytes < 1_200_000
    assert max(place.asked) < 30_000


@pytest.mark.parametrize(
    "streams", ["sys.stdout", "(sys.stdout, sys.stderr)[n % 2]"], ids=["one stream", "two streams"]
)
def test_very_many_small_prints(place: Place, streams: str) -> None:
    prints = size(1_000_000, 100_000)
    before = place.memory
    state = place.run([code(f"import sys\nfor n in range({prints}): print(n, file={streams})")])
    place.note(prints=prints, seconds=round(state.steps[0].seconds, 2))
    both = printed(state, 0) + printed(state, 0, "stderr")
    assert both.startswith("0\n")
    assert f"\n{prints - 1}\n" in both
    assert f"\n{prints - 2}\n" in both, "of either stream the end is there"
    assert place.memory - before < 80
    assert place.bytes < 2_500_000


def test_very_many_displays(place: Place) -> None:
    displays = size(100_000, 5_000)
    before = place.memory
    state = place.run(
        [code(f"for n in range({displays}): display(n)\nraise ValueError('the end')"), code("'after it'")]
    )
    outputs = state.steps[0].result.outputs
    assert "further outputs dropped" in outputs[-1]["text"]
    assert any(output["output_type"] == "error" for output in outputs), "why it ended is never dropped"
    assert place.memory - before < 60


def test_many_runs_in_one_kernel(place: Place) -> None:
    runs = size(200, 15)
    before = place.memory
    place.kernel.run("import numpy as np; grid = np.zeros(5_000_000)")  # 40 MB
    place.kernel.run("import os; os.environ['AGENTLOOP_UNDO_MEMORY'] = '100'")
    lasted = []
    for number in range(runs):
        state = place.run([code(f"grid[{number}] += 1"), code(f"made_{number} = {number}\nprint('word ' * 200)")])
        lasted.append(state.ended - state.began)
    early, late = early_and_late(lasted)
    place.note(runs=runs, early_ms=round(early * 1000), late_ms=round(late * 1000))
    assert len(place.records) == runs + 1
    assert place.kernel.text("print(int(grid.sum()), made_0)") == f"{runs} 0\n"
    assert place.memory - before < 400, "copies for undo are bounded over all runs"
