"""Four hundred canaries in a served kernel: no answer to an outside agent, and nothing that it can read, tells one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.safety.test_canary_sinks import CANARIES, FORMS
from tests.safety.test_live_canaries import HOLD, IN_ENVIRONMENT, IN_FILE, IN_VARIABLES, pieces
from tests.serve.conftest import SERVES, Agent, Notebook

pytest.importorskip("duckdb")
pytestmark = [
    pytest.mark.kernel,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7"),
]

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("run_code", {"code": HOLD, "why": "to hold them"}),
    ("run_code", {"code": "print(known)\nvault", "why": CANARIES[3]}),
    ("run_code", {"code": "import sys\nprint(*known, sep='\\n', file=sys.stderr)\nheld", "why": "w"}),
    ("run_code", {"code": "raise KeyError(known[7], vault)", "why": "w"}),
    ("run_code", {"code": f"copied = '{CANARIES[9]}'\nnested = [{{'k': (copied, known)}}]", "why": "w"}),
    ("describe_namespace", {}),
    *(("get_variable", {"name": name}) for name in ("vault", "known", "held", "copied", "nested", CANARIES[1])),
    *(("read_document", {"path": f"notes.{kind}", "why": "w"}) for kind in ("csv", "txt", "json")),
    ("read_document", {"path": f"{CANARIES[2]}.csv", "why": "w"}),
    ("query", {"sql": "SELECT * FROM held", "why": "w"}),
    ("query", {"sql": "SELECT value FROM held ORDER BY n DESC", "into": "backwards", "why": "w"}),
    ("query", {"sql": f"SELECT '{CANARIES[0]}' AS a, no_such_column FROM held", "why": "w"}),
    ("write_file", {"filename": "told.md", "content": "\n".join(CANARIES[:50]), "why": CANARIES[4]}),
    ("status", {}),
    ("why", {"name": "copied"}),
    ("why", {"name": CANARIES[5]}),
    ("undo", {}),
    ("restore", {"name": CANARIES[6]}),
    ("export", {"path": "told.ipynb"}),
    ("export", {"path": f"{CANARIES[8]}.ipynb"}),
    ("finish", {"summary": f"The key is {CANARIES[300]}.", "artifacts": [CANARIES[301]], "why": "done"}),
]


async def answers(notebook: Notebook) -> dict[str, str]:
    """Call every tool and read every resource; return what was answered."""
    told: dict[str, str] = {}
    async with notebook.agent() as agent:
        told["tools"] = (await agent.client.list_tools()).model_dump_json()
        for tool, arguments in CALLS:
            told[tool] = told.get(tool, "") + "\n" + await answer(agent, tool, arguments)
        for resource in (await agent.client.list_resources()).resources:
            told[str(resource.uri)] = (await agent.client.read_resource(resource.uri)).model_dump_json()
    return told


async def answer(agent: Agent, tool: str, arguments: dict[str, Any]) -> str:
    try:
        return str((await agent.call(tool, **arguments)).model_dump_json())
    except Exception as error:  # what a refused call says is an answer, too
        return str(error)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What an agent is answered, and what stands in the folder afterwards."""
    folder = tmp_path_factory.mktemp("served")
    (folder / ".env").write_text("\n".join(f"FILE_{n}_SECRET={value}" for n, value in enumerate(IN_FILE)))
    (folder / "vault.json").write_text(json.dumps(IN_VARIABLES))
    shown = [FORMS[n % len(FORMS)](value) for n, value in enumerate(CANARIES)]
    (folder / "notes.csv").write_text("n,note\n" + "\n".join(f"{n},{json.dumps(each)}" for n, each in enumerate(shown)))
    (folder / "notes.txt").write_text("\n".join(shown))
    (folder / "notes.json").write_text(json.dumps(shown))
    with pytest.MonkeyPatch.context() as patched:
        for number, value in enumerate(IN_ENVIRONMENT):
            patched.setenv(f"CANARY_{number}_TOKEN", value)
        notebook = Notebook(folder)
    try:
        notebook.cell("%agent serve --approve auto tell all")
        found = asyncio.run(answers(notebook))
    finally:
        notebook.close()
    for path in [*folder.glob("*.ipynb"), *(folder / ".agentloop").rglob("*.jsonl")]:
        found[str(path.relative_to(folder))] = path.read_text()
    return found


def test_every_tool_and_resource_was_asked(told: dict[str, str]) -> None:
    named = {each["name"] for each in json.loads(told["tools"])["tools"]}
    assert named - told.keys() <= {"ask_user", "delegate", "search_web", "read_url", "look_up"}
    assert {"agentloop://transcript", "agentloop://verdict", "agentloop://record"} <= told.keys()
    assert "told.ipynb" in told
    assert sum(text.count("[secret masked]") for text in told.values()) >= 800


def test_no_answer_tells_a_canary_nor_a_long_piece_of_one(told: dict[str, str]) -> None:
    assert {place: pieces(text) for place, text in told.items() if pieces(text)} == {}
