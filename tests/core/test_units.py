"""Figures in the units people use: converted, told as on a clock, and not believed with one digit changed."""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import pandas as pd
import pytest

from tests.core.test_grounding import changed, looked_for

TOLD = [
    ("t 23.5", "74.3 °F", "75.3 °F"),
    ("t -5", "23 °F", "24 °F"),
    ("t 14", "−10 °C", "−12 °C"),
    ("t 21.4", "294.55 K", "295.55 K"),
    ("t 12.5 21.5", "a rise of 16.2 °F", "a rise of 17.2 °F"),
    ("t 5.0 9.0", "41.0–48.2 °F", "41.0–48.6 °F"),
    ("rows 12500", "12.5K rows", "12.6K rows"),
    ("s 5400", "5.4 ks", "5.6 ks"),
    ("s 5400", "1:30 h", "1:31 h"),
    ("s 5415", "1:30:15 h", "1:30:25 h"),
    ("s 150", "2:30 min", "2:40 min"),
    ("min 90", "1h30", "1h40"),
    ("s 150", "2m30s", "2m40s"),
    ("took 1:30", "90 minutes", "91 minutes"),
    ("0 days 01:30:15", "1 h 30 min 15 s", "1 h 31 min 15 s"),
    ("2 days 03:00:00", "51 h", "52 h"),
    ("1 day, 12:00:00", "36.0 hours", "36.2 hours"),
    ("x 520.4", "5.204 m", "5.304 m"),
    ("x 42.195", "26.2 miles", "26.3 miles"),
    ("x 1.83", "6.0 ft", "6.1 ft"),
    ("x 80", "176.4 lb", "177.4 lb"),
    ("x 1013.25", "101.3 kPa", "102.3 kPa"),
    ("x 0.005", "5.0 mW", "5.1 mW"),
    ("x 5200000", "5.2 MJ", "5.3 MJ"),
    ("x 0.0000125", "12.5 ppm", "12.6 ppm"),
    ("x 25000000", "25 Mbit/s", "26 Mbit/s"),
    ("x 0.00045", "450 µm", "460 µm"),
    ("x 125500", "125.5 TEUR", "126.5 TEUR"),
    ("x 36.5", "3.04 years", "3.05 years"),
    ("x 12.86", "25 knots", "26 knots"),
    ("x 1e12", "1.0 trillion", "1.2 trillion"),
    ("x 33.3333", "33⅓ %", "34⅓ %"),
    ("share 0.33333", "33⅓ %", "33⅔ %"),
    ("x 33.3 %", "33⅓ %", "33¼ %"),
    ("h 2.5", "2½ hours", "2¾ hours"),
    ("s 9000", "2½ h", "2⅓ h"),
    ("share 0.75", "¾ of the rows", "⅞ of the rows"),
    ("share 75.0 %", "¾ of the rows", "⅔ of the rows"),
    ("total 1000, of them 750", "¾ of them", "⅔ of them"),
    ("share 0.328", "about ⅓", "about ¼"),
    ("x 12500", "12½ km", "13½ km"),
    ("t 21.5", "21½ °C", "22½ °C"),
    ("x 1500000", "1½ million", "1¾ million"),
    ("x 2.3333", "2 ⅓", "2 ½"),
    ("x 0.3333", "1⁄3", "1⁄4"),
    ("x 6⅛", "6.125 m", "6.225 m"),
]


@pytest.mark.parametrize(("shown", "true", "lie"), TOLD)
def test_a_unit_is_converted_and_another_digit_is_not_believed(tmp_path, shown, true, lie):
    noise = "noise 7411.9 8.317 55.021"
    assert looked_for(tmp_path, f"It is {true}.", shown, noise).figures == []
    assert looked_for(tmp_path, f"It is {lie}.", shown, noise).figures != []


@pytest.mark.parametrize(
    "summary", ["a½ x", "1⁄0", "over 2 weeks", "3 years of data", "5 bar charts", "4 feet", "at 14:30", "11 months"]
)
def test_units_that_are_words_and_times_of_day_are_not_checked(tmp_path, summary):
    assert looked_for(tmp_path, f"It is {summary}.", "nothing").figures == []


@pytest.mark.parametrize(
    "value",
    [
        dt.timedelta(seconds=5415),
        pd.Timedelta(seconds=5415),
        pd.Series(pd.to_timedelta([5415], unit="s")),
        np.array([5415], "timedelta64[s]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_durations_in_values_are_looked_into(tmp_path, value):
    found = looked_for(tmp_path, "It took 1 h 30 min 15 s, or 90.25 min, not 91.25 min.", "ok", took=value)
    assert found.figures == ["91.25 min"]


def in_another_unit(kind: int, rng: random.Random) -> tuple[str, str]:
    """What a step printed, and how it is told in another unit."""
    warm, size, small = rng.uniform(-30, 45), rng.uniform(100, 9_000), rng.uniform(0.001, 0.1)
    seconds = rng.randint(4_000, 86_000)
    hours, minutes, rest = seconds // 3600, seconds % 3600 // 60, seconds % 60
    clock = f"{hours:02}:{minutes:02}:{rest:02}"
    return (
        (f"{warm!r}", f"{warm * 1.8 + 32:.1f} °F"),
        (f"{warm * 1.8 + 32!r}", f"{warm:.1f} °C"),
        (f"{warm!r}", f"{warm + 273.15:.2f} K"),
        (f"{warm + 273.15!r}", f"{warm:.2f} °C"),
        (f"{seconds}", f"{hours}:{minutes:02} h"),
        (f"{seconds}", f"{hours}:{minutes:02}:{rest:02} h"),
        (f"{seconds}", f"{hours}h{minutes:02}"),
        (f"0 days {clock}", f"{seconds / 60:.1f} minutes"),
        (clock, f"{hours}h{minutes}m{rest}s"),
        (f"{seconds}", f"{seconds / 1000:.2f} ks"),
        (f"{size!r}", f"{size / 1.609344:.1f} miles"),
        (f"{size!r}", f"{size / 0.3048:,.1f} ft"),
        (f"{size!r}", f"{size / 0.45359237:,.1f} lb"),
        (f"{size!r}", f"{size / 10:.2f} kPa"),
        (f"{size!r}", f"{size / 6.894757:.2f} psi"),
        (f"{small!r}", f"{small * 1e6:,.0f} µm"),
        (f"{small!r}", f"{small * 1e6:,.0f} ppm"),
        (f"{size * 1e6!r}", f"{size:,.2f} Mbit/s"),
        (f"{size * 1e3!r}", f"{size:,.1f} k€"),
        (f"{size!r}", f"{size / 12:.1f} years"),
        (f"{size!r}", f"{size / 3.785411784:.2f} gallons"),
        (f"{size!r}", f"{size / 3.6:.2f} kWh"),
        (f"{small!r}", f"{small * 1e3:.2f} mA"),
        (f"{size!r}", f"{size / 60:.2f} Hz"),
    )[kind]


KINDS = 24


def test_most_true_figures_are_found_and_hardly_a_changed_one(tmp_path):
    rng = random.Random(20_262)
    missed, taken = [], []
    for number in range(KINDS * 5):
        shown, summary = in_another_unit(number % KINDS, rng)
        noise = " ".join(repr(rng.uniform(0, 10_000)) for _ in range(8))
        lie = changed(summary, rng)
        missed += [(shown, summary)] * bool(looked_for(tmp_path, summary, shown, noise).figures)
        taken += [(shown, summary, lie)] * (not looked_for(tmp_path, lie, shown, noise).figures)
    assert len(missed) <= KINDS * 5 * 0.05, missed
    assert len(taken) <= KINDS * 5 * 0.02, taken
