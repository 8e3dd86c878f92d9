"""What can be seen of a step before it is over: partial replies, growing outputs."""

from __future__ import annotations

import json

from agentloop_nb.notebook.panel.outputs import blocks
from agentloop_nb.notebook.panel.safe_text import Lines
from agentloop_nb.notebook.panel.streaming import LiveOutput, LiveReply
from agentloop_nb.protocols import Delta
from tests.panel.story import shown, text

REPLY = json.dumps(
    {
        "reasoning": "Count the rows.",
        "action": {"name": "run_code", "code": 'n = len(df)\nprint("n", n)', "timeout": 30},
    }
)


def written(reply: str, until: int) -> dict[str, object]:
    live = LiveReply()
    for piece in reply[:until]:
        live.feed(Delta(text=piece))
    return dict(live.card())


def test_the_reasoning_comes_first_then_the_code_as_it_is_written() -> None:
    assert written(REPLY, REPLY.index("rows"))["reasoning"] == "Count the "
    early = written(REPLY, REPLY.index("print"))
    assert early["code"] == "n = len(df)"
    assert early["action"] == "run_code"
    assert written(REPLY, len(REPLY))["code"] == 'n = len(df)\nprint("n", n)'


def test_an_unfinished_name_is_never_taken_for_an_action() -> None:
    for until in range(len(REPLY)):
        card = written(REPLY, until)
        assert card.get("action") in (None, "run_code")
        if until < REPLY.index("run_code") + len("run_code"):
            assert "code" not in card


def test_the_original_shape_prose_and_fences_are_read_too() -> None:
    reply = 'Sure:\n```json\n{"action": "write_file", "reasoning": "Keep it.", "input": {"filename": "a.md", '
    reply += '"content": "# T'
    card = written(reply, len(reply))
    assert (card["title"], card["code"], card["reasoning"]) == ("Write a.md", "# T", "Keep it.")


def test_a_flood_of_lines_is_shown_as_if_each_had_come_alone() -> None:
    colours = {7: "\x1b[31m", 9007: "\x1b[32m", 29_990: "\x1b[0m"}
    flood = [f"{colours.get(number, '')}{number if number % 3 else ''}\n" for number in range(30_000)]
    at_once, one_by_one = Lines(), Lines()
    at_once.feed("".join(flood))
    for line in flood:
        one_by_one.feed(line)
    assert at_once.ending() == one_by_one.ending()
    assert (at_once.head, at_once.skipped) == (one_by_one.head, one_by_one.skipped)
    assert len(at_once.head) + at_once.skipped + len(at_once.tail) == len(flood)
    assert len(at_once.head) == Lines.HEAD_LINES


def test_what_streamed_in_is_what_the_finished_step_shows() -> None:
    pieces = [
        text("a\x1b[3"),
        text("1mred"),
        text("\x1b[0m\n10%\r"),
        text("20%"),
        text("oops\n", "stderr"),
        {**shown(text_plain="old"), "transient": {"display_id": "d"}},
        {**shown(text_plain="new"), "output_type": "update_display_data", "transient": {"display_id": "d"}},
        text("end"),
    ]
    live = LiveOutput()
    for piece in pieces:
        live.feed(piece)
    kept = [text("a\x1b[31mred\x1b[0m\n10%\r20%"), text("oops\n", "stderr"), shown(text_plain="new"), text("end")]
    assert live.blocks() == blocks(kept)
    assert "20%" in live.blocks()[0]["tail"][0]


def test_a_flood_of_output_stays_small_and_keeps_head_and_tail() -> None:
    live = LiveOutput()
    for number in range(100_000):
        live.feed(text(f"line {number}\n"))
    (block,) = live.blocks()
    assert block["head"][0] == "line 0"
    assert block["tail"][-1] == "line 99999"
    assert block["skipped"] == 100_000 - len(block["head"]) - len(block["tail"])
    assert len(json.dumps(block)) < 60_000
