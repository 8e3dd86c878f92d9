"""Reading shell command lines: which commands they run, and what those touch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agentloop_nb.safety.code_risks.shell_words import take_apart
from agentloop_nb.safety.code_risks.words import words

MAX_LINE = 200_000
"""Characters of a command line that are read; a longer one counts as not known."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_HARMLESS_ASSIGNMENT = re.compile(
    r"(LC_\w+|LANG\w*|TZ|OMP_\w+|MKL_\w+|COLUMNS|LINES|TERM|NO_COLOR|FORCE_COLOR|CUDA_VISIBLE_DEVICES|MPLBACKEND|"
    r"PYTHONHASHSEED|PYTHONUNBUFFERED|PYTHONPATH|PYTHONWARNINGS|PYTHONDONTWRITEBYTECODE|[a-z]\w*)="
)
_LONE_OPTION = re.compile(r"-([prt0vxi]+|\d+|[nPLsdk]\d+\w?|I\S+|d\S+|-)")
"""Options of programs that run others, which take no further word."""
WRAPPERS = frozenset(
    {
        "sudo",
        "env",
        "nohup",
        "time",
        "nice",
        "exec",
        "command",
        "builtin",
        "xargs",
        "then",
        "do",
        "else",
        "timeout",
        "doas",
    }
)
SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "fish", "cmd", "powershell", "pwsh", "eval"})

READ_ONLY = words(
    "ls ll dir cat head tail wc grep egrep fgrep rg ag pwd whoami id which whereis file stat du df free uname "
    "hostname date echo printf true false test [ cut sort uniq tr nl od xxd hexdump strings md5sum sha1sum "
    "sha256sum cksum basename dirname realpath readlink tree uptime nproc lscpu lsblk nvidia-smi ps top diff cmp "
    "comm column seq expr jq less more man cd sleep type locale getconf arch"
)
"""Commands that change nothing and send nothing."""
_SYSTEM = ("/bin/", "/usr/bin/", "/usr/local/bin/", "/opt/homebrew/bin/")
_PLAIN_OPTIONS = r"(?!.*(--ou|--ex|--te|--upl|--ope|-O))"
"""No option, in full or shortened, that writes or starts something."""
_READ_ONLY_WITH = {
    "git": re.compile(
        rf"{_PLAIN_OPTIONS}(status|log|diff|show|rev-parse|ls-files|blame|describe|shortlog)( .*)?|--version|"
        r"branch( (-[avr]+|--list|--show-current))*|remote( -v| show)?|"
        r"remote (show -n|get-url( --all| --push)*) \w[\w.-]*|"
        r"config( --global| --local| --system)?( -l| --list| --get(-all)? \w[\w.-]*)( --show-origin)?",
        re.DOTALL,
    ),
    "pip": re.compile(
        r"(list|freeze)( (--format[= ]\w+|-l|--local|--user|-v|--not-required|--all))*|"
        r"show( (-f|--files|-v|\w[\w.-]*))*|check|--version|-V"
    ),
    "conda": re.compile(
        r"list( (--json|--export|--explicit|-e|(-n|--name) [\w.-]+|\w[\w.-]*))*|info( (--json|--envs|-e|--all|-a))*|"
        r"--version"
    ),
    "python": re.compile(r"--version|-VV?"),
    "jupyter": re.compile(r"--version|--paths|kernelspec list( --json)?"),
    "npm": re.compile(r"(list|ls)( (-g|--global|-a|--all|--json|--depth[= ]\d+|[@\w][@\w./-]*))*|--version"),
}
"""What of these commands changes nothing, by their arguments."""
_REDIRECTING = frozenset({"<", ">", ">>", "<<", "<<-"})
_WRITES_WITH = {
    "find": re.compile(r"-(delete|exec|ok|fprint|fls)"),
    "sort": re.compile(r"-[a-zA-Z]*o|--o|--co"),
    "rg": re.compile(r"--(pre|hostname|search)"),
    "ag": re.compile(r"--pag"),
    "tree": re.compile(r"-\w*[oR]"),
    "less": re.compile(r"-\w*[okOtT]|--[lt]|--LOG|\+"),
    "more": re.compile(r"\+"),
    "printf": re.compile(r"-v"),
    "test": re.compile(r"-[vR]$"),
    "[": re.compile(r"-[vR]$"),
    "man": re.compile(r"-"),
    "date": re.compile(r"-\w*s|--s|\d{8,12}(\.\d\d)?$"),
    "hostname": re.compile(r""),
    "file": re.compile(r"-\w*C|--c"),
    "nvidia-smi": re.compile(r"(?!-L|-q|--query|--format)"),
}
"""Options by which commands that only read write, or start something."""
_NETWORK = words(
    "curl wget nc ncat netcat telnet ssh scp sftp rsync ftp lftp ping nslookup dig host aria2c http https socat "
    "getent resolvectl whois traceroute tracepath mtr nmap drill openssl gsutil aws az gcloud kaggle gh s3cmd rclone"
)
_INSTALLERS = words(
    "pip pip3 pipx conda mamba micromamba uv poetry pdm npm npx yarn pnpm apt apt-get dnf yum apk brew gem cargo "
    "go easy_install"
)
_INSTALL_WORDS = frozenset({"install", "add", "i", "update", "upgrade", "create", "download", "sync", "run", "get"})
_DELETERS = frozenset({"rm", "rmdir", "unlink", "shred", "del", "erase", "truncate", "dd", "mkfs", "rd"})
_WRITERS = frozenset(
    {"tee", "cp", "mv", "touch", "mkdir", "ln", "chmod", "chown", "install", "tar", "unzip", "sed", "dd"}
)
BUILDERS = words("make gmake ninja cmake tox nox pip uv poetry npm npx yarn pnpm cargo just rake invoke doit")
_TAKEN_UNASKED = (
    "Makefile",
    "makefile",
    "GNUmakefile",
    "setup.py",
    "pyproject.toml",
    "setup.cfg",
    "conftest.py",
    "package.json",
    "noxfile.py",
    "tox.ini",
    "tasks.py",
    "dodo.py",
    "justfile",
)
"""What builders and test runners execute although no word names it."""


@dataclass(frozen=True)
class Command:
    """One command of a command line."""

    words: tuple[str, ...]
    """The program first; `…` where a part is not known before it runs."""
    feeds: bool = False
    """`xargs` gives it more words."""

    @property
    def name(self) -> str:
        """The program, without its folder or the wrappers before it."""
        if not self.words:
            return ""
        return self.words[0].rsplit("/", 1)[-1].removesuffix(".exe").lower() or self.words[0]

    @property
    def arguments(self) -> tuple[str, ...]:
        return tuple(word for word in self.words[1:] if not word.startswith("-"))

    @property
    def read_only(self) -> bool:
        """Whether it changes nothing and sends nothing, as far as its words tell."""
        if any(re.match(r"\d?>>?(?!&)", word) and "/dev/null" not in word for word in self._redirections()):
            return False
        if self.words and "/" in self.words[0] and not is_of_system(self.words[0]):
            return False
        if (allowed := _READ_ONLY_WITH.get(self.name.rstrip("0123456789."))) is not None:
            return allowed.fullmatch(" ".join(self.words[1:])) is not None
        if (writing := _WRITES_WITH.get(self.name)) is not None and any(map(writing.match, self.words[1:])):
            return False
        if self.name in ("uniq", "xxd") and len(self._operands()) > 1:
            return False
        return self.name in READ_ONLY

    def _operands(self) -> tuple[str, ...]:
        """Return what is no option: `-` is none, nor is what follows `--`."""
        rest = self.words[1:]
        first, last = (rest[: rest.index("--")], rest[rest.index("--") + 1 :]) if "--" in rest else (rest, ())
        return (*(word for word in first if word == "-" or not word.startswith("-")), *last)

    def _redirections(self) -> list[str]:
        return [word + following for word, following in zip(self.words, (*self.words[1:], ""), strict=True)]

    def _without_redirections(self) -> tuple[str, ...]:
        """Return the arguments, without the files that are read or written by `<` and `>`."""
        before = zip(self.words, self.words[1:], strict=False)
        return tuple(word for left, word in before if not word.startswith(("-", "<", ">")) and left not in _REDIRECTING)

    @property
    def network(self) -> bool:
        remote = {"clone", "push", "pull", "fetch", "submodule", "ls-remote"}
        return self.name in _NETWORK or (self.name == "git" and bool(remote & set(self.words))) or self.installs

    @property
    def installs(self) -> bool:
        return self.name in _INSTALLERS and bool(_INSTALL_WORDS & set(self.words[1:3] + self.words[3:4]))

    @property
    def packages(self) -> tuple[str, ...]:
        """What is installed, versions and extras cut off."""
        if not self.installs:
            return ()
        wanted = [word for word in self.arguments if word not in _INSTALL_WORDS and word != "pip"]
        return tuple(re.split(r"[\[<>=!~; @]", word, maxsplit=1)[0] or word for word in wanted)

    @property
    def script(self) -> str:
        """The program text that it is given on its line."""
        return _script(list(self.words))

    @property
    def executed(self) -> tuple[str, ...]:
        """Files of the folder that it may execute: scripts, modules, what make, pytest and pip take by themselves."""
        name, arguments = self.name, self._without_redirections()
        if "/" in self.words[0]:
            arguments = (self.words[0], *arguments)
        if name.startswith("python") and "-m" in self.words[:-1]:
            module = self.words[self.words.index("-m") + 1].replace(".", "/")
            arguments = (*arguments, f"{module}.py", f"{module}/__init__.py", f"{module}/__main__.py")
        if name in BUILDERS or {"pytest", "build"} & set(self.words):
            arguments = (*arguments, *_TAKEN_UNASKED)
        return tuple(word.removeprefix("./") for word in arguments)

    @property
    def deletes(self) -> bool:
        words = set(self.words)
        git = self.name == "git" and bool({"clean", "rm"} & words or {"reset", "--hard"} <= words)
        return self.name in _DELETERS or git or (self.name == "find" and bool({"-delete", "-exec"} & words))

    @property
    def writes(self) -> bool:
        return self.name in _WRITERS or any(re.match(r"\d?>>?(?!&)", word) for word in self.words)

    @property
    def uploads(self) -> bool:
        """Whether it sends more than a request for something."""
        if self.name in ("curl", "wget", "http", "https"):
            sending = ("-d", "--data", "-F", "--form", "-T", "--upload", "--post", "--body", "--json")
            return any(word.startswith(sending) for word in self.words) or bool({"POST", "PUT"} & set(self.words))
        return self.name in {"nc", "ncat", "netcat", "scp", "sftp", "rsync", "ftp", "socat", "ssh", "telnet"} or (
            self.name == "git" and "push" in self.words
        )


def is_of_system(path: str) -> bool:
    """Whether a program lies where the system's do; no `..` leads there."""
    return path.startswith(_SYSTEM) and ".." not in path.split("/")


def commands(line: str, depth: int = 0) -> list[Command]:
    """Take a command line (or a script) apart, nested shells included. Never raises."""
    if depth > 4 or len(line) > MAX_LINE:
        return [Command(("…",))]
    script = take_apart(line)
    found = [command for inner in script.inner for command in commands(inner, depth + 1)]
    for given in script.parts:
        found += [Command(tuple(given))] if _is_ambiguous(given) else []
        words = _unwrapped(given)
        if not words:
            continue
        command = Command(tuple(words), "xargs" in given and words[0] != "xargs")
        found.append(command)
        if command.name in SHELLS:
            found += commands(_script(words), depth + 1)
    return found


def _is_ambiguous(words: Sequence[str]) -> bool:
    """Whether words before the program decide what is run: variables that steer, options that may take a value."""
    wrapped = False
    for word, following in zip(words, (*words[1:], ""), strict=True):
        if _ASSIGNMENT.match(word):
            if not _HARMLESS_ASSIGNMENT.match(word):
                return True
        elif word.rsplit("/", 1)[-1] in WRAPPERS:
            wrapped = True
        elif not (wrapped and word.startswith("-")):
            return False
        elif not (_LONE_OPTION.fullmatch(word) or "=" in word or re.match(r"\d|\W", following)):
            return True
    return False


def _unwrapped(words: list[str]) -> list[str]:
    """Drop assignments and programs that only run another program."""
    wrapped = False
    for at, word in enumerate(words):
        first, more = word.rsplit("/", 1)[-1], at + 1 < len(words)
        if _ASSIGNMENT.match(word) or first in ("{", "}", "(", "!"):
            continue
        if first in WRAPPERS and more:
            wrapped = True
        elif not (wrapped and more and (word.startswith("-") or re.fullmatch(r"\d+[smhd]?", word))):
            return [word.lstrip("({"), *words[at + 1 :]] if word.lstrip("({") else words[at + 1 :]
    return []


def _script(words: list[str]) -> str:
    """Return the command line handed to a shell with -c."""
    if words[0].rsplit("/", 1)[-1] == "eval":
        return " ".join(words[1:])
    for index, word in enumerate(words[1:-1], 1):
        if re.fullmatch(r"-\w*c|/c|-Command", word):
            return words[index + 1]
    return ""
