"""Replay: the decisions of a record come back word for word, the web answers from it, and nothing runs on opening."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentloop_nb import run_agent
from agentloop_nb.actions import ActionResult
from agentloop_nb.decision import parse
from agentloop_nb.errors import ActionFailed, PermanentFault, UserError
from agentloop_nb.events import ApprovalAsked, ApprovalGiven
from agentloop_nb.export import export
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.notebook.panel.html import static_html
from agentloop_nb.protocols import Message, ModelRequest
from agentloop_nb.record import journal, reading
from agentloop_nb.run import Run
from agentloop_nb.state import fold
from tests.record.kernels import script
from tests.record.made import counting, finished, started, step

ASK = ModelRequest(messages=(Message(role="user", content="go on"),))


def page(text: str) -> ActionResult:
    return ActionResult(success=True, output=text, metadata={"page": {"url": "http://a", "text": text}})


def replaying(tmp_path, events) -> ReplayModel:
    record = journal.Journal.create(tmp_path, "20261122-101500-3fa2")
    for event in events:
        record.append(event)
    record.close()
    return ReplayModel.from_path(record.path)


async def test_decisions_come_back_in_order_cost_nothing_and_end_with_a_clear_word(tmp_path):
    model = replaying(tmp_path, counting())
    deltas = []
    replies = [await model.reply(ASK, deltas.append) for _ in range(3)]
    assert [parse(reply.text).action.name for reply in replies] == ["run_code", "run_code", "finish"]
    assert [delta.text for delta in deltas] == [reply.text for reply in replies]
    assert {(reply.cost, reply.usage.total) for reply in replies} == {(0, 0)}
    with pytest.raises(PermanentFault, match="has no more decisions after 3"):
        await model.reply(ASK, deltas.append)


async def test_at_the_last_allowed_step_the_recorded_finish_answers(tmp_path):
    model = replaying(tmp_path, counting())
    reply = await model.reply(ASK.model_copy(update={"final": True}), lambda delta: None)
    assert parse(reply.text).action.name == "finish"


async def test_what_a_person_refused_is_not_replayed_and_an_edit_is(tmp_path):
    edited = parse(json.dumps({"reasoning": "r", "action": {"name": "run_code", "code": "print('edited')"}}))
    refused = step(1, "run_code", ActionResult(success=False, output="refused"), code="import os; os.abort()")
    refused[3:4] = [ApprovalAsked(step=1), ApprovalGiven(step=1, approved=False)]
    changed = step(2, "run_code", ActionResult(success=True, output=""), code="print('asked')")
    changed[3:3] = [ApprovalAsked(step=2), ApprovalGiven(step=2, approved=True, edited=edited)]
    model = replaying(tmp_path, [started(), *refused, *changed, *finished(3)])
    reply = await model.reply(ASK, lambda delta: None)
    assert "edited" in reply.text


async def test_the_web_answers_in_the_recorded_order_and_says_what_it_never_saw(tmp_path):
    hits = ActionResult(success=True, output="", metadata={"hits": [{"title": "T", "url": "http://a"}] * 3})
    failed = ActionResult(success=False, output="the server is down", error="the server is down")
    web = replaying(
        tmp_path,
        [
            started(),
            *step(1, "search_web", hits, query="q"),
            *step(2, "read_url", page("first"), url="http://a"),
            *step(3, "read_url", page("second, longer than a hundred characters " * 5), url="http://a"),
            *step(4, "read_url", failed, url="http://b"),
            *finished(5),
        ],
    ).web()
    assert len(await web.search("q", 2)) == 2
    assert (await web.read("http://a", 100)).text == "first"
    cut = await web.read("http://a", 100)
    assert cut.text.startswith("second")
    assert cut.truncated
    with pytest.raises(ActionFailed, match="the server is down"):
        await web.read("http://b", 100)
    with pytest.raises(ActionFailed, match="nothing was recorded for 'http://c'"):
        await web.read("http://c", 100)


async def test_a_resumed_replay_gets_the_answers_that_follow_where_it_stands(tmp_path):
    events = [started()]
    for number, text in enumerate(["first", "second", "third"], 1):
        events += step(number, "read_url", page(text), url="http://a")
    model = replaying(tmp_path, [*events, *finished(4)])
    model.position = 1
    web = model.web()
    assert [(await web.read("http://a", 100)).text for _ in range(3)] == ["second", "third", "third"]


async def test_an_exported_notebooks_metadata_replays_the_same(tmp_path):
    from_journal = replaying(tmp_path, counting())
    notebook = tmp_path / "run.ipynb"
    export(counting(), notebook, folder=tmp_path)
    assert ReplayModel.from_path(notebook).decisions == from_journal.decisions


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"metadata": 3}',
        '{"metadata": {"agentloop": {"decisions": 7}}}',
        '{"metadata": {"agentloop": {"decisions": [{"decision": {"reasoning": "r", "action": {"name": "rm"}}}]}}}',
        '{"metadata": {"agentloop": {"decisions": [{"decision": "__import__(\'os\').abort()"}]}}}',
        '{"metadata": {"agentloop": {"decisions": []}}}',
        '{"a":' * 100_000,
    ],
)
@pytest.mark.parametrize("name", ["x.ipynb", "x.jsonl"])
def test_a_forged_file_is_one_clear_line(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UserError) as told:
        ReplayModel.from_path(path)
    assert "\n" not in str(told.value)


class TestDifferences:
    """Code runs live: where it does something else than the record says, a line says so, and at the end a count."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "output").mkdir()
        (tmp_path / "output" / "d.txt").write_text("one")

    def replayed(self, path) -> Run:
        return run_agent("again", model=f"replay:{path}", verbose=False)

    @pytest.fixture
    def first(self, tmp_path) -> Run:
        codes = [
            "text = open('d.txt').read()",
            "print(text)",
            "n = 5\nprint(object())",
            "1 / 0",
            "import time\nprint(f'{time.time():.9f} s')",
        ]
        return self.replayed(script(tmp_path / "decisions.jsonl", codes))

    def test_a_record_without_outcomes_is_not_compared_and_the_same_is_not_told(self, first):
        assert first.state.differences == ""
        again = self.replayed(first.journal)
        assert again.state.differences == ""
        assert len(again.steps) == 6

    def test_what_came_out_differently_is_told_at_its_step_and_counted_at_the_end(self, first, capfd):
        Path("output/d.txt").write_text("two")
        again = run_agent("again", model=f"replay:{first.journal}")
        assert [each.number for each in again.steps if each.difference] == [2]
        told = "it came out differently than in the record: then 'one', now 'two'"
        assert again.steps[1].difference == told
        printed = capfd.readouterr().out
        assert told in printed
        assert "Replay: 1 of 6 steps came out differently than in the record" in printed
        page = static_html(reading.load(again.journal))
        assert "then &#x27;one&#x27;, now &#x27;two&#x27;" in page
        assert "1 of 6 steps came out differently" in page
        assert fold(reading.read(again.journal)).differences == again.state.differences

    def test_other_names_and_another_ending_differ_too(self, first, tmp_path):
        record = reading.read(first.journal)
        changed = [
            each.model_copy(update={"result": each.result.model_copy(update={"changes": ()})})
            if each.step == 3 and each.kind == "action_finished"
            else each
            for each in record
        ]
        changed = [
            each.model_copy(update={"result": ActionResult(success=True, output="")})
            if each.step == 4 and each.kind == "action_finished"
            else each
            for each in changed
        ]
        path = journal.Journal(tmp_path / "changed.jsonl", fresh=True)
        for event in changed:
            path.append(event)
        path.close()
        again = self.replayed(path.path)
        assert [each.number for each in again.steps if each.difference] == [3, 4]
        assert "(n int" in again.steps[2].difference
        assert "ZeroDivisionError" in again.steps[3].difference

    def test_a_notebook_is_compared_by_what_its_cells_show(self, first, tmp_path):
        first.export(tmp_path / "run.ipynb", verify=False)
        assert self.replayed(tmp_path / "run.ipynb").state.differences == ""
        Path("output/d.txt").write_text("two")
        again = self.replayed(tmp_path / "run.ipynb")
        assert [each.number for each in again.steps if each.difference] == [2]
