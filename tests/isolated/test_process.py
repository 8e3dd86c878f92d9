"""The process of an isolated kernel: its limits hold, it stops, and its end is an outcome like any other."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from agentloop_nb.agent.control import Control
from agentloop_nb.errors import UserError
from agentloop_nb.isolated.process import Process
from agentloop_nb.isolated.resource_limits import GB, Limits
from agentloop_nb.protocols import CodeOutcome

pytestmark = pytest.mark.kernel


async def run(place, source: str, timeout: float = 60) -> CodeOutcome:
    return await place.run_code(source, step=1, timeout=timeout, on_output=lambda _: None)


async def stop_when_told(place, source: str, pause: float = 0.0) -> CodeOutcome:
    """Run code that prints when it has begun, and stop it then, or so many seconds later."""
    told = asyncio.Event()
    running = asyncio.ensure_future(place.run_code(source, step=1, timeout=60, on_output=lambda _: told.set()))
    await told.wait()
    await asyncio.sleep(pause)
    place.control.stop()
    return await running


async def test_limits_are_failed_steps_that_leave_the_variables(place):
    own = place(memory=GB, file=10**6, processes=5)
    await run(own, "kept = 1")
    full = await run(own, "big = bytearray(3 * 2**30)")
    large = await run(own, "open('large', 'wb').write(bytes(3 * 10**6))")
    many = await run(
        own,
        "import subprocess, sys, time\n"
        "each = [subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)"
        " for _ in range(9)]\n"
        "print(sorted({one.wait() for one in each}))",
    )
    hungry = await run(
        own,
        "code = 'x = bytearray(400 * 2**20); import time; time.sleep(60)'\n"
        "each = [subprocess.Popen([sys.executable, '-c', code]) for _ in range(4)]\n"
        "print(sorted({one.wait() for one in each}))",
    )
    assert full.error.type == "MemoryError"
    assert "File too large" in large.error.message
    assert [many.outputs[0]["text"], *many.notes] == [
        "[-9]\n",
        "More than 5 processes were running at once; they were all ended.",
    ]
    assert "took more than 1 GB together" in "".join(hungry.notes)
    assert (await run(own, "kept")).outputs[0]["data"]["text/plain"] == "1"


async def test_processor_time_that_is_used_up_ends_the_process_and_says_so(place):
    outcome = await run(place(cpu=3), "while True: pass")
    assert outcome.error.type == "KernelDied"
    assert "used up its 3 s of processor time" in outcome.error.message


@pytest.mark.parametrize(
    "source",
    [
        "print(1, flush=True)\nimport time\ntime.sleep(60)",
        "print(1, flush=True)\nwhile True: pass",
        "print(1, flush=True)\nimport asyncio\nawait asyncio.sleep(60)",
    ],
)
async def test_a_stop_cuts_code_and_keeps_the_variables(place, source):
    own = place()
    await run(own, "x = 1")
    outcome = await stop_when_told(own, source)
    assert outcome.ending == "stopped"
    assert own.alive
    assert own.variables(["x"]) == {"x": 1}


async def test_code_that_cannot_be_cut_is_ended_with_its_process_and_what_it_started(place):
    own = place()
    outcome = await stop_when_told(
        own,
        "import ctypes, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "ctypes.PyDLL(None).sleep(60)",
        pause=1,  # the print itself can still be cut
    )
    assert (outcome.ending, outcome.notes) == (
        "stopped",
        ("The isolated kernel was ended: it did not stop when asked to.",),
    )
    child = int(outcome.outputs[0]["text"])
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert not own.alive
    assert own.variables(["child"]) == {}
    own.control = Control()
    assert "NameError" in (await run(own, "child")).error.type, "a new process has begun, and is empty"


async def test_a_step_that_is_given_more_time_takes_it(place):
    own = place()
    begun = asyncio.Event()
    source = "import time\nprint(1, flush=True)\ntime.sleep(1.5)\nprint('to the end')"
    running = asyncio.ensure_future(own.run_code(source, step=1, timeout=1, on_output=lambda _: begun.set()))
    await begun.wait()
    own.control.extend(60)
    assert (await running).outputs[0]["text"] == "1\nto the end\n"


async def test_a_time_limit_and_a_process_that_dies_between_two_steps(place):
    own = place()
    late = await run(own, "print('so far')\nwhile True: pass", timeout=1)
    assert (late.ending, late.outputs[0]["text"]) == ("timeout", "so far\n")
    pid = (await run(own, "import os\nprint(os.getpid())")).outputs[0]["text"]
    os.kill(int(pid), 9)
    await asyncio.to_thread(psutil.Process(int(pid)).wait)
    assert (await run(own, "print('here')")).outputs[0]["text"] == "here\n"


async def test_the_process_ends_with_the_one_that_started_it(tmp_path):
    source = textwrap.dedent(
        """
        import asyncio, os, sys
        from pathlib import Path
        from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
        from agentloop_nb.testing import FakeWeb
        async def main():
            own = IsolatedWorkspace(Path(sys.argv[1]), web=FakeWeb())
            outcome = await own.run_code("import os; print(os.getpid())", step=1, timeout=9, on_output=lambda _: None)
            print(outcome.outputs[0]["text"], flush=True)
            os.kill(os.getpid(), 9)
        asyncio.run(main())
        """
    )
    command = [sys.executable, "-c", source, str(tmp_path / "own")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    await asyncio.to_thread(_gone, int(done.stdout))


def _gone(pid: int) -> None:
    """Wait for the end of a process; the test's own time limit is the bound."""
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.1)


async def test_it_has_a_home_a_folder_and_an_environment_of_its_own(place, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://me:hunter2hunter2@db/x")
    monkeypatch.setenv("https_proxy", "http://me:hunter2hunter2@proxy:3128")
    own = place()
    outcome = await run(
        own, "import os, pathlib\nprint(os.getcwd()); print(pathlib.Path.home()); print(dict(os.environ))"
    )
    folder, home, environment = outcome.outputs[0]["text"].splitlines()
    assert Path(folder) == own.folder
    assert Path(home) != Path.home()
    assert "hunter2" not in environment
    assert "AGENTLOOP" not in environment


FORGERIES = """
from pathlib import Path
from agentloop_nb.notebook.isolation import host as hosted
class Forged:
    def __init__(self, host): self.host = host
    def __getattr__(self, name): return getattr(self.host, name)
    async def answer(self, request):
        self.host._parent = self.host._kernel.get_parent("shell")
        if '"pack"' in request:
            {pack}
        self.host._send(answer={answer})
forged = Forged(hosted.host())
hosted.host = lambda: forged
"""


@pytest.mark.parametrize(
    "answer",
    [
        "None",
        "{'ending': 'ok', 'outputs': [{'output_type': 'stream'}, {'output_type': 'error', 'traceback': 5}]}",
        "{'steps': 'many'}",
    ],
)
async def test_a_process_that_forges_its_answers_harms_nobody(place, answer, tmp_path):
    own = place()
    own.open()
    harm = tmp_path / "harm"
    hostile = f"cos\nsystem\n(S'touch {harm}'\ntR."
    pack = (
        "import json; place = Path(json.loads(request)['folder'], '0'); place.mkdir(); "
        f"place.joinpath('value.json').write_text({hostile!r})"
    )
    await run(own, FORGERIES.format(pack=pack, answer=answer))
    outcome = await run(own, "1 + 1")
    assert (outcome.ending, outcome.outputs) in (("error", ()), ("ok", ()))
    values, refused = own.hand_over(["x"])
    assert values == {}
    assert set(refused) == {"x"}
    assert not harm.exists()


async def killed(own) -> None:
    """Have the process end by itself."""
    assert (await run(own, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")).error.type == "KernelDied"


async def test_variables_that_could_not_be_brought_back_stay_lost_until_they_can(place):
    own = place()
    attempts: list[str] = []

    async def recover(workspace) -> str:
        attempts.append("begun")
        await run(workspace, "x = 'in part'")
        if len(attempts) == 1:
            raise ValueError("the record is damaged")
        return "All is there again."

    own.recover = recover
    await run(own, "x = 1")
    await killed(own)
    failed = await run(own, "x")
    assert failed.error.type == "KernelDied"
    assert "could not be brought back (ValueError: the record is damaged)" in failed.error.message
    whole = await run(own, "x")
    assert whole.outputs[0]["data"]["text/plain"] == "'in part'"
    assert whole.notes == ("All is there again.",)


async def test_a_process_that_cannot_be_started_again_is_a_failed_step_and_forgets_nothing(place):
    own = place()

    async def recover(_) -> str:
        return "All is there again."

    own.recover = recover
    await run(own, "x = 1")
    await killed(own)
    own.folder.rmdir()
    own.folder.write_text("in the way")
    assert "the isolated kernel cannot be used: " in (await run(own, "x")).error.message
    own.folder.unlink()
    assert (await run(own, "1 + 1")).notes == ("All is there again.",)


async def test_whoever_waits_for_a_process_that_is_closed_is_told_so(place):
    own = place()
    begun = asyncio.Event()
    source = "print(1, flush=True)\nimport time\ntime.sleep(60)"
    running = asyncio.ensure_future(own.run_code(source, step=1, timeout=60, on_output=lambda _: begun.set()))
    await begun.wait()
    await asyncio.to_thread(own.close)
    outcome = await running
    assert (outcome.ending, outcome.error.message) == ("error", "the isolated kernel is gone: it was closed")


async def test_what_a_process_forges_of_undoing_and_of_itself_is_refused_in_a_line(place):
    own = place()
    own.open()
    await run(own, FORGERIES.format(pack="pass", answer="{'names': 5}"))
    for ask in (own.plan, own.undo):
        with pytest.raises(UserError, match=r"did not do it: it answered nothing usable") as refused:
            ask(1)
        assert len(str(refused.value).splitlines()) == 1
    gone = place()
    await killed(gone)
    with pytest.raises(UserError, match=r"the isolated kernel cannot be used: it was ended by SIGKILL"):
        gone.describe(100)


async def test_a_process_that_dies_while_it_starts_is_not_waited_for(place, monkeypatch, tmp_path):
    tmp_path.joinpath("sitecustomize.py").write_text("import os\nos._exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UserError, match=r"it did not start \(it ended by itself with code 3\)"):
        place().open()


SLEEPER = "[sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True"


async def test_what_a_process_started_ends_with_it_also_when_it_ends_by_itself(place):
    own = place()
    source = (
        f"import os, pathlib, signal, subprocess, sys\nchild = subprocess.Popen({SLEEPER})\n"
        "pathlib.Path('pid').write_text(str(child.pid))\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    outcome = await run(own, source)
    assert "it was ended by SIGKILL" in outcome.error.message
    await asyncio.to_thread(_gone, int((own.folder / "pid").read_text()))


async def test_what_it_was_seen_to_start_ends_with_it_whatever_its_environment(tmp_path):
    process = Process(tmp_path, Limits())
    client = await process.start()
    source = f"import subprocess, sys; open('pid', 'w').write(str(subprocess.Popen({SLEEPER}, env={{}}).pid) + '.')"
    child = tmp_path / "pid"
    while not (child.exists() and child.read_text().endswith(".")):  # what is asked before it listens is lost
        client.execute(f"import os\nif not os.path.exists('pid'):\n    {source}")
        await asyncio.sleep(0.5)
    process.check()
    client.execute("os._exit(0)")
    while await process.alive():
        await asyncio.sleep(0.1)
    client.stop_channels()
    await process.close()
    await asyncio.to_thread(_gone, int(child.read_text().rstrip(".")))


async def test_what_a_run_made_stays_its_own_when_it_goes_on_with_another_bound_for_copies(place):
    own = place()
    await run(own, "x = [1]")
    own.keep_copies(10**6)
    assert [(change.name, change.previous) for change in (await run(own, "x = [2]")).changes] == [("x", False)]


async def test_a_kill_waits_for_nothing_and_whoever_waits_is_told(place):
    own = place()
    begun = asyncio.Event()
    source = "print(1, flush=True)\nimport time\ntime.sleep(600)"
    running = asyncio.ensure_future(own.run_code(source, step=1, timeout=600, on_output=lambda _: begun.set()))
    await begun.wait()
    own.kill()
    outcome = await running
    assert (outcome.ending, outcome.error.message) == ("error", "the isolated kernel is gone: it was ended by the user")
    own.kill()
    assert not own.alive
