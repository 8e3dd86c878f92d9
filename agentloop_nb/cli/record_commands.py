"""Commands about recorded runs: `export`, `report`, `verify`, `trust`, `show`, `compare`, and questions about them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentloop_nb import command_table
from agentloop_nb._internal.text import clean
from agentloop_nb.cli.exits import FINISHED, NOT_FINISHED, told_of
from agentloop_nb.errors import UserError

if TYPE_CHECKING:
    from agentloop_nb.verify.certified_export import Published


def write(name: str, words: list[str]) -> int:
    """Write a run as a notebook or a report."""
    options, (*reference, out) = command_table.parsed(name, words, "shell", 2, least=1)
    from agentloop_nb.reports.queries import Folder
    from agentloop_nb.verify.certified_export import publish, publish_report

    record, whole = Folder().find(reference[0] if reference else None), options.pop("session", False)
    if whole:
        made = _session(record, Path(out), options)
    else:
        made = (publish if name == "export" else publish_report)(record, Path(out), **options)
    path, told, sound = told_of(made)
    print(f"{path}: {told}")
    return FINISHED if sound else NOT_FINISHED


def _session(record: Path, out: Path, options: dict[str, Any]) -> Published:
    """Export all goals of a run's kernel. Raises `UserError`."""
    from agentloop_nb.export.session_export import of_one_kernel
    from agentloop_nb.verify.certified_export import publish_session

    if any(options.values()):
        raise UserError("--session stands alone: agentloop export --session OUT.ipynb")
    return publish_session(of_one_kernel(record), out)


def verify_notebook(words: list[str]) -> int:
    """Check an exported notebook."""
    path = Path(command_table.parsed("verify", words, "shell", 1, least=1)[1][0])
    from agentloop_nb.verify import verify

    verdict = verify(path)
    print(f"{path}: {verdict.text}")
    return FINISHED if verdict.proven else NOT_FINISHED


def trust_folder(words: list[str]) -> int:
    """Vouch for the records of a folder."""
    _, folder = command_table.parsed("trust", words, "shell", 1)
    from agentloop_nb._internal.paths import typed_path
    from agentloop_nb.record import trust

    done = trust.vouch(typed_path(folder[0] if folder else ".").absolute())
    print(done.told)
    return NOT_FINISHED if done.left else FINISHED


def show(words: list[str]) -> int:
    """Print a run again from its record."""
    _, reference = command_table.parsed("show", words, "shell", 1)
    from agentloop_nb.agent.event_stream import Stream
    from agentloop_nb.record import reading
    from agentloop_nb.reports.queries import Folder
    from agentloop_nb.state import State
    from agentloop_nb.terminal.terminal_view import TerminalView

    path = Folder().find(reference[0] if reference else None)
    stream = Stream(State(), lambda _event: None, [TerminalView(live=False, command="agentloop")])
    for event in reading.read(path):
        stream.emit(event)
    return FINISHED if stream.state.is_complete else NOT_FINISHED


def compare(words: list[str]) -> int:
    """Compare two runs."""
    options, runs = command_table.parsed("compare", words, "shell", 2)
    from agentloop_nb.notebook.panel.comparison_page import write_page
    from agentloop_nb.reports.queries import Folder, compared
    from agentloop_nb.terminal.comparison_table import comparison_text

    found = compared(Folder(), runs)
    if page := options.get("html"):
        print(write_page(found, Path(page)))
    else:
        print(comparison_text(found, shutil.get_terminal_size((110, 24)).columns))
    return FINISHED


def ask(name: str, words: list[str]) -> int:
    """Answer a question about recorded runs."""
    options, others = command_table.parsed(name, words, "shell", 2)
    from agentloop_nb.reports.queries import QUERIES, Folder

    print(clean(QUERIES[name](Folder(), others, options)))
    return FINISHED
