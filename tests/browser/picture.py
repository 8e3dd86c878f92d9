"""Makes the README's pictures from a real run, live and finished: `python -m tests.browser.picture docs`."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, REPOSITORY, Page, Server
from tests.wire import Reply, Wire, decision, finish

GOAL = "%%agent --budget 0.05 Which region sells best? Show the months as a chart."
LOOK = """import pandas as pd

sales = pd.read_csv('sales.csv', parse_dates=['date'])
sales['amount'] = sales.units * sales.price
sales.head(3)"""
CHART = """month = sales.date.dt.strftime('%b')
months = sales.pivot_table('amount', month, 'region', 'sum', sort=False)
ax = months.plot(figsize=(6.4, 2.1), lw=2, xlabel='', ylabel='amount')
ax.legend(ncol=3, frameon=False)
best = months.sum().idxmax()
share = months.sum() / months.sum().sum()
print(f'best region: {best}, {share.max():.1%}')"""
REPORT = """# Sales by region

The chart shows the monthly amounts of each region; the best one leads in most months.

| region | amount |
|---|---|
"""
SCRIPT = [
    decision("run_code", "Look at the table before anything else.", code=LOOK),
    decision("run_code", "Total the regions.", code="sales.groupby('Region').amount.sum()"),
    decision("run_code", "The column is called region: draw the months, one line a region.", code=CHART),
    Reply(
        text=json.dumps(decision("write_file", "Keep the numbers as a file.", filename="report.md", content=REPORT)),
        pace=0.4,
        size=10,
    ),
    finish("**North** sells best: 41.5% of the revenue. Step 3 shows each region's months."),
    finish("**North** sells best: 41.5% of the revenue. Step 3 shows each region's months."),
]


def main(folder_of_pictures: Path) -> None:
    """Run the script in JupyterLab; keep what a person sees while the fourth step is written, and what is left."""
    with tempfile.TemporaryDirectory() as folder, Wire(SCRIPT) as wire, sync_playwright() as player:
        shutil.copy(REPOSITORY / "notebooks" / "data" / "sales.csv", folder)
        variables = {"OPENAI_BASE_URL": wire.base_url, "OPENAI_MODEL": "gpt-4o-mini"}
        server = Server(Path(folder), environment=variables)
        browser = player.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        try:
            view = browser.new_page(viewport={"width": 920, "height": 1000}, device_scale_factor=1.5)
            page = Page(view, server, "lab")
            page.open(server.notebook("sales.ipynb", "%load_ext agentloop_nb", GOAL))
            page.run_all()
            expect(page.card(4)).to_have_attribute("data-state", "writing", timeout=60_000)
            page.card(3, "summary").first.click()
            expect(page.card(4, ".agl-code pre")).to_contain_text("# Sales", timeout=60_000)
            view.mouse.move(5, 5)
            view.wait_for_timeout(500)
            folder_of_pictures.mkdir(parents=True, exist_ok=True)
            page.panel().first.screenshot(path=folder_of_pictures / "panel.png")
            expect(view.locator(".agl-next")).to_be_visible(timeout=60_000)
            view.set_viewport_size({"width": 920, "height": 1200})
            view.wait_for_timeout(500)
            view.locator(".agentloop-run").screenshot(path=folder_of_pictures / "finished.png")
            page.close()
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
