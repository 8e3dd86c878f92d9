"""The verdict: what was changed is noticed, what is missing is named; the fresh kernel has no key and no network."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpec

from agentloop_nb import cli
from agentloop_nb.actions import ActionResult
from agentloop_nb.errors import UserError
from agentloop_nb.export import export
from agentloop_nb.record import journal
from agentloop_nb.verify import kernel_run, verify
from agentloop_nb.verify.certify import Certifier
from tests.record.made import finished, printed, started, step

pytestmark = pytest.mark.kernel

STRIDE = int(os.environ.get("BYTE_STRIDE", "3"))
"""Of the bytes of a sealed notebook, every third is changed; `BYTE_STRIDE=1` tries each."""


def ran(tmp_path: Path, *codes: str, results: list[ActionResult] | None = None) -> Path:
    """A notebook of a run whose steps printed what `results` say (default: nothing)."""
    results = results or [ActionResult(success=True, output="") for _ in codes]
    steps = [
        event
        for number, code in enumerate(codes, 1)
        for event in step(number, "run_code", results[number - 1], code=code)
    ]
    return export([started(), *steps, *finished(len(codes) + 1)], tmp_path / "run.ipynb", folder=tmp_path)


def changed(path: Path, change) -> Path:
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))
    return path


def test_a_sound_notebook_carries_its_verdict_and_passes_nbval_strictly(tmp_path):
    path = ran(tmp_path, "print('one')", "object()", results=[printed("one\n"), shown("<object at 0x7f0000000000>")])
    verdict = verify(path)
    assert (verdict.ok, verdict.checked) == (True, 2)
    ours = json.loads(path.read_text())["metadata"]["agentloop"]
    assert ours["verdict"]["text"] == verdict.text
    assert "Verification" in "".join(json.loads(path.read_text())["cells"][-1]["source"])
    nbval = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, path]
    done = subprocess.run(nbval, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout

    before = path.read_bytes()
    assert verify(path) == verdict
    assert path.read_bytes() == before, "a check changes nothing"


def shown(text: str) -> ActionResult:
    output = {"output_type": "execute_result", "data": {"text/plain": text}, "metadata": {}, "execution_count": 1}
    return ActionResult(success=True, output=text, outputs=(output,))


def test_any_change_in_a_certified_part_is_noticed(tmp_path):
    path = ran(tmp_path, "x = 1\nprint(x)", "x", results=[printed("1\n"), shown("1")])
    assert verify(path).ok
    whole = json.loads(path.read_text())
    places = list(leaves({"cells": whole["cells"], "agentloop": whole["metadata"]["agentloop"]}))
    certified = [place for place in places if place[-1] != "execution_count"]
    assert len(certified) > 60
    for place in certified:
        path.write_text(json.dumps(altered(whole, place)))
        try:
            assert not verify(path).ok, place
        except UserError:
            continue  # so damaged that it is no exported notebook any more
    path.write_text(json.dumps(whole))
    assert verify(path).ok


def leaves(value, place=()):
    """The places of all strings, numbers and flags of a JSON value."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*place, key))
    elif value is not None:
        yield place


def altered(whole: dict, place: tuple) -> dict:
    copy = json.loads(json.dumps(whole))
    holder = copy if place[0] == "cells" else copy["metadata"]
    for key in place[:-1]:
        holder = holder[key]
    value = holder[place[-1]]
    holder[place[-1]] = (
        (value[:-1] + ("y" if value[-1:] == "x" else "x")) if isinstance(value, str) else (not value or value + 1)
    )
    return copy


def certified_parts(notebook: dict) -> str:
    """What the seal is over. Counts, the kernel's name and the state of a front end are not."""
    cells = [
        {
            "type": cell["cell_type"],
            "id": cell["id"],
            "source": "".join(cell["source"]),
            "tags": cell["metadata"].get("tags", []),
            "agentloop": cell["metadata"].get("agentloop", {}),
            "outputs": [{**out, "execution_count": None} for out in cell.get("outputs", ())],
        }
        for cell in notebook["cells"]
    ]
    return json.dumps([cells, notebook["metadata"]["agentloop"]], sort_keys=True)


def test_every_single_byte_of_a_certified_part_counts(tmp_path, monkeypatch):
    """Bytes of the file in turn become others; no kernel is started, so what is not noticed fails at once."""
    failure = ActionResult(success=False, output="", outputs=({**ERROR},))
    path = ran(tmp_path, "# Ä\nx = 1\nprint(x)", "x", "1 / 0", results=[printed("1\n"), shown("1"), failure])
    assert verify(path).ok
    whole = path.read_bytes()
    parts = certified_parts(json.loads(whole))
    monkeypatch.setattr(Certifier, "_run", lambda self: pytest.fail("the change was not noticed"))
    chance = random.Random(7)
    counted = 0
    for place in range(0, len(whole), STRIDE):
        other = bytes([chance.choice([byte for byte in b'x7"{,\\ \n' if byte != whole[place]])])
        path.write_bytes(whole[:place] + other + whole[place + 1 :])
        try:
            if certified_parts(json.loads(path.read_bytes())) == parts:
                continue  # a space between values, a count, the kernel's name
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        counted += 1
        with contextlib.suppress(UserError):
            assert not verify(path).ok, (place, whole[place - 40 : place + 40])
    assert counted > len(whole) // STRIDE // 2


def test_a_seal_cannot_be_taken_off(tmp_path):
    path = ran(tmp_path, "print('one')", results=[printed("one\n")])
    assert verify(path).ok
    verdict = verify(changed(path, lambda notebook: notebook["metadata"]["agentloop"].pop("seal")))
    assert verdict.text == "Not reproduced: the seal was taken off or changed"


ERROR = {
    "output_type": "error",
    "ename": "ZeroDivisionError",
    "evalue": "division by zero",
    "traceback": ["ZeroDivisionError: division by zero"],
}


def test_what_a_full_record_did_not_keep_is_named_and_not_compared(tmp_path):
    record = journal.Journal.create(tmp_path, "20261122-101500-3fa2", limit=2_000, warn=lambda told: None)
    long = "".join(f"{number}\n" for number in range(5_000))
    steps = [
        *step(1, "run_code", printed(long), code="for n in range(5_000):\n    print(n)"),
        *step(2, "run_code", printed("1\n"), code="print(1)"),
    ]
    for event in [started(), *steps, *finished(3)]:
        record.append(event)
    record.close()
    path = export(record.path, tmp_path / "run.ipynb")
    verdict = verify(path)
    assert verdict.ok
    assert verdict.checked == 1
    why = "the record was full, and 21,890 characters of its outputs were not kept"
    assert verdict.unchecked == {"step-1-code": why}
    assert why in path.read_text(), "the notebook says so itself"


def test_an_output_with_a_masked_secret_is_exempt_for_that_reason(tmp_path):
    shown_masked = [printed("the token is [secret masked]\n"), printed("plain\n")]
    path = ran(tmp_path, "print('the token is', 'another-one')", "print('plain')", results=shown_masked)
    cell = next(each for each in json.loads(path.read_text())["cells"] if each["id"] == "step-1-code")
    assert cell["metadata"]["tags"] == ["nbval-ignore-output"]
    verdict = verify(path)
    assert (verdict.ok, verdict.checked) == (True, 1)
    assert verdict.unchecked == {"step-1-code": "a secret in its output was masked"}
    assert 'In[1], "because of 1" (a secret in its output was masked)' in "".join(
        json.loads(path.read_text())["cells"][-1]["source"]
    )


def test_an_added_a_removed_and_a_moved_cell_are_noticed(tmp_path):
    path = ran(tmp_path, "a = 1", "b = 2")
    assert verify(path).ok
    whole = path.read_text()
    for change in (
        lambda nb: nb["cells"].insert(1, {"cell_type": "raw", "id": "new", "metadata": {}, "source": ""}),
        lambda nb: nb["cells"].pop(1),
        lambda nb: nb["cells"].reverse(),
    ):
        path.write_text(whole)
        assert not verify(changed(path, change)).ok


def test_the_fresh_kernel_has_no_key_no_network_no_home_and_not_this_package(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-8fJ2kd02LxQpZ81mmVvR3tYw")
    monkeypatch.setenv("MY_OWN_SETTING", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").write_text("")
    probe = """
import os, socket, pathlib
found = [name for name in os.environ if 'KEY' in name or name == 'MY_OWN_SETTING']
try:
    socket.create_connection(('192.0.2.1', 80), timeout=3)
except OSError as error:
    found.append(type(error).__name__)
try:
    import agentloop_nb
except ImportError:
    found.append('not installed')
found.append((pathlib.Path.home() / 'mine').exists())
print(found)
"""
    verdict = verify(ran(tmp_path, probe, results=[printed("['ConnectionError', 'not installed', False]\n")]))
    assert verdict.ok, verdict.text


def test_a_notebook_that_needs_the_network_is_red_even_on_loopback(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = f"import urllib.request\nprint(urllib.request.urlopen('http://127.0.0.1:{server.server_port}/').status)"
    verdict = verify(ran(tmp_path, code, results=[printed("200\n")]))
    server.shutdown()
    assert not verdict.ok
    assert verdict.cell == "step-1-code"
    assert "network" in verdict.cause


def test_a_server_of_the_notebooks_own_is_no_network(tmp_path):
    code = """
import http.server, threading, urllib.request
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(urllib.request.urlopen(f'http://127.0.0.1:{server.server_port}/').status)
server.shutdown()
"""
    assert verify(ran(tmp_path, code, results=[printed("200\n")])).ok


def test_a_dying_kernel_and_an_endless_cell_are_red(tmp_path):
    verdict = verify(ran(tmp_path, "import os\nos._exit(3)"))
    assert (verdict.cell, verdict.cause) == ("step-1-code", "the kernel died")
    verdict = verify(ran(tmp_path, "while True:\n    pass"), timeout=2)
    assert (verdict.cell, verdict.cause) == ("step-1-code", "it took longer than 2 s")


async def test_it_works_inside_a_running_event_loop(tmp_path):
    path = ran(tmp_path, "print('x')", results=[printed("x\n")])
    await asyncio.sleep(0)
    assert verify(path).ok


def forge(**fields):
    return lambda nb: nb["metadata"]["agentloop"].update(fields)


@pytest.mark.parametrize(
    "change",
    [
        forge(inputs=[{"path": "../../etc/passwd", "sha256": None}]),
        forge(inputs=[{"path": "/etc/passwd", "sha256": "0" * 64}]),
        forge(inputs=[{"path": "C:\\x", "sha256": None}]),
        forge(inputs=[{"path": 7}]),
        forge(inputs="__import__('os')"),
        forge(inputs=None),
        forge(format=99),
        forge(format="1"),
        forge(packages=[]),
        forge(versions={}),
        forge(seeds="x"),
        forge(seal="x"),
        forge(seal={"cells": 3}),
        forge(seal={"cells": [["goal", "0"]], "metadata": "0"}),
        lambda nb: nb["metadata"].update(agentloop=None),
        lambda nb: nb["metadata"].update(agentloop=[1]),
        lambda nb: nb["metadata"].pop("agentloop"),
        lambda nb: nb.pop("cells"),
        lambda nb: nb["cells"].append({"cell_type": "code"}),
        lambda nb: nb["cells"].append("x"),
        lambda nb: nb.update(nbformat=99),
        lambda nb: nb["cells"][0].update(id="../../x"),
    ],
)
def test_a_forged_notebook_is_refused_before_anything_runs(tmp_path, change):
    path = changed(ran(tmp_path, "open('ran.txt', 'w').write('x')"), change)
    try:
        told = verify(path).text
    except UserError as error:
        told = str(error)
    assert "Reproduced" not in told
    assert "\n" not in told
    assert not (tmp_path / "ran.txt").exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}", b"[]", b'{"cells": ' * 50_000, b"\x80\x04\x95pickle."])
def test_a_file_that_is_no_notebook_is_one_clear_line(tmp_path, content):
    path = tmp_path / "x.ipynb"
    path.write_bytes(content)
    with pytest.raises(UserError) as told:
        verify(path)
    assert "\n" not in str(told.value)


def test_an_input_that_is_a_link_out_of_the_folder_is_missing(tmp_path):
    (tmp_path / "secret.txt").write_text("mine")
    work = tmp_path / "work"
    work.mkdir()
    (work / "in.txt").symlink_to(tmp_path / "secret.txt")
    result = printed("mine\n").with_effects(files_read=("in.txt",))
    events = [started(), *step(1, "run_code", result, code="print(open('in.txt').read())"), *finished(2)]
    verdict = verify(export(events, work / "run.ipynb", folder=work))
    assert not verdict.ok
    assert "'in.txt' is missing" in verdict.cause


def test_an_interrupt_ends_it_at_once_and_leaves_nothing_behind(tmp_path):
    path = ran(tmp_path, "open('began', 'w').close()\nimport time\ntime.sleep(100)")
    command = [sys.executable, "-m", "agentloop_nb", "verify", str(path)]
    with subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)}, start_new_session=True) as process:
        for _ in range(600):
            if list(tmp_path.glob("agentloop-verify-*/up/**/began")):
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) != 0, "well before the cell would have ended"
    assert not list(tmp_path.glob("agentloop-verify-*"))


def test_a_verification_beside_the_loop_can_be_stopped(tmp_path):
    path = ran(tmp_path, "import time\ntime.sleep(100)")
    with ThreadPoolExecutor() as pool:
        work = pool.submit(verify, path)
        while not kernel_run._RUNNING:
            time.sleep(0.05)
        kernel_run.stop()
        with pytest.raises(asyncio.CancelledError):
            work.result(timeout=30)


@pytest.mark.parametrize(
    ("code", "told"), [("raise SystemExit(3)", "died"), ("import time\ntime.sleep(60)", "respond")]
)
def test_a_kernel_that_does_not_start_is_told_in_a_line(tmp_path, monkeypatch, capsys, code, told):
    path = ran(tmp_path, "print(1)", results=[printed("1\n")])
    broken = KernelSpec(argv=[sys.executable, "-c", code], display_name="broken")
    monkeypatch.setattr(kernel_run._ThisPython, "get_kernel_spec", lambda _specs, _name: broken)
    monkeypatch.setattr(kernel_run, "START", 3)
    assert cli.main(["verify", str(path)]) != 0
    said = capsys.readouterr()
    [line] = (said.out + said.err).strip().splitlines()
    assert "no fresh kernel to verify in: " in line
    assert told in line.lower()
    assert "-m ipykernel" in line


def test_stopping_what_ends_at_that_moment_is_no_error(monkeypatch):
    over = asyncio.new_event_loop()
    over.close()
    stopped = []
    ending = [partial(over.call_soon_threadsafe, print), lambda: stopped.append(True)]
    monkeypatch.setattr(kernel_run, "_RUNNING", ending)
    kernel_run.stop()
    assert stopped


def test_what_proves_nothing_says_so_and_exits_with_1(tmp_path, capsys):
    path = ran(tmp_path, "import uuid\nprint(uuid.uuid4())", results=[printed("x\n")])
    assert cli.main(["verify", str(path)]) == 1
    assert "Nothing is proven" in capsys.readouterr().out


def test_a_forged_output_without_a_count_is_compared(tmp_path):
    path = ran(tmp_path, "print(1)", results=[printed("2\n")])
    cell = {"execution_count": None}
    changed(path, lambda nb: [each.update(cell) for each in nb["cells"] if each["cell_type"] == "code"])
    assert not verify(path).ok


def test_a_plain_file_elsewhere_becomes_an_input_of_ones_own_run_only(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "sales.csv").write_text("mine\n")
    path = ran(work, "print(open('../sales.csv').read())", results=[printed("mine\n\n")])
    told = verify(path)
    assert not told.proven
    assert "'../sales.csv', a file outside" in told.text
    path = ran(work, "print(open('../sales.csv').read())", results=[printed("mine\n\n")])
    assert verify(path, own=True).proven
    listed = json.loads(path.read_text())["metadata"]["agentloop"]["inputs"]
    assert [each["path"] for each in listed] == ["../sales.csv"]
    assert verify(path).proven
    (tmp_path / "sales.csv").write_text("other\n")
    assert verify(path).text == "Not reproduced: the input file '../sales.csv' is not the one that the run read"
