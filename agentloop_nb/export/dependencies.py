"""Which names a cell defines, changes and uses: enough to tell which cells another one depends on.

The analysis is static and errs on the side of "may change": an unknown method or function may change what it is given.
What it gets wrong, the verification in a fresh kernel finds.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from agentloop_nb._internal.ipython_syntax import parsed, to_python
from agentloop_nb.export.call_effects import CHANGING_FUNCTIONS, CONFIGURING, PURE_FUNCTIONS, PURE_METHODS

IGNORED = frozenset(dir(builtins)) | {
    *("get_ipython", "display", "In", "Out", "exit", "quit", "_", "__", "___", "_i", "_ih", "_oh", "_dh", "__file__"),
    *("__name__", "__doc__", "__builtins__", "__builtin__", "_exit_code", "open"),
}
"""Names that every kernel has."""

_PLOTTING_MAGIC = re.compile(r"^[^\S\n]*%(?:matplotlib|config\s+InlineBackend)\b", re.MULTILINE)
_ENVIRONMENT_MAGIC = re.compile(r"^[^\S\n]*%(?:env|set_env)[^\S\n]+\w+[= ]", re.MULTILINE)


@dataclass
class Names:
    """What one cell does to names. `module:numpy` stands for the settings of a module (seeds, options, styles)."""

    defines: set[str] = field(default_factory=set)
    """Bound at top level, at least on some path."""
    settles: set[str] = field(default_factory=set)
    """Bound on every path before any use: what was there before does not matter."""
    changes: set[str] = field(default_factory=set)
    """Changed in place, perhaps."""
    uses: set[str] = field(default_factory=set)
    """Read before the cell has bound them."""
    modules: dict[str, str] = field(default_factory=dict)
    """Name -> top-level module, for names bound by an import."""
    imports: set[str] = field(default_factory=set)
    """Top-level modules that are imported anywhere in the cell."""
    readable: bool = True
    """False when the source is no Python that could be read."""


def names_of(source: str, modules: Mapping[str, str] | None = None) -> Names:
    """Read a cell. `modules` tells which names are modules already, name -> top-level module. Never raises."""
    python, magic_uses = to_python(source)
    found = Names(modules=dict(modules or {}))
    tree = parsed(python)
    if tree is None:
        found.readable = False
        return found
    reader = _Reader(found)
    try:
        reader.block(tree.body)
    except RecursionError:
        found.readable = False
    found.uses |= magic_uses
    if _PLOTTING_MAGIC.search(source):
        found.changes.add("module:matplotlib")
    if _ENVIRONMENT_MAGIC.search(source):
        found.changes.add("module:os")
    found.uses -= IGNORED
    found.changes -= IGNORED
    found.uses |= {f"module:{module}" for module in _touched(found)}
    return found


def _touched(names: Names) -> set[str]:
    """Return modules whose settings matter to a cell."""
    return names.imports | {names.modules[name] for name in names.uses if name in names.modules}


class _Reader:
    """Walks the statements of a cell in order."""

    def __init__(self, found: Names) -> None:
        self.found = found

    def block(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            self.statement(statement)

    def perhaps(self, body: Iterable[ast.stmt]) -> None:
        """Read a block that may not run: what it binds is settled inside it only."""
        before = set(self.found.settles)
        self.block(body)
        self.found.settles = before

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.If() | ast.While():
                self.use(node.test)
                self.perhaps(node.body)
                self.perhaps(node.orelse)
            case ast.For() | ast.AsyncFor():
                self.use(node.iter)
                self.bind(node.target)
                self.perhaps(node.body)
                self.perhaps(node.orelse)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self.use(item.context_expr)
                    if item.optional_vars is not None:
                        self.bind(item.optional_vars)
                self.block(node.body)
            case ast.Try() | ast.TryStar():
                self.perhaps([*node.body, *node.orelse])
                for handler in node.handlers:
                    self._handle(handler)
                self.block(node.finalbody)
            case ast.Match():
                self.use(node.subject)
                for each in node.cases:
                    self._match(each)
            case _:
                self.simple(node)

    def _handle(self, handler: ast.ExceptHandler) -> None:
        if handler.type is not None:
            self.use(handler.type)
        before = set(self.found.settles)
        if handler.name:
            self._bound(handler.name)
        self.block(handler.body)
        self.found.settles = before

    def _match(self, case: ast.match_case) -> None:
        before = set(self.found.settles)
        self._bound(*(n.name for n in ast.walk(case.pattern) if isinstance(n, ast.MatchAs | ast.MatchStar) and n.name))
        self.use(case.pattern)
        if case.guard is not None:
            self.use(case.guard)
        self.block(case.body)
        self.found.settles = before

    def simple(self, node: ast.stmt) -> None:
        self.use(node)
        match node:
            case ast.Import() | ast.ImportFrom():
                self._import(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._bound(node.name)
            case ast.Assign() | ast.Delete():
                for target in node.targets:
                    self.bind(target)
            case ast.AugAssign() | ast.AnnAssign():
                self.bind(node.target)
        for walrus in (n for n in ast.walk(node) if isinstance(n, ast.NamedExpr)):
            self.bind(walrus.target)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.ImportFrom):
            top = (node.module or "").split(".")[0]
            made = {(alias.asname or alias.name): top for alias in node.names if alias.name != "*"}
            if len(made) < len(node.names):
                made |= dict.fromkeys(_public(node.module or ""), top)
        else:
            made = {(alias.asname or alias.name.split(".")[0]): alias.name.split(".")[0] for alias in node.names}
        self.found.imports |= {top for top in made.values() if top}
        star = any(alias.name == "*" for alias in node.names)
        submodules = isinstance(node, ast.Import) or (not star and self._submodules(node))
        self.found.modules |= made if submodules else {}
        self._bound(*made)

    @staticmethod
    def _submodules(node: ast.ImportFrom) -> bool:
        """Whether `from x import y` may bind a module (`from matplotlib import pyplot`)."""
        return all((alias.asname or alias.name).islower() for alias in node.names)

    def bind(self, target: ast.expr) -> None:
        """Bind a target: a name is defined, an attribute or item changes the object it belongs to."""
        match target:
            case ast.Name():
                self._bound(target.id)
            case ast.Tuple() | ast.List():
                for element in target.elts:
                    self.bind(element)
            case ast.Starred():
                self.bind(target.value)
            case ast.Attribute() | ast.Subscript():
                self._changed(_root(target))

    def _bound(self, *names: str) -> None:
        self.found.defines.update(names)
        self.found.settles |= set(names) - self.found.uses

    def use(self, node: ast.AST) -> None:
        """Everything that is read in a node, and what its calls may change."""
        self._used(_free(node))
        for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
            self._call(call)

    def _used(self, names: set[str]) -> None:
        self.found.uses |= names - self.found.settles

    def _call(self, call: ast.Call) -> None:
        function = call.func
        arguments = [_root(argument) for argument in (*call.args, *(keyword.value for keyword in call.keywords))]
        if isinstance(function, ast.Name):
            if function.id not in PURE_FUNCTIONS and not function.id[:1].isupper():
                self._changed(*arguments)
            return
        root = _root(function)
        name = function.attr if isinstance(function, ast.Attribute) else ""
        inplace = any(keyword.arg == "inplace" for keyword in call.keywords)
        if root in self.found.modules:
            if name in CONFIGURING or "random" in _path(function):
                self._changed(root)
            if name in CHANGING_FUNCTIONS:
                self._changed(*arguments)
        elif inplace or name not in PURE_METHODS:
            self._changed(root)

    def _changed(self, *names: str | None) -> None:
        for name in names:
            if name is None:
                continue
            module = self.found.modules.get(name)
            self.found.changes.add(f"module:{module}" if module else name)


def _public(module: str) -> list[str]:
    """Return what `from module import *` binds, where that is known without running anything of the user's."""
    if module.split(".", maxsplit=1)[0] in sys.stdlib_module_names and module not in ("this", "antigravity"):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    found = vars(sys.modules[module]) if module in sys.modules else {}
    return list(found.get("__all__") or (name for name in found if not name.startswith("_")))


def _root(node: ast.AST) -> str | None:
    """Return the name that an expression like `a.b[c].d()` begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred | ast.Await):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _path(node: ast.AST) -> list[str]:
    """Return the names along an expression like `np.random.rand`.

    Drawing a random number changes the generator's state.
    """
    return [
        n.attr if isinstance(n, ast.Attribute) else n.id
        for n in ast.walk(node)
        if isinstance(n, ast.Attribute | ast.Name)
    ]


def _free(node: ast.AST) -> set[str]:
    """Return names read in a node that are not bound inside it by a function, a class or a comprehension."""
    match node:
        case ast.Name(ctx=ast.Load() | ast.Del()):
            return {node.id}
        case ast.AugAssign(target=ast.Name(id=name)):
            return {name} | _free(node.value)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            body = node.body if isinstance(node.body, list) else [node.body]
            outside = [node.args, *([] if isinstance(node, ast.Lambda) else node.decorator_list)]
            inner = set().union(*map(_free, body)) - _parameters(node.args) - _locals(body)
            return inner.union(*map(_free, outside))
        case ast.ClassDef():
            inner = set().union(*map(_free, node.body)) - _locals(node.body)
            return inner.union(*map(_free, [*node.bases, *node.decorator_list, *node.keywords]))
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            targets = {n.id for each in node.generators for n in ast.walk(each.target) if isinstance(n, ast.Name)}
            return set().union(*map(_free, ast.iter_child_nodes(node))) - targets
        case _:
            return set().union(*map(_free, ast.iter_child_nodes(node)))


def _parameters(arguments: ast.arguments) -> set[str]:
    return {node.arg for node in ast.walk(arguments) if isinstance(node, ast.arg)}


def _locals(body: Iterable[ast.AST]) -> set[str]:
    """Return names that a function body binds itself, without those it declares global."""
    bound: set[str] = set()
    shared: set[str] = set()
    for node in (inner for each in body for inner in ast.walk(each)):
        match node:
            case ast.Name(ctx=ast.Store()):
                bound.add(node.id)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                bound.add(node.name)
            case ast.Import() | ast.ImportFrom():
                bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            case ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.Global():
                shared |= set(node.names)
    return bound - shared
