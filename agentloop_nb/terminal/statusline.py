"""The moving line under a run on a terminal: what it does now, and the meters."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agentloop_nb._internal import amounts
from agentloop_nb._internal.process_memory import in_words
from agentloop_nb._internal.text import clean, on_one_line
from agentloop_nb.actions.output_text import text_of
from agentloop_nb.agent.control import Control
from agentloop_nb.events import (
    ActionStarted,
    AnyEvent,
    ModelCalled,
    OutputAppeared,
    Progress,
    ReplyStreamed,
    WaitStarted,
)
from agentloop_nb.state import State

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text


class StatusLine:
    """The moving line under the run: what it does now, and the meters."""

    def __init__(self, console: Console, control: Control | None = None) -> None:
        self._console = console
        self._control = control or Control()
        self._live: Live | None = None
        self._phase = "starting"
        self._since = time.monotonic()
        self._tail = ""
        self._meters = ""

    def follow(self, event: AnyEvent, state: State) -> None:
        """Take an event in, and show the line if it is not there."""
        match event:
            case ModelCalled():
                self._enter("thinking")
            case ActionStarted():
                step = state.steps[-1]
                self._enter(f"running {step.decision.action.name}" if step.decision else "running")
            case _:
                pass
        budget = f" of {amounts.dollars(state.budget)}" if state.budget is not None else ""
        cost = amounts.cost(state.total_cost) + ("" if state.cost_known else "+")
        cost = cost if state.cost_known or state.total_cost else "price unknown"
        number = min(state.next_step, state.max_steps)
        self._meters = f"step {number}/{state.max_steps} · {state.usage.total:,} tokens · {cost}{budget}"
        self.start()

    def progress(self, progress: Progress) -> None:
        """Take in what happens between events."""
        match progress:
            case ReplyStreamed():
                self._enter(progress.delta.status or ("writing" if progress.delta.text else "thinking"))
            case WaitStarted():
                self._enter(f"retrying in {progress.seconds:.0f} s" if progress.seconds else "waiting")
                self._tail = on_one_line(progress.reason)
            case OutputAppeared():
                lines = clean(text_of([progress.output])).strip().rsplit("\n", 1)
                self._tail = lines[-1] or self._tail

    def start(self) -> None:
        """Show the line."""
        if self._live is None:
            from rich.live import Live

            self._live = Live(
                get_renderable=self._line,
                console=self._console,
                transient=True,
                redirect_stdout=False,  # rich would replace sys.stdout, which the running step is writing to
                redirect_stderr=False,
            )
            self._live.start()

    def stop(self) -> None:
        """Take the line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _enter(self, phase: str) -> None:
        if phase != self._phase:
            self._phase, self._since, self._tail = phase, time.monotonic(), ""

    def _line(self) -> Text:
        from rich.text import Text

        seconds = time.monotonic() - self._since
        memory = self._control.memory
        size = memory() if memory is not None else None
        held = f" · {in_words(size)} in use" if size is not None else ""
        tail = f" · {self._tail}" if self._tail else ""
        line = Text(f"⏵ {self._phase} {seconds:.0f} s{held} · {self._meters}{tail}", style="dim", no_wrap=True)
        line.truncate(self._console.width - 1, overflow="ellipsis")
        return line
