"""The distributions that code imports, and their versions."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import sys
from collections.abc import Iterable, Mapping

from agentloop_nb._internal.ipython_syntax import parsed, to_python


def packages(sources: Iterable[str]) -> dict[str, str]:
    """Distribution -> version of what the sources import, the standard library left out."""
    modules = set().union(*map(_imports, sources)) - sys.stdlib_module_names
    found: dict[str, str] = {}
    for module in modules:
        try:
            found[module] = importlib.metadata.version(module)
        except importlib.metadata.PackageNotFoundError:
            found |= {name: importlib.metadata.version(name) for name in _distributions().get(module, ())}
    return dict(sorted(found.items()))


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """Return module -> distributions, where their names differ (sklearn: scikit-learn). Slow: it reads all there is."""
    return importlib.metadata.packages_distributions()


def _imports(source: str) -> set[str]:
    tree = parsed(to_python(source)[0])
    if tree is None:
        return set()
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    froms = {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.split(".")[0] for name in plain | froms}
