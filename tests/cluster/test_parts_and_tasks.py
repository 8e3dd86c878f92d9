"""Delegated parts and tasks of `eval` on a cluster; and what is refused before anything is spent."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from agentloop_nb.cluster.address import address
from agentloop_nb.cluster.engines import cluster
from agentloop_nb.errors import UserError
from agentloop_nb.evals.contender import Contender
from agentloop_nb.evals.evaluation import Evaluation
from agentloop_nb.evals.suite import load_suite
from agentloop_nb.record import locating, reading
from tests.cluster.conftest import ON
from tests.evals.conftest import TASK
from tests.isolated.conftest import code
from tests.isolated.test_delegate import GOAL, Family, delegate, run_code, states, task
from tests.wire import Wire, finish

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]


def test_a_run_that_delegates_stays_here_and_its_parts_are_on_engines(user):
    user.text("prices = [10, 20, 12]")
    parent = [
        delegate(task("apples: add up", ["prices"], ["total"]), task("pears: the largest", ["prices"], ["largest"])),
        run_code("answer = total - largest\nprint(answer)"),
        finish("It is 22"),
    ]
    parts = {
        "apples": [run_code("total = sum(prices)\nprint(total)"), finish("The sum is 42")],
        "pears": [run_code("largest = max(prices)\nlargest"), finish("The largest is 20")],
    }
    with Wire(Family(parent, parts)) as wire:
        told = user.agent(f"--on {ON} --actions run_code,delegate,finish", wire, GOAL)
    assert user.value("total, largest, answer") == (42, 20, 22), told
    state, children = states(user)
    assert not state.settings["isolated"]
    assert [child.settings["on"] for child in children] == [ON, ON]
    for record in user.records:
        if reading.load(record).part_of:
            assert f"of cluster {ON}" in record.read_text()


def test_tasks_of_an_evaluation_are_on_engines_and_its_checks_are_here(lab, suite, tmp_path):
    made = Evaluation(
        suite=load_suite(str(suite(sums=TASK))),
        contenders=[Contender("reference")],
        home=tmp_path / "out",
        jobs=1,
        variables={},
        arguments={"on": ON},
        prove=False,
    )
    made.prepare()
    made.run()
    (record,) = (tmp_path / "out").rglob(".agentloop/runs/*.jsonl")
    assert f"of cluster {ON}" in record.read_text()
    (outcome,) = made.outcomes.values()
    assert outcome.right, outcome
    made.arguments = {"on": "nosuch"}
    with pytest.raises(UserError, match="no cluster of profile 'nosuch' runs here"):
        made.prepare()


def test_a_controller_in_an_environment_with_orjson_writes_json_too(lab, tmp_path):
    good = Path(os.environ["IPYTHONDIR"]) / "profile_default" / "security" / "ipcontroller-lab-client.json"
    file = tmp_path / "orjson.json"
    file.write_text(json.dumps(json.loads(good.read_text()) | {"pack": "orjson", "unpack": "orjson"}))
    assert cluster(str(file)).wire.engines == lab.cluster.wire.engines


@pytest.mark.parametrize(
    ("on", "says"),
    [
        ("nosuch", "no cluster of profile 'nosuch' runs here; start one: ipcluster start"),
        ("default:other", "there is no such cluster; name one of default:lab"),
        ("a/b", "--on takes PROFILE or PROFILE:CLUSTER, or the path of a connection file"),
        (":lab", "--on takes PROFILE or PROFILE:CLUSTER"),
        ("nosuch.json", "nosuch.json cannot be read (No such file or directory)"),
        ("broken.json", "is no connection file of a controller"),
        ("list.json", "is no connection file of a controller"),
        ("pickled.json", "its controller speaks pickle; only json is read here"),
        ("far.json", "listens on the loopback of far.example only; start it with --ip='*', or tunnel"),
        ("dead.json", "its controller does not answer; does the cluster run?"),
        ("port.json", "is no connection file of a controller"),
        ("scheme.json", "is no connection file of a controller"),
        ("host.json", "its connection file names no usable address"),
        ("transport.json", "its connection file names no usable address"),
        ("key.json", "its curve_serverkey is no key; copy the connection file anew"),
        ("marks.json", "its curve_serverkey is no key; copy the connection file anew"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_told_in_a_line_before_anything_is_spent(user, lab, on, says):
    good = Path(os.environ["IPYTHONDIR"]) / "profile_default" / "security" / "ipcontroller-lab-client.json"
    told = json.loads(good.read_text())
    files = {
        "broken.json": "{",
        "list.json": "[]",
        "pickled.json": json.dumps(told | {"pack": "pickle", "unpack": "pickle"}),
        "far.json": json.dumps(told | {"location": "far.example"}),
        "dead.json": json.dumps(told | {"registration": 1}),
        "port.json": json.dumps(told | {"mux": 99999}),
        "scheme.json": json.dumps(told | {"signature_scheme": "hmac-none"}),
        "host.json": json.dumps(told | {"interface": "tcp://no such host"}),
        "transport.json": json.dumps(told | {"interface": "carrier://127.0.0.1"}),
        "marks.json": json.dumps(told | {"curve_serverkey": "%" * 40}),
        "key.json": json.dumps(told | {"curve_serverkey": "short"}),
    }
    for name, text in files.items():
        user.folder.joinpath(name).write_text(text)
    with Wire(code("x = 1")) as wire:
        shown = user.agent(f"--on {on}", wire)
    assert says in shown, shown
    assert len(shown.strip().splitlines()) == 1
    assert wire.bodies == []
    assert user.records == []


def test_which_of_several_clusters_is_said_and_one_alone_is_taken(lab, ipython_home, monkeypatch, tmp_path):
    good = ipython_home / ".ipython" / "profile_default" / "security" / "ipcontroller-lab-client.json"
    assert address("default").urls == address(ON).urls
    security = tmp_path / "profile_default" / "security"
    security.mkdir(parents=True)
    for name in ("ipcontroller-client.json", "ipcontroller-a-client.json", "ipcontroller-b-client.json"):
        security.joinpath(name).write_text(good.read_text())
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    assert address("default").key == address("default:a").key
    security.joinpath("ipcontroller-client.json").unlink()
    with pytest.raises(UserError, match=re.escape("there are several; name one of default:a, default:b")):
        address("default")


def test_a_shell_runs_on_a_cluster_resumes_there_and_here(lab, agentloop, tmp_path):
    tmp_path.joinpath("data.txt").write_text("3")
    home = {"IPYTHONDIR": os.environ["IPYTHONDIR"], "OPENAI_API_KEY": "sk-test-0123456789abcdef0123456789"}
    with Wire([*code("x = int(open('data.txt').read())\nprint(x)"), *code("print(x + 1)")]) as wire:
        served = {**home, "OPENAI_BASE_URL": wire.base_url}
        first = agentloop("-m", "scripted", "look at data.txt", AGENTLOOP_ON=ON, **served)
        assert first.returncode == 0, first.stderr
        record = locating.find(None, tmp_path)
        told = len(re.findall(rf"Code runs on engine \d+ of cluster {ON}\.", record.read_text()))
        assert told
        resumed = agentloop("resume", "--on", "here", "--", "and one more", **served)
        assert resumed.returncode == 0, resumed.stderr
        assert "4" in resumed.stdout
        assert record.read_text().count("Code runs on engine") == told
        assert reading.load(record).status == "finished"
