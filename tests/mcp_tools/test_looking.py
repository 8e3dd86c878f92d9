"""`%agent tools`: servers are listed, looked at and allowed by a person, and by nobody else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from agentloop_nb import cli
from agentloop_nb.errors import UserError
from agentloop_nb.mcp_tools.looking import tools
from agentloop_nb.mcp_tools.toolbox import toolbox
from tests.mcp_tools.allowing import SERVER, configure

pytestmark = pytest.mark.timeout(180)


class Person:
    """Somebody who answers questions, and remembers them."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, question: str) -> bool:
        self.asked.append(question)
        return self.answers.pop(0) if self.answers else False


def test_a_server_is_allowed_after_its_tools_were_seen(tmp_path):
    configure(tmp_path, "poisoned", env={"TOKEN": "t-secret-123456"})
    person = Person(True, True)
    told = tools(tmp_path, ["poisoned"], {"allow": True}, person)
    assert told.startswith("poisoned is allowed, with 10 tools")
    first, second = person.asked
    assert "It runs with your rights" in first
    assert "given TOKEN" in first
    assert "t-secret" not in first + second
    assert "poisoned.add(a: number, b: number" in second
    assert "<IMPORTANT>" not in second
    assert toolbox(tmp_path, ()).offered
    assert "allowed, with 10 tools" in tools(tmp_path, [], {}, person)
    assert "poisoned.echo(text: string)" in tools(tmp_path, ["poisoned"], {}, person)
    assert tools(tmp_path, ["poisoned"], {"forget": True}, person) == "poisoned is no longer allowed."
    assert tools(tmp_path, ["poisoned"], {"forget": True}, person) == "poisoned is not allowed."
    assert toolbox(tmp_path, ()) is None


def test_a_no_starts_nothing(tmp_path):
    mark = tmp_path / "started"
    code = f"open({str(mark)!r}, 'w')"
    (tmp_path / ".mcp.json").write_text(
        json.dumps({"mcpServers": {"sly": {"command": sys.executable, "args": ["-c", code]}}})
    )
    with pytest.raises(UserError, match="sly was not started"):
        tools(tmp_path, ["sly"], {"allow": True}, Person(False))
    assert not mark.exists()
    assert "not allowed; agentloop tools --allow sly shows its tools" in tools(tmp_path, [], {}, Person(), "shell")
    assert not mark.exists()


def test_tools_that_were_seen_and_refused_are_not_used(tmp_path):
    configure(tmp_path, "good")
    with pytest.raises(UserError, match="good is not allowed"):
        tools(tmp_path, ["good"], {"allow": True}, Person(True, False))
    assert toolbox(tmp_path, ()) is None


def test_a_server_that_does_not_start_says_why(tmp_path):
    configure(tmp_path, "dead")
    with pytest.raises(UserError, match=r"does not start: it ended at once \(it said: no licence found\)"):
        tools(tmp_path, ["dead"], {"allow": True}, Person(True))


@pytest.mark.parametrize(
    ("words", "options", "why"),
    [
        ([], {"allow": True}, "name the server (there are good): %agent tools --allow NAME"),
        (["goood"], {}, "did you mean good?"),
        (["nowhere.json"], {}, "there is no file"),
    ],
)
def test_what_is_typed_wrong_is_told_in_a_line(tmp_path, words, options, why):
    configure(tmp_path, "good")
    with pytest.raises(UserError) as caught:
        tools(tmp_path, words, options, Person())
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_servers_says_so(tmp_path):
    assert "names no MCP servers" in tools(tmp_path, [], {}, Person())


def test_nobody_at_a_terminal_allows_nothing(tmp_path, monkeypatch, capsys):
    configure(tmp_path, "good")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["tools", "--allow", "good"]) != 0
    assert "good was not started, and nothing was allowed" in capsys.readouterr().err
    assert cli.main(["actions"]) == 0
    assert "agentloop tools lists them" in capsys.readouterr().out
    assert cli.main(["tools"]) == 0
    assert f"{SERVER} good" in capsys.readouterr().out


def test_a_step_cannot_allow_a_server(tmp_path, monkeypatch):
    from agentloop_nb import run_agent
    from tests.wire import Wire, decision, finish

    configure(Path(tmp_path), "good")
    monkeypatch.chdir(tmp_path)
    code = "%load_ext agentloop_nb\n%agent tools --allow good"
    steps = [decision("run_code", code=code), finish("done"), finish("done")]
    with Wire(steps) as wire:
        run = run_agent("allow it", model="m", base_url=wire.base_url, output_dir=tmp_path, verbose=False)
    assert not run.action_results[0].success
    assert toolbox(tmp_path, ()) is None


@pytest.mark.parametrize(
    "spec",
    [
        {"url": "https://far.example/mcp", "headers": {"Authorization": "Bearer ${SOME_KEY}"}},
        {"url": "https://far.example/mcp?k=${SOME_KEY:-none}"},
        {"command": "npx", "env": {"HARMLESS": "${env:SOME_KEY}"}},
        {"command": "npx", "args": ["--x", "${SOME_KEY}"], "cwd": "${workspaceFolder}"},
        {"command": "npx", "args": [f"--pad={'x' * 400}", "-c", "${SOME_KEY}"]},
    ],
)
def test_the_person_sees_which_variables_a_server_is_told(tmp_path, spec):
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"far": spec}}))
    person = Person(False)
    with pytest.raises(UserError, match="was not started"):
        tools(tmp_path, ["far"], {"allow": True}, person)
    assert "it gets SOME_KEY of your environment" in person.asked[0]


def test_a_command_is_shown_whole_or_not_allowed(tmp_path):
    for padding, seen in ((500, True), (3_000, False)):
        spec = {"command": "echo", "args": ["x" * padding, "; the tail"]}
        (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"far": spec}}))
        person = Person(False)
        with pytest.raises(UserError, match="was not started" if seen else "longer than 2,000"):
            tools(tmp_path, ["far"], {"allow": True}, person)
        assert seen == any("the tail" in asked for asked in person.asked)
