"""One run of one task: an isolated kernel, the run, its checks, and the proof of its export."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agentloop_nb import session
from agentloop_nb._internal.held_folder import HeldFolder
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.cluster.connecting import connection
from agentloop_nb.errors import UserError
from agentloop_nb.evals.check_process import FIGURES
from agentloop_nb.evals.contender import REFERENCE, Contender
from agentloop_nb.evals.expressions import variables_in
from agentloop_nb.evals.judge import Judged, Left, judge
from agentloop_nb.evals.outcome import Outcome
from agentloop_nb.evals.run_page import write_run_page
from agentloop_nb.evals.task import Task
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.isolated.resource_limits import parse_limits
from agentloop_nb.models.keys import known_keys
from agentloop_nb.protocols import Model, Usage, Web
from agentloop_nb.record import locating
from agentloop_nb.run import Run
from agentloop_nb.safety.secrets import known_secrets
from agentloop_nb.settings import Settings, resolve
from agentloop_nb.state import State
from agentloop_nb.testing import Script, ScriptedModel, code, finish

FILES = "files"
"""The working folder of a run, in its own."""
PAGE = "run.html"
PROBE_SECONDS = 30
PACK_SECONDS = 120
"""What handing the variables over may take."""
_TOLD = "Code runs in a process of its own. The files of the task, if it has any, are in its folder."
_SHOW = f"from agentloop_nb.evals.figure_probe import figures_as_data as _read; {FIGURES} = _read(globals())"
_SEEING = ("figure", "bars(", "line(", "points(")

MakeModel = Callable[["Trial"], Model | None]
"""Makes the model of a run in place of the one its settings name; None leaves it at that."""


@dataclass(frozen=True)
class Trial:
    """One run to be made."""

    task: Task
    contender: Contender
    repeat: int = 1
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further settings that the person named."""

    @property
    def place(self) -> Path:
        """Its folder, inside that of the evaluation."""
        return Path("runs", self.contender.slug, f"{self.task.name}-{self.repeat}")

    @property
    def digest(self) -> str:
        """What is asked, and under which settings, as a SHA-256."""
        asked = [self.task.digest, sorted((name, value) for name, value in self.arguments.items() if name != "on")]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def settings(self, variables: Mapping[str, str]) -> Settings:
        """Return the settings of its run. Raises `UserError`."""
        found = resolve({"model": self.contender.model, **self.task.options, **self.arguments}, {}, variables)
        told = self.contender.instructions
        placed = replace(found, isolated=True, output_dir=FILES, bring=None, export=None, output=None)
        return replace(placed, approve="auto", cache=None, strict=False, instructions=told)

    def outcome(self, **fields: Any) -> Outcome:
        """Return what came of it."""
        return Outcome(self.task.name, self.digest, self.contender.name, self.repeat, **fields)


class Attempt:
    """Carries out one trial, once."""

    def __init__(
        self,
        trial: Trial,
        home: Path,
        variables: Mapping[str, str],
        ledger: Ledger,
        *,
        model: Model | None = None,
        prove: bool = True,
    ) -> None:
        self.trial, self.control = trial, Control()
        self._variables, self._ledger, self._model, self._prove = variables, ledger, model, prove
        self._id = locating.new_run_id()
        self._inside = trial.place / self._id
        self._folder = home / self._inside
        self._workspace: IsolatedWorkspace | None = None

    async def carry_out(self) -> Outcome | None:
        """Run the task to its end and judge it; None where it was broken off, so that it counts for nothing."""
        try:
            started = await asyncio.to_thread(self._begin)
            run = await started.go()
            if self._broken_off(run):
                return None
            return await asyncio.to_thread(self._finding, run, await self._probed(run))
        except Exception as error:  # noqa: BLE001 - a broken task fails alone
            told = " ".join(f"{'' if isinstance(error, UserError) else type(error).__name__ + ': '}{error}".split())
            return self.trial.outcome(run=self._id, fault=told)
        finally:
            if self._workspace is not None:
                await asyncio.to_thread(self._workspace.release)

    def _begin(self) -> session.Session:
        settings = self.trial.settings(self._variables)
        self.trial.task.furnish(self._folder / FILES)
        how = session.NewRun(
            self.trial.task.goal,
            settings,
            self._variables,
            self._folder,
            known_secrets(os.environ, self._variables, known_keys(self._variables), {}),
            control=self.control,
            run_id=self._id,
            model=self._model,
            ledger=self._ledger,
        )
        return session.begin(how, lambda web: self._make_workspace(web, settings))

    def _make_workspace(self, web: Web, settings: Settings) -> IsolatedWorkspace:
        limits = parse_limits(settings.limits)
        folder = self._folder / FILES
        connect = connection(settings, self._id)
        options: dict[str, Any] = {"web": web, "limits": limits, "control": self.control, "told": _TOLD}
        self._workspace = IsolatedWorkspace(folder, connect=connect, **options)
        self._workspace.privacy = settings.privacy
        return self._workspace

    def _broken_off(self, run: Run) -> bool:
        """Whether it ended for a reason that says nothing of the model: a stop, or the budget of all runs."""
        if run.status != "cost_limit":
            return run.status == "stopped"
        own, left = self.trial.settings(self._variables).budget, self._ledger.left
        return own is None or (left is not None and left < own - run.state.total_cost)

    async def _probed(self, run: Run) -> list[str]:
        """Run what the checks need in the run's own process; returns the names they look at."""
        criteria, workspace = self.trial.task.criteria, self._workspace
        assert workspace is not None
        seeing = any(word in each.expression for each in criteria for word in _SEEING)
        for number, source in enumerate(filter(None, [self.trial.task.probe, _SHOW if seeing else ""])):
            step = run.current_step + 1 + number
            await workspace.run_code(source, step=step, timeout=PROBE_SECONDS, on_output=lambda _: None)
        names = set().union(*(variables_in(each.expression) for each in criteria))
        return sorted(names | ({FIGURES} if seeing else set()))

    def _finding(self, run: Run, names: list[str]) -> Outcome:
        """Judge a run that is over, and prove its export if it is right."""
        state, judged = run.state, self._judged(run, names)
        found = self.trial.outcome(
            run=self._id,
            folder=self._inside.as_posix(),
            status=run.status,
            reason=run.reason,
            summary=run.summary,
            judged=judged,
            cost=state.total_cost,
            cost_known=state.cost_known,
            tokens=state.usage.total,
            steps=state.current_step,
            seconds=max((state.ended or state.began) - state.began, 0.0),
            fault=run.reason if _unanswered(state) else "",
        )
        write_run_page(state, judged, f"{self.trial.task.name}: {self.trial.contender.name}", self._folder / PAGE)
        return replace(found, **self._proof(run)) if self._prove and found.right else found

    def _judged(self, run: Run, names: list[str]) -> tuple[Judged, ...]:
        workspace = self._workspace
        assert workspace is not None
        with HeldFolder("values") as place:
            impatience = threading.Timer(PACK_SECONDS, workspace.release)  # a kernel may be left that never answers
            impatience.daemon = True
            impatience.start()
            refused = workspace.pack(names, Path(place))
            impatience.cancel()
            left = Left(workspace.folder, Path(place), names, refused, run.status, run.summary)
            return tuple(judge([(self.trial.task, left)])[0])

    def _proof(self, run: Run) -> dict[str, Any]:
        try:
            published = run.publish(self._folder / "run.ipynb")
        except UserError as error:
            return {"reproduced": False, "verdict": str(error)}
        except asyncio.CancelledError:  # the evaluation is being stopped, and this run with it
            return {}
        proven = published.verdict is not None and published.verdict.proven
        return {"reproduced": proven, "verdict": published.told}


def _unanswered(state: State) -> bool:
    """Whether a run ended because its model's server brought no reply, which says nothing of the model."""
    last = state.steps[-1] if state.steps else None
    return state.status == "failed" and last is not None and last.decision is None and bool(last.failures)


def reference_model(trial: Trial) -> Model | None:
    """Return the model that plays a task's own solution, where that is who is measured. Raises `UserError`."""
    if trial.contender.model != REFERENCE:
        return None
    solution = trial.task.reference
    if solution is None:
        raise UserError(f"task {trial.task.name} has no [reference], so there is nothing to play")
    last = finish(solution.says, goal_met=solution.met)
    return scripted([*map(code, solution.code), *[last] * 3], REFERENCE)


def scripted(replies: list[Script], name: str) -> Model:
    """Return a model that gives these replies, and costs nothing."""
    model = ScriptedModel(replies, usage=Usage())
    model.name = name
    return model
