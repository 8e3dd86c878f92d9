"""Every change of the namespace is told, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.conftest import Place
from tests.kernel.world import MAKE, world_of

CHANGES: dict[str, list[str]] = {
    "df alias box table": [
        "df['new'] = 1", "df['a'] = df['a'] * 2", "del df['a']", "df.pop('b')", "df.insert(0, 'z', 9)",
        "df.drop(columns='a', inplace=True)", "df.sort_values('a', inplace=True)", "df.dropna(inplace=True)",
        "df.rename(columns={'a': 'A'}, inplace=True)", "df.columns = list('xyz')", "df.index = [7, 8, 9]",
        "df.loc[0, 'a'] = 100", "df.iloc[1, 2] = 7.5", "df.at[2, 'b'] = 'changed'", "df.loc[df.a > 1, 'a'] = 0",
        "df.loc[10] = [1, 'n', 2.0]", "df.reset_index(inplace=True)", "df.set_index('a', inplace=True)",
        "df.fillna({'c': 0}, inplace=True)", "df.replace('x', 'X', inplace=True)", "df.drop_duplicates('c', inplace=True, keep=False) ; df.drop(0, inplace=True)",
        "df.attrs['source'] = 'web'", "df.index.name = 'id'", "df.clip(upper=2, inplace=True) if False else df.__setitem__('a', 5)",
        "df[['a', 'c']] = 0", "df.iloc[:, 0] = 1", "df.iloc[::-1, 0] = [9, 9, 8]", "df.eval('e = a + 1', inplace=True)", "df.update(pd.DataFrame({'a': [50]}))",
        "alias['new'] = 1", "box[0].loc[0, 'a'] = 5", "table['frame']['q'] = 1", "for each in box[:1]: each['loop'] = 1",
        "[frame.drop(0, inplace=True) for frame in (df,)]", "(lambda t: t.insert(0, 'l', 1))(df)", "setattr(df, 'columns', list('pqr'))",
    ],
    "wide": ["wide['j'] = 0", "wide.iloc[3, 9] = -1", "wide *= 2", "wide.loc[:, 'a':'c'] = 1", "wide.drop(wide.index, inplace=True)"],
    "times": ["times.index = times.index.tz_localize('UTC')", "times['v'] = times['v'].astype(float)", "times.sort_index(ascending=False, inplace=True)"],
    "cats": ["cats[0] = 'v'", "cats.name = 'other'", "cats.index = [5, 6, 7]"],
    "s": ["s['x'] = 10", "s.iloc[1] = 0", "s.drop('x', inplace=True)", "s += 1", "s.sort_values(ascending=False, inplace=True)", "s.name = 'renamed'", "s['new'] = 4", "s[:] = 0", "s.fillna(1, inplace=True); s['y'] = 9", "s.clip(lower=2.5, inplace=True)"],
    "objects": ["objects[0].append(2)", "objects[1]['k'] = 3", "objects[2] = 'other'"],
    "arr view box": ["arr += 1", "arr[3] = 100", "arr[2:4] = 0", "arr.sort() or arr.__setitem__(2, -1)", "view[:] = 7", "view[0] = -5", "np.multiply(arr, 2, out=arr)", "arr[arr > 2] = 0", "np.random.default_rng(3).shuffle(arr[2:6])", "arr.fill(9)", "arr.flat[3] = 50", "np.copyto(arr, 1)", "np.put(arr, [3], 99)", "box[1][3] = 77"],
    "grid": ["grid[0, 0] = 5", "grid[:, 1] *= 2", "grid.T[0, 1] = 9", "grid.reshape(-1)[5] = -1", "grid.shape = (4, 3)", "grid[[0, 1]] = grid[[1, 0]]", "grid.partition(1); grid[0, 0] = -9", "grid[1:, 1:] = 0"],
    "fortran": ["fortran[0, 1] = 2", "fortran *= 3"],
    "flags": ["flags[1] = True", "flags ^= True"],
    "words": ["words[0] = 'changed'", "words[:] = 'same'"],
    "record": ["record['i'] = 9", "record[0] = (5, 5.0)"],
    "masked": ["masked[0] = 9", "masked.mask = [1, 1, 1]", "masked[0] = np.ma.masked"],
    "lst": ["lst.append(4)", "lst.sort()", "lst.reverse()", "lst.pop()", "lst.clear()", "lst += [9]", "lst[0] = 0", "del lst[1]", "lst.insert(0, 9)", "lst.extend('ab')", "lst[:] = [1]", "lst[1:2] = []", "lst.remove(3)", "lst *= 2", "grow()", "other = lst; other.append(1)", "(lambda: lst.append(5))()", "list.append(lst, 6)", "getattr(lst, 'append')(7)", "import operator; operator.setitem(lst, 0, 8)"],
    "nested": ["nested[0].append(3)", "nested[1]['k'].append(4)", "nested[2][1].append(6)", "nested[1]['new'] = 1", "nested[0][0] = 9", "for each in nested[:1]: each.clear()"],
    "d": ["d['b'] = 2", "d['a'] = 2", "del d['a']", "d.update(x=1)", "d.pop('n')", "d['n']['z'].append(3)", "d['n']['y'] = 0", "d.clear()", "d.setdefault('c', 3)", "d.popitem()", "d |= {'q': 1}", "grow_later()"],
    "st": ["st.add(4)", "st.remove(1)", "st.clear()", "st |= {9}", "st.discard(2)", "st.pop()"],
    "dq": ["dq.append(4)", "dq.popleft()", "dq.rotate(1)", "dq.extendleft('ab')"],
    "counter": ["counter['a'] += 1", "counter.update('z')", "del counter['b']"],
    "ordered": ["ordered.move_to_end('a')", "ordered['c'] = 3"],
    "default": ["default['new'].append(1)", "default['k'].append(2)", "default['touched']"],
    "raw": ["raw.extend(b'd')", "raw[0] = 0"],
    "tup": ["tup[1].append(4)", "tup = (1, 2)"],
    "p": ["p.x = 0", "p.move(1)", "p.trail.append(1)", "p.new = 1", "del p.y", "p.__dict__['x'] = 7", "vars(p).update(y=0)", "setattr(p, 'x', 1)", "[each.move(2) for each in [p]]"],
    "slotted": ["slotted.a = 2", "slotted.b.append(3)", "del slotted.a"],
    "item": ["item.tags.append('t')", "item.name = 'other'"],
    "Point": ["Point.count += 1", "Point.extra = 1", "del Point.norm"],
    "n": ["n += 1", "n = 'other type'", "del n", "n = 5.0", "globals()['n'] = 6", "exec('n = 7')", "import builtins; globals().update(n=8)", "for n in range(3): pass", "with open('f', 'w') as n: pass", "(n := 3)", "def n(): pass", "class n: pass", "import os as n", "get_ipython().user_ns['n'] = 0", "get_ipython().push({'n': 9})", "%reset_selective -f ^n$"],
    "text": ["text = 'other'", "text += '!'", "text = text.upper()"],
    "nothing": ["nothing = 0"],
    "flag": ["flag = not flag"],
}  # fmt: skip
"""Code by the names it changes. Of several, the first must be told; the others share its object or its memory."""

READS = """
df.head()|df.describe()|df.copy()|df['a'].sum()|df.sort_values('a')|df.dropna()|df.fillna(0)|df.assign(z=1)|df.drop(columns='a')
df.groupby('b').sum(numeric_only=True)|df.to_dict()|df.merge(df)|df.rename(columns=str.upper)|df.apply(len)|len(df)|df.shape|df.dtypes
df.isna().sum()|df.query('a > 1')|df[df.a > 1]|df.iloc[0]|df.loc[0, 'a']|df.T|df.to_csv(index=False)|df.memory_usage(deep=True)|df.plot
df.astype({'a': float})|df.reset_index()|df.values|df.to_numpy()|df.itertuples()|list(df.iterrows())|df == df|df.equals(alias)|repr(df)
df.melt()|df.nunique()|df.corr(numeric_only=True)|df.sample(2)|df.info()|df.select_dtypes('number')|df.pipe(len)|hash(tuple(df.columns))
df.fillna({'zzz': 1}, inplace=True)|df.sort_index(inplace=True)|df.drop(columns=[], inplace=True)|df.loc[0, 'a'] = df.loc[0, 'a']
wide.mean()|wide @ wide.T|wide.cumsum()|wide.max(axis=1)|np.asarray(wide).sum()|wide.rolling(2).mean()|wide.consolidate() if hasattr(wide, 'consolidate') else wide._consolidate_inplace()
times.resample('D').sum()|times.shift(1)|times.index.year|times.loc['2026-01-02']
cats.value_counts()|cats.cat.codes|cats.map(str.upper)|s.mean()|s.apply(abs)|s.sort_values()|s * 2|s.to_list()|s.rank()|s.rename('q')
objects.map(type)|objects.tolist()|objects.map(len)
arr.sum()|arr + 1|np.sort(arr)|arr.copy()|arr.reshape(3, 4)|arr.tolist()|arr[arr > 3]|np.mean(arr)|arr.astype(float)|arr.T|view.sum()
grid @ grid.T|grid.flatten()|grid.max(axis=0)|np.linalg.norm(grid)|grid[0]|grid.T|np.vstack([grid, grid])|grid[0, 0] = grid[0, 0]
fortran.sum()|flags.any()|words.tolist()|record['i']|masked.sum()|masked.filled(0)|arr[:] = arr
lst + [1]|sorted(lst)|lst[::-1]|sum(lst)|lst.copy()|len(lst)|max(lst)|[x * 2 for x in lst]|lst.index(1)|lst.count(1)|list(map(str, lst))|lst = lst
nested[0] + [1]|[len(each) for each in nested]|__import__('copy').deepcopy(nested)|str(nested)|lst.extend([])|lst[:] = lst
d.get('zzz')|list(d.items())|{**d, 'x': 1}|d | {'y': 2}|d.keys()|'a' in d|d.copy()|sorted(d)|d['a'] = d['a']|d.update({})|d.setdefault('a', 9)
st | {9}|st & {1}|len(st)|sorted(st)|st.union([4])|st.add(1)|st.discard(99)|list(dq)|dq.count(1)|counter.most_common()|ordered['a']|default.get('no')
bytes(raw)|raw.find(b'b')|tup[0]|tup + (1,)|p.norm()|p.x|vars(p)|repr(p)|p == p|slotted.a|item == item|item.tags|Point(1, 2)|Point.count
n + 1|text.upper()|f * 2|f'{text} {n}'|not flag|nothing is None|read()|print(n)|n = 5|text = 'text'|flag = True|nothing = None|n = n
__import__('json').dumps(d)|[x for x in range(3)]|(lambda q: q + 1)(n)|any(x == n for x in lst)|%timeit -n1 -r1 sum(lst)|%who|!echo {n}|try: df['nope']\\nexcept KeyError: pass
globals().get('n')|eval('n + 1')|exec('pass')|id(df)|type(arr)|isinstance(df, pd.DataFrame)|locals() is not None|dir()|__import__('gc').collect()
"""
NON_CHANGES = [code.replace("\\n", "\n") for line in READS.strip().splitlines() for code in line.split("|") if code]
MUTATIONS = [(names.split(), code) for names, codes in CHANGES.items() for code in codes]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("work"))


@pytest.fixture
def world(shared: Place, tmp_path: Path) -> Place:
    """The world, fresh, in a workspace of its own."""
    for name in [name for name in shared.names if not name.startswith("_") and name not in shared.shell.user_ns_hidden]:
        del shared.names[name]
    exec(MAKE, shared.names)
    place = Place.__new__(Place)
    place.__dict__.update(vars(shared))
    place.workspace = type(shared.workspace)(shared.shell, web=shared.workspace.web, folder=tmp_path)
    place.steps = 0
    return place


def test_the_corpora_are_as_large_as_promised() -> None:
    assert len({code for _, code in MUTATIONS}) >= 150
    assert len(set(NON_CHANGES)) >= 150


@pytest.mark.parametrize(("names", "code"), MUTATIONS, ids=[code[:50] for _, code in MUTATIONS])
async def test_a_change_is_told_and_can_be_taken_back(world: Place, names: list[str], code: str) -> None:
    before = world_of(world.names)

    outcome = await world.run(code)

    assert outcome.ending == "ok", outcome.error
    after = world_of(world.names)
    told = {change.name for change in outcome.changes}
    assert before != after, "the snippet changes nothing"
    assert names[0] in told
    assert {name for name in before if before[name] != after.get(name)} - told - {"alias", "box", "table"} == set()

    undone = world.workspace.undo(1)

    assert undone.lost == {}
    assert world_of(world.names) == before


@pytest.mark.parametrize("code", NON_CHANGES, ids=[code[:50] for code in NON_CHANGES])
async def test_reading_is_no_change(world: Place, code: str) -> None:
    before = world_of(world.names)

    outcome = await world.run(code)

    assert outcome.ending == "ok", outcome.error
    assert world_of(world.names) == before, "the snippet is no mere reading"
    assert [change.name for change in outcome.changes if change.how != "added"] == []
