"""What a summary says is looked for in what steps showed and in what variables hold; nothing else judges."""

from __future__ import annotations

import datetime as dt
import random
import re

import numpy as np
import pandas as pd
import pytest

from agentloop_nb.actions import ActionResult, Finish, RunCode
from agentloop_nb.actions.effects import Ground
from agentloop_nb.agent.grounding import ground
from agentloop_nb.decision import Decision
from agentloop_nb.notebook.panel.html import static_html
from agentloop_nb.protocols import Change, CodeOutcome
from agentloop_nb.state import State
from agentloop_nb.step import Step
from agentloop_nb.testing import FakeWorkspace, code, finish


def printing(text):
    return CodeOutcome(ending="ok", outputs=({"output_type": "stream", "name": "stdout", "text": f"{text}\n"},))


def looked_for(tmp_path, summary, *outputs, goal="a goal", **values):
    """The grounding of a summary after steps with these outputs, with these variables made by the first."""
    state = State(goal=goal)
    for number, output in enumerate(outputs, 1):
        changes = tuple(Change(name=name, how="added") for name in values) if number == 1 else ()
        step = Step(number, decision=Decision(reasoning="r", action=RunCode(code="work()")))
        step.result = ActionResult(success=True, output=output, changes=changes)
        state.steps.append(step)
    workspace = FakeWorkspace(tmp_path)
    workspace.variables = lambda names: {name: values[name] for name in names if name in values}
    return ground(Finish(summary=summary), state, workspace)


SHOWN = "total 1234567.891\nmean 0.12345\nrows: 12,500\n3 files\n2024-05-01\nshare 0.4567\nseconds 5400\nbytes 2500000"


@pytest.mark.parametrize(
    "summary",
    [
        "1,234,567.89",
        "1234568",
        "1.23 million",
        "$1.2 million",
        "0.123",
        "12.3 %",
        "12500 rows",
        "12 500 rows",
        "45.7 %",
        "46%",
        "on 2024-05-01",
        "on 1 May 2024",
        "May 1, 2024",
        "01.05.2024",
        "5/1/2024",
        "0,123",
        "`9999` in code",
        "-0.123",
        "12.5k rows",
        "about 12,000 rows",
        "1.5 hours",
        "90 minutes",
        "2.5 MB",
        "2,500 kB",
        "12.345 percent",
        "1.23 Mio",
        "in 1999 and 2031",
        "7 columns",
        "12 groups",
        "1. first\n2. second",
        "Python 3.13 and pandas 2.2.3",
        "version 4.51",
        "see step 77",
        "at 12:45",
        "The 2nd of 3 files.",
    ],
)
def test_figures_are_known_in_every_notation_and_some_are_never_checked(tmp_path, summary):
    found = looked_for(tmp_path, summary, SHOWN)
    assert (found.figures, found.names) == ([], [])


@pytest.mark.parametrize(
    "figure",
    [
        "1442",
        "0.99",
        "77 %",
        "13,500",
        "8.57",
        "5050",
        "99.1",
        "1e7",
        "600",
        "31",
        "6 %",
        "1.4 million",
        "1,234,567.88",
        "0.124",
        "12,501 rows",
        "2024-05-02",
        "2 May 2024",
        "May 11, 2024",
        "1.7 hours",
        "7 kg",
        "0.125",
        "45.8 %",
    ],
)
def test_figures_that_nothing_shows_are_found(tmp_path, figure):
    assert len(looked_for(tmp_path, f"It is {figure}.", SHOWN).figures) == 1


@pytest.mark.parametrize(
    ("summary", "how"),
    [
        ("It grew from 120.5 to 150.6, by 30.1.", "derived"),
        ("It grew from 120.5 to 150.6, by 25.0 %.", "derived"),
        ("The difference is 30.1.", "derived"),
        ("Together they are 271.1.", "derived"),
        ("That is 1.25 times as much.", "derived"),
        ("It is 150.6.", "shown"),
    ],
)
def test_what_two_figures_give_is_derived(tmp_path, summary, how):
    found = looked_for(tmp_path, summary, "before 120.5\nafter 150.6")
    assert found.figures == []
    assert found.grounds[-1].how == how


@pytest.mark.parametrize("figure", ["31.1", "26.0 %", "272.1", "1.35 times"])
def test_what_they_do_not_give_is_not(tmp_path, figure):
    assert len(looked_for(tmp_path, f"It is {figure}.", "before 120.5\nafter 150.6").figures) == 1


@pytest.mark.parametrize(
    "value",
    [
        4711.5,
        np.float64(4711.5),
        [1, 4711.5],
        {"k": 4711.5},
        {"k": [4711.5]},
        np.array([4711.5, 2]),
        pd.Series([4711.5]),
        pd.DataFrame({"v": [1, 4711.5]}),
        (4711.5,),
        "it is 4711.5",
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_looked_into(tmp_path, value):
    found = looked_for(tmp_path, "It is 4,711.5 in `result`.", "ok", result=value)
    assert (found.figures, found.names) == ([], [])
    assert found.grounds[0] == Ground(claim="4,711.5", step=1, how="value")


def test_a_large_value_is_not_but_its_size_is_told(tmp_path):
    table = pd.DataFrame({"v": np.arange(25_317.0)})
    found = looked_for(tmp_path, "25,317 rows; the last is 25,316.", "ok", table=table)
    assert found.figures == ["25,316"]


def test_names_in_back_ticks_are_looked_for(tmp_path):
    found = looked_for(
        tmp_path, "`clean` has the column `price`; `clean.head()`, `len`, `x + 1`, `profit`.", "price", clean=[]
    )
    assert found.names == ["`profit`"]


def test_an_object_that_breaks_when_it_is_looked_at_is_passed_over(tmp_path):
    class Broken(list):
        def __len__(self):
            raise RuntimeError

    assert looked_for(tmp_path, "It is 4711.", "ok", odd=Broken()).figures == ["4711"]


async def test_the_step_behind_each_claim_stands_on_the_result_and_the_card(scenario):
    s = scenario(
        [code("a"), code("b"), finish("The mean is 4.56.")], outcomes={"a": printing("4.5612"), "b": printing("x")}
    )
    state = await s.run()
    assert state.steps[-1].result.metadata["grounds"] == [{"claim": "4.56", "step": 1, "how": "shown"}]
    assert "Shown by step 1: 4.56" in static_html(state)


@pytest.mark.parametrize("settings", [{"quiet": True}, {"privacy": "schema"}, {"privacy": "none"}, {"max_steps": 2}])
async def test_nothing_is_asked_where_nobody_reads_or_values_are_private(scenario, settings):
    s = scenario([code("a"), finish("It is 4711.", goal_met=True)], **settings)
    state = await s.run()
    assert (state.status, len(s.model.requests)) == ("finished", 2)
    assert state.doubts == ("Not shown by any step: 4711.",)


# -- how well it tells right from wrong, over summaries made from values


TEMPLATES = [
    "The {name} of {group} is {value}.",
    "Average {name}: **{value}** over {rows} rows.",
    "{group} leads with {value} in {name}.",
    "{name} went from {value} to {other}.",
    "- {group}: {value}\n- the rest: {other}",
    "{rows} rows, mean {value}, max {other}.",
    "On average {value} ({percent} %) in {group}.",
    "Between {value} and {other}, a gain of {gain}.",
    "{percent}% of {rows} are {name}.",
    "{name} totals {thousands}; {group} has {value}.",
]


def made(rng: random.Random) -> tuple[str, str]:
    """What a step printed, and a true summary of it."""
    values = [rng.choice([rng.uniform(100, 99_999), rng.uniform(0.01, 1), rng.uniform(1, 100)]) for _ in range(8)]
    rows, share, total = rng.randint(1_000, 99_999), rng.uniform(0.05, 0.95), rng.uniform(1e5, 9e6)
    one, other = rng.sample(values, 2)
    shown = pd.DataFrame({"group": list("abcdefgh"), "v": values}).to_string() + f"\n{rows} rows\n{share}\n{total}"
    filled = {
        "name": rng.choice(["price", "weight", "revenue"]),
        "group": rng.choice(["north", "south"]),
        "rows": f"{rows:,}",
        "value": rounded(one, rng),
        "other": rounded(other, rng),
        "percent": f"{share * 100:.1f}",
        "gain": f"{abs(one - other):.4g}" if abs(one - other) >= 1 else rounded(one, rng),
        "thousands": f"{total:,.0f}",
    }
    if "e" in filled["gain"]:
        filled["gain"] = rounded(one, rng)
    if "{gain}" in (template := rng.choice(TEMPLATES)):
        filled["value"], filled["other"] = repr(one), repr(other)
    return f"{shown}\n{one!r} {other!r}" if "{gain}" in template else shown, template.format(**filled)


def rounded(value: float, rng: random.Random) -> str:
    digits = rng.choice([2, 3]) if value < 100 else rng.choice([0, 1, 2])
    return f"{value:,.{max(digits, 3) if value < 1 else digits}f}"


def changed(summary: str, rng: random.Random) -> str:
    """The summary with one digit of one figure of three or more digits changed, not the first zero of a decimal."""
    spots = [m.start() + i for m in re.finditer(r"\d[\d,]*\.?\d*", summary) for i, c in enumerate(m[0]) if c.isdigit()]
    spot = rng.choice(spots)
    digit = rng.choice([each for each in "123456789" if each != summary[spot]])
    return summary[:spot] + digit + summary[spot + 1 :]


MONTHS = (
    ("May", "Mai", "mai", "mayo", "maggio"),
    ("July", "Juli", "juillet", "julio", "luglio"),
    ("October", "Oktober", "octobre", "octubre", "ottobre"),
)


def comma(text: str, thousands: str = ".") -> str:
    return text.translate({ord(","): thousands, ord("."): ","})


def indian(value: float) -> str:
    whole, _, cents = f"{value:.2f}".partition(".")
    head, tail = whole[:-3], whole[-3:]
    return f"{re.sub(r'(?<=[0-9])(?=(?:[0-9]{2})+$)', ',', head)},{tail}.{cents}"


def told_elsewhere(kind: int, rng: random.Random) -> tuple[str, str]:
    """What a step printed, and how people elsewhere, or of another trade, would tell it."""
    money, share, other = rng.uniform(1e6, 9e8), rng.uniform(0.1, 0.5), rng.uniform(0.5, 0.9)
    size, seconds, speed = rng.randint(2 * 10**6, 10**9), rng.randint(4_000, 300_000), rng.uniform(3, 90)
    date = dt.date(rng.randint(1990, 2030), rng.choice([5, 7, 10]), rng.randint(1, 28))
    month = MONTHS[(5, 7, 10).index(date.month)]
    exponent = rng.randint(6, 12)
    shares, ratio = f"{share!r} {other!r}", f"{money!r} {money * (1 + share)!r}"
    return (
        (f"{money!r}", f"{comma(f'{money:,.2f}')} €"),
        (f"{int(money)}", f"Es sind {comma(f'{int(money):,}')} Zeilen."),
        (f"{int(money) // 1000}", f"{comma(f'{int(money) // 1000:,}')} Zeilen"),
        (f"{money!r}", f"{comma(f'{money:,.2f}', chr(0x202F))} euros"),
        (f"{money!r}", f"CHF {money:,.2f}".replace(",", "’")),
        (f"{money!r}", f"₹{indian(money)}"),
        (f"{money!r}", f"{money / 1e7:.3f} crore"),
        (f"{money!r}", f"{comma(f'{money / 1e6:.2f}')} {rng.choice(['Mio. €', 'Millionen', 'millones'])}"),
        (f"{money * 1e3!r}", f"{comma(f'{money / 1e6:.3f}')} {rng.choice(['Mrd. €', 'milliards', 'bn'])}"),
        (f"{share * 10**exponent!r}", f"{share * 10:.3f} {rng.choice('×x·')} 10^{exponent - 1}"),
        (shares, f"It rose by {(other - share) * 100:.2f} {rng.choice(['percentage points', 'pp', 'Prozentpunkte'])}."),
        (shares, f"{(other - share) * 1e4:.0f} basis points"),
        (f"{share!r}", f"{comma(f'{share * 100:.2f}')} {rng.choice(['Prozent', 'pour cent', 'por ciento'])}"),
        (f"{share!r}", f"{share * 1000:.1f} ‰"),
        (f"{size}", f"{size / 2**20:.2f} MiB, or {size / 1e6:.2f} MB"),
        (f"{speed!r} m/s", f"{speed * 3.6:.2f} km/h"),
        (f"{seconds}", f"{seconds // 3600} h {seconds % 3600 // 60} min"),
        (f"{share * 1e4!r} {other * 1e4!r}", f"from {share * 1e4:.2f}-{other * 1e4:.2f}"),
        (ratio, f"{money * (1 + share) / money:.3f}x as much"),
        (f"{share!r}", f"{share:.4f}".removeprefix("0")),
        (f"{date}", f"am {date.day}. {month[1]} {date.year}"),
        (f"{date}", f"le {date.day} {month[2]} {date.year}"),
        (f"{date}", f"el {date.day} de {month[3]} de {date.year}"),
        (f"{date}", f"on {month[0]} {date.day}, {date.year}"),
        (f"{date}", f"{date:%Y/%m/%d}"),
        (f"{date}", f"{date.day}.{date.month}.{date.year}"),
        (f"{date}", f"in {rng.choice(month)} {date.year}"),
    )[kind]


def test_so_are_figures_and_dates_of_other_languages_and_trades(tmp_path):
    rng = random.Random(20_261)
    missed, taken = [], []
    for number in range(KINDS * 10):
        shown, summary = told_elsewhere(number % KINDS, rng)
        noise = " ".join(repr(rng.uniform(0, 10_000)) for _ in range(8))
        lie = changed(summary, rng)
        missed += [(shown, summary)] * bool(looked_for(tmp_path, summary, shown, noise).figures)
        taken += [(shown, lie)] * (not looked_for(tmp_path, lie, shown, noise).figures)
    assert len(missed) <= KINDS * 10 * 0.05, missed
    assert len(taken) <= KINDS * 10 * 0.02, taken


KINDS = 27


def test_true_summaries_are_found_and_changed_ones_are_not(tmp_path):
    rng = random.Random(20_260)
    true = wrong = 0
    for _ in range(200):
        shown, summary = made(rng)
        true += not looked_for(tmp_path, summary, shown).figures
        wrong += not looked_for(tmp_path, changed(summary, rng), shown).figures
    assert true >= 190, f"{true} of 200 true summaries were found"
    assert wrong <= 4, f"{wrong} of 200 changed ones were taken for true"
