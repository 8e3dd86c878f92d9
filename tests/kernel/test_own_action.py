"""The user's own functions run in the kernel like a step: output, changes, time limit, undo, and a plain export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.actions import ActionResult
from agentloop_nb.actions.own import LIVE
from agentloop_nb.actions.registry import choose, record_of
from agentloop_nb.decision import Decision, parse
from agentloop_nb.errors import ActionFailed, UserError
from agentloop_nb.events import ActionFinished, ActionStarted, AnyEvent, DecisionMade, RunFinished, RunStarted
from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.export.notebook_writer import build
from agentloop_nb.export.selection import story
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.notebook.undo import take_back
from agentloop_nb.step import Step
from agentloop_nb.testing import FakeWeb, decide

CELL = """\
import time
from agentloop_nb import action

@action
def double(n: int, times: int = 2) -> int:
    \"\"\"Double a number.\"\"\"
    print("doubling")
    return n * times

@action
async def later(text: str) -> str:
    return text.upper()

@action
def fails(text: str) -> str:
    raise LookupError(f"no {text}")

@action
def sleeps(seconds: int) -> None:
    time.sleep(seconds)

@action(reads="web")
def price(ticker: str) -> dict:
    return {"ticker": ticker, "price": 12.5}
"""


@pytest.fixture
def workspace(tmp_path: Path):
    found = KernelWorkspace(private_shell(), web=FakeWeb(), folder=tmp_path)
    names = set(found.shell.user_ns)
    LIVE.clear()
    assert found.shell.run_cell(CELL).success
    yield found
    LIVE.clear()
    for name in set(found.shell.user_ns) - names:
        found.shell.user_ns.pop(name, None)


def decided(workspace: KernelWorkspace, name: str, timeout: int = 30, **fields: Any) -> Decision:
    chosen = choose((), (), workspace.variables(list(LIVE)))
    return parse(json.dumps(decide(name, **fields)), actions=chosen, timeout=timeout)


async def called(workspace: KernelWorkspace, name: str, step: int = 1, **fields: Any) -> tuple[Decision, ActionResult]:
    decision = decided(workspace, name, **fields)
    return decision, await decision.action.perform(workspace, step=step, on_output=lambda output: None)


async def test_it_shows_prints_and_binds(workspace):
    _, result = await called(workspace, "double", n=4, into="eight")
    assert result.success, result.output
    assert workspace.shell.user_ns["eight"] == 8
    assert "doubling" in result.output
    assert "added eight: int" in result.output
    workspace.undo(1)
    assert "eight" not in workspace.shell.user_ns


async def test_a_result_never_takes_the_place_of_the_function(workspace):
    with pytest.raises(ActionFailed, match="give the result another name"):
        await called(workspace, "double", n=4, into="double")
    _, result = await called(workspace, "double", n=4)
    assert result.success


async def test_an_asynchronous_one_is_awaited(workspace):
    _, result = await called(workspace, "later", text="abc")
    assert "ABC" in result.output


async def test_an_error_is_told_with_its_line(workspace):
    decision, result = await called(workspace, "fails", text="luck")
    assert result.error == "LookupError: no luck"
    (cell,) = decision.action.cells(result, 1)
    assert cell.cell_type == "markdown"
    assert "LookupError" in cell.source


async def test_it_is_stopped_at_the_time_limit(workspace):
    _, result = await called(workspace, "sleeps", timeout=1, seconds=60)
    assert result.error == "TimeoutError: stopped after 1 s"


@pytest.mark.parametrize("privacy", ["schema", "none"])
async def test_its_values_are_withheld_where_that_was_asked_for(privacy, workspace):
    workspace.privacy = privacy
    _, result = await called(workspace, "later", text="abc")
    assert "ABC" not in result.output


async def test_what_reached_outside_is_exported_as_it_came(workspace):
    decision, result = await called(workspace, "price", ticker="ABC", into="p")
    (cell,) = decision.action.cells(result, 1)
    assert cell.source.splitlines()[1] == "p = {'ticker': 'ABC', 'price': 12.5}"
    decision, result = await called(workspace, "price", ticker="ABC")
    (cell,) = decision.action.cells(result, 1)
    assert cell.cell_type == "markdown"
    assert "which reads web; what it brought then" in cell.source


async def test_what_reached_outside_is_bound_again_and_not_called(workspace):
    decision, result = await called(workspace, "price", ticker="ACME", into="quoted")
    for name in ("quoted", "price"):
        workspace.shell.user_ns.pop(name)
    again = await decision.action.again(workspace, result, step=2, on_output=lambda output: None)
    assert again.success
    assert workspace.shell.user_ns["quoted"] == {"ticker": "ACME", "price": 12.5}
    assert again.effects.own.from_record


async def test_a_value_that_no_record_holds_is_told_and_not_made_up(workspace):
    workspace.shell.run_cell("@action(reads='web')\ndef table(n: int) -> object:\n    return object()")
    decision, result = await called(workspace, "table", n=1, into="found")
    assert decision.action.is_lost(result)
    with pytest.raises(ActionFailed, match="no plain value, so no record holds it"):
        await decision.action.again(workspace, result, step=2, on_output=lambda output: None)


async def test_a_function_that_is_gone_is_told(workspace):
    decision = decided(workspace, "double", n=1)
    del workspace.shell.user_ns["double"]
    result = await decision.action.perform(workspace, step=1, on_output=lambda output: None)
    assert result.error == "NameError: name 'double' is not defined"


async def test_the_export_holds_the_function_and_runs_without_us(workspace, tmp_path):
    chosen = choose((), (), workspace.variables(list(LIVE)))
    actions = tuple(map(record_of, chosen))
    cells = ("%load_ext agentloop_nb", CELL)
    events: list[AnyEvent] = [RunStarted(run="r", goal="g", context="", settings={}, actions=actions, cells=cells)]
    for number, (name, fields) in enumerate(
        [("double", {"n": 4, "into": "x"}), ("price", {"ticker": "A", "into": "p"})], 1
    ):
        decision, result = await called(workspace, name, number, **fields)
        made = [DecisionMade(decision=decision), ActionStarted(), ActionFinished(result=result)]
        events += [event.model_copy(update={"step": number}) for event in made]
    events.append(RunFinished(status="stopped"))
    LIVE.clear()  # as in another process
    notebook = build(story(events), tmp_path, Anonymizer(tmp_path))
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any("agentloop" in source or "@action" in source for source in sources)
    namespace: dict[str, Any] = {}
    for source in sources:
        exec(source, namespace)
    assert (namespace["x"], namespace["p"]["price"]) == (8, 12.5)


async def test_a_wrong_declaration_is_one_line_in_the_cell(workspace):
    ran = workspace.shell.run_cell("@action\nclass Wrong: ...\n")
    assert isinstance(ran.error_in_exec, UserError)
    assert "\n" not in str(ran.error_in_exec)


SHOP = """\
import datetime as dt
from dataclasses import dataclass
from enum import Enum
from pydantic import BaseModel
from agentloop_nb import action

book = {}

class Colour(Enum):
    RED = "red"

@dataclass
class Size:
    width: int
    height: int = 1

class Item(BaseModel):
    colour: Colour
    size: Size

def cancel(item: Item, result: int) -> None:
    print("cancelled", book.pop(result))

def refuse(count: int) -> None:
    raise RuntimeError("too late")

@action(writes="orders", undo=cancel)
def order(item: Item, by: dt.date = dt.date(2024, 1, 1)) -> int:
    book[len(book) + 1] = (item.colour, item.size.width, by)
    return len(book)

@action(writes="stock", undo=refuse)
def ship(count: int) -> None:
    book["shipped"] = count
"""
RED = {"colour": "red", "size": {"width": 3, "height": None}}


def stepped(number: int, decision: Decision, result: ActionResult) -> Step:
    return Step(number=number, decision=decision, result=result, started=True)


@pytest.fixture
def shop(workspace):
    LIVE.clear()
    assert workspace.shell.run_cell(SHOP).success
    return workspace


async def test_objects_are_made_by_the_line_that_calls(shop):
    decision, result = await called(shop, "order", item=RED, by="2024-02-29")
    assert decision.action.code == (
        "order(item=Item(colour=Colour.RED, size=Size(width=3)), by=dt.date.fromisoformat('2024-02-29'))"
    )
    assert result.success, result.output
    ((colour, width, day),) = shop.shell.user_ns["book"].values()
    assert (colour.name, width, day.isoformat()) == ("RED", 3, "2024-02-29")


@pytest.mark.parametrize("into", [None, "number"])
async def test_undo_calls_the_function_that_takes_it_back(shop, into, capsys):
    steps = [stepped(number, *await called(shop, "order", number, item=RED, into=into)) for number in (1, 2)]
    told: list[str] = []
    lines = take_back(shop, steps[1:], told.append)
    assert list(shop.shell.user_ns["book"]) == [1]
    assert not any("a function that" in line for line in told)
    assert any("taken back by a function of yours: order(" in line and "by cancel" in line for line in lines)
    assert "cancelled" in capsys.readouterr().out


async def test_what_cannot_be_taken_back_after_all_is_told(shop):
    step = stepped(1, *await called(shop, "ship", count=3))
    (line,) = [line for line in take_back(shop, [step], lambda _: None) if "NOT" in line]
    assert line == "  NOT put back: ship(count=3) (refuse: RuntimeError: too late)"
    LIVE.clear()
    told: list[str] = []
    take_back(shop, [step], told.append)
    assert "step 1: a function that writes stock: ship(count=3)" in told[0]


async def test_a_call_that_failed_is_not_taken_back(shop):
    decision, result = await called(shop, "ship", count=3)
    failed = result.model_copy(update={"success": False, "error": "ValueError: no"})
    lines = take_back(shop, [stepped(1, decision, failed)], lambda _: None)
    assert not any("refuse" in line for line in lines)
