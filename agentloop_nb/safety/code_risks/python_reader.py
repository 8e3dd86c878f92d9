"""Reading Python code: what it names, calls, opens and sends goes into its reading."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from agentloop_nb._internal.ipython_syntax import parsed
from agentloop_nb.safety.code_risks import call_tables
from agentloop_nb.safety.code_risks.code_reading import Reading, Sending, Target
from agentloop_nb.safety.code_risks.command_lines import Command
from agentloop_nb.safety.code_risks.command_reader import CommandReader
from agentloop_nb.safety.code_risks.constant_values import HOLE, Values, strings
from agentloop_nb.safety.code_risks.places import hosts


class PythonReader:
    """Takes Python code into a reading."""

    def __init__(
        self,
        reading: Reading,
        commands: CommandReader,
        cell: Callable[[str], None],
        nested: Callable[[str], None] | None,
    ) -> None:
        """`cell` reads what IPython is given to run, `nested` other code in code; None where it would be too deep."""
        self._reading = reading
        self._commands = commands
        self._cell = cell
        self._nested = nested

    def tree(self, tree: ast.AST) -> None:
        """Take in what a syntax tree names and calls."""
        self._reading.values.learn(tree)
        for node in ast.walk(tree):
            match node:
                case ast.Call():
                    self._call(node)
                case ast.Attribute() | ast.Name() | ast.Subscript():
                    self._mention(node)
                case ast.Import() | ast.ImportFrom():
                    self._imports(node)
                case ast.Delete() | ast.Assign() | ast.AugAssign():
                    self._environment_change(node)
                case ast.Expr(value=ast.Name(id="exit" | "quit")):
                    self._reading.risks.add("controls the kernel")
                case ast.Raise(exc=ast.expr() as raised) if "SystemExit" in ast.dump(raised):
                    self._reading.risks.add("controls the kernel")
                case _:
                    pass
        for text in strings(tree, self._reading.values):
            self._reading.mentions(text)

    def _mention(self, node: ast.Attribute | ast.Name | ast.Subscript) -> None:
        """Note what is risky to name at all, called or not: `run = os.system`."""
        name = self._reading.values.dotted(node)
        if call_tables.PAST_PYTHON.match(name):
            self._reading.past_python = True
        if call_tables.ENVIRONMENT.match(name):
            self._reading.risks.add("reads the environment")
        if call_tables.SHELL.match(name) and not call_tables.NOT_SHELL.match(name):
            self._reading.risks.add("shell")
        if call_tables.DELETES.match(name) and name.startswith(("os.", "shutil.")):
            self._reading.risks.add("deletes files")
        if call_tables.KERNEL.match(name) and "." in name:
            self._reading.risks.add("controls the kernel")

    def _imports(self, node: ast.Import | ast.ImportFrom) -> None:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if any(name.partition(".")[0] in ("ctypes", "cffi") for name in names):
            self._reading.risks.add("controls the kernel")
        self._reading.past_python |= any(call_tables.PAST_PYTHON.match(name) is not None for name in names)

    def _environment_change(self, node: ast.Delete | ast.Assign | ast.AugAssign) -> None:
        targets = node.targets if isinstance(node, ast.Delete | ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Attribute) and self._reading.values.dotted(target.value) in ("builtins", "sys"):
                self._reading.risks.add("controls the kernel")

    def _call(self, node: ast.Call) -> None:
        name = self._reading.values.dotted(node.func)
        first = self._reading.values.text(node.args[0]) if node.args else None
        if name in call_tables.BUILT or re.fullmatch(r"get_ipython\(\)\.(run_cell\w*|ex|ev)", name):
            self._built(node, first)
        if call_tables.SHELL.match(name) and not call_tables.NOT_SHELL.match(name):
            self._shell_call(node, name)
        if re.fullmatch(r"get_ipython\(\)\.(run_line_magic|run_cell_magic|magic)", name):
            parts = [self._reading.values.text(argument) or HOLE for argument in node.args]
            self._cell(("%%" if "cell" in name else "%") + " ".join(parts[:2]) + "\n" + "".join(parts[2:]))
        if call_tables.UNPICKLES.match(name):
            self._reading.risks.add("runs built code")
        if call_tables.INSTALLS.match(name):
            self._installs(node)
        if re.fullmatch(r"(sys\.)?exit|quit|os\._exit", name):
            self._reading.risks.add("controls the kernel")
        self._handed_over(node)
        self._file_call(node, name, first)
        self._network_call(node, name, first)

    def _built(self, node: ast.Call, source: str | None) -> None:
        self._reading.risks.add("runs built code")
        argument = node.args[0] if node.args else None
        known = source is not None and HOLE not in source and parsed(source) is not None
        opened = argument is not None and _opens(argument, self._reading.values)
        if source and opened:
            self._reading.runs.add(source)
        elif known and source and self._nested is not None:
            self._nested(source)
        elif argument is not None:
            self._reading.built.append(argument)

    def _handed_over(self, node: ast.Call) -> None:
        """Note what goes along with a function of the shell, or one that deletes, which another process may call."""
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        names = [self._reading.values.dotted(each) for each in given]
        if any(call_tables.SHELL.match(name) and not call_tables.NOT_SHELL.match(name) for name in names):
            self._reading.built += given
        elif any(call_tables.DELETES.match(name) and name.startswith(("os.", "shutil.")) for name in names):
            self._reading.unknown_deletes += given

    def _shell_call(self, node: ast.Call, name: str) -> None:
        self._reading.risks.add("shell")
        arguments = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg in ("args", "cmd"))]
        if not arguments:
            return
        values = self._reading.values
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
                self._reading.built.append(first)
            self._commands.shell(line or "")
            return
        if words and words[0] == HOLE:
            self._reading.built.append(first)
        self._commands.command(Command(tuple(words)))
        for index, word in enumerate(words[:-1]):
            if word in ("-c", "/c", "-lc", "-Command"):
                self._commands.shell(words[index + 1])

    def _installs(self, node: ast.Call) -> None:
        self._reading.risks |= {"installs packages", "network"}
        for argument in node.args:
            items = argument.elts if isinstance(argument, ast.List | ast.Tuple) else [argument]
            names = [self._reading.values.text(item) or HOLE for item in items]
            self._commands.command(Command(("pip", *(["install"] if "install" not in names else []), *names)))

    def _file_call(self, node: ast.Call, name: str, first: str | None) -> None:
        values = self._reading.values
        receiver = values.text(node.func.value) if isinstance(node.func, ast.Attribute) else None
        on_path = "Path" in name or (receiver is not None and first is None)
        path = receiver if on_path and receiver is not None else first
        if name in call_tables.OPENS or name.endswith("Path().open"):
            mode = _mode(node, values, on_path=name.endswith("Path().open"))
            if mode is None or set(mode) & set("wax+"):
                self._reading.writes([path or HOLE])
        elif call_tables.DELETES.match(name):
            self._reading.deletes([path or HOLE])
            if path is None:
                self._reading.unknown_deletes += [*node.args, *([node.func] if not node.args else [])]
        elif call_tables.MOVES.match(name):
            ends = [values.text(argument) or HOLE for argument in node.args]
            self._reading.writes([*([receiver] if receiver else []), *ends])
        elif call_tables.WRITES.match(name):
            if name.startswith("shutil.copy"):
                path = (values.text(node.args[1]) if len(node.args) > 1 else None) or HOLE
            self._reading.writes([path or HOLE])
        elif name.endswith(".execute") and first and call_tables.SQL_DELETES.search(first):
            self._reading.risks.add("deletes files")

    def _network_call(self, node: ast.Call, name: str, first: str | None) -> None:
        values = self._reading.values
        arguments = (*node.args, *(keyword.value for keyword in node.keywords))
        named = frozenset(host for item in arguments for host in hosts(values.text(item) or "", bare=True))
        reads_url = first is not None and re.match(r"(https?|ftp|s3|gs|abfss?|hdfs)://", first) is not None
        shows = call_tables.SHOWS.match(name) is not None
        if shows:
            named |= frozenset(host for item in arguments for host in hosts(values.text(item) or ""))
        known = call_tables.NETWORK.match(name) or call_tables.SOCKET.match(name) or (shows and named)
        if not known and not (reads_url and not call_tables.MAKES_TEXT.match(name)):
            return
        self._reading.risks.add("network")
        if isinstance(node.func, ast.Attribute):
            named |= frozenset(hosts(values.text(node.func.value) or "", bare=True))
        self._reading.targets |= {Target("host", host) for host in named}
        with_data = any(keyword.arg in ("data", "json", "files", "content", "body") for keyword in node.keywords)
        self._reading.sendings.append(Sending(named, arguments, bool(call_tables.SENDING.match(name)) or with_data))


def _mode(node: ast.Call, values: Values, *, on_path: bool) -> str | None:
    """Return the mode a file is opened with; None when it is not known."""
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
