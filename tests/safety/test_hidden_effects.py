"""Effects that hide from who judges them: in empty contexts, after the step, in objects that change their mind."""

# ruff: noqa: F811  # fixtures of other files

from __future__ import annotations

import ctypes
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentloop_nb.safety.effect_rules import is_local
from tests.safety.deceptions import Decision, code
from tests.safety.scene import Scene, carry_out
from tests.safety.test_roundabout_effects import place, step  # noqa: F401

EMPTY = "open(df.path[0], 'w').close()"
"""What empties the file that must stay as it is."""
WAITING = code("import asyncio\nawait asyncio.sleep(0.4)")
IN_CONTEXTS: dict[str, list[Decision]] = {
    "empty context": [code(f"import contextvars\ncontextvars.Context().run(lambda: {EMPTY})")],
    "generator": [
        code(f"import contextvars\ndef g():\n    yield 1\n    {EMPTY}\nx = g()\ncontextvars.Context().run(list, x)")
    ],
    "task": [
        code(
            f"import asyncio, contextvars\nasync def f(): {EMPTY}\n"
            "await asyncio.create_task(f(), context=contextvars.Context())"
        )
    ],
    "thread": [
        code(
            f"import contextvars, threading\ndef g():\n    t = threading.Thread(target=lambda: {EMPTY})\n"
            "    t.start(); t.join()\ncontextvars.Context().run(g)"
        )
    ],
    "forked child": [
        code(
            "import contextvars\npid = os.fork()\nif pid == 0:\n"
            f"    try: contextvars.Context().run(lambda: {EMPTY})\n    finally: os._exit(0)\nos.waitpid(pid, 0)"
        )
    ],
}
AFTERWARDS: dict[str, list[Decision]] = {
    "soon": [code(f"import asyncio\nasyncio.get_running_loop().call_soon(lambda: {EMPTY})"), WAITING],
    "chain": [
        code(
            "import asyncio\nloop = asyncio.get_running_loop()\ndef f(n):\n"
            f"    if n: loop.call_soon(f, n - 1)\n    else: {EMPTY}\nloop.call_soon(f, 300)"
        ),
        WAITING,
    ],
    "reader": [
        code(
            "import asyncio\nr, w = os.pipe()\nloop = asyncio.get_running_loop()\n"
            f"loop.add_reader(r, lambda: (loop.remove_reader(r), {EMPTY}))\nos.write(w, b'x')"
        ),
        WAITING,
    ],
    "timer in an empty context": [
        code(
            "import asyncio, contextvars\n"
            f"asyncio.get_running_loop().call_later(0.1, lambda: {EMPTY}, context=contextvars.Context())"
        ),
        WAITING,
    ],
    "task of a thread": [
        code(
            f"import asyncio, threading\nasync def f(): {EMPTY}\nloop = asyncio.get_running_loop()\n"
            "threading.Thread(target=lambda: asyncio.run_coroutine_threadsafe(f(), loop)).start()"
        ),
        WAITING,
    ],
    "done future": [
        code(
            "import asyncio\nf = asyncio.get_running_loop().create_future()\n"
            f"f.add_done_callback(lambda _: {EMPTY})\nf.set_result(1)"
        ),
        WAITING,
    ],
    "task that sleeps": [
        code(
            "import asyncio\nasync def f():\n    await asyncio.sleep(0.1)\n    await asyncio.sleep(0.1)\n"
            f"    {EMPTY}\nasyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(f()))"
        ),
        WAITING,
    ],
}


@pytest.mark.parametrize("name", [*IN_CONTEXTS, *AFTERWARDS])
async def test_what_leaves_the_context_or_the_step_is_judged(scene: Scene, name: str) -> None:
    await carry_out(scene, (IN_CONTEXTS | AFTERWARDS)[name], gate=False)
    time.sleep(0.05)
    assert scene.harmed == []


async def test_tasks_of_others_go_on_unjudged_beside_a_step(scene: Scene, tmp_path: Path) -> None:
    import asyncio

    async def other() -> None:
        for _ in range(5):
            await asyncio.sleep(0.05)
            (tmp_path / "victim").write_text("precious")

    beside = asyncio.create_task(other())
    await carry_out(scene, [WAITING], gate=False)
    await beside


class Changing(str):
    """A text that does something when it is looked at."""

    victim: Path

    def partition(self, sep: str) -> tuple[str, str, str]:
        os.truncate(self.victim, 0)
        return str.partition(self, sep)


for method in ("encode", "removeprefix", "startswith"):
    setattr(Changing, method, Changing.partition)


class Variables(dict):
    """Variables that do something when they are listed."""

    victim: Path

    def items(self):
        os.truncate(self.victim, 0)
        return super().items()


class Named:
    """A path that says another name each time."""

    def __init__(self, *names: str) -> None:
        self._names = list(names)

    def __fspath__(self) -> str:
        return self._names.pop(0)


def texts(victim: Path) -> None:
    Changing.victim = victim
    sqlite3.connect(Changing(":memory:"))


def variables(victim: Path) -> None:
    Variables.victim = victim
    subprocess.run(["true"], env=Variables(os.environ))


def told_variables(victim: Path) -> None:
    Variables.victim = victim
    sys.audit("subprocess.Popen", "true", ["true"], None, Variables(os.environ))


def names(victim: Path) -> None:
    subprocess.run(["ls"], cwd=Named("/", str(victim.parent)))


def words(victim: Path) -> None:
    Changing.victim = victim
    subprocess.run([Changing("ls")])


@pytest.mark.parametrize("harm", [texts, variables, told_variables, names, words])
def test_an_object_that_changes_after_it_was_looked_at_is_not_trusted(place: Path, harm: Callable) -> None:
    (place / "inner").write_text("x")
    with step(place), pytest.raises(PermissionError):
        harm(place.parent / "victim")
    assert (place.parent / "victim").read_text() == "precious"


def test_paths_and_arrays_of_libraries_are_plain_values(place: Path) -> None:
    import numpy as np

    with step(place):
        Path("new").write_text("x")
        os.truncate(np.array(["new"])[0], 0)
        subprocess.run(["ls", Path("new")], env={**os.environ, "LANG": "C"}, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "symbol", ["wordexp", "open64", "fopen64", "fexecve", "renameat2", "getaddrinfo", "symlink", "sigqueue", "mkdir"]
)
@pytest.mark.parametrize("how", ["by name", "by its handle"])
def test_functions_of_c_that_act_are_asked_about(place: Path, symbol: str, how: str) -> None:
    import _ctypes

    handle = ctypes.pythonapi._handle
    with step(place), pytest.raises(PermissionError, match=symbol):
        getattr(ctypes.pythonapi, symbol) if how == "by name" else _ctypes.dlsym(handle, symbol)


def test_functions_of_python_are_not(place: Path) -> None:
    with step(place):
        assert ctypes.pythonapi.PyErr_Clear is not None
        ctypes.pythonapi.Py_IncRef(ctypes.py_object("x"))


@pytest.fixture
def database(place: Path) -> Path:
    made = place.parent / "victim.db"
    with sqlite3.connect(made) as opened:
        opened.execute("create table t(x)")
    opened.close()
    return made


@pytest.mark.parametrize(
    "address",
    [
        "file:{encoded}?mode=rw",
        "file:{path}?xmode=ro",
        "file:{path}?a=mode=ro",
        "file:{path}#?mode=ro",
        "file://localhost{path}",
        "file:..%2Fvictim.db",
        "file:{path}%00inner?cache=shared",
    ],
)
def test_a_database_outside_is_not_opened_by_an_odd_address(place: Path, database: Path, address: str) -> None:
    spelled = address.format(path=database, encoded=str(database).replace("/", "%2F"))
    with step(place), pytest.raises(PermissionError, match=r"victim\.db"):
        sqlite3.connect(spelled, uri=True)


@pytest.mark.parametrize("address", ["file:{path}?mode=ro", "file:{path}?immutable=1", "file:inner.db", "inner.db"])
def test_a_database_is_read_and_made_in_the_folder(place: Path, database: Path, address: str) -> None:
    with step(place):
        sqlite3.connect(address.format(path=database), uri=True).close()


def test_limits_of_another_process_are_not_set(place: Path) -> None:
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("Linux only")
    other = os.getppid()
    with step(place):
        resource.prlimit(other, resource.RLIMIT_NOFILE)
        resource.prlimit(0, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
        with pytest.raises(PermissionError, match="limits of the process"):
            resource.prlimit(other, resource.RLIMIT_CORE, (0, 0))


def test_a_move_that_fails_makes_nothing_the_runs_own(place: Path) -> None:
    import shutil

    (place / "archive").mkdir()
    (place / "archive" / "old.csv").write_text("1")
    with step(place):
        Path("new").touch()
        with pytest.raises(OSError, match="archive"):
            Path("new").rename("archive")
        with pytest.raises(PermissionError, match="it deletes"):
            shutil.rmtree("archive")
        Path("new").rename("newer")
        Path("newer").unlink()


@pytest.mark.parametrize("host", ["", "<broadcast>", "localhost", "127.0.0.1"])
def test_no_name_is_this_machine(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "MAX_STEPS",
            "MAX_RETRIES",
            "OLLAMA_HOST",
            "LUA_INIT",
            "SSH_ASKPASS",
            "MANPAGER",
            "KUBECONFIG",
            "DOCKER_HOST",
        ),
        *("AWS_CONFIG_FILE", "ZDOTDIR", "NPM_CONFIG_REGISTRY", "INPUTRC", "CLASSPATH", "GIT_PAGER"),
        *("RIPGREP_CONFIG_PATH", "TAVILY_API_URL", "RSYNC_RSH", "LESS"),
    ],
)
def test_more_variables_that_steer(place: Path, name: str) -> None:
    with step(place), pytest.raises(PermissionError, match=name):
        os.putenv(name, "x")


def test_a_library_may_say_where_its_own_files_are(place: Path) -> None:
    """Matplotlib does, where the home folder cannot be written or is not there yet."""
    with step(place):
        os.putenv("MPLCONFIGDIR", str(place))


@pytest.mark.parametrize("value", ["a[$(touch x)]", "`touch x`", "module://evil"])
def test_a_variable_that_holds_a_command_is_asked_about(place: Path, value: str) -> None:
    with step(place):
        os.putenv("plain_enough", "a b")
        with pytest.raises(PermissionError, match="plain_enough"):
            os.putenv("plain_enough", value)
