"""What ran before a run is kept once for all runs of a kernel, and the record still reads as if it held all of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentloop_nb.events import RunStarted
from agentloop_nb.protocols import CodeRan
from agentloop_nb.record import blobs, journal, reading
from tests.record.made import started

LONG = [f"def work_{number}():\n    return {'x' * 300!r}" for number in range(60)]


def record(folder: Path, run: str, cells: list[str], goals: list[str] | None = None) -> Path:
    event = started(run=run).model_copy(
        update={
            "cells": tuple(cells),
            "earlier_goals": tuple(goals or ()),
            "ran": tuple(CodeRan(index=index, step=1) for index in range(len(cells))),
        }
    )
    made = journal.Journal.create(folder, run)
    made.append(event)
    made.close()
    return made.path


def opening(path: Path) -> RunStarted:
    event = reading.read(path)[0]
    assert isinstance(event, RunStarted)
    return event


def test_a_first_line_does_not_grow_with_what_ran_before(tmp_path: Path) -> None:
    records = [record(tmp_path, f"run-{count}", LONG[:count], LONG[:count]) for count in range(1, 61)]
    lines = [len(path.read_bytes().splitlines()[0]) for path in records]
    assert lines[-1] <= max(lines[:15]), lines
    assert lines[-1] == lines[-20]
    for count, path in enumerate(records, 1):
        assert opening(path).cells == tuple(LONG[:count])
        assert opening(path).earlier_goals == tuple(LONG[:count])
        assert [each.index for each in opening(path).ran] == list(range(count))


def test_each_piece_of_code_is_written_once(tmp_path: Path) -> None:
    for count in range(20, 61):
        path = record(tmp_path, f"run-{count}", LONG[:count])
    kept = sum(file.stat().st_size for file in blobs.folder_of(path).iterdir())
    assert kept < 2 * sum(map(len, LONG))


def test_code_that_was_taken_back_is_in_no_later_record(tmp_path: Path) -> None:
    record(tmp_path, "run-1", LONG[:30])
    shorter = record(tmp_path, "run-2", [*LONG[:25], *LONG[40:50]])
    assert opening(shorter).cells == (*LONG[:25], *LONG[40:50])


def test_a_short_history_stands_in_the_record_itself(tmp_path: Path) -> None:
    path = record(tmp_path, "run-1", ["x = 1", "y = 2"])
    assert json.loads(path.read_bytes().splitlines()[0])["cells"] == ["x = 1", "y = 2"]


@pytest.mark.parametrize("harm", ["gone", "changed", "no JSON"])
def test_a_record_alone_is_read_without_what_is_missing(tmp_path: Path, harm: str) -> None:
    path = record(tmp_path, "run-1", LONG)
    for file in blobs.folder_of(path).iterdir():
        file.unlink() if harm == "gone" else file.write_text("{}" if harm == "changed" else "no")
    assert opening(path).cells == ()


def test_a_deleted_history_is_written_anew(tmp_path: Path) -> None:
    first = record(tmp_path, "run-1", LONG[:30])
    for file in blobs.folder_of(first).iterdir():
        file.unlink()
    assert opening(record(tmp_path, "run-2", LONG[:40])).cells == tuple(LONG[:40])


@pytest.mark.parametrize("reference", [None, 5, "../../secret", "0" * 64, ["x"]])
def test_a_forged_reference_is_no_more_than_no_history(tmp_path: Path, reference: object) -> None:
    path = record(tmp_path, "run-1", LONG)
    first, *rest = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([json.dumps(json.loads(first) | {"before": reference}).encode(), *rest]))
    assert opening(path).cells == ()
