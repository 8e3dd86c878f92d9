"""Runs that call servers' tools: from the goal to a proven notebook, replayed from it with no server there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentloop_nb import run_agent
from agentloop_nb.errors import UserError
from agentloop_nb.protocols.tokens import tokens_in
from tests.mcp_tools.allowing import allow, configure
from tests.wire import Wire, decision, finish

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def started(goal: str, folder: Path, steps: list, **options):
    with Wire(steps) as wire:
        run = run_agent(goal, model="m", base_url=wire.base_url, output_dir=folder, verbose=False, **options)
    return run, wire


def use(tool: str, save_as: str | None = None, **arguments):
    return decision("use_tool", tool=tool, arguments=json.dumps(arguments), save_as=save_as)


STEPS = [
    use("good.rows", save_as="sales"),
    decision("run_code", code="total = sum(row['sales'] for row in sales['rows'])\nprint(total)"),
    use("good.picture"),
    use("good.fails"),
    use("good.crash"),
    use("good.nothing"),
    use("good.echo", save_as="said", text='it\'s `quoted`\nand "more"'),
    decision("use_tool", tool="good.add", arguments="?", save_as=None),
    finish("The total is 60."),
]


def test_a_run_leaves_a_notebook_that_needs_no_server(folder: Path) -> None:
    configure(folder, "good")
    allow(folder, "good")
    run, wire = started("add up the sales", folder, STEPS)
    told = [result.success for result in run.action_results]
    assert told == [True, True, True, False, False, False, True, True, True], [r.error for r in run.action_results]
    assert run.variables["total"] == 60
    assert run.variables["said"] == 'it\'s `quoted`\nand "more"'
    first = json.dumps(wire.bodies[0])
    assert "good.add(a: number, b: number" in first
    assert "<<data from the servers of the tools" in first
    assert "<<data from the tool good.rows" in json.dumps(wire.bodies[1])
    (folder / ".mcp.json").unlink()
    path = folder / "run.ipynb"
    published = run.publish(path)
    assert published.sound, published.told
    notebook = json.loads(path.read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert any(source.startswith("sales = {'rows': [") for source in sources)
    assert any("answered then; it is not called again" in source and "three months" in source for source in sources)
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any("agentloop" in source or "mcp" in source for source in code)
    for source in (path, run.journal):
        again = run_agent("again", model=f"replay:{source}", output_dir=folder, verbose=False)
        assert [result.success for result in again.action_results] == told
        assert again.state.differences == ""
        assert again.variables["total"] == 60


def test_it_is_offered_only_where_a_server_is_allowed(folder: Path) -> None:
    configure(folder, "good")
    _, wire = started("nothing", folder, [finish()])
    assert "use_tool" not in json.dumps(wire.bodies[0])
    with pytest.raises(UserError, match="use_tool cannot be offered: no server is allowed here"):
        started("nothing", folder, [finish()], actions="use_tool")
    with pytest.raises(UserError, match="the server good is not allowed yet"):
        started("nothing", folder, [finish()], mcp="good")
    allow(folder, "good")
    _, wire = started("nothing", folder, [finish()], no_actions="use_tool")
    assert "good.add" not in json.dumps(wire.bodies[0])
    (folder / ".mcp.json").write_text("{broken")
    _, wire = started("nothing", folder, [finish()])  # nobody named it
    assert "use_tool" not in json.dumps(wire.bodies[0])
    with pytest.raises(UserError, match="is no JSON"):
        started("nothing", folder, [finish()], mcp=".mcp.json")


def test_sixty_tools_cost_little(folder: Path) -> None:
    configure(folder, "many")
    _, without = started("nothing", folder, [finish()])
    allow(folder, "many")
    _, wire = started("nothing", folder, [finish()])
    more = _sent(wire) - _sent(without)
    assert more <= 2_500, more


def _sent(wire: Wire) -> int:
    return tokens_in("".join(message["content"] for message in wire.bodies[0]["messages"]))


def test_what_is_withheld_is_told_by_its_structure(folder: Path) -> None:
    configure(folder, "good")
    allow(folder, "good")
    run, wire = started("x", folder, [use("good.rows", save_as="sales"), finish()], privacy="schema")
    told = json.dumps(wire.bodies[1])
    assert "dict with the keys rows" in told
    assert "three months" not in told
    assert run.variables["sales"]["rows"][0]["sales"] == 10


def test_what_a_file_gives_a_server_is_masked(folder: Path) -> None:
    configure(folder, "good", env={"ARCHIVE_TOKEN": "tok-5521-zebra-93"})
    allow(folder, "good")
    run, wire = started("x", folder, [use("good.echo", text="my token is tok-5521-zebra-93"), finish()])
    assert run.action_results[0].success
    assert "tok-5521-zebra-93" not in json.dumps(wire.bodies[1])
    assert "tok-5521-zebra-93" not in run.journal.read_text()
