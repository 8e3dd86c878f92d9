"""An outside agent works in a live kernel: what it can do, what holds, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json

import nbformat
import pytest

from tests.serve.conftest import SERVES, said, until
from tests.wire import Wire, decision, finish

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7")]

FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


async def read(agent, name):
    (content,) = (await agent.client.read_resource(f"agentloop://{name}")).contents
    return content.text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_analysis_with_an_error_a_figure_an_undo_and_an_export(notebook, served, mode):
    notebook.cell("user = [1, 2]")
    assert "Served as" in served("--approve auto sum up user")
    async with notebook.agent(mode=mode) as agent:
        assert "user: list len 2" in await agent.text("describe_namespace")
        first = await agent.run(f"{mode} = sum(user)\nprint({mode})")
        assert said(first).startswith("3\n")
        assert first.structured_content["changes"] == [f"added {mode}: int"]
        assert first.structured_content["output"] == said(first)
        assert (await agent.run("1 / 0")).structured_content["error"] == "ZeroDivisionError: division by zero"
        assert (await agent.run("user = []")).structured_content["changes"] == ["changed user: list len 0"]
        assert "put back: user" in await agent.text("undo")
        assert notebook.cell("user") == "[1, 2]"
        figure = await agent.run(FIGURE)
        assert [each.type for each in figure.content] == ["text", "image"]
        assert "step 1" in await agent.text("why", name=mode)
        written = await agent.call("write_file", filename="out.txt", content="3", why="to keep it")
        assert written.structured_content["files"] == ["out.txt"]
        assert not (await agent.call("finish", summary="It is 3.", artifacts=["out.txt"], why="done")).is_error
        assert "nothing was exported" in await read(agent, "verdict")
        assert "Reproduced" in await agent.text("export", path=f"{mode}.ipynb")
        assert "Reproduced" in await read(agent, "verdict")
        transcript = await read(agent, "transcript")
        assert transcript.startswith("# sum up user")
        assert "failed: ZeroDivisionError: division by zero" in transcript
        assert '"kind": "run_finished"' in await read(agent, "record")
        assert "there is no resource" in await read(agent, "nix")
        assert "this run is over" in said(await agent.run("1"))
    state = notebook.state()
    assert (state.status, state.settings["model"], state.decided_by) == ("finished", "mcp", "mcp 0.1.0, through MCP")
    assert [step.decision.action.name for step in state.steps] == [
        "run_code",
        "run_code",
        "run_code",
        "write_file",
        "finish",
    ]
    exported = nbformat.read(notebook.folder / f"{mode}.ipynb", as_version=4)
    assert "decided by mcp 0.1.0, through MCP" in exported.cells[0].source


async def test_a_query_and_a_document_are_steps(notebook, served):
    notebook.cell("import pandas as pd; people = pd.DataFrame({'age': [30, 40]})")
    (notebook.folder / "minutes.html").write_text("<h1>Minutes</h1><p>We agreed on 7.</p>")
    served("--approve auto")
    async with notebook.agent() as agent:
        asked = await agent.call("query", sql="SELECT max(age) AS oldest FROM people", into="oldest", why="w")
        assert "40" in said(asked)
        assert asked.structured_content["changes"] == ["added oldest: DataFrame 1 x 1"]
        assert "We agreed on 7" in said(await agent.call("read_document", path="minutes.html", why="w"))
        assert (await agent.call("query", sql="DROP TABLE people", why="w")).is_error
        assert (await agent.call("read_document", path="/etc/passwd", why="w")).is_error
        assert "taken back" in await agent.text("undo", steps=4)
    assert notebook.cell("'oldest' in globals()") == "False"


OWN = """from agentloop_nb import action

@action
def double(n: int) -> int:
    \"\"\"Double a number.\"\"\"
    return n * 2
"""


async def test_a_function_of_the_persons_is_no_tool_and_is_called_by_code(notebook, served):
    notebook.cell(OWN)
    served("--approve auto")
    async with notebook.agent() as agent:
        assert "double" not in {tool.name for tool in (await agent.client.list_tools()).tools}
        assert "added eight: int" in (await agent.run("eight = double(4)")).structured_content["changes"]
        assert "Reproduced" in await agent.text("export", path="own.ipynb")
    cells = nbformat.read(notebook.folder / "own.ipynb", as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert "def double(n: int)" in code
    assert "agentloop" not in code


async def test_the_person_undoes_restores_and_tells_while_it_goes_on(notebook, served):
    notebook.cell("mine = 1")
    served("--approve auto")
    async with notebook.agent() as agent:
        await agent.run("mine = 2")
        await agent.run("theirs = 3")
        assert "Step 2 is taken back" in notebook.cell("%agent undo")
        assert notebook.cell("'theirs' in globals()") == "False"
        answer = await agent.run("print(mine)")
        assert answer.structured_content["step"] == 2
        assert "The person says: I have taken back your steps from 2 on." in said(answer)
        assert "mine is as it was" in await agent.text("restore", name="mine")
        assert notebook.cell("mine") == "1"
        await agent.run("mine = 4")
        assert notebook.cell("%agent restore mine").strip() == "mine is as it was before the run."
        assert notebook.cell("mine") == "1"
        assert "I have given mine back the value" in said(await agent.run("print(mine)"))
        assert "no copy of 'nix'" in notebook.cell("%agent restore nix")
    assert [step.number for step in notebook.state().steps if step.decision] == [1, 2, 3, 4]


async def test_the_same_again_is_carried_out_again_for_a_cell_may_have_changed_what_it_meets(notebook, served):
    served("--approve auto")
    async with notebook.agent() as agent:
        for _ in range(5):
            assert "NameError" in said(await agent.run("print(later)"))
        notebook.cell("later = 'now it is there'")
        for _ in range(6):
            assert said(await agent.run("print(later)")).strip() == "now it is there"
        assert "running" in await agent.text("status")


async def test_steps_and_cells_wait_for_each_other(notebook, served):
    served("--approve auto")
    async with notebook.agent() as agent:
        await agent.run("seen = []")
        cell = notebook.begin("seen.append('cell in'); import time; time.sleep(1); seen.append('cell out')")
        assert "busy" in await agent.text("status")
        step = await agent.run("seen.append('step in'); import time; time.sleep(0.2); seen.append('step out')")
        assert step.structured_content["waited"] > 0.1
        notebook.collect(cell)
        assert notebook.cell("seen") == "['cell in', 'cell out', 'step in', 'step out']"


async def test_a_cancelled_call_ends_its_step_and_not_the_run(notebook, served):
    served("--approve auto")
    async with notebook.agent() as agent:
        await agent.run("import time")
        running = asyncio.ensure_future(agent.run("begun = True; time.sleep(60)"))
        await asyncio.sleep(0.5)
        running.cancel()
        assert said(await agent.run("print(begun)")).startswith("True")
        cell = notebook.begin("time.sleep(2)")
        waiting = asyncio.ensure_future(agent.run("never = True"))
        await asyncio.sleep(0.2)
        waiting.cancel()
        await asyncio.to_thread(notebook.collect, cell)
        assert said(await agent.run("print('never' in globals())")).startswith("False")


async def test_live_output_reaches_the_client_as_progress(notebook, served):
    served("--approve auto")
    heard: list[str] = []

    async def hear(progress, total, message):
        heard.append(message)

    async with notebook.agent() as agent:
        code = "import time\nfor i in range(5):\n    print('part', i)\n    time.sleep(0.3)"
        await agent.client.call_tool("run_code", {"code": code, "why": "w"}, progress_callback=hear)
    assert any("part" in each for each in heard)


async def test_nobody_is_asked_by_typing_and_without_a_page_the_answer_is_no(notebook, served):
    served("")  # code waits for the person by default
    async with notebook.agent() as agent:
        refused = await agent.run("x = 1")
        assert refused.is_error
        assert "not open in a browser" in said(refused)
        assert "taken_anyway" not in said(await agent.call("describe_namespace"))
    assert notebook.state().steps[0].approval.by == "policy"


async def test_an_approved_session_still_asks_about_what_governs_it(notebook, served):
    served("--approve auto --trust-web")
    async with notebook.agent() as agent:
        refused = await agent.run("_agent.state.max_steps = 10**6")
        assert "reaches for the agent's own parts" in said(refused)
        assert refused.structured_content["ok"] is False
        assert "running" in await agent.text("status")


async def test_secrets_are_masked_in_every_answer(notebook, served):
    secret = "sk-proj-0123456789abcdefghijklmnopqrstuv"
    notebook.cell(f"import os; os.environ['OPENAI_API_KEY'] = {secret!r}; held = {{'key': {secret!r}}}")
    served("--approve auto")
    async with notebook.agent() as agent:
        told = [said(await agent.run("print(held['key'])")), await agent.text("describe_namespace")]
        told += [await agent.text("get_variable", name="held"), said(await agent.run("raise ValueError(held['key'])"))]
        told += [await read(agent, "record"), await read(agent, "transcript")]
    assert not [each for each in told if secret in each]
    notebook.cell("del held, os.environ['OPENAI_API_KEY']")


async def test_with_privacy_no_value_leaves_by_any_way(notebook, served):
    notebook.cell("salary = 98765")
    served("--approve auto --privacy schema")
    async with notebook.agent() as agent:
        told = [await agent.call("get_variable", name="salary"), await agent.call("describe_namespace")]
        told += [await agent.run("print(salary)"), await agent.run("raise ValueError(salary)")]
        told += [await agent.run("def f(): return salary\nf()"), await agent.run(FIGURE)]
        told += [await read(agent, "record"), await read(agent, "transcript")]
    assert not [each for each in told if "98765" in str(each)]
    assert not [each for each in told if "image'" in str(each) and "base64" in str(each)]


async def test_who_may_only_look_changes_nothing(notebook, served):
    assert "change nothing" in served("--read-only --approve auto")
    async with notebook.agent() as agent:
        names = {tool.name for tool in (await agent.client.list_tools()).tools}
        assert names == {"finish", "read_document", "describe_namespace", "get_variable", "why", "status"}
        for tool, arguments in (
            ("run_code", {"code": "looked = 1", "why": "w"}),
            ("write_file", {"filename": "looked.txt", "content": "", "why": "w"}),
            ("query", {"sql": "SELECT 1", "into": "looked", "why": "w"}),
            ("undo", {}),
            ("restore", {"name": "looked"}),
            ("export", {"path": "looked.ipynb"}),
        ):
            assert "look only" in await agent.text(tool, **arguments)
    assert notebook.cell("'looked' in globals()") == "False"


async def test_the_last_step_is_for_the_summary_and_then_it_is_over(notebook, served):
    served("--approve auto --max-steps 2")
    async with notebook.agent() as agent:
        await agent.run("1")
        assert "only 'finish' is allowed" in said(await agent.run("2"))
        assert not (await agent.call("finish", summary="Done", why="w")).is_error
        assert "over" in said(await agent.run("3"))


async def test_the_time_it_is_served_for_ends_it(notebook):
    async with notebook.agent() as agent:
        await asyncio.to_thread(notebook.cell, "%agent serve --approve auto --for 0.05")
        assert "the 0.05 minutes it was served for are over" in said(await agent.run("import time; time.sleep(60)"))
        await until(lambda: not list((notebook.folder / "rt").glob("agentloop-*.json")))
        assert "%agent serve" in said(await agent.run("1"))


async def test_what_may_be_told_has_an_end(notebook):
    notebook.cell("%agent serve --approve auto --max-told 0.01")
    async with notebook.agent() as agent:
        assert said(await agent.run("print('x' * 6000)")).startswith("xxx")
        await agent.run("print('y' * 6000)")
        await until(lambda: not list((notebook.folder / "rt").glob("agentloop-*.json")))
        assert "%agent serve" in said(await agent.run("1"))
    assert "the 0.01 MB that may be told are told" in notebook.state().reason


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("run_code", {"code": "1"}, "run_code needs why"),
        ("run_code", {"code": "1", "why": " "}, "say in a sentence why"),
        ("run_code", {"code": 1, "why": "w"}, "code of run_code must be of type string"),
        ("run_code", {"code": "1", "why": "w", "approve": "auto"}, "run_code takes no approve"),
        ("undo", {"steps": 0}, "at least 1"),
        ("undo", {"steps": True}, "of type integer"),
        ("undo", {}, "no step of this run"),
        ("restore", {"name": "nix"}, "no copy of 'nix'"),
        ("why", {"name": "nix"}, "did not make 'nix'"),
        ("get_variable", {"name": "nix"}, "no variable 'nix'"),
        ("export", {"path": "../out.ipynb"}, "in the notebook's folder"),
        ("export", {"path": ".agentloop/x.ipynb"}, "in the notebook's folder"),
        ("write_file", {"filename": "../x", "content": "", "why": "w"}, "folder"),
        ("set_approve", {"value": "auto"}, "there is no tool 'set_approve'"),
    ],
)
async def test_a_wrong_call_is_told_in_a_line_and_costs_nothing(served, notebook, tool, arguments, told):
    served("--approve auto")
    async with notebook.agent() as agent:
        answer = await agent.call(tool, **arguments)
        assert answer.is_error
        assert told in said(answer)


async def test_null_for_what_is_optional_says_nothing(served, notebook):
    served("--approve auto")
    async with notebook.agent() as agent:
        assert said(await agent.run("print(1)", timeout=None)).startswith("1")
        assert "taken back" in await agent.text("undo", steps=None)
        assert "code of run_code must be" in said(await agent.run(None))


async def test_many_wrong_calls_and_a_flood_end_nothing(notebook, served):
    served("--approve auto --max-steps 200")
    async with notebook.agent() as agent:
        for _ in range(6):
            assert (await agent.call("run_code", code="1", why=" ")).is_error
        answers = await asyncio.gather(*(agent.run(f"print({n})") for n in range(80)))
        carried_out = [n for n, each in enumerate(answers) if not each.is_error]
        assert all(said(answers[n]) == str(n) for n in carried_out)
        assert len(carried_out) >= 32
        assert all("waiting already" in said(each) for each in answers if each.is_error)
        large = await agent.run("print('x' * 5_000_000)")
        assert len(said(large)) < 10_000


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--http :x:80", "--http takes the number of a port"),
        ("--http -1", "--http takes the number of a port"),
        ("--http localhost:80 look", "--http takes the number of a port"),
        ("--http 99999", "--http takes the number of a port"),
        ("--for soon", "--for takes minutes"),
        ("--for -1", "--for takes minutes"),
        ("--max-told much", "--max-told takes megabytes"),
        ("--max-told 0", "--max-told takes megabytes"),
        ("--approve never", "approve"),
        ("--max-steps 0", "steps"),
        ("--nmae x", "did you mean --name?"),
        ("--stop", "not served"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_line(notebook, typed, told):
    shown = notebook.cell(f"%agent serve {typed}")
    assert shown.startswith("UserError: ")
    assert told in shown
    assert not list((notebook.folder / "rt").glob("agentloop-*"))


async def test_the_client_goes_on_after_a_restart_of_the_kernel(notebook):
    notebook.cell("%agent serve --approve auto")
    async with notebook.agent(mode="legacy") as agent:
        await agent.run("x = 1")
        pending = asyncio.ensure_future(agent.run("import time; time.sleep(60)"))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(notebook.restart)
        assert "The kernel ended while this ran" in said(await pending)
        assert "%agent serve" in said(await agent.run("1"))
        notebook.cell("%agent serve --approve auto")
        assert said(await agent.run("print('x' in globals())")) == "False"
    notebook.cell("%agent serve --stop")


async def test_a_run_of_our_own_and_outside_calls_take_turns_and_know_each_other(notebook, served):
    notebook.cell("import time\nspans = []")
    served("--approve auto count the spans")
    own = [
        decision("run_code", "Own.", code=f"spans.append('+own{n}'); time.sleep(0.1); spans.append('-own{n}')")
        for n in (1, 2)
    ]
    with Wire([*own, finish("Counted.")]) as wire:
        async with notebook.agent() as agent:
            cell = notebook.client.execute(f"%%agent -m scripted --base-url {wire.base_url}\nCount, too")
            answers = await asyncio.gather(
                *(agent.run(f"spans.append('+out{n}'); time.sleep(0.05); spans.append('-out{n}')") for n in (1, 2, 3))
            )
            await asyncio.to_thread(notebook.collect, cell)
        assert not any(each.is_error for each in answers)
        assert "count the spans" in str(wire.requests[0])
    spans = json.loads(notebook.cell("import json; print(json.dumps(spans))"))
    assert len(spans) == 10
    assert all(a[1:] == b[1:] for a, b in zip(spans[::2], spans[1::2], strict=True))


@pytest.mark.parametrize("opening", ["%agent resume", "import time\nget_ipython().run_line_magic('agent', 'resume"])
async def test_a_model_of_ours_goes_on_where_an_outside_agent_was_stopped(notebook, opening):
    notebook.cell("%agent serve --approve auto")
    async with notebook.agent() as agent:
        await agent.run("begun = 20")
    notebook.cell("%agent serve --stop")
    with Wire([decision("run_code", "Go on.", code="begun += 1\nprint(begun)"), finish("It is 21.")]) as wire:
        end = "')" if opening.endswith("resume") and "(" in opening else ""
        notebook.cell(f"{opening} -m scripted --base-url {wire.base_url} -- add one{end}")
    state = notebook.state()
    assert (state.status, [step.result.output for step in state.steps[1:]][-1]) == ("finished", "It is 21.")
    assert state.decided_by == "mcp 0.1.0, through MCP; scripted"
    assert notebook.cell("begun") == "21"
    assert "taken back" in notebook.cell("%agent undo 3")
    assert notebook.cell("'begun' in globals()") == "False"
