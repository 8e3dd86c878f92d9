"""Text files that would hold Python code instead of what that code makes: asked about once, before they are written.

Where the code only prints texts, a small model means these texts.
"""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb.actions import ActionResult, WriteFile
from agentloop_nb.actions.file_names import MOST_READ
from agentloop_nb.state import State

_DATA = frozenset({"txt", "csv", "tsv", "json", "jsonl", "ndjson", "log", "dat", "md", "xml", "yaml", "yml", "html"})
"""Kinds of files that hold no code."""
_REFUSED = "Not written: the content is Python code"
_OF_CODE = re.compile(r"\b(?:code|python|script\w*|program\w*|source|snippet\w*|example\w*|\w+\()", re.IGNORECASE)
"""A goal that may want code in a file."""


def asks_to_run(action: WriteFile, state: State, *, small: bool) -> ActionResult | None:
    """Answer a file of text that is code, once; a model that decides so again is taken at its word, if it is no small
    one, which copies itself.
    """
    taken = not small and _asked(action, state)
    if taken or _may_hold_code(action, state.goal) or not _is_code(action.content):
        return None
    told = (
        f"{_REFUSED}, so {action.filename} would hold the code, not what it makes. "
        "Write the text itself as the content, or make the file in run_code."
    )
    return ActionResult(success=False, output=told, error=told)


def printed_text(action: WriteFile, goal: str) -> str | None:
    """Return the texts that the content only prints, a line each; None for any other content."""
    return None if _may_hold_code(action, goal) else texts_printed(action.content)


def texts_printed(code: str) -> str | None:
    """Return the texts that code prints, a line each, if it does nothing else."""
    tree = parsed(code)
    texts = [_printed(statement) for statement in tree.body] if tree else []
    known = [text for text in texts if text is not None]
    return "\n".join(known) if known and len(known) == len(texts) else None


def _printed(statement: ast.stmt) -> str | None:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[ast.Constant(value=str(text))], keywords=[])):
            return text
        case _:
            return None


def _may_hold_code(action: WriteFile, goal: str) -> bool:
    kind = PurePosixPath(action.filename).suffix[1:].lower()
    return kind not in _DATA or _OF_CODE.search(goal[:MOST_READ]) is not None


def _is_code(text: str) -> bool:
    """Whether a text is Python that does something: it calls, imports or opens; prose, tables and JSON do not."""
    tree = parsed(text)
    return tree is not None and any(_does_something(statement) for statement in tree.body)


def _does_something(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.With | ast.FunctionDef):
        return True
    value = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
    return isinstance(value, ast.Call)


def _asked(action: WriteFile, state: State) -> bool:
    """Whether this file was asked about before in this run."""
    return any(
        step.decision is not None
        and isinstance(step.decision.action, WriteFile)
        and step.decision.action.filename == action.filename
        and step.result is not None
        and not step.result.success
        for step in state.steps
    )
