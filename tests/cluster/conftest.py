"""A real cluster of two engines, and kernels and shells that use it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from agentloop_nb.cluster.engines import Cluster, cluster, connected
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.testing import FakeWeb
from tests.evals.conftest import suite as suite
from tests.isolated.conftest import CANARY, Notebook
from tests.isolated.conftest import user as user
from tests.processes import wait_for
from tests.product.conftest import agentloop as agentloop
from tests.product.conftest import environment as environment
from tests.record.kernels import kernel

pytest.importorskip("ipyparallel", reason="needs the cluster extra")

ON = "default:lab"
_START = """
import logging, sys
import ipyparallel
cluster = ipyparallel.Cluster(n={engines}, cluster_id="{name}", log_level=logging.ERROR)
cluster.start_cluster_sync()
print("up", flush=True)
sys.stdin.read()
cluster.stop_cluster_sync()
"""
MARK = "AGENTLOOP_TEST_LAB"


class Lab:
    """A running cluster, the engines of which can be added to and killed."""

    def __init__(self, home: Path, name: str, engines: int) -> None:
        self.home, self.name, self.mark = home, name, uuid.uuid4().hex
        self._engines: list[subprocess.Popen[bytes]] = []
        environment = {**os.environ, MARK: self.mark, "CANARY_TOKEN": CANARY}
        self._log = home.joinpath(f"{name}.log").open("wb")
        self._starter = subprocess.Popen(
            [sys.executable, "-c", _START.format(engines=engines, name=name)],
            env=environment,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._starter.stdout is not None
        assert self._starter.stdout.readline() == b"up\n", home.joinpath(f"{name}.log").read_text()
        wait_for(lambda: len(self.cluster.wire.engines) == engines, "the engines did not come")

    @property
    def on(self) -> str:
        """What `--on` takes for it."""
        return f"default:{self.name}"

    @property
    def _security(self) -> Path:
        """Where the connection files of clusters are."""
        return Path(os.environ["IPYTHONDIR"]) / "profile_default" / "security"

    @property
    def cluster(self) -> Cluster:
        """The connection of this process to it."""
        return cluster(self.on)

    def add(self, python: str | Path = sys.executable, cwd: Path | None = None, **variables: str) -> subprocess.Popen:
        """Start a further engine, perhaps on what is like another machine."""
        file = self._security / f"ipcontroller-{self.name}-engine.json"
        environment = {**os.environ, MARK: self.mark, **variables}
        started = subprocess.Popen(
            [str(python), "-m", "ipyparallel.engine", f"--file={file}"],
            env=environment,
            cwd=cwd or self.home,
            stdout=self._log,
            stderr=self._log,
        )
        self._engines.append(started)
        return started

    def engines(self) -> list[psutil.Process]:
        """The processes of its engines."""
        return [each for each in psutil.process_iter() if self._is_engine(each)]

    def _is_engine(self, each: psutil.Process) -> bool:
        try:
            ours = each.environ().get(MARK) == self.mark
            return ours and "ipyparallel.engine" in each.cmdline() and each.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def kernels(self) -> list[psutil.Process]:
        """The processes of isolated runs on its engines."""
        return [child for engine in self.engines() for child in engine.children() if "isolation.host" in _line(child)]

    def stop(self) -> None:
        assert self._starter.stdin is not None
        for each in connected():
            if each.on == self.on:
                each.close()
        for each in self._engines:
            each.kill()
            each.wait()
        self._starter.stdin.close()
        try:
            self._starter.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._starter.kill()
        for left in self._security.glob(f"ipcontroller-{self.name}-*.json"):
            left.unlink()  # a killed controller leaves them, and `--on default` would see a second cluster
        self._log.close()


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture(scope="session")
def ipython_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the files of clusters are, for this process and all it starts."""
    home = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("OPENAI_", "AGENTLOOP_")):
                patch.delenv(name)
        patch.setenv("IPYTHONDIR", str(home / ".ipython"))
        yield home


@pytest.fixture(scope="session")
def lab(ipython_home: Path) -> Iterator[Lab]:
    """A cluster of two engines for all tests that leave its engines alone."""
    made = Lab(ipython_home, "lab", 2)
    yield made
    made.stop()


@pytest.fixture
def own_lab(ipython_home: Path) -> Iterator[Callable[[int], Lab]]:
    """Makes a cluster of so many engines for one test, which may add to them and kill them."""
    made: list[Lab] = []

    def make(engines: int) -> Lab:
        made.append(Lab(ipython_home, f"own{uuid.uuid4().hex[:8]}", engines))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def engines(lab: Lab) -> Cluster:
    """The connection of this process to the cluster."""
    return lab.cluster


@pytest.fixture(scope="module")
def notebook(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A user's kernel that can see the cluster; with secrets, too."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANARY_TOKEN", CANARY)
        patch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789")
        with kernel(folder) as live:
            yield Notebook(live)


@pytest.fixture
def place(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., IsolatedWorkspace]]:
    """Makes workspaces on engines, and ends them."""
    made: list[IsolatedWorkspace] = []

    def make(name: str = "own", told: str = "a test", on: Lab = lab) -> IsolatedWorkspace:
        made.append(IsolatedWorkspace(tmp_path / name, web=FakeWeb(), connect=on.cluster.line(told)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes what is like another machine: a folder, a home, and an environment with a package of its own."""

    def make(*, version: str = "") -> Path:
        root = tmp_path_factory.mktemp("machine")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / "venv")], check=True)
        packages = next((root / "venv" / "lib").glob("python*")) / "site-packages"
        found = [path for path in sys.path if path.endswith("site-packages")]
        packages.joinpath("others.pth").write_text("\n".join(found))
        import agentloop_nb

        source = Path(agentloop_nb.__file__).parent
        shutil.copytree(source, packages / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        start = packages / source.name / "__init__.py"
        if version:
            start.write_text(start.read_text().replace(agentloop_nb.__version__, version))
        for name in ("home", "work"):
            root.joinpath(name).mkdir()
        return root

    return make
