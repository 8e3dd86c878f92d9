"""An alias that everybody imports in one way is imported for the code that forgot to."""

from __future__ import annotations

import pytest

from agentloop_nb.actions.usual_imports import not_imported
from agentloop_nb.testing import code, finish


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("np.zeros(3)", ["np"]),
        ("df = pd.DataFrame()\nplt.plot(df)", ["pd", "plt"]),
        ("import numpy as np\nnp.zeros(3)", []),
        ("from a import b as plt\nplt()", []),
        ("for pd in x:\n    print(pd)", []),
        ("def f(np):\n    return np.x", []),
        ("sns = 1\nsns", []),
        ("plt = make()\nplt.show()", []),
        ("%matplotlib inline\nplt.plot()", []),
        ("print('np')", []),
        ("def f(:", []),
    ],
)
def test_aliases_that_nothing_binds_are_found(source, missing):
    assert not_imported(source) == missing


async def test_code_runs_with_the_import_and_is_recorded_so(scenario):
    s = scenario([code("np.zeros(3)"), finish()])
    state = await s.run()
    assert s.workspace.ran == ["import numpy as np\nnp.zeros(3)"]
    assert state.steps[0].decision.action.code == "import numpy as np\nnp.zeros(3)"


async def test_a_name_that_the_person_has_stays_theirs(scenario, monkeypatch):
    s = scenario([code("np.zeros(3)"), finish()])
    monkeypatch.setattr(s.workspace, "variables", lambda names: dict.fromkeys(names, "mine"))
    await s.run()
    assert s.workspace.ran == ["np.zeros(3)"]
