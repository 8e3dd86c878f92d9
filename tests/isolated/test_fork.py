"""`%agent fork`: another way from a step on, in a process of its own; the run it came from stays as it is."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path

import pytest

from agentloop_nb.actions import ActionResult
from agentloop_nb.isolated import fork_copy
from agentloop_nb.notebook.panel.comparison_page import comparison_html
from agentloop_nb.notebook.panel.html import static_html
from agentloop_nb.record import reading
from agentloop_nb.reports.compare import compare
from agentloop_nb.safety.provenance import said_by_user
from agentloop_nb.state import fold
from tests.isolated.conftest import code
from tests.record.made import started, step
from tests.wire import Wire, decision, finish

pytestmark = pytest.mark.kernel

FIVE = [
    decision("run_code", code="values = [base]\nopen('log.txt', 'w').write('one')"),
    decision("write_file", filename="note.txt", content="first"),
    decision("run_code", code="values.append(len(open('note.txt').read()))\ndouble = lambda x: 2 * x"),
    decision("write_file", filename="note.txt", content="the second"),
    decision("run_code", code="values = values + [double(3)]\nopen('log.txt', 'a').write('five')"),
    finish("done"),
]
AFTER = {
    1: ([10], "one", None),
    2: ([10], "one", "first"),
    3: ([10, 5], "one", "first"),
    4: ([10, 5], "one", "the second"),
    5: ([10, 5, 6], "onefive", "the second"),
}
"""What the variable and the two files hold after each step."""


def everything(folder: Path, record: Path) -> dict[str, str]:
    """The hash of each file of the user's and of the parent's record."""
    paths = [path for path in folder.iterdir() if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in [*paths, record]}


@pytest.fixture
def parent(user):
    """A run of five steps that needs a cell of the user's."""
    user.text("base = 10")
    with Wire(FIVE) as wire:
        user.agent("", wire, "work with base")
    assert user.value("values") == [10, 5, 6]
    return user


@pytest.mark.parametrize("at", AFTER)
def test_a_fork_has_the_namespace_and_the_files_as_they_were_after_its_step(parent, at):
    record = parent.records[-1]
    before = everything(parent.folder, record)
    look = "import os\nseen = values, *(open(n).read() if os.path.exists(n) else None for n in ('log.txt', 'note.txt'))"
    with Wire([*code(look, "values.append('mine')\nopen('note.txt', 'w').write('x')")]) as wire:
        parent.text(f"%agent fork {record.stem} --at {at} --base-url {wire.base_url} look around")
    assert everything(parent.folder, record) == before
    assert parent.value("values, base, 'seen' in globals()") == ([10, 5, 6], 10, False)
    told = parent.text("%agent adopt seen")
    assert "seen" in told, told
    values, log, note = parent.value("seen")
    assert (values[:-1], log, note) == AFTER[at]
    assert values[-1] == "mine", "the tuple holds the list that the last step changed"


def test_a_fork_is_adopted_over_what_its_parent_made_and_taken_back(parent):
    with Wire(
        code("values = ['other']\nopen('log.txt', 'w').write('other')\nopen('new.txt', 'w').write('new')")
    ) as wire:
        parent.text(f"%agent fork --at 4 --base-url {wire.base_url} another way")
    fork = parent.records[-1].stem
    told = parent.text(f"%agent adopt {fork}")
    assert "values, double" not in told
    assert "NOT adopted: double (a function cannot be handed over as data" in told
    assert (
        f"NOT adopted: log.txt (another file of that name is here; to replace it: %agent adopt {fork} log.txt" in told
    )
    parent.text(f"%agent adopt {fork} log.txt")
    files = [parent.folder.joinpath(name) for name in ("log.txt", "new.txt")]
    assert [file.read_text() for file in files] == ["other", "new"]
    assert parent.value("values, double(2)") == (["other"], 4)
    parent.text("%agent adopt --undo")
    parent.text("%agent adopt --undo")
    assert files[0].read_text() == "onefive"
    assert not files[1].exists()
    assert parent.value("values") == [10, 5, 6]


def test_a_fork_pays_for_its_own_steps_only_and_knows_the_way_so_far(parent):
    with Wire(code("values.append('other')")) as wire:
        parent.text(f"%agent fork --at 3 -b 1 --base-url {wire.base_url} try another way")
    fork, whole = reading.load(parent.records[-1]), reading.load(parent.records[0])
    assert fork.forked_from == (whole.run, 3)
    assert [step.inherited for step in fork.steps] == [True, True, True, False, False]
    assert fork.usage.total == sum(step.usage.total for step in fork.steps[3:]) > 0
    assert all(step.cost == Decimal(0) and not step.usage.total for step in fork.steps[:3])
    told = wire.bodies[0]["messages"]
    assert "try another way" in told[-1]["content"]
    assert "the second" not in str(told)
    assert "double = lambda" in str(told)


def test_everything_works_on_a_fork_that_works_on_a_run(parent):
    with Wire([*code("values.append('other')"), *code("values.append('more')")]) as wire:
        parent.text(f"%agent fork --at 2 --base-url {wire.base_url} another way")
        assert f"(fork of {parent.records[0].stem} after step 2: another way) work with base" in parent.text(
            "%agent runs"
        )
        assert "after step 2: another way) work with base" in parent.text("%agent show")
        assert "other" in parent.text(f"%agent compare {parent.records[0].stem}")
        assert "4 of 50 steps" in parent.text("%agent show")
        assert "values" in parent.text("%agent who")
        assert "your cell: base = 10" in parent.text("%agent why values")
        assert ": Reproduced:" in parent.text("%agent export fork.ipynb")
        parent.text("_agent.workspace.close()")
        parent.text("%agent resume -- and more")
    parent.text("%agent adopt values")
    assert parent.value("values") == [10, "other", "more"]
    assert len(parent.records) == 2


def test_wrong_steps_are_refused_in_a_line_and_leave_no_run_behind(parent):
    for typed, said in (
        ("--at 9 go", "has no step 9 to fork after; it has steps 1 to 6"),
        ("--at two go", "--at takes the number of a step"),
        ("--at 6", "say what to do instead: %agent fork [RUN] [--at N]"),
        ("", "say what to do instead: %agent fork [RUN] [--at N]"),
        ('nosuch "go"', "there is no run 'nosuch'"),
        ("nosuch --at 2 'go -- on'", "there is no run 'nosuch'"),
        ("nosuch -- go", "there is no run 'nosuch'"),
        ("29991231 go", "there is no run '29991231'"),
    ):
        assert said in parent.text(f"%agent fork {typed}")
    assert len(parent.records) == 1


def test_a_fork_from_before_the_first_step_and_of_a_fork(parent):
    with Wire([*code("first = base"), *code("second = first + 1")]) as wire:
        parent.text(f"%agent fork --at 0 --base-url {wire.base_url} anew")
        parent.text(f"%agent fork --base-url {wire.base_url} and on")
    states = [reading.load(path) for path in parent.records]
    assert [state.status for state in states] == ["finished"] * 3, states[2].reason
    assert states[2].forked_from == (states[1].run, 2)
    parent.text("%agent adopt second")
    assert parent.value("second") == 11


def test_of_a_folder_too_large_to_copy_a_fork_gets_what_the_run_read(tmp_path, monkeypatch):
    monkeypatch.setattr(fork_copy, "MAX_COPIED", 10)
    monkeypatch.setattr(fork_copy, "MAX_FILES", 4)
    source, target = tmp_path / "source", tmp_path / "target"
    sizes = {"read.csv": 50, "small": 3, "large": 40, "made": 2, "below/deep": 1, "below/read.txt": 1, ".env": 5}
    for name, size in sizes.items():
        source.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        source.joinpath(name).write_bytes(bytes(size))
    source.joinpath("link").symlink_to(tmp_path)
    read = ActionResult(success=True, output="", metadata={"read": ["read.csv", "below/read.txt"]})
    made = ActionResult(success=True, output="", metadata={"files": ["made"]})
    state = fold([started(), *step(1, "run_code", read, code="x"), *step(2, "run_code", made, code="y")])
    left_out = fork_copy.copy_folder(source, target, state, 1).left_out
    copied = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert copied == {"read.csv", "small", "below/read.txt"}
    assert sorted(left_out) == ["below/deep", "large"]


def test_a_users_file_that_a_later_step_overwrote_is_copied_and_told(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for name in ("data.csv", "made.csv", "new.csv"):
        source.joinpath(name).write_text("as step 2 left it")
    read = ActionResult(success=True, output="", metadata={"read": ["data.csv"], "files": ["made.csv"]})
    over = ActionResult(success=True, output="", metadata={"read": ["made.csv"], "files": ["data.csv", "made.csv"]})
    more = ActionResult(success=True, output="", metadata={"files": ["new.csv"]})
    steps = [*step(1, "run_code", read, code="x"), *step(2, "run_code", over, code="y")]
    copied = fork_copy.copy_folder(source, target, fold([started(), *steps, *step(3, "run_code", more, code="z")]), 1)
    assert [path.name for path in target.iterdir()] == ["data.csv"], "step 1 makes made.csv again"
    assert (copied.later, copied.failed, copied.left_out) == (["data.csv"], [], [])


def test_a_file_that_cannot_be_copied_is_left_out_and_told(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.joinpath("below").mkdir(parents=True)
    source.joinpath("below", "deep").touch()
    source.joinpath("flat").touch()
    target.mkdir()
    target.joinpath("below").touch()
    copied = fork_copy.copy_folder(source, target, fold([started()]), 0)
    assert (target.joinpath("flat").exists(), copied.failed) == (True, ["below/deep"])


def test_what_an_inherited_step_wrote_over_is_put_back_in_a_fork_of_the_fork(user):
    written = [[decision("write_file", filename="note.txt", content=text), finish("done")] for text in ("one", "two")]
    with Wire([*written[0], *written[1], *code("x = 1")]) as wire:
        user.agent("", wire, "write it")
        user.agent("", wire, "write over it")
        user.text(f"%agent fork --at 1 --base-url {wire.base_url} another way")
    folder = user.folder / ".agentloop" / "isolated" / user.records[-1].stem
    assert folder.joinpath("note.txt").read_text() == "two"
    with Wire(code("y = 1")) as wire:
        user.text(f"%agent fork --at 0 --base-url {wire.base_url} anew")
    folder = user.folder / ".agentloop" / "isolated" / user.records[-1].stem
    assert folder.joinpath("note.txt").read_text() == "one"
    assert user.folder.joinpath("note.txt").read_text() == "two"


def test_undo_in_a_fork_takes_back_its_own_steps_only_and_nothing_of_the_users_kernel(parent):
    with Wire(code("values = ['other']")) as wire:
        parent.text(f"%agent fork --at 3 --base-url {wire.base_url} another way")
    told = parent.text("%agent undo 9")
    assert "Step 4 is taken back." in told
    assert "in the run's own process and folder; your kernel and your files are as they were" in told
    own = f"those up to step 3 are of run {parent.records[0].stem}"
    assert own in told
    assert f"there is no step to take back; {own}" in parent.text("%agent undo")
    assert [step.number for step in reading.load(parent.records[-1]).steps] == [1, 2, 3]
    assert parent.value("values") == [10, 5, 6]


def test_what_the_user_said_to_a_fork_stands_alone_and_whole(parent):
    with Wire(code("values.append('other')")) as wire:
        typed = f"get_ipython().run_line_magic('agent', 'fork --at 3 --base-url {wire.base_url} \"robust\\nin blue\"')"
        shown = parent.text(typed)
    state = reading.load(parent.records[-1])
    first = state.steps[3]
    assert first.notes == ["robust\nin blue"], shown
    assert [remark.splitlines()[0][:20] for remark in first.remarks] == ["From here on this run"[:20]]
    last = wire.bodies[0]["messages"][-1]["content"]
    assert "From here on this run goes another way" in last
    assert "Note from the user: robust\nin blue" in last
    said = said_by_user(state)
    assert "in blue" in said
    assert "From here on" not in said
    for page in (static_html(state), comparison_html(compare(reading.load(parent.records[0]), state))):
        assert "You said: robust\nin blue<" in page
        assert "The model was told: From here on" in page
        assert "You said: From" not in page
    assert "you said: robust" in parent.text(f"%agent compare {parent.records[0].stem}")
