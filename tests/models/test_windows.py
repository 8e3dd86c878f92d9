"""A run in a window of any size: what is sent fits before it is sent, and a server's overflow is got over."""

from __future__ import annotations

import pytest

from agentloop_nb.actions.output_text import bounded
from agentloop_nb.agent.compaction import overflow_compaction
from agentloop_nb.agent.context_window import LONGEST_REPLY, Gauge, namespace_tokens, reply_bound
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.agent.prompt import compose, system_prompt
from agentloop_nb.events import RunStarted, TranscriptCompacted
from agentloop_nb.protocols import CodeOutcome, Usage
from agentloop_nb.protocols.tokens import tokens_in
from agentloop_nb.session.context import context
from agentloop_nb.settings import resolve
from agentloop_nb.state import State, fold
from agentloop_nb.testing import FakeWorkspace
from tests.wire import Reply, decision, error, finish


class Crowded(FakeWorkspace):
    """A namespace of 120 tables, told within its budget of tokens as the real one is."""

    def describe(self, tokens: int) -> str:
        lines = "\n".join(f"table_{n}: DataFrame 1000 x 12, columns date, region, amount, price" for n in range(120))
        return bounded(lines, tokens * 4 - 50)


def refuses_beyond(window, told):
    def refuse(body):
        size = sum(tokens_in(message["content"]) for message in body["messages"])
        if size + body["max_tokens"] > 1.05 * window + 64:  # the usage it reports counts digits in another way
            details = {"n_ctx": window} if told else {}
            return error(400, "the request exceeds the available context", type="exceed_context_size_error", **details)
        return None

    return refuse


async def go(t, folder, outcomes=None, **options):
    settings = resolve({"model": "m", **options}, {}, {})
    workspace, events = Crowded(folder, outcomes=outcomes or {}), []
    stream = Stream(State(), events.append)
    told = context(settings, t.model, workspace, folder)
    stream.emit(RunStarted(run="r", goal="count", context=told, settings=settings.record()))
    state = await Loop(stream, t.model, workspace, settings).run()
    assert fold(events) == state
    return state, events


STEPS = [decision("run_code", code=f"print('{'x ' * 40 * n}')") for n in range(1, 15)]


@pytest.mark.parametrize("window", [2048, 3000, 4096, 8192, 16384, 131072])
async def test_everything_fits_before_it_is_sent(talk, tmp_path, window):
    listed = [{"id": "scripted", "meta": {"n_ctx": window}}]
    t = talk(*STEPS, finish("there"), models=listed, refuse=[refuses_beyond(window, told=True)])
    state, events = await go(t, tmp_path)
    assert (state.status, state.summary) == ("finished", "there")
    assert not [event for event in events if event.kind == "model_failed"], "no request was refused"
    assert all(256 <= body["max_tokens"] <= max(1024, window // 4) for body in t.wire.bodies)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("window", [2048, 4096])
async def test_a_window_that_nobody_told_is_learned_from_the_refusal(talk, tmp_path, window, told):
    def refuse(body):
        size = sum(tokens_in(message["content"]) for message in body["messages"])
        details = {"n_ctx": window} if told else {}
        message = "the request exceeds the available context size"
        return error(400, message, type="exceed_context_size_error", **details) if size > window else None

    t = talk(*STEPS, finish("there"), refuse=[refuse])
    state, events = await go(t, tmp_path)
    assert (state.status, state.summary) == ("finished", "there")
    assert len([event for event in events if event.kind == "model_failed"]) <= (2 if told else 40)


async def test_a_window_too_small_for_the_rules_is_one_line(talk, tmp_path):
    t = talk(finish(), models=[{"id": "scripted", "max_model_len": 300}])
    state, _ = await go(t, tmp_path)
    assert state.status == "failed"
    assert state.reason.startswith("the model reads 300 tokens, and the rules and the goal take about")
    assert not t.wire.requests


async def test_after_a_reply_cut_by_a_full_context_the_next_prompt_is_shorter(talk, tmp_path):
    usage = {"prompt_tokens": 7000, "completion_tokens": 1190, "total_tokens": 8190}
    cut = Reply(text='{"reasoning": "I wi', finish_reason="length", usage=usage)
    t = talk(*STEPS[:6], cut, finish("there"), models=[{"id": "scripted", "max_model_len": 8192}])
    state, events = await go(t, tmp_path)
    assert state.summary == "there"
    assert "the model's context is full" in state.steps[-1].rejected[0][1]
    assert any(isinstance(event, TranscriptCompacted) for event in events[-8:])


async def test_a_thought_without_an_answer_gets_more_room(talk, tmp_path):
    thoughts = [Reply(text="", reasoning=f"hm {n}", finish_reason="length") for n in range(2)]
    t = talk(*thoughts, finish("there"))
    state, _ = await go(t, tmp_path)
    assert state.summary == "there"
    assert [body["max_tokens"] for body in t.wire.bodies] == [LONGEST_REPLY, 2 * LONGEST_REPLY, 4 * LONGEST_REPLY]


async def test_every_level_is_tried_and_each_tells_less(talk, tmp_path):
    state, events = await go(talk(*STEPS[:8], *[error(400, "context length")] * 30), tmp_path)
    sizes = []
    replayed = State()
    for event in events:
        replayed.apply(event)
        if isinstance(event, TranscriptCompacted):
            sizes.append(sum(len(message.content) for message in compose(replayed)))
    assert len(sizes) >= 6
    assert sizes == sorted(sizes, reverse=True)
    assert state.status == "failed"
    assert state.reason.startswith("the prompt no longer fits into the model's context, even shortened")
    assert overflow_compaction(state) is None


@pytest.mark.parametrize(("window", "least", "most"), [(2048, 400, 2500), (3000, 1000, 5000), (16_000, 7000, 8100)])
async def test_of_the_newest_output_as_much_is_told_as_there_is_room_for(talk, tmp_path, window, least, most):
    long = CodeOutcome(ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": "word " * 1500},))
    t = talk(decision("run_code", code="x"), finish("done"), models=[{"id": "scripted", "max_model_len": window}])
    await go(t, tmp_path, outcomes={"x": long})
    told = t.wire.bodies[1]["messages"][-1]["content"]
    assert least < len(told) < most
    assert "If it is met, finish now" in told


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 121, 140, 141, 150, 1000])
def test_shortening_never_makes_a_text_longer(size):
    assert len(bounded("x" * size, 100)) <= size


@pytest.mark.parametrize("window", [None, 300, 1024, 2048, 4096, 8192, 32768, 1_000_000])
def test_a_reply_always_has_a_bound(window):
    for prompt in (0, 100, 1000, 10_000):
        bound = reply_bound(window, prompt)
        assert 256 <= bound <= LONGEST_REPLY
        assert window is None or bound == 256 or prompt + bound <= window
    assert 100 <= namespace_tokens(window, system_prompt()) <= 2000


def test_the_gauge_learns_how_a_server_counts(request_of):
    messages = request_of("Rules. " * 500, "Goal.").messages
    gauge = Gauge()
    guess = gauge.tokens(messages)
    gauge.learn(messages, Usage(input=500))
    assert gauge.tokens(messages) == 500 != guess
    gauge.learn(messages, Usage(input=5, estimated=True))
    assert gauge.tokens(messages) == 500
