"""Choosing among the tries of a goal that are over: ranked, recorded, shown, and brought here after a look."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentloop_nb.agent.group_control import GroupControl
from agentloop_nb.errors import UserError
from agentloop_nb.events import TriesRanked
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.notebook.isolation import placement
from agentloop_nb.notebook.isolation.adopt import adopt
from agentloop_nb.notebook.kernel.runner import can_ask, read_line
from agentloop_nb.notebook.tries_board import TriesBoard, TryRow
from agentloop_nb.reports.agreement import Results, results
from agentloop_nb.reports.ranking import Tried, rank
from agentloop_nb.session import Session
from agentloop_nb.settings import Settings

if TYPE_CHECKING:
    from agentloop_nb.notebook.run_manager import RunManager

MOST_VALUES = 50
"""Variables of a try whose values are compared."""
FILES = "output"
"""Where the files of the winner are put outside Jupyter, unless the settings say."""


@dataclass
class Try:
    """One of the tries: its line on the board, and its run once it could begin."""

    row: TryRow
    session: Session | None = None
    begin: asyncio.Task[Session] | None = None

    @property
    def number(self) -> int:
        return self.row.number

    @property
    def made(self) -> Session:
        """Its run, which could begin."""
        assert self.session is not None
        return self.session

    @property
    def is_over(self) -> bool:
        """Whether it took place at all, and has its end."""
        return self.session is not None and self.session.stream is not None and self.session.state.status != "running"

    @property
    def is_complete(self) -> bool:
        """Whether it met the goal."""
        return self.is_over and self.made.state.is_complete

    async def results(self) -> Results:
        """Return what it came to; the values of one that did not meet the goal are not looked at."""
        state, place, values = self.made.state, self.made.workspace, dict[str, Any]()
        if state.is_complete and isinstance(place, IsolatedWorkspace):
            values = await asyncio.to_thread(place.variables, list(state.changed)[-MOST_VALUES:])
        return results(state, values)


@dataclass
class Choice:
    """Which of the tries is taken."""

    manager: RunManager
    settings: Settings
    board: TriesBoard
    over: list[Try]
    group: GroupControl

    async def make(self, *, private: bool) -> Try:
        """Rank the tries, adopt as the settings say, and return the one that was chosen."""
        ranked = rank([Tried(each.number, each.made.state, await self._results(each)) for each in self.over])
        self._record(ranked)
        self.board.close(ranked)
        best = next(each for each in self.over if each.made.run.id == ranked.tries[0].run)
        self._show(best, private=private)
        taken = None
        if ranked.chosen is not None and not self.group.stopping:
            taken = await self._taken(best)
            self._tell(best, taken, ranked, private=private)
        chosen = taken or best
        self.manager.runs += [each.made.run for each in self.over if each is not chosen]
        self.manager.keep(chosen.made.run, self.settings.output)
        return chosen

    async def _results(self, each: Try) -> Results:
        """Return what a try came to; after a stop no process is asked for values any more."""
        return results(each.made.state, {}) if self.group.stopping else await each.results()

    def _record(self, ranked: TriesRanked) -> None:
        """Write the ranking into the record of each try."""
        for each in self.over:
            if (stream := each.made.stream) is not None:
                stream.emit(ranked.model_copy(update={"step": stream.state.current_step}))
                each.made.record.close()

    def _show(self, best: Try, *, private: bool) -> None:
        """Show the answer of the first one."""
        shell = self.manager.shell
        if getattr(shell, "kernel", None) is not None:
            from agentloop_nb.notebook.panel.html import plain_text, static_html

            state = best.made.state
            shell.display_pub.publish(data={"text/html": static_html(state), "text/plain": plain_text(state)})
        elif best.row.ended is not None:
            from agentloop_nb.terminal.terminal_view import TerminalView

            view = TerminalView(verbose=False, live=False, command="agentloop" if private else "%agent")
            view.show(best.row.ended, best.made.state)

    async def _taken(self, best: Try) -> Try | None:
        """Return the try that is to be brought here, as the settings or the person say; None for none."""
        if self.settings.adopt == "best":
            return best
        return await self._asked(best) if self.settings.adopt == "ask" and self._anybody else None

    def _tell(self, best: Try, taken: Try | None, ranked: TriesRanked, *, private: bool) -> None:
        """Bring what was taken here, and say so; else say how that is done."""
        if taken is None:
            print(_how(best, private=private))  # nothing comes here unless the user says so
            return
        if taken is not best:
            reason = f"you took try {taken.number}; ranked first, {ranked.reason}"
            self._record(ranked.model_copy(update={"chosen": taken.made.run.id, "reason": reason}))
        self.manager.keep(taken.made.run, self.settings.output)
        if private:
            self.manager.working_folder = folder = self.manager.folder / (self.settings.output_dir or FILES)
            folder.mkdir(parents=True, exist_ok=True)
        try:
            print(adopt(self.manager, [taken.made.run.id]))
        except UserError as error:
            print(error, file=sys.stderr)

    @property
    def _anybody(self) -> bool:
        """Whether a person can answer."""
        shell = self.manager.shell
        if getattr(shell, "kernel", None) is not None:
            return can_ask(shell)
        return sys.stdin is not None and sys.stdin.isatty()

    async def _asked(self, best: Try) -> Try | None:
        """Ask which try to adopt; None for none, also where nobody answers in time."""
        met = {str(each.number): each for each in self.over if each.is_complete}
        others = ", ".join(number for number, each in met.items() if each is not best)
        other = f", the number of another one ({others})" if others else ""
        while True:
            try:
                question = f"Adopt try {best.number}? [Y/n{other}] "
                answer = await read_line(question, self.group, seconds=self.settings.answer_within)
            except (KeyboardInterrupt, EOFError, TimeoutError):
                return None
            if answer.lower() in ("n", "no"):
                return None
            if (taken := best if answer.lower() in ("", "y", "yes") else met.get(answer)) is not None:
                return taken


def _how(best: Try, *, private: bool) -> str:
    """Say how the winner is adopted by hand."""
    if not private:
        return f"{placement.what_can_be_adopted(best.made.run)} {best.made.run.id}"
    folder = best.made.workspace.folder
    place = os.path.relpath(folder) if folder.is_relative_to(Path.cwd()) else str(folder)
    return f"Nothing outside the tries has changed. The files of run {best.made.run.id} are in {place}."
