"""Code with slips of weak models in JSON: raw line breaks in quotes, closing marks, a last block not indented."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import islice

from agentloop_nb._internal.ipython_syntax import parsed

_SAID_NEXT = re.compile(r"(?<=[}.,\s])(?:You are told|step \d{1,3}:)")
_BEFORE_IT = re.compile(r"""["'}\]\s]{0,20}\}[.,\s]{0,5}\Z""")
"""Where a decision's end, and what a run says next, was written into its code."""
LONGEST_BEFORE_IT = 26
_ON_ONE_LINE = re.compile(r"(?m)^([ \t]*)((?:for|while|if|with)\b[^\n:]*:)[ \t]+(?=(?:for|while|if|with|try|def)\b)")
"""A block whose body, a block itself, stands on the same line."""
_CLOSING = re.compile(r"""["'}\]\s]{0,20}\}\s*\Z""")
MOST_MARKS = 21
_END = re.compile(r"""(?m)^([^#\n]*?)["'\]\s]{0,5}\}\}""")
"""A line on which the two marks that end a decision were written into its code, and perhaps prose after them."""
_ACTIONS = r"(finish|run_code|write_file|search_web|read_url)"
_ACTION_AT_END = re.compile(rf"\n(?:{_ACTIONS}(?:\([^()\n]*\))?|print\({_ACTIONS}\([^()\n]*\)\))\s*\Z")
_PROSE = re.compile(r"(?<=\))\.\s+[A-Z][a-z]*(?: [\w',]+){4}")
"""A sentence written behind the code of a line."""
MOST_CLOSED = 20
"""Lines whose missing bracket is put at their end, in one cell."""
MOST_ENDS = 8
"""Such lines that are tried."""
MOST_NESTED = 5
"""Blocks inside one another whose indentation is mended."""
_LEAVING = (ast.Return, ast.Raise, ast.Break, ast.Continue)
_FUNCTION = re.compile(r"(?:async )?def\b")
_OPENED = re.compile(r"(?:async )?with\b.*\bas (\w+)\s*:\s*$")
MOST_JOINED = 200
"""Line breaks that are mended in one cell."""


def mended(code: str) -> str:
    """Put right what keeps code from compiling, where there is one way only to do it; else leave it as it is."""
    return _printed(_compiling(code))


def ends_with_an_action(code: str) -> list[str]:
    """Name the action that a cell ends with as if it were Python, `finish` or `finish()`, on a line of its own."""
    found = _ACTION_AT_END.search(code)
    return [found[1] or found[2]] if found and code[: found.start()].strip() and parsed(code) is not None else []


def without_last_line(code: str) -> str:
    """Return code without its last line that is not empty."""
    return code.rstrip().rpartition("\n")[0]


def _compiling(code: str) -> str:
    if _compiles(code):
        return code
    found = (mend(each) for each in _without_closing(code) for mend in (str, _joined, _closed, _indented, _apart))
    return next(filter(_compiles, found), code)


def _without_closing(code: str) -> Iterator[str]:
    """Yield the code, then with fewer and fewer of the closing marks of JSON that were written into its end."""
    yield code
    if (echo := _echo(code)) is not None:
        yield code[:echo].rstrip()
    yield from (code[: end.end(1)].rstrip() for end in islice(_END.finditer(code), MOST_ENDS))
    if prose := _PROSE.search(code):
        yield code[: prose.start()]
    code = code.rstrip()
    if marks := _CLOSING.search(code, max(0, len(code) - MOST_MARKS)):
        yield from (code[:end].rstrip() for end in range(len(code) - 1, marks.start() - 1, -1))


def _echo(code: str) -> int | None:
    for said in _SAID_NEXT.finditer(code):
        near = code[max(0, said.start() - LONGEST_BEFORE_IT) : said.start()]
        if "}" in near[-6:] and (end := _BEFORE_IT.search(near)):
            return said.start() - len(near) + end.start()
    return None


def _apart(code: str, deeper: int = MOST_NESTED) -> str:
    """Give each block on the line of the block around it a line of its own, indented."""
    apart = _ON_ONE_LINE.sub(r"\1\2\n\1    ", code)
    return apart if apart == code or not deeper else _apart(apart, deeper - 1)


def _indented(code: str, deeper: int = MOST_NESTED) -> str:
    """Indent what belongs below the line that asks for a block, where that is certain."""
    line = _not_indented(code)
    if line is None or line < 2 or not deeper:
        return code
    lines = code.split("\n")
    head, rest = lines[: line - 1], _indented("\n".join(lines[line - 1 :]), deeper - 1)
    above = head[-1]
    size = 0 if above[:1].isspace() or not above.rstrip().endswith(":") else _lines_of_block(above, rest)
    if not size:
        return code
    below = rest.split("\n")
    return "\n".join([*head, *(f"    {each}" if each.strip() else each for each in below[:size]), *below[size:]])


def _printed(code: str) -> str:
    """Print what a cell returns: outside a function nothing is returned, and to show it is all that can be meant."""
    tree = parsed(code)
    if tree is None:
        return code
    lines = code.encode().split(b"\n")
    for node in _outside_functions(tree):
        if isinstance(node, ast.Return) and node.value is not None and node.value.lineno == node.lineno:
            first, last, end = node.lineno - 1, node.value.end_lineno or node.lineno, node.value.end_col_offset or 0
            lines[last - 1] = lines[last - 1][:end] + b")" + lines[last - 1][end:]
            lines[first] = lines[first][: node.col_offset] + b"print(" + lines[first][node.value.col_offset :]
    return b"\n".join(lines).decode()


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield node
            yield from _outside_functions(node)


def _not_indented(code: str) -> int | None:
    """Return the line that should be indented, if that is why the code does not compile."""
    try:
        ast.parse(code)
    except IndentationError as error:
        return error.lineno if str(error.msg).startswith("expected an indented block") else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return None


def _lines_of_block(header: str, code: str) -> int:
    """Count the lines of code that belong below a header; 0 where that is not certain."""
    tree = parsed(code)
    if tree is None or '"""' in code or "'''" in code or not tree.body:
        return 0
    count = _statements_of_block(header, tree.body)
    return len(code.split("\n")) if count == len(tree.body) else (tree.body[count - 1].end_lineno or 0) if count else 0


def _statements_of_block(header: str, statements: list[ast.stmt]) -> int:
    """One statement alone, all up to the first that leaves the block, or those that use what `with` has opened."""
    if len(statements) == 1 or isinstance(statements[0], _LEAVING):
        return 1
    if _FUNCTION.match(header):
        return next((number for number, each in enumerate(statements, 1) if isinstance(each, ast.Return)), 0)
    opened = _OPENED.match(header)
    return _last_use(opened[1], statements) if opened else 0


def _last_use(name: str, statements: list[ast.stmt]) -> int:
    """How many statements it is up to the last that uses a name, before one binds it anew."""
    last = 0
    for number, statement in enumerate(statements, 1):
        uses = [node.ctx for node in ast.walk(statement) if isinstance(node, ast.Name) and node.id == name]
        if any(isinstance(use, ast.Store) for use in uses):
            break
        last = number if uses else last
    return last


def _joined(code: str) -> str:
    r"""Write line breaks inside plain quotes as `\n`, if that alone makes the code compile."""
    lines, joined = code.split("\n"), 0
    while (line := _unterminated("\n".join(lines))) is not None:
        if line >= len(lines) or joined >= MOST_JOINED:
            return code
        lines[line - 1 : line + 1] = [f"{lines[line - 1]}\\n{lines[line]}"]
        joined += 1
    return "\n".join(lines) if joined and _compiles("\n".join(lines)) else code


def _closed(code: str) -> str:
    """Close the bracket of each line that is a whole statement with it. A last line alone may have been cut off."""
    lines = code.rstrip().split("\n")
    open_lines = [
        number for number, line in enumerate(lines) if _never_closed(line.strip()) and _compiles(f"{line.strip()})")
    ]
    if open_lines[:1] == [len(lines) - 1] or len(open_lines) > MOST_CLOSED:
        return code
    return "\n".join(f"{line.rstrip()})" if number in open_lines else line for number, line in enumerate(lines))


def _never_closed(line: str) -> bool:
    """Whether a bracket that is never closed keeps a line from compiling."""
    try:
        ast.parse(line)
    except SyntaxError as error:
        return str(error.msg) == "'(' was never closed"
    except (ValueError, RecursionError, MemoryError):
        return False
    return False


def _unterminated(code: str) -> int | None:
    """Return the line of a string that is not closed on it, if that is why the code does not compile."""
    try:
        ast.parse(code)
    except SyntaxError as error:
        told = str(error.msg)
        plain = told.startswith("unterminated") and "string literal" in told and "triple" not in told
        return error.lineno if plain else None
    except (ValueError, RecursionError, MemoryError):
        return None
    return None


def _compiles(code: str) -> bool:
    return parsed(code) is not None
