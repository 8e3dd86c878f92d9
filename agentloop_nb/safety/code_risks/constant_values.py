"""What expressions are worth before they run: names by their import, strings as far as they are spelled out."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from agentloop_nb.safety.code_risks.bindings import Bindings
from agentloop_nb.safety.code_risks.decodings import decoded
from agentloop_nb.safety.code_risks.words import words

HOLE = "…"
"""Stands for a part of a string that is not known before the code runs."""
MAX_STRING = 20_000
"""Characters of one worked-out string."""
_DEPTH = 30
_WORK = 100_000
"""Expressions worked out for one reading; what is left after that counts as unknown."""


class Values(Bindings):
    """What the names and expressions of a piece of code stand for, within a bound of work."""

    def __init__(self) -> None:
        super().__init__()
        self._work = _WORK
        self._busy: set[str] = set()
        """Names being worked out, so that none is worked out of itself."""

    @property
    def exhausted(self) -> bool:
        """Whether something was left unknown because the code is too entangled."""
        return self._work <= 0

    def spend(self) -> bool:
        """Take one unit of the work a reading may cost; False when there is none left."""
        self._work -= 1
        return self._work > 0

    def copy(self) -> Values:
        """Return the same names, to learn more without changing these."""
        copied = Values()
        copied._aliases, copied._defined = dict(self._aliases), set(self._defined)
        copied._bound = {name: list(bound) for name, bound in self._bound.items()}
        copied._parameters, copied._stars = dict(self._parameters), list(self._stars)
        return copied

    def dotted(self, node: ast.expr, depth: int = 0) -> str:
        """Name what an expression refers to: `os.system`, `requests.Session().post`; `?` for what is not known."""
        if depth > _DEPTH or not self.spend():
            return "?"
        match node:
            case ast.Name():
                return self._dotted_name(node.id, depth)
            case ast.Attribute():
                return f"{self.dotted(node.value, depth + 1)}.{node.attr}"
            case ast.Call():
                return self._dotted_call(node, depth)
            case ast.Subscript():
                return self._dotted_item(node, depth)
            case ast.Await():
                return self.dotted(node.value, depth + 1)
            case ast.BinOp(op=ast.Div()):
                left = self.dotted(node.left, depth + 1)
                return left if "Path" in left else "?"
            case ast.Constant():
                return type(node.value).__name__
            case ast.Lambda():
                return "?"
            case _:
                return "?"

    def _dotted_name(self, name: str, depth: int) -> str:
        if name in self._aliases:
            return self._aliases[name]
        if name in self._busy:
            return "?"
        self._busy.add(name)
        try:
            kinds = ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Await | ast.BinOp
            values = [value for value in self._bound.get(name, ())[-3:] if isinstance(value, kinds)]
            known = (found for value in values if (found := self.dotted(value, depth + 5)) != "?")
            return next(known, "?" if name in self._bound else self._starred(name))
        finally:
            self._busy.discard(name)

    def _starred(self, name: str) -> str:
        """Guess where a name that is not bound came from: a star, most gravely of a module that touches the system."""
        if name in self._defined or hasattr(builtins, name) or not self._stars:
            return name
        grave = [module for module in self._stars if module in ("os", "subprocess", "shutil", "socket")]
        return f"{(grave or self._stars)[-1]}.{name}"

    def _dotted_call(self, node: ast.Call, depth: int) -> str:
        function = self.dotted(node.func, depth + 1)
        first = self.text(node.args[0], depth + 1) if node.args else None
        if function in ("__import__", "importlib.import_module", "builtins.__import__") and first:
            return first
        if function in ("getattr", "builtins.getattr") and len(node.args) > 1:
            return f"{self.dotted(node.args[0], depth + 1)}.{self.text(node.args[1], depth + 1) or '?'}"
        if function in ("vars", "globals", "locals"):
            return self.dotted(node.args[0], depth + 1) if node.args else "globals()"
        if function == "functools.partial" and node.args:
            return self.dotted(node.args[0], depth + 1)
        return f"{function}()"

    def _dotted_item(self, node: ast.Subscript, depth: int) -> str:
        owner = self.dotted(node.value, depth + 1)
        key = self.text(node.slice, depth + 1)
        if key and owner == "sys.modules":
            return key
        if key and owner == "globals()":
            return self._dotted_name(key, depth + 1)
        if (
            key
            and isinstance(node.value, ast.Call | ast.Attribute)
            and owner.removesuffix(".__dict__") in self._modules()
        ):
            return f"{owner.removesuffix('.__dict__')}.{key}"
        return f"{owner}[]"

    def _modules(self) -> set[str]:
        return set(self._aliases.values()) | {"os", "builtins", "subprocess", "shutil"}

    def text(self, node: ast.expr, depth: int = 0) -> str | None:
        """Work out a string or a path, `HOLE` for unknown parts; None when nothing of it is known."""
        if depth > _DEPTH or not self.spend():
            return None
        found = self._text(node, depth)
        return found if found is None or len(found) <= MAX_STRING else found[:MAX_STRING]

    def _text(self, node: ast.expr, depth: int) -> str | None:
        match node:
            case ast.Constant(value=str(value)):
                return value
            case ast.Constant(value=bytes(value)):
                return value.decode(errors="replace")
            case ast.Constant(value=int(number)) if not isinstance(number, bool):
                return str(number)
            case ast.JoinedStr():
                return "".join(self._piece(part, depth) for part in node.values)
            case ast.FormattedValue():
                return self.text(node.value, depth + 1)
            case ast.BinOp(op=ast.Add()):
                return self._joined(node.left, node.right, "", depth)
            case ast.BinOp(op=ast.Div()):
                return self._joined(node.left, node.right, "/", depth)
            case ast.BinOp(op=ast.Mod()):
                return self.text(node.left, depth + 1)
            case ast.Name():
                return self._named(node.id, depth)
            case ast.List() | ast.Tuple() | ast.Set() if node.elts:
                return self.text(node.elts[0], depth + 1)
            case ast.Subscript():
                return self._item(node, depth)
            case ast.Call():
                return self._called(node, depth)
            case ast.Attribute():
                return self._attribute(node, depth)
            case ast.Starred() | ast.Await():
                return self.text(node.value, depth + 1)
            case _:
                return None

    def _piece(self, node: ast.expr, depth: int) -> str:
        found = self.text(node, depth + 1)
        return HOLE if found is None else found

    def _joined(self, left: ast.expr, right: ast.expr, between: str, depth: int) -> str | None:
        first, second = self.text(left, depth + 1), self.text(right, depth + 1)
        if first is None and second is None:
            return None
        return f"{HOLE if first is None else first}{between}{HOLE if second is None else second}"

    def _named(self, name: str, depth: int) -> str | None:
        if name in self._busy:
            return None
        self._busy.add(name)
        try:
            texts = (self.text(value, depth + 5) for value in reversed(self._bound.get(name, ())[-5:]))
            return next((text for text in texts if text is not None), "script.py" if name == "__file__" else None)
        finally:
            self._busy.discard(name)

    def _item(self, node: ast.Subscript, depth: int) -> str | None:
        if self.dotted(node.value, depth + 1) == "os.environ" and self.text(node.slice, depth + 1) in (
            "HOME",
            "USERPROFILE",
        ):
            return "~"
        whole = self.text(node.value, depth + 1)
        step = node.slice.step if isinstance(node.slice, ast.Slice) else None
        if (
            whole is not None
            and isinstance(step, ast.UnaryOp)
            and isinstance(node.value, ast.Constant | ast.Name | ast.BinOp)
        ):
            return whole[::-1]
        return whole

    def _attribute(self, node: ast.Attribute, depth: int) -> str | None:
        whole = self.text(node.value, depth + 1)
        name = self.dotted(node, depth + 1)
        if name == "sys.executable":
            return "python"
        if whole is None:
            return None
        return f"{whole}/.." if node.attr == "parent" else whole

    def _called(self, node: ast.Call, depth: int) -> str | None:
        name = self.dotted(node.func, depth + 1)
        last = name.rsplit(".", 1)[-1]
        receiver = self.text(node.func.value, depth + 1) if isinstance(node.func, ast.Attribute) else None
        first = self.text(node.args[0], depth + 1) if node.args else None
        if last in ("home", "gethomedir") or (name == "os.getenv" and first == "HOME"):
            return "~"
        if name in ("os.getcwd", "pathlib.Path.cwd"):
            return "."
        if name == "os.path.join" or (last == "joinpath" and receiver is not None):
            parts = [] if receiver is None else [receiver]
            return "/".join([*parts, *(self._piece(argument, depth) for argument in node.args)])
        if last == "join" and receiver is not None and node.args:
            return self._join(receiver, node.args[0], depth)
        if (plain := decoded(name, last, first if first is not None else receiver)) is not None:
            return plain
        if last == "format" and receiver is not None:
            return self._format(receiver, node, depth)
        if last == "replace" and receiver is not None and len(node.args) == 2:
            return receiver.replace(first or "", self._piece(node.args[1], depth)) if first else receiver
        if last == "chr" and first is not None and first.isdecimal() and int(first) < 0x110000:
            return chr(int(first))
        if last in _PASSING and receiver is not None:
            return receiver
        if last in ("glob", "rglob", "iterdir", "with_name", "with_suffix") and receiver is not None:
            return f"{receiver}/{first or HOLE}"
        return first if last in _TAKING else None

    def _join(self, between: str, items: ast.expr, depth: int) -> str | None:
        if isinstance(items, ast.List | ast.Tuple):
            return between.join(self._piece(item, depth) for item in items.elts)
        if isinstance(items, ast.GeneratorExp | ast.ListComp):
            return self._mapped(items, between, depth)
        return self.text(items, depth + 1)

    def _mapped(self, items: ast.GeneratorExp | ast.ListComp, between: str, depth: int) -> str | None:
        """`"".join(chr(n) for n in [104, 105])`: numbers spelled out as characters."""
        source = items.generators[0].iter
        if isinstance(source, ast.Name) and self._bound.get(source.id):
            source = self._bound[source.id][-1]
        is_chr = isinstance(items.elt, ast.Call) and self.dotted(items.elt.func, depth + 1) == "chr"
        if is_chr and isinstance(source, ast.List | ast.Tuple):
            return between.join(
                chr(item.value)
                for item in source.elts
                if isinstance(item, ast.Constant) and isinstance(item.value, int) and 0 <= item.value < 0x110000
            )
        return self.text(items.elt, depth + 1)

    def _format(self, template: str, node: ast.Call, depth: int) -> str:
        parts = template.split("{")
        arguments = iter([*node.args, *(keyword.value for keyword in node.keywords)])
        found = parts[0]
        for part in parts[1:]:
            value = next(arguments, None)
            found += (HOLE if value is None else self._piece(value, depth)) + part.partition("}")[2]
        return found


_PASSING = words(
    "strip lstrip rstrip lower upper expanduser resolve absolute as_posix decode encode rstrip removesuffix "
    "removeprefix expandvars copy split splitlines geturl with_segments read_text"
)
_TAKING = words(
    "Path PurePath PosixPath PurePosixPath WindowsPath str bytes bytearray abspath realpath normpath expanduser "
    "expandvars fspath quote sorted list tuple set reversed iter next glob iglob listdir scandir walk Request URL "
    "unquote urljoin normcase dirname open enumerate IFrame compile split"
)


def strings(tree: ast.AST, values: Values) -> Iterator[str]:
    """Yield every string in a tree that is known, each as whole as it can be worked out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp | ast.Call | ast.Subscript):
            found = values.text(node)
            if found and not found.isdecimal():
                yield found
