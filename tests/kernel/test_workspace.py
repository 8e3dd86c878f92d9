"""Errors, limits, files and loops driven from synchronous code."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from agentloop_nb.errors import UserError
from agentloop_nb.notebook.kernel.runner import drive, drive_async, refuse_nesting
from agentloop_nb.protocols import CodeOutcome
from tests.kernel.conftest import Kernel, Place, text


async def test_an_error_is_told_in_lines_of_the_step(place: Place) -> None:
    await place.run("def ratio(a, b):\n    return a / b\n")

    outcome = await place.run("x = 1\n\nfor each in (1, 0):\n    ratio(x, each)\n")

    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message, outcome.error.line) == (
        "ZeroDivisionError",
        "division by zero",
        4,
    )
    assert "step 2, line 4, in <module>" in outcome.error.traceback
    assert (
        "step 1, line 2, in ratio\n         1 | def ratio(a, b):\n    ->   2 |     return a / b\n"
        in outcome.error.traceback
    )
    assert outcome.error.traceback.endswith("ZeroDivisionError: division by zero")


async def test_of_library_code_only_the_last_frame_is_told(place: Place) -> None:
    outcome = await place.run("import json\njson.loads('{')")

    assert outcome.error is not None
    assert outcome.error.line == 2
    assert outcome.error.traceback.count("json/decoder.py") == 1
    assert "site-packages" not in outcome.error.traceback
    assert "IPython" not in outcome.error.traceback


async def test_magic_lines_are_quoted_as_they_were_written(place: Place) -> None:
    outcome = await place.run("x = 1\n%run missing_file.py")

    assert outcome.error is not None
    assert "->   2 | %run missing_file.py" in outcome.error.traceback


async def test_a_syntax_error_names_its_line(place: Place) -> None:
    outcome = await place.run("x = 1\nif x\n    pass")

    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.line) == ("SyntaxError", 2)
    assert "step 1, line 2" in outcome.error.traceback


SLOW = [
    "import time; print('so far'); time.sleep(30)",
    "print('so far')\nwhile True: pass",
    "import asyncio; print('so far'); await asyncio.sleep(30)",
    "print('so far')\n!sleep 30",
]


@pytest.mark.parametrize("code", SLOW)
@pytest.mark.parametrize("driven", [False, True], ids=["awaited", "driven"])
async def test_a_time_limit_keeps_what_was_printed(place: Place, code: str, driven: bool) -> None:
    began = time.monotonic()

    if driven:
        outcome = drive(lambda: place.run(code, timeout=0.5), place.control)
    else:
        outcome = await place.run(code, timeout=0.5)

    assert outcome.ending == "timeout"
    assert text(outcome) == "so far\n"
    assert [note for note in outcome.notes if note.startswith("It was at step 1, line")]
    assert time.monotonic() - began < 20
    assert (await place.run("1 + 1")).ending == "ok"


async def test_a_step_can_be_given_more_time(place: Place) -> None:
    def extend() -> None:
        while place.control.extend is None:
            time.sleep(0.01)
        place.control.extend(30)

    helper = threading.Thread(target=extend)
    helper.start()
    outcome = await place.run("import time; time.sleep(1.5); 'whole'", timeout=1)
    helper.join()

    assert outcome.ending == "ok"


async def test_output_is_told_while_the_code_runs(place: Place) -> None:
    heard = place.names["heard"] = threading.Event()
    outcome = await place.workspace.run_code(
        "for n in range(3):\n    print(n); print('heard', heard.wait(20)); heard.clear()",
        step=1, timeout=60, on_output=lambda _: heard.set(),
    )  # fmt: skip

    assert text(outcome).count("heard True") == 3


async def test_the_memory_in_use_can_be_watched_while_code_runs(place: Place) -> None:
    place.names["memory"] = lambda: place.control.memory()

    outcome = await place.run("before = memory(); ballast = bytearray(200 * [1]) * 10**6; (memory() - before) // 10**6")

    assert int(outcome.outputs[0]["data"]["text/plain"]) > 150
    assert place.control.memory is None, "nothing runs any more"


async def test_a_flood_is_bounded(place: Place) -> None:
    outcome = await place.run("print('start')\nfor _ in range(40_000): print('x' * 100)\nprint('end')")

    printed = text(outcome)
    assert len(printed) < 1_100_000
    assert printed.startswith("start\n")
    assert printed.endswith("end\n")
    assert "characters cut" in printed
    assert sum(len(each["text"]) for each in place.told) < 4_000_000


async def test_other_tasks_keep_their_own_output(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    async def other() -> None:
        await asyncio.sleep(0.05)
        print("of another task")

    task = asyncio.create_task(other())
    outcome = await place.run("import asyncio; print('of the step'); await asyncio.sleep(0.3)")
    await task

    assert text(outcome) == "of the step\n"


async def test_files_written_and_read_are_told(place: Place) -> None:
    folder = place.workspace.folder
    folder.mkdir(parents=True)
    (folder / "given.csv").write_text("a,b\n1,2\n")
    (folder / "untouched.csv").write_text("a\n")
    for given in folder.iterdir():
        os.utime(given, (1e9, 1e9))  # what was written just before a step may look as if it were written by it

    outcome = await place.run(
        "import pandas as pd, pathlib\n"
        "df = pd.read_csv('given.csv')\n"
        "df.to_csv('made.csv')\n"
        "pathlib.Path('sub').mkdir(); pathlib.Path('sub/deep.txt').write_text('x')\n"
        "open('gone.txt', 'w').close(); pathlib.Path('gone.txt').unlink()\n"
    )
    by_child = await place.run("!echo x > child.txt")

    assert outcome.files == ("made.csv", "sub/deep.txt")
    assert outcome.read == ("given.csv",)
    assert by_child.files == ("child.txt",)


async def test_processes_and_connections_are_seen(place: Place) -> None:
    code = "import os, socket, subprocess\n"
    for line in (
        "_ = subprocess.run(['true', 'git push'])",
        "_ = os.system('true # rm -r ' + 'x' * 200)",
        "server = socket.create_server(('127.0.0.1', 0)); port = server.getsockname()[1]",
        "socket.create_connection(('localhost', port)).close()",
        "socket.create_connection(('127.0.0.1', port)).close(); server.close()",
    ):
        code += line + "\n"

    outcome = await place.run(code)
    quiet = await place.run("import os; os.getcwd()")

    assert outcome.ending == "ok", outcome.error
    assert outcome.beyond[:2] == ("started true git push", "started true # rm -r " + "x" * 87 + "…")
    assert outcome.beyond[2] == f"connected to localhost:{place.names['port']}"
    assert quiet.beyond == ()


@pytest.mark.parametrize("code", ["os.close(1)", "os.close(2)", "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)"])
async def test_a_step_may_close_what_its_output_goes_to(place: Place, code: str) -> None:
    outcome = await place.run(f"import os\n{code}\nprint('on')")
    later = await place.run("code = os.system('echo later')")

    assert (outcome.ending, text(outcome)) == ("ok", "on\n"), outcome.error
    assert (later.ending, text(later)) == ("ok", "later\n"), later.error


async def test_a_stopped_run_starts_no_code(place: Place) -> None:
    place.control.stop()

    outcome = await place.run("ran = True")

    assert outcome.ending == "stopped"
    assert "ran" not in place.names


async def test_driving_works_inside_a_running_loop(place: Place) -> None:
    async def main() -> list[CodeOutcome]:
        await asyncio.sleep(0)
        return [
            await place.run("import threading; threading.current_thread() is threading.main_thread()"),
            await place.run("import asyncio; await asyncio.sleep(0.01); 'awaited'"),
            await place.run("raise KeyError('told')"),
        ]

    outcomes = drive(main, place.control)

    assert [outcome.ending for outcome in outcomes] == ["ok", "ok", "error"]
    assert outcomes[0].outputs[0]["data"]["text/plain"] == "True"
    assert outcomes[1].outputs[0]["data"]["text/plain"] == "'awaited'"
    await asyncio.sleep(0)


async def test_what_the_loop_raises_is_raised(place: Place) -> None:
    async def main() -> None:
        raise UserError("a line")

    with pytest.raises(UserError, match="a line"):
        drive(main, place.control)
    with pytest.raises(UserError, match="a line"):
        await drive_async(main(), place.control)


async def test_an_agent_inside_a_step_is_refused(place: Place) -> None:
    place.names.update(drive=drive, control=place.control)

    outcome = await place.run("async def inner(): pass\ndrive(inner, control)")

    assert outcome.error is not None
    assert outcome.error.type == "UserError"
    assert "an agent cannot start an agent" in outcome.error.message


RAW_THREADS = {
    "threading": "import threading\nthread = threading.Thread(target=inner); thread.start(); thread.join()",
    "_thread": "import _thread, threading\nover = threading.Event()\n"
    "_thread.start_new_thread(lambda: (inner(), over.set()), ()); over.wait(20)",
    "executor": "from concurrent.futures import ThreadPoolExecutor as Pool\nwith Pool(1) as pool: pool.submit(inner)",
}


@pytest.mark.parametrize("how", RAW_THREADS)
async def test_an_agent_in_a_thread_of_a_step_is_refused(place: Place, how: str) -> None:
    def inner() -> None:
        try:
            refuse_nesting()
        except UserError as error:
            refused.append(str(error))

    refused: list[str] = []
    place.names["inner"] = inner

    outcome = await place.run(RAW_THREADS[how])
    beside = threading.Thread(target=inner)
    beside.start()
    beside.join()

    assert outcome.ending == "ok", outcome.error
    assert len(refused) == 1, "refused in the step, and nowhere else"
    assert "an agent cannot start an agent" in refused[0]


def test_code_runs_off_the_main_thread_and_is_cut_there(place: Place) -> None:
    outcomes: list[CodeOutcome] = []
    worker = threading.Thread(
        target=lambda: outcomes.append(asyncio.run(place.run("print('here')\nwhile True: pass", timeout=0.5)))
    )
    worker.start()
    worker.join(20)

    assert outcomes[0].ending == "timeout"
    assert text(outcomes[0]) == "here\n"


def test_ctrl_c_stops_a_script_between_steps(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio\n"
        "from agentloop_nb.agent.control import Control\n"
        "from agentloop_nb.notebook.kernel.runner import drive\n"
        "control = Control()\n"
        "async def main():\n"
        "    control.attach(); print('waiting', flush=True)\n"
        "    try: await asyncio.sleep(60)\n"
        "    except asyncio.CancelledError: return 'stopped' if control.stopping else 'lost'\n"
        "print(drive(main, control))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "waiting\n"
        child.send_signal(2)
        assert child.stdout.read() == "stopped\n"
        assert child.wait(10) == 0


@pytest.mark.kernel
def test_matplotlib_figures_drawn_in_steps_leave_nothing_behind(kernel: Kernel) -> None:
    kernel.step("import matplotlib.pyplot as plt; plt.plot([1, 2])")

    assert kernel.evaluate("__import__('matplotlib.pyplot').pyplot.get_fignums()") == []
    assert kernel.run("1 + 1")[0]["data"] == {"text/plain": "2"}


async def test_a_module_that_was_written_can_be_imported_in_the_next_step(place: Place) -> None:
    folder = place.workspace.folder
    name = f"written_{os.getpid()}"
    await place.run(f"import sys; sys.path.insert(0, {str(folder)!r})")
    assert (await place.run(f"import {name}")).error is not None
    listed = folder.stat()

    place.workspace.write_file(f"{name}.py", "X = 7\n")
    os.utime(folder, ns=(listed.st_atime_ns, listed.st_mtime_ns))  # as where the clock of the files is coarse
    outcome = await place.run(f"import {name}; print({name}.X)")
    await place.run(f"sys.path.remove({str(folder)!r})")

    assert text(outcome) == "7\n"
