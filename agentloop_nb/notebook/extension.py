"""What `%load_ext agentloop_nb` does: two magics and an input transformer; heavy imports wait for their first use."""

from __future__ import annotations

import ast
import re
import sys
from typing import Any

from agentloop_nb.notebook.kernel.shell_replies import send_by_stream
from agentloop_nb.notebook.magic import AWAITED, LASTING, AgentMagics

_CALLS = (
    "get_ipython().run_cell_magic('agent',",
    *(f"get_ipython().run_line_magic('agent', '{command}" for command in LASTING),
)


def load(shell: Any) -> None:
    """Register `%%agent` and `%agent` in a shell; loading again changes nothing."""
    if _magics(shell) is not None:
        return
    send_by_stream(getattr(shell, "kernel", None))
    before = {kind: table["agent"] for kind, table in shell.magics_manager.magics.items() if "agent" in table}
    magics = AgentMagics(shell=shell)
    magics.replaced = before
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(_with_its_question_mark)
    transform = _Transformer(shell)
    shell.input_transformers_post.append(transform)
    magics.matcher = _matcher(shell)
    shell.Completer.custom_matchers.append(magics.matcher)
    shell.events.register("post_run_cell", magics.note_failure)
    if sys.platform != "emscripten":  # not IN_BROWSER, since importing that would cost more than all of this
        shell.events.register("post_run_cell", _Warmer(shell).warm)
    if "cell" in before:
        print("agentloop_nb: another extension's %%agent is replaced; %unload_ext agentloop_nb gives it back")


def unload(shell: Any) -> None:
    """Take the magics, the transformer and the hook away; what they replaced is there again."""
    magics = _magics(shell)
    if magics is None:
        return
    for kind in ("cell", "line"):
        shell.magics_manager.magics[kind].pop("agent", None)
        if kind in magics.replaced:
            shell.magics_manager.magics[kind]["agent"] = magics.replaced[kind]
    shell.Completer.custom_matchers.remove(magics.matcher)
    shell.magics_manager.registry.pop("AgentMagics", None)
    shell.configurables[:] = [each for each in shell.configurables if each is not magics]
    if _with_its_question_mark in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(_with_its_question_mark)
    ours = [each for each in shell.input_transformers_post if isinstance(each, _Transformer)]
    for each in ours:
        shell.input_transformers_post.remove(each)
    for callback in list(shell.events.callbacks["post_run_cell"]):
        if isinstance(getattr(callback, "__self__", None), _Warmer | AgentMagics):
            shell.events.unregister("post_run_cell", callback)


def _magics(shell: Any) -> AgentMagics | None:
    found = shell.magics_manager.registry.get("AgentMagics")
    return found if isinstance(found, AgentMagics) else None


def _matcher(shell: Any) -> Any:
    """Make what completes our lines; the tables it reads are imported at the first Tab."""
    from IPython.core.completer import context_matcher

    def match(context: Any) -> Any:
        line = context.line_with_cursor[: context.cursor_position].lstrip()
        if not line.startswith(("%agent", "%%agent")):
            return {"completions": []}
        from agentloop_nb.notebook import warming

        warming.wait()
        from agentloop_nb.notebook.completion import completions

        return completions(shell, line)

    return context_matcher(identifier="agentloop")(match)


_ASKED = r"%agent[ \t]+(\S.*\?)[ \t]*\n?"


def _with_its_question_mark(lines: list[str]) -> list[str]:
    """Keep a note that ends in a question from being read as a request for help on its last word."""
    if any(line.startswith("%%") or '"""' in line or "'''" in line for line in lines):
        return lines
    found = [re.fullmatch(_ASKED, line) for line in lines]
    call = "get_ipython().run_line_magic('agent', {!r})\n"
    return [call.format(match[1]) if match else line for line, match in zip(lines, found, strict=True)]


class _Transformer:
    """Awaits `%%agent` where the shell can, so that buttons are served while it works; allows an empty body."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, lines: list[str]) -> list[str]:
        if not lines or not lines[0].startswith(_CALLS):
            return lines
        match ast.parse("".join(lines).strip()).body:
            case [ast.Expr(value=ast.Call(func=function, args=arguments))]:
                name, line, *body = map(ast.literal_eval, arguments)
            case _:
                return lines
        awaited = self._shell.autoawait and not self._nested
        given = [name, AWAITED + line if awaited else line, *(text or "\n" for text in body)]
        return [f"{'await ' if awaited else ''}{ast.unparse(function)}({', '.join(map(repr, given))})\n"]

    @property
    def _nested(self) -> bool:
        """Under %%time, %%capture or a nested run_cell nobody awaits us."""
        trap = self._shell.display_trap
        active = getattr(trap, "is_active", None)
        return bool(trap._nested_level > 0 if active is None else active)  # noqa: SLF001 - older IPython has no name for it


class _Warmer:
    """Imports what a run needs in the background, once, after the first cell that the user ran."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def warm(self, result: Any = None) -> None:
        from agentloop_nb.notebook import warming

        self._shell.events.unregister("post_run_cell", self.warm)
        warming.begin()
