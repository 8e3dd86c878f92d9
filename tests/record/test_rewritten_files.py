"""Which files code writes anew: what an earlier run left in them is not needed again."""

from __future__ import annotations

import pytest

from agentloop_nb.export.dependencies import names_of
from agentloop_nb.export.rewritten_files import rewritten
from agentloop_nb.export.slicing import Piece, depended_on


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("open('log.txt', 'w').write('one')", {"log.txt"}),
        ("with open('./a.csv', 'wb') as f, open('b.csv', 'x') as g:\n    f.write(b'')", {"a.csv", "b.csv"}),
        ("Path('a.txt').write_text('x')", {"a.txt"}),
        ("df.to_csv('a.csv')\nplt.savefig('a.png')", {"a.csv", "a.png"}),
        ("out = print(open('a.txt', 'w').write('x'))", {"a.txt"}),
        ("open('log.txt', 'a').write('more')", set()),
        ("open('log.txt', 'r+').write('more')", set()),
        ("open('log.txt').read()", set()),
        ("df.to_csv('a.csv', mode='a')", set()),
        ("if late:\n    open('log.txt', 'w').write('one')", set()),
        ("late and open('log.txt', 'w')", set()),
        ("[open('log.txt', 'w') for _ in rows]", set()),
        ("def f():\n    open('log.txt', 'w')", set()),
        ("for row in rows:\n    open('log.txt', 'w').write(row)", set()),
        ("open(name, 'w').write('one')", set()),
        ("this is no Python", set()),
    ],
)
def test_files_that_are_certainly_written_from_the_start(source, files):
    assert rewritten(source) == files


def piece(source: str, *, reads: str = "", writes: str = "") -> Piece:
    return Piece(source, names_of(source), reads=frozenset(reads.split()), writes=frozenset(writes.split()))


def test_what_wrote_a_file_before_it_was_begun_anew_is_not_brought_along():
    chain = [
        piece("print(open('log.txt', 'a').write(note))", writes="log.txt"),
        piece("open('log.txt', 'w').write('one')", writes="log.txt"),
        piece("open('log.txt', 'a').write('two')", writes="log.txt"),
        piece("open('log.txt').read()", reads="log.txt"),
    ]
    assert depended_on(chain, {3}) == {1, 2, 3}


def test_what_a_file_held_matters_to_code_that_adds_to_it():
    chain = [
        piece("open('log.txt', 'w').write('one')", writes="log.txt"),
        piece("open('log.txt', 'a').write('two')", writes="log.txt"),
        piece("open('log.txt').read()", reads="log.txt"),
    ]
    assert depended_on(chain, {2}) == {0, 1, 2}
