"""What the package imports is what it asks for: nothing works only because something else happened to be installed."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
THERE_OR_NOT = {
    *("duckdb", "google", "pandas", "numpy", "matplotlib", "PIL", "polars", "pyarrow", "nbconvert", "jinja2"),
    *("psycopg", "psycopg2"),
}
"""Used only where the user has them: values in the namespace, Colab, an export as a page."""

OF_THE_EXTRA = ("agentloop_nb/notebook/serve/", "agentloop_nb/mcp_tools/")
"""What needs the extra `mcp`."""


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


def imported() -> dict[str, set[str]]:
    """Top-level modules that are not Python's own, and the files that import them."""
    found: dict[str, set[str]] = {}
    for path in ROOT.joinpath("agentloop_nb").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module or ""]
            else:
                continue
            for module in modules:
                found.setdefault(module.partition(".")[0], set()).add(str(path.relative_to(ROOT)))
    return {name: files for name, files in found.items() if name not in sys.stdlib_module_names | {"agentloop_nb"}}


def test_every_import_is_a_declared_dependency():
    declared, distributions = names(PROJECT["dependencies"]) | {"pydantic-core"}, packages_distributions()
    with_extra = declared | names(PROJECT["optional-dependencies"]["mcp"])
    undeclared = {
        module: sorted(files)
        for module, files in imported().items()
        if module not in THERE_OR_NOT
        and not {name.lower().replace("_", "-") for name in distributions.get(module, [module])}
        & (with_extra if all(file.startswith(OF_THE_EXTRA) for file in files) else declared)
    }
    assert undeclared == {}


def test_every_dependency_is_imported():
    distributions = packages_distributions()
    used = {name.lower().replace("_", "-") for module in imported() for name in distributions.get(module, [module])}
    for_their_floors = {"lxml", "lxml-html-clean", "ipykernel"}
    assert names(PROJECT["dependencies"]) - used <= for_their_floors
