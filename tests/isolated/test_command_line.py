"""Isolated runs and forks in a shell."""

from __future__ import annotations

import pytest

from agentloop_nb.record import locating, reading
from tests.isolated.conftest import code
from tests.wire import Wire, decision, finish

pytestmark = pytest.mark.kernel

KEY = "sk-test-0123456789abcdef0123456789"


def test_an_isolated_run_is_forked_and_resumed_in_a_shell(agentloop, tmp_path):
    tmp_path.joinpath("data.txt").write_text("3")
    steps = [
        decision(
            "run_code", code="import os\nx = int(open('data.txt').read())\nprint(os.environ.get('OPENAI_API_KEY'))"
        ),
        decision("write_file", filename="out.txt", content="parent"),
        finish("done"),
    ]
    more = [decision("run_code", code="y = x + 1\nopen('out.txt', 'w').write(str(y))"), finish("forked")]
    with Wire([*steps, *more, *code("z = y + 1\nprint(z)")]) as wire:
        served = {"OPENAI_BASE_URL": wire.base_url, "OPENAI_API_KEY": KEY}
        first = agentloop("-m", "scripted", "--isolated", "look at data.txt", **served)
        assert first.returncode == 0, first.stderr
        assert "None" in first.stdout
        run = locating.find(None, tmp_path).stem
        assert f"Files: .agentloop/isolated/{run}" in first.stdout
        assert not tmp_path.joinpath("output").exists()

        forked = agentloop("fork", run, "--at", "2", "add one", **served)
        assert forked.returncode == 0, forked.stdout + forked.stderr
        fork = locating.find(None, tmp_path).stem
        place = tmp_path / ".agentloop" / "isolated"
        assert place.joinpath(run, "out.txt").read_text() == "parent"
        assert place.joinpath(fork, "out.txt").read_text() == "4", forked.stdout

        resumed = agentloop("resume", "--", "and one more", **served)
        assert "5" in resumed.stdout, resumed.stdout + resumed.stderr
    state = reading.load(locating.find(fork, tmp_path))
    assert (state.status, state.forked_from) == ("finished", (run, 2))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fork", "--at", "x", "go"], "--at takes the number of a step"),
        (["fork"], 'say what to do instead: agentloop fork [RUN] [--at N] "NOTE"'),
        (["fork", "nosuch", "go on"], "there is no run 'nosuch'"),
        (["fork", "29991231", "go on"], "there is no run '29991231'"),
        (["--limits", "memory=lots", "--isolated", "go"], "--limits takes memory, cpu, processes and file"),
        (["--limits", "memory=0.1", "--isolated", "go"], "memory=0.1 is too little for a kernel; it needs memory=0.25"),
        (["--with", "data.csv", "go"], "add --isolated"),
    ],
)
def test_wrong_use_is_one_line(agentloop, words, says):
    with Wire([]) as wire:
        done = agentloop(*words, OPENAI_BASE_URL=wire.base_url, OPENAI_API_KEY=KEY)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
