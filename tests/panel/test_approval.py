"""Approval without buttons: typed into the cell where messages are not served, refused where nobody is there."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.kernel

ASK = """
from agentloop_nb.actions import RunCode
from agentloop_nb.agent.control import Control
from agentloop_nb.decision import Decision
from agentloop_nb.events import ApprovalAsked
from agentloop_nb.notebook.panel.panel_view import PanelView

control = Control()
view = PanelView("Ask", control, get_ipython())
view.open()
decision = Decision(reasoning="Because.", action=RunCode(code="print(1)"))
given = await view.approver(ApprovalAsked(step=1, risks=("network",)), decision)
print(given.approved, given.rest, given.by, given.reason)
"""

QUIET = ASK.replace("view.approver(", "Approval(None, control, anybody=lambda: can_ask(get_ipython()))(").replace(
    "import PanelView",
    "import PanelView\nfrom agentloop_nb.notebook.kernel.runner import can_ask\n"
    "from agentloop_nb.notebook.panel.approval_prompt import Approval",
)
"""The same in a run without cards."""


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    manager, client = start_new_kernel()
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def ask(kernel: Any, answer: str | None, cell: str = ASK) -> tuple[str, str]:
    """Run the cell, typing `answer` when asked; None is a front end where nobody can. Returns prompt and output."""
    prompt, printed = "", []
    kernel.execute(cell, allow_stdin=answer is not None)
    if answer is not None:
        prompt = kernel.get_stdin_msg(timeout=30)["content"]["prompt"]
        kernel.input(answer)
    while True:
        try:
            message = kernel.get_iopub_msg(timeout=30)
        except queue.Empty:
            raise AssertionError("the cell hangs") from None
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return prompt, "".join(printed).strip()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("y", "True False user"),
        ("a", "True True user"),
        ("", "False False user no reason given"),
        ("use the small file", "False False user use the small file"),
    ],
)
def test_a_person_types_the_answer_where_no_page_answers(kernel: Any, typed: str, expected: str) -> None:
    prompt, printed = ask(kernel, typed)
    assert prompt.startswith("Step 1: run_code [touches: network]")
    assert printed == expected


def test_nobody_there_is_a_refusal_at_once(kernel: Any) -> None:
    _, printed = ask(kernel, None)
    assert printed.startswith("False False policy nobody is there to approve")


def test_a_panel_that_no_page_serves_refuses_where_nobody_can_type(kernel: Any) -> None:
    alone = ASK.replace("get_ipython())", "get_ipython(), live=True)")
    _, printed = ask(kernel, None, alone)
    assert printed.startswith("False False policy nobody is there to approve")


def test_without_cards_the_question_tells_what_would_be_carried_out(kernel: Any) -> None:
    prompt, printed = ask(kernel, "y", QUIET)
    assert prompt.startswith("print(1)\n\nStep 1: run_code [touches: network]")
    assert printed == "True False user"
    _, printed = ask(kernel, None, QUIET)
    assert printed.startswith("False False policy nobody is there to approve")


def test_nothing_typed_in_time_is_no_approval(kernel: Any) -> None:
    late = ASK.replace("step=1, ", "step=1, seconds=1, ").replace("given =", "try:\n    given =")
    late = late.replace("print(given", "    print(given") + "except TimeoutError:\n    print('too late')\n"
    kernel.execute(late, allow_stdin=True)
    prompt = kernel.get_stdin_msg(timeout=60)["content"]["prompt"]
    assert prompt.startswith("Without an answer the run ends in 1.0 s; it can be resumed.\nStep 1: run_code")
    printed = ""
    while "late" not in printed:
        message = kernel.get_iopub_msg(timeout=60)
        printed += message["content"].get("text", "")
    assert printed == "too late\n"
