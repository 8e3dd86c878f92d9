"""The names a piece of code binds: imports, variables, functions and what their parameters are given."""

from __future__ import annotations

import ast

KEPT = 8
"""Values kept of one name, the newest: a long run binds the same few names over and over."""


class Bindings:
    """Names by what was bound to them, in the order they were learned."""

    def __init__(self) -> None:
        self._aliases: dict[str, str] = {}
        self._bound: dict[str, list[ast.expr]] = {}
        self._stars: list[str] = []
        """Modules all of whose names were imported."""
        self._defined: set[str] = set()
        self._parameters: dict[str, list[str]] = {}

    def learn(self, tree: ast.AST) -> None:
        """Take in what a tree binds; later trees add to earlier ones."""
        for node in ast.walk(tree):
            match node:
                case ast.Import():
                    for name in node.names:
                        self._aliases[name.asname or name.name.partition(".")[0]] = (
                            name.name if name.asname else name.name.partition(".")[0]
                        )
                case ast.ImportFrom(module=str(module)):
                    for name in node.names:
                        if name.name == "*":
                            self._stars.append(module)
                        self._aliases[name.asname or name.name] = f"{module}.{name.name}"
                case ast.Assign():
                    for target in node.targets:
                        self._bind(target, node.value)
                case ast.AnnAssign(value=ast.expr() as value) | ast.NamedExpr(value=value) | ast.AugAssign(value=value):
                    self._bind(node.target, value)
                case ast.For() | ast.AsyncFor() | ast.comprehension():
                    self._bind(node.target, node.iter)
                case ast.withitem(optional_vars=ast.expr() as target):
                    self._bind(target, node.context_expr)
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    self._define(node)
                case ast.ExceptHandler(name=str(name)):
                    self._defined.add(name)
                case _:
                    pass
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._pass_arguments(node)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._defined.add(node.name)
        if not isinstance(node, ast.ClassDef):
            self._parameters[node.name] = _parameters(node.args)
            self._defined |= set(self._parameters[node.name])

    def _pass_arguments(self, node: ast.Call) -> None:
        """Bind parameters to what calls hand over, also through `df.apply(function)` and `map(function, rows)`."""
        arguments = [item.value if isinstance(item, ast.Starred) else item for item in node.args]
        if isinstance(node.func, ast.Name) and node.func.id in self._parameters:
            names = self._parameters[node.func.id]
            spread = [item.value for item in node.args if isinstance(item, ast.Starred)]
            for name, value in [
                *zip(names, arguments, strict=False),
                *((name, item) for item in spread for name in names),
                *((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg in names),
            ]:
                self._remember(str(name), value)
        for argument in arguments:
            names = _parameters(argument.args) if isinstance(argument, ast.Lambda) else []
            self._defined |= set(names)
            if isinstance(argument, ast.Name):
                names = self._parameters.get(argument.id, [])
            others = [other for other in arguments if other is not argument]
            receiver = [node.func.value] if isinstance(node.func, ast.Attribute) else []
            for name in names:
                self._remember(name, *receiver, *others)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._remember(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            if len(parts) != len(target.elts):
                parts = [value] * len(target.elts)
            for item, part in zip(target.elts, parts, strict=True):
                self._bind(item, part)

    def _remember(self, name: str, *values: ast.expr) -> None:
        bound = self._bound.setdefault(name, [])
        bound.extend(values)
        del bound[:-KEPT]

    @property
    def modules(self) -> frozenset[str]:
        """The modules, and names of modules, that were imported."""
        return frozenset(self._aliases.values())

    def bindings(self, name: str) -> list[ast.expr]:
        """Return the expressions last bound to a name."""
        return self._bound.get(name, [])

    def defined(self, name: str) -> bool:
        """Whether a name is a function, a class, a parameter or an exception of this code."""
        return name in self._defined

    def imported(self, name: str) -> bool:
        """Whether a name is an import."""
        return name in self._aliases


def _parameters(arguments: ast.arguments) -> list[str]:
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [item.arg for item in [*named, *filter(None, (arguments.vararg, arguments.kwarg))]]
