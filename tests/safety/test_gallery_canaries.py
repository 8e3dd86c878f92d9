"""The reports of the gallery: made among four hundred canaries they tell none; the shipped ones hold no secret."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from agentloop_nb.safety.secret_files import gives_away
from agentloop_nb.safety.secrets import shapes_in
from tests.product import gallery
from tests.safety.test_canary_sinks import CANARIES, FORMS
from tests.safety.test_live_canaries import pieces

SHIPPED = sorted(Path(__file__).parents[2].joinpath("docs", "gallery").glob("*.html"))


@pytest.mark.kernel
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", gallery.REPORTS)
def test_a_report_made_among_canaries_tells_none(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, value in enumerate(CANARIES):
        monkeypatch.setenv(f"CANARY_{number}_TOKEN", value)
    monkeypatch.setenv("OPENAI_API_KEY", CANARIES[0])
    monkeypatch.setattr(
        gallery, "DEMO", (*gallery.DEMO[:1], f"notes = {[FORMS[1](each) for each in CANARIES]}", gallery.DEMO[1])
    )
    page = gallery.write(name, gallery.REPORTS[name], tmp_path).read_text()
    assert len(page) > 3_000
    assert pieces(page) == []


def test_the_shipped_reports_hold_no_secret_nor_whose_machine_made_them() -> None:
    assert [path.stem for path in SHIPPED] == sorted(gallery.REPORTS)
    for path in SHIPPED:
        page = path.read_text()
        assert shapes_in(page) == []
        assert not gives_away(path.read_bytes(), lambda _: False)
        assert str(Path.home()) not in page
        assert f"/home/{getpass.getuser()}" not in page
