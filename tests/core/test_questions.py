"""Questions of the model: who answers, how many there may be, what counts as the person's words, what is kept."""

from __future__ import annotations

import asyncio
import json

import pytest

from agentloop_nb.actions import AskUser
from agentloop_nb.actions.effects import Answer
from agentloop_nb.agent.prompt import compose
from agentloop_nb.agent.questions import may_ask
from agentloop_nb.decision import parse
from agentloop_nb.errors import DecisionError
from agentloop_nb.events import QuestionAsked, RunResumed, RunStarted, event_from
from agentloop_nb.models.replay import ReplayModel
from agentloop_nb.models.schema import decision_schema
from agentloop_nb.rebuild import loose_ends
from agentloop_nb.record.replay_data import recorded
from agentloop_nb.safety.provenance import said_by_user
from agentloop_nb.state import State, fold
from agentloop_nb.testing import code, decide, finish

NET = {"question": "Net or gross?", "choices": ["net", "gross"], "default": "net"}


def ask(question="Net or gross?", **fields):
    return decide("ask_user", **{**NET, "question": question, **fields})


class Person:
    """Answers questions in turn; an exception is raised."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def __call__(self, asked, action):
        self.asked.append((asked, action))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, Answer) else action.understood(answer)


def build(scenario, replies, person=None, **settings):
    made = scenario(replies, **settings)
    made.loop._questions.asker = person
    return made


@pytest.mark.parametrize(
    ("typed", "text", "by"),
    [
        ("1", "net", "choice"),
        ("2", "gross", "choice"),
        ("GROSS", "gross", "choice"),
        ("3", "3", "typed"),
        ("both, in two columns", "both, in two columns", "typed"),
        ("", "net", "choice"),
        ("  net ", "net", "choice"),
    ],
)
def test_a_label_and_a_choice_in_full_are_choices_and_all_else_is_the_persons_own(typed, text, by):
    answer = AskUser(**NET).understood(typed)
    assert (answer.text, answer.by) == (text, by)


def test_choices_that_are_numbers_are_labelled_by_letters():
    action = AskUser(question="How many groups?", choices=["3", "2"], default="3")
    assert action.labels == ("a", "b")
    assert action.understood("2").text == "2"
    assert action.understood("b").text == "2"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"question": "Which?", "choices": []}, "default: field required"),
        ({"question": "Which?", "default": None}, "default"),
        ({"question": "Which?", "default": "  "}, "default: string should have at least 1 character"),
        ({"question": "", "default": "a"}, "question: string should have at least 1 character"),
        ({"question": "Which?", "default": "a", "choices": "a or b"}, "choices"),
        ({"question": "Which?", "default": "a", "options": ["a"]}, "options"),
    ],
)
def test_a_question_without_a_default_is_told_to_the_model_in_clear_words(fields, told):
    with pytest.raises(DecisionError) as caught:
        parse(json.dumps(decide("ask_user", **fields)))
    assert told in str(caught.value)
    assert "Its fields are question, choices, default." in str(caught.value)


def test_choices_are_few_different_and_not_blank():
    action = AskUser(question="Which?", choices=["a", " a", "", *"bcdefghij"], default="a")
    assert action.choices == tuple("abcdefgh")
    assert AskUser(question="Which?", choices=None, default="a").choices == ()


async def test_a_person_answers_and_the_model_is_told(scenario):
    person = Person("both, please")
    s = build(scenario, [ask(), finish("both")], person)
    state = await s.run()
    assert state.status == "finished"
    assert state.current_step == 2
    assert "The person answered: both, please" in s.model.requests[1].messages[-1].content
    assert "<<data" not in s.model.requests[1].messages[-1].content
    assert [event.seconds for event in s.events if isinstance(event, QuestionAsked)] == [600]
    assert state.steps[0].said == ("both, please",)


@pytest.mark.parametrize(
    ("person", "settings", "why"),
    [
        (None, {}, "nobody is there to answer"),
        (Person(TimeoutError()), {}, "nobody answered within 10 min 00 s"),
        (Person(TimeoutError()), {"answer_within": 30}, "nobody answered within 30 s"),
        (Person("gross"), {"questions": "never"}, "questions are turned off (--questions never)"),
    ],
)
async def test_where_nobody_answers_the_default_holds_and_the_model_is_told_why(scenario, person, settings, why):
    s = build(scenario, [ask(), finish("net")], person, **settings)
    state = await s.run()
    assert state.status == "finished"
    assert f"Your default holds, because {why}: net" in s.model.requests[1].messages[-1].content
    assert state.steps[0].said == ()


async def test_three_questions_are_put_and_no_more(scenario):
    questions = [ask(f"Question {number}?") for number in range(5)]
    person = Person("one", "two", "three", "four", "five")
    s = build(scenario, [*questions, finish("so")], person)
    await s.run()
    assert len(person.asked) == 3
    told = s.model.requests[4].messages[-1].content
    assert "3 questions were asked in this run" in told
    assert "Decide yourself: net" in told


async def test_the_same_question_is_answered_as_before_without_asking_again(scenario):
    person = Person("gross")
    s = build(scenario, [ask(), code("x = 1"), ask(choices=[]), finish("so")], person)
    await s.run()
    assert len(person.asked) == 1
    assert "The person answered this in step 1: gross" in s.model.requests[3].messages[-1].content


async def test_only_typed_words_count_as_the_persons(scenario):
    tempting = ask(choices=["delete /home/me/data", "keep it"], default="delete /home/me/data")
    for answer, counts in (("delete /home/me/data", False), ("1", False), ("", False), ("delete /home/me/old", True)):
        s = build(scenario, [tempting, finish("so")], Person(answer))
        state = await s.run()
        assert ("/home/me" in said_by_user(state)) is counts, answer
    timed_out = build(scenario, [tempting, finish("so")], Person(TimeoutError()))
    assert "/home/me" not in said_by_user(await timed_out.run())


async def test_nobody_approves_a_question_first(scenario):
    async def approver(asked, decision):
        raise AssertionError("a question is not approved")

    s = build(scenario, [ask(), finish("so")], Person("net"), approve="all", approver=approver)
    assert (await s.run()).status == "finished"


async def test_stop_ends_the_run_while_a_question_is_open(scenario):
    class Waiting(Person):
        async def __call__(self, asked, action):
            s.loop.control.stop()
            await asyncio.sleep(30)

    s = build(scenario, [ask(), finish("so")], Waiting())
    state = await s.run()
    assert state.status == "stopped"
    assert state.steps[0].result.stopped


async def test_a_question_that_was_open_when_the_kernel_died_is_asked_again(scenario):
    class Dies(Person):
        async def __call__(self, asked, action):
            raise SystemExit

    s = build(scenario, [ask(), finish("so")], Dies())
    with pytest.raises(SystemExit):
        await s.loop.run()
    kept = [event_from(json.loads(event.model_dump_json())) for event in s.events]
    assert loose_ends(fold(kept)) == []
    again = build(scenario, [finish("so")], Person("gross"))
    again.events.clear()
    for event in kept:
        again.stream.state.apply(event)
        again.events.append(event)
    again.stream.emit(RunResumed(step=0, max_steps=50, settings={}))
    state = await again.run()
    assert [action.question for _, action in again.loop._questions.asker.asked] == ["Net or gross?"]
    assert state.current_step == 2
    assert "The person answered: gross" in again.model.requests[0].messages[-1].content


async def test_a_replay_answers_from_its_record_and_nobodys_word_counts(scenario):
    s = build(scenario, [ask(), ask("More?"), finish("so")], Person("delete /data/x", TimeoutError()))
    state = await s.run()
    model = ReplayModel(recorded(state.steps), "r.jsonl")
    again = build(scenario, [], Person())
    again.loop._asker.model = model
    again.loop.answer_by(model.answer)
    replayed = await again.run()
    assert [step.effects.answer.text for step in replayed.steps[:2]] == ["delete /data/x", "net"]
    assert "/data/x" not in said_by_user(replayed)


@pytest.mark.parametrize("asks", [True, False])
def test_it_is_offered_and_explained_only_where_somebody_can_answer(asks):
    state = State()
    state.apply(RunStarted(run="r", goal="g", context="c", settings={"asks": asks}))
    told = compose(state)[1].content
    assert ("- ask_user: " in told) is asks
    assert may_ask(state) is asks
    if asks:
        assert len(told.split("One more action:")[1]) < 60 * 4
    names = ("run_code", "ask_user") if asks else ()
    offered = [each["properties"]["name"]["enum"][0] for each in _variants(decision_schema(only=names))]
    assert ("ask_user" in offered) is asks


def _variants(schema):
    return schema["properties"]["action"]["anyOf"]


async def test_an_export_quotes_question_and_answer(scenario):
    sneaky = ask("Which?\n# Heading <img src=x onerror=alert(1)>", choices=["a", "b"], default="a")
    s = build(scenario, [sneaky, finish("so")], Person("my <b>own</b> words\n```python\nimport os\n```"))
    state = await s.run()
    (cell,) = state.steps[0].decision.action.cells(state.steps[0].result, 1)
    assert cell.cell_type == "markdown"
    assert "in the person's words" in cell.source
    assert all(line.startswith((">", "**")) or not line for line in cell.source.splitlines())
    assert "<img" not in cell.source


async def test_a_default_is_no_ground_for_a_figure_and_an_answer_is(scenario):
    for person, doubts in ((Person("4711 of them"), 0), (None, 1)):
        s = build(
            scenario,
            [ask("How many?", default="4711", choices=[]), finish("It is 4711."), finish("It is 4711.")],
            person,
        )
        state = await s.run()
        assert len(state.doubts) == doubts
