"""What memory holds of outputs is bounded over steps and runs; the record has them whole."""

from __future__ import annotations

from agentloop_nb.actions import ActionResult
from agentloop_nb.agent import output_limit
from agentloop_nb.events import ActionFinished, RunStarted
from agentloop_nb.state import State, fold


def state_with(*texts: str) -> State:
    outputs = [{"output_type": "stream", "name": "stdout", "text": text} for text in texts]
    done = [ActionResult(success=True, output="told", outputs=(output,)) for output in outputs]
    steps = [ActionFinished(step=number, result=result) for number, result in enumerate(done, 1)]
    return fold([RunStarted(run="r", goal="g", context="", settings={}), *steps])


def test_the_oldest_outputs_are_given_up_first_and_say_where_they_are():
    first, second = state_with("a" * 5000, "b" * 5000), state_with("c" * 5000, "d" * 5000)
    assert output_limit.lighten([first, second], 11_000) < 15_000
    texts = [step.result.outputs[0]["text"] for state in (first, second) for step in state.steps]
    assert texts[:2] == [f"{letter * 2000}\n[… 3,000 more characters in the record only …]" for letter in "ab"]
    assert texts[2:] == ["c" * 5000, "d" * 5000]
    assert first.steps[0].result.output == "told"


def test_pictures_are_given_up_for_their_words():
    state = state_with("x")
    picture = {
        "output_type": "display_data",
        "data": {"image/png": "i" * 9000, "text/plain": "<Figure>"},
        "metadata": {},
    }
    state.apply(ActionFinished(step=2, result=ActionResult(success=True, output="", outputs=(picture,))))
    output_limit.lighten([state], 100)
    data = state.steps[-1].result.outputs[0]["data"]
    assert data == {"text/plain": "<Figure>\n[… 9,000 more characters in the record only …]"}


def test_what_fits_is_left_alone():
    state = state_with("a" * 5000)
    assert output_limit.lighten([state], 6000) == output_limit.weight(state.steps[0])
    assert state.steps[0].result.outputs[0]["text"] == "a" * 5000


def test_errors_are_given_up_like_outputs_and_once_is_enough():
    state, long = state_with("x"), "e" * 9000
    shown = {"output_type": "error", "ename": "E", "evalue": long, "traceback": [long, long]}
    failed = ActionResult(success=False, output="", error=long, outputs=(shown,), metadata={"error": {"message": long}})
    state.apply(ActionFinished(step=2, result=failed))
    assert output_limit.weight(state.steps[1]) > 45_000
    output_limit.lighten([state], 100)
    first = state.steps[1].result
    assert output_limit.lighten([state], 100) < 10_000
    assert state.steps[1].result == first
    assert first.error == "e" * 2000 + "\n[… 7,000 more characters in the record only …]"
    assert "not_kept" not in first.metadata
