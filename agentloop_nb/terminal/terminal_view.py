"""A run as text: panels and a live status line on a terminal, plain lines in pipes and logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentloop_nb._internal.text import clean
from agentloop_nb.actions import Action, ActionResult
from agentloop_nb.actions.output_text import bounded
from agentloop_nb.errors import Front
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    AnyEvent,
    ApprovalAsked,
    ApprovalGiven,
    ContractChecked,
    DecisionMade,
    DecisionRejected,
    LongStepDecided,
    ModelCalled,
    ModelFailed,
    NamespaceRebuilt,
    NoteAdded,
    OutcomeDiffered,
    PlanMade,
    PlanSettled,
    Progress,
    QuestionAsked,
    RunFinished,
    RunResumed,
    RunStarted,
    StepsUndone,
    TranscriptCompacted,
)
from agentloop_nb.safety.code_risks import UNREMARKABLE
from agentloop_nb.state import State
from agentloop_nb.terminal.own_stdout import own_stdout
from agentloop_nb.terminal.statusline import StatusLine
from agentloop_nb.terminal.step_text import (
    failure_text,
    first_and_last,
    headline,
    input_text,
    meters,
    output_text,
    plan_text,
)
from agentloop_nb.terminal.summary_text import summary

if TYPE_CHECKING:
    from rich.console import Console

    from agentloop_nb.agent.control import Control
    from agentloop_nb.agent.event_stream import Approver
    from agentloop_nb.agent.planning import Planner
    from agentloop_nb.agent.questions import Asker

RULE = "=" * 60
SHOWN, LONGEST = 20_000, 500
"""Characters and lines of any one text that are printed."""


class TerminalView:
    """Prints a run. With `verbose=False` only its closing summary."""

    def __init__(
        self,
        console: Console | None = None,
        verbose: bool = True,  # noqa: FBT001, FBT002 - the name is pinned, `TerminalView(console, verbose)`
        *,
        live: bool = True,
        command: str = "%agent",
        control: Control | None = None,
    ) -> None:
        """`live=False` draws a run that is over: no status line. `command` is what a person types here, and `control`
        that of the run, which tells what memory its code uses.
        """
        from rich.console import Console

        self.console = console or Console(file=own_stdout(), highlight=False, markup=False, emoji=False)
        self.verbose = verbose
        self._front: Front = "notebook" if command == "%agent" else "shell"
        self._rich = self.console.is_terminal and not self.console.is_dumb_terminal
        self._live: StatusLine | None = None
        if live and verbose and self._rich and self.console.file.isatty():
            self._live = StatusLine(self.console, control)
        self._headed = 0
        """The last step whose header is printed."""

    @property
    def approver(self) -> Approver:
        """Asks on this terminal."""
        from agentloop_nb.terminal.approver import TerminalApprover

        return TerminalApprover(self.console, before=self.close)

    @property
    def asker(self) -> Asker:
        """Puts the model's questions on this terminal."""
        from agentloop_nb.terminal.questioner import TerminalQuestioner

        return TerminalQuestioner(self.console, before=self.close)

    @property
    def planner(self) -> Planner:
        """Shows plans on this terminal."""
        from agentloop_nb.terminal.planner import TerminalPlanner

        return TerminalPlanner(self.console, before=self.close)

    def show(self, event: AnyEvent, state: State) -> None:
        if self.verbose:
            self._show(event, state)
        if self._live and not isinstance(event, ApprovalAsked | QuestionAsked | PlanMade | RunFinished):
            self._live.follow(event, state)
        if isinstance(event, RunFinished):
            self.close()
            self._summary(state)
        self.console.file.flush()

    def progress(self, progress: Progress) -> None:
        if self._live:
            self._live.progress(progress)

    def close(self) -> None:
        """Take the status line away; the next event brings it back."""
        if self._live:
            self._live.stop()

    def _show(self, event: AnyEvent, state: State) -> None:
        match event:
            case RunStarted():
                self._banner(event.goal)
            case RunResumed():
                self._banner(state.goal, "RESUMED")
            case ModelCalled():
                self._head(event.step, state)
            case ModelFailed():
                again = "" if event.wait is None else f"; trying again in {event.wait:.1f} s"
                self._line(f"⚠️ No reply: {event.error}{again}")
            case DecisionRejected():
                self._line(f"↩️ The reply could not be used, asked again: {event.reason}")
            case NoteAdded():
                self._line(f"📝 Note: {event.text}" if event.by == "user" else f"ℹ️ The model is told: {event.text}")
            case TranscriptCompacted():
                what = (
                    f"Outputs up to step {event.through}" if event.context is None else "The namespace and old outputs"
                )
                self._line(f"🗜️ {what} are told shortened from now on")
            case StepsUndone():
                self._line(f"↩️ Steps from {event.first} on were taken back")
                self._headed = 0
            case NamespaceRebuilt() | ContractChecked() | PlanMade() | PlanSettled() | LongStepDecided():
                self._aside(event)
            case _:
                self._show_action(event, state)

    def _show_action(self, event: AnyEvent, state: State) -> None:
        match event:
            case DecisionMade():
                self._head(event.step, state)
                self._decision(event.decision.action, event.decision.reasoning, state.plan[: event.line])
            case ApprovalAsked():
                if event.risks:
                    self._line(f"❗ It touches: {', '.join(event.risks)}")
            case ApprovalGiven():
                verdict = "Approved" if event.approved else "Refused"
                self._line(f"🙋 {verdict} by {event.by}{': ' + event.reason if event.reason else ''}")
                if event.edited:
                    self._block(*input_text(event.edited.action))
            case ActionStarted() if remarkable := [risk for risk in event.risks if risk not in UNREMARKABLE]:
                if state.steps[-1].approval is None:
                    self._line(f"Touches: {', '.join(remarkable)}", style="dim")
            case ActionFinished():
                self._result(event.result, event.step, state)
            case OutcomeDiffered():
                self._line(f"≠ {event.text}", style="dim")

    def _aside(self, event: NamespaceRebuilt | ContractChecked | PlanMade | PlanSettled | LongStepDecided) -> None:
        if isinstance(event, LongStepDecided):
            did = f"it waits {event.wait:.0f} s more" if event.wait else "it is stopped"
            self._line(f"⏳ The code runs long; {did}: {event.reason}")
            return
        if isinstance(event, PlanMade | PlanSettled):
            self._line(plan_text(event))
            return
        if isinstance(event, NamespaceRebuilt):
            self._rebuilt(event)
            return
        when = "Before the first step the contract" if event.before else "The contract"
        for check in event.checks:
            self._line(f"{'☑' if check.held else '☐'} {when} {check.line}", style="dim")

    def _rebuilt(self, event: NamespaceRebuilt) -> None:
        again, skipped = (", ".join(map(str, steps)) for steps in (event.steps, event.skipped))
        self._line(f"♻️ Variables made again by running steps {again}" if again else "♻️ No variables to make again")
        if skipped:
            self._line(f"⚠️ Not run again, because that cannot be taken back: steps {skipped}")
        if event.divergence:
            self._line(f"⚠️ {event.divergence}")

    def _banner(self, goal: str, word: str = "GOAL") -> None:
        self._line(f"\n{RULE}\n🎯 {word}: {goal}\n{RULE}", style="bold")

    def _head(self, step: int, state: State) -> None:
        if step != self._headed:
            self._headed = step
            self._line(f"\n--- Step {step}/{state.max_steps} ---", style="bold cyan")

    def _decision(self, action: Action, reasoning: str, plan: Sequence[str]) -> None:
        """Show a decision; `plan` is the plan up to the line that it is for, if it names one."""
        if plan:
            self._line(f"📍 Line {len(plan)} of the plan: {plan[-1]}", style="dim")
        self._line(f"🤔 Decision: {action.name}")
        self._line(f"💭 Reasoning: {reasoning}")
        self._block(*input_text(action))

    def _result(self, result: ActionResult, step: int, state: State) -> None:
        if result.success:
            first, rest = headline(output_text(result))
            self._line(f"✅ Success: {first}".rstrip(), style="green")
        else:
            first, rest = headline(result.error or result.output)
            rest = "\n".join(filter(None, (rest, failure_text(result))))
            self._line(f"❌ Error: {first}".rstrip(), style="red")
        self._block(first_and_last(rest), "")
        done = next((each for each in reversed(state.steps) if each.number == step), None)
        if done:
            self._line(f"⏱️ {meters(done)}", style="dim")

    def _block(self, text: str, lexer: str) -> None:
        """Show code or an output apart: a panel on a terminal, indented lines elsewhere."""
        text = first_and_last(bounded(clean(text).strip("\n"), SHOWN), LONGEST)
        if not text:
            return
        if not self._rich:
            self._line("\n".join(f"    {line}".rstrip() for line in text.split("\n")))
            return
        from rich.panel import Panel
        from rich.syntax import Syntax
        from rich.text import Text

        body: Any = Text(text)
        if lexer:
            body = Syntax(text, lexer, theme="ansi_dark", background_color="default", word_wrap=True)
        self.console.print(Panel(body, border_style="dim", padding=(0, 1)))

    def _line(self, text: str, style: str = "") -> None:
        from rich.text import Text

        self.console.print(Text(first_and_last(bounded(clean(text), SHOWN), LONGEST), style=style), soft_wrap=True)

    def _summary(self, state: State) -> None:
        if state.status == "finished" and self.verbose:
            shown = "Its contract holds." if state.checks else "That is what the model reports."
            self._line(f"\n🎉 Task completed! ({shown})")
        if self.console.is_jupyter:  # where each line printed would be an output of its own
            self._line(summary(state, self._front))
            return
        self._line(f"\n{RULE}\n📊 EXECUTION SUMMARY\n{RULE}", style="bold")
        self._line(summary(state, self._front))
        self._line(RULE, style="bold")
