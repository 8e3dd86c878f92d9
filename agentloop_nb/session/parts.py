"""The parts that every session is put together from: the model, the web, the settings as recorded, the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.actions import ACTIONS, BUILT_IN, AskUser, Delegate, UseTool
from agentloop_nb.actions.delegate import Delegating
from agentloop_nb.actions.own import LIVE
from agentloop_nb.actions.registry import ActionRecord, Actions, choose, record_of
from agentloop_nb.agent.contract import refuse_unsound
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.ledger import Ledger
from agentloop_nb.agent.offer import worth_delegating
from agentloop_nb.errors import Hint, UserError
from agentloop_nb.events import LimitsReplaced, RunResumed
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.mcp_tools.toolbox import toolbox
from agentloop_nb.models import registry
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.protocols import Equipped, Measurable, Model, Sized, Tools, Unprompted, Usage, Web, Workspace
from agentloop_nb.settings import Settings
from agentloop_nb.state import State
from agentloop_nb.web import LiveWeb


def make_model(settings: Settings, variables: Mapping[str, str], ledger: Ledger | None = None) -> Model:
    """Return the model that the settings name. Raises `UserError`, also where a budget could not be kept."""
    model = registry.create(settings, variables)
    if settings.isolated and isinstance(model, ReplayModel):
        model.delegate_nothing()
    bounded = settings.budget is not None or (ledger is not None and ledger.is_limited)
    if bounded and model.quote(Usage(input=1, output=1)) is None:
        raise UserError(
            f"the price of {model.name} is unknown, so no budget can be kept; give one: AGENTLOOP_PRICE=0.15,0.60 "
            "(dollars per million tokens in and out), or leave --budget out"
        )
    return model


def another(
    model: Model, settings: Settings, variables: Mapping[str, str], ledger: Ledger | None = None
) -> Callable[[], Model] | None:
    """Return what connects to a model once more, for looks at code that runs long; None where there are none."""
    if isinstance(model, ReplayModel | Unprompted) or (isinstance(model, Sized) and model.is_small):
        return None
    return lambda: make_model(settings, variables, ledger)


def with_contract_of(model: Model, settings: Settings) -> Settings:
    """Return the settings of a replay with the contract of the run that is replayed, unless they name another."""
    if settings.until or not isinstance(model, ReplayModel) or not model.until:
        return settings
    refuse_unsound(model.until)
    return replace(settings, until=model.until)


def make_web(model: Model, settings: Settings) -> Web:
    """Return searches and pages: the live web, or for a replay the record."""
    live = LiveWeb(settings)
    return model.web(live) if isinstance(model, ReplayModel) and not settings.live else live


def equip(workspace: Workspace, model: Model, settings: Settings, folder: Path) -> None:
    """Give a workspace the tools of servers: the allowed ones, or for a replay the record. Raises `UserError`."""
    if isinstance(workspace, Equipped):
        workspace.tools = _tools(model, settings, folder)


def _tools(model: Model, settings: Settings, folder: Path) -> Tools | None:
    if isinstance(model, ReplayModel) and not settings.live:
        return model.tools()
    left_out = UseTool.name in settings.no_actions or (settings.actions and UseTool.name not in settings.actions)
    return None if left_out or IN_BROWSER else toolbox(folder, settings.mcp)


def recorded(
    settings: Settings, model: Model, variables: Mapping[str, str], control: Control | None = None
) -> dict[str, Any]:
    """Return the settings as the record has them: model and address as they were found, and whether it may ask."""
    found = {"model": model.name, "base_url": registry.recorded_address(settings, variables)}
    return settings.record() | found | {"asks": _asks(settings, model, control)}


def _asks(settings: Settings, model: Model, control: Control | None) -> bool:
    """Whether the model may ask the person; a small one would ask without need."""
    small = isinstance(model, Sized) and model.is_small
    somebody = control is not None and control.attended and not settings.quiet
    named = not settings.actions or AskUser.name in settings.actions
    wanted = settings.questions != "never" and named and AskUser.name not in settings.no_actions
    return somebody and wanted and not small


def with_limits_of(settings: Settings, state: State) -> State:
    """Return the state with the steps and the budget that the person's own settings allow, not those of its record."""
    state.apply(LimitsReplaced(max_steps=settings.max_steps, budget=settings.budget))
    return state


def resumed_limits(state: State, overrides: Mapping[str, Any], settings: Settings, note: str) -> RunResumed:
    """Return the limits a run goes on with. Raises `UserError` if they leave it nothing to do."""
    if state.is_complete and not note:
        raise UserError(f"run {state.run} is finished; to go on from it, add a note", Hint("resume -- what to do next"))
    max_steps = state.max_steps if overrides.get("max_steps") is None else settings.max_steps
    budget = state.budget if overrides.get("budget") is None else settings.budget
    if state.current_step >= max_steps:
        raise UserError(f"all {max_steps} steps are used; allow more", Hint(f"resume --max-steps {max_steps + 20}"))
    if budget is not None and budget <= state.total_cost:
        more = f"{state.total_cost * 2:.2f}".rstrip("0").rstrip(".")
        spent = f"{state.total_cost.normalize():f}"
        raise UserError(f"${spent} is spent already; name a larger budget", Hint(f"resume --budget {more or 1}"))
    return RunResumed(step=state.current_step, max_steps=max_steps, budget=budget)


def chosen(
    settings: Settings, model: Model, workspace: Workspace, control: Control | None = None, goal: str = ""
) -> Actions:
    """Choose what a run may do. A small model gets those of the original, the user's own, and what is named.

    Raises `UserError`.
    """
    if isinstance(model, Measurable):
        model.measure()
    there = choose(settings.actions, settings.no_actions, _own_functions(workspace, settings))
    asks = _asks(settings, model, control)
    tools = workspace.tools if isinstance(workspace, Equipped) else None
    has_tools = tools is not None and tools.offered
    if UseTool.name in settings.actions and not has_tools:
        raise UserError("use_tool cannot be offered: no server is allowed here", Hint("tools", "lists them"))
    delegates = _delegates(settings, workspace, goal)
    left_out = {AskUser.name: not asks, UseTool.name: not has_tools, Delegate.name: not delegates}
    actions = tuple(action for action in there if not left_out.get(action.name))
    if settings.actions or not (isinstance(model, Sized) and model.is_small):
        return actions
    named = (*ACTIONS, *((UseTool,) if settings.mcp else ()))
    return tuple(action for action in actions if action in named or action not in BUILT_IN)


def _delegates(settings: Settings, workspace: Workspace, goal: str) -> bool:
    """Whether a run may delegate: where that was named, or its goal has parts. An isolated run may not."""
    named = Delegate.name in settings.actions or worth_delegating(goal)
    return named and isinstance(workspace, Delegating) and not settings.isolated


def chosen_anew(
    overrides: Mapping[str, Any],
    settings: Settings,
    model: Model,
    workspace: Workspace,
    control: Control | None,
    *,
    own: bool,
) -> tuple[ActionRecord, ...]:
    """Return what a run may do from here on, where that was said when it was resumed; empty: what its record says.

    The record of somebody else (not `own`) says nothing. Raises `UserError`.
    """
    if own and overrides.get("actions") is None and overrides.get("no_actions") is None:
        return ()
    return tuple(map(record_of, chosen(settings, model, workspace, control)))


def _own_functions(workspace: Workspace, settings: Settings) -> dict[str, Any]:
    """Return the declared functions that the namespace of a run has; an isolated one has those that went along."""
    if isinstance(workspace, IsolatedWorkspace):
        return {name: LIVE[name].function for name in workspace.functions if name in LIVE}
    return {} if settings.isolated or not LIVE else workspace.variables(list(LIVE))
