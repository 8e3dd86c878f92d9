"""What `%agent export` and `%agent compare` are told in a notebook: runs, names with spaces, a repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.actions import ActionResult
from agentloop_nb.errors import UserError
from agentloop_nb.notebook.kernel.private_shell import in_charge, private_shell
from agentloop_nb.protocols import Change, CodeRan
from agentloop_nb.record import journal
from agentloop_nb.reports import lineage
from agentloop_nb.state import fold
from tests.record.made import finished, printed, started, step

OLD, NEW = "20261121-101500-aaaa", "20261122-101500-bbbb"


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for run in (OLD, NEW):
        record = journal.Journal.create(tmp_path, run)
        for event in [started(run=run, goal=f"Goal of {run}"), *step(1, "run_code", printed("1\n"), code="print(1)")]:
            record.append(event)
        for event in finished(2):
            record.append(event)
        record.close()
    shell = private_shell()
    with in_charge(shell):
        shell.run_line_magic("load_ext", "agentloop_nb")
        yield lambda line: shell.run_line_magic("agent", line)


def ours(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text())["metadata"]["agentloop"]


@pytest.mark.kernel
def test_the_newest_or_a_named_run_is_exported_and_quotes_keep_spaces_together(agent, capsys):
    agent('export "my run.ipynb"')
    assert ours("my run.ipynb")["run"] == NEW
    assert "Exported to my run.ipynb: Reproduced" in capsys.readouterr().out
    agent(f"export {OLD} old.ipynb --minimal")
    assert (ours("old.ipynb")["run"], ours("old.ipynb")["minimal"]) == (OLD, True)


@pytest.mark.kernel
@pytest.mark.parametrize("name", ["ada/sums", "https://github.com/ada/sums", "git@github.com:ada/sums.git"])
def test_a_shared_folder_links_to_its_repository(agent, name):
    agent(f"export --share --repository {name} given")
    assert "mybinder.org/v2/gh/ada/sums/HEAD?labpath" in Path("given/README.md").read_text()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("export", "name the notebook to write"),
        ("export my first run.ipynb", "one with spaces stands in quotes: %agent export 'my first run.ipynb'"),
        ("export my run.ipynb", "there is no run 'my'"),
        ("export 'run.ipynb", "a quote is not closed"),
        ("export --shared run.ipynb", "name the notebook to write"),
        ("export --repository ada/sums run.ipynb", "add --share"),
        ("export --share --repository https://example.org/x given", "write it as --repository OWNER/NAME"),
        ("compare", "name the runs to compare"),
        ("compare 1 2 3", "name the runs to compare"),
        (f"compare {NEW}", "both name run"),
        (f"compare {NEW} 2027", "there is no run '2027'"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line_and_leaves_nothing_behind(agent, line, told):
    with pytest.raises(UserError) as error:
        agent(line)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert [path.name for path in Path.cwd().iterdir()] == [".agentloop"]


def test_two_runs_are_compared(agent, capsys):
    agent(f"compare {OLD} {NEW}")
    told = capsys.readouterr().out
    assert "Steps 1-2 are the same, and there are no others." in told
    assert f"Goal of {OLD}" in told


def test_a_variable_of_an_earlier_run_is_asked_about_there(agent, capsys):
    made = ActionResult(success=True, output="", changes=(Change(name="best", how="added", type="str"),))
    earlier = "20261120-101500-cccc"
    record = journal.Journal.create(Path.cwd(), earlier)
    for event in [started(run=earlier, goal="Find the best"), *step(1, "run_code", made, code="best = 'b'")]:
        record.append(event)
    record.close()
    told = "this run did not make 'best'; it made none"
    with pytest.raises(UserError, match=f"{told}; %agent why best {earlier} asks the newest run that did"):
        agent("why best")
    agent(f"why best {earlier}")
    assert "because of 1" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"it made none$"):
        agent("why nothing")


def test_code_of_an_earlier_run_is_not_taken_for_a_cell_of_the_persons():
    made = ActionResult(success=True, output="", changes=(Change(name="c", how="added", type="int"),))
    begun = started(cells=("a = 1", "b = a + 1"), ran=(CodeRan(index=1, step=3),))
    state = fold([begun, *step(1, "run_code", made, code="c = a + b")])
    assert lineage.why(state, "c").splitlines()[:2] == ["your cell: a = 1", "an earlier run: b = a + 1"]
