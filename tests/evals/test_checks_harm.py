"""A check compares values: what else its expression would do is refused, and it does not hold."""

from __future__ import annotations

from pathlib import Path

from agentloop_nb.evals.judge import Left, judge
from agentloop_nb.evals.task import Criterion, Task

HARM = [
    "pd.io.common.os.system('touch made') == 0",
    "np.f2py.os.system('touch made') == 0",
    "pd.io.common.os.remove('kept.csv') is None",
    "pd.io.common.os.rename('kept.csv', 'made') is None",
    "pd.io.common.os.mkdir('made') is None",
    "pd.io.common.os.posix_spawn('/bin/touch', ['touch', 'made'], {}) > 0",
    "np.savetxt('made', [1]) is None",
    "pd.DataFrame().to_csv('kept.csv') is None",
    "pd.io.common.os.symlink('kept.csv', 'made') is None",
    "pd.io.common.os.execv('/bin/touch', ['touch', 'made']) is None",
    "len(pd.read_csv('http://127.0.0.1:9/a.csv')) >= 0",
]


def test_checks_that_do_something_do_not_hold(tmp_path: Path):
    folder = tmp_path / "left"
    folder.mkdir()
    (folder / "kept.csv").write_text("a\n1\n", encoding="utf-8")
    quoted = [each.replace("'made'", f"'{folder}/made'").replace("touch made", f"touch {folder}/made") for each in HARM]
    quoted = [each.replace("'kept.csv'", f"'{folder}/kept.csv'") for each in quoted]
    good = f"len(table('kept.csv')) == 1 and sum(pd.read_csv('{folder}/kept.csv').a) == 1"
    judged = judge([(Task("t", "g", tuple(map(Criterion, (*quoted, good)))), Left(folder))])[0]
    assert [each.held for each in judged] == [False] * len(HARM) + [True]
    assert all("only compares" in each.why or "refused" in each.why for each in judged[:-1]), judged
    assert (folder / "kept.csv").read_text(encoding="utf-8") == "a\n1\n"
    assert not (folder / "made").exists()
