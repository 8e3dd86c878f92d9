"""What is asked about when an outside agent decides: code that reaches for what governs it, and names of its own.

A guard rail like `code_risks`, not a sandbox: code that hides what it does can do it unseen. See SECURITY.md.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from agentloop_nb.actions import Action, RunCode, WriteFile
from agentloop_nb.safety.code_risks import Target, outside, read, read_risks
from agentloop_nb.safety.code_risks.ipython_cells import take_apart
from agentloop_nb.safety.provenance import said_by_user
from agentloop_nb.state import State

_NAMES = re.compile(r"(?i:agentloop)|(?<!\w)_agent(?!\w)|AgentMagics|%agent\b|mcp_types")
"""Our package, our records and runtime files, the handle of a run, the magics."""
_REACHING = {
    "_getframe": "reads the frames of its callers",
    "_current_frames": "reads the frames of other threads",
    "currentframe": "reads the frames of its callers",
    "walk_stack": "reads the frames of its callers",
    "_getframemodulename": "reads the frames of its callers",
    "f_back": "reads the frames of its callers",
    "tb_frame": "reads the frames of its callers",
    "gi_frame": "reads the frames of its callers",
    "cr_frame": "reads the frames of its callers",
    "settrace": "traces other code",
    "setprofile": "traces other code",
    "get_objects": "looks through all objects of the process",
    "get_referrers": "looks through all objects of the process",
    "get_referents": "looks through all objects of the process",
    "__subclasses__": "looks through all classes of the process",
    "all_tasks": "reaches for other tasks",
    "current_task": "reaches for other tasks",
    "_current_tasks": "reaches for other tasks",
    "_active": "reaches for other threads",
    "main_thread": "reaches for other threads",
    "pthread_kill": "signals the kernel",
    "raise_signal": "signals the kernel",
    "kill": "signals processes",
    "killpg": "signals processes",
    "interrupt_main": "signals the kernel",
    "SIGINT": "changes how signals are heard",
    "SIGTERM": "changes how signals are heard",
    "set_wakeup_fd": "changes how signals are heard",
    "magics_manager": "changes the magics",
    "register_magic_function": "changes the magics",
    "find_magic": "calls magics by name",
    "find_line_magic": "calls magics by name",
    "find_cell_magic": "calls magics by name",
    "run_line_magic": "calls magics by name",
    "run_cell_magic": "calls magics by name",
    "input_transformers_post": "changes how cells are read",
    "input_transformers_cleanup": "changes how cells are read",
    "display_pub": "changes how outputs are shown",
    "_main_asyncio_lock": "reaches for the kernel's lock",
    "shell_channel_thread": "reaches for the kernel's channels",
    "set_parent": "reaches for the kernel's channels",
    "ctypes": "writes to memory by address",
    "jupyter_runtime_dir": "looks for other kernels",
    "find_connection_file": "looks for other kernels",
    "BlockingKernelClient": "talks to a kernel by itself",
    "connection_file": "looks for other kernels",
    "__globals__": "reads the variables of other modules",
    "__closure__": "reads the variables of other functions",
    "cell_contents": "reads the variables of other functions",
    "__code__": "replaces the code of functions",
    "CodeType": "replaces the code of functions",
    "meta_path": "changes how modules are imported",
    "path_hooks": "changes how modules are imported",
    "addaudithook": "listens to the whole process",
    "excepthook": "changes how errors are shown",
    "unraisablehook": "changes how errors are shown",
    "_exit": "ends the kernel",
    "IPKernelApp": "reaches for the kernel's own parts",
    "ZMQInteractiveShell": "reaches for the kernel's own parts",
    "InteractiveShell": "reaches for the kernel's own parts",
    "ast_transformers": "changes how cells are read",
    "set_next_input": "writes into your cells",
    "set_custom_exc": "changes how errors are shown",
    "AF_UNIX": "talks to other processes of yours",
    "open_unix_connection": "talks to other processes of yours",
}
_TOGETHER = (
    ("inspect", "stack", "reads the frames of its callers"),
    ("threading", "enumerate", "reaches for other threads"),
    ("sys", "modules", "looks through loaded modules"),
    ("get_ipython", "kernel", "reaches for the kernel's own parts"),
    ("get_ipython", "__dict__", "reaches for the kernel's own parts"),
    ("get_ipython", "vars", "reaches for the kernel's own parts"),
    ("get_ipython", "getattr", "reaches for the kernel's own parts"),
    ("get_ipython", "config", "configures the kernel"),
    ("get_ipython", "events", "changes what happens around your cells"),
    ("get_ipython", "user_ns", "reaches for the kernel's own parts"),
    ("get_ipython", "history_manager", "changes your history"),
)
"""Words that mean something only together."""
_BY_NAME = frozenset(
    ("getattr", "setattr", "attrgetter", "methodcaller", "vars", "__dict__", "import_module", "__import__")
)
"""What takes an attribute or a module by a text."""
_SHARED = frozenset(
    {
        *("ast", "asyncio", "atexit", "builtins", "contextlib", "contextvars", "dataclasses", "functools", "hashlib"),
        *("hmac", "importlib", "inspect", "io", "json", "logging", "os", "pathlib", "pickle", "posixpath", "re"),
        *("secrets", "select", "selectors", "shutil", "signal", "socket", "ssl", "subprocess", "sys", "tempfile"),
        *("threading", "time", "types", "typing"),
        *("IPython", "anyio", "ipykernel", "jupyter_client", "mcp", "pydantic", "zmq"),
    }
)
"""Modules that what governs it is made of: a function that is replaced there is replaced here."""
_TEXTS = re.compile(r"JUPYTER_RUNTIME_DIR|jupyter/runtime|kernel-[\w-]*\.json|/proc/(self|\d+)/(mem|fd|environ)")
_FIELD = re.compile(r"\{([^{}]{1,200})")
"""What `str.format` takes out of its arguments."""
_CONFIGURES = re.compile(
    r"^[^\S\n]*%{1,2}(config|load_ext|reload_ext|unload_ext|reset|kill|alias_magic|macro|rerun|recall|rep|logstart|store)\b",
    re.MULTILINE,
)


class OutsideJudge:
    """Says why a person should see an action of an outside agent. One judge serves one run."""

    def __init__(self) -> None:
        self._allowed: set[Target] = set()
        """What only the client named, and the person allowed: it is not asked about again."""
        self._looked = 0
        """Steps whose approval was looked at."""

    def __call__(self, action: Action, state: State) -> tuple[str, ...]:
        match action:
            case RunCode(code=code):
                return (*reaching(code), *self._read(code, state))
            case WriteFile(filename=filename, content=content) if filename.endswith((".py", ".ipy", ".pth", ".ipynb")):
                found = reaching(content)
                return tuple(f"the file it writes {reason.removeprefix('it ')}" for reason in found)
            case _:
                return ()

    def _read(self, code: str, state: State) -> tuple[str, ...]:
        """Find what cannot be read, and hosts, packages and paths outside the folder that the person did not name."""
        reading = read(code)
        unknown = ("it executes text that is not known beforehand",) if reading.built or reading.entangled else ()
        self._learn(state)
        installs = any(command.installs for command in reading.commands)
        found = [
            target
            for target in sorted(reading.targets - self._allowed)
            if _is_host(target, code) or (target.kind == "package" and installs) or _is_elsewhere(target)
        ]
        said = said_by_user(state, state.cells).lower() if found else ""
        found = [target for target in found if target.name.lower() not in said]
        return unknown + tuple(f"only the outside agent names the {target.kind} {target.name!r}" for target in found)

    def _learn(self, state: State) -> None:
        """Take in what the person allowed since the last time."""
        self._looked = min(self._looked, len(state.steps))  # steps may have been taken back
        for step in state.steps[self._looked :]:
            if step.approval is None or not step.approval.approved or step.decision is None:
                continue
            if isinstance(action := step.decision.action, RunCode):
                self._allowed |= read(action.code).targets
        self._looked = len(state.steps)


def _is_host(target: Target, code: str) -> bool:
    """Whether a text that looks like a host is one: `figure.dpi` is none where nothing connects."""
    if target.kind != "host":
        return False
    return f"://{target.name}" in code or not {"network", "shell"}.isdisjoint(read_risks(code))


def _is_elsewhere(target: Target) -> bool:
    return target.kind == "path" and outside(target.name) and not target.name.startswith(("/tmp/", "/dev/"))  # noqa: S108


def reaching(code: str) -> tuple[str, ...]:
    """Say how code reaches for what governs it: our objects, frames, signals, other kernels."""
    found = ["it reaches for the agent's own parts"] if _NAMES.search(code) else []
    if _TEXTS.search(code):
        found.append("it looks for other kernels or into the process")
    if _CONFIGURES.search(code):
        found.append("it configures the kernel")
    tree = take_apart(code).tree
    words = _words(tree) if tree is not None else set(re.findall(r"\w+", code))
    found += [f"it {told}" for word, told in _REACHING.items() if word in words]
    found += [f"it {told}" for one, other, told in _TOGETHER if one in words and other in words]
    found += [f"it replaces {name} for the whole process" for name in (_replaced(tree) if tree is not None else ())]
    return tuple(dict.fromkeys(found))


def _replaced(tree: ast.AST) -> Iterator[str]:
    """Yield functions of shared modules that code replaces: `json.dumps = f`, `setattr(json, "dumps", f)`."""
    known = _imported(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=owner, attr=name, ctx=ast.Store() | ast.Del()) if module := _module(owner, known):
                yield f"{module}.{name}"
            case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[owner, *_]) if module := _module(owner, known):
                yield module
            case ast.Call(
                func=ast.Name(id="patch") | ast.Attribute(attr="patch"), args=[ast.Constant(value=str(name)), *_]
            ):
                yield from [name] if name.partition(".")[0] in _SHARED else []
            case ast.Call(func=ast.Attribute(attr="object", value=_), args=[owner, *_]) if module := _module(
                owner, known
            ):
                yield module


def _imported(tree: ast.AST) -> dict[str, str]:
    """Return the names of code that stand for a shared module or a part of one, with the module."""
    known = {name: name for name in _SHARED}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                known |= {each.asname: each.name for each in names if each.asname}
            case ast.ImportFrom(module=str(module), names=names):
                known |= {each.asname or each.name: module for each in names}
            case _:
                pass
    return known


def _module(owner: ast.expr, known: dict[str, str]) -> str:
    """Return the shared module that an expression names or takes something from; empty for none."""
    while isinstance(owner, ast.Attribute):
        owner = owner.value
    module = known.get(owner.id, "") if isinstance(owner, ast.Name) else ""
    return module if module.partition(".")[0] in _SHARED else ""


def _words(tree: ast.AST) -> set[str]:
    """Names, attributes, imported names, and texts that are a name: `getattr(x, "f_back")`."""
    words, texts = set[str](), set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name):
                words.add(name)
            case ast.alias(name=name):
                words.update(name.split("."))
            case ast.MatchClass(kwd_attrs=names):
                words.update(names)
            case ast.Constant(value=str(text)) if "{" in text and "." in text:
                words.update(word for field in _FIELD.findall(text) for word in re.findall(r"\w+", field))
            case ast.ImportFrom(module=str(name)):
                words.update(name.split("."))
            case ast.Constant(value=str(text)) if text.isidentifier():
                texts.add(text)
            case _:
                pass
    return words | texts if words & _BY_NAME else words
