"""The export: what is told, what is brought along, what is kept out."""

from __future__ import annotations

import ast
import getpass
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from agentloop_nb._internal.markup import harmless
from agentloop_nb.actions import ActionResult
from agentloop_nb.errors import UserError
from agentloop_nb.events import ApprovalAsked, ApprovalGiven, RunFinished
from agentloop_nb.export import export
from agentloop_nb.export.formats import script
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.record.replay_data import recorded
from agentloop_nb.state import fold
from tests.record.made import counting, finished, printed, started, step

BAD = "<script>alert(1)</script>"


def exported(tmp_path: Path, events, **options) -> dict:
    path = export(events, tmp_path / "run.ipynb", folder=tmp_path, **options)
    nbformat.validate(nbformat.read(path, as_version=4))
    return json.loads(path.read_text())


def sources(notebook: dict, kind: str = "code") -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def error(name: str, message: str) -> ActionResult:
    output = {"output_type": "error", "ename": name, "evalue": message, "traceback": [f"{name}: {message}"]}
    return ActionResult(success=False, output="", error=f"{name}: {message}", outputs=(output,))


def shown(code: str, *, reads: tuple[str, ...] = (), writes: tuple[str, ...] = ()) -> ActionResult:
    made = printed(f"{code}\n")
    return made.with_effects(files_read=reads, files_written=writes)


def brought(**metadata) -> ActionResult:
    return ActionResult(success=True, output="", metadata=metadata)


def test_the_whole_story_is_told_in_order_and_twice_the_same(tmp_path):
    notebook = exported(tmp_path, counting())
    assert [cell["id"] for cell in notebook["cells"]] == [
        *("goal", "step-1-why", "step-1-code", "step-2-why", "step-2-code", "step-3-why", "step-3-markdown"),
    ]
    assert sources(notebook) == ["print(1)", "print(2)"]
    assert [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"] == [1, 2]
    first = (tmp_path / "run.ipynb").read_bytes()
    exported(tmp_path, counting())
    assert (tmp_path / "run.ipynb").read_bytes() == first


def test_the_outputs_of_a_failed_step_are_folded_and_told_above(tmp_path):
    failed = step(1, "run_code", error("KeyError", "'Region'"), code="table['Region']")
    notebook = exported(
        tmp_path, [started(), *failed, *step(2, "run_code", printed("1\n"), code="print(1)"), *finished(3)]
    )
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    assert cells["step-1-code"]["metadata"]["jupyter"] == {"outputs_hidden": True}
    assert cells["step-1-code"]["outputs"][0]["ename"] == "KeyError"
    told = "".join(cells["step-1-why"]["source"])
    assert "*This step failed, and its outputs are folded:* KeyError: 'Region'" in told
    assert "jupyter" not in cells["step-2-code"]["metadata"]
    assert "failed" not in "".join(cells["step-2-why"]["source"])


def test_what_cannot_be_run_again_is_only_shown(tmp_path):
    refused = step(1, "run_code", ActionResult(success=False, output="no", error="refused"), code="danger()")
    refused[3:4] = [ApprovalAsked(step=1), ApprovalGiven(step=1, approved=False)]
    stopped = ActionResult(success=False, output="", error="TimeoutError: stopped after 30 s")
    killed = step(3, "run_code", printed(""), code="unfinished()")[:-1]
    notebook = exported(
        tmp_path,
        [
            started(),
            *refused,
            *step(2, "run_code", stopped, code="while True: pass"),
            *killed,
            RunFinished(step=3, status="stopped", reason="stopped by the user"),
        ],
    )
    assert sources(notebook) == []
    told = "\n".join(sources(notebook, "markdown"))
    for part in (
        "danger()",
        "It was refused",
        "while True: pass",
        "unfinished()",
        "The kernel died",
        "stopped by the user",
    ):
        assert part in told


def test_earlier_cells_that_are_needed_come_along_and_no_others(tmp_path):
    cells = (
        "%load_ext agentloop_nb",
        "import pandas as pd",
        "other = 3",
        "df = pd.DataFrame({'a': [1]})",
        "df['b'] = 2",
        "from agentloop_nb import run_agent\nrun = run_agent('x')\nk = 4",
        "%%agent something",
    )
    events = [started(cells=cells), *step(1, "run_code", printed("x"), code="df.sum() + k"), *finished(2)]
    assert sources(exported(tmp_path, events)) == [
        *("import pandas as pd", "df = pd.DataFrame({'a': [1]})", "df['b'] = 2", "k = 4", "df.sum() + k"),
    ]


def test_names_that_no_cell_makes_become_parameters(tmp_path):
    events = [started(), *step(1, "run_code", printed("x"), code="from_nowhere + 1"), *finished(2)]
    notebook = exported(tmp_path, events)
    assert notebook["cells"][1]["metadata"]["tags"] == ["parameters", "nbval-ignore-output"]
    assert "# from_nowhere = ..." in sources(notebook)[0]


def test_inputs_are_what_was_read_before_it_was_written_and_they_travel(tmp_path):
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    (work / "in.csv").write_text("1,2\n")
    (work / "made.csv").write_text("3\n")
    events = [
        started(),
        *step(1, "run_code", shown("a", reads=("in.csv", "../../etc/passwd", "/etc/hostname")), code="a"),
        *step(2, "run_code", shown("b", writes=("made.csv",)), code="b"),
        *step(3, "run_code", shown("c", reads=("made.csv",)), code="c"),
        *finished(4),
    ]
    path = export(events, out / "run.ipynb", folder=work)
    listed = json.loads(path.read_text())["metadata"]["agentloop"]["inputs"]
    assert [file["path"] for file in listed] == ["in.csv"]
    assert sorted(file.name for file in out.iterdir()) == ["in.csv", "run.ipynb"]


def test_a_minimal_export_leaves_dead_ends_and_failures_out(tmp_path):
    events = [
        started(),
        *step(1, "run_code", error("ZeroDivisionError", "division by zero"), code="1/0"),
        *step(2, "run_code", ActionResult(success=True, output=""), code="base = 2"),
        *step(3, "run_code", printed("7\n"), code="dead = 7\nprint(dead)"),
        *step(4, "run_code", shown("w", reads=(), writes=("t.txt",)), code="open('t.txt', 'w').write(str(base))"),
        *step(5, "run_code", shown("r", reads=("t.txt",)), code="print(open('t.txt').read())"),
        *finished(6),
    ]
    kept = [cell["id"] for cell in exported(tmp_path, events, minimal=True)["cells"] if cell["cell_type"] == "code"]
    assert kept == ["step-2-code", "step-4-code", "step-5-code"]


def test_neither_secret_nor_path_nor_user_leaves(tmp_path, monkeypatch):
    folder = tmp_path / "ada" / "project"
    folder.mkdir(parents=True)
    secret = "sk-proj-8fJ2kd02LxQpZ81mmVvR3tYw"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    monkeypatch.setenv("HOME", str(tmp_path / "ada"))
    monkeypatch.setattr(getpass, "getuser", lambda: "ada.lovelace")
    text = f"{secret} {folder}/data.csv {tmp_path}/ada/.cache /home/grace/x C:\\Users\\grace\\y ada.lovelace"
    output = {
        "output_type": "execute_result",
        "data": {"text/plain": text, "text/html": f"<p>{text}</p>"},
        "metadata": {},
    }
    result = ActionResult(success=False, output=text, error=text, outputs=(output, *error("E", text).outputs))
    code = f"open('{folder}/data.csv'); key = '{secret}'"
    page = ActionResult(
        success=True, output=text, metadata={"page": {"url": "https://a.org", "text": text, "title": text}}
    )
    events = [
        started(goal=f"Use {text}"),
        *step(1, "run_code", result, code=code),
        *step(2, "read_url", page, url="https://a.org"),
        *step(3, "write_file", ActionResult(success=False, output=text, error=text), filename="x.md", content=text),
        *finished(4, summary=text),
    ]
    for name in ("run.ipynb", "run.py", "run.html"):
        leaves = export(events, folder / name, folder=folder).read_text()
        for canary in (secret, str(tmp_path), "grace", "lovelace"):
            assert canary not in leaves, (name, canary)
    assert "open('data.csv')" in (folder / "run.py").read_text()


def test_what_the_web_and_the_model_wrote_is_text_and_loads_nothing(tmp_path):
    nasty = f"{BAD} ![x](https://t.example/p.png) [y](javascript:alert(1)) <img src=x onerror=alert(1)> ```\n{BAD}"
    page = ActionResult(
        success=True, output="", metadata={"page": {"url": f"https://a.org/{BAD}", "title": BAD, "text": nasty}}
    )
    hits = ActionResult(
        success=True, output="", metadata={"hits": [{"title": nasty, "url": "javascript:alert(1)", "snippet": nasty}]}
    )
    events = [
        started(goal=f"{BAD}\n{nasty}"),
        *step(1, "read_url", page, url="https://a.org"),
        *step(2, "search_web", hits, query=nasty),
        *finished(3, summary=nasty),
    ]
    told = "\n".join(sources(exported(tmp_path, events), "markdown"))
    assert "<script" not in told.replace(f"```\n{BAD}", "")
    assert "<img" not in told
    assert "![" not in told
    assert not re.search(r"(?<!\\)\]\(javascript", told)  # a bracket that is escaped makes no link


@pytest.mark.parametrize("fields", [{}, {"minimal": True}])
def test_an_export_replays_the_same_decisions(tmp_path, fields):
    path = export(counting(), tmp_path / "run.ipynb", **fields)
    decisions = [each.decision for each in recorded(fold(counting()).steps)]
    replayed = [each.decision for each in ReplayModel.from_path(path).decisions]
    assert replayed == decisions[-len(replayed) :]


def test_a_script_runs_without_ipython_and_leaves_failures_out(tmp_path):
    events = [
        started(cells=("base = 20",)),
        *step(1, "run_code", error("ZeroDivisionError", "division by zero"), code="1/0"),
        *step(2, "run_code", printed(""), code="%matplotlib inline\n!ls\nprint(base + 1)"),
        *step(3, "run_code", printed(""), code="%%bash\nls"),
        *finished(4),
    ]
    path = export(events, tmp_path / "run.py")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    assert done.stdout == "21\n"


AWAITING = [
    'import asyncio\nqueue, text = asyncio.Queue(), """two\nlines"""\n%matplotlib inline\nawait queue.put(7)',
    "async def double(n):\n    await asyncio.sleep(0)\n    return 2 * n\nbase = [await queue.get()]",
    "for n in base:\n    found = await asyncio.gather(double(n), double(1))\nprint(found, text.split(), n)",
    "async def double_all():\n    yield await double(2)",
    "print([n async for n in double_all()] == [4])",
]


def test_cells_that_await_run_in_a_script_on_one_loop_and_keep_their_names(tmp_path):
    steps = [step(number, "run_code", printed(""), code=code) for number, code in enumerate(AWAITING, 1)]
    path = export([started(), *(event for each in steps for event in each), *finished(6)], tmp_path / "run.py")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[14, 2] ['two', 'lines'] 7\nTrue\n", "")
    assert "in IPython: %matplotlib inline" in path.read_text()


def test_other_formats_and_places_are_told_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"name it run\.ipynb"):
        export(counting(), tmp_path / "run.docx")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        export(counting(), tmp_path / "file" / "run.ipynb")


def test_a_forged_record_can_name_no_file_outside(tmp_path):
    forged = ActionResult(
        success=True, output="", metadata={"file": {"path": "../../evil.sh"}, "read": [3, None, "../x"]}
    )
    events = [started(), *step(1, "write_file", forged, filename="../../evil.sh", content="rm"), *finished(2)]
    notebook = exported(tmp_path, events)
    assert notebook["metadata"]["agentloop"]["inputs"] == []
    assert sources(notebook) == []


def test_a_magic_with_a_null_byte_leaves_a_script_that_python_reads() -> None:
    cell = {"cell_type": "code", "source": "!echo a\0b\nx = 1", "metadata": {}}
    assert len(ast.parse(script({"cells": [cell]})).body) == 2


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_a_line_end_of_any_kind_ends_no_comment_of_a_script(end: str) -> None:
    prose = {"cell_type": "markdown", "source": f"All is well.{end}import os; os.abort()", "metadata": {}}
    assert ast.parse(script({"cells": [prose]})).body == []


@pytest.mark.parametrize(
    "text",
    [
        "![![a](https://evil.invalid/x.png)](b.png)",
        "![`a`](https://evil.invalid/x.png)",
        "![a][r]\n\n[r]: https://evil.invalid/x.png",
        "\\`<img src=https://evil.invalid/x.png>\\`",
        "a ``` b\n\n<img src=https://evil.invalid/x.png>\n\n![x](https://evil.invalid/x.png) ``` c",
    ],
)
def test_no_picture_is_fetched_by_looking_at_an_export(text: str) -> None:
    from markdown_it import MarkdownIt

    shown = MarkdownIt("commonmark", {"html": True}).render(harmless(text))
    assert not re.search(r"<img[^>]*(//|evil)", shown), shown
    assert MarkdownIt("commonmark").render(harmless("![plot](figures/plot.png)")).startswith('<p><img src="figures/')


def test_a_report_fetches_nothing(tmp_path):
    events = [started(), *step(1, "run_code", printed("1\n"), code="print(1)"), *finished(2)]
    page = export(events, tmp_path / "run.html", folder=tmp_path).read_text()
    assert "print" in page
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
