"""What leaves the machine, read off the bodies that a server received."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import errors, text
from tests.wire import Wire, decision, finish

DATA = """import pandas as pd
people = pd.DataFrame({'name': ['Zebedee', 'Quentin'], 'salary': [91234, 87654]})
notes = {'secretive': 'Wolfgang'}
word = 'Xanadu'"""
VALUES = ("Zebedee", "Quentin", "91234", "87654", "Wolfgang", "Xanadu", "178888")
STEPS = [
    decision("run_code", code="print(people)\npeople"),
    decision("run_code", code="first = people.name[0]\nprint(f'{first} earns', people.salary.sum())"),
    decision("run_code", code="raise ValueError(f'no row for {people.name[1]}')"),
    decision("run_code", code="lookup = {'a': 1}[people.name[0]]"),
    decision("run_code", code="import matplotlib.pyplot as plt\npeople.salary.plot();"),
    finish("done"),
    finish("again"),
]


@pytest.mark.parametrize("level", ["schema", "none"])
def test_no_value_leaves(run_notebook, level):
    with Wire(STEPS) as wire:
        cells = [
            "%load_ext agentloop_nb",
            DATA,
            f"%%agent -m scripted --privacy {level} look",
            "_agent.status",
            f"%%agent -m scripted --privacy {level} look again",
        ]
        notebook = run_notebook(cells, wire)
    assert errors(notebook) == []
    assert text(notebook, 3) == "'finished'"
    card = notebook.cells[2].outputs[0].data["text/html"]
    assert "Zebedee" in card, "the card shows what the model may not see"
    assert "no row for Quentin" in card.partition("</summary>")[2].partition("Traceback")[0]
    assert "(message withheld)" not in card
    sent = json.dumps(wire.bodies)
    assert [value for value in VALUES if value in sent] == []
    assert "data:image" not in sent
    assert ("salary" in json.dumps(wire.bodies[0])) == (level == "schema"), "columns are told, or not"
    assert "people" in sent
    assert "ValueError" in sent
