"""The magics: `%%agent` takes a goal, `%agent` says how it went and what else can be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Bool, Float, Int, List, Unicode, Union

from agentloop_nb.errors import AgentFailed, AgentStopped, Hint
from agentloop_nb.settings.options import describe, parse_options
from agentloop_nb.settings.row import Setting
from agentloop_nb.settings.table import TABLE

if TYPE_CHECKING:
    from agentloop_nb.notebook.presenter import Presenter
    from agentloop_nb.notebook.run_manager import RunManager
    from agentloop_nb.run import Run

AWAITED = "\x00"
"""Stands before the line when the input transformer put an `await` before the call."""
LASTING = ("resume", "fork", "retry", "fix", "export", "report", "verify")
"""Commands that take long: they start a run or a fresh kernel. A cell that is one of them awaits it."""

_TRAITS: dict[str, Any] = {
    "text": Unicode,
    "texts": lambda **options: Union([Unicode(), List(Unicode())], **options),
    "whole": Int,
    "number": Float,
    "switch": Bool,
    "dollars": lambda **options: Union([Float(), Unicode()], **options),
}


def _trait(setting: Setting) -> Any:
    make = _TRAITS[setting.kind.name]
    return make(default_value=None, allow_none=True, help=setting.help.replace("`", "")).tag(config=True)


_Configured: Any = type(Magics)("_Configured", (Magics,), {name: _trait(row) for name, row in TABLE.items()})
"""Magics with a trait for each setting."""


@magics_class
class AgentMagics(_Configured):
    """An agent in this kernel. `%config AgentMagics.model = "ollama:qwen3"` sets a default for every run here."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell=shell)
        self.replaced: dict[str, Any] = {}
        """Magics of the same name that were there before, by kind."""
        self.matcher: Any = None
        """What completes our lines."""

    @property
    def manager(self) -> RunManager:
        """What starts the runs of this kernel; imported at the first use."""
        from agentloop_nb.notebook import warming

        warming.wait()
        from agentloop_nb.notebook.run_manager import run_manager_of

        return run_manager_of(self.shell)

    @no_var_expand
    @cell_magic("agent")
    def agent_cell(self, line: str, cell: str) -> Any:
        arguments, goal = parse_options(line.removeprefix(AWAITED).rstrip("\n"))
        goal = "\n".join(filter(None, [goal, cell.rstrip("\n")]))
        settings = self.manager.settings(arguments, self.config_values())
        launch = self.manager.begin(goal, settings)
        return self.start(launch, awaited=line.startswith(AWAITED))

    @no_var_expand
    @line_magic("agent")
    def agent_line(self, line: str) -> Any:
        """Say how the last run went; `%agent help` lists what else can be asked."""
        from agentloop_nb.notebook import warming

        warming.wait()
        from agentloop_nb.notebook.commands import perform

        awaited = line.startswith(AWAITED)
        result = perform(self, line.removeprefix(AWAITED), awaited=awaited)
        return _nothing() if awaited and result is None else result  # help instead of a run

    def config_values(self) -> dict[str, Any]:
        """Return the settings named in %config; None where nothing was named."""
        return {name: getattr(self, name) for name in self.trait_names(config=True)}

    def note_failure(self, result: Any) -> None:
        """Remember that a cell of the user's failed: an export that brings it along has to expect that."""
        if not getattr(result, "success", True):
            from agentloop_nb.notebook.kernel.cell_history import note_failure

            note_failure(self.shell, result)

    def start(self, launch: Presenter, *, awaited: bool) -> Any:
        """Run it to its end: at once, or as a coroutine where the cell awaits it."""
        return self._awaited(launch) if awaited else _raise_unless_well(launch, launch.drive())

    async def _awaited(self, launch: Presenter) -> None:
        _raise_unless_well(launch, await launch.go())


async def _nothing() -> None:
    """Do nothing: a cell awaits this where nothing runs."""


def _raise_unless_well(launch: Presenter, run: Run) -> None:
    """End the cell with an exception where `Run All` has to stop."""
    from agentloop_nb._internal.text import counted

    if run.status == "stopped":
        on = run.state.hints or (Hint("resume", "goes on"),)
        raise AgentStopped(f"{run.state.reason} after {counted(run.current_step, 'step')}", *on)
    unmet = run.status == "not_met" and bool(run.until)
    if run.status in ("failed", "interrupted") or unmet or (launch.session.settings.strict and not run.is_complete):
        raise AgentFailed(run.state.reason, *run.state.hints)


AgentMagics.agent_cell.__doc__ = f"""Give the agent a goal: it decides, acts here, observes, until the goal is met.

    %%agent [options] [goal on this line]
    goal, any number of lines, verbatim

Options come first; everything after them is the goal, word for word.

{describe()}

%agent says how the last run went; %agent help lists what else can be asked.
"""
