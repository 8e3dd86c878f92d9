"""The tables of the docs as they follow from the tables of settings and commands.

`python -m tests.product.tables` writes them into docs/reference; a test compares.
"""

from __future__ import annotations

import re
from pathlib import Path

from agentloop_nb.command_table import COMMANDS, Command
from agentloop_nb.settings import Settings
from agentloop_nb.settings.row import Setting
from agentloop_nb.settings.table import TABLE
from tests.product.capabilities import HEAD, rows

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
_LIVES = {"both": "", "notebook": "notebook", "shell": "shell"}


def options() -> str:
    rows = [
        f"| {_flags(row)} | {'scripts and shell only: ' if row.shell_only else ''}{row.help}{row.more} |"
        for row in TABLE.values()
        if row.flags
    ]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _flags(row: Setting) -> str:
    *short, long = row.flags
    return ", ".join([*(f"`{flag}`" for flag in short), f"`{long} {row.value}`" if row.value else f"`{long}`"])


def settings() -> str:
    defaults = Settings()
    rows = [
        f"| `{row.environment}` | {row.help} | {row.usual or _default(getattr(defaults, name))} |"
        for name, row in TABLE.items()
        if row.environment
    ]
    key = "| `OPENAI_API_KEY` | the key, for OpenAI or for `OPENAI_BASE_URL` | |"
    return "\n".join(["| variable | meaning | default |", "|---|---|---|", key, *rows])


def _default(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return f"`{value}`" if isinstance(value, str) else str(value)


def commands() -> str:
    rows = [f"| `{_typed(each)}` | {each.help} | {_LIVES[each.lives]} |" for each in COMMANDS]
    return "\n".join(["| command | to | only in |", "|---|---|---|", *rows])


def _typed(command: Command) -> str:
    return f"{command.name} {command.arguments}".strip().replace("|", "\\|")


def actions() -> str:
    head, *lines = (f"| {' | '.join(row)} |" for row in (HEAD, *rows()))
    return "\n".join([head, "|" + "---|" * len(HEAD), *lines])


TABLES = {"action": actions, "command": commands, "option": options, "variable": settings}
"""Each by the first word of its head."""
PAGES = {"action": "actions.md", "command": "commands.md", "option": "options.md", "variable": "settings.md"}
"""Where each stands, below docs/reference."""


def found(text: str, head: str) -> str:
    """The table in a text whose head begins with this word."""
    (table,) = re.findall(rf"^\| {head} \|.*\n(?:\|.*\n)*", text, re.MULTILINE)
    return str(table).rstrip("\n")


if __name__ == "__main__":
    for head, name in PAGES.items():
        page = REFERENCE / name
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(found(text, head), TABLES[head]()), encoding="utf-8")
