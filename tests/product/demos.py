"""The runs behind `agentloop demo` and `notebooks/`: scripted decisions, recorded by really running them.

`python -m tests.product.demos`, from the repository's root, makes the records and then the notebooks' outputs again.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
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


@dataclass(frozen=True)
class Demo:
    """A goal, the decisions a model might take, and what the web would have answered."""

    record: Path
    goal: str
    decisions: Sequence[Mapping[str, Any]]
    hits: Sequence[SearchHit] = ()
    pages: Sequence[Page] = ()
    before: str = ""
    """Code of the notebook's cells that ran before."""

    @property
    def web(self) -> FakeWeb:
        return FakeWeb(self.hits, {page.url: page for page in self.pages})


FIBONACCI = Demo(
    ROOT / "agentloop_nb" / "demo" / "fibonacci.jsonl",
    "Write a Python script that saves the first 20 Fibonacci numbers to fibonacci.txt, run it, and check the file.",
    (
        decide(
            "write_file",
            "A script of its own can be kept and run again, so I write that first.",
            filename="fibonacci.py",
            content='''\
"""Save the first Fibonacci numbers to a file."""

from pathlib import Path


def fibonacci(count):
    """Return the first `count` Fibonacci numbers, from 0."""
    numbers = [0, 1]
    while len(numbers) < count:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers[:count]


numbers = fibonacci(20)
Path("fibonacci.txt").write_text("\\n".join(map(str, numbers)) + "\\n")
print(f"wrote {len(numbers)} numbers, the last is {numbers[-1]}")
''',
        ),
        decide("run_code", "Run the script; %run leaves its variables in your namespace.", code="%run fibonacci.py"),
        decide(
            "run_code",
            "Read the file back and check it by the definition instead of trusting what was printed.",
            code="""\
from pathlib import Path

saved = [int(line) for line in Path("fibonacci.txt").read_text().split()]
assert saved[:2] == [0, 1]
assert all(c == a + b for a, b, c in zip(saved, saved[1:], saved[2:]))
print("count:", len(saved))
print("ratio of the last two:", round(saved[-1] / saved[-2], 6))
saved[-5:]""",
        ),
        decide(
            "finish",
            "The file exists and every number in it is the sum of the two before it.",
            summary="The first 20 Fibonacci numbers (0 to 4181) are in `fibonacci.txt`, one a line. I read the file "
            "back and checked each number against the two before it; the ratio of the last two, 1.618034, is the "
            "golden ratio to six places. `numbers` and `saved` hold them here.",
            artifacts=["fibonacci.py", "fibonacci.txt"],
        ),
    ),
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

DEMOS = {"FIBONACCI": FIBONACCI, "SALES": SALES, "BAR_CHART": BAR_CHART, "LEAP_YEARS": LEAP_YEARS}


async def make(name: str, shell: Any) -> None:
    """Run a demo in the current folder, in the kernel of `shell`, and keep its record. No step may fail."""
    demo = globals()[name]
    if demo.before:
        shell.run_cell(demo.before).raise_error()
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
    assert not failed, failed
    assert not list(folder.rglob("blobs")), "a record has to stand alone"
    shutil.copyfile(record.path, demo.record)


def execute(notebook: nbformat.NotebookNode, folder: str | Path) -> None:
    """Run a notebook in `folder`, next to copies of the data and the records that `notebooks/` holds."""
    for part in ("data", "records"):
        shutil.copytree(ROOT / "notebooks" / part, Path(folder) / part)
    client = NotebookClient(notebook, record_timing=False, resources={"metadata": {"path": str(folder)}})
    client.execute(stderr=subprocess.DEVNULL)


def main() -> None:
    for name, demo in DEMOS.items():
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
    main()
