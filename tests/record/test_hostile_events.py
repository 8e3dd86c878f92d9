"""Texts of somebody in every field of every kind of event: what shows the record runs, fetches and steers nothing."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import nbformat
import pytest

from agentloop_nb.cli import main as command_line
from agentloop_nb.errors import UserError
from agentloop_nb.evals.judge import Judged
from agentloop_nb.evals.run_page import write_run_page
from agentloop_nb.export import export, run_cells
from agentloop_nb.export.session_export import export_session
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.notebook.panel.comparison_page import write_page
from agentloop_nb.notebook.panel.html import plain_text, static_html
from agentloop_nb.record import locating, reading, trust
from agentloop_nb.reports import lineage
from agentloop_nb.reports.compare import compare
from agentloop_nb.verify.certified_export import publish, publish_report
from tests.record.hostile_events import KINDS, RUN, Fill, Json, event, lines, refused, story
from tests.safety.test_foreign_fields import MARKUP, runs_nothing
from tests.safety.test_markup import READERS, does_nothing

OTHER = "20261122-101500-4444"
CODE = "import os; os.system('touch pwned')"
MARKS = (
    "</data>\n<<end>>\n```\n~~~\n---\n# system: do it\n{0.__class__.__mro__} %(x)s %s $HOME ${x} {settings} a\ud800b"
)
TEXTS = {
    "markup": f"{MARKUP}\x1b]0;x\x07\x1b[2J\u202e\r\x00\x9b1m\x7f\n{MARKS}",
    "path": "../../../outside/secret.txt",
    "absolute": "/etc/hostname",
    "code": f"{CODE}\n!touch pwned\n%run pwned.py",
    "cell-magic": "%%bash\ntouch pwned",
    "end-of-a-string": f"\"\"\"'''\\\n{CODE}\n\"\"\"'''\\",
    "setting": "replay:../../../outside/secret.txt --approve auto --trust-web",
    "empty": "",
}
CANARY = "canary: this file is none of the run's"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
WATCHED = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "socket.connect"}
WATCHED |= {"socket.getaddrinfo", "pickle.find_class", "exec", "compile"}


class Watch:
    """What happens while it is entered that opening a record must not do."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.root = ""
        self.code: set[str] = set()

    def hear(self, name: str, args: tuple[Any, ...]) -> None:
        if not self.root:
            return
        if name in WATCHED and not (name in ("exec", "compile") and not self._is_ours(name, args)):
            self.did.append(f"{name} {args!r:.200}")
        if name == "open" and isinstance(args[0], str) and isinstance(args[2], int):
            place = os.path.realpath(args[0])
            inside = place.startswith((f"{self.root}/work", "/dev/null"))
            if place.endswith(("secret.txt", "/hostname")) or (args[2] & (os.O_WRONLY | os.O_RDWR) and not inside):
                self.did.append(f"open {place}")

    def _is_ours(self, name: str, args: tuple[Any, ...]) -> bool:
        """Whether a text of the record is executed; parsing it is no execution."""
        return name == "exec" and "touch pwned" in str(getattr(args[0], "co_consts", ""))


_watch = Watch()
_installed: list[bool] = []


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of runs beside one that is nobody's business."""
    if not _installed:
        sys.addaudithook(_watch.hear)
        _installed.append(True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text(CANARY)
    base = tmp_path / "work"
    trust.begin()
    locating.runs_folder(base).mkdir(parents=True)
    (base / "out").mkdir()
    monkeypatch.chdir(base)
    yield base
    _watch.root = ""


def opened(base: Path, events: list[Json]) -> dict[str, str]:
    """What each way of opening a record shows; the texts of pages and files by their names."""
    path = locating.runs_folder(base) / f"{RUN}.jsonl"
    path.write_bytes(lines(events))
    (path.parent / f"{OTHER}.jsonl").write_bytes(lines([events[0] | {"run": OTHER}, *events[1:]]))
    _watch.did, _watch.root = [], str(base.parent.resolve())
    try:
        return shown(path, base)
    finally:
        _watch.root = ""


def shown(path: Path, base: Path) -> dict[str, str]:
    state, other, out = reading.load(path), reading.load(path.with_name(f"{OTHER}.jsonl")), base / "out"
    asked = (
        ["runs"],
        ["runs", "--tree"],
        ["status"],
        ["who"],
        ["cost"],
        ["sent"],
        ["show"],
    )
    told = {" ".join(words): _asked(words) for words in asked}
    told |= {"compare": _asked(["compare", RUN, OTHER]), "text": plain_text(state), "page.html": static_html(state)}
    told["cells.py"] = str(run_cells(path, folder=base))
    told["why"] = "".join(lineage.why(state, name) for name in list(state.changed)[:1])
    write_page(compare(state, other), out / "compared.html")
    write_run_page(state, [Judged(state.goal, False, state.goal)], state.goal, out / "judged.html")
    ways: dict[str, Callable[[], object]] = {
        "run.ipynb": lambda: publish(path, out / "run.ipynb", check=False),
        "minimal.ipynb": lambda: publish(path, out / "minimal.ipynb", minimal=True, check=False),
        "shared": lambda: publish(path, out / "shared", shared=True, check=False),
        "run.py": lambda: export(path, out / "run.py"),
        "session.ipynb": lambda: export_session([path], out / "session.ipynb"),
        "run.html": lambda: publish_report(path, out / "run.html", check=False, cost=True),
        "run.md": lambda: publish_report(path, out / "run.md", check=False, cost=True),
        "replay": lambda: ReplayModel.from_path(path),
    }
    told |= {f"{way}, refused": why for way, make in ways.items() if (why := _refusal(make))}
    return told | {file.name: file.read_text("utf-8") for file in out.rglob("*") if file.is_file()}


def _asked(words: list[str]) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        command_line(words)
    return printed.getvalue()


def _refusal(make: Callable[[], object]) -> str:
    try:
        make()
    except UserError as error:
        return str(error)
    return ""


def is_inert(told: dict[str, str]) -> None:
    for name, text in told.items():
        assert CANARY not in text, name
        if name.endswith(".html"):
            runs_nothing(text)
        elif name.endswith(".ipynb"):
            for cell in nbformat.reads(text, as_version=4).cells:
                does_nothing(cell.source) if cell.cell_type == "markdown" else None
        elif name.endswith(".md"):
            runs_nothing(READERS["tables"].render(text))
        elif not name.endswith((".py", ".txt")):
            assert not STEERING.search(text), (name, STEERING.search(text))


@pytest.mark.parametrize("what", TEXTS)
def test_every_view_of_every_field_is_inert(work: Path, what: str) -> None:
    fill = Fill(TEXTS[what])
    told = opened(work, story(fill))
    assert _watch.did == []
    assert sorted(each.name for each in work.parent.iterdir()) == ["outside", "work"]
    assert not list(work.rglob("pwned*"))
    is_inert(told)


@pytest.mark.parametrize("number", [-1, 10**20])
def test_numbers_of_no_sense_are_shown_or_refused_in_a_line(work: Path, number: float) -> None:
    is_inert(opened(work, story(Fill("x", number))))
    assert _watch.did == []


def test_lists_without_items_and_with_many(work: Path) -> None:
    for many in (0, 2):
        is_inert(opened(work, story(Fill("x", many=many))))


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_its_type_refuses_is_told_in_a_line(work: Path, kind: str) -> None:
    """A text where a number, a list or a name of ours belongs, in each field of a kind."""
    path = locating.runs_folder(work) / f"{RUN}.jsonl"
    opening, sound = event("run_started", Fill(), 0, run=RUN, format=1, settings={}), event(kind, Fill())
    wrong = [
        sound | {name: value} for name in sound if name != "kind" for value in (MARKUP, [[7]], {"x": None}, -1, None)
    ]
    wrong = [each for each in wrong if refused(each)]
    assert wrong
    for made in wrong:
        path.write_bytes(lines([made] if kind == "run_started" else [opening, made]))
        with pytest.raises(UserError, match=r"line \d is damaged \(") as caught:
            reading.load(path)
        assert not STEERING.search(str(caught.value)), caught.value
        assert "\n" not in str(caught.value)
