"""Reading command lines and magics: what they touch goes into the reading of the code they stand in."""

from __future__ import annotations

import re
from collections.abc import Callable

from agentloop_nb.safety.code_risks.code_reading import Reading, Sending, Target
from agentloop_nb.safety.code_risks.command_lines import Command, commands
from agentloop_nb.safety.code_risks.constant_values import HOLE
from agentloop_nb.safety.code_risks.ipython_cells import as_cell
from agentloop_nb.safety.code_risks.places import hosts
from agentloop_nb.safety.code_risks.shell_commands import carries_out_unread, written_by
from agentloop_nb.safety.code_risks.shell_evaluation import evaluates_data

_EXPANSION = re.compile(r"\{[^{}]+\}|\$\w+")
"""Where IPython puts values into command lines."""
_VALUE = re.compile(r"^(-\w(?=[/~.])|[\w-]+=)")
"""What stands before the value in `if=/dev/zero`, `--output=/a` and `-o/a`."""


class CommandReader:
    """Takes command lines and magics into a reading."""

    def __init__(self, reading: Reading, nested: Callable[[str], None] | None) -> None:
        """`nested` reads code that stands inside a command; None where it would be too deep."""
        self._reading = reading
        self._nested = nested

    def shell(self, line: str) -> None:
        """Take in a command line."""
        self._reading.risks.add("shell")
        line = line.replace("{sys.executable}", "python")
        expanded = _EXPANSION.sub(HOLE, line)
        self._reading.lines.add(line.strip())
        found = commands(line)
        templates = commands(expanded) if expanded != line else []
        self._reading.templates += templates
        if any(map(carries_out_unread, (templates, found))) or any(map(evaluates_data, (expanded, line))):
            self._reading.unread.append(line)
        self._reading.mentions(line)
        if re.search(r"\$\{?\w*(KEY|TOKEN|SECRET|PASS|CREDENTIAL)", line, re.IGNORECASE):
            self._reading.risks.add("reads the environment")
        for command in found:
            self.command(command)

    def command(self, command: Command) -> None:
        """Take in one command of a shell."""
        if not command.words:
            return
        reading = self._reading
        reading.commands.append(command)
        reading.targets.add(Target("command", command.name))
        for word in command.words[1:]:
            self._reading.mentions(_VALUE.sub("", word))
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
            reading.deletes(command.arguments)
        if command.writes:
            reading.writes((word for word in command.arguments if not hosts(word)), steering=False)
        reading.outputs += written_by(command.words)
        if command.name in ("printenv", "env", "set", "export"):
            reading.risks.add("reads the environment")
        if command.name in ("kill", "killall", "pkill", "shutdown", "reboot"):
            reading.risks.add("controls the kernel")
        self.script(command)

    def script(self, command: Command) -> None:
        """Follow `python -c CODE`, and note `python FILE` and `./FILE`."""
        python = command.name.startswith("python") or command.name in ("ipython", "pypy")
        if python and "-c" in command.words[:-1] and self._nested is not None:
            self._nested(command.words[command.words.index("-c") + 1])
        elif python and command.words[1:3] == ("-m", "pip"):
            self.command(Command(("pip", *command.words[3:])))
        elif python and "-m" in command.words:
            return
        elif (python or command.name in ("sh", "bash", "zsh", "source", ".", "Rscript")) and command.arguments:
            self._reading.runs.add(command.arguments[0])
        elif command.words[0].startswith(("./", "../", "/")):
            self._reading.runs.add(command.words[0])

    def magic(self, name: str, rest: str) -> None:
        """Take in a magic and what it is given."""
        reading = self._reading
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
            reading.writes(name_line.split()[-1:])
            reading.bodies.append(body)
            if self._nested is not None and (file := as_cell("".join(name_line.split()[-1:]), body)) is not None:
                self._nested(file)
        elif name in ("cd", "pushd"):
            self._reading.mentions(rest.strip())
        elif name in ("html", "javascript", "js", "svg", "markdown"):
            self._reading.mentions(rest)
            if name in ("javascript", "js"):
                reading.risks.add("runs built code")
        elif name in ("perl", "ruby"):
            reading.risks |= {"shell", "cannot be read"}
            self._reading.mentions(rest)
