"""The extension in a real IPython shell: what loading adds, what unloading takes away, what the transformer makes."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from agentloop_nb import run_agent
from agentloop_nb.command_table import available
from agentloop_nb.errors import UserError
from agentloop_nb.notebook.commands import COMMANDS
from agentloop_nb.notebook.magic import AWAITED
from agentloop_nb.notebook.run_manager import run_manager_of
from agentloop_nb.settings import Settings
from agentloop_nb.settings.table import TABLE


@pytest.fixture
def shell():
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "agentloop_nb")
    yield shell
    shell.history_manager.end_session()


def call(shell, source: str) -> tuple[str, list[str]]:
    """What a cell is turned into: what stands before the call, and the call's arguments."""
    transformed = shell.transform_cell(source).strip()
    node = ast.parse(transformed, mode="eval").body
    prefix = "await" if isinstance(node, ast.Await) else ""
    arguments = (node.value if isinstance(node, ast.Await) else node).args
    return prefix, [ast.literal_eval(argument) for argument in arguments]


def test_a_goal_is_awaited_verbatim(shell):
    assert call(shell, "%%agent -n 3\nSay {x} and $y\n  indented\n") == (
        "await",
        ["agent", AWAITED + "-n 3", "Say {x} and $y\n  indented\n"],
    )


@pytest.mark.parametrize("line", ["resume -- why?", "fork --at 2 -- what now??", "retry can it be `x`?  "])
def test_a_note_may_be_a_question(shell, line):
    prefix, arguments = call(shell, f"%agent {line}\n")
    assert (prefix, arguments) == ("await", ["agent", AWAITED + line.rstrip()])


@pytest.mark.parametrize(
    "cell", ["%agent?", "%agent ?", "s = '''\n%agent resume -- why?\n'''", "%%agent\n%agent why?\n"]
)
def test_help_and_texts_of_others_stay_as_they_are(shell, cell):
    made = shell.transform_cell(cell)
    assert "run_line_magic('agent', 'resume" not in made
    assert "run_line_magic('agent', 'why" not in made


def test_a_goal_on_the_first_line_needs_no_body(shell):
    prefix, arguments = call(shell, "%%agent plot it -x   please")
    assert (prefix, arguments[1]) == ("await", AWAITED + "plot it -x   please")
    assert arguments[2].strip() == ""
    assert arguments[2], "IPython refuses a cell magic whose body is empty"


def test_where_nobody_awaits_the_call_is_synchronous(shell):
    with shell.display_trap:
        assert call(shell, "%%agent goal")[0] == ""
    shell.run_line_magic("autoawait", "False")
    assert call(shell, "%%agent goal")[0] == ""


def test_resume_is_awaited_and_other_lines_are_not(shell):
    assert call(shell, "%agent resume -- go on") == ("await", ["agent", AWAITED + "resume -- go on"])
    assert call(shell, "%agent runs") == ("", ["agent", "runs"])


def test_other_cells_are_left_alone(shell):
    for source in ("1 + 1\n", "%%bash\necho agent\n", "x = '%%agent'\n", "%agent runs\nprint(1)\n"):
        assert AWAITED not in shell.transform_cell(source)


def test_loading_twice_changes_nothing_and_unloading_takes_everything_away(shell):
    before = len(shell.input_transformers_post), len(shell.configurables)
    shell.run_line_magic("reload_ext", "agentloop_nb")
    assert (len(shell.input_transformers_post), len(shell.configurables)) == before
    shell.run_line_magic("unload_ext", "agentloop_nb")
    assert shell.find_cell_magic("agent") is None
    assert shell.find_line_magic("agent") is None
    assert AWAITED not in shell.transform_cell("%%agent goal")
    assert not any(type(each).__name__ == "AgentMagics" for each in shell.configurables)
    shell.run_line_magic("load_ext", "agentloop_nb")
    assert shell.find_cell_magic("agent") is not None


def test_another_extensions_magic_is_replaced_with_a_word_and_given_back(capsys):
    shell = InteractiveShell()
    shell.register_magic_function(lambda line, cell: "theirs", "cell", "agent")
    shell.run_line_magic("load_ext", "agentloop_nb")
    assert "%unload_ext agentloop_nb gives it back" in capsys.readouterr().out
    shell.run_line_magic("unload_ext", "agentloop_nb")
    assert shell.run_cell_magic("agent", "", "goal") == "theirs"


def test_settings_are_configurable_and_hold_no_key(shell, capsys):
    shell.run_line_magic("config", "AgentMagics.max_steps = 7")
    magics = shell.magics_manager.registry["AgentMagics"]
    assert magics.config_values()["max_steps"] == 7
    assert magics.manager.settings({}, magics.config_values()).max_steps == 7
    assert magics.manager.settings({"max_steps": "9"}, magics.config_values()).max_steps == 9, "an option wins"
    assert not [name for name in magics.trait_names(config=True) if "key" in name]


def test_the_options_are_documented(shell, capsys):
    shell.run_cell("%%agent?")
    assert "--budget USD" in capsys.readouterr().out


def test_loading_imports_nothing_heavy():
    heavy = "openai pydantic anywidget ipywidgets rich httpx2 trafilatura ddgs nbclient"
    program = (
        "import sys\nfrom IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell()\n"
        "shell.run_line_magic('load_ext', 'agentloop_nb')\n"
        f"print(sorted(set({heavy!r}.split()) & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("line", "offered", "kept_out"),
    [
        ("%agent ", "resume", "abs"),
        ("%agent ru", "runs", "run_cell"),
        ("%agent export --m", "--minimal", "--model"),
        ("%agent export --s", "--share", "--strict"),
        ("%agent help ver", "verify", "vars"),
        ("%agent show 2026", "20260101-000000-aaaa", ""),
        ("%agent resume ", "20260101-000000-aaaa", "abs"),
        ("%agent models oll", "ollama:", "openai:"),
        ("%%agent --pri", "--privacy", "print"),
        ("%%agent --strict -m ol", "ollama:", "openai:"),
        ("%%agent --privacy ", "schema", "abs"),
        ("%%agent -n 5 --strict --ap", "--approve", "--at"),
    ],
)
def test_tab_offers_what_may_stand_there(shell, tmp_path, monkeypatch, line, offered, kept_out):
    (tmp_path / ".agentloop" / "runs").mkdir(parents=True)
    (tmp_path / ".agentloop" / "runs" / "20260101-000000-aaaa.jsonl").write_text("")
    monkeypatch.chdir(tmp_path)
    with provisionalcompleter():
        found = [each.text for each in shell.Completer.completions(line, len(line))]
    assert offered in found
    assert kept_out not in found


def test_tab_is_python_everywhere_else(shell):
    with provisionalcompleter():
        for line in ("impo", "%%agent plot impo", "x = '%agent ru"):
            found = [each.text for each in shell.Completer.completions(line, len(line))]
            assert not {"runs", "--model"} & set(found)
        assert "import" in [each.text for each in shell.Completer.completions("impo", 4)]


@pytest.mark.parametrize("name", available("notebook"))
def test_every_command_has_its_help_in_a_notebook(shell, capsys, name):
    for line in (f"help {name}", f"{name} --help"):
        shell.run_cell(f"%agent {line}")
        assert capsys.readouterr().out.startswith(f"%agent {name}")
    assert name in COMMANDS


def test_a_command_that_lives_elsewhere_says_so(shell):
    assert set(COMMANDS) == set(available("notebook"))
    for line, says in (("demo", "%%agent -m demo"), ("app", "!agentloop app"), ("verfy", "did you mean %agent verify")):
        with pytest.raises(UserError, match=says):
            shell.run_line_magic("agent", line)


def test_every_setting_has_a_trait_and_no_trait_is_without(shell):
    magics = shell.magics_manager.registry["AgentMagics"]
    assert set(magics.config_values()) == set(TABLE) == set(Settings.__dataclass_fields__)
    assert not any(value is not None for value in magics.config_values().values())
    for name, row in TABLE.items():
        given = {"whole": int, "number": float, "switch": lambda _: True}.get(row.kind.name, str)(row.example)
        setattr(magics, name, given)
        settings = magics.manager.settings({}, magics.config_values())
        assert getattr(settings, name) == row.kind.convert(given)
        setattr(magics, name, None)


def test_reloading_keeps_the_runs_of_the_kernel_and_the_api_shares_them(shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(InteractiveShell, "_instance", shell)
    run = run_agent("once", model="demo", verbose=False, output_dir="made")
    magics = shell.magics_manager.registry["AgentMagics"]
    assert magics.manager.runs == [run], "%agent and undo know a run with a folder of its own"
    assert run.workspace.folder == tmp_path / "made"
    shell.run_line_magic("reload_ext", "agentloop_nb")
    assert shell.magics_manager.registry["AgentMagics"].manager.runs == [run]
    shell.run_line_magic("unload_ext", "agentloop_nb")
    again = run_agent("twice", model="demo", verbose=False)
    assert run_manager_of(shell).runs == [run, again], "without %load_ext as well"
    assert again.workspace.earlier[0][0] == "once"
