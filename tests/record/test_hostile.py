"""Records and notebooks from somebody who means ill: nothing runs, nothing leaves its folder, and a word says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.record.hostile import MADE, NOTEBOOKS, RECORDS

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(os.name != "posix", reason="its links and pipes are those of POSIX")
def test_no_hostile_file_runs_anything_or_reads_and_writes_outside_its_folder(tmp_path):
    program = [sys.executable, "-m", "tests.record.hostile", str(tmp_path)]
    env = os.environ | {"HOSTILE_ROOT": str(tmp_path)}
    done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT, timeout=100, check=True, env=env)
    *files, end = map(json.loads, done.stdout.splitlines())
    assert len(files) == len(RECORDS) + len(NOTEBOOKS) + 2 * len(MADE) >= 60
    for each in files:
        broken = {way: said for way, said in each["said"].items() if said.startswith("broken")}
        assert not broken, (each["file"], broken)
        assert each["did"] == [], each["file"]
        assert each["leaked"] == [], each["file"]
    assert end == {"marks": [], "left": ["outside", "work"]}
    refused = {each["file"] for each in files if "refused" in each["said"].values()}
    assert len(refused) >= 35
