"""Units: which measure the same kind of thing, and by what factor.

A missing unit is forgiven, a different one is not: 5 km is 5000 m, and is not 5 m. A noun that measures nothing
("12 apples") says nothing.
"""

import re
from fractions import Fraction

_KINDS: dict[str, dict[str, int | str]] = {
    "length": {
        **{"m": 1, "meter": 1, "metre": 1, "km": 1000, "kilometer": 1000, "kilometre": 1000},
        **{"dm": "1/10", "cm": "1/100", "centimeter": "1/100", "centimetre": "1/100", "mm": "1/1000"},
        **{"millimeter": "1/1000", "um": "1/1000000", "nm": "1/1000000000", "å": "1/10000000000"},
        **{"angstrom": "1/10000000000", "inch": "0.0254", "in": "0.0254", "ft": "0.3048", "foot": "0.3048"},
        **{"feet": "0.3048", "yd": "0.9144", "yard": "0.9144", "mi": "1609.344", "mile": "1609.344"},
    },
    "mass": {
        **{"kg": 1, "kilogram": 1, "g": "1/1000", "gram": "1/1000", "mg": "1/1000000", "tonne": 1000},
        **{"lb": "0.45359237", "pound": "0.45359237", "oz": "0.028349523125", "ounce": "0.028349523125"},
    },
    "time": {
        **{"s": 1, "sec": 1, "second": 1, "ms": "1/1000", "min": 60, "minute": 60},
        **{"h": 3600, "hr": 3600, "hour": 3600, "day": 86400, "week": 604800},
    },
    "volume": {
        **{"l": "1/1000", "liter": "1/1000", "litre": "1/1000", "ml": "1/1000000", "cc": "1/1000000"},
        **{"gallon": "0.003785411784", "quart": "0.000946352946"},
    },
    "money": {"dollar": 1, "usd": 1, "buck": 1, "cent": "1/100"},
    **{name: {name: 1} for name in ("euro", "yen", "rupee")},
    "angle": {"radian": 1, "rad": 1},
    "degree": {"degree": 1, "deg": 1},
    "energy": {"j": 1, "joule": 1, "kj": 1000, "ev": "1.602176634e-19", "kcal": 4184, "cal": "4.184"},
    "force": {"n": 1, "newton": 1, "kn": 1000},
    "power": {"w": 1, "watt": 1, "kw": 1000},
    "voltage": {"v": 1, "volt": 1, "mv": "1/1000", "kv": 1000},
    "pressure": {"pa": 1, "kpa": 1000, "atm": 101325},
    "frequency": {"hz": 1, "khz": 1000, "mhz": 1000000},
    "celsius": {"celsius": 1},
    "fahrenheit": {"fahrenheit": 1},
    "calendar": {"month": 1, "year": 12, "yr": 12},
}
_NAMES = {name: (kind, Fraction(factor)) for kind, names in _KINDS.items() for name, factor in names.items()}
_ALL = {
    **_NAMES,
    **{f"{name}s": unit for name, unit in _NAMES.items() if len(name) > 2},
    **{"inches": _NAMES["inch"], "hrs": _NAMES["hr"], "lbs": _NAMES["lb"]},
}
_SHORT_FORMS = {"mph": "mile/hour", "kph": "km/hour", "kmh": "km/hour"}
_POWERS = {"square": 2, "sq": 2, "cubic": 3}
_PART = re.compile(r"([a-zå]+)\.?(?:\^?\{?(-?[1-9])\}?)?")

SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

Unit = tuple[tuple[tuple[str, int], ...], Fraction]
"""Kinds with their powers, and the factor to the kind's own unit."""

DEGREE: Unit = ((("degree", 1),), Fraction(1))
PERCENT_WORDS = frozenset(("percent", "pct", "per cent", "percentage", "percents", "%"))


def read_unit(text: str) -> Unit | None:
    """What a unit measures; None if it is not a unit that we know.

    Example:
        >>> read_unit("cm^2")
        ((('length', 2),), Fraction(1, 10000))
    """
    text = _SHORT_FORMS.get(text.strip().lower(), text)
    above, *below = re.split(r"/|\bper\b", text.strip().lower())
    kinds: dict[str, int] = {}
    factor = Fraction(1)
    for sign, words in ((1, above), *((-1, words) for words in below)):
        power_before = 1
        for word in words.replace("*", " ").replace("{", "").replace("}", "").split():
            if word in _POWERS:
                power_before = _POWERS[word]
                continue
            found = _PART.fullmatch(word)
            unit = _ALL.get(found[1]) if found else None
            if found is None or unit is None:
                return None
            power = sign * (int(found[2]) if found[2] else power_before)
            kinds[unit[0]] = kinds.get(unit[0], 0) + power
            factor *= unit[1] ** power
    if litres := kinds.pop("volume", 0):  # a litre is a cubic decimetre
        kinds["length"] = kinds.get("length", 0) + 3 * litres
    known = tuple(sorted((kind, power) for kind, power in kinds.items() if power))
    return (known, factor) if known else None


def is_unit_word(word: str) -> bool:
    """Whether a word after a number is its unit rather than a product of letters: two letters at least."""
    lower = word.lower()
    return len(word) > 1 and (lower in _ALL or lower in _POWERS or lower in _SHORT_FORMS)
