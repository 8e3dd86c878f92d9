"""The magics: `%%agent` takes a goal, `%agent` says how it went and what else can be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Bool, Float, Int, Unicode, Union

from agentloop_nb.errors import AgentFailed, AgentStopped
from agentloop_nb.options import describe, parse_options

if TYPE_CHECKING:
    from agentloop_nb.notebook.presenter import Launch
    from agentloop_nb.notebook.run_manager import Launcher
    from agentloop_nb.run import Run

AWAITED = "\x00"
"""Stands before the line when the input transformer put an `await` before the call."""


def _setting(trait: Any, help: str) -> Any:  # noqa: A002 - traitlets' own word
    return trait(None, allow_none=True, help=help).tag(config=True)


@magics_class
class AgentMagics(Magics):
    """An agent in this kernel. `%config AgentMagics.model = "ollama:qwen3"` sets a default for every run here."""

    model = _setting(Unicode, "the model, provider:model; also replay:PATH and demo")
    base_url = _setting(Unicode, "address of an OpenAI-compatible server")
    max_steps = _setting(Int, "steps a run may take (50)")
    max_retries = _setting(Int, "retries of a bad reply or a failing server (3)")
    budget = Union([Float(), Unicode()], default_value=None, allow_none=True, help="US dollars a run may spend").tag(
        config=True
    )
    timeout = _setting(Int, "seconds a code step may take by default (30)")
    approve = _setting(Unicode, "what waits for a person: auto, code, all")
    temperature = _setting(Float, "the model's temperature, 0 to 2")
    effort = _setting(Unicode, "how much a reasoning model thinks: low, medium, high")
    price = _setting(Unicode, "dollars a million tokens in and out, '0.15,0.60', or the path of a price table")
    cache = _setting(Unicode, "path of the decision cache; 1 is the usual place")
    images = _setting(Bool, "show figures to models that can see")
    allow_hosts = _setting(Unicode, "extra hosts read_url may reach, with commas between")
    search = _setting(Unicode, "search engine for ddgs, or the address of a SearXNG server")
    record_limit = _setting(Int, "megabytes to which a run's record grows before it keeps outputs in part (500)")
    instructions = _setting(Unicode, "told to the model in every run")
    privacy = _setting(Unicode, "what the model sees of your data: full, schema, none")
    undo_memory = _setting(Int, "megabytes copies for undo may take (512)")
    isolated = _setting(Bool, "run the code in a process and a folder of its own")
    limits = _setting(Unicode, "what an isolated run may use, 'memory=2,cpu=600,processes=32,file=1'")

    def __init__(self, shell: Any) -> None:
        super().__init__(shell=shell)
        self.replaced: dict[str, Any] = {}
        """Magics of the same name that were there before, by kind."""
        self._launcher: Launcher | None = None

    @property
    def launcher(self) -> Launcher:
        """What starts the runs of this kernel; imported at the first use."""
        if self._launcher is None:
            from agentloop_nb.notebook.run_manager import Launcher

            self._launcher = Launcher(self.shell)
        return self._launcher

    @no_var_expand
    @cell_magic("agent")
    def agent_cell(self, line: str, cell: str) -> Any:
        arguments, goal = parse_options(line.removeprefix(AWAITED).rstrip("\n"))
        goal = "\n".join(filter(None, [goal, cell.rstrip("\n")]))
        settings = self.launcher.settings(arguments, self.config_values())
        launch = self.launcher.begin(goal, settings)
        return self.start(launch, awaited=line.startswith(AWAITED))

    @no_var_expand
    @line_magic("agent")
    def agent_line(self, line: str) -> Any:
        """Say how the last run went; `%agent help` lists what else can be asked."""
        from agentloop_nb.notebook.commands import perform

        return perform(self, line.removeprefix(AWAITED), awaited=line.startswith(AWAITED))

    def config_values(self) -> dict[str, Any]:
        """The settings named in %config; None where nothing was named."""
        return {name: getattr(self, name) for name in self.trait_names(config=True)}

    def start(self, launch: Launch, *, awaited: bool) -> Any:
        """Run it to its end: at once, or as a coroutine where the cell awaits it."""
        return self._awaited(launch) if awaited else _raise_unless_well(launch, launch.drive())

    async def _awaited(self, launch: Launch) -> None:
        _raise_unless_well(launch, await launch.go())


def _raise_unless_well(launch: Launch, run: Run) -> None:
    """End the cell with an exception where `Run All` has to stop."""
    from agentloop_nb._internal.text import counted

    if run.status == "stopped":
        raise AgentStopped(f"{run.reason} after {counted(run.current_step, 'step')}; %agent resume goes on")
    if run.status in ("failed", "interrupted") or (launch.session.settings.strict and not run.is_complete):
        raise AgentFailed(run.reason)


AgentMagics.agent_cell.__doc__ = f"""Give the agent a goal: it decides, acts here, observes, until the goal is met.

    %%agent [options] [goal on this line]
    goal, any number of lines, verbatim

Options come first; from the first other word on everything is goal.

{describe()}

%agent says how the last run went; %agent help lists what else can be asked.
"""
