"""Units that figures are told in, and what they are to each other."""

from __future__ import annotations

from collections.abc import Iterator


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
    _all(
        1e-2, "% | percent | per cent | pct | pct. | prozent | pour cent | por ciento | por cento | per cento | procent"
    )
    | _all(1e-3, "‰ | permille | per mille | promille")
    | {"ppm": 1e-6, "ppb": 1e-9}
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
_CELSIUS = frozenset(["°c", "ºc", "℃", "celsius"]) | {"° c", "degrees celsius", "degrees c", "grad celsius"}
_FAHRENHEIT = frozenset(["°f", "ºf", "℉", "fahrenheit"]) | {"° f", "degrees fahrenheit", "degrees f"}
_KELVIN = frozenset({"k", "°k", "kelvin", "kelvins"})
WORDS = frozenset(
    _all(1, "week | weeks | month | months | year | years | feet | bar | wochen | monate | monaten | jahre")
)
"""Units that are words as well: a small count of them is none to check."""
_BYTES = {"bytes": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15}
FAMILIES: tuple[dict[str, float], ...] = (
    _LARGE,
    _all(1e12, "trillion | trillions | tn | trn") | {"bn": 1e9},
    {"lakh": 1e5, "lakhs": 1e5, "crore": 1e7, "crores": 1e7},
    {"mm": 1e-3, "cm": 1e-2, "m": 1, "metres": 1, "meters": 1, "km": 1e3, "kms": 1e3, "kilometres": 1e3},
    {"nm": 1e-9, "µm": 1e-6, "μm": 1e-6, "um": 1e-6, "microns": 1e-6, "mm": 1e-3},
    _all(1.609344, "mi | mile | miles") | {"km": 1},
    _all(1.852, "nmi | nautical miles") | {"km": 1},
    {"ft": 0.3048, "feet": 0.3048, "yd": 0.9144, "yards": 0.9144, "m": 1},
    {"inch": 2.54, "inches": 2.54, "cm": 1},
    {"m²": 1, "m2": 1, "sqm": 1, "ha": 1e4, "hectares": 1e4, "km²": 1e6, "km2": 1e6},
    {"acre": 0.40468564224, "acres": 0.40468564224, "ha": 1},
    {"sq ft": 0.09290304, "sqft": 0.09290304, "ft²": 0.09290304, "m²": 1},
    _all(1, "l | litre | litres | liters | liter") | {"ml": 1e-3, "cl": 1e-2, "dl": 1e-1, "hl": 100},
    {"m³": 1e3, "m3": 1e3, "l": 1, "cm³": 1e-3, "cm3": 1e-3},
    _all(3.785411784, "gal | gallon | gallons") | {"l": 1},
    {"m/s": 3.6, "km/h": 1, "kmh": 1, "kph": 1, "mph": 1.609344},
    _all(1.852, "kn | knot | knots") | {"km/h": 1, "m/s": 3.6},
    {"mg": 1e-3, "g": 1, "kg": 1e3, "kgs": 1e3, "t": 1e6, "tonnes": 1e6, "tonnen": 1e6},
    {"µg": 1e-6, "μg": 1e-6, "mcg": 1e-6, "mg": 1e-3, "g": 1},
    {"kt": 1e3, "mt": 1e6, "gt": 1e9},
    {"lb": 0.45359237, "lbs": 0.45359237, "pounds": 0.45359237, "kg": 1},
    {"oz": 28.349523125, "ounces": 28.349523125, "g": 1},
    DURATIONS,
    {"ks": 1e3, "s": 1},
    _all(7, "week | weeks | wochen") | {"days": 1, "tage": 1},
    _all(12, "year | years | jahre") | _all(1, "month | months | monate | monaten"),
    _all(365.25, "year | years | jahre") | {"days": 1},
    {"µs": 1, "μs": 1, "us": 1, "ns": 1e-3},
    _BYTES,
    {"kib": 1024.0, "mib": 1024.0**2, "gib": 1024.0**3, "tib": 1024.0**4},
    {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9},
    {"kbps": 1e3, "mbps": 1e6, "gbps": 1e9},
    {"wh": 1, "kwh": 1e3, "mwh": 1e6, "gwh": 1e9, "twh": 1e12},
    {"kj": 1e3, "mj": 1e6, "gj": 1e9},
    {"kwh": 3.6, "mj": 1},
    {"kcal": 4.184, "kj": 1},
    {"w": 1, "kw": 1e3, "mw": 1e6, "gw": 1e9},
    {"mw": 1e-3, "w": 1},
    {"hz": 1, "khz": 1e3, "mhz": 1e6, "ghz": 1e9},
    {"rpm": 1, "hz": 60},
    {"pa": 1, "hpa": 100, "mbar": 100, "kpa": 1e3, "bar": 1e5, "mpa": 1e6},
    {"psi": 6.894757, "kpa": 1},
    {"mv": 1e-3, "volts": 1, "kv": 1e3},
    {"ma": 1e-3, "amps": 1, "ka": 1e3},
    {"ω": 1, "ohm": 1, "ohms": 1, "kω": 1e3, "mω": 1e6},
    {"µmol": 1e-6, "mmol": 1e-3, "mol": 1},
    _all(1, "° | deg | degrees | grad") | _all(57.29577951308232, "rad | radians"),
    _all(1e-2, "cent | cents") | _all(1, "eur | usd | gbp | chf | euros | euro | dollars | pounds"),
    _all(1e3, "keur | teur | kusd | kchf | kgbp | t€ | k€ | k$ | k£") | _all(1e6, "meur | m€ | m$ | m£ | musd"),
    _all(1, "db | bpm | dpi | px | € | $ | £ | ¥ | ₹"),
    dict.fromkeys(_CELSIUS | _FAHRENHEIT | _KELVIN - {"k"}, 1),
)
"""Units of one family are turned into each other; one of several families into those of each."""
UNITS = sorted({*SHARES, *TIMES, *(unit for family in FAMILIES for unit in family)}, key=len, reverse=True)


def scales_of(unit: str) -> tuple[float, ...]:
    """Return what brings a value in this unit to those it may have been computed in."""
    if not unit or unit in TIMES:
        return (1.0,)
    if unit in SHARES:
        return tuple(dict.fromkeys([1.0, SHARES[unit], SHARES[unit] * 100]))
    families = [each for each in FAMILIES if unit in each]
    scales = [family[unit] / other for family in families for other in {1.0, *family.values()}]
    return tuple(dict.fromkeys([1.0, *scales]))


def temperatures(unit: str, value: float, half: float) -> Iterator[tuple[float, float]]:
    """Yield what a temperature, or a difference of two, is on the other scales: size and half its last place."""
    if unit in _FAHRENHEIT:
        celsius = (value - 32) / 1.8
        yield from ((abs(each), half / 1.8) for each in (celsius, celsius + 273.15, value / 1.8))
    elif unit in _CELSIUS | _KELVIN:
        celsius = value - 273.15 if unit in _KELVIN else value
        yield from ((abs(each), half * 1.8) for each in (celsius * 1.8 + 32, value * 1.8))
        yield abs(value - 273.15 if unit in _KELVIN else value + 273.15), half
