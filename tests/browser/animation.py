"""Makes the animation of a live run from the record of the demo: `python -m tests.browser.animation docs/live.webp`."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import sync_playwright

from agentloop_nb import demo
from agentloop_nb.events import AnyEvent, DecisionMade, ModelReplied, ReplyStreamed, RunFinished
from agentloop_nb.notebook.panel.html import static_html
from agentloop_nb.notebook.panel.live_board import LiveBoard
from agentloop_nb.protocols import Delta
from agentloop_nb.record import reading
from agentloop_nb.state import fold
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.stage import Stage

WIDTH, HEIGHT = 760, 540
COLOURS = 64
PIECES = 6
"""Frames in which a reply is written."""
SECONDS = {"model_called": 0.5, "action_started": 0.4, "action_finished": 1.5}
"""How long the state after an event is looked at; others pass without a frame."""
WRITING, OPENING, READING = 0.25, 1.5, 5.0


class Frame(NamedTuple):
    """One picture, and the seconds it is shown."""

    picture: Image.Image
    seconds: float


def events() -> list[AnyEvent]:
    """The demo's run, with each reply of the model."""
    return [event for event in reading.read(demo.RECORD) if hasattr(event, "kind")]


def frames(view: Any) -> Iterator[Frame]:
    """The panel while the run goes on, and what it leaves."""
    stage, board, now = Stage(view), LiveBoard(demo.goal()), 1_000_000_000.0
    yield finished(stage, OPENING)
    board.begin()
    stage.panels([board])
    for event in events():
        if isinstance(event, DecisionMade):
            for piece in written(event):
                board.progress(ReplyStreamed(step=event.step, delta=Delta(text=piece)))
                now += WRITING
                stage.put(0, board, now)
                yield taken(view, WRITING)
        told = event.model_copy(update={"at": now, **({"seconds": 1.2} if isinstance(event, ModelReplied) else {})})
        board.state.apply(told)
        if isinstance(event, RunFinished):
            break
        board.show(told, board.state)
        if seconds := SECONDS.get(event.kind):
            stage.put(0, board, now)
            yield taken(view, seconds)
            now += seconds
    yield finished(stage, READING)


def finished(stage: Stage, seconds: float) -> Frame:
    """What the run leaves; it comes first too, because a reader that shows one frame shows the first."""
    stage.markup([static_html(fold(events()))])
    stage.view.evaluate("() => window.scrollTo(0, 0)")
    return taken(stage.view, seconds, scroll=False)


def written(event: DecisionMade) -> Iterator[str]:
    """The reply of the model in pieces."""
    action = event.decision.action
    fields = {"name": action.name, **action.model_dump(mode="json", exclude={"name"})}
    text = json.dumps({"reasoning": event.decision.reasoning, "action": fields})
    size = len(text) // PIECES + 1
    return (text[start : start + size] for start in range(0, len(text), size))


def taken(view: Any, seconds: float, *, scroll: bool = True) -> Frame:
    """What is seen now; the end of the panel is in sight."""
    if scroll:
        view.evaluate("() => window.scrollTo(0, document.body.scrollHeight)")
    return Frame(Image.open(io.BytesIO(view.screenshot(animations="disabled"))).convert("RGB"), seconds)


def write(shown: list[Frame], path: Path) -> None:
    """Write an animation of few colours, chosen from three of its pictures."""
    sample = Image.new("RGB", (WIDTH, 3 * HEIGHT))
    for place, frame in enumerate((shown[len(shown) // 2], shown[-2], shown[-1])):
        sample.paste(frame.picture, (0, place * HEIGHT))
    palette = sample.quantize(COLOURS, dither=0)
    first, *rest = (frame.picture.quantize(palette=palette, dither=0).convert("RGB") for frame in shown)
    first.save(
        path,
        save_all=True,
        append_images=rest,
        duration=[int(1000 * frame.seconds) for frame in shown],
        loop=0,
        lossless=True,
        method=4,
        minimize_size=True,
    )


def main(path: Path) -> None:
    """Write the animation and say what it takes."""
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        view = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        shown = list(chain(frames(view)))
        browser.close()
    write(shown, path)
    told = f"{len(shown)} frames, {sum(frame.seconds for frame in shown):.0f} s"
    print(f"{path}: {path.stat().st_size:,} bytes, {told}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
