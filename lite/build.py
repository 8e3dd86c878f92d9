"""Builds a JupyterLite site with this package in it: notebooks that run in the browser, without a server.

    python -m venv build/lite && build/lite/bin/pip install -r lite/requirements.txt
    build/lite/bin/python lite/build.py build/site && python -m http.server -d build/site

Python's packages come from PyPI (wheels for WebAssembly included), the interpreter (Pyodide) from npm. What PyPI has no
such wheel for is left to Pyodide's own distribution: the page asks for it when a notebook imports it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from typing import Any

from jupyterlite_pyodide_kernel.constants import PYODIDE_CDN_URL, PYODIDE_PYTHON_VERSION, PYODIDE_VERSION
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

HERE = Path(__file__).parent
ROOT = HERE.parent
KERNEL_EXTENSION = Path(sys.prefix, "share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension/static/pypi")
STARTED_WITH = ("agentloop-nb", "ipykernel", "pyodide-kernel", "piplite", "micropip", "ipython", "jedi")
"""What a kernel loads, with all that these need, before its first cell."""
LEFT_OUT = ("nh3", "widgetsnbextension")
"""What PyPI has not for WebAssembly, and what the kernel brings itself."""


def build(site: Path) -> None:
    """Write the site into a folder, which any web server can serve."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        pyodide = _pyodide(work)
        _wheels(pyodide)
        _lock(pyodide)
        _notebooks(work / "files")
        (work / "jupyter-lite.json").write_text(json.dumps(_settings()), encoding="utf-8")
        _run("jupyter", "lite", "build", "--lite-dir", work, "--output-dir", site, folder=work)


def _run(program: str, *arguments: object, folder: Path = ROOT) -> None:
    beside = Path(sys.executable).with_name(program)
    subprocess.run([beside if beside.exists() else program, *map(str, arguments)], check=True, cwd=folder)


def _pyodide(work: Path) -> Path:
    """Return the interpreter, where JupyterLite looks for one of its own."""
    _run("npm", "pack", "--silent", f"pyodide@{PYODIDE_VERSION}", "--pack-destination", work)
    target = work / "static" / "pyodide"
    shutil.unpack_archive(next(work.glob("pyodide-*.tgz")), work / "npm")
    shutil.copytree(work / "npm" / "package", target, ignore=shutil.ignore_patterns("*.map", "*.html", "*.d.ts"))
    return target


def _wheels(target: Path) -> None:
    """Bring the package, the kernel's parts and everything they need that PyPI has for WebAssembly."""
    _run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", target, ROOT)
    for wheel in KERNEL_EXTENSION.glob("*.whl"):
        shutil.copy(wheel, target)
    pinned = target / "pinned.txt"
    python = ("--python-version", PYODIDE_PYTHON_VERSION)
    _run(
        *("uv", "pip", "compile", "--quiet", ROOT / "pyproject.toml", HERE / "kernel.txt", "--output-file", pinned),
        *("--python-platform", "wasm32-pyodide2025", *python),
        *(word for name in LEFT_OUT for word in ("--no-emit-package", name)),
    )
    _run(
        *("pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", target, "-r", pinned, *python),
        *("--implementation", "cp", "--abi", "cp314", "--abi", "none", "--platform", "pyemscripten_2026_0_wasm32"),
    )


def _lock(pyodide: Path) -> None:
    """Put our wheels into Pyodide's list of packages; the others of the list stay at its own address."""
    path = pyodide / "pyodide-lock.json"
    lock = json.loads(path.read_text(encoding="utf-8"))
    for package in lock["packages"].values():
        package["file_name"] = f"{PYODIDE_CDN_URL}/{package['file_name']}"
    ours = {entry["name"]: entry for entry in map(_entry, sorted(pyodide.glob("*.whl")))}
    lock["packages"] |= ours
    for entry in ours.values():
        entry["depends"] = [name for name in entry["depends"] if name in lock["packages"]]
    path.write_text(json.dumps(lock), encoding="utf-8")


def _entry(wheel: Path) -> dict[str, Any]:
    """Return what Pyodide wants to know of a wheel."""
    name, version, *_ = parse_wheel_filename(wheel.name)
    return {
        "name": name,
        "version": str(version),
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "package_type": "package",
        "imports": sorted(_modules(wheel)),
        "depends": sorted(set(_needs(wheel))),
        "unvendored_tests": False,
    }


def _modules(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        first = {Path(name).parts[0].removesuffix(".py") for name in archive.namelist() if name.endswith(".py")}
    return {name for name in first if name.isidentifier()}


def _needs(wheel: Path) -> Iterator[str]:
    """Names of the packages that a wheel needs in a browser."""
    browser = {"sys_platform": "emscripten", "platform_system": "Emscripten", "os_name": "posix", "extra": ""}
    python = {"python_version": PYODIDE_PYTHON_VERSION, "python_full_version": f"{PYODIDE_PYTHON_VERSION}.0"}
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        stated = Parser().parsestr(archive.read(metadata).decode()).get_all("Requires-Dist", [])
    for requirement in map(Requirement, stated):
        if requirement.marker is None or requirement.marker.evaluate({**browser, **python}):
            yield canonicalize_name(requirement.name)


def _notebooks(target: Path) -> None:
    """Return the notebooks, with another suffix for records: JupyterLite takes `.jsonl` for a single JSON value."""
    shutil.copytree(ROOT / "notebooks", target, ignore=shutil.ignore_patterns("app.ipynb", ".*", "*.py"))
    for record in target.rglob("*.jsonl"):
        record.rename(record.with_suffix(".txt"))
    for notebook in target.glob("*.ipynb"):
        notebook.write_text(notebook.read_text(encoding="utf-8").replace(".jsonl", ".txt"), encoding="utf-8")


def _settings() -> dict[str, Any]:
    kernel = {"loadPyodideOptions": {"packages": STARTED_WITH}}
    return {
        "jupyter-lite-schema-version": 0,
        "jupyter-config-data": {
            "appName": "agentloop-nb",
            "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
        },
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python lite/build.py SITE: the folder to write the site into")
    build(Path(sys.argv[1]).resolve())
