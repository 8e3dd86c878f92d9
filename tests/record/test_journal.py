"""The record: what is written survives, what is damaged is named, and nothing that happens to the disk ends a run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agentloop_nb.actions import ActionResult
from agentloop_nb.errors import UserError
from agentloop_nb.events import ActionFinished, UnknownEvent
from agentloop_nb.protocols import CodeError
from agentloop_nb.record import journal, locating, lock, reading
from tests.record.made import counting, printed, started, step

ROOT = Path(__file__).parents[2]


def write(folder: Path, events, run: str = "20261122-101500-3fa2", warn=None) -> journal.Journal:
    record = journal.Journal.create(folder, run, warn=warn)
    for event in events:
        record.append(event)
    return record


def test_what_was_appended_is_read_back_and_the_format_comes_first(tmp_path):
    record = write(tmp_path, counting())
    assert reading.read(record.path) == counting_with_times(record.path)
    assert record.path.read_text().startswith('{"format": 1,')
    assert (tmp_path / ".agentloop" / ".gitignore").read_text() == "*\n"


def counting_with_times(path: Path):
    """The same events with the times that were recorded: `at` is the only thing that differs between two makings."""
    times = [json.loads(line)["at"] for line in path.read_text().splitlines()]
    return [event.model_copy(update={"at": at}) for event, at in zip(counting(), times, strict=True)]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_passed_over_and_cut_off_when_the_record_goes_on(tmp_path, cut):
    record = write(tmp_path, counting())
    record.close()
    whole = record.path.read_bytes()
    record.path.write_bytes(whole[:-cut])
    assert len(reading.read(record.path)) in (len(counting()) - 1, len(counting()))

    again = journal.Journal.open(record.path)
    again.append(counting()[-1])
    again.close()
    kinds = [event.kind for event in reading.read(record.path)]
    assert kinds[-1] == "run_finished"
    assert kinds[: len(counting()) - 1] == [event.kind for event in counting()[:-1]]


def test_damage_in_the_middle_names_its_line(tmp_path):
    record = write(tmp_path, counting())
    lines = record.path.read_text().splitlines()
    lines[4] = lines[4][:-9]
    record.path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=r"line 5 is damaged"):
        reading.read(record.path)


def test_events_and_actions_of_a_newer_version_are_kept(tmp_path):
    record = write(tmp_path, counting()[:2])
    record.close()
    with record.path.open("a") as file:
        file.write('{"kind": "telepathy", "step": 1, "at": 1, "whom": "you"}\n')
        file.write(
            '{"kind": "decision_made", "step": 1, "at": 1, "decision": {"reasoning": "r", "action": {"name": "fly"}}}\n'
        )
    events = reading.read(record.path)
    assert [type(event) for event in events[2:]] == [UnknownEvent, UnknownEvent]
    assert events[2].model_dump()["whom"] == "you"


def test_long_texts_lie_beside_the_record_once_and_come_back(tmp_path):
    long = "å" * 100_000
    odd = {"output_type": "display_data", "data": {"application/json": {"$blob": "../../etc/passwd"}}, "metadata": {}}
    result = printed(long).model_copy(update={"outputs": (*printed(long).outputs, odd)})
    record = write(tmp_path, [started(), *step(1, "run_code", result, code="print('å' * 100_000)")])
    assert record.path.stat().st_size < 5000
    assert len(list((tmp_path / ".agentloop" / "blobs").iterdir())) == 1
    back = reading.read(record.path)[-1]
    assert isinstance(back, ActionFinished)
    assert back.result == result


def test_a_missing_or_forged_long_text_says_so(tmp_path):
    record = write(tmp_path, [started(), *step(1, "run_code", printed("x" * 70_000), code="1")])
    (blob,) = (tmp_path / ".agentloop" / "blobs").iterdir()
    blob.write_text("forged")
    assert "missing from the record" in reading.read(record.path)[-1].result.output


@pytest.mark.parametrize(
    ("word", "is_run"),
    [
        ("20261122-101500-3fa2", True),
        ("20261122", True),
        ("2026112", True),
        ("20261", True),
        ("2026", False),
        ("20270", False),
        ("folder/typo.jsonl", True),
        ("my work/a.jsonl", True),
        ("summarize data.jsonl", False),
        ("x", False),
        ("", False),
    ],
)
def test_a_run_is_told_from_a_note(tmp_path, monkeypatch, word, is_run):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, counting()).close()
    (tmp_path / "my work").mkdir()
    (tmp_path / "my work" / "a.jsonl").touch()
    assert locating.names_run(word, tmp_path) == is_run


@pytest.mark.skipif(lock.flock is None, reason="there are no locks here")
class TestTheLock:
    def test_two_that_go_on_at_once_do_not_both_write(self, tmp_path, monkeypatch):
        record = write(tmp_path, counting())
        record.close()
        monkeypatch.setattr(lock, "in_use", lambda path: False)  # both looked before either began
        first = journal.Journal.open(record.path)
        with pytest.raises(UserError, match="still going on in another kernel"):
            journal.Journal.open(record.path)
        first.close()
        told = []
        second = journal.Journal.open(record.path, warn=told.append)
        second.close()
        third = journal.Journal.open(record.path)
        before = record.path.read_bytes()
        second.append(counting()[-1])
        assert record.path.read_bytes() == before
        assert "another kernel is writing it" in told[0]
        third.close()
        second.append(counting()[-1])
        assert len(reading.read(record.path)) == len(counting()) + 2, "what could not be written was kept"

    def test_one_that_only_looks_keeps_nobody_from_writing(self, tmp_path):
        record = write(tmp_path, counting())
        record.close()
        looking = record.path.open("rb")
        lock.flock(looking, lock.LOCK_SH)
        threading.Timer(0.1, looking.close).start()
        again = journal.Journal.open(record.path, warn=pytest.fail)
        assert lock.in_use(record.path)
        again.close()


class TestTheLimit:
    """A record that has grown to its limit keeps decisions whole, and of outputs the beginning."""

    def text(self, number: int) -> str:
        return f"output {number} " + "x" * 100_000

    def steps(self, count: int) -> list:
        """Steps that show 100 KB of text and a picture of 50 KB each."""
        made = []
        for number in range(1, count + 1):
            picture = {"image/png": f"{number}" * 50_000, "text/plain": "<Figure>"}
            shown = {"output_type": "display_data", "data": picture, "metadata": {}}
            result = printed(self.text(number)).model_copy(update={"output": "told"})
            result = result.model_copy(update={"outputs": (*result.outputs, shown)})
            made += step(number, "run_code", result, code=f"draw({number})  # {'why ' * 500}")
        return made

    def test_decisions_stay_whole_outputs_are_cut_and_it_is_told_once(self, tmp_path):
        told = []
        record = journal.Journal.create(tmp_path, "20261122-101500-3fa2", limit=500_000, warn=told.append)
        for event in [started(), *self.steps(50)]:
            record.append(event)
        on_disk = sum(file.stat().st_size for file in (tmp_path / ".agentloop").rglob("*") if file.is_file())
        assert on_disk < 1_200_000, "50 steps of 150 KB would be 7.5 MB"
        state = reading.load(record.path)
        assert [each.decision.action.code for each in state.steps] == [
            f"draw({number})  # {'why ' * 500}" for number in range(1, 51)
        ]
        assert state.steps[0].result.outputs[0]["text"] == self.text(1)
        stream, figure = state.steps[-1].result.outputs
        assert stream["text"].startswith("output 50 xxx")
        assert stream["text"].endswith("more characters were not kept …]")
        assert figure["data"] == {"text/plain": "<Figure>\n[… 100,000 more characters were not kept …]"}
        assert state.steps[-1].result.metadata["not_kept"] == 198_010
        assert {each.result.output for each in state.steps} == {"told"}, "what the model was told is the transcript"
        assert len(told) == 1
        assert "limit of 0 MB" in told[0]

    def test_a_record_that_goes_on_knows_its_size_and_a_larger_limit_helps(self, tmp_path):
        record = journal.Journal.create(tmp_path, "20261122-101500-3fa2", limit=500_000, warn=lambda told: None)
        for event in [started(), *self.steps(4)]:
            record.append(event)
        size = record.size
        record.close()
        again = journal.Journal.open(record.path, limit=500_000, warn=lambda told: None)
        assert again.size == size
        again.close()
        larger = journal.Journal.open(record.path, limit=5_000_000)
        for event in self.steps(5)[-5:]:
            larger.append(event)
        larger.close()
        outputs = [each.result.outputs[0]["text"] for each in reading.load(record.path).steps]
        assert outputs[4] == self.text(5)
        assert outputs[3] != self.text(4)

    def test_a_long_error_is_cut_wherever_it_is_told(self, tmp_path):
        long = "x" * 600_000
        shown = {"output_type": "error", "ename": "E", "evalue": long, "traceback": ["Traceback", long, long]}
        told = {"type": "E", "message": long, "traceback": long, "line": 1}
        failed = ActionResult(success=False, output="told", error=f"E: {long}", outputs=(shown,))
        failed = failed.with_effects(error=CodeError(**told), files_written=("a.txt",))
        record = journal.Journal.create(tmp_path, "20261122-101500-3fa2", limit=500_000, warn=lambda told: None)
        for event in [started(), *step(1, "run_code", failed, code="fail()")]:
            record.append(event)
        assert record.size < 20_000
        kept = reading.load(record.path).steps[0].result
        for text in (
            kept.error,
            kept.outputs[0]["evalue"],
            *kept.outputs[0]["traceback"],
            kept.metadata["error"]["message"],
        ):
            assert len(text) < 2_100
            assert text.endswith("more characters were not kept …]")
        assert (kept.outputs[0]["ename"], kept.metadata["error"]["line"], kept.metadata["files"]) == ("E", 1, ["a.txt"])
        assert kept.metadata["not_kept"] > 3_500_000

    def test_the_same_long_output_is_counted_once(self, tmp_path):
        record = journal.Journal.create(tmp_path, "20261122-101500-3fa2", limit=500_000)
        for number in range(1, 20):
            for event in step(number, "run_code", printed("y" * 100_000), code="show()"):
                record.append(event)
        assert record.size < 300_000


@pytest.mark.skipif(os.name != "posix", reason="folder permissions and locks are those of POSIX")
class TestTheDisk:
    def test_a_folder_that_cannot_be_written_is_told_once_and_the_events_stay(self, tmp_path):
        (tmp_path / ".agentloop").write_text("a file where the folder should be")
        told = []
        record = write(tmp_path, counting(), warn=told.append)
        assert len(told) == 1
        assert "cannot be written" in told[0]
        assert record.pending == counting_times(record.pending)

    def test_a_disk_that_fills_and_is_freed_loses_nothing(self, tmp_path):
        script = f"""
import resource, signal, sys
from pathlib import Path
from agentloop_nb.record import journal, locating, lock, reading
from tests.record.made import counting
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
told = []
record = journal.Journal.create(Path({str(tmp_path)!r}), "20261122-101500-3fa2", warn=told.append)
events = counting()
for event in events[:4]:
    record.append(event)
resource.setrlimit(resource.RLIMIT_FSIZE, (record.path.stat().st_size + 20, resource.RLIM_INFINITY))
for event in events[4:9]:
    record.append(event)
full = [len(reading.read(record.path)), len(record.pending), len(told)]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for event in events[9:]:
    record.append(event)
print(full, len(reading.read(record.path)) == len(events), record.pending)
"""
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path.cwd(), check=True
        )
        assert done.stdout.strip() == "[4, 5, 1] True []"

    def test_a_deleted_folder_is_made_again_with_everything_in_it(self, tmp_path):
        told = []
        record = write(tmp_path, counting()[:5], warn=told.append)
        shutil.rmtree(tmp_path / ".agentloop")
        for event in counting()[5:]:
            record.append(event)
        assert len(reading.read(record.path)) == len(counting())
        assert len(told) == 1
        assert "written again" in told[0]

    def test_a_moved_folder_takes_its_record_along(self, tmp_path):
        (tmp_path / "a").mkdir()
        record = write(tmp_path / "a", counting()[:5])
        (tmp_path / "a").rename(tmp_path / "b")
        for event in counting()[5:]:
            record.append(event)
        assert len(reading.read(locating.find(None, tmp_path / "b"))) == len(counting())

    def test_a_killed_kernel_leaves_every_event_and_its_run_is_interrupted(self, tmp_path):
        script = f"""
import os, signal
from pathlib import Path
from agentloop_nb.record import journal, locating, lock, reading
from tests.record.made import counting
record = journal.Journal.create(Path({str(tmp_path)!r}), "20261122-101500-3fa2")
for event in counting()[:7]:
    record.append(event)
print("ready", flush=True)
signal.pause()
"""
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        child.stdout.readline()
        path = locating.find(None, tmp_path)
        assert reading.load(path).status == "running"
        with pytest.raises(UserError, match="still going on in another kernel"):
            journal.Journal.open(path)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert reading.load(path).status == "interrupted"
        assert len(reading.read(path)) == 7
        journal.Journal.open(path).close()


def counting_times(events):
    return [made.model_copy(update={"at": event.at}) for made, event in zip(counting(), events, strict=True)]


def test_ids_only_grow_even_when_the_clock_is_set_back(monkeypatch):
    ids = [locating.new_run_id() for _ in range(50)]
    monkeypatch.setattr(locating.time, "time", lambda: 0.0)
    ids += [locating.new_run_id() for _ in range(50)]
    assert ids == sorted(set(ids))


def test_two_runs_at_once_do_not_mix(tmp_path):
    first, second = (journal.Journal.create(tmp_path, locating.new_run_id()) for _ in range(2))
    for event in counting():
        first.append(event)
        second.append(event.model_copy(update={"at": 1.0}))
    assert {event.at for event in reading.read(second.path)} == {1.0}
    assert len(reading.read(first.path)) == len(counting())


def test_a_run_is_found_by_id_beginning_path_or_as_the_newest(tmp_path):
    old = write(tmp_path, counting(), run="20261121-000000-aaaa")
    new = write(tmp_path, counting(), run="20261122-000000-bbbb")
    for record in (old, new):
        record.close()
    assert locating.find(None, tmp_path) == new.path
    assert locating.find("20261121", tmp_path) == old.path
    assert locating.find(str(old.path), Path("/")) == old.path
    with pytest.raises(UserError, match="begins several"):
        locating.find("2026112", tmp_path)
    with pytest.raises(UserError, match="did you mean 20261122-000000-bbbb"):
        locating.find("20261122-000000-bbbx", tmp_path)
    new.path.write_text("garbage\n\n")
    assert [state.status for state in locating.runs(tmp_path)] == ["failed", "finished"]
