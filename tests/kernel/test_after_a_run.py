"""After a run the kernel is what it was: profilers, tracers and debuggers work, and its real streams are clean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.kernel.conftest import ROOT, Kernel
from tests.wire import Wire, decision, finish

pytestmark = pytest.mark.kernel

VARIABLES = """
import sys; sys.path.insert(0, ROOT)
from tests.kernel.hostile import everything; globals().update(everything())
class Model:
    def _repr_llm_(self): print("not to be seen"); return "a model"
class Slow:
    def _repr_llm_(self):
        while True: pass
modelled, slow, numbers = Model(), Slow(), list(range(10))
def work():
    total = 0
    for n in range(1000): total += n
    return total
"""


@pytest.fixture(scope="module")
def ran(kernel: Kernel) -> Kernel:
    """A kernel with hostile variables in which a goal has been met, with code on the main thread and off it."""
    with Wire([decision("run_code", code="import threading; print(work())"), finish("done")]) as wire:
        kernel.run(VARIABLES.replace("ROOT", repr(str(ROOT))))
        kernel.run("%load_ext agentloop_nb")
        outputs = kernel.run(f"%%agent -m some-model --base-url {wire.base_url} --quiet\ncount")
        assert kernel.reply["status"] == "ok", outputs
        assert "not to be seen" not in json.dumps(outputs)
        assert len(outputs) == 1, "a quiet run shows its summary, in one piece"
        assert "====" not in json.dumps(outputs)
        assert "a model" in json.dumps(wire.bodies[0])
    return kernel


def shown(kernel: Kernel, code: str) -> str:
    """What a cell shows, as text."""
    outputs = kernel.run(code)
    assert kernel.reply["status"] == "ok", outputs
    return json.dumps(outputs)


def test_a_profiler_ends(ran: Kernel) -> None:
    told = shown(ran, "import cProfile, pstats; p = cProfile.Profile(); p.runcall(work); pstats.Stats(p).print_stats()")

    assert "function calls" in told


def test_the_profiling_magic_ends(ran: Kernel) -> None:
    shown(ran, "%prun -q -T told.txt work()")

    assert "function calls" in (ran.folder / "told.txt").read_text()


def test_a_trace_function_sees_each_line(ran: Kernel) -> None:
    trace = """
seen = []
def trace(frame, event, arg):
    if frame.f_code is work.__code__: seen.append(event)
    return trace
sys.settrace(trace); work(); sys.settrace(None)
print("lines", seen.count("line") > 900)
"""
    assert "lines True" in shown(ran, trace)


def test_a_profile_function_sees_calls(ran: Kernel) -> None:
    code = """
calls = []
sys.setprofile(lambda frame, event, arg: calls.append(event)); work(); sys.setprofile(None)
print('call' in calls)
"""
    assert "True" in shown(ran, code)


def test_a_debugger_steps(ran: Kernel) -> None:
    code = """
import io, pdb
screen = io.StringIO()
debugger = pdb.Pdb(stdin=io.StringIO("step\\nnext\\nnext\\nargs\\ncontinue\\n"), stdout=screen, nosigint=True)
debugger.use_rawinput = False
debugger.runcall(work)
print("work()" in screen.getvalue())
"""
    assert "True" in shown(ran, code)


def test_coverage_counts_lines(ran: Kernel) -> None:
    lines = ["def f():", "    total = 0", "    for n in range(9):", "        total += n", "    return total"]
    (ran.folder / "covered.py").write_text("\n".join(lines))
    code = """
import coverage
measured = coverage.Coverage(data_file=None, include=["*covered.py"]); measured.start()
import covered; covered.f()
measured.stop(); print(measured.analysis2("covered.py")[3])
"""
    assert "[]" in shown(ran, code)


def test_cells_are_timed(ran: Kernel) -> None:
    assert "Wall time" in shown(ran, "%%time\nwork()")


def test_no_thread_is_left_that_works(ran: Kernel) -> None:
    code = """
import time
for _ in range(100):  # what could not be told in time is ended
    running = [f for f in sys._current_frames().values() if f.f_code.co_name == "_repr_llm_"]
    if not running: break
    time.sleep(0.1)
print("running", len(running))
"""
    assert "running 0" in shown(ran, code)


WRITERS = (
    "!echo hi",
    "import os; os.system('echo hi')",
    "import subprocess; subprocess.run(['echo', 'hi'])",
    "import ctypes; ctypes.CDLL(None).puts(b'hi'); ctypes.CDLL(None).fflush(None)",
    "import os; os.write(1, b'hi\\n'); os.write(2, b'hi\\n')",
    "%%bash\necho hi",
    "print('hi')",
    "!echo hi >&2",
    "import sys; sys.stderr.write('hi')",
    "if os.fork() == 0: os.write(1, b'hi\\n'); os._exit(0)\nos.wait()",
)


def test_the_real_stdout_stays_clean(tmp_path: Path) -> None:
    with Wire([*(decision("run_code", code=code) for code in WRITERS), finish("done")]) as wire:
        cells = ["%load_ext agentloop_nb", f"%%agent -m some-model --base-url {wire.base_url}\nsay hi"]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbformat.write(notebook, tmp_path / "said.ipynb")
        command = [sys.executable, "-m", "nbconvert", "--execute", "--stdout", "--to", "notebook", "said.ipynb"]
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        environment |= {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path / ".ipython")}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=100, check=False)

    assert done.returncode == 0, done.stderr.decode()
    assert b"\0" not in done.stdout
    assert len(json.loads(done.stdout)["cells"]) == 2, "nothing but the notebook is there"
    for code, body in zip(WRITERS, wire.bodies[1:], strict=True):
        assert "hi" in body["messages"][-1]["content"], code
