"""Four hundred canaries in environment, files, variables and tables, through documents, queries and tools of a run."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from agentloop_nb import run_agent
from agentloop_nb.notebook.panel.html import plain_text, static_html
from tests.mcp_tools.allowing import allow, configure
from tests.safety.test_canary_sinks import CANARIES, FORMS
from tests.wire import Wire, decision, finish

pytest.importorskip("duckdb")
pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

IN_ENVIRONMENT, IN_FILE, IN_VARIABLES = CANARIES[:150], CANARIES[150:250], CANARIES[250:]
HOLD = """
import json, os
import pandas as pd
vault = {f'token_{n}': value for n, value in enumerate(json.load(open('vault.json')))}
known = [os.environ[name] for name in os.environ if name.startswith('CANARY_')] + list(vault.values())
known += [line.partition('=')[2] for line in open('.env').read().split()]
held = pd.DataFrame({'value': known, 'hexadecimal': [each.encode().hex() for each in known], 'n': range(len(known))})
len(known)
"""
STEPS = [
    decision("run_code", code=HOLD),
    *(decision("read_document", path=name) for name in ("notes.csv", "notes.txt", "notes.json")),
    decision("query", sql="SELECT * FROM held"),
    decision("query", sql="SELECT value, n FROM held ORDER BY n DESC", into="backwards"),
    decision("query", sql=f"SELECT '{CANARIES[0]}' AS a, no_such_column FROM held"),
    decision("use_tool", tool="good.echo", arguments=json.dumps({"text": " ".join(CANARIES)}), save_as="echoed"),
    decision("use_tool", tool="good.echo", arguments=json.dumps({"text": CANARIES[260][::-1]}), save_as=None),
    decision("run_code", code="print(echoed)\nbackwards.head(400).to_string()"),
    decision("write_file", filename="told.md", content="\n".join(CANARIES[:50])),
    decision("run_code", code="raise ValueError(str(vault))"),
    finish(f"The key is {CANARIES[300]}."),
]


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of every place that the run is told at."""
    folder = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for number, value in enumerate(IN_ENVIRONMENT):
            patched.setenv(f"CANARY_{number}_TOKEN", value)
        (folder / ".env").write_text("\n".join(f"FILE_{n}_SECRET={value}" for n, value in enumerate(IN_FILE)))
        (folder / "vault.json").write_text(json.dumps(IN_VARIABLES))
        shown = [FORMS[n % len(FORMS)](value) for n, value in enumerate(CANARIES)]
        (folder / "notes.csv").write_text(
            "n,note\n" + "\n".join(f"{n},{json.dumps(each)}" for n, each in enumerate(shown))
        )
        (folder / "notes.txt").write_text("\n".join(shown))
        (folder / "notes.json").write_text(json.dumps(shown))
        configure(folder, "good")
        allow(folder, "good")
        with Wire(STEPS) as wire:
            run = run_agent("tell all", model="m", base_url=wire.base_url, output_dir=folder, trust_web=True)
        assert len(wire.bodies) == len(STEPS)
        run.export(folder / "told.ipynb", verify=False)
        run.report(folder / "told.html", check=False)
        return {
            "prompts": json.dumps(wire.bodies),
            "record": Path(run.journal).read_text(),
            "answers": repr(run) + str(run.actions_taken) + str(run.action_results) + str(run.summary),
            "panel": static_html(run.state) + plain_text(run.state),
            "notebook": (folder / "told.ipynb").read_text(),
            "report": (folder / "told.html").read_text(),
        }


def test_the_canaries_were_told(sinks: dict[str, str]) -> None:
    assert sinks["record"].count("[secret masked]") >= 400
    assert "[secret masked]" in sinks["prompts"]


EVERY_FORM = "\n".join(
    form
    for each in CANARIES
    for form in (each, each[::-1], each.encode().hex(), base64.b64encode(each.encode()).decode())
)
PIECE = 16
"""Letters and digits of a canary that are too many to be shown."""


def pieces(text: str) -> list[str]:
    """Return the words of a text that hold a long piece of a canary."""
    words = set(re.findall(rf"[A-Za-z0-9+/=]{{{PIECE},}}", text))
    return [word for word in words if any(word[at : at + PIECE] in EVERY_FORM for at in range(len(word) - PIECE + 1))]


@pytest.mark.parametrize("sink", ["prompts", "record", "answers", "panel", "notebook", "report"])
def test_no_canary_reaches_a_sink_nor_a_long_piece_of_one(sinks: dict[str, str], sink: str) -> None:
    assert pieces(sinks[sink]) == []
