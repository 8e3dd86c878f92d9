"""The steps of a run as cells where no page adds them: one next cell, or a notebook file; it says which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from agentloop_nb.actions import ActionResult
from agentloop_nb.errors import UserError
from agentloop_nb.events import AnyEvent
from agentloop_nb.record import journal
from tests.record.made import counting, finished, printed, started, step


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "agentloop_nb")
    shell.next_cells = []
    monkeypatch.setattr(shell, "set_next_input", lambda text, replace=False: shell.next_cells.append((text, replace)))
    yield shell
    shell.history_manager.end_session()


def recorded(events: list[AnyEvent]) -> None:
    kept = journal.Journal.create(Path.cwd(), "20261122-101500-3fa2")
    for event in events:
        kept.append(event)
    kept.close()


def ask(shell: Any, line: str, capsys: pytest.CaptureFixture[str]) -> str:
    shell.run_line_magic("agent", line)
    return capsys.readouterr().out


def test_one_next_cell_holds_the_code_of_all_steps(shell, capsys):
    recorded(counting())
    assert "in one next cell" in ask(shell, "cells", capsys)
    ((source, replaces),) = shell.next_cells
    assert not replaces, "the cell that asks stays as it is"
    assert [line for line in source.splitlines() if line and not line.startswith("#")] == ["print(1)", "print(2)"]
    shell.run_cell(source).raise_error()
    assert capsys.readouterr().out.split() == ["1", "2"]


def test_a_file_is_a_notebook_of_the_steps(shell, capsys):
    recorded(counting())
    assert "The steps are in the notebook steps.ipynb" in ask(shell, "cells --file steps.ipynb", capsys)
    cells = nbformat.read("steps.ipynb", 4).cells
    assert [cell.source for cell in cells if cell.cell_type == "code"] == ["print(1)", "print(2)"]
    assert shell.next_cells == []


def test_minimal_leaves_out_what_the_result_does_not_need(shell, capsys):
    noise = step(1, "run_code", printed("x\n"), code="unused = 1")
    needed = step(2, "run_code", printed("6\n"), code="print(6)")
    recorded([started(), *noise, *needed, *finished(3)])
    ask(shell, "cells --minimal", capsys)
    assert "unused" not in shell.next_cells[0][0]
    ask(shell, "cells", capsys)
    assert "unused = 1" in shell.next_cells[1][0]


@pytest.mark.parametrize(
    ("events", "line", "says"),
    [
        ([started(), *finished(1)], "cells", "no code that could become a cell"),
        (counting(), "cells --file steps.txt", "a notebook file ends in .ipynb"),
        (counting(), "cells one two", "%agent cells [--minimal] [--file OUT.ipynb] [RUN]"),
        (counting(), "cells nowhere", "nowhere"),
        (
            [started(), *step(1, "run_code", ActionResult(success=True, output=""), code="%%time\n1"), *finished(2)],
            "cells",
            "begins with a cell magic",
        ),
    ],
)
def test_what_cannot_be_done_says_what_to_type(shell, events, line, says):
    recorded(events)
    with pytest.raises(UserError, match=r"^[^\n]*$") as error:
        shell.run_line_magic("agent", line)
    assert says in str(error.value)
    assert shell.next_cells == []
