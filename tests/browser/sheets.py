"""Contact sheets of every state, for eyes: `python -m tests.browser.sheets FOLDER [PART ...]`.

Each part (`live`, `left`, `tries`, `pages`) is shown in light and dark at three widths. No kernel is needed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from agentloop_nb.actions import AskUser
from agentloop_nb.agent.conclusion import WITH_A_WORD
from agentloop_nb.decision import Decision
from agentloop_nb.events import AnyEvent, OutputAppeared, PlanMade, Progress, QuestionAsked, ReplyStreamed, RunFinished
from agentloop_nb.notebook.panel.html import static_html
from agentloop_nb.notebook.panel.live_board import LiveBoard
from agentloop_nb.notebook.tries_board import TriesBoard
from agentloop_nb.reports.agreement import Results
from agentloop_nb.reports.ranking import Tried, rank
from agentloop_nb.state import State, fold
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.stage import Stage, board_of
from tests.panel import gallery, story

WIDTHS = (390, 720, 1400)
TALLEST = 2600
"""Pixels of one picture; a longer one is cut there."""
CHOICE = AskUser(question="Net or gross prices?", choices=("net", "gross"), default="net")
PLAN = ("Read the prices and look at their columns.", "Sum them by year.", "Check the sum against the report.")
STATES: dict[str, list[AnyEvent | Progress]] = {
    **gallery.STATES,
    "question": [
        *gallery.BEGUN,
        *story.thought(3, Decision(reasoning="Both columns are there.", action=CHOICE)),
        QuestionAsked(step=3, seconds=300),
    ],
    "plan": [story.started(), PlanMade(step=1, lines=PLAN)],
    "not met": [
        *gallery.BEGUN,
        RunFinished(
            step=2,
            status="not_met",
            reason="the model reports that the goal is not met",
            hints=(WITH_A_WORD,),
            summary="The file ends in **June**: nothing is known of December.",
        ),
    ],
}


def live(stage: Stage) -> list[str]:
    """The panel in every state."""
    boards: list[LiveBoard] = []
    for name, events in STATES.items():
        board = board_of(story.GOAL, events, time.time() - story.T0 - 20)
        if name == "waiting":
            board.ask(3, {"code": gallery.CODE}, time.time() + 300)
        if name == "question":
            board.put_question(3, {**CHOICE.model_dump(mode="json"), "until": time.time() + 300})
        if name == "plan":
            board.put_plan({"lines": PLAN, "complaint": ""})
        board.take()
        boards.append(board)
    stage.panels(boards)
    return list(STATES)


def left(stage: Stage) -> list[str]:
    """What each end leaves in the notebook."""
    ends = {name: events for name, events in STATES.items() if isinstance(events[-1], RunFinished)}
    stage.markup([static_html(fold(event for event in events if hasattr(event, "step"))) for events in ends.values()])
    return list(ends)


def tries(stage: Stage) -> list[str]:
    """Several tries of one goal: at work, ranked, and without one to choose."""
    boards = [TriesBoard(SimpleNamespace(kernel=True), story.GOAL, verbose=False) for _ in range(3)]
    for board in boards:
        for events in (STATES["running"], story.whole(), STATES["failed"]):
            row, state = board.row(), State()
            for event in events:
                if not isinstance(event, OutputAppeared | ReplyStreamed):
                    state.apply(event)
                    row.show(event, state)
            state.run = f"20261122-101500-3fa{row.number}"
    over = [Tried(row.number, row.state, Results()) for row in boards[0].rows if row.state]
    boards[1].ranked, boards[2].ranked = rank(over), rank([over[0], over[2]])
    stage.markup([board.html() for board in boards])
    return ["at work", "ranked", "none"]


def made_pages(folder: Path) -> Iterator[Path]:
    """Pages made by the commands that a person types."""
    shell = [sys.executable, "-m", "agentloop_nb"]
    subprocess.run([*shell, "-m", "demo", "cafe"], cwd=folder, check=True, capture_output=True)
    subprocess.run([*shell, "report", "report.html"], cwd=folder, check=True, capture_output=True)
    yield folder / "report.html"
    measured = ["eval", "basics", "-m", "reference", "-n", "3", "-o", "measured"]
    subprocess.run([*shell, *measured], cwd=folder, check=True, capture_output=True)
    yield (folder / "measured" / "report.html").rename(folder / "measured" / "eval.html")


class Album:
    """Pictures in each theme and width, laid out on sheets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, part: str, theme: str, width: int, pictures: list[Path]) -> None:
        """Write one sheet."""
        sheet([Image.open(path).convert("RGB") for path in pictures]).save(self.folder / f"{part}-{theme}-{width}.png")


def sheet(pictures: list[Image.Image], gap: int = 12) -> Image.Image:
    """The pictures below one another, in as many columns as they need."""
    columns: list[list[Image.Image]] = [[]]
    for picture in pictures:
        picture = picture.crop((0, 0, picture.width, min(picture.height, TALLEST)))
        if columns[-1] and sum(each.height + gap for each in columns[-1]) + picture.height > TALLEST:
            columns.append([])
        columns[-1].append(picture)
    widths = [max(each.width for each in column) for column in columns]
    tall = max(sum(each.height + gap for each in column) for column in columns)
    made = Image.new("RGB", (sum(widths) + gap * len(widths), tall), "#c8a2c8")
    x = 0
    for column, width in zip(columns, widths, strict=True):
        y = 0
        for each in column:
            made.paste(each, (x, y))
            y += each.height + gap
        x += width + gap
    return made


def show(part: Callable[[Stage], list[str]], view: Any, album: Album) -> None:
    """Take every state of a part in each theme and width."""
    stage = Stage(view)
    names = part(stage)
    for theme in ("light", "dark"):
        stage.theme(theme)
        for width in WIDTHS:
            view.set_viewport_size({"width": width, "height": 1000})
            view.wait_for_timeout(200)
            taken = []
            for number, name in enumerate(names):
                taken.append(album.folder / "single" / f"{part.__name__}-{name.replace(' ', '-')}-{theme}-{width}.png")
                view.locator("main > div").nth(number).screenshot(path=taken[-1])
            album.write(part.__name__, theme, width, taken)


def pages(view: Any, album: Album) -> None:
    """Whole pages, which follow the system's light or dark."""
    with tempfile.TemporaryDirectory() as place:
        for path in made_pages(Path(place)):
            view.goto(path.as_uri())
            for theme in ("light", "dark"):
                view.emulate_media(color_scheme=theme)
                for width in WIDTHS:
                    view.set_viewport_size({"width": width, "height": 900})
                    view.screenshot(path=album.folder / f"{path.stem}-{theme}-{width}.png", full_page=True)


def main(folder: Path, names: list[str]) -> None:
    """Make the sheets of the named parts, or of all."""
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        album = Album(folder)
        for part in (live, left, tries):
            if not names or part.__name__ in names:
                show(part, browser.new_page(), album)
        if not names or "pages" in names:
            pages(browser.new_page(), album)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
