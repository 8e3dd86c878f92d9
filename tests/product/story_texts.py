"""The notebooks 04 to 09: what stands in their cells, and the decisions, written by hand, that are replayed in them."""

from __future__ import annotations

from typing import Any, NamedTuple

from agentloop_nb.testing import code, decide, finish

CHECKED = "# checked\n"
"""Before code whose output the notebook tests compare."""


class Story(NamedTuple):
    """One notebook."""

    records: dict[str, list[dict[str, Any]]]
    """By name: decisions; a search also holds its `hits`, which are answered instead of the web's."""
    cells: list[str]
    """Code as it is, Markdown behind `md:`."""


def why(reasoning: str, source: str) -> dict[str, Any]:
    return {**code(source), "reasoning": reasoning}


def ends(summary: str) -> dict[str, Any]:
    return {**finish(summary), "reasoning": "The question is answered."}


_BY_HAND = (
    "> **What is scripted here, and what is not.** The *decisions* were written by hand and are replayed from "
    "`records/`, so that this notebook runs without a key and without a network. {} The code really runs in this kernel."
)
_LOAD = """%load_ext agentloop_nb

import pandas as pd

sales = pd.read_csv("data/sales.csv", parse_dates=["date"])"""

SEARCH = Story(
    {
        "tower": [
            {
                **decide("search_web", query="Eiffel Tower height metres; Karman line altitude", num_results=2),
                "reasoning": "Two heights are needed; I look both up instead of trusting my memory.",
                "hits": [
                    {
                        "title": "The Eiffel Tower in figures",
                        "url": "https://towers.example.org/eiffel",
                        "snippet": "With its antenna the tower is 330 m tall.",
                    },
                    {
                        "title": "Where space begins",
                        "url": "https://space.example.org/karman-line",
                        "snippet": "By convention the Karman line lies 100 km above sea level.",
                    },
                ],
            },
            why(
                "Divide in code, so that the number is computed and not guessed.",
                "towers = 100_000 / 330\nround(towers)",
            ),
            ends(
                "About **303** Eiffel Towers on top of each other reach the edge of space.\n\n"
                "- The tower is 330 m tall: <https://towers.example.org/eiffel>\n"
                "- Space begins at 100 km: <https://space.example.org/karman-line>"
            ),
        ]
    },
    [
        "md:# Simple search: look it up, compute, say where it is from\n\n"
        + _BY_HAND.format(
            "So were the two *search results*; their addresses end in `example.org`, which belongs to nobody."
        ),
        "%load_ext agentloop_nb",
        (
            "md:## A question for the web\n\nWith a model and a search of your own, `search_web` goes to the web. What it brings is marked as "
            "a stranger's text: instructions in it are not followed."
        ),
        (
            "%%agent -m replay:records/tower.jsonl --output tower\n"
            "How many Eiffel Towers on top of each other reach the edge of space? Look the heights up and name your sources."
        ),
        "md:## Where the numbers are from\n\nUnder the answer stands which step shows which number. The run keeps what was found, with its addresses:",
        CHECKED + 'for hit in tower.action_results[0].metadata["hits"]:\n    print(hit["url"], "-", hit["snippet"])',
        "md:The number itself is a variable, and `%agent why` tells how it came about:",
        CHECKED + "round(towers)",
        "%agent why towers",
    ],
)

UNDO = Story(
    {
        "clean-up": [
            why(
                "Look at gaps and doubles before anything is changed.",
                'print("rows:", len(sales), " without units:", sales["units"].isna().sum())\nsales[sales["units"].isna()]',
            ),
            why(
                "Drop the rows without units.",
                'sales = sales.dropna(subset=["units"]).copy()\nlen(sales)',
            ),
            why("Add what each row earned.", 'sales["revenue"] = sales["units"] * sales["price"]\nsales.head(3)'),
            why(
                "Keep the totals by region.", 'by_region = sales.groupby("region")["revenue"].sum().round()\nby_region'
            ),
            ends("`sales` has a `revenue` column and no row without units; `by_region` holds the totals."),
        ]
    },
    [
        "md:# Undo and why: who did this, and can I have it back?\n\n"
        + _BY_HAND.format("Undo and lineage are as live as the code."),
        _LOAD,
        "md:## Let it change something of yours",
        (
            "%%agent -m replay:records/clean-up.jsonl\n"
            "Clean `sales`: drop rows without units, add a `revenue` column, and leave the totals by region in `by_region`."
        ),
        "md:## Who changed what\n\nEach variable, each file, and the step that did it:",
        "%agent who",
        "md:`%agent why` shows the cells and steps that led to a variable, and leaves out those that did not:",
        "%agent why by_region",
        (
            "md:## Take it back\n\nThe last two steps: `by_region` is gone, and `sales` has no `revenue` any more, though the column was "
            "added in place. The model forgets these steps, too."
        ),
        CHECKED + "%agent undo 2",
        CHECKED + 'list(sales.columns), len(sales), "by_region" in globals()',
        "md:One variable can be had back alone, with all that the run did to it undone:",
        CHECKED + "%agent restore sales",
        CHECKED + 'len(sales), int(sales["units"].isna().sum())',
    ],
)

CONTRACT = Story(
    {
        "shares": [
            why(
                "Revenue by region, then each region's share of it.",
                'revenue = (sales["units"] * sales["price"]).groupby(sales["region"]).sum()\n'
                "shares = (revenue / revenue.max()).round(3)\nshares",
            ),
            ends("`shares` holds each region's share of the revenue."),
            why(
                "The shares do not add up to 1, because I divided by the largest region. Divide by the total.",
                "shares = revenue / revenue.sum()\nshares.round(3)",
            ),
            why(
                "Draw what the answer says.",
                "import matplotlib.pyplot as plt\n\n"
                'axes = shares.sort_values().plot.barh(figsize=(5, 1.8), title="Share of revenue")\n'
                'axes.set(xlabel="", ylabel="")\nplt.show()\nbest = shares.idxmax()\nprint(best, f"{shares.max():.1%}")',
            ),
            ends("**North** has the largest share of the revenue: 41.5 %."),
        ]
    },
    [
        "md:# A contract: not done until it is true\n\n"
        + _BY_HAND.format("The mistake in it is deliberate; what the contract says of it is not scripted."),
        _LOAD,
        (
            'md:## `--until` holds the end against your variables\n\n"Done" is the model\'s word. The expression is evaluated in this '
            "kernel when the agent wants to finish; while it is false, the finish is refused, and the agent is told the values in it."
        ),
        (
            '%%agent -m replay:records/shares.jsonl --until "abs(shares.sum() - 1) < 1e-9"\n'
            "Which share of the revenue has each region? Leave it in `shares`, and draw it."
        ),
        "md:The first finish was refused (step 2), the agent mended its division, and the second one holds. The verdict is data, too:",
        CHECKED + "_agent.status, [check.held for check in _agent.checks]",
        (
            "md:## The answer is grounded\n\nEvery number of an answer is looked for in what the steps showed. Under the answer stands which "
            "step shows it; a number that none shows is marked."
        ),
        CHECKED + "round(float(shares.max()), 3), best",
    ],
)

_MONTHLY = why(
    "Revenue by month is what a trend goes through.",
    'revenue = sales["units"] * sales["price"]\nmonthly = revenue.groupby(sales["date"].dt.month).sum()\nmonthly.round()',
)

FORK = Story(
    {
        "trend": [
            _MONTHLY,
            why(
                "A straight line is the simplest trend; its error tells how well it does.",
                "import numpy as np\n\nfit = np.polyval(np.polyfit(monthly.index, monthly, 1), monthly.index)\n"
                "error = float(np.abs(monthly - fit).mean())\nround(error)",
            ),
            ends("A straight line through the months is off by 1,475 dollars a month on average."),
        ],
        "trend-by-season": [
            _MONTHLY,
            why(
                "A year has a season: a wave beside the line, fitted by least squares.",
                "import numpy as np\n\nturn = 2 * np.pi * monthly.index / 12\n"
                "parts = np.column_stack([np.ones(len(monthly)), monthly.index, np.sin(turn), np.cos(turn)])\n"
                "fit = parts @ np.linalg.lstsq(parts, monthly.to_numpy(), rcond=None)[0]\n"
                "error = float(np.abs(monthly - fit).mean())\nround(error)",
            ),
            ends("With a season beside the line, the average error is 874 dollars a month."),
        ],
    },
    [
        "md:# Fork and compare: what if it had gone another way?\n\n" + _BY_HAND.format(""),
        _LOAD,
        "md:## One way",
        (
            "%%agent -m replay:records/trend.jsonl --output line\n"
            "Fit a trend to the monthly revenue in `sales`, and tell how far off it is on average."
        ),
        (
            "md:## Another way from step 1 on\n\nA fork begins with the variables as they were after a step, in a process and a copy of the folder "
            "of its own. What the first run did stays as it is, here and in its record."
        ),
        "%agent fork --at 1 -m replay:records/trend-by-season.jsonl -- add a yearly season to the line",
        "md:## Side by side\n\nDecisions, results, variables, cost. A fork is compared with the run it came from:",
        "%agent compare",
        "md:This kernel still has the first way's result; `%agent adopt` would bring the fork's here:",
        CHECKED + "round(error)",
        "%agent adopt error",
        CHECKED + "round(error)",
    ],
)

ISOLATED = Story(
    {
        "outliers": [
            why(
                "Try it on the copy: everything that is far from its product's usual number goes.",
                'usual = sales.groupby("product")["units"].transform("median")\n'
                'kept = sales[(sales["units"] - usual).abs() < 2 * usual]\n'
                "dropped = len(sales) - len(kept)\nprint(dropped, 'rows dropped')",
            ),
            why(
                "A file of what is left, for whoever wants to look.",
                "sales = kept\nsales.to_csv('kept.csv', index=False)\nsales.describe().round(1)",
            ),
            ends("`kept` holds the rows without outliers, and kept.csv the same as a file."),
        ]
    },
    [
        "md:# Isolated, with adopt: first in a sandbox, then here\n\n" + _BY_HAND.format("So does the second process."),
        _LOAD,
        (
            "md:## In a process of its own\n\n`--isolated` gives the run a process and a folder of its own, and `--with` copies of the variables it "
            "may have. Whatever it does there, to `sales` too, does not happen here."
        ),
        (
            "%%agent -m replay:records/outliers.jsonl --isolated --with sales\n"
            "Drop the outliers of `sales`, tell how many there were, and write what is left to kept.csv."
        ),
        "md:Here nothing has changed; the run even rebound `sales`, in its own process:",
        CHECKED + 'from pathlib import Path\n\nlen(sales), "kept" in globals(), Path("kept.csv").exists()',
        "md:## Take over what you like\n\nBy name, as a copy; it can be taken back:",
        "%agent adopt kept",
        CHECKED + "len(kept), len(sales)",
        "%agent adopt --undo",
        CHECKED + '"kept" in globals()',
    ],
)

_DISCOUNTED = '''from typing import Annotated

from agentloop_nb import action


@action
def discounted(price: float, units: Annotated[int, "at least 1"]) -> float:
    """Compute what an order costs: ten per cent less from ten pieces on."""
    return round(price * units * (0.9 if units >= 10 else 1), 2)'''

OWN = Story(
    {
        "discounts": [
            {
                **decide(
                    "query",
                    sql="SELECT product, SUM(units) AS units, AVG(price) AS price FROM sales GROUP BY product ORDER BY units DESC",
                    into="by_product",
                ),
                "reasoning": "One query over the variable tells what sells and for how much.",
            },
            {
                **decide("discounted", own=True, price=249.0, units=12),
                "reasoning": "The discount rule is the person's own function, so I ask it instead of guessing the rule.",
            },
            why(
                "The same rule for every product, at ten pieces.",
                'by_product["ten"] = [discounted(price, 10) for price in by_product["price"]]\nby_product.round(2)',
            ),
            ends(
                "`by_product` holds what each product sold and what ten pieces of it cost. Twelve desks cost 2,689.20."
            ),
        ]
    },
    [
        "md:# Your own functions as actions, and SQL over your variables\n\n" + _BY_HAND.format(""),
        _LOAD,
        "md:## A function of yours\n\n`@action` lets a run call it: the annotations become its schema, the docstring is what the model reads.",
        _DISCOUNTED,
        "md:What a run in this kernel may do, and where each action comes from:",
        "%agent actions",
        "md:## A goal that needs both\n\n`query` is one SELECT over variables by their name, read-only by the engine (`pip install 'agentloop-nb[sql]'`).",
        (
            "%%agent -m replay:records/discounts.jsonl\n"
            "What does each product in `sales` sell, and what do ten pieces of it cost under our discount rule? What do twelve desks cost?"
        ),
        CHECKED + 'by_product[["product", "units"]].values.tolist()',
        CHECKED + "discounted(249.0, 12)",
        (
            "md:## The export needs neither the agent nor the query engine's confinement\n\n"
            "The function travels as a cell, the query as `duckdb.sql(...)`, and all of it was run again in a fresh kernel:"
        ),
        "%agent export own-actions.ipynb",
    ],
)

STORIES = {
    "04-search": SEARCH,
    "05-undo-and-why": UNDO,
    "06-contract": CONTRACT,
    "07-fork-and-compare": FORK,
    "08-isolated": ISOLATED,
    "09-own-actions-and-sql": OWN,
}
