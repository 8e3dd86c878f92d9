"""Files that a goal names: told at the beginning, and what a finish may not pass over."""

from __future__ import annotations

import pytest

from agentloop_nb.actions.file_names import to_be_made, to_be_read
from agentloop_nb.session.named_files import missing_files
from agentloop_nb.testing import code, finish

READ = {
    "what does letter.txt say?": ["letter.txt"],
    "tell me what is in missing.txt": ["missing.txt"],
    "load a.csv and plot x by y; save the figure as a.png": ["a.csv"],
    "convert in.json to out.csv": ["in.json"],
    "sort names.txt and save it as sorted.txt": ["names.txt"],
    "take the mean of x in data/a.csv": ["data/a.csv"],
    "compare a.csv with b.csv": ["a.csv", "b.csv"],
    "write a file hello.txt that says hello": [],
    "write hello.txt with the word hello": [],
    "create report.md": [],
    "save the primes to primes.txt": [],
    "delete old.txt": [],
    "what is 2 + 2?": [],
    "read https://example.org/a.csv": [],
}


@pytest.mark.parametrize("goal", READ)
def test_a_goal_says_which_files_it_reads(goal):
    assert to_be_read(goal) == READ[goal]


def test_a_name_is_no_word_about_the_file():
    assert to_be_made("save the rows to missing.csv") == ["missing.csv"]


def test_a_file_that_is_not_there_is_told(tmp_path):
    (tmp_path / "b.csv").touch()
    assert missing_files("what does letter.txt say?", tmp_path) == (
        "There is no file letter.txt in the current folder."
    )
    assert missing_files("compare a.csv with b.csv", tmp_path) == "There is no file a.csv in the current folder."


@pytest.mark.parametrize("goal", ["save the primes to primes.txt", "read ../a.csv", "read /etc/a.txt", "compute 2 + 2"])
def test_nothing_is_told_of_other_files(tmp_path, goal):
    assert missing_files(goal, tmp_path) == ""


def test_few_are_told(tmp_path):
    assert missing_files("compare a.txt, b.txt, c.txt, d.txt, e.txt", tmp_path).count("There is no file") == 3


@pytest.mark.parametrize("said", ["letter.txt.", "It says hello."])
async def test_a_finish_that_passes_over_a_missing_file_is_asked_once_and_marked(scenario, said):
    s = scenario([finish(said), finish(said)], goal="what does letter.txt say?")
    state = await s.run()
    assert state.current_step == 2
    assert [doubt for doubt in state.doubts if "letter.txt" in doubt] == ["There is no file letter.txt."]


@pytest.mark.parametrize("said", ["There is no file letter.txt.", "letter.txt does not exist.", "I cannot find it."])
async def test_a_finish_that_says_so_is_right(scenario, said):
    s = scenario([finish(said)], goal="what does letter.txt say?")
    state = await s.run()
    assert (state.status, state.current_step, state.doubts) == ("finished", 1, ())


async def test_a_file_that_a_step_found_elsewhere_is_not_asked_about(scenario):
    s = scenario([code("open('data/letter.txt').read()"), finish("It says hello.")], goal="what does letter.txt say?")
    state = await s.run()
    assert (state.status, state.current_step, state.doubts) == ("finished", 2, ())
