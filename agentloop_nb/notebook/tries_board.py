"""The tries of one goal side by side, a line each: in a cell's output, on a terminal, or as lines of a log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agentloop_nb._internal import amounts
from agentloop_nb._internal.text import STATUS_WORDS, capitalized, clean, counted, on_one_line
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    AnyEvent,
    ModelCalled,
    Progress,
    RunFinished,
    TriesRanked,
    WaitStarted,
)
from agentloop_nb.notebook.kernel.private_shell import is_private
from agentloop_nb.notebook.panel.cell_display import CellDisplay
from agentloop_nb.notebook.panel.safe_text import one_line
from agentloop_nb.notebook.panel.tries_view import TryLine, tries_html
from agentloop_nb.reports.ranking import judged, line
from agentloop_nb.state import State
from agentloop_nb.terminal.own_stdout import own_stdout


@dataclass
class TryRow:
    """One try: a view of its run that keeps one line of it."""

    number: int
    board: TriesBoard
    state: State | None = None
    doing: str = "starting"
    ended: RunFinished | None = None

    def show(self, event: AnyEvent, state: State) -> None:
        self.state = state
        match event:
            case ModelCalled():
                self.doing = "thinking"
            case ActionStarted():
                decision = state.steps[-1].decision
                self.doing = decision.reasoning if decision else "acting"
            case ActionFinished():
                self.board.changed(self, milestone=f"step {event.step} {'done' if event.result.success else 'failed'}")
                return
            case RunFinished():
                self.doing, self.ended = state.reason if state.status != "finished" else state.summary, event
                self.board.changed(self, milestone="over")
                return
            case TriesRanked():
                return
        self.board.changed(self)

    def progress(self, progress: Progress) -> None:
        if isinstance(progress, WaitStarted):
            self.doing = f"waiting: {progress.reason}"
            self.board.changed(self)

    def fail(self, reason: str) -> None:
        """Tell that it could not begin."""
        self.doing = reason
        self.board.changed(self, milestone="could not begin")

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Number, status, steps, cost, and what it does."""
        name, state, doing = f"try {self.number}", self.state, one_line(self.doing.replace("**", ""), 100)
        if state is None:
            return name, "", "", "", doing
        cost = amounts.cost(state.total_cost) + ("" if state.cost_known else "+")
        return name, STATUS_WORDS[state.status], counted(state.current_step, "step"), cost, doing

    @property
    def line(self) -> TryLine:
        """The same for a page."""
        name, told, steps, cost, doing = self.cells
        meta = " · ".join(filter(None, (steps, cost)))
        return TryLine(name, self.state.status if self.state else "", told, doing, meta)


@dataclass
class TriesBoard:
    """All tries, drawn anew whenever one changes."""

    shell: Any
    goal: str
    verbose: bool = True
    rows: list[TryRow] = field(default_factory=list)
    ranked: TriesRanked | None = None
    _live: Any = None
    _shown: bool = False

    def __post_init__(self) -> None:
        self._display = CellDisplay(self.shell, "agent-tries")

    def row(self) -> TryRow:
        """Add a line for one more try."""
        self.rows.append(TryRow(len(self.rows) + 1, self))
        return self.rows[-1]

    def changed(self, row: TryRow, milestone: str = "") -> None:
        """Draw anew, or in a log add a line for what is worth one."""
        if not self.verbose:
            return
        if self._in_notebook:
            self._publish()
        elif self._live is not None:
            self._live.update(self._table())
        elif milestone:
            self._say(f"{' · '.join(filter(None, [row.cells[0], milestone, *row.cells[1:]]))}")

    def open(self) -> None:
        """Begin to show it."""
        if not self.verbose:
            return
        if self._in_notebook:
            self._publish()
            return
        self._say(f"{len(self.rows)} tries of: {on_one_line(self.goal)}")
        from rich.console import Console

        console = Console(file=own_stdout(), highlight=False, markup=False, emoji=False)
        if console.is_terminal and not console.is_dumb_terminal:
            from rich.live import Live

            self._live = Live(self._table(), console=console, refresh_per_second=4)
            self._live.start()

    def close(self, ranked: TriesRanked | None = None) -> None:
        """Leave it standing, with the ranking if there is one."""
        self.ranked = ranked or self.ranked
        if self._live is not None:
            self._live.stop()
            self._live = None
        if ranked is None or not self.verbose:
            return
        if self._in_notebook:
            self._publish()
        else:
            self._say("\n".join(["", *self._ranking]))

    @property
    def _ranking(self) -> Sequence[str]:
        if self.ranked is None:
            return ()
        compared = [f"Side by side: {self._compare}"] if self._compare else []
        return [*map(line, self.ranked.tries), self._verdict, *compared]

    @property
    def _verdict(self) -> str:
        assert self.ranked is not None
        reason = self.ranked.reason
        return f"Ranked first: {reason}." if self.ranked.chosen else f"{capitalized(reason)}."

    @property
    def _compare(self) -> str:
        """What to type to see the best two; empty where there is one."""
        first, *others = (each.run for each in self.ranked.tries) if self.ranked else ("",)
        word = "agentloop" if is_private(self.shell) else "%agent"
        return f"{word} compare {first} {others[0]}" if others else ""

    @property
    def _in_notebook(self) -> bool:
        return getattr(self.shell, "kernel", None) is not None

    def _publish(self) -> None:
        text = "\n".join([*("  ".join(filter(None, row.cells)) for row in self.rows), *self._ranking])
        self._display.publish({"text/html": self.html(), "text/plain": text}, update=self._shown)
        self._shown = True

    def html(self) -> str:
        """Draw it; once it is ranked, the best first."""
        if self.ranked is None:
            return tries_html(self.goal, [row.line for row in self.rows])
        by_number = {row.number: row for row in self.rows}
        tries = [
            by_number[each.number].line._replace(
                told=" · ".join(filter(None, (STATUS_WORDS[each.status], judged(each)))),
                best=each.run == self.ranked.chosen,
            )
            for each in self.ranked.tries
        ]
        return tries_html(self.goal, tries, self._verdict, self._compare)

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False)
        for row in self.rows:
            table.add_row(*map(Text, row.cells))
        return table

    def _say(self, text: str) -> None:
        print(clean(text), file=own_stdout(), flush=True)
