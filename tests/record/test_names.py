"""Which names a cell defines, changes and uses."""

from __future__ import annotations

import pytest

from agentloop_nb.export.dependencies import names_of

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
