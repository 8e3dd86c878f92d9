"""What a manager refuses before a record is made, and what a run of this kernel keeps when it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.api import fork_run, resume_run, run_agent
from agentloop_nb.errors import UserError
from agentloop_nb.notebook.commands import cost, login, models, restore, runs, undo
from agentloop_nb.notebook.kernel import output_scope
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.notebook.panel.panel_view import PanelView
from agentloop_nb.notebook.run_manager import RunManager
from agentloop_nb.notebook.undo import undo_steps
from agentloop_nb.record.locating import runs_folder
from agentloop_nb.record.lock import in_use
from tests.wire import Wire, decision, finish


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunManager:
    """A manager in an empty folder; every run asks the scripted model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789")
    return RunManager(private_shell())


def run(manager: RunManager, wire: Wire, goal: str, **arguments: Any) -> Any:
    settings = manager.settings({"model": "scripted", "base_url": wire.base_url, "quiet": True, **arguments})
    return manager.begin(goal, settings).drive()


def test_a_run_inside_a_step_leaves_no_record(manager):
    with output_scope.entered(object()):
        with pytest.raises(UserError, match="cannot start an agent"):
            manager.begin("goal", manager.settings({"model": "demo"}))
        with pytest.raises(UserError, match="cannot start an agent"):
            manager.resume(None, {})
    assert manager.runs == []
    assert not runs_folder(manager.folder).exists()


@pytest.mark.parametrize("name", ["class", "1a", "a b"])
def test_a_name_that_cannot_be_bound_is_refused(manager, name):
    with pytest.raises(UserError, match="--output"):
        manager.begin("goal", manager.settings({"model": "demo", "output": name}))


def test_a_damaged_record_is_listed_with_its_reason(manager, capsys):
    folder = runs_folder(manager.folder)
    folder.mkdir(parents=True)
    (folder / "20260101-000000-aaaa.jsonl").write_text("")
    runs(type("Magics", (), {"manager": manager})(), "")
    assert "20260101-000000-aaaa  failed" in capsys.readouterr().out


def test_a_run_named_by_a_relative_path_goes_on_with_what_is_there(manager):
    manager.shell.user_ns["mine"] = [1]
    steps = [decision("run_code", code="made = 1\nmine = 2"), finish("half")]
    with Wire([*steps, decision("run_code", code="late = made + 1"), finish("whole")]) as wire:
        first = run(manager, wire, "make", max_steps=2)
        assert first.status == "step_limit"
        manager.shell.user_ns |= {"made": 40, "late": "the user's"}
        path = str(first.journal.relative_to(manager.folder))
        again = manager.resume(path, {"max_steps": 9, "privacy": "schema"}).drive()
    assert manager.shell.user_ns["late"] == 41, "nothing was rebuilt over the user's value"
    assert again.workspace is first.workspace
    assert again.workspace.privacy == "schema"
    assert [change.previous for change in again.steps[2].result.changes] == [True], "the user made it since"


def test_a_variable_of_the_users_stays_so_after_a_run_changed_it(manager):
    manager.shell.user_ns["mine"] = [1]
    change = decision("run_code", code="mine.append(2)\nmade = 1")
    with Wire([change, finish("1"), decision("run_code", code="mine.append(3)\nmade = 2"), finish("2")]) as wire:
        run(manager, wire, "first")
        second = run(manager, wire, "second")
    changes = {change.name: change.previous for change in second.steps[0].result.changes}
    assert changes == {"mine": True, "made": False}


def test_nothing_is_taken_back_that_cannot_be_noted(manager):
    with Wire([decision("run_code", code="made = 1"), finish("done")]) as wire:
        done = run(manager, wire, "make")
    done.journal.unlink()
    with pytest.raises(UserError, match="no record"):
        undo_steps(done, 2, print)
    assert manager.shell.user_ns["made"] == 1
    assert len(done.steps) == 2


def test_what_cannot_be_taken_back_is_named_before_the_rest_is(manager):
    manager.shell.user_ns |= {"mine": [1], "numbers": (n for n in range(9))}
    source = "import subprocess; mine.append(next(numbers)); made = subprocess.run(['true']).returncode"
    with Wire([decision("run_code", code=source), finish("done")]) as wire:
        done = run(manager, wire, "make")
    manager.shell.user_ns["made"] = "mine now"
    told: list[tuple[str, list[int]]] = []

    undo_steps(done, 2, lambda text: told.append((text, list(manager.shell.user_ns["mine"]))))

    (before, then), (after, now) = told
    assert then == [1, 0], "nothing was taken back yet"
    assert before.splitlines() == [
        "What cannot be taken back:",
        "  NOT put back: numbers (a generator cannot be taken back)",
        "  NOT put back: made (you have changed it since, and that stays)",
        "  step 1: started true",
    ]
    assert now == [1]
    assert "put back: mine" in after
    assert "NOT" not in after
    assert manager.shell.user_ns["made"] == "mine now"


def test_an_undo_that_fails_leaves_the_record_free_to_go_on(manager):
    with Wire([decision("run_code", code="made = 1"), finish("1"), finish("2")]) as wire:
        done = run(manager, wire, "make", isolated=True)
        done.workspace.close()
        with pytest.raises(UserError, match="the isolated kernel of this run is gone"):
            undo_steps(done, 1, print)
        assert not in_use(done.journal)
        assert manager.resume(None, {}, note="once more").drive().summary == "2"


@pytest.mark.kernel
def test_a_living_isolated_run_goes_on_as_it_is_set_now_or_says_what_it_cannot_be(manager):
    change = decision("run_code", code="made.append(2)")
    with Wire([decision("run_code", code="made = [1]"), finish("1"), change, finish("2")]) as wire:
        done = run(manager, wire, "make", isolated=True, limits="memory=2")
        for option, message in [
            ({"limits": "memory=3"}, "%agent fork --limits"),
            ({"output_dir": "elsewhere"}, "leave --output-dir out"),
            ({"bring": "numbers"}, "--isolated --with NAMES goal"),
        ]:
            with pytest.raises(UserError, match=message):
                manager.resume(None, option, note="more")
            assert done.workspace.alive
            assert not in_use(done.journal)
        settings = {"limits": "memory=2.0", "output_dir": done.workspace.folder, "undo_memory": "0"}
        again = manager.resume(None, settings, note="more").drive()
    assert again.workspace is done.workspace
    assert "copies for undo may take 0 MB (--undo-memory)" in again.action_results[2].output


def test_the_memory_for_undo_is_a_setting(manager, monkeypatch):
    manager.shell.user_ns["mine"] = [1]
    with Wire([decision("run_code", code="mine.append(2)"), finish("1")] * 2) as wire:
        kept = run(manager, wire, "change")
        none = run(manager, wire, "change", undo_memory="0")
    assert kept.workspace.past.limit == 512 * 2**20
    assert "copies for undo may take 0 MB (--undo-memory)" in none.action_results[0].output
    assert not none.workspace.restore("mine")


def test_a_run_of_the_command_line_goes_on_in_its_own_folder(manager):
    reads = decision("run_code", code="found = open('output.txt').read()")
    with Wire([decision("write_file", filename="output.txt", content="kept"), finish("1"), reads, finish("2")]) as wire:
        options = {"model": "scripted", "base_url": wire.base_url, "verbose": False}
        begun = run_agent("write", max_steps=2, **options)
        again = manager.resume(begun.id, {"max_steps": 9}).drive()
    assert again.status == "finished"
    assert [path.name for path in manager.folder.glob("*.txt")] == [], "it wrote and read in ./output"
    assert manager.shell.user_ns["found"] == "kept"


def test_a_folder_elsewhere_is_worked_in_again_when_it_is_named_again(manager, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with Wire([finish("1"), decision("write_file", filename="again.txt", content="x"), finish("2")]) as wire:
        settings = {"model": "scripted", "base_url": wire.base_url, "verbose": False}
        first = run_agent("once", output_dir=elsewhere, **settings)
        with pytest.raises(UserError, match=r"not inside .*name it again: agentloop resume --output-dir DIR RUN"):
            resume_run(first.id, note="once more", verbose=False)
        with pytest.raises(UserError, match="names the working folder"):
            fork_run(first.id, note="another way", verbose=False)
        resume_run(first.id, note="once more", output_dir=str(elsewhere), verbose=False)
    assert elsewhere.joinpath("again.txt").read_text() == "x"


@pytest.mark.kernel
def test_isolated_runs_are_in_folders_of_their_own_however_that_is_set(manager, tmp_path, monkeypatch):
    monkeypatch.setenv("AGENTLOOP_ISOLATED", "1")
    writes = [decision("write_file", filename=f"{name}.txt", content=name) for name in "ab"]
    with Wire([writes[0], finish("1"), writes[1], finish("2")]) as wire:
        first = run_agent("once", model="scripted", base_url=wire.base_url, verbose=False)
        first.workspace.close()
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")
        resume_run(str(first.journal), note="once more", verbose=False).workspace.close()
    place = tmp_path / ".agentloop" / "isolated" / first.id
    assert (place / "a.txt").is_file()
    assert (place / "b.txt").is_file()
    assert list((tmp_path / "other").iterdir()) == []
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(("command", "word"), [(login, "opnai"), (login, "ollama"), (models, "opnai")])
def test_a_wrong_provider_is_told_before_anything_is_asked(manager, command, word):
    with pytest.raises(UserError, match=f"'{word}'.*openai"):
        command(type("Magics", (), {"manager": manager})(), word)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("sk-good-0123456789abcdef", "the server takes it, and offers 2 models"),
        ("sk-wrong-0123456789abc", "not accepted"),
    ],
)
def test_a_key_is_tried_when_it_is_typed(manager, monkeypatch, capsys, typed, told):
    monkeypatch.setattr("agentloop_nb.notebook.login.getpass", lambda _question: typed)
    monkeypatch.setattr("agentloop_nb.models.keys._remembered", {})
    with Wire(key="sk-good-0123456789abcdef", models=["a", "b"]) as wire:
        monkeypatch.setenv("OPENAI_BASE_URL", wire.base_url)
        login(type("Magics", (), {"manager": manager, "config_values": lambda self: {}})(), "")
    said = capsys.readouterr().out
    assert "kept until this kernel ends" in said
    assert told in said
    assert typed not in said


def test_a_run_whose_panel_cannot_be_drawn_is_carried_out_all_the_same(manager, caplog):
    class Torn(PanelView):
        def open(self):
            raise OSError("no comm")

    with Wire([decision("run_code", code="answer = 42"), finish("Done.")]) as wire:
        launch = manager.begin("goal", manager.settings({"model": "scripted", "base_url": wire.base_url}))
        launch.make_panel = Torn
        run = launch.drive()
    assert (run.status, run.summary) == ("finished", "Done.")
    assert "the run cannot be shown here (OSError('no comm')); %agent show" in caplog.text


def test_undo_and_restore_reach_the_run_that_did_it(manager, capsys):
    manager.shell.user_ns["threshold"] = 5
    magics = type("Magics", (), {"manager": manager})()
    with Wire([decision("run_code", code="threshold = 99"), finish()]) as wire:
        first = run(manager, wire, "raise the threshold")
    with Wire([finish("nothing to do")]) as wire:
        run(manager, wire, "look")
    restore(magics, "threshold")
    assert manager.shell.user_ns["threshold"] == 5
    manager.shell.user_ns["threshold"] = 99
    undo(magics, f"{first.id} 2")
    assert first.steps == []
    with pytest.raises(UserError, match="RUN 2"):
        undo(magics, "one two three")
    with pytest.raises(UserError, match="no run"):
        undo(magics, "nosuch 2")


def test_rates_are_the_configured_models_and_a_table_is_for_all(manager, tmp_path, capsys):
    config = {"model": "mine", "price": "7,8"}
    magics = type("Magics", (), {"manager": manager, "config_values": lambda self: config})()
    with Wire([finish()]) as wire:
        run(manager, wire, "look", price="7,8")
    cost(magics, "--what-if nosuchmodel")
    assert "price of nosuchmodel is unknown" in capsys.readouterr().out
    cost(magics, "--what-if mine")
    assert "The same tokens on mine: $" in capsys.readouterr().out
    table = tmp_path / "prices.toml"
    table.write_text('["*"]\ninput = 9\noutput = 9\n')
    config["price"] = str(table)
    cost(magics, "--what-if nosuchmodel")
    assert "The same tokens on nosuchmodel: $" in capsys.readouterr().out
