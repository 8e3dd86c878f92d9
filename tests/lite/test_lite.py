"""Notebooks of this project in a browser, with no server behind them and nothing else to reach."""

from __future__ import annotations

import ast
from pathlib import Path

from agentloop_nb.verify import verify
from tests.lite.conftest import Lite, told
from tests.wire import Wire, decision, finish

DAYS = {"Mon": 97, "Tue": 103, "Wed": 103, "Thu": 111, "Fri": 137, "Sat": 171, "Sun": 86}


def test_the_quickstart_runs_without_a_server_and_its_export_is_proven_elsewhere(lite: Lite, tmp_path: Path) -> None:
    lite.open("01-quickstart.ipynb")
    load, run, numbers, same, status, steps, export = lite.run_all()
    assert told(load) == ""
    assert "agent: finished, 5 of 50 steps" in told(run)
    assert "Saturday sells most" in told(run)
    assert ast.literal_eval(told(numbers)) == DAYS
    assert told(same) == "(True, 54)"
    assert told(status) == "('finished', 5, 0.0)"
    assert told(steps).count("-> ok") == 4, "and one error, which is repaired"
    assert "Exported to cafe-run.ipynb: written, not proven: a browser has no second kernel" in told(export)
    assert [address for address in lite.refused if "/nh3-" not in address] == []
    for name in ("cafe-run.ipynb", "cafe.csv"):
        (tmp_path / name).write_text(lite.content(name), encoding="utf-8")
    verdict = verify(tmp_path / "cafe-run.ipynb")
    assert verdict.ok, verdict.text
    assert verdict.checked > 0


def test_research_is_answered_from_the_record(lite: Lite) -> None:
    lite.open("03-research.ipynb")
    _, run, _, sources, counts = lite.run_all()
    assert "agent: finished, 6 of 50 steps" in told(run)
    assert told(sources).splitlines() == [
        *("found https://calendar.example.org/julian", "found https://calendar.example.org/gregorian"),
        *("read  https://calendar.example.org/julian", "read  https://calendar.example.org/gregorian"),
    ]
    assert told(counts) == "(100, 97)"


def test_a_model_that_lets_pages_ask_works_too_and_what_a_browser_cannot_do_is_said(lite: Lite) -> None:
    script = [
        decision("run_code", code="import asyncio\nkept = 41\nawait asyncio.sleep(600)", timeout=2),
        decision("run_code", code="1/0"),
        decision("search_web", query="anything"),
        decision("run_code", code="kept += 1\nprint(kept)"),
        finish("Done **so**."),
    ]
    with Wire(script) as wire:
        lite.model = wire.base_url
        _, run, results, undone, driven = lite.run(
            "%load_ext agentloop_nb",
            f"%%agent -m scripted --base-url {lite.address}/v1\nTry the limits",
            "for result in _agent.action_results:\n    print((result.error or result.output).splitlines()[0])",
            "%agent undo\nkept",
            "from agentloop_nb import arun_agent, run_agent\nfor isolated in (False, True):\n    try:\n"
            "        run_agent('anything', model='demo', isolated=isolated)\n"
            "    except Exception as error:\n        print(error)\n"
            "print((await arun_agent('anything', model='demo')).status)",
        )
    assert "agent: finished, 5 of 50 steps" in told(run)
    assert told(results).splitlines() == [
        "TimeoutError: stopped after 2 s",
        "ZeroDivisionError: division by zero",
        "a kernel in a browser cannot reach the web, so no search and no page: go on without them",
        "42",
        "Done **so**.",
    ]
    assert told(undone).splitlines()[-1] == "41"
    assert "a browser has no second thread" in told(driven)
    assert "a browser cannot start a process" in told(driven)
    assert told(driven).splitlines()[-1] == "finished"
