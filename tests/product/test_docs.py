"""The docs tell the truth: their Python runs, their tables are what the code says, their links lead somewhere.

Every `python` block of a page runs as a cell, in order, in one fresh kernel per page. A block that cannot run here says
why in a comment above it: `<!-- not run: it asks for a key -->`. Where a goal needs a model, a scripted server takes
the decisions.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.product.tables import PAGES, REFERENCE, TABLES, found
from tests.wire import Wire, decision, finish

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in WRITTEN]


def code(source: str) -> dict:
    return decision("run_code", "The next thing to do.", code=source)


DECISIONS = {
    "guides/actions.md": [
        decision(
            "query",
            "I add them up.",
            sql="SELECT share, sum(pieces)::INTEGER AS pieces FROM orders GROUP BY share ORDER BY share",
            into="held",
        ),
        finish("`held` says it: 7 of ACME, 5 of INIT."),
        decision("price", "There is a function for it.", ticker="ACME", into="worth"),
        finish("12.5"),
    ],
    "guides/data.md": [
        code("sales.groupby('Region').amount.sum()"),
        code(
            "months = sales.pivot_table('amount', sales.date.dt.month, 'region', 'sum')\n"
            "best = months.sum().idxmax()\nmonths.plot()\nprint('best region:', best)"
        ),
        finish("North sells best."),
        code("months.plot.bar()"),
        finish("The bar chart shows the months."),
    ],
    "guides/cost.md": [
        code("squares = [n * n for n in range(1, 11)]\nprint(squares)"),
        finish("`squares` holds them."),
    ],
    "guides/privacy.md": [
        code("mean_stay = patients.stay.mean()\nprint(mean_stay)"),
        finish("`mean_stay` holds the mean."),
    ],
    "guides/safety.md": [code("ordered = sorted(numbers)\nprint(ordered)"), finish("`ordered` holds them.")],
    "guides/sharing.md": [code("total = sum(prices) * 1.19\nprint(round(total, 2))"), finish("`total` holds it.")],
}
"""What the model decides on the pages that ask one."""
SHOWN = {
    "guides/actions.md": ["read_document", "INIT", "12.5"],
    "start.md": ["finished"],
    "guides/data.md": ["KeyError", "North", "best", "is taken back"],
    "guides/research.md": ["finished"],
    "guides/cost.md": ["$0.0"],
    "guides/privacy.md": ["5.33"],
    "guides/safety.md": ["[1, 1, 2, 3, 4, 5, 6, 9]"],
    "guides/sharing.md": ["Reproduced"],
    "guides/teaching.md": ["finished"],
    "guides/ci.md": ["finished", "True"],
}
"""What a reader has to see on each page that runs."""


def blocks(text: str) -> list[str]:
    """The `python` blocks of a page that run."""
    found = re.findall(r"(<!-- not run: [^\n]+ -->\n)?^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [source for excused, source in found if not excused]


def shown(notebook: nbformat.NotebookNode) -> str:
    """All that stands below the cells."""
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    return "\n".join(str(each.get("text") or dict(each.get("data", {}))) for each in outputs)


def test_every_page_that_has_code_is_expected_to_show_something():
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if blocks(page.read_text(encoding="utf-8"))}
    assert pages == set(SHOWN)


@pytest.mark.kernel
@pytest.mark.parametrize("page", SHOWN)
def test_the_code_of_a_page_runs(page, tmp_path, environment):
    for name in ("data", "records"):
        shutil.copytree(ROOT / "notebooks" / name, tmp_path / name)
    cells = [nbformat.v4.new_code_cell(source) for source in blocks((DOCS / page).read_text(encoding="utf-8"))]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}})
    with Wire(DECISIONS.get(page, [])) as wire:
        client.execute(env=environment | {"OPENAI_BASE_URL": wire.base_url, "OPENAI_API_KEY": "of-this-test-alone"})
        assert len(wire.requests) == len(DECISIONS.get(page, []))
    for words in SHOWN[page]:
        assert words in shown(notebook)


@pytest.mark.parametrize("head", PAGES)
def test_the_tables_are_what_follows_from_the_tables_of_settings_and_commands(head):
    """`python -m tests.product.tables` writes them."""
    assert found((REFERENCE / PAGES[head]).read_text(encoding="utf-8"), head) == TABLES[head]()


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub and the docs name them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_fetched_to_read_a_page(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.findall(r"!\[[^]]*\]\(https?:", text)


def test_the_gallery_shows_every_report_as_a_small_page_that_fetches_nothing():
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    linked = re.findall(r'<a href="gallery/([\w-]+\.html)">', page)
    assert sorted(linked) == sorted(path.name for path in (DOCS / "gallery").iterdir())
    assert re.findall(r'<iframe src="gallery/([\w-]+\.html)"', page) == linked
    for name in linked:
        report = (DOCS / "gallery" / name).read_text(encoding="utf-8")
        assert "Reproduced" in report
        assert len(report) < 200_000
        assert not re.search(r"<script|<link|src=(?!\"data:)|url\((?!data:)|@import", report)


@pytest.mark.parametrize("path", sorted([*DOCS.glob("*.png"), *DOCS.glob("*.webp")]), ids=lambda path: path.name)
def test_pictures_load_quickly(path):
    assert path.stat().st_size < 400_000
