"""Files that steer: what agents, editors and Python take orders from, and which of those a run wrote."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import unicodedata
from contextlib import suppress
from pathlib import Path

PRIVATE = frozenset(
    [
        ".agentloop",
        ".git",
        ".hg",
        ".svn",
        ".ssh",
        ".gnupg",
        ".aws",
        ".azure",
        ".kube",
        ".docker",
        ".ipython",
        ".jupyter",
        ".config",
        ".local",
        ".bashrc",
        ".bash_profile",
        ".bash_login",
        ".profile",
        ".zshrc",
        ".zshenv",
        ".zprofile",
        ".zlogin",
        ".netrc",
        ".pypirc",
        ".pythonrc.py",
        ".xprofile",
        ".xinitrc",
        ".gitconfig",
    ]
)
"""Files and folders of the user's tools."""
_STEERING = frozenset(
    [
        "agents.md",
        "agents.override.md",
        "agent.md",
        "claude.md",
        "gemini.md",
        "copilot-instructions.md",
        ".cursorrules",
        ".windsurfrules",
        ".clinerules",
        ".goosehints",
        ".aider.conf.yml",
        ".cursor",
        ".claude",
        ".codex",
        ".gemini",
        ".windsurf",
        ".roo",
        ".mcp.json",
        "mcp.json",
        ".vscode",
        ".idea",
        ".fleet",
        ".devcontainer",
        ".devcontainer.json",
        ".github",
        ".husky",
        ".githooks",
        ".envrc",
        ".pdbrc",
        ".pythonstartup",
        ".npmrc",
        ".yarnrc",
        ".pytest.ini",
        "pytest.ini",
        ".coveragerc",
        ".pre-commit-config.yaml",
        ".gitmodules",
        ".gitattributes",
        "pyvenv.cfg",
        "tox.ini",
        "setup.cfg",
        "pyproject.toml",
        "pip.conf",
        "pip.ini",
        "matplotlibrc",
        ".matplotlibrc",
        "site-packages",
        "dist-packages",
    ]
)
"""Files and folders by which an agent, an editor or a tool of Python is told what to do."""
_STEERING_MODULES = re.compile(
    r"(sitecustomize|usercustomize|conftest|setup|noxfile|(ipython|jupyter)\w*_config)(\.[\w-]+)?\.(pyw?|pyc|so|pyd|ipy|json)"
    r"|(sitecustomize|usercustomize)|.*\.(pth|egg-link)"
)
_ENVIRONMENT = re.compile(r"\.env(?!\.(example|sample|template|dist)$).*")
_LOOKALIKES = str.maketrans("аеорсухіјѕһԁԛԝѵӏɡıοαικνρτυеԍмтвкнѡ․。", "aeopcyxijshdqwvlgioaiknptuegmtbkhw..")
"""Letters of other scripts that look like Latin ones."""
_ASKING = r"\b(writ|creat|mak|add|append|put|sav|edit|updat|chang|generat|replac|overwrit|extend|mov|renam)\w*"
INSTRUCTING = ("AGENTS.md", ".env")
"""What a run itself takes instructions or settings from, in its folder."""
LEDGER = Path(".agentloop") / "steering"
"""Where the SHA-256 of each such file that a run wrote are kept, one a line."""

Marks = dict[str, tuple[int, int]]
"""When files were modified, and their sizes."""
_ABOVE = 4
"""How many folders above the working folder are looked at, too."""


def steers(path: str) -> bool:
    """Whether a path names a file that an agent takes for instructions, or that a tool runs or obeys unasked."""
    return any(_is_steering(part) for part in path.replace("\\", "/").split("/"))


def asked_for(path: str, user: str) -> bool:
    """Whether the user's words, in lower case, ask for a file to be written or changed; naming it is not enough."""
    return re.search(_ASKING + r"\b[^\n]{0,80}?(?<![\w-])" + re.escape(path.lower()), user) is not None


def _is_steering(part: str) -> bool:
    plain = folded(part).translate(_LOOKALIKES).partition(":")[0]
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(letter))
    plain = plain.strip(" ").rstrip(". ")
    known = plain in _STEERING or plain in PRIVATE
    return known or any(kind.fullmatch(plain) is not None for kind in (_STEERING_MODULES, _ENVIRONMENT))


def folded(part: str) -> str:
    """Return a name as the most forgiving file system sees it: no case, no invisible characters, one form a letter."""
    visible = "".join(character for character in part if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", visible).casefold()


def marks(folder: Path) -> Marks:
    """Return how the instructing files of a folder, and of those above it, are now."""
    found: Marks = {}
    for path in _instructing(folder):
        try:
            status = os.stat(path)  # noqa: PTH116 - before and after each step
        except OSError:
            continue
        found[path] = (status.st_mtime_ns, status.st_size)
    return found


@functools.lru_cache(maxsize=64)
def _instructing(folder: Path) -> tuple[str, ...]:
    """Return where a folder, and those above it, would have their instructing files."""
    return tuple(str(place / name) for place in (folder, *folder.parents[:_ABOVE]) for name in INSTRUCTING)


def note_changes(folder: Path, before: Marks) -> list[str]:
    """Remember the instructing files that a step changed since `before` as a run's; return their names."""
    changed = [Path(path) for path, mark in marks(folder).items() if before.get(path) != mark]
    for path in changed:
        ledger = path.parent / LEDGER
        with suppress(OSError):
            ledger.parent.mkdir(parents=True, exist_ok=True)
            with ledger.open("a", encoding="ascii") as file:
                file.write(_digest(path) + "\n")
    return [path.name for path in changed]


def by_a_run(path: Path) -> bool:
    """Whether a run wrote an instructing file as it is now; one that the user changed since is the user's."""
    try:
        known = (path.parent / LEDGER).read_text(encoding="ascii", errors="replace").split()
        return _digest(path) in known
    except OSError:
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
