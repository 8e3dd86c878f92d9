"""`%%agent now make it a bar chart`: what an earlier run made comes along with the export of a later one."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.export import export
from agentloop_nb.record import journal
from agentloop_nb.verify import verify
from tests.record.kernels import kernel, script


@pytest.mark.kernel
def test_a_later_run_brings_along_what_an_earlier_one_made(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    first = script(tmp_path / "first.jsonl", ["base = [1, 2, 3]", "1 / 0", "doubled = [2 * n for n in base]"])
    second = script(tmp_path / "second.jsonl", ["sum(doubled) + offset"])
    with kernel(work) as live:
        live.run("%load_ext agentloop_nb\noffset = 100")
        live.run(f"%%agent -m replay:{first} Double it")
        live.run("offset += 1")
        live.run(f"%%agent -m replay:{second} now sum it up")
    newest, _ = journal.runs(work)
    path = export(journal.find(newest.run, work), work / "run.ipynb")
    code = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert code == [
        "offset = 100",
        "base = [1, 2, 3]",
        "doubled = [2 * n for n in base]",
        "offset += 1",
        "sum(doubled) + offset",
    ]
    verdict = verify(path)
    assert verdict.ok, verdict.text
