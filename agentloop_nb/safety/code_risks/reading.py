"""One reading of one piece of code: what it touches, before it runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from agentloop_nb.safety.code_risks import call_tables
from agentloop_nb.safety.code_risks.command_lines import Command, commands
from agentloop_nb.safety.code_risks.constant_values import HOLE, Values, strings
from agentloop_nb.safety.code_risks.ipython_cells import MAX_CODE, as_cell, ends_at_once, parse, take_apart
from agentloop_nb.safety.code_risks.places import hosts, outside
from agentloop_nb.safety.code_risks.shell_commands import carries_out_unread, written_by

Kind = Literal["host", "command", "package", "path"]


class Target(NamedTuple):
    """Something outside the namespace that code names."""

    kind: Kind
    name: str


@dataclass(frozen=True)
class Sending:
    """A call that talks to the network."""

    hosts: frozenset[str]
    """Where to, as far as it is spelled out."""
    payload: tuple[ast.expr, ...]
    """What goes along: everything the call is given."""
    sends: bool
    """It hands something over (a POST, an upload), rather than only asking for something."""


@dataclass
class Reading:
    """What a piece of code touches."""

    risks: set[str] = field(default_factory=set)
    targets: set[Target] = field(default_factory=set)
    commands: list[Command] = field(default_factory=list)
    templates: list[Command] = field(default_factory=list)
    """Commands with `HOLE` where IPython puts in values."""
    lines: set[str] = field(default_factory=set)
    """Command lines as they stand in the code."""
    bodies: list[str] = field(default_factory=list)
    """What `%%writefile` writes."""
    unread: list[str] = field(default_factory=list)
    """Command lines that run what only comes up while they run."""
    sendings: list[Sending] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    """Paths it deletes; `HOLE` for one that is not known."""
    written: list[str] = field(default_factory=list)
    steered: list[str] = field(default_factory=list)
    """Paths that Python code writes, or moves something from or to."""
    outputs: list[str] = field(default_factory=list)
    """The files among `written` that a shell or a magic writes."""
    unknown_deletes: list[ast.expr] = field(default_factory=list)
    """What it deletes where no path is spelled out."""
    built: list[ast.expr] = field(default_factory=list)
    """What it executes although it is no code yet: the arguments of exec, eval, os.system and their like."""
    runs: set[str] = field(default_factory=set)
    """Scripts it runs."""
    values: Values = field(default_factory=Values)
    past_python: bool = False
    """It starts processes or native code where no audit event tells of it."""
    entangled: bool = False
    """It is too long or too entangled to be read whole."""


def learned(cells: Iterable[str], values: Values | None = None) -> Values:
    """Return the names that cells bind, added to those of `values`."""
    values = values or Values()
    for cell in cells:
        if (tree := take_apart(cell).tree) is not None:
            values.learn(tree)
    return values


def read(code: str, values: Values | None = None) -> Reading:
    """Read a cell. `values` are the names bound before it, which it may use; they stay as they are. Never raises."""
    reading = Reading(values=values.copy() if values else Values())
    try:
        _Reader(reading).cell(code)
    except RecursionError:
        reading.entangled = True
    reading.entangled |= len(code) > MAX_CODE or reading.values.exhausted
    if reading.entangled:
        reading.risks.add("cannot be read")
    return reading


_EXPANSION = re.compile(r"\{[^{}]+\}|\$\w+")
"""Where IPython puts values into command lines."""
_SHELL_CELL = re.compile(r"\s*%%(bash|sh|zsh)[ \t]*\n")
_VALUE = re.compile(r"^(-\w(?=[/~.])|[\w-]+=)")
"""What stands before the value in `if=/dev/zero`, `--output=/a` and `-o/a`."""


class _Reader:
    """Fills a reading."""

    def __init__(self, reading: Reading, depth: int = 0) -> None:
        self.reading = reading
        self.depth = depth

    def cell(self, code: str) -> None:
        cell = take_apart(code)
        if cell.tree is None and not ends_at_once(code):
            self.reading.risks.add("cannot be read")
        if cell.tree is None:
            self.mentions(code)
        else:
            self.tree(cell.tree)
        for line in cell.shell:
            self.shell(line)
        if (shell := _SHELL_CELL.match(code)) is not None:
            self.reading.lines.add(shell[1])  # what it is given to run has just been read
        for name, rest in cell.magics:
            self.magic(name, rest)

    def tree(self, tree: ast.AST) -> None:
        self.reading.values.learn(tree)
        for node in ast.walk(tree):
            match node:
                case ast.Call():
                    self.call(node)
                case ast.Attribute() | ast.Name() | ast.Subscript():
                    self.mention(node)
                case ast.Import() | ast.ImportFrom():
                    self.imports(node)
                case ast.Delete() | ast.Assign() | ast.AugAssign():
                    self.environment_change(node)
                case ast.Expr(value=ast.Name(id="exit" | "quit")):
                    self.reading.risks.add("controls the kernel")
                case ast.Raise(exc=ast.expr() as raised) if "SystemExit" in ast.dump(raised):
                    self.reading.risks.add("controls the kernel")
                case _:
                    pass
        for text in strings(tree, self.reading.values):
            self.mentions(text)

    def mentions(self, text: str) -> None:
        """Note the hosts and paths a string names."""
        self.reading.targets |= {Target("host", host) for host in hosts(text)}
        if 1 < len(text) < 1000 and "\n" not in text and re.match(r"(/|~|\.\.?/|[A-Za-z]:[\\/])\S", text):
            self.reading.targets.add(Target("path", text))
        if call_tables.SECRET_FILE.search(text) and "\n" not in text and len(text) < 300:
            self.reading.risks.add("reads the environment")

    def mention(self, node: ast.Attribute | ast.Name | ast.Subscript) -> None:
        """Note what is risky to name at all, called or not: `run = os.system`."""
        name = self.reading.values.dotted(node)
        if call_tables.PAST_PYTHON.match(name):
            self.reading.past_python = True
        if call_tables.ENVIRONMENT.match(name):
            self.reading.risks.add("reads the environment")
        if call_tables.SHELL.match(name) and not call_tables.NOT_SHELL.match(name):
            self.reading.risks.add("shell")
        if call_tables.DELETES.match(name) and name.startswith(("os.", "shutil.")):
            self.reading.risks.add("deletes files")
        if call_tables.KERNEL.match(name) and "." in name:
            self.reading.risks.add("controls the kernel")

    def imports(self, node: ast.Import | ast.ImportFrom) -> None:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if any(name.partition(".")[0] in ("ctypes", "cffi") for name in names):
            self.reading.risks.add("controls the kernel")
        self.reading.past_python |= any(call_tables.PAST_PYTHON.match(name) is not None for name in names)

    def environment_change(self, node: ast.Delete | ast.Assign | ast.AugAssign) -> None:
        targets = node.targets if isinstance(node, ast.Delete | ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Attribute) and self.reading.values.dotted(target.value) in ("builtins", "sys"):
                self.reading.risks.add("controls the kernel")

    def call(self, node: ast.Call) -> None:
        name = self.reading.values.dotted(node.func)
        first = self.reading.values.text(node.args[0]) if node.args else None
        if name in call_tables.BUILT or re.fullmatch(r"get_ipython\(\)\.(run_cell\w*|ex|ev)", name):
            self.built(node, first)
        if call_tables.SHELL.match(name) and not call_tables.NOT_SHELL.match(name):
            self.shell_call(node, name)
        if re.fullmatch(r"get_ipython\(\)\.(run_line_magic|run_cell_magic|magic)", name):
            parts = [self.reading.values.text(argument) or HOLE for argument in node.args]
            self.cell(("%%" if "cell" in name else "%") + " ".join(parts[:2]) + "\n" + "".join(parts[2:]))
        if call_tables.UNPICKLES.match(name):
            self.reading.risks.add("runs built code")
        if call_tables.INSTALLS.match(name):
            self.installs(node)
        if re.fullmatch(r"(sys\.)?exit|quit|os\._exit", name):
            self.reading.risks.add("controls the kernel")
        self.handed_over(node)
        self.file_call(node, name, first)
        self.network_call(node, name, first)

    def built(self, node: ast.Call, source: str | None) -> None:
        self.reading.risks.add("runs built code")
        argument = node.args[0] if node.args else None
        known = source is not None and HOLE not in source and parse(source) is not None
        opened = argument is not None and _opens(argument, self.reading.values)
        if source and opened:
            self.reading.runs.add(source)
        elif known and source and self.depth < 4:
            _Reader(self.reading, self.depth + 1).cell(source)
        elif argument is not None:
            self.reading.built.append(argument)

    def handed_over(self, node: ast.Call) -> None:
        """Note what goes along with a function of the shell, or one that deletes, which another process may call."""
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        names = [self.reading.values.dotted(each) for each in given]
        if any(call_tables.SHELL.match(name) and not call_tables.NOT_SHELL.match(name) for name in names):
            self.reading.built += given
        elif any(call_tables.DELETES.match(name) and name.startswith(("os.", "shutil.")) for name in names):
            self.reading.unknown_deletes += given

    def shell_call(self, node: ast.Call, name: str) -> None:
        self.reading.risks.add("shell")
        arguments = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg in ("args", "cmd"))]
        if not arguments:
            return
        values = self.reading.values
        first = arguments[0]
        if isinstance(first, ast.Name) and values.bindings(first.id):
            first = values.bindings(first.id)[-1]
        if isinstance(first, ast.List | ast.Tuple):
            words = [values.text(item) or HOLE for item in first.elts]
        elif re.search(r"exec|spawn", name) and "shell" not in name:
            words = [values.text(item) or HOLE for item in arguments]
        else:
            line = values.text(first)
            if not (line or "").strip() or str(line).startswith(HOLE) or _opens(first, values, followed=2):
                self.reading.built.append(first)
            self.shell(line or "")
            return
        if words and words[0] == HOLE:
            self.reading.built.append(first)
        self.command(Command(tuple(words)))
        for index, word in enumerate(words[:-1]):
            if word in ("-c", "/c", "-lc", "-Command"):
                self.shell(words[index + 1])

    def shell(self, line: str) -> None:
        self.reading.risks.add("shell")
        line = line.replace("{sys.executable}", "python")
        expanded = _EXPANSION.sub(HOLE, line)
        self.reading.lines.add(line.strip())
        self.reading.templates += commands(expanded) if expanded != line else []
        if carries_out_unread(commands(expanded)) or carries_out_unread(commands(line)):
            self.reading.unread.append(line)
        self.mentions(line)
        if re.search(r"\$\{?\w*(KEY|TOKEN|SECRET|PASS|CREDENTIAL)", line, re.IGNORECASE):
            self.reading.risks.add("reads the environment")
        for command in commands(line):
            self.command(command)

    def command(self, command: Command) -> None:
        """Take in one command of a shell."""
        if not command.words:
            return
        reading = self.reading
        reading.commands.append(command)
        reading.targets.add(Target("command", command.name))
        for word in command.words[1:]:
            self.mentions(_VALUE.sub("", word))
        if command.network and not command.installs:
            reading.risks.add("network")
            named = frozenset(host for word in command.words for host in hosts(word))
            reading.sendings.append(Sending(named, (), command.uploads))
        if command.installs:
            reading.risks |= {"installs packages", "network"}
            reading.targets |= {Target("package", package.lower()) for package in command.packages}
            if any(HOLE in word or _EXPANSION.search(word) for word in command.arguments):
                reading.unread.append(" ".join(command.words))
        if command.deletes:
            self.deletes(command.arguments)
        if command.writes:
            self.writes((word for word in command.arguments if not hosts(word)), steering=False)
        reading.outputs += written_by(command.words)
        if command.name in ("printenv", "env", "set", "export"):
            reading.risks.add("reads the environment")
        if command.name in ("kill", "killall", "pkill", "shutdown", "reboot"):
            reading.risks.add("controls the kernel")
        self.script(command)

    def script(self, command: Command) -> None:
        """Follow `python -c CODE`, and note `python FILE` and `./FILE`."""
        python = command.name.startswith("python") or command.name in ("ipython", "pypy")
        if python and "-c" in command.words[:-1] and self.depth < 4:
            _Reader(self.reading, self.depth + 1).cell(command.words[command.words.index("-c") + 1])
        elif python and command.words[1:3] == ("-m", "pip"):
            self.command(Command(("pip", *command.words[3:])))
        elif python and "-m" in command.words:
            return
        elif (python or command.name in ("sh", "bash", "zsh", "source", ".", "Rscript")) and command.arguments:
            self.reading.runs.add(command.arguments[0])
        elif command.words[0].startswith(("./", "../", "/")):
            self.reading.runs.add(command.words[0])

    def magic(self, name: str, rest: str) -> None:  # noqa: C901  # a line for each kind of magic
        reading = self.reading
        if name in ("pip", "conda", "mamba", "micromamba", "uv"):
            self.command(Command((name, *rest.split())))
        elif name in ("reset", "reset_selective", "xdel", "unload_ext", "autoreload", "kill_bgscripts"):
            reading.risks.add("controls the kernel")
        elif name in ("env", "set_env"):
            reading.risks.add("reads the environment")
        elif name in ("run", "load", "loadpy", "notebook"):
            script = next((word for word in rest.split() if not word.startswith("-")), HOLE)
            reading.runs.add(script)
            if _EXPANSION.search(script) or HOLE in script:
                reading.unread.append(f"%{name} {rest}")
        elif name in ("writefile", "file"):
            name_line, _, body = rest.partition("\n")
            self.writes(name_line.split()[-1:])
            reading.bodies.append(body)
            if self.depth < 4 and (file := as_cell("".join(name_line.split()[-1:]), body)) is not None:
                _Reader(reading, self.depth + 1).cell(file)
        elif name in ("cd", "pushd"):
            self.mentions(rest.strip())
        elif name in ("html", "javascript", "js", "svg", "markdown"):
            self.mentions(rest)
            if name in ("javascript", "js"):
                reading.risks.add("runs built code")
        elif name in ("perl", "ruby"):
            reading.risks |= {"shell", "cannot be read"}
            self.mentions(rest)

    def installs(self, node: ast.Call) -> None:
        self.reading.risks |= {"installs packages", "network"}
        for argument in node.args:
            items = argument.elts if isinstance(argument, ast.List | ast.Tuple) else [argument]
            names = [self.reading.values.text(item) or HOLE for item in items]
            self.command(Command(("pip", *(["install"] if "install" not in names else []), *names)))

    def file_call(self, node: ast.Call, name: str, first: str | None) -> None:
        values = self.reading.values
        receiver = values.text(node.func.value) if isinstance(node.func, ast.Attribute) else None
        on_path = "Path" in name or (receiver is not None and first is None)
        path = receiver if on_path and receiver is not None else first
        if name in call_tables.OPENS or name.endswith("Path().open"):
            mode = _mode(node, values, on_path=name.endswith("Path().open"))
            if mode is None or set(mode) & set("wax+"):
                self.writes([path or HOLE])
        elif call_tables.DELETES.match(name):
            self.deletes([path or HOLE])
            if path is None:
                self.reading.unknown_deletes += [*node.args, *([node.func] if not node.args else [])]
        elif call_tables.MOVES.match(name):
            ends = [values.text(argument) or HOLE for argument in node.args]
            self.writes([*([receiver] if receiver else []), *ends])
        elif call_tables.WRITES.match(name):
            if name.startswith("shutil.copy"):
                path = (values.text(node.args[1]) if len(node.args) > 1 else None) or HOLE
            self.writes([path or HOLE])
        elif name.endswith(".execute") and first and call_tables.SQL_DELETES.search(first):
            self.reading.risks.add("deletes files")

    def deletes(self, paths: Iterable[str]) -> None:
        found = list(paths)
        self.reading.risks.add("deletes files")
        self.reading.deleted += found
        if any(map(outside, found)):
            self.reading.risks.add("deletes outside the folder")

    def writes(self, paths: Iterable[str], *, steering: bool = True) -> None:
        found = list(paths)
        self.reading.steered += found if steering else []
        self.reading.risks.add("writes files")
        self.reading.written += found
        if any(outside(path) and not re.match(r"(/tmp/|/var/tmp/|/dev/(null|stdout|stderr))", path) for path in found):
            self.reading.risks.add("writes outside the folder")

    def network_call(self, node: ast.Call, name: str, first: str | None) -> None:
        values = self.reading.values
        arguments = (*node.args, *(keyword.value for keyword in node.keywords))
        named = frozenset(host for item in arguments for host in hosts(values.text(item) or "", bare=True))
        reads_url = first is not None and re.match(r"(https?|ftp|s3|gs|abfss?|hdfs)://", first) is not None
        shows = call_tables.SHOWS.match(name) is not None
        if shows:
            named |= frozenset(host for item in arguments for host in hosts(values.text(item) or ""))
        known = call_tables.NETWORK.match(name) or call_tables.SOCKET.match(name) or (shows and named)
        if not known and not (reads_url and not call_tables.MAKES_TEXT.match(name)):
            return
        self.reading.risks.add("network")
        if isinstance(node.func, ast.Attribute):
            named |= frozenset(hosts(values.text(node.func.value) or "", bare=True))
        self.reading.targets |= {Target("host", host) for host in named}
        with_data = any(keyword.arg in ("data", "json", "files", "content", "body") for keyword in node.keywords)
        self.reading.sendings.append(Sending(named, arguments, bool(call_tables.SENDING.match(name)) or with_data))


def _mode(node: ast.Call, values: Values, *, on_path: bool) -> str | None:
    """The mode a file is opened with; None when it is not known."""
    place = 0 if on_path else 1
    for keyword in node.keywords:
        if keyword.arg == "mode":
            return values.text(keyword.value)
    return values.text(node.args[place]) if len(node.args) > place else "r"


def _opens(node: ast.expr, values: Values, followed: int = 0) -> bool:
    """Whether an expression is the content of a file: `open(...).read()`, `Path(...).read_text()`.

    Names are `followed` so many times to what was bound to them.
    """
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            name = values.dotted(part.func)
            if name in call_tables.OPENS or name.endswith("read_text"):
                return True
        elif isinstance(part, ast.Name) and followed:
            bound = values.bindings(part.id)
            if any(_opens(value, values, followed - 1) for value in bound):
                return True
    return False
