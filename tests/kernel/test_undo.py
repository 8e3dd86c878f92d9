"""Undo gives back exactly what was there, however a step went about it; what it cannot give back, it names."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from tests.kernel.conftest import Place
from tests.kernel.test_changes import MUTATIONS
from tests.kernel.world import MAKE, picture, world_of

HOSTILE = """
df.drop(df.index, inplace=True)
del df
globals()['df'] = None
globals().clear() if False else globals().pop('df')
vars()['lst'].clear()
locals()['d'].clear()
exec('df.drop(columns="a", inplace=True)')
eval('lst.clear()')
exec(compile('arr[:] = 0', 'x', 'exec'))
get_ipython().user_ns['lst'].append('hidden')
get_ipython().ex('st.clear()')
get_ipython().run_cell('d.clear()')
__import__('__main__').lst.clear()
__import__('sys').modules['__main__'].d.clear()
[o.clear() for o in __import__('gc').get_objects() if o is globals()['lst']]
getattr(lst, 'cle' + 'ar')()
(lambda x: x.clear())(lst)
for name in ['lst', 'st', 'd']: globals()[name].clear()
for v in list(globals().values()):\\n    if type(v) is list and len(v) == 3: v.append(0)
x = y = lst\\ny.append(1)
pair = (lst, d)\\npair[0].clear(); pair[1].clear()
class Holder: pass\\nh = Holder(); h.inner = df\\nh.inner['q'] = 1
def sneaky(): globals()['n'] = 0\\nsneaky()
def sneaky(frame=df): frame.drop(0, inplace=True)\\nsneaky()
sneaky = lst.append\\nsneaky(5)
import functools\\nfunctools.partial(list.append, lst)(7)
import operator\\noperator.iadd(lst, [1])
it = iter([lst])\\nnext(it).clear()
view[:] = -1
arr.reshape(3, 4)[0, 0] = 99
arr.T[3] = 50
np.ravel(grid)[0] = 7
grid[:].sort(axis=0); grid[0, 0] = 8
memoryview(arr)[3] = 77
arr.data[4] = 78
np.frombuffer(arr, dtype=arr.dtype)[0] = 9 if arr.flags.writeable else 0
np.lib.stride_tricks.as_strided(arr, (3,), (8,))[:] = 4
arr.setflags(write=False)\\nn = 1
box[1][:] = 0
box[0].iloc[:, 0] = 0
table['frame'].insert(0, 'w', 1)
nested[2][1].clear()
nested[1]['k'].append(nested)
lst.append(lst)
d['self'] = d
tup[1].extend(tup)
box.clear()
df.__dict__.clear() if False else setattr(df, '_mgr', df.iloc[:1]._mgr)
next(iter(box)).loc[1, 'a'] = 41
import inspect\\ninspect.currentframe().f_globals['lst'].clear()
objects.iloc[0].append(objects.iloc[1])
p.__class__ = Item if False else Point\\np.__dict__ = {'x': 1, 'y': 1, 'trail': []}
Point.__init__ = lambda self: None
Point.move, Point.norm = Point.norm, Point.move
type(p).count = 99
setattr(Point, 'y', property(lambda self: 0))
item.__dict__.update(name='x', tags=None)
slotted.b = slotted.b + [1]
try:\\n    lst.clear(); raise ValueError\\nfinally:\\n    st.clear()
lst.clear()\\n1 / 0
df['a'] = 0\\nraise KeyboardInterrupt
with open('side.txt', 'w') as out: out.write('x'); lst.append(out.name)
import threading\\nt = threading.Thread(target=lst.clear); t.start(); t.join(); del t
from concurrent.futures import ThreadPoolExecutor\\nwith ThreadPoolExecutor(1) as pool: pool.submit(d.clear).result()
await __import__('asyncio').to_thread(st.clear)
df = df.dropna()\\ndf['a'] = 1\\ndel df
df, lst = lst, df
%reset_selective -f df
%xdel lst
%run -i changer.py
raw[:] = b'zzz'; counter.clear(); ordered.clear(); default.clear(); dq.clear()
""".strip().splitlines()
SNIPPETS = [line.replace("\\n", "\n") for line in HOSTILE]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    exec(MAKE, made.names)
    (tmp_path / "changer.py").write_text("lst.clear(); n = 77\n")
    return made


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(set(SNIPPETS)) >= 60


@pytest.mark.parametrize("code", SNIPPETS, ids=[code[:60].replace("\n", "⏎") for code in SNIPPETS])
async def test_hostile_code_is_taken_back(place: Place, code: str) -> None:
    before = world_of(place.names)

    outcome = await place.run(code)
    after = world_of(place.names)
    assert after != before, "the snippet changes nothing"
    assert [change for change in outcome.changes if change.how != "added"], "the change went unseen"
    place.workspace.undo(1)

    assert world_of(place.names) == before


@pytest.mark.parametrize("seed", range(200))
async def test_any_sequence_of_steps_is_taken_back(seed: int, tmp_path: Path) -> None:
    """Up to six mutations in a row, some of which fail on what the earlier ones left; then any suffix undone."""
    dice = random.Random(seed)
    place = _SHARED.setdefault("place", Place(tmp_path))
    for name in [name for name in place.names if not name.startswith("_") and name not in place.shell.user_ns_hidden]:
        del place.names[name]
    exec(MAKE, place.names)
    place.workspace = KernelWorkspace(place.shell, web=place.workspace.web, folder=tmp_path)
    place.steps = 0
    pictures = [world_of(place.names)]
    for _ in range(dice.randint(1, 6)):
        await place.run(dice.choice(MUTATIONS)[1])
        pictures.append(world_of(place.names))

    first = dice.randint(1, place.steps)
    undone = place.workspace.undo(first)

    assert undone.steps == tuple(range(place.steps, first - 1, -1))
    assert undone.lost == {}
    assert world_of(place.names) == pictures[first - 1]


_SHARED: dict[str, Place] = {}


async def test_undo_names_what_it_cannot_give_back(place: Place) -> None:
    place.names["numbers"] = (n for n in range(5))

    await place.run("next(numbers); lst.append(1)")
    undone = place.workspace.undo(1)

    assert undone.names == ("lst",)
    assert undone.lost == {"numbers": "a generator cannot be taken back"}


async def test_a_variable_too_large_to_copy_is_watched_and_named(tmp_path: Path) -> None:
    place = Place(tmp_path, large=np.zeros(1000), small=np.zeros(10))
    place.workspace = KernelWorkspace(place.shell, web=place.workspace.web, folder=tmp_path, memory=1000)

    outcome = await place.run("large[500] = 1; small[5] = 1")
    told = {change.name: change.restorable for change in outcome.changes}
    undone = place.workspace.undo(1)

    assert told == {"large": False, "small": True}
    assert [note for note in outcome.notes if "of what large held before" in note and "--undo-memory" in note]
    assert undone.lost == {"large": "it was too large to copy"}
    assert place.names["small"].sum() == 0
    assert place.names["large"][500] == 1


async def test_a_variable_with_too_many_parts_is_named(tmp_path: Path) -> None:
    place = Place(tmp_path, rows=[{"n": n} for n in range(60_000)])

    await place.run("rows[0]['n'] = -1; rows[-1]['n'] = -2")
    undone = place.workspace.undo(1)

    assert undone.lost == {"rows": "it has too many parts to be saved whole"}


async def test_old_copies_are_given_up_before_memory_runs_out(tmp_path: Path) -> None:
    place = Place(tmp_path, big=np.zeros(50_000))
    place.workspace = KernelWorkspace(place.shell, web=place.workspace.web, folder=tmp_path, memory=1_000_000)

    outcomes = [await place.run(f"big[:] = {number}") for number in range(1, 5)]
    undone = place.workspace.undo(1)

    assert [outcome.notes for outcome in outcomes[:2]] == [(), ()]
    assert "changed by step 1 cannot be taken back any more" in outcomes[2].notes[0]

    assert undone.lost == {"big": "its copy was given up to save memory"}
    assert place.names["big"][0] == 2, "the last two steps are taken back"


async def test_lazily_saved_tables_count_as_what_they_keep_alive(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.zeros(3_000_000), "b": np.zeros(3_000_000)})  # beyond LAZY_FRAME
    place = Place(tmp_path, frame=frame)
    place.workspace = KernelWorkspace(place.shell, web=place.workspace.web, folder=tmp_path, memory=60_000_000)

    outcomes = [await place.run(f"frame.iloc[:, :] = {number}.0") for number in range(1, 4)]

    assert "changed by step 1 cannot be taken back any more" in outcomes[1].notes[0]
    assert "changed by step 2 cannot be taken back any more" in outcomes[2].notes[0]


async def test_what_a_step_only_read_is_not_kept(tmp_path: Path) -> None:
    large = np.ones(1_000_000)
    place = Place(tmp_path, large=large, box=[large, [1]], lst=[1])
    tracemalloc.start()

    for _ in range(3):
        await place.run("total = large.sum(); box[1].append(2); lst.append(3)")
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert held < large.nbytes, "copies of what did not change are let go"
    assert place.workspace.past.size < 10_000
    assert place.workspace.undo(1).lost == {}
    assert place.names["box"][1] == place.names["lst"] == [1]


SINCE = {
    "n = 6": "n",
    "df = df.head(1)": "df",
    "lst = ['mine']": "lst",
    "made = 'mine now'": "made",
    "gone = 'here again'": "gone",
    "lst.append('mine')": "lst",
    "df.loc[0, 'a'] = 77": "df",
    "arr[7] = 77": "arr",
    "d['mine'] = 1": "d",
    "p.x = 77": "p",
    "made.append('mine')": "made",
}
"""What a user may do after a run, by the one name that undo then leaves as it is."""


@pytest.mark.parametrize("since", SINCE)
async def test_what_the_user_changed_since_stays_and_is_named(place: Place, since: str) -> None:
    name = SINCE[since]
    place.names["gone"] = [1]
    before = world_of(place.names)
    await place.run("n = 1; df['q'] = 1; lst.append(1); arr[0] = 9; d['q'] = 1; p.x = 0; made = [0]; del gone")
    exec(since, place.names)
    mine = picture(place.names[name])

    planned = place.workspace.plan(1)
    undone = place.workspace.undo(1)

    assert name in undone.lost
    assert "since" in undone.lost[name]
    assert planned == undone
    assert picture(place.names[name]) == mine
    entangled = {"alias", "box", "table", "view"} if name in ("df", "arr") else set()
    after = world_of(place.names)
    assert {each for each in before if before[each] != after.get(each)} <= {name} | entangled


@pytest.mark.parametrize(
    "reading",
    [
        *("df.describe(); df.values; df.sum(numeric_only=True)", "repr(p); p.norm()", "sorted(lst); arr.sum()"),
        *("made[0]", "del made"),
    ],
)
async def test_what_was_only_read_since_is_put_back(place: Place, reading: str) -> None:
    before = world_of(place.names)
    await place.run("df['q'] = 1; df['r'] = 2.0; lst.append(1); arr[0] = 9; p.x = 0; made = [0]")
    exec(reading, place.names)

    undone = place.workspace.undo(1)

    assert undone.lost == {}
    assert world_of(place.names) == before


async def test_what_the_user_changed_between_two_steps_stays_too(place: Place) -> None:
    await place.run("n = 1; lst.append(1)")
    exec("n = 50; lst.append('mine')", place.names)
    await place.run("n += 1; lst.append(2)")

    undone = place.workspace.undo(1)

    assert undone.lost.keys() == {"n", "lst"}
    assert place.names["n"] == 50
    assert place.names["lst"] == [3, 1, 2, 1, "mine"]


async def test_one_name_is_restored_to_what_it_was_before_the_run(place: Place) -> None:
    df = place.names["df"]
    frame = df.copy()

    await place.run("df.drop(0, inplace=True)")
    await place.run("df = df.assign(q=1); lst.append(9)")

    assert place.workspace.restore("df")
    assert place.names["df"] is df
    pd.testing.assert_frame_equal(df, frame)
    assert place.names["lst"] == [3, 1, 2, 9]
    assert not place.workspace.restore("arr"), "it was not touched"
