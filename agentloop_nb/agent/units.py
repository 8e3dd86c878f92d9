"""Units that figures are told in, and what they are to each other."""

from __future__ import annotations


def _all(value: float, names: str) -> dict[str, float]:
    return dict.fromkeys(names.split(" | "), value)


_LARGE = (
    _all(1e3, "thousand | k | tausend | tsd | tsd. | mille | mil | mila | duizend")
    | _all(
        1e6, "million | millions | m | mio | mio. | mln | millionen | millón | millones | milioni | milhões | miljoen"
    )
    | _all(
        1e9, "billion | billions | bn | mrd | mrd. | milliarde | milliarden | milliard | milliards | miliardi | miljard"
    )
)
POINTS = (
    _all(1e-2, "percentage points | percentage point | percent points | %-points | % points | pct points | pp | p.p.")
    | _all(1e-2, "prozentpunkte | prozentpunkten | prozentpunkt | %-punkte | points de pourcentage | procentpunten")
    | _all(1e-2, "puntos porcentuales | pontos percentuais | punti percentuali")
    | _all(1e-4, "basis points | basis point | bps | bp | basispunkte")
)
"""What differences of shares are told in."""
SHARES = (
    _all(1e-2, "% | percent | per cent | prozent | pour cent | por ciento | por cento | per cento | procent")
    | _all(1e-3, "‰ | permille | per mille | promille")
    | POINTS
)
TIMES = frozenset({"x", "×", "-fold", "fold", "-fach", "fach"})
"""What ratios are told in."""
DURATIONS = (
    {"ms": 1e-3}
    | _all(1.0, "s | sec | secs | second | seconds | sekunden | secondes | segundos | secondi")
    | _all(60.0, "min | mins | minute | minutes | minuten | minutos | minuti")
    | _all(3600.0, "h | hr | hrs | hour | hours | stunden | heures | horas | ore")
    | _all(86400.0, "day | days | tage | tagen | jours | días | dias | giorni | dagen")
)
FAMILIES: tuple[dict[str, float], ...] = (
    _LARGE,
    {"lakh": 1e5, "lakhs": 1e5, "crore": 1e7, "crores": 1e7},
    {"mm": 1e-3, "cm": 1e-2, "metres": 1, "meters": 1, "km": 1e3},
    {"m²": 1, "m2": 1, "ha": 1e4, "hectares": 1e4, "km²": 1e6, "km2": 1e6},
    {"ml": 1e-3, "l": 1, "litres": 1, "liters": 1, "liter": 1},
    {"m/s": 3.6, "km/h": 1, "kmh": 1, "mph": 1.609344},
    {"mg": 1e-3, "g": 1, "kg": 1e3, "t": 1e6, "tonnes": 1e6, "tonnen": 1e6},
    DURATIONS,
    {"µs": 1, "μs": 1, "us": 1, "ns": 1e-3},
    {"bytes": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12},
    {"kib": 1024.0, "mib": 1024.0**2, "gib": 1024.0**3, "tib": 1024.0**4},
    {"wh": 1, "kwh": 1e3, "mwh": 1e6, "gwh": 1e9},
    {"w": 1, "kw": 1e3, "mw": 1e6, "gw": 1e9},
    {"hz": 1, "khz": 1e3, "mhz": 1e6, "ghz": 1e9},
    {
        "cents": 0.01,
        "cent": 0.01,
        "eur": 1,
        "usd": 1,
        "gbp": 1,
        "chf": 1,
        "euros": 1,
        "euro": 1,
        "dollars": 1,
        "pounds": 1,
    },
    {"°c": 1, "°f": 1, "°": 1, "hpa": 1, "€": 1, "$": 1, "£": 1, "¥": 1, "₹": 1},
)
"""Units of one family are turned into each other."""
UNITS = sorted({*SHARES, *TIMES, *(unit for family in FAMILIES for unit in family)}, key=len, reverse=True)


def scales_of(unit: str) -> tuple[float, ...]:
    """Return what brings a value in this unit to those it may have been computed in."""
    if not unit or unit in TIMES:
        return (1.0,)
    if unit in SHARES:
        return tuple(dict.fromkeys([1.0, SHARES[unit], SHARES[unit] * 100]))
    family = next(each for each in FAMILIES if unit in each)
    return tuple(dict.fromkeys([1.0, *(family[unit] / other for other in {1.0, *family.values()})]))
