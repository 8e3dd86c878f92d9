"""Starts and resumes runs in an IPython shell: settings from every layer, and the workspace of each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from keyword import iskeyword
from pathlib import Path
from typing import Any

from agentloop_nb import session
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.cluster.connecting import goes_elsewhere
from agentloop_nb.errors import Hint, UserError
from agentloop_nb.events import AnyEvent, NoteAdded
from agentloop_nb.export.destination import checked
from agentloop_nb.mcp_tools.configuration import given
from agentloop_nb.models.keys import known_keys
from agentloop_nb.notebook import learning
from agentloop_nb.notebook.isolation import placement
from agentloop_nb.notebook.isolation.adoption import Adoption
from agentloop_nb.notebook.isolation.children import children_of
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.notebook.kernel.runner import is_attended, refuse_nesting
from agentloop_nb.notebook.kernel.turn import caller_folder
from agentloop_nb.notebook.panel.buttons import BUTTONS
from agentloop_nb.notebook.presenter import Presenter, ask_on_input
from agentloop_nb.notebook.trust_prompt import ask_to_run
from agentloop_nb.notebook.workspaces import Workspaces, has_variables
from agentloop_nb.protocols import Model, Web, Workspace
from agentloop_nb.record import locating, lock, reading
from agentloop_nb.run import Run
from agentloop_nb.safety.secrets import Masker, known_secrets
from agentloop_nb.session.kept_settings import kept_settings
from agentloop_nb.settings import Settings, environment, resolve
from agentloop_nb.state import State


@dataclass
class RunManager:
    """Starts and resumes runs in one shell, and remembers them: a later goal may refer to what an earlier one did."""

    shell: Any
    working_folder: Path | None = None
    """Folder of files and code; None is the one a run is set or recorded with, else the shell's current one."""
    watched: bool = False
    """Its runs are shown on a page of their own, where a person is."""
    private: bool = False
    """The shell is ours alone: there is no notebook to show anything in."""
    runs: list[Run] = field(default_factory=list)
    adopted: list[Adoption] = field(default_factory=list)
    """What was brought here from isolated runs, oldest first."""

    def __post_init__(self) -> None:
        self.workspaces = Workspaces(self.shell, self.runs)

    @property
    def folder(self) -> Path:
        """Where records lie and settings are looked for: the current folder of the caller."""
        return caller_folder()

    def settings(self, arguments: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> Settings:
        """Resolve settings. Raises `UserError`."""
        found = resolve(arguments, config or {}, environment(self.folder))
        if found.best_of is None and arguments.get("adopt") is not None:
            raise UserError("--adopt says what becomes of tries: add --best-of 3, or leave --adopt out")
        apart = found.best_of is not None or goes_elsewhere(found)  # so that no try is in another's way
        return replace(found, isolated=True) if apart else found

    def begin(
        self, goal: str, settings: Settings, notes: Sequence[NoteAdded] = (), ledger: Ledger | None = None
    ) -> Presenter:
        """Prepare a new run; `notes` are told before its first step, `ledger` is shared. Raises `UserError`."""
        if settings.best_of is not None:
            from agentloop_nb.notebook.best_of import prepare

            _check_output(settings)
            return prepare(self, goal, settings, ledger)
        return self._launch(self.prepare(goal, settings, notes, ledger))

    def prepare(
        self,
        goal: str,
        settings: Settings,
        notes: Sequence[NoteAdded] = (),
        ledger: Ledger | None = None,
        *,
        part: session.Part | None = None,
        luggage: placement.Luggage | None = None,
        model: Model | None = None,
    ) -> session.Session:
        """Prepare a new run that is not listed yet; `luggage` is what was packed already. Raises `UserError`.

        `model` takes the place of the one that the settings name.
        """
        refuse_nesting()
        _check_output(settings)
        if part is None:
            learning.bring(self, print)
        self.workspaces.make_room(settings)
        control, run_id = self._control(), locating.new_run_id()
        settings = placement.placed(settings, run_id)
        how = session.NewRun(
            goal,
            settings,
            environment(self.folder),
            self.folder,
            self.masker(),
            earlier_goals=[run.goal for run in self.runs],
            control=control,
            run_id=run_id,
            model=model,
            notes=notes,
            ledger=ledger,
            part=part,
        )
        return session.begin(how, lambda web: self._workspace(web, control, settings, luggage or goal))

    def resume(
        self,
        reference: str | None,
        overrides: Mapping[str, Any],
        config: Mapping[str, Any] | None = None,
        note: str = "",
        *,
        anyway: bool = False,
    ) -> Presenter:
        """Prepare a recorded run to go on, as it was set but for `overrides`. Raises `UserError`.

        With `anyway` rebuilt code may show something else than it did.
        """
        refuse_nesting()
        path = self.find(reference).resolve()
        here = self.run_of(path)
        live = here if here is not None and has_variables(here) else None
        if here is not None and lock.in_use(path):
            raise UserError("the run is still going on; stop it first")
        ask_to_run(self.shell, path)
        settings = self.as_recorded(path, overrides, config)
        if settings.isolated and not reading.load(path).settings.get("isolated"):
            raise UserError(f"run {path.stem} did not run isolated", Hint("fork", "goes on in a process of its own"))
        if overrides.get("bring") is not None:
            raise UserError(
                "--with names what a new run gets; leave it out here", Hint("", "--isolated --with NAMES goal")
            )
        how = self._going_on(path, overrides, settings, note, anyway=anyway)

        def make_workspace(web: Web) -> Workspace:
            there = self.workspaces.of_run(here, settings, web=web, control=how.control)
            return there or self._workspace(web, how.control, settings, home=how.home)

        made = session.resume(how, make_workspace, live=live.state if live else None)
        self.runs[:] = [run for run in self.runs if run is not here]
        return self._launch(made)

    def fork(
        self,
        reference: str | None,
        at: int | None,
        overrides: Mapping[str, Any],
        config: Mapping[str, Any] | None = None,
        note: str = "",
        *,
        anyway: bool = False,
    ) -> Presenter:
        """Prepare a new run that goes another way after step `at` of a recorded one. Raises `UserError`."""
        refuse_nesting()
        run_id = locating.new_run_id()
        path = self.find(reference).resolve()
        ask_to_run(self.shell, path)
        settings = self.as_recorded(path, {**overrides, "isolated": True, "output_dir": ""}, config)
        settings = placement.placed(settings, run_id)
        source = self.place(path)
        namespace = self.shell.user_ns if self.run_of(path) else None
        how = self._going_on(path, overrides, settings, note, anyway=anyway)

        def make_workspace(web: Web, events: Sequence[AnyEvent]) -> Workspace:
            parts = (namespace, path, source, at, events)
            return placement.forked_workspace(*parts, web=web, settings=settings, control=how.control)

        return self._launch(session.fork(how, at, run_id, make_workspace))

    def _going_on(
        self, path: Path, overrides: Mapping[str, Any], settings: Settings, note: str, *, anyway: bool
    ) -> session.RecordedRun:
        control = self._control()
        ask = partial(ask_on_input, self.shell, control)
        variables, masker = environment(self.folder), self.masker()
        return session.RecordedRun(path, overrides, variables, settings, masker, ask, note, anyway, control)

    def as_recorded(
        self, path: Path, overrides: Mapping[str, Any], config: Mapping[str, Any] | None = None
    ) -> Settings:
        """Return the settings of a recorded run but for `overrides`. Raises `UserError`."""
        if overrides.get("best_of") is not None:
            raise UserError("--best-of tries a new goal: %%agent --best-of 3 what you want; leave it out here")
        if overrides.get("output_dir") is None:
            self.place(path)
        settings = self.settings({**kept_settings(path, environment(self.folder)), **overrides}, config)
        if settings.isolated and settings.output_dir is None:
            settings = placement.placed(settings, path.stem)
        _check_output(settings)
        return settings

    def place(self, path: Path) -> Path:
        """Return the working folder of a recorded run. Raises `UserError` for one that only its record vouches for."""
        named = reading.load(path).settings.get("output_dir")
        return locating.home(path) / str(named or "") if self.run_of(path) else locating.working_folder(path, named)

    def find(self, reference: str | None) -> Path:
        """Return the record meant by an id, a prefix, a path, or None: the last run here, else this folder's newest."""
        if reference is None and self.runs:
            return self.runs[-1].journal
        return locating.find(reference, self.folder)

    def state(self, reference: str | None) -> State:
        """Return the state of the run meant: live if it is of this kernel, else from its record."""
        if reference is None and self.runs:
            return self.runs[-1].state
        return reading.load(self.find(reference))

    def run_of(self, record: Path) -> Run | None:
        """Return the run of this kernel that a record is of, if there is one."""
        path = record.resolve()
        return next((run for run in self.runs if run.journal.resolve() == path), None)

    def keep(self, run: Run, output: str | None) -> None:
        """Remember a run as the last one here, and bind it to the names it goes by."""
        self.remember(run)
        if not self.private:
            self.shell.user_ns.update(dict.fromkeys(filter(None, ["_agent", output]), run))

    def remember(self, run: Run) -> None:
        """Make a run the last one here."""
        self.runs[:] = [*(each for each in self.runs if each is not run), run]
        BUTTONS.begin(run.id)
        placement.let_go(self.runs)

    def _launch(self, made: session.Session) -> Presenter:
        if isinstance(made.workspace, KernelWorkspace):
            made.workspace.children = children_of(self, made)
        self.keep(made.run, made.settings.output)
        return Presenter(made, self.shell, private=self.private, verbose=not made.settings.quiet)

    def _control(self) -> Control:
        return Control(attended=self.watched or is_attended(self.shell))

    def masker(self) -> Masker:
        """Return what is kept out of records and requests: the secrets that are known here."""
        variables = environment(self.folder)
        named = {**given(self.folder), **variables}
        return known_secrets(os.environ, named, known_keys(variables), self.shell.user_ns)

    def _workspace(
        self,
        web: Web,
        control: Control,
        settings: Settings,
        goal: str | placement.Luggage = "",
        home: Path | None = None,
    ) -> Workspace:
        home = home or self.folder
        if settings.isolated:
            return self.workspaces.isolated(settings, home, goal, web=web, control=control)
        recorded = home / settings.output_dir if settings.output_dir else self.folder
        folder = self.working_folder or recorded
        return self.workspaces.in_kernel(settings, folder, web=web, control=control)


def run_manager_of(shell: Any) -> RunManager:
    """Return the manager of the user's shell: one for its magics, `run_agent` and all reloads of the extension."""
    manager: RunManager = vars(shell).setdefault("_agentloop_launcher", RunManager(shell))
    return manager


def _check_output(settings: Settings) -> None:
    if settings.output and (not settings.output.isidentifier() or iskeyword(settings.output)):
        raise UserError(f"--output must be a variable name, not {settings.output!r}")
    if settings.export:
        checked(settings.export)
