"""Taking IPython's syntax out of a cell, so that the rest can be read as Python."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from agentloop_nb._internal.ipython_syntax import parsed

MAX_CODE = 200_000
"""Characters of a cell that are read; a longer one counts as unreadable."""

_NESTED = 5
_SHELLS = frozenset({"bash", "sh", "script", "cmd", "powershell", "pwsh", "zsh", "system", "sx", "!"})
_OTHER_LANGUAGES = frozenset(
    {"perl", "ruby", "javascript", "js", "html", "svg", "latex", "markdown", "writefile", "file"}
)
_ALIASES = frozenset({"rm", "mv", "cp", "mkdir", "rmdir", "ls", "cat", "ll", "ln", "less", "more", "man"})
_AUTOMAGIC = (
    _ALIASES
    | {"time", "timeit", "prun", "alias"}
    | {"pip", "conda", "mamba", "micromamba", "uv", "cd", "run", "reset", "env", "set_env"}
)
_ESCAPED = re.compile(
    r"^(?P<indent>\s*)(?:(?P<target>[\w.,\[\]*'\"][\w.,\s\[\]*'\"]*)=\s*)?(?P<escape>!!?|%)(?P<rest>[^%=].*)$"
)
_AUTO = re.compile(rf"^(?P<indent>\s*)(?P<name>{'|'.join(sorted(_AUTOMAGIC))})[ \t]+(?P<rest>[^=].*)$")
_CALL = re.compile(r"^(?P<indent>\s*)[,;/](?P<name>[A-Za-z_][\w.]*)[ \t]+(?P<rest>.*)$")
_SHELL_FILE = re.compile(r"\.(sh|bash|zsh|command|mk|bat|ps1)$|^(gnu)?makefile$|^(justfile|dockerfile|procfile)$")
_CODE_MAGICS = frozenset({"time", "timeit", "prun", "memit", "mprun", "lprun", "memray_flamegraph", "scalene", "heat"})
"""Magics whose own line is Python."""
_PROMPT = re.compile(r"^\s*(>>> ?|\.\.\. ?|In \[\d+\]: ?|\.\.\.+: ?)")
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
    pieces: list[str] = field(default_factory=list)
    """Code that stands on the lines of magics."""


def take_apart(code: str, depth: int = 0) -> Cell:
    """Read a cell of Python, magics and shell lines as IPython would run it. Never raises."""
    cell = Cell()
    if len(code) > MAX_CODE or depth > _NESTED:
        return cell
    python = _cell_magic(_bare(code), cell)
    cell.tree = parsed(python)
    if cell.tree is None:
        cell.tree = parsed(_without_escapes(python, cell))
    for piece in cell.pieces:
        _add(cell, take_apart(_without_options(piece), depth + 1))
    return cell


def _bare(code: str) -> str:
    """Take the prompts and the common indent of a pasted cell away."""
    lines = code.expandtabs(4).lstrip("\n").split("\n") if code[:1] in " \t\n" else code.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if _PROMPT.match(first) and parsed(code) is None:
        lines = [_PROMPT.sub("", line, count=1) for line in lines]
        first = next((line for line in lines if line.strip()), "")
    if indent := len(first) - len(first.lstrip()):
        lines = [line[indent:] if not line[:indent].strip() else line for line in lines]
    return "\n".join(lines)


def _without_options(piece: str) -> str:
    """Return the code of a magic's line, after its options."""
    first, _, rest = piece.partition("\n")
    words = first.strip()
    while words.startswith("-"):
        words = words.partition(" ")[2].lstrip()
        if words and not words.startswith(("-", "!", "%")) and parsed(words) is None:
            words = words.partition(" ")[2].lstrip()
    return f"{words}\n{rest}"


def _add(cell: Cell, other: Cell) -> None:
    cell.shell += other.shell
    cell.magics += other.magics
    if cell.tree is None or other.tree is None:
        cell.tree = None
    else:
        cell.tree = ast.Module([*cell.tree.body, *other.tree.body], [])


def as_cell(filename: str, content: str) -> str | None:
    """Return the content of a file as a cell that does the same; None for a file that nobody executes."""
    name = filename.rsplit("/", 1)[-1].lower()
    if re.search(r"\.(py|pyw|ipy|pyi|pth|pyx)$", name):
        return content
    if content.startswith("#!") and "python" in content.partition("\n")[0]:
        return content
    if _SHELL_FILE.search(name) or content.startswith("#!"):
        return f"%%bash\n{content}"
    if re.search(r"\.ipynb$", name):
        return _of_notebook(content)
    if re.search(r"^package\.json$|\.(js|mjs|pl|rb|r)$", name):
        return f"%%html\n{content}"
    return None


def _of_notebook(content: str) -> str:
    try:
        cells = json.loads(content)["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    except (ValueError, KeyError, TypeError):
        return content


_IPYTHONS_OWN = re.compile(r"^[^\S\n]*(?:[%!?,;/]|>>>|\.\.\.|In \[)|\?\s*$|=\s*[%!]", re.MULTILINE)
"""What IPython may make something else of."""


def ends_at_once(code: str) -> bool:
    """Tell whether a cell that is no Python is none for IPython either: it ends with a SyntaxError and runs nothing."""
    lines = [line for line in code.split("\n") if line.strip()]
    if not lines or len(code) > MAX_CODE or "\x00" in code or parsed(code) is not None or _IPYTHONS_OWN.search(code):
        return False
    alone = len(lines) == 1 and re.match(r"\w+(?:\s|$)", lines[0])  # a magic may be called without its sign
    return not lines[0][:1].isspace() and not alone


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
        if name in _CODE_MAGICS and rest:
            cell.pieces.append(rest)
        code = body
    return code


def _without_escapes(source: str, cell: Cell) -> str:
    """Note shell lines and magics, and put `pass` in their place."""
    lines: list[str] = []
    pending = iter(source.split("\n"))
    for begun in pending:
        line = _continued(begun, pending) if begun.endswith("\\") and _ESCAPED.match(begun) else begun
        if match := _ESCAPED.match(line):
            target = (match["target"] or "").strip()
            _note(match["escape"], match["rest"], cell)
            lines.append(f"{match['indent']}{target} = None" if target else f"{match['indent']}pass")
        elif (match := _AUTO.match(line)) and parsed(line.strip()) is None:
            _note("%", f"{match['name']} {match['rest']}", cell)
            lines.append(f"{match['indent']}pass")
        elif match := _CALL.match(line):
            lines.append(f"{match['indent']}{match['name']}({match['rest']!r})")
        else:
            lines.append(_HELP.sub(r"\1pass", line))
    return "\n".join(lines)


def _continued(begun: str, following: Iterator[str]) -> str:
    """Join a line with those that continue it, as IPython does."""
    parts = [begun]
    while parts[-1].endswith("\\") and (line := next(following, None)) is not None:
        parts[-1] = parts[-1][:-1]
        parts.append(line)
    return " ".join(parts)


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
        if name in _CODE_MAGICS:
            cell.pieces.append(arguments)
        elif name == "alias":
            cell.shell.append(arguments.partition(" ")[2])
