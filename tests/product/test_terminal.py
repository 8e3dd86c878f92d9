"""A run as text: what stands on a terminal, in a pipe, and what hostile text cannot do there."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from agentloop_nb import demo
from agentloop_nb.actions import ActionResult
from agentloop_nb.agent.control import Control
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.decision import parse
from agentloop_nb.events import (
    ActionFinished,
    ActionStarted,
    AnyEvent,
    DecisionMade,
    DecisionRejected,
    ModelCalled,
    ModelFailed,
    ModelReplied,
    NamespaceRebuilt,
    NoteAdded,
    RunFinished,
    RunStarted,
    StepsUndone,
)
from agentloop_nb.protocols import Usage
from agentloop_nb.record import reading
from agentloop_nb.state import State
from agentloop_nb.terminal.statusline import StatusLine
from agentloop_nb.terminal.terminal_view import RULE, TerminalView

HOSTILE = "a\x1b[2Jb\x1b]0;title\x07c\x1b[1;31mred\x1b[0m\rover\x9b31m\u202egnp.exe\x00[bold]x[/bold] :smile:"


def step(
    number: int, action: str, fields: dict[str, object], result: ActionResult, *, reasoning: str = "because"
) -> list[AnyEvent]:
    text = json.dumps({"action": action, "reasoning": reasoning, "input": fields})
    usage = Usage(input=900, output=100)
    return [
        ModelCalled(step=number, attempt=1),
        ModelReplied(step=number, text=text, usage=usage, cost=Decimal("0.0012"), seconds=1.5),
        DecisionMade(step=number, decision=parse(text)),
        ActionStarted(step=number),
        ActionFinished(step=number, result=result, seconds=0.5),
    ]


def run(*steps: list[AnyEvent], goal: str = "Count to three", **end: object) -> list[AnyEvent]:
    finished = {"status": "finished", "reason": "the goal is met", "summary": "Counted.", **end}
    start = RunStarted(run="r1", goal=goal, context="", settings={"max_steps": 50})
    return [start, *(event for each in steps for event in each), RunFinished(step=len(steps), **finished)]


def drawn(events: list[AnyEvent], *, terminal: bool = False, verbose: bool = True, **console: object) -> str:
    file = io.StringIO()
    view = TerminalView(Console(file=file, force_terminal=terminal, width=100, highlight=False, **console), verbose)
    stream = Stream(State(), lambda _event: None, [view])
    for event in events:
        stream.emit(event)
    assert stream._views == [view], "the view failed and was dropped"
    return file.getvalue()


FINE = ActionResult(success=True, output="3")


def test_a_run_in_a_pipe_reads_as_the_originals() -> None:
    text = drawn(
        run(
            step(1, "run_code", {"code": "print(3)"}, FINE, reasoning="Counting is quick."),
            step(2, "finish", {"summary": "Counted."}, ActionResult(success=True, output="Counted.")),
            artifacts=("three.txt",),
        )
    )
    lines = text.splitlines()
    assert lines[1:4] == [RULE, "🎯 GOAL: Count to three", RULE]
    assert "--- Step 1/50 ---" in lines
    at = lines.index("🤔 Decision: run_code")
    assert lines[at + 1 : at + 5] == [
        "💭 Reasoning: Counting is quick.",
        "    print(3)",
        "✅ Success: 3",
        "⏱️ 2.0 s · 1,000 tokens · $0.0012",
    ]
    assert lines[lines.index("📊 EXECUTION SUMMARY") - 1 :] == [
        RULE,
        "📊 EXECUTION SUMMARY",
        RULE,
        "Goal: Count to three",
        "Status: ✅ Complete",
        "Steps taken: 2/50",
        "Estimated cost: $0.0024",
        "Success rate: 2/2 actions",
        "Files: three.txt",
        "Summary: Counted.",
        RULE,
    ]
    assert "\x1b" not in text


def test_a_failure_shows_what_was_printed_before_it_and_the_traceback() -> None:
    failed = ActionResult(
        success=False,
        output="told",
        error="ZeroDivisionError: division by zero",
        metadata={"error": {"traceback": "step 1, line 2\n    1/0\nZeroDivisionError: division by zero"}},
        outputs=({"output_type": "stream", "name": "stdout", "text": "before\n"},),
    )
    text = drawn(run(step(1, "run_code", {"code": "print('before')\n1/0"}, failed), status="failed", reason="no luck"))
    assert "❌ Error: ZeroDivisionError: division by zero\n    before\n    step 1, line 2\n        1/0" in text
    assert "Status: ❌ Failed (no luck)" in text
    assert "Success rate: 0/1 actions" in text
    assert "🎉" not in text


def test_what_code_touches_is_a_quiet_line_unless_it_only_writes_files() -> None:
    done = step(1, "run_code", {"code": "tidy()"}, ActionResult(success=True, output=""))
    noted = [ActionStarted(step=1, risks=("shell", "writes files")) if e.kind == "action_started" else e for e in done]
    assert "Touches: shell\n" in drawn(run(noted))
    assert "Touches" not in drawn(run(done))


def test_faults_rejections_and_notes_are_quiet_lines() -> None:
    text = drawn(
        run(
            [
                NoteAdded(step=1, text="use the 2023 file"),
                ModelCalled(step=1, attempt=1),
                ModelFailed(step=1, attempt=1, error="429 too many requests", wait=8),
                DecisionRejected(step=1, reason='"reasoning" is missing'),
            ],
            step(1, "run_code", {"code": "3"}, FINE),
        )
    )
    assert "📝 Note: use the 2023 file" in text
    assert "⚠️ No reply: 429 too many requests; trying again in 8.0 s" in text
    assert '↩️ The reply could not be used, asked again: "reasoning" is missing' in text
    assert text.count("--- Step 1/50 ---") == 1


def test_what_was_rebuilt_or_taken_back_is_told() -> None:
    text = drawn(
        run(
            step(1, "run_code", {"code": "a = 1"}, FINE),
            [NamespaceRebuilt(step=1, steps=(1, 2), skipped=(3,), divergence="step 4 came out differently")],
            [StepsUndone(step=1, first=1)],
            step(1, "run_code", {"code": "b = 1"}, FINE),
        )
    )
    assert "♻️ Variables made again by running steps 1, 2\n⚠️ Not run again" in text
    assert "⚠️ step 4 came out differently" in text
    assert "↩️ Steps from 1 on were taken back" in text
    assert text.count("--- Step 1/50 ---") == 2


def test_quiet_shows_the_summary_only() -> None:
    text = drawn(run(step(1, "run_code", {"code": "3"}, FINE)), verbose=False)
    assert text.splitlines()[1:3] == [RULE, "📊 EXECUTION SUMMARY"]
    assert "Decision" not in text


def test_an_unknown_price_is_never_shown_as_nothing() -> None:
    steps = step(1, "run_code", {"code": "3"}, FINE)
    steps[1] = steps[1].model_copy(update={"cost": None})
    assert "Estimated cost: unknown (no price for this model)" in drawn(run(steps))
    priced = step(2, "run_code", {"code": "3"}, FINE)
    assert "Estimated cost: $0.0012 and more (a price is unknown)" in drawn(run(steps, priced))


def test_long_output_is_folded_and_says_how_much() -> None:
    result = ActionResult(success=True, output="\n".join(map(str, range(1000))))
    text = drawn(run(step(1, "run_code", {"code": "many()"}, result)))
    assert "[… 980 more lines …]" in text
    assert "    0\n" in text
    assert "    999\n" in text


def test_a_terminal_gets_panels_and_highlighted_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    events = run(step(1, "run_code", {"code": "for i in range(3):\n    print(i)"}, FINE))
    text = drawn(events, terminal=True)
    assert "╭─" in text
    assert "\x1b[" in text
    assert "\x1b[94mfor\x1b" in text.replace(";49m", "m"), "the keyword is not highlighted"


def test_the_status_line_tells_what_memory_the_running_code_uses() -> None:
    control = Control()
    line = StatusLine(Console(file=io.StringIO(), width=200), control)
    assert "in use" not in line._line().plain
    control.memory = lambda: 640_000_000
    assert " s · 640 MB in use · " in line._line().plain


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = drawn(run(step(1, "run_code", {"code": "for i in range(3): print(i)"}, FINE)), terminal=True)
    codes = {code for part in text.split("\x1b[")[1:] for code in part.split("m", 1)[0].split(";")}
    assert codes <= {"0", "1", "2", "3", "4"}, "a colour was used"


@pytest.mark.parametrize("terminal", [True, False])
def test_hostile_text_cannot_steer_the_terminal(terminal: bool) -> None:
    fails = ActionResult(success=False, output=HOSTILE, error=HOSTILE, metadata={"error": {"traceback": HOSTILE}})
    outputs = ({"output_type": "stream", "name": "stdout", "text": HOSTILE},)
    events = run(
        step(1, "run_code", {"code": HOSTILE}, ActionResult(success=True, output=HOSTILE, outputs=outputs)),
        step(2, "write_file", {"filename": HOSTILE, "content": HOSTILE}, fails, reasoning=HOSTILE),
        goal=HOSTILE,
        summary=HOSTILE,
        artifacts=(HOSTILE,),
    )
    text = drawn(events, terminal=terminal)
    for forbidden in ("\x1b[2J", "\x1b]0", "\x07", "\r", "\x9b", "\u202e", "\x00", "title"):
        assert forbidden not in text
    assert "[bold]x[/bold] :smile:" in text, "markup is text"


def test_a_recorded_run_draws_the_same_picture_twice() -> None:
    events = reading.read(demo.RECORD)
    assert drawn(events) == drawn(events)
    assert "Status: ✅ Complete" in drawn(events)


def test_prints_in_another_encoding_lose_no_run(tmp_path: Path) -> None:
    """A console that has no emoji (cp1252 on Windows) shows question marks and goes on."""
    code = (
        "from agentloop_nb import demo\nfrom agentloop_nb.record import reading\nfrom agentloop_nb.state import State\n"
        "from agentloop_nb.agent.event_stream import Stream\n"
        "from agentloop_nb.terminal.terminal_view import TerminalView\n"
        "stream = Stream(State(), lambda event: None, [TerminalView()])\n"
        "for event in reading.read(demo.RECORD): stream.emit(event)\n"
    )
    environment = {"PYTHONIOENCODING": "cp1252", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, check=True)
    assert b"EXECUTION SUMMARY" in done.stdout
    assert done.stderr == b""
