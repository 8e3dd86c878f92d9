"""Benchmarks in the form they are published in, read from a folder; the questions here are our own."""

from __future__ import annotations

import json

import pytest

from agentloop_nb import cli
from agentloop_nb.errors import UserError
from agentloop_nb.evals.contender import Contender
from agentloop_nb.evals.evaluation import Evaluation
from agentloop_nb.evals.judge import Left, judge, refuse_certain
from agentloop_nb.evals.suite import load_suite
from agentloop_nb.testing import ScriptedModel, code, finish

QUESTIONS = [
    {
        "id": 0,
        "question": "What is the mean height of the trees?",
        "concepts": ["Summary Statistics"],
        "constraints": "Leave out trees without a height. Round to two decimals.",
        "format": '@mean_height[value] where "value" is a number with two decimals.',
        "file_name": "trees.csv",
        "level": "easy",
    },
    {
        "id": 7,
        "question": "Which kind is most frequent, and how many trees of it are there?",
        "concepts": ["Summary Statistics"],
        "constraints": "Count each row once.",
        "format": "@kind[name] @count[value]",
        "file_name": "trees.csv",
        "level": "medium",
    },
]
LABELS = [
    {"id": 7, "common_answers": [["kind", "oak"], ["count", "3"]]},
    {"id": 0, "common_answers": [["mean_height", "11.25"]]},
]
TREES = "kind,height\noak,12\noak,\noak,18\nash,7\nfir,8\n"
STEPS = [
    {
        "task_id": "5",
        "question": "Which shop has the highest total fees?",
        "answer": "B",
        "guidelines": "Answer must be just the shop's name. If there is none, answer 'Not Applicable'.",
        "level": "easy",
    },
    {
        "task_id": "49",
        "question": "What is the mean fee, rounded to 2 decimals?",
        "answer": "1.67",
        "guidelines": "Answer must be just a number.",
        "level": "hard",
    },
    {
        "task_id": "70",
        "question": "Which shops have any fee of 2 or more?",
        "answer": "A, B",
        "guidelines": "Answer must be a list, with commas between.",
        "level": "hard",
    },
]


def lines(rows):
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@pytest.fixture
def dabench(tmp_path):
    folder = tmp_path / "dabench"
    tables = folder / "da-dev-tables"
    tables.mkdir(parents=True)
    tables.joinpath("trees.csv").write_text(TREES)
    folder.joinpath("da-dev-questions.jsonl").write_text(lines(QUESTIONS))
    folder.joinpath("da-dev-labels.jsonl").write_text(lines(LABELS))
    return folder


@pytest.fixture
def dabstep(tmp_path):
    folder = tmp_path / "dabstep"
    for name in ("tasks", "context"):
        folder.joinpath("data", name).mkdir(parents=True)
    folder.joinpath("data", "context", "fees.csv").write_text("shop,fee\nA,2\nB,2\nB,1\n")
    folder.joinpath("data", "context", "manual.md").write_text("A fee is in euros.\n")
    folder.joinpath("data", "tasks", "dev.jsonl").write_text(lines(STEPS))
    return folder


def verdicts(suite, folder, answers):
    cases = []
    for number, (task, answer) in enumerate(zip(suite.tasks, answers, strict=True)):
        place = folder / f"place-{number}"
        task.furnish(place)
        cases.append((task, Left(place, status="finished", summary=answer)))
    return [all(each.held for each in judged) for judged in judge(cases)]


def test_questions_of_dabench_are_tasks_with_their_table(dabench, tmp_path):
    suite = load_suite(str(dabench))
    assert [task.name for task in suite.tasks] == ["dabench-0", "dabench-7"]
    assert [task.area for task in suite.tasks] == ["easy", "medium"]
    goal = suite.tasks[0].goal
    for part in ("mean height", "Round to two decimals", "trees.csv", "@mean_height[value]"):
        assert part in goal
    assert "11.25" not in goal
    refuse_certain(suite.tasks)
    suite.tasks[0].furnish(tmp_path / "one")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["trees.csv"]


@pytest.mark.parametrize(
    ("answers", "right"),
    [
        (["@mean_height[11.25]", "@kind[oak] @count[3]"], [True, True]),
        (["It is @mean_height[11.250].", "@count[3]\n@kind[oak]"], [True, True]),
        (["@mean_height[11.3]", "@kind[oak] @count[2]"], [False, False]),
        (["11.25", "@kind[oak]"], [False, False]),
        (["@mean_height[11.25", "@kind[Oak] @count[3.0]"], [False, False]),
        (["@mean[11.25]", "@kind[oak] @count[3.0]"], [False, True]),
    ],
)
def test_closed_answers_of_dabench_are_right_if_all_parts_are(dabench, tmp_path, answers, right):
    assert verdicts(load_suite(str(dabench)), tmp_path, answers) == right


def test_dev_tasks_of_dabstep_get_all_files(dabstep, tmp_path):
    suite = load_suite(str(dabstep))
    assert [task.name for task in suite.tasks] == ["dabstep-5", "dabstep-49", "dabstep-70"]
    assert [task.area for task in suite.tasks] == ["easy", "hard", "hard"]
    assert "fees.csv, manual.md" in suite.tasks[0].goal
    refuse_certain(suite.tasks)
    suite.tasks[0].furnish(tmp_path / "one")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["fees.csv", "manual.md"]


@pytest.mark.parametrize(
    ("answers", "right"),
    [
        (["Answer: B", "Answer: 1.67", "Answer: B, A"], [True, True, True]),
        (["The fees say so.\n**Answer:** b.", "Answer: 1.6667", "Answer: [A, B]"], [True, True, True]),
        (["Answer: A", "Answer: 1.7", "Answer: A"], [False, False, False]),
        (["B is not it.\nAnswer: Not Applicable", "I do not know.", ""], [False, False, False]),
        (["Answer: A\nFinal answer: B", "Answer: 1.67 EUR", "Answer: A; B"], [True, True, True]),
    ],
)
def test_answers_of_dabstep_are_compared_by_what_they_are(dabstep, tmp_path, answers, right):
    assert verdicts(load_suite(str(dabstep)), tmp_path, answers) == right


def test_a_benchmark_without_answers_or_files_is_one_line(dabench, dabstep, capsys):
    dabench.joinpath("da-dev-labels.jsonl").write_text(lines(LABELS[:1]))
    with pytest.raises(UserError, match=r"question 0 of .* is not in the form of DABench"):
        load_suite(str(dabench))
    dabench.joinpath("da-dev-labels.jsonl").write_text(lines(LABELS) + "no JSON\n")
    with pytest.raises(UserError, match=r"labels.jsonl, line 3, is no JSON object"):
        load_suite(str(dabench))
    dabench.joinpath("da-dev-labels.jsonl").write_text(lines(LABELS))
    dabench.joinpath("da-dev-tables", "trees.csv").unlink()
    assert cli.main(["eval", str(dabench), "-m", "reference"]) == cli.WRONG_USE
    assert "needs trees.csv, which is not in" in capsys.readouterr().err
    dabstep.joinpath("data", "tasks", "dev.jsonl").write_text(lines([{**STEPS[0], "answer": ""}]))
    with pytest.raises(UserError, match="only the dev tasks come with answers"):
        load_suite(str(dabstep))


@pytest.mark.parametrize("name", ["../../secret.csv", "/etc/hostname"])
def test_a_table_elsewhere_is_refused(dabench, name):
    dabench.parent.joinpath("secret.csv").write_text("a\n")
    dabench.joinpath("da-dev-questions.jsonl").write_text(lines([{**QUESTIONS[0], "file_name": name}]))
    with pytest.raises(UserError, match="which is not in"):
        load_suite(str(dabench))


@pytest.mark.kernel
def test_a_benchmark_is_run_as_any_suite(dabench, tmp_path):
    def model(trial):
        answer = "@mean_height[11.25]" if trial.task.name == "dabench-0" else "@kind[ash] @count[1]"
        return ScriptedModel([code("print(open('trees.csv').read())"), *[finish(answer)] * 2])

    made = Evaluation(load_suite(str(dabench)), [Contender("scripted")], tmp_path / "out", {}, make_model=model)
    made.prove = False
    made.prepare()
    made.run()
    assert {each.task: each.right for each in made.outcomes.values()} == {"dabench-0": True, "dabench-7": False}
