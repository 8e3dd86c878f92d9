"""The runs behind `agentloop demo` and `notebooks/`: scripted decisions, recorded by really running them.

`python -m tests.product.demos`, from the repository's root, makes the records and then the notebooks' outputs again
(`CAFE`: that record only).
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from agentloop_nb import __version__
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.agent.loop import Loop
from agentloop_nb.events import RunStarted
from agentloop_nb.notebook.kernel.kernel_workspace import KernelWorkspace
from agentloop_nb.protocols import Page, SearchHit
from agentloop_nb.record import journal, locating
from agentloop_nb.settings import Settings
from agentloop_nb.state import State
from agentloop_nb.testing import FakeWeb, ScriptedModel, decide

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "notebooks" / "records"


SCRIPTED = "No model took these decisions: they were written by hand. Everything they led to really happened."


SUMMARY = """\
**Saturday sells most: 171 cups on a dry day.** Friday follows with 137; Sunday is the weakest day, with 86.

**Rain costs 4 to 13 % from Monday to Thursday, and 19 to 24 % from Friday to Sunday.**
A wet Saturday sells 37 cups less than a dry one.

Two of the 56 days (2 and 18 April) say *closed* and are left out. The chart is in `cafe.svg`, \
the daily means are in the variable `means`.
"""


@dataclass(frozen=True)
class Demo:
    """A goal, the decisions a model might take, and what the web would have answered."""

    record: Path
    goal: str
    decisions: Sequence[Mapping[str, Any]]
    hits: Sequence[SearchHit] = ()
    pages: Sequence[Page] = ()
    data: Sequence[str] = ()
    """Files of the package that lie in the folder when it begins."""
    mistakes: int = 0
    """Steps that fail, and are repaired."""
    before: str = ""
    """Code of the notebook's cells that ran before."""

    @property
    def web(self) -> FakeWeb:
        return FakeWeb(self.hits, {page.url: page for page in self.pages})


CAFE = Demo(
    ROOT / "agentloop_nb" / "demo" / "cafe.jsonl",
    "Which day of the week sells most coffee in cafe.csv, and what does rain cost? Draw a chart.",
    (
        decide(
            "run_code",
            "I look at the file before I count anything: what a row is, and what values there are.",
            code="""\
import csv

with open("cafe.csv", newline="") as file:
    rows = list(csv.DictReader(file))

print(len(rows), "days from", rows[0]["date"], "to", rows[-1]["date"])
print("weather:", sorted({row["weather"] for row in rows}))
rows[:3]""",
        ),
        decide(
            "run_code",
            "One row a day, with its weekday, its weather and the cups sold. I add up the cups of each weekday.",
            code="""\
cups = {}
for row in rows:
    cups.setdefault(row["weekday"], []).append(int(row["cups"]))

{day: sum(sold) for day, sold in cups.items()}""",
        ),
        decide(
            "run_code",
            "On some days `cups` says closed. A closed day is not a day without customers, so I leave it out, and I "
            "take means, because the weekdays now differ in number.",
            code="""\
from statistics import mean

opened = [row for row in rows if row["cups"].isdigit()]
print("left out:", [row["date"] for row in rows if row not in opened])

days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def sold(day, weather):
    return mean(int(row["cups"]) for row in opened if row["weekday"] == day and row["weather"] == weather)


means = {day: (sold(day, "dry"), sold(day, "rain")) for day in days}
print("day    dry  rain  lost")
for day, (dry, rain) in means.items():
    print(f"{day}  {dry:6.0f}{rain:6.0f}{1 - rain / dry:6.0%}")""",
        ),
        decide(
            "run_code",
            "A chart shows both answers at once: the tall bar is the best day, the gap beside it is the rain.",
            code="""\
from pathlib import Path

from IPython.display import display

parts = []
for place, (day, pair) in enumerate(means.items()):
    for offset, value, colour in ((0, pair[0], "#d98a29"), (26, pair[1], "#4a7fb5")):
        x, height = 40 + place * 76 + offset, value
        parts.append(f'<rect x="{x}" y="{230 - height:.0f}" width="24" height="{height:.0f}" fill="{colour}"/>')
        parts.append(f'<text x="{x + 12}" y="{225 - height:.0f}" font-size="10">{value:.0f}</text>')
    parts.append(f'<text x="{65 + place * 76}" y="248" font-size="12">{day}</text>')

svg = Path("cafe.svg")
svg.write_text(f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 580 260" width="580" height="260">
<rect width="580" height="260" fill="white"/>
<g font-family="sans-serif" text-anchor="middle" fill="#333">
<text x="290" y="22" font-size="14">Cups of coffee a day</text>
<rect x="448" y="32" width="10" height="10" fill="#d98a29"/><text x="473" y="41" font-size="11">dry</text>
<rect x="502" y="32" width="10" height="10" fill="#4a7fb5"/><text x="528" y="41" font-size="11">rain</text>
{"".join(parts)}
</g></svg>''')
display({"image/svg+xml": svg.read_text(), "text/plain": "Cups of coffee a day by weekday, dry and rain"}, raw=True)""",
        ),
        decide(
            "finish",
            "The table and the chart answer both questions.",
            summary=SUMMARY,
            artifacts=["cafe.svg"],
        ),
    ),
    data=("cafe.csv",),
    mistakes=1,
)

SALES = Demo(
    RECORDS / "sales.jsonl",
    "Plot the revenue in `sales` by month, one line a region, and leave the monthly table in `monthly`.",
    (
        decide(
            "run_code",
            "Before I plot I look at types and gaps: a missing number of units would silently become a dip.",
            code="""\
print(sales.dtypes)
print()
print("rows:", len(sales), " missing:", sales.isna().sum().to_dict())
sales[sales["units"].isna()]""",
        ),
        decide(
            "run_code",
            "Two rows have no units. I leave them out, say so, and keep your table as it is by working on a copy.",
            code="""\
import pandas as pd
import matplotlib.pyplot as plt

known = sales.dropna(subset=["units"]).copy()
known["month"] = pd.to_datetime(known["date"]).dt.to_period("M").astype(str)
known["revenue"] = known["units"] * known["price"]
monthly = known.pivot_table(index="month", columns="region", values="revenue", aggfunc="sum")

figure, axes = plt.subplots(figsize=(8, 3.5))
monthly.plot(ax=axes, marker="o")
axes.set(title="Revenue by month, 2025", xlabel="", ylabel="US dollars")
axes.legend(title="")
plt.show()
monthly.round(0).tail(3)""",
        ),
        decide(
            "finish",
            "The figure shows what was asked for and the table is in place.",
            summary="The figure shows revenue by month and region; **North leads all year, and West gains ground**. "
            "Two of the 72 rows have no units (March, South, desk; September, North, lamp) and are left out, so "
            "those two points are too low. The table is in `monthly` (12 months x 3 regions); `sales` is as it was.",
        ),
    ),
    before='import pandas as pd\nsales = pd.read_csv("data/sales.csv")',
)

BAR_CHART = Demo(
    RECORDS / "bar-chart.jsonl",
    "now make it a bar chart",
    (
        decide(
            "run_code",
            "The monthly table of the run before is still in `monthly`, so nothing has to be computed again.",
            code="""\
figure, axes = plt.subplots(figsize=(8, 3.5))
monthly.plot.bar(ax=axes, stacked=True, width=0.8)
axes.set(title="Revenue by month, 2025", xlabel="", ylabel="US dollars")
axes.legend(title="")
plt.show()""",
        ),
        decide(
            "finish",
            "The chart is drawn from the same numbers.",
            summary="The same numbers as stacked bars: the height of a bar is the revenue of all regions together.",
        ),
    ),
    before=SALES.before + "\n" + "\n".join(str(each["action"].get("code", "")) for each in SALES.decisions),
)

JULIAN = Page(
    url="https://calendar.example.org/julian",
    title="The Julian calendar",
    text="""\
The Julian calendar adds a day in every fourth year, without exception. Its mean year is therefore 365.25 days.

The tropical year, from one spring equinox to the next, is shorter: about 365.2422 days. The difference of some eleven
minutes a year adds up to about a day in 128 years, so that over the centuries the equinox moved to earlier dates.""",
)
GREGORIAN = Page(
    url="https://calendar.example.org/gregorian",
    title="The Gregorian reform of 1582",
    text="""\
The Gregorian calendar keeps the fourth-year rule but drops the leap day in years divisible by 100 unless they are also
divisible by 400. 1900 was no leap year; 2000 was one.

In 400 years there are thus 97 leap days instead of 100, and the mean year is 365.2425 days. When the reform took
effect, Thursday 4 October 1582 was followed by Friday 15 October 1582: ten days were left out.""",
)
LEAP_YEARS = Demo(
    RECORDS / "leap-years.jsonl",
    "Research how the leap-year rules of the Julian and the Gregorian calendar differ, check the numbers by computing "
    "them, and write a short report with its sources to leap_years.md.",
    (
        decide(
            "search_web",
            "I look for a source on each of the two calendars.",
            query="Julian Gregorian calendar leap year rule difference",
            num_results=2,
        ),
        decide("read_url", "The older rule first.", url=JULIAN.url),
        decide("read_url", "Then the reform, which should name the exceptions.", url=GREGORIAN.url),
        decide(
            "run_code",
            "Both pages give mean years and counts. I compute them instead of copying them.",
            code="""\
julian = sum(year % 4 == 0 for year in range(1, 401))
gregorian = sum(year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) for year in range(1, 401))
tropical = 365.2422

for name, leap_days in (("Julian", julian), ("Gregorian", gregorian)):
    mean = 365 + leap_days / 400
    print(f"{name:<10} {leap_days} leap days in 400 years, mean year {mean} days, "
          f"a day off after {1 / (mean - tropical):,.0f} years")""",
        ),
        decide(
            "write_file",
            "The computed numbers agree with the pages, so the report can cite them.",
            filename="leap_years.md",
            content=f"""\
# Leap years, Julian and Gregorian

| | Julian | Gregorian |
|---|---|---|
| rule | every 4th year | every 4th year, but of the centuries only those divisible by 400 |
| leap days in 400 years | 100 | 97 |
| mean year | 365.25 days | 365.2425 days |
| a day off the seasons after | about 128 years | about 3,333 years |

By 1582 the Julian calendar had drifted far enough that the reform left out ten days: 4 October was followed by
15 October [2]. The tropical year the last row is measured against is 365.2422 days [1].

Sources: [1] <{JULIAN.url}>, [2] <{GREGORIAN.url}>. The counts and mean years were computed, not copied.
""",
        ),
        decide(
            "finish",
            "The report is written, its numbers are computed and its sources named.",
            summary="The Gregorian rule drops three leap days in 400 years (97 instead of 100), which stretches the "
            "time until the calendar is a day off from about 128 to about 3,333 years. The report with its sources is "
            "`leap_years.md`.",
            artifacts=["leap_years.md"],
        ),
    ),
    hits=(
        SearchHit(title=JULIAN.title, url=JULIAN.url, snippet="Every fourth year, without exception: 365.25 days."),
        SearchHit(title=GREGORIAN.title, url=GREGORIAN.url, snippet="Why 1900 was no leap year, and 2000 was one."),
    ),
    pages=(JULIAN, GREGORIAN),
)

DEMOS = {"CAFE": CAFE, "SALES": SALES, "BAR_CHART": BAR_CHART, "LEAP_YEARS": LEAP_YEARS}


async def make(name: str, shell: Any) -> None:
    """Run a demo in the current folder, in the kernel of `shell`, and keep its record."""
    demo = globals()[name]
    if demo.before:
        shell.run_cell(demo.before).raise_error()
    for name in demo.data:
        shutil.copy(demo.record.with_name(name), Path.cwd())
    folder, run, state = Path.cwd(), locating.new_run_id(), State()
    record = journal.Journal.create(folder, run)
    stream = Stream(state, record.append)
    settings = Settings(model="scripted")
    versions = {"agentloop_nb": __version__, "python": platform.python_version()}
    stream.emit(RunStarted(run=run, goal=demo.goal, context=SCRIPTED, settings=settings.record(), versions=versions))
    await Loop(stream, ScriptedModel(demo.decisions), KernelWorkspace(shell, web=demo.web), settings).run()
    record.close()
    assert state.is_complete, state.reason
    failed = [step.result for step in state.steps if step.result is None or not step.result.success]
    assert len(failed) == demo.mistakes, failed
    assert not list(folder.rglob("blobs")), "a record has to stand alone"
    shutil.copyfile(record.path, demo.record)


def execute(notebook: nbformat.NotebookNode, folder: str | Path) -> None:
    """Run a notebook in `folder`, next to copies of the data and the records that `notebooks/` holds."""
    for part in ("data", "records"):
        shutil.copytree(ROOT / "notebooks" / part, Path(folder) / part)
    client = NotebookClient(notebook, record_timing=False, resources={"metadata": {"path": str(folder)}})
    client.execute(stderr=subprocess.DEVNULL)


def main(*names: str) -> None:
    for name, demo in DEMOS.items():
        if names and name not in names:
            continue
        source = f"from tests.product.demos import make\nawait make({name!r}, get_ipython())"
        cell = new_code_cell(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{source}")
        with tempfile.TemporaryDirectory() as folder:
            execute(new_notebook(cells=[cell]), folder)
        print(demo.record.relative_to(ROOT))
    for path in sorted(ROOT.glob("notebooks/[0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory() as folder:
            execute(notebook, folder)
        notebook.metadata.pop("widgets", None)
        nbformat.write(notebook, path)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main(*sys.argv[1:])
