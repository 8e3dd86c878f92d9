"""What a record of 20 and of 200 steps takes: room on the disk, memory, time to export and to verify."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pytest_benchmark")

from agentloop_nb import run_agent
from agentloop_nb.export import export
from agentloop_nb.verify import verify
from tests.record.kernels import script

MEMORY = """
import json, re, sys
from pathlib import Path
from agentloop_nb.export import export

def peak():  # getrusage would tell the peak of the process that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

before = peak()
export(Path(sys.argv[1]), Path(sys.argv[2]))
print(json.dumps([before, peak()]))
"""


def steps(count: int) -> list[str]:
    """A run of data work: a table, then sums and prints, every tenth step a figure."""
    made = ["import pandas as pd, matplotlib.pyplot as plt\ndf = pd.DataFrame({'x': range(1000)})\ndf.describe()"]
    for number in range(1, count - 1):
        plot = f"plt.plot(df.x ** (1 + {number} / 100))\nplt.show()"
        work = f"df['c{number % 7}'] = df.x * {number}\nprint(df.c{number % 7}.sum())\ndf.head()"
        made.append(plot if number % 10 == 0 else work)
    return made


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [20, 200])
def test_export_and_verify(benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int):
    monkeypatch.chdir(tmp_path)
    decisions = script(tmp_path / "decisions.jsonl", steps(count))
    run = run_agent("measure", model=f"replay:{decisions}", max_steps=count + 1, verbose=False)
    assert run.is_complete
    assert run.current_step == count
    notebook = tmp_path / "run.ipynb"
    benchmark.pedantic(export, args=(run.journal, notebook), rounds=5, warmup_rounds=1)
    draft = notebook.read_bytes()
    seconds = []
    for _ in range(2):
        notebook.write_bytes(draft)
        began = time.perf_counter()
        verdict = verify(notebook)
        assert verdict.ok, verdict.text
        seconds.append(time.perf_counter() - began)
    program = [sys.executable, "-c", MEMORY, str(run.journal), str(tmp_path / "again.ipynb")]
    before, peak = json.loads(subprocess.run(program, capture_output=True, check=True).stdout)
    kept = [file for file in (tmp_path / ".agentloop").rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in kept) / 1024
    benchmark.extra_info.update(verify_s=round(min(seconds), 1), record_kb=round(size), notebook_kb=len(draft) // 1024)
    print(
        f"\n{count} steps: export {benchmark.stats.stats.median * 1000:.0f} ms, verify {min(seconds):.1f} s, "
        f"record {size:.0f} KB, notebook {len(draft) / 1024:.0f} KB, "
        f"peak of memory {peak:.0f} MB, {before:.0f} MB of it what is imported"
    )
