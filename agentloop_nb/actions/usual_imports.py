"""The imports that everybody writes in one way, so that an alias that is not defined can mean one thing only."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from agentloop_nb._internal.ipython_syntax import parsed

USUAL = {
    "np": "import numpy as np", "pd": "import pandas as pd", "pl": "import polars as pl",
    "plt": "import matplotlib.pyplot as plt", "sns": "import seaborn as sns",
}  # fmt: skip


def not_imported(code: str) -> list[str]:
    """List the usual aliases that code uses and binds nowhere."""
    tree = parsed(code)
    if tree is None:
        return []
    nodes = list(ast.walk(tree))
    bound = set(_bound(nodes))
    used = dict.fromkeys(node.id for node in nodes if isinstance(node, ast.Name) and node.id in USUAL)
    return [name for name in used if name not in bound]


def with_imports(code: str, names: list[str]) -> str:
    """Return code that imports these aliases first."""
    return "\n".join([*(USUAL[name] for name in names), code])


def _bound(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.alias(name=name, asname=alias):
                yield (alias or name).partition(".")[0]
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case _:
                continue
