"""A path with a home folder that nobody knows is one clear line, wherever a path is typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agentloop_nb import demo, verify
from agentloop_nb.errors import UserError
from agentloop_nb.export import export
from agentloop_nb.models.prices import read_price
from agentloop_nb.models.registry import create
from agentloop_nb.record import locating
from agentloop_nb.settings import Settings
from agentloop_nb.verify.certified_export import publish

NOWHERE = "~nosuchuser/{}"
KEY = {"OPENAI_API_KEY": "sk-test-0123456789abcdef0123456789"}

TYPED: dict[str, Callable[[], object]] = {
    "--model": lambda: create(Settings(model=f"replay:{NOWHERE.format('run.jsonl')}"), {}),
    "AGENTLOOP_CACHE": lambda: create(Settings(model="gpt-4o-mini", cache=NOWHERE.format("cache")), KEY),
    "AGENTLOOP_PRICE": lambda: read_price(NOWHERE.format("prices.toml"), "some-model"),
    "RUN": lambda: locating.find(NOWHERE.format("run.jsonl"), Path()),
    "--export": lambda: export(demo.RECORD, Path(NOWHERE.format("run.ipynb"))),
    "--share": lambda: publish(demo.RECORD, Path(NOWHERE.format("folder")), shared=True),
    "verify": lambda: verify.verify(NOWHERE.format("run.ipynb")),
}


@pytest.mark.parametrize("where", TYPED)
def test_an_unknown_home_folder_is_told(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UserError, match=r"~nosuchuser is no folder known here.*write the path in full"):
        TYPED[where]()

    assert list(tmp_path.iterdir()) == [], "nothing was written under that name"
