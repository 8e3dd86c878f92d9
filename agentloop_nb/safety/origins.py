"""Where the names in an action come from: the user's own words, or a source that a stranger may have written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agentloop_nb.safety.code_risks import hosts
from agentloop_nb.safety.code_risks.command_lines import Command
from agentloop_nb.safety.code_risks.constant_values import HOLE
from agentloop_nb.safety.memory import plain_text
from agentloop_nb.safety.provenance import TOOLS, Source


class Origins:
    """What the user said, and the texts that are data. Whatever stands in data alone is named with its origin."""

    def __init__(self, user: str, sources: Sequence[Source]) -> None:
        self.user = user
        """All that the user said, in plain words."""
        self.sources = sources

    def asked_for_host(self, host: str) -> bool:
        """Whether the user named a host, or the domain it belongs to."""
        if host in ("localhost", "127.0.0.1", "::1"):
            return False
        named = hosts(self.user) | {word for line in self.user.split() for word in hosts(line, bare=True)}
        bare = host.removeprefix("www.")
        return any(
            bare == name.removeprefix("www.") or bare.endswith(f".{name.removeprefix('www.')}") for name in named
        )

    def says(self, path: str) -> bool:
        """Whether the user named a path."""
        return len(path) > 1 and plain_text(path) in self.user

    def of_name(self, what: str, name: str, *, spelling: str = "") -> Iterator[str]:
        """Name the origin of something the user did not name; characters of `spelling` stand for one another."""
        plain = plain_text(name)
        spellings = re.split(spelling, plain) if spelling else [plain]
        word = re.compile(rf"(?<![\w-]){spelling.join(map(re.escape, spellings))}(?![\w-])")
        if word.search(self.user):
            return
        for source in self.sources:
            if spellings[0] in source.text and word.search(source.text):
                yield f"{what} comes from {source.origin}"
                return

    def of_argument(self, what: str, text: str) -> Iterator[str]:
        """Name the page, search, file or tool that an argument stands in and that the user did not say."""
        plain = plain_text(text).strip()
        if plain in self.user:
            return
        for source in self.sources:
            if source.origin == TOOLS and (len(plain) < 3 or f'"{plain}"' in source.text):
                continue  # one of the choices that the list of tools names
            if plain in source.text and source.whose != "person":
                yield f"the argument {what} comes from {source.origin}"
                return

    def of_command(self, command: Command) -> Iterator[str]:
        """Name where a command comes from."""
        first = next((word for word in command.words[1:] if HOLE not in word), "")
        line = plain_text(f"{command.words[0]} {first}".strip())
        for source in self.sources:
            if (
                line in source.text
                if first
                else re.search(rf"[`$'\"\n][^\S\n]*{re.escape(line)}[^\S\n]*[`'\"\n]", f"\n{source.text}\n")
            ):
                yield f"the command {' '.join(command.words)[:80]!r} comes from {source.origin}"
                return
