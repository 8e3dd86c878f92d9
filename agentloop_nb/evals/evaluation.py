"""Runs every task of a suite with every contender, some at once; what is done is kept, and a second start goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.cluster.connecting import connection
from agentloop_nb.evals.contender import Contender
from agentloop_nb.evals.judge import refuse_certain
from agentloop_nb.evals.outcome import Outcome, load_outcome
from agentloop_nb.evals.suite import Suite, refuse_missing_modules
from agentloop_nb.evals.trial import Attempt, MakeModel, Trial, reference_model
from agentloop_nb.notebook.kernel import interrupts
from agentloop_nb.session.parts import make_model
from agentloop_nb.verify.certified_export import stop_verifying

LEDGER = "ledger.jsonl"
"""What was spent, in the folder of the evaluation."""
Tell = Callable[[Outcome], None]


@dataclass
class Evaluation:
    """All runs of one evaluation, and what came of those that are done."""

    suite: Suite
    contenders: Sequence[Contender]
    home: Path
    """Where everything is kept."""
    variables: Mapping[str, str]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further settings that the person named."""
    repeats: int = 1
    jobs: int = 1
    prove: bool = True
    """Whether the export of a right answer is run again in a fresh kernel."""
    make_model: MakeModel = reference_model
    budget: Decimal | None = None
    """Dollars that all runs together may spend."""
    outcomes: dict[Path, Outcome] = field(default_factory=dict)
    stopped: bool = False
    """A person ended it."""
    exhausted: bool = False
    """The budget left no room for a further call."""

    @property
    def trials(self) -> list[Trial]:
        """Every run that belongs to it."""
        return [
            Trial(task, contender, repeat, self.arguments)
            for repeat in range(1, self.repeats + 1)
            for task in self.suite.tasks
            for contender in self.contenders
        ]

    @property
    def missing(self) -> int:
        """How many runs are not done."""
        return len(self.trials) - len(self.outcomes)

    def prepare(self) -> None:
        """Check all that can be wrong before anything is spent, and take up what is done. Raises `UserError`."""
        refuse_missing_modules(self.suite.tasks)
        refuse_certain(self.suite.tasks)
        for trial in self.trials[:1]:
            connection(trial.settings(self.variables), "")  # a cluster that cannot be used
        for contender in self.contenders:
            for task in self.suite.tasks:
                self._check_model(Trial(task, contender, arguments=self.arguments))
        for trial in self.trials:
            found = load_outcome(self.home / trial.place)
            if found is not None and found.digest == trial.digest and not found.fault:
                self.outcomes[trial.place] = found

    def _check_model(self, trial: Trial) -> None:
        priced = trial.task is self.suite.tasks[0] or "budget" in trial.task.options
        if self.make_model(trial) is None and priced:
            make_model(trial.settings(self.variables), self.variables, Ledger(self.budget))

    def run(self, tell: Tell = lambda _outcome: None) -> None:
        """Carry out what is missing. Ctrl-C ends the runs under way, and keeps what is done."""
        asyncio.run(self._run(tell))

    async def _run(self, tell: Tell) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        ledger = Ledger(self.budget, path=self.home / LEDGER)
        waiting = iter([trial for trial in self.trials if trial.place not in self.outcomes])
        running: set[Attempt] = set()
        with interrupts.heard(partial(self._stop, running)):
            await asyncio.gather(*(self._work(waiting, running, ledger, tell) for _ in range(self.jobs)))

    def _stop(self, running: set[Attempt]) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True
        for attempt in list(running):
            attempt.control.stop()
        stop_verifying()

    async def _work(self, waiting: Iterator[Trial], running: set[Attempt], ledger: Ledger, tell: Tell) -> None:
        """Carry out one run after another until there is none left."""
        for trial in waiting:
            if self.stopped or self.exhausted:
                return
            model = self.make_model(trial)
            attempt = Attempt(trial, self.home, self.variables, ledger, model=model, prove=self.prove)
            running.add(attempt)
            outcome = await attempt.carry_out()
            running.discard(attempt)
            self.exhausted = self.exhausted or (outcome is None and not self.stopped)
            if outcome is not None and not self.stopped:
                outcome.save(self.home / trial.place)
                self.outcomes[trial.place] = outcome
                tell(outcome)
