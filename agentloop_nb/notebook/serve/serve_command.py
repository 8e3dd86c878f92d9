"""`%agent serve`: begin to serve this kernel to outside agents, or end it."""

from __future__ import annotations

import importlib
import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.cluster.connecting import elsewhere
from agentloop_nb.command_table import BY_NAME
from agentloop_nb.errors import UserError
from agentloop_nb.isolated.isolated_workspace import IsolatedWorkspace
from agentloop_nb.notebook import warming
from agentloop_nb.notebook.isolation.placement import what_can_be_adopted
from agentloop_nb.notebook.kernel.runner import can_ask, refuse_nesting
from agentloop_nb.notebook.serve.told_limit import ServeLimits
from agentloop_nb.settings import Settings
from agentloop_nb.settings.options import parse_options
from agentloop_nb.state import OUTSIDE

if TYPE_CHECKING:
    from agentloop_nb.notebook.magic import AgentMagics
    from agentloop_nb.notebook.serve.served_kernel import ServedKernelRun
    from agentloop_nb.run import Run

GOAL = "Work of outside agents"
ALWAYS = 1_000_000
"""Calls in a row that may be no valid decision: the client is told each time, and the run goes on."""
_LIBRARIES = ("anyio", "mcp.server.lowlevel", "mcp_types", "uvicorn")

_served: dict[int, ServedKernelRun] = {}
"""What is served in this process, by the identity of its shell."""


def serve(magics: AgentMagics, rest: str) -> None:
    """Serve this kernel to outside agents until it is stopped."""
    refuse_nesting()
    options, goal = parse_options(rest, BY_NAME["serve"].options)
    if options.pop("stop", False):
        print(_stop(magics))
        return
    _check_place(magics.shell)
    name, limits = options.pop("name", None), _limits(options)
    read_only = bool(options.pop("read_only", False))
    port = _port("0" if (typed := options.pop("http", None)) is True else typed)
    settings = _settings(magics, options)
    _end_former(magics)
    name = _free_name(name, magics.manager.folder)
    from agentloop_nb.notebook.serve.http import address, bind
    from agentloop_nb.notebook.serve.served_kernel import ServedKernelRun

    taken = None if port is None else bind(port)
    held = limits.minutes is not None and not can_ask(magics.shell)
    how: dict[str, Any] = {"limits": limits, "read_only": read_only, "port": taken, "held": held}
    try:
        served = ServedKernelRun(magics.manager, goal or GOAL, settings, name=name, **how)
    except BaseException:
        if taken is not None:
            taken.close()
        raise
    _served[id(magics.shell)] = served
    until = f"for {limits.minutes:g} minutes at most, in this cell" if held else "until %agent serve --stop"
    print(_how_to_connect(name, until, settings, read_only=read_only))
    if taken is not None:
        print(f"By HTTP: {address(taken)}; its bearer token stands in {served.listener.file}")
    if held:
        served.wait()
        print(_farewell(served))


def _check_place(shell: Any) -> None:
    """Raise `UserError` where a kernel cannot be served."""
    if getattr(shell, "kernel", None) is None:
        raise UserError("only a notebook's kernel can be served; in a terminal, type jupyter lab first")
    if IN_BROWSER:
        raise UserError("a kernel in the browser cannot be served: nothing can connect to it; one on a server can")
    warming.wait_for_all()
    try:
        for name in _LIBRARIES:
            importlib.import_module(name)
    except ModuleNotFoundError:
        raise UserError("serving needs the MCP SDK: %pip install 'agentloop-nb[mcp]'") from None


def _settings(magics: AgentMagics, options: dict[str, Any]) -> Settings:
    """Return the settings of a served run: code waits for the person unless the command itself says otherwise."""
    config = magics.config_values()
    if options.get("approve") is None:
        options["approve"] = "all" if config.get("approve") == "all" else "code"
    settings = magics.manager.settings(options, config)
    return replace(settings, model=OUTSIDE, base_url=None, budget=None, cache=None, max_retries=ALWAYS, export=None)


def _limits(options: dict[str, Any]) -> ServeLimits:
    """Take the limits out of the options."""
    limits = ServeLimits()
    if (minutes := options.pop("minutes", None)) is not None:
        limits = limits._replace(minutes=_amount(minutes, f"--for takes minutes, not {minutes!r}: --for 60"))
    if (told := options.pop("most_told", None)) is not None:
        limits = limits._replace(megabytes=_amount(told, f"--max-told takes megabytes, not {told!r}: --max-told 10"))
    return limits


def _amount(text: str, otherwise: str) -> float:
    """Return a number above 0. Raises `UserError` that says something otherwise."""
    try:
        amount = float(text)
    except ValueError:
        amount = 0.0
    if not 0 < amount <= 100_000:
        raise UserError(otherwise)
    return amount


def _port(text: str | None) -> int | None:
    """Return the port to listen on; 0 is any free one, None is none at all."""
    if text is not None and not (text.isdecimal() and int(text) < 65536):
        raise UserError(f"--http takes the number of a port, not {text!r}; without one it takes a free port")
    return None if text is None else int(text)


def _end_former(magics: AgentMagics) -> None:
    """Make room for a new one. Raises `UserError` while the former goes on."""
    former = _served.get(id(magics.shell))
    if former is None or former.over.is_set():
        return
    if former.is_going_on:
        raise UserError(f"this kernel is served already, as {former.listener.described.name!r}: %agent serve --stop")
    former.close("served anew")


def _free_name(name: str | None, folder: Path) -> str:
    """Return the name to serve under. Raises `UserError` for one that another kernel has."""
    from agentloop_nb.bridge.served_kernels import alive

    taken = {each.name: each for each in alive() if each.pid != os.getpid()}
    if name is None:
        wanted = folder.name or "kernel"
        return next(each for each in (wanted, *(f"{wanted}-{n}" for n in range(2, 1000))) if each not in taken)
    if name in taken:
        raise UserError(f"a kernel named {name!r} is served already, in {taken[name].cwd}; choose another --name")
    return name


def _how_to_connect(name: str, until: str, settings: Settings, *, read_only: bool) -> str:
    rule = {
        "auto": "Code runs without asking, except what is suspicious.",
        "code": "Code and files wait for your click in the panel above.",
        "all": "Every step waits for your click in the panel above.",
    }[settings.approve]
    rule = "It may look, and change nothing." if read_only else rule
    cluster = elsewhere(settings)
    place = f"on an engine of cluster {cluster}" if cluster else "in a process and folder of its own"
    return (
        f"Served as {name!r} {until}. {rule}\n"
        f"An agent connects with: agentloop mcp --kernel {shlex.quote(name)}   "
        "(claude mcp add agentloop -- agentloop mcp)\n"
        "Its model is paid for where it runs; what that costs is not metered here."
        + (f"\nIts code runs {place}; your variables stay as they are." if settings.isolated else "")
    )


def _stop(magics: AgentMagics) -> str:
    served = _served.pop(id(magics.shell), None)
    if served is None or served.over.is_set():
        raise UserError("this kernel is not served; %agent serve begins it")
    served.close("the person ended it")
    return _farewell(served)


def _farewell(served: ServedKernelRun) -> str:
    apart = isinstance(served.workspace, IsolatedWorkspace)
    adoptable = f"\n{what_can_be_adopted(served.session.run)}" if apart else ""
    return f"Served no longer. {served.session.run!r}{adoptable}"


def served_run(run: Run) -> ServedKernelRun | None:
    """Return what serves a run that goes on, if anything does."""
    return next((each for each in _served.values() if each.session.run is run and each.is_going_on), None)
