"""The one decision by which a model proposes a function, and what is checked of it before anything is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pydantic import Field

from agentloop_nb._internal.ipython_syntax import parsed, to_python
from agentloop_nb.actions import Action, ActionResult
from agentloop_nb.actions.table_argument import LIBRARIES, table_module
from agentloop_nb.errors import ActionFailed, UserError
from agentloop_nb.export.dependencies import IGNORED, names_of
from agentloop_nb.own_actions.declare import model_of
from agentloop_nb.protocols import OnOutput, Workspace

_TYPE_MODULES = ("datetime", "pathlib", "typing", "pydantic")
"""Modules that annotations of parameters may come from, besides those of tables."""
_IN_TYPES = (
    *(ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.BitOr, ast.Constant, ast.Tuple, ast.List, ast.Load),
    *(ast.UnaryOp, ast.USub, ast.Call, ast.keyword),
)


class ProposeFunction(Action):
    """Propose a function that does what the steps did."""

    icon = "🧩"
    title_field = "call"

    code: str = Field(min_length=1)
    """Imports, then one def with typed parameters, a return type and a docstring."""
    call: str = Field(min_length=1)
    """An expression that calls it as the run would have."""
    result: str = Field(min_length=1)
    """The variable of the run that the call has to equal, or an expression that stands in the steps."""

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        raise ActionFailed("a proposal is no step")


class Unfit(Exception):
    """A proposal that cannot be taken, in words for the model; `shown` may hold values of the user's."""

    def __init__(self, reason: str, shown: str = "") -> None:
        super().__init__(reason)
        self.shown = shown

    @property
    def whole(self) -> str:
        return f"{self}: {self.shown}" if self.shown else str(self)


def check(
    proposal: ProposeFunction,
    name: str,
    steps: list[str],
    made: frozenset[str],
    there: frozenset[str] = frozenset(),
) -> None:
    """Read a proposal. Raises `Unfit`.

    `steps` are the sources it stands for, `made` the names they made, `there` those that were there before.
    """
    function = _only_function(proposal.code, name)
    _check_signature(function, proposal.code, name)
    used = {each for each in names_of(proposal.code).uses if not each.startswith("module:")}
    if free := sorted(used - IGNORED - {name}):
        raise Unfit(
            f"the code uses {', '.join(free)} without being given it: make it a parameter, or compute it inside"
        )
    _check_call(proposal.call, name)
    _check_given(proposal, made - there - {name}, there)
    _check_result(proposal.result, steps, made)


def _only_function(code: str, name: str) -> ast.FunctionDef:
    """Return the function that code consists of, beside its imports."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        bare = "; write the function with its whole body, line by line" if isinstance(error, IndentationError) else ""
        raise Unfit(f"the code does not parse: {getattr(error, 'msg', error)}{line}{bare}") from None
    rest = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    if len(rest) != 1 or not isinstance(rest[0], ast.FunctionDef) or rest[0].name != name:
        raise Unfit(f"the code has to be imports and one def {name}(...), nothing else")
    function = rest[0]
    if function.decorator_list:
        raise Unfit(f"take the decorators off {name}")
    if not ast.get_docstring(function):
        raise Unfit(f"{name} has no docstring: say in a sentence what it does")
    if function.returns is None:
        raise Unfit(f"{name} has no return type: write def {name}(...) -> TYPE")
    return function


def _check_signature(function: ast.FunctionDef, code: str, name: str) -> None:
    """Declare a function of the same parameters that does nothing: their types are read, the code is not run."""
    arguments = function.args
    annotations = [each.annotation for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    parts = [each for each in (*annotations, *arguments.defaults, *arguments.kw_defaults) if each is not None]
    texts = {id(node) for part in annotations if part is not None for node in _evaluated_texts(part)}
    for node in (node for part in parts for node in ast.walk(part)):
        if not _is_plain(node) or id(node) in texts:
            raise Unfit(f"the parameters of {name} need plain types and defaults, not {ast.unparse(node)[:80]}")
    stub = ast.FunctionDef(name, arguments, [ast.Pass()], [], None, lineno=1, col_offset=0)
    module = ast.fix_missing_locations(ast.Module([*_type_imports(code), stub], []))
    space: dict[str, object] = {"__name__": "proposal", **_tables(code)}
    try:
        exec(compile(module, "proposal", "exec"), space)  # noqa: S102 - imports of types, and an empty function
        model_of(space[name], "", None, asks=False)
    except UserError as error:
        raise Unfit(error.said) from None
    except Exception as error:  # noqa: BLE001 - a default may be any expression of plain parts
        raise Unfit(f"the parameters of {name} cannot be read: {type(error).__name__}: {error}") from None


def _is_plain(node: ast.AST) -> bool:
    """Whether a part of a type or a default does nothing when it is evaluated."""
    if isinstance(node, ast.Call):
        constant = all(isinstance(each.value, ast.Constant) for each in node.keywords)
        return isinstance(node.func, ast.Name) and node.func.id == "Field" and constant
    return isinstance(node, _IN_TYPES) and not getattr(node, "attr", "").startswith("_")


def _evaluated_texts(annotation: ast.expr) -> Iterator[ast.Constant]:
    """Yield texts in an annotation that Python would run as code: all but choices and descriptions."""
    match annotation:
        case ast.Constant(value=str()):
            yield annotation
        case ast.Call() | ast.Subscript(value=ast.Name(id="Literal") | ast.Attribute(attr="Literal")):
            return
    for node in ast.iter_child_nodes(annotation):
        if isinstance(node, ast.expr):
            yield from _evaluated_texts(node)


def _tables(code: str) -> dict[str, object]:
    """Return what stands for the imported modules of tables in types; none of them is imported for it."""
    found: dict[str, object] = {}
    for node in ast.parse(code).body:
        for each in getattr(node, "names", ()):
            if isinstance(node, ast.Import) and each.name in LIBRARIES:
                found[each.asname or each.name] = table_module(each.name)
            elif isinstance(node, ast.ImportFrom) and node.module in LIBRARIES:
                found |= {each.asname or each.name: vars(table_module(node.module)).get(each.name, each.name)}
    return found


def _type_imports(code: str) -> Iterator[ast.stmt]:
    for node in ast.parse(code).body:
        if isinstance(node, ast.ImportFrom) and node.module in _TYPE_MODULES and not node.level:
            yield node
        if isinstance(node, ast.Import) and all(each.name in _TYPE_MODULES for each in node.names):
            yield node


def _check_call(call: str, name: str) -> None:
    tree = _expression(call, "call")
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or tree.func.id != name:
        raise Unfit(f"call has to be one call, {name}(...), with what the run had as arguments")


def _check_given(proposal: ProposeFunction, later: frozenset[str], there: frozenset[str]) -> None:
    """Refuse a call that uses what only the steps make: it is made before them."""
    late = (names_of(proposal.call).uses & later) - names_of(proposal.code).defines
    if late:
        names = ", ".join(sorted(there)) or "none"
        raise Unfit(
            f"call uses {', '.join(sorted(late))}, which the steps make; before them there are these names: {names}. "
            "Give it the path of a file as text, and let the function read it, or a table as pd.read_csv(...)"
        )


def _check_result(result: str, steps: list[str], made: frozenset[str]) -> None:
    tree = _expression(result, "result")
    if isinstance(tree, ast.Name) and tree.id in made:
        return
    named = any(isinstance(node, ast.Name) for node in ast.walk(tree))
    if not named or ast.dump(tree) not in {ast.dump(node) for source in steps for node in _expressions(source)}:
        names = ", ".join(sorted(made)) or "none"
        raise Unfit(f"result has to be a variable that the steps made ({names}) or an expression that stands in them")


def _expression(text: str, what: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Unfit(f"{what} is no expression: {text[:80]}") from None


def _expressions(source: str) -> Iterator[ast.expr]:
    tree = parsed(to_python(source)[0])
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.expr):
            yield node
