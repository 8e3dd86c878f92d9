"""Four hundred canaries go to an engine and come back: none is shown, recorded, exported or told the model."""

from __future__ import annotations

import json

import pytest

from agentloop_nb.notebook.panel.html import plain_text, static_html
from agentloop_nb.record import reading
from tests.cluster.conftest import ON
from tests.isolated.conftest import Notebook, code
from tests.safety.test_canary_sinks import CANARIES
from tests.safety.test_live_canaries import pieces
from tests.wire import Wire

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

KNOWN = CANARIES[:200]
"""What the user's kernel holds; the others come up on the engine alone."""
STEPS = (
    (
        "import json\nvault = {f'token_{n}': value for n, value in enumerate(json.load(open('numbers.json')))}\n"
        "total_token = ' '.join(vault.values())"
    ),
    "print(len(vault), *vault.values())",
    "print(*(value[::-1] for value in vault.values()))\nprint(*(value.encode().hex() for value in vault.values()))",
    "vault",
    "import pandas as pd\nheld = pd.DataFrame({'value': vault.values(), 'n': range(len(vault))})\nheld",
    "open('told.txt', 'w').write(total_token)\nback = list(vault.values())",
    "import sys\nprint(total_token, file=sys.stderr)\nraise ValueError(total_token)",
)


def test_no_canary_on_an_engine_is_shown_or_told(user: Notebook) -> None:
    (user.folder / "numbers.json").write_text(json.dumps(CANARIES))
    user.text(f"held = dict(zip(map('token_{{}}'.format, range(200)), {KNOWN!r}))")
    with Wire(code(*STEPS)) as wire:
        told = user.agent(f"--on {ON} --trust-web", wire, "look at numbers.json")
    assert user.records, told
    state = reading.load(user.records[-1])
    first = state.steps[1].result
    assert first is not None
    assert first.output.startswith("400 "), first.output[:200]
    adopted = user.text("%agent adopt back")
    exported = user.text("%agent export told.ipynb")
    sinks = {
        "cell": told,
        "prompts": json.dumps(wire.bodies),
        "record": user.records[-1].read_text(),
        "panel": static_html(state) + plain_text(state),
        "adopted": adopted,
        "exported": exported,
        "notebook": "".join(path.read_text() for path in user.folder.glob("*.ipynb")),
    }
    assert sinks["record"].count("[secret masked]") >= 400
    assert {place: pieces(text)[:3] for place, text in sinks.items() if pieces(text)} == {}
