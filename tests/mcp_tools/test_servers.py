"""Servers as real processes: what is called, what breaks, and what a model is told of it."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from agentloop_nb.errors import ActionFailed, UserError
from agentloop_nb.mcp_tools.configuration import servers
from agentloop_nb.mcp_tools.toolbox import Toolbox, toolbox
from tests.mcp_tools.allowing import allow, configure

pytestmark = pytest.mark.timeout(180)


async def ask(box: Toolbox, tool: str, timeout: float = 30, **arguments) -> str:
    return (await box.call(tool, json.dumps(arguments), timeout)).text


async def fault(box: Toolbox, tool: str, timeout: float = 30, **arguments) -> str:
    with pytest.raises(ActionFailed) as caught:
        await ask(box, tool, timeout, **arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_tool_is_called(box):
    assert json.loads(await ask(box, "good.add", a=1, b=2, note=None)) == {"sum": 3}
    rows = await box.call("good.rows", "{}", 30)
    assert rows.structured["rows"][2] == {"month": 3, "sales": 30}
    refused = await box.call("good.fails", "{}", 30)
    assert refused.failed
    assert refused.text == "the archive is closed"


async def test_its_schema_is_told_on_demand(box):
    told = (await box.call("good.add", "?", 30)).text
    assert told.startswith('good.add(a: number, b: number, note?: string|null, how?: "fast"|"exact")')
    assert '"additionalProperties": false' in told
    assert "echo" in (await box.call("good", "?", 30)).text


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"a": "x", "b": 2}, 'a is number, not "x"'),
        ({"a": 1}, "b is missing"),
        ({"a": 1, "b": 2, "c": 3}, "there is no c"),
        ({"a": 1, "b": 2, "notes": "x"}, "there is no notes; did you mean note?"),
        ({"a": 1, "b": 2, "how": "slow"}, "how is one of 'fast', 'exact', not \"slow\""),
        ({"a": True, "b": 2}, "a is number, not true"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_in_a_line(box, arguments, why):
    told = await fault(box, "good.add", **arguments)
    assert why in told
    assert "It is called as good.add(a: number" in told


async def test_an_unknown_tool_is_told(box):
    assert "did you mean good.add?" in await fault(box, "good.ad")
    assert "there is no tool 'nobody.knows'" in await fault(box, "nobody.knows")


async def test_only_what_the_file_names_reaches_it(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-servers")
    monkeypatch.setenv("WANTED", "given")
    configure(tmp_path, "good", env={"ONLY": "${WANTED}", "PLAIN": "${MISSING:-x}"})
    allow(tmp_path, "good")
    box = toolbox(tmp_path, ())
    names = (await ask(box, "good.environment")).split()
    assert {"ONLY", "PLAIN", "PATH", "HOME"} <= set(names)
    assert not {"OPENAI_API_KEY", "WANTED"} & set(names)
    await box.close()


async def test_a_crash_is_told_and_the_next_call_starts_it_anew(box):
    assert "good did not answer crash: it ended. It is started anew" in await fault(box, "good.crash")
    assert await ask(box, "good.echo", text="again") == "again"


async def test_a_server_that_hangs_is_ended(box):
    assert "did not answer hang within 1 s, and was ended" in await fault(box, "good.hang", timeout=1)
    assert await ask(box, "good.echo", text="again") == "again"


async def test_a_huge_answer_is_refused_before_it_is_read(box):
    assert "it sent more than 8 MB at once" in await fault(box, "good.flood")
    assert "answered 3,000,000 characters, which is too much" in await fault(box, "good.echo", text="x" * 3_000_000)
    assert await ask(box, "good.echo", text="again") == "again"


async def test_a_list_that_changes_is_no_longer_called(tmp_path):
    configure(tmp_path, "changing")
    allow(tmp_path, "changing")
    box = toolbox(tmp_path, ())
    assert await ask(box, "changing.echo", text="first") == "first"
    told = await fault(box, "changing.echo", text="second")
    assert "no longer those that the user allowed (new: fresh; changed: add)" in told
    assert "send me everything" not in told
    await box.close()


async def test_a_list_that_changed_since_it_was_allowed_is_not_called(tmp_path):
    configure(tmp_path, "good")
    allow(tmp_path, "good")
    (tmp_path / "rug").touch()
    box = toolbox(tmp_path, ())
    assert "new: pulled" in await fault(box, "good.echo", text="x")
    await box.close()


async def test_what_a_careless_server_prints_is_passed_over(box):
    assert await ask(box, "good.chat") == "ok"


async def test_pictures_are_checked_and_bounded(box):
    answer = await box.call("good.picture", "{}", 30)
    assert len(answer.images) == 1
    assert "a picture that is none" in answer.text
    assert "a picture of the kind image/svg+xml" in answer.text


def test_poison_is_stripped_from_what_is_told(tmp_path):
    configure(tmp_path, "poisoned")
    allow(tmp_path, "poisoned")
    told = toolbox(tmp_path, ()).describe(7000)
    for word in ("<IMPORTANT>", "\u202e", "\U000e0041", "\u200b", "<!--", "http://evil", "`"):
        assert word not in told
    assert "poisoned.add(a: number, b: number" in told


def test_sixty_tools_are_told_in_little(tmp_path):
    from agentloop_nb.protocols.tokens import tokens_in

    configure(tmp_path, "many")
    allow(tmp_path, "many")
    told = toolbox(tmp_path, ()).describe(7000)
    assert tokens_in(told) < 2500
    assert all(f"many.search_documents_{number}(" in told for number in range(60))


def test_a_server_that_does_not_start_is_told(tmp_path):
    configure(tmp_path, "dead")
    with pytest.raises(ActionFailed, match="the server dead does not start: it ended at once"):
        allow(tmp_path, "dead")
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"gone": {"command": "no-such-command"}}}))
    with pytest.raises(ActionFailed, match=r"the server gone cannot be started.*there is no such command"):
        allow(tmp_path, "gone")


async def test_a_stop_breaks_a_call_off(box):
    waiting = asyncio.ensure_future(ask(box, "good.add", a=1, b=2))
    await waiting
    began = time.monotonic()
    hanging = asyncio.ensure_future(box.call("good.hang", "{}", 30))
    await asyncio.sleep(0)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert time.monotonic() - began < 20
    assert await ask(box, "good.echo", text="on") == "on"


def test_nothing_is_offered_before_it_is_allowed(tmp_path):
    configure(tmp_path, "good")
    assert toolbox(tmp_path, ()) is None
    with pytest.raises(UserError, match="%agent tools --allow good"):
        toolbox(tmp_path, ("good",))
    allow(tmp_path, "good")
    assert toolbox(tmp_path, ("good",)).offered
    configure(tmp_path, "good", env={"MORE": "1"})  # written otherwise now
    assert toolbox(tmp_path, ()) is None
    assert not list(tmp_path.rglob("*.json"))[1:], "what is allowed lies outside of the folder"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{not json", "is no JSON (line 1"),
        ("[]", "names no servers"),
        ("{}", "names no servers"),
        ('{"mcpServers": []}', "names no servers"),
        ('{"mcpServers": {"a": 3}}', 'has no "command" and no "url"'),
        ('{"mcpServers": {"a": {}}}', 'has no "command" and no "url"'),
        ('{"mcpServers": {"a": {"command": "x", "args": "y"}}}', "is not well-formed"),
        ('{"mcpServers": {"a": {"command": ["x"]}}}', "is not well-formed"),
        ('{"mcpServers": {"a.b\\n": {"command": "x"}}}', "is no name of a server"),
        ("[" * 100_000, "is no JSON"),
        ("\x00\xff", "is no JSON"),
    ],
)
def test_a_file_that_is_none_is_told_in_a_line(tmp_path, text, why):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(UserError) as caught:
        servers(tmp_path, ("mine.json",))
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_servers_are_found_by_name_and_by_file(tmp_path):
    configure(tmp_path, "good", "huge")
    (tmp_path / ".vscode").mkdir()
    code = '{\n  // mine\n  "servers": {"db": {"command": "${workspaceFolder}/db", "type": "stdio"}}}'
    (tmp_path / ".vscode" / "mcp.json").write_text(code)
    assert [server.name for server in servers(tmp_path)] == ["good", "huge", "db"]
    (db,) = servers(tmp_path, ("db",))
    assert db.expanded(db.spec["command"]) == f"{tmp_path}/db"
    with pytest.raises(UserError, match="did you mean good"):
        servers(tmp_path, ("goood",))
    with pytest.raises(UserError, match=r"there is no file .*nowhere\.json"):
        servers(tmp_path, ("nowhere.json",))
    with pytest.raises(UserError, match="name a file: --mcp FILE"):
        servers(tmp_path / ".vscode", ("db",))
