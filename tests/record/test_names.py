"""Which names a cell defines, changes and uses."""

from __future__ import annotations

import pytest

from agentloop_nb.export.dependencies import names_of
from agentloop_nb.export.formats import _plain

MODULES = {"np": "numpy", "plt": "matplotlib", "random": "random", "os": "os"}


@pytest.mark.parametrize(
    ("source", "uses"),
    [
        ("x = y", {"y"}),
        ("x = x + 1", {"x"}),
        ("x = 1\nx + 1", set()),
        ("x += 1", {"x"}),
        ("del x", {"x"}),
        ("if a:\n    b = 1\nprint(b)", {"a", "b"}),
        ("for i in r:\n    t = i", {"r"}),
        ("[i * k for i in r]", {"k", "r"}),
        ("lambda a: a + b", {"b"}),
        ("def f(a, b=c):\n    d = a\n    return d + e", {"c", "e"}),
        ("def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    return g", set()),
        ("def f():\n    global g\n    return g", {"g"}),
        ("class A(B):\n    x = 1\n    y = x + z", {"B", "z"}),
        ("try:\n    f()\nexcept E as e:\n    print(e)", {"f", "E"}),
        ("with open('x') as f:\n    f.read()", set()),
        ("match v:\n    case [a, *rest]:\n        print(a)", {"v"}),
        ("(n := m)", {"m"}),
        ("await f(x)", {"f", "x"}),
        ("%time g(x)", {"g", "x"}),
        ("files = !ls {folder}", {"folder"}),
        ("%%time\ny = x", {"x"}),
        ("%%bash\necho {x}", {"x"}),
        ("%%capture out\nf()", {"f"}),
        ("for x in", set()),
        ("\x00", set()),
    ],
)
def test_uses(source, uses):
    assert names_of(source).uses == uses


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("a.append(1)", {"a"}),
        ("a.b.c = 1", {"a"}),
        ("a[0] = 1", {"a"}),
        ("a['x']['y'] += 1", {"a"}),
        ("del a[0]", {"a"}),
        ("a.head()", set()),
        ("a.dropna(inplace=True)", {"a"}),
        ("print(a)", set()),
        ("f(a)", {"a"}),
        ("Point(a)", set()),
        ("next(a)", {"a"}),
        ("np.sum(a)", set()),
        ("np.random.shuffle(a)", {"a", "module:numpy"}),
        ("np.random.seed(0)", {"module:numpy"}),
        ("plt.style.use('x')", {"module:matplotlib"}),
        ("plt.rcParams['x'] = 1", {"module:matplotlib"}),
        ("%matplotlib inline", {"module:matplotlib"}),
        ("os.environ['x'] = '1'", {"module:os"}),
    ],
)
def test_changes(source, changes):
    assert names_of(source, MODULES).changes == changes


@pytest.mark.parametrize(
    ("source", "script"),
    [
        ("t = '''\n%matters\n!x\n'''", "t = '''\n%matters\n!x\n'''"),
        (
            "%matplotlib inline\nt = '''\n%a\n!b'''\n!ls",
            "pass  # in IPython: %matplotlib inline\nt = '''\n%a\n!b'''\npass  # in IPython: !ls",
        ),
        ("%env X=1\nb = \"\"\"don't\n!keep\n\"\"\"", "pass  # in IPython: %env X=1\nb = \"\"\"don't\n!keep\n\"\"\""),
        ("# don't '''\n!ls\nx = 1", "# don't '''\npass  # in IPython: !ls\nx = 1"),
        ('!echo """\n%time x = 1', 'pass  # in IPython: !echo """\nx = 1  # in IPython: %time x = 1'),
        ("s = f'''{1}\n%a\n'''\n%who", "s = f'''{1}\n%a\n'''\npass  # in IPython: %who"),
        ("x = (7\n%3)", "x = (7\n%3)"),
        ("a = 'it''s'\n!ls", "a = 'it''s'\npass  # in IPython: !ls"),
        ("%%time\ny = '''\n!k\n'''", "  # in IPython: %%time\ny = '''\n!k\n'''"),
        ('q = "\\""\n!ls\nz = """\n!in\n"""', 'q = "\\""\npass  # in IPython: !ls\nz = """\n!in\n"""'),
    ],
)  # fmt: skip
def test_a_script_keeps_what_only_looks_like_a_magic(source: str, script: str) -> None:
    assert _plain(source) == script
