"""Code that runs long: the model is told while it runs, waits or stops it, and nobody else is held up by that."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from agentloop_nb import run_agent
from agentloop_nb.run import Run
from tests.e2e.conftest import errors, text
from tests.e2e.keyboard import LOAD, Kernel
from tests.wire import Reply, Wire, decision, error, finish

SLOW = "import time\nfor n in range(60):\n    print('part', n, flush=True)\n    time.sleep(0.1)\ndone = n"
AWAITS = SLOW.replace("import time", "import asyncio").replace("time.sleep", "await asyncio.sleep")
ENDLESS = "import time\nprint('begun', flush=True)\nwhile True:\n    time.sleep(0.1)"
WAIT = decision("wait", "It gets on.", seconds=30)
STOP = decision("stop", "It hangs.")
ENDS = [finish("so"), finish("so")]
"""A finish after which nothing has succeeded is questioned once."""


def code(source: str, timeout: int = 60) -> dict[str, Any]:
    return decision("run_code", code=source, timeout=timeout)


def told(wire: Wire, request: int) -> str:
    return str(wire.bodies[request]["messages"][-1]["content"])


def names(wire: Wire, request: int) -> str:
    return json.dumps(wire.bodies[request].get("response_format") or wire.bodies[request].get("tools"))


@pytest.fixture
def go(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Run, Wire]]:
    """Run a script from plain Python, where code runs on this thread and the loop on another one."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789")

    def run(script: list[Any], **options: Any) -> tuple[Run, Wire]:
        with Wire(script) as wire:
            options = {"model": "scripted", "long_step": 1, **options}
            return run_agent("go", base_url=wire.base_url, verbose=False, **options), wire

    return run


@pytest.mark.parametrize("source", [SLOW, AWAITS], ids=["blocking", "awaiting"])
def test_the_model_waits_for_code_that_gets_on_and_that_is_no_step(go: Any, source: str) -> None:
    run, wire = go([code(source), WAIT, *ENDS])
    assert (run.status, run.current_step) == ("finished", 2)
    assert run.variables["done"] == 59
    assert "The code has run for 1 s and still runs." in told(wire, 1)
    assert "part 3\n" in told(wire, 1)
    assert "part 59" not in told(wire, 1)
    assert "You may wait 5 times more." in told(wire, 1)
    assert '"wait"' in names(wire, 1)
    assert '"run_code"' not in names(wire, 1)
    assert "part 59" in told(wire, 2)
    assert "still runs" not in json.dumps(wire.bodies[2]["messages"])
    assert run.state.usage.input == sum(usage["prompt_tokens"] for usage in wire.usages), "a look is paid for"


@pytest.mark.parametrize("isolated", [False, True])
def test_the_model_stops_code_that_hangs_and_the_run_goes_on(go: Any, isolated: bool) -> None:
    run, wire = go([code(ENDLESS), STOP, code("x = 1"), *ENDS], isolated=isolated)
    assert (run.status, run.current_step) == ("finished", 3)
    assert "as you decided" in told(wire, 2)
    assert "begun" in told(wire, 2)
    assert "its limit" not in told(wire, 2)


def test_a_wait_carries_code_past_its_time_limit(go: Any) -> None:
    run, _ = go([code(SLOW, timeout=2), WAIT, *ENDS], timeout=2, long_step=2)
    assert (run.status, run.variables["done"]) == ("finished", 59)


def test_waits_are_bounded(go: Any) -> None:
    wait = decision("wait", "Still.", seconds=1)
    run, wire = go([code(ENDLESS, timeout=1), *[wait] * 5, *ENDS], timeout=1)
    assert len(run.state.steps[0].looks) == 5
    assert "You may wait 1 time more." in told(wire, 5)
    assert "TimeoutError" in told(wire, 6)


@pytest.mark.parametrize("answer", [error(400, "no"), "what?", finish("early")], ids=["fault", "nonsense", "finish"])
def test_without_a_word_of_use_the_time_limit_holds(go: Any, answer: Any) -> None:
    _, wire = go([code(ENDLESS, timeout=2), answer, *ENDS], timeout=2)
    assert "TimeoutError: stopped after 2 s" in told(wire, 2)


def test_code_that_ends_while_the_model_thinks_holds_nobody_up(go: Any) -> None:
    run, wire = go([code(SLOW), Reply(text=json.dumps(WAIT), delay=40), *ENDS])
    assert (run.status, run.variables["done"]) == ("finished", 59)
    assert "part 59" in told(wire, 2)


@pytest.mark.parametrize("options", [{"long_step": 0}, {"long_step": 5}])
def test_it_is_not_looked_at_where_that_is_turned_off_or_the_limit_comes_first(go: Any, options: Any) -> None:
    _, wire = go([code(ENDLESS, timeout=2), *ENDS], timeout=2, **options)
    assert "TimeoutError" in told(wire, 1)


def test_what_the_model_may_not_see_is_not_told(go: Any) -> None:
    _, wire = go([code(ENDLESS), STOP, *ENDS], privacy="schema")
    assert "begun" not in told(wire, 1)
    assert "(not shown)" in told(wire, 1)


def test_a_look_is_paid_from_the_budget(go: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTLOOP_PRICE", "1,4")
    run, wire = go([code(ENDLESS), STOP, *ENDS], budget="1")
    dollars = sum(each["prompt_tokens"] + 4 * each["completion_tokens"] for each in wire.usages) / 1e6
    assert len(wire.usages) == 4
    assert float(run.total_cost) == pytest.approx(dollars, rel=0.3)


def test_a_cell_that_blocks_the_kernel_is_looked_at_too(run_notebook: Any) -> None:
    cells = [LOAD, "%%agent -m scripted --long-step 1 go", "done, _agent.status, _agent.current_step"]
    with Wire([code(SLOW), WAIT, *ENDS]) as wire:
        notebook = run_notebook(cells, wire)
        assert errors(notebook) == []
        assert text(notebook, 2) == "(59, 'finished', 2)"
        assert "waited 30 s more: It gets on." in notebook.cells[1].outputs[0].data["text/html"]


@pytest.fixture
def kernel(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Kernel, Wire]]:
    with Wire([code(ENDLESS), Reply(text=json.dumps(WAIT), delay=40), finish("never")]) as wire:
        monkeypatch.setenv("OPENAI_BASE_URL", wire.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789")
        made = Kernel(environment)
        yield made, wire
        made.close()


def test_the_person_stops_the_run_while_the_model_is_asked(kernel: tuple[Kernel, Wire]) -> None:
    front, wire = kernel
    front.client.execute("%%agent -m scripted --long-step 1 go")
    while len(wire.bodies) < 2:
        assert front.client.get_iopub_msg(timeout=60)
    front.manager.interrupt_kernel()
    assert "stopped" in front.shown()
    assert "stopped" in front.execute("print(_agent.status)")[1]


def test_what_the_model_decided_about_running_code_holds_in_a_replay(go: Any) -> None:
    late = SLOW.replace("range(60)", "range(25)")
    run, _ = go([code(ENDLESS), STOP, code(late, timeout=1), WAIT, *ENDS], timeout=1)
    run.export("made.ipynb", verify=False)
    again, _ = go([], model="replay:made.ipynb", max_steps=9)
    stopped, let_run = again.action_results[:2]
    assert (again.status, again.variables["done"]) == ("finished", 24)
    assert (stopped.success, let_run.success) == (False, True)
    assert "stopped after 300" not in stopped.output


def test_a_kernel_that_is_killed_while_the_model_looks_goes_on_when_it_is_resumed(
    kernel: tuple[Kernel, Wire], environment: Path
) -> None:
    front, wire = kernel
    front.client.execute("%%agent -m scripted --long-step 1 go")
    while len(wire.bodies) < 2:
        assert front.client.get_iopub_msg(timeout=60)
    front.kill()
    wire.script[:] = [*wire.script[:2], code("done = 59"), *ENDS]
    fresh = Kernel(environment)
    try:
        fresh.execute("%agent resume")
        assert "finished 59" in fresh.execute("print(_agent.status, done)")[1]
    finally:
        fresh.close()


def test_a_terminal_shows_what_the_model_decided_about_running_code(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Wire([code(ENDLESS), decision("wait", "It may come.", seconds=1), STOP, *ENDS]) as wire:
        monkeypatch.setenv("OPENAI_BASE_URL", wire.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789")
        arguments = ["-m", "agentloop_nb", "-m", "scripted", "--long-step", "1", "go"]
        child = pexpect.spawn(sys.executable, arguments, encoding="utf-8", timeout=60, cwd=environment)
        child.expect_exact("It may come.")
        child.expect_exact("It hangs.")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 0
