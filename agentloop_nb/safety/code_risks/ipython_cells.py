"""Taking IPython's syntax out of a cell, so that the rest can be read as Python."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass, field

MAX_CODE = 200_000
"""Characters of a cell that are read; a longer one counts as unreadable."""

_SHELLS = frozenset({"bash", "sh", "script", "cmd", "powershell", "pwsh", "zsh", "system", "sx", "!"})
_OTHER_LANGUAGES = frozenset(
    {"perl", "ruby", "javascript", "js", "html", "svg", "latex", "markdown", "writefile", "file"}
)
_ALIASES = frozenset({"rm", "mv", "cp", "mkdir", "rmdir", "ls", "cat", "ll", "ln", "less", "more", "man"})
_AUTOMAGIC = _ALIASES | {"pip", "conda", "mamba", "micromamba", "uv", "cd", "run", "reset", "env", "set_env"}
_ESCAPED = re.compile(
    r"^(?P<indent>\s*)(?:(?P<target>[\w.,\[\]*'\"][\w.,\s\[\]*'\"]*)=\s*)?(?P<escape>!!?|%)(?P<rest>[^%=].*)$"
)
_AUTO = re.compile(rf"^(?P<indent>\s*)(?P<name>{'|'.join(sorted(_AUTOMAGIC))})[ \t]+(?P<rest>[^=].*)$")
_CALL = re.compile(r"^(?P<indent>\s*)[,;/](?P<name>[A-Za-z_][\w.]*)[ \t]+(?P<rest>.*)$")
_HELP = re.compile(r"^(\s*)(\?{1,2}\s*[\w.*]+|[\w.*%]+\?{1,2})\s*$")


@dataclass
class Cell:
    """A cell taken apart."""

    tree: ast.Module | None = None
    """Its Python; None when it cannot be read."""
    shell: list[str] = field(default_factory=list)
    """Shell command lines."""
    magics: list[tuple[str, str]] = field(default_factory=list)
    """Magics by name, with the rest of their line (of a cell magic: and the body)."""


def take_apart(code: str) -> Cell:
    """Read a cell of Python, magics and shell lines. Never raises."""
    cell = Cell()
    if len(code) > MAX_CODE:
        return cell
    python = _cell_magic(code, cell)
    cell.tree = parse(python)
    if cell.tree is None:
        cell.tree = parse(_without_escapes(python, cell))
    return cell


def parse(source: str) -> ast.Module | None:
    """Parse Python with top-level await; None when it is no Python."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = compile(source, "<cell>", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None
    return tree if isinstance(tree, ast.Module) else None


def _cell_magic(code: str, cell: Cell) -> str:
    """Note cell magics at the top; return the Python that is left."""
    while (stripped := code.lstrip()).startswith("%%"):
        first, _, body = stripped.partition("\n")
        name, _, rest = first[2:].strip().partition(" ")
        if name in _SHELLS:
            program = rest.strip() if name == "script" else ""
            cell.shell += [program, body] if program else [body]
            return ""
        cell.magics.append((name, f"{rest}\n{body}" if name in _OTHER_LANGUAGES else rest))
        if name in _OTHER_LANGUAGES:
            return ""
        code = f"{rest}\n{body}" if name in ("time", "prun") and rest else body
    return code


def _without_escapes(source: str, cell: Cell) -> str:
    """Note shell lines and magics, and put `pass` in their place."""
    lines: list[str] = []
    pending = iter(source.split("\n"))
    for line in pending:
        while line.rstrip().endswith("\\") and _ESCAPED.match(line):
            line = line.rstrip()[:-1] + next(pending, "")  # noqa: PLW2901  # a continued line is one line
        if match := _ESCAPED.match(line):
            target = (match["target"] or "").strip()
            _note(match["escape"], match["rest"], cell)
            lines.append(f"{match['indent']}{target} = None" if target else f"{match['indent']}pass")
        elif (match := _AUTO.match(line)) and parse(line.strip()) is None:
            _note("%", f"{match['name']} {match['rest']}", cell)
            lines.append(f"{match['indent']}pass")
        elif match := _CALL.match(line):
            lines.append(f"{match['indent']}{match['name']}({match['rest']!r})")
        else:
            lines.append(_HELP.sub(r"\1pass", line))
    return "\n".join(lines)


def _note(escape: str, rest: str, cell: Cell) -> None:
    if escape != "%":
        cell.shell.append(rest.strip())
        return
    name, _, arguments = rest.strip().partition(" ")
    if name in _SHELLS:
        cell.shell.append(arguments)
    elif name in _ALIASES:
        cell.shell.append(f"{name} {arguments}")
    else:
        cell.magics.append((name, arguments))
        if name in ("time", "timeit", "prun", "memit", "capture") and arguments.startswith("!"):
            cell.shell.append(arguments.lstrip("!"))
