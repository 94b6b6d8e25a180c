"""How data breaks: a column before and since a day, held against the ways in which columns change upstream.

Each way is played forward: what the days before would look like had it happened to a share of their rows. The way that
comes nearest to the days since is the pattern; `explained` is how much of the divergence it takes away. Ways that the
world knows too (all values a little higher) count only where the change came at once and is unlike anything before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rondo.language.words import Language
from rondo.monitor.changes import Floats, Shift, divergence, edges_of, excess
from rondo.monitor.phrases import listed
from rondo.stats.sketches import NumberSketch, Sketch, ValueSketch, as_numbers, as_values

Kind = Literal[
    "nulls", "filled", "stuck", "placeholder", "unit", "scale", "offset", "clipped", "clock", "written", "renamed",
    "swapped", "gone", "new",
]  # fmt: skip
LEAST_EXPLAINED = 0.6
SHARES = np.arange(0.05, 1.0001, 0.05)
NATURAL = frozenset({"scale", "offset", "gone", "new"})
"""Kinds that the world may bring about by itself."""
PART = 0.08
"""What a way must come nearer by to be taken for one that came over a part of the rows."""
FINE = 32
"""Bins in which numbers are held against what they would be."""
ALIKE = 0.02
"""Factors no farther apart than this cannot be told from one another by a week of values."""
ROUGHLY = 0.15
"""How near (in logarithms) the typical ratio must be to a factor for it to have come over all rows."""
FEW = 60
"""More values than this are names or numbers of things: a remapping of them cannot be told by frequencies."""
NAMED = 4
"""Values that are named."""
UNITS: tuple[tuple[float, str], ...] = (
    (1.609344, "miles given as kilometres"), (1 / 1.609344, "kilometres given as miles"),
    (0.3048, "feet given as metres"), (1 / 0.3048, "metres given as feet"),
    (2.54, "inches given as centimetres"), (1 / 2.54, "centimetres given as inches"),
    (25.4, "inches given as millimetres"), (1 / 25.4, "millimetres given as inches"),
    (0.45359237, "pounds given as kilograms"), (1 / 0.45359237, "kilograms given as pounds"),
    (0.44704, "miles an hour given as metres a second"), (1 / 0.44704, "metres a second given as miles an hour"),
    (1.852, "knots given as kilometres an hour"), (1 / 1.852, "kilometres an hour given as knots"),
    (3.6, "metres a second given as kilometres an hour"), (1 / 3.6, "kilometres an hour given as metres a second"),
    (33.8639, "inches of mercury given as hectopascals"), (1 / 33.8639, "hectopascals given as inches of mercury"),
    (3.785411784, "gallons given as litres"), (1 / 3.785411784, "litres given as gallons"),
    (60.0, "minutes given as seconds, or hours as minutes"), (1 / 60, "seconds given as minutes, or minutes as hours"),
    (3600.0, "hours given as seconds"), (1 / 3600, "seconds given as hours"),
    (24.0, "days given as hours"), (1 / 24, "hours given as days"),
    (10.0, "a decimal place moved"), (0.1, "a decimal place moved"),
    (100.0, "shares given as per cent, or units as hundredths"), (0.01, "per cent given as shares"),
    (1000.0, "units given as thousandths"), (0.001, "thousandths given as units"),
    (1e6, "units given as millionths"), (1e-6, "millionths given as units"), (-1.0, "the sign turned round"),
)  # fmt: skip
DEGREES: tuple[tuple[float, float, str], ...] = (
    (5 / 9, -160 / 9, "degrees Fahrenheit given as Celsius"), (9 / 5, 32.0, "degrees Celsius given as Fahrenheit"),
    (1.0, 273.15, "degrees Celsius given as kelvins"), (1.0, -273.15, "kelvins given as degrees Celsius"),
    (5 / 9, 255.3722, "degrees Fahrenheit given as kelvins"),
)  # fmt: skip


@dataclass(frozen=True)
class Pattern:
    """A way in which a column broke. `share` is that of its rows, `words` say it, `mapping` what became of values.

    `nearness` ranks ways that explain alike: how near they come, less something for what they leave free.
    """

    kind: Kind
    explained: float
    share: float
    words: str
    mapping: Mapping[str, str] | None = None
    nearness: float = 1.0


@dataclass(frozen=True)
class _Way:
    """Numbers as they would be: `become` maps those before (None: they are null), `fills` is what stands for nulls.

    One that is not `whole` can have come over a part of the rows only.
    """

    kind: Kind
    words: str
    become: Callable[[Floats], Floats] | None
    penalty: float = 0.0
    fills: float | None = None
    whole: bool = True


def pattern_of(shift: Shift, words: Language) -> Pattern | None:
    """The way in which the column broke, where one explains most of the change; None where none does."""
    if any(isinstance(each, ValueSketch) and each.count for each in (shift.before, shift.after)):
        found = _of_values(as_values(shift.before), as_values(shift.after), words)
    else:
        found = _of_numbers(as_numbers(shift.before), as_numbers(shift.after), words)
    enough = sorted((each for each in found if each.explained >= LEAST_EXPLAINED), key=lambda each: -each.nearness)
    natural = next((each.nearness for each in enough if each.kind in NATURAL), -1.0)
    told = [each for each in enough if each.share >= 0.99 or each.nearness >= natural or each.kind != "unit"]
    return next((each for each in told if _likely(each, shift)), None)


def alike(one: Sketch, other: Sketch) -> float:
    """How much alike two columns' values are, nulls aside: 1 the same, 0 nothing in common."""
    if isinstance(one, ValueSketch) != isinstance(other, ValueSketch) or not one.count or not other.count:
        return 0.0
    if isinstance(one, ValueSketch) and isinstance(other, ValueSketch):
        names = sorted({*list(one.counts)[:FEW], *list(other.counts)[:FEW]})
        p = np.array([[*(one.counts.get(n, 0) for n in names), one.rest]], dtype=np.float64)
        q = np.array([[*(other.counts.get(n, 0) for n in names), other.rest]], dtype=np.float64)
    else:
        numbers, others = as_numbers(one), as_numbers(other)
        edges = edges_of(numbers, others)
        p = numbers.counts(edges)[None].astype(np.float64)
        q = others.counts(edges)[None].astype(np.float64)
    return float(1.0 - excess(p, q)[0])


def _likely(pattern: Pattern, shift: Shift) -> bool:
    """Whether the change is too much, and came too suddenly, to be the world's own."""
    strength, noise, jump = shift.strength, shift.noise, shift.jump
    if pattern.kind in NATURAL:
        return jump >= 0.7 and strength > max(0.1, 6 * noise)
    if pattern.kind == "unit" and pattern.share < 0.99:
        return jump >= 0.6 and strength > max(0.02, 4 * noise) and pattern.explained > 0.8
    if pattern.kind == "unit":
        return jump >= 0.4 and strength > 3 * noise
    return pattern.kind == "nulls" or strength > max(0.02, 2.5 * noise)


def _of_numbers(before: NumberSketch, after: NumberSketch, words: Language) -> list[Pattern]:
    found = []
    for way in _ways(before, after, words):
        then = _then(before, way)
        edges = edges_of(*(each for each in (before, after, then) if each.count), bins=FINE)
        was, is_, would = (_spread(each, edges) for each in (before, after, then))
        whole = float(excess(was[None], is_[None])[0])
        if whole <= 0.0:
            continue
        mixed = (1 - SHARES)[:, None] * was + SHARES[:, None] * would
        left = divergence(mixed / mixed.sum(axis=1, keepdims=True), is_ / is_.sum())
        left = left + PART * (SHARES < 0.99) * whole + (0.0 if way.whole else 1.0) * (SHARES >= 0.99)
        best = int(np.argmin(left))
        share = float(SHARES[best])
        explained = 1.0 - float(excess(mixed[best][None], is_[None])[0]) / whole
        nearness = 1.0 - float(left[best]) / whole - way.penalty
        found.append(Pattern(way.kind, explained, share, _told(way, share, words), None, nearness))
    return found


def _told(way: _Way, share: float, words: Language) -> str:
    if share >= 0.95:
        return way.words
    return words.plain("{told} (in about {share:.0%} of the rows)", told=way.words, share=share)


def _then(before: NumberSketch, way: _Way) -> NumberSketch:
    """The rows before as they would be, had the way come over all of them."""
    if way.fills is not None:
        points, weights = np.append(before.points, way.fills), np.append(before.weights, before.nulls)
        nulls = 0
    elif way.become is None:
        points, weights, nulls = before.points[:0], before.weights[:0], before.nulls + before.count
    else:
        points, weights, nulls = way.become(before.points), before.weights, before.nulls
    order = np.argsort(points, kind="stable")
    return NumberSketch(points[order], weights[order], nulls, before.strange, 0, 0.0, 0.0)


def _spread(sketch: NumberSketch, edges: Floats) -> Floats:
    found: Floats = np.append(sketch.counts(edges), sketch.nulls + sketch.strange).astype(np.float64)
    return found


def _ways(before: NumberSketch, after: NumberSketch, words: Language) -> Iterator[_Way]:
    if after.nulls / after.rows > before.nulls / before.rows + 0.01 or after.strange > before.strange:
        yield _Way("nulls", words.plain("values are missing"), None)
    if not before.count or not after.count:
        return
    yield from _constants(before, after, words)
    hours = before.low is not None and before.low >= 0 and (before.high or 0) <= 23 and len(before.points) > 12
    if hours and bool(np.all(before.points == np.floor(before.points))):
        for moved in (h for h in range(-12, 13) if h):
            told = words.plain("hours of the day have moved by {hours:+d}: another time zone?", hours=moved)
            yield _Way("clock", told, lambda x, m=moved: np.mod(x + m, 24.0), 0.02)  # type: ignore[misc]
    yield from _affine(before, after, words)
    high, low = after.high or 0.0, after.low or 0.0
    if before.shares_below([high])[0] < 0.97 and _weight(after, high) > 0.02:
        told = words.plain("nothing is above {value:.6g} any more: cut off?", value=high)
        yield _Way("clipped", told, lambda x: np.minimum(x, high), 0.02)
    if before.shares_below([low])[0] > 0.03 and _weight(after, low) > 0.02:
        told = words.plain("nothing is below {value:.6g} any more: cut off?", value=low)
        yield _Way("clipped", told, lambda x: np.maximum(x, low), 0.02)


def _affine(before: NumberSketch, after: NumberSketch, words: Language) -> Iterator[_Way]:
    shares = np.linspace(0.05, 0.95, 19)
    was, is_ = before.quantiles(shares), after.quantiles(shares)
    told = (was != 0) & (is_ != 0) & (np.sign(was) == np.sign(is_))
    free = float(np.exp(np.median(np.log(is_[told] / was[told])))) if told.sum() > 5 else None
    for factor, _ in UNITS:
        apart = 0.0 if factor < 0 else np.inf if free is None else float(abs(np.log(free / factor)))
        units = [words.plain(unit) for other, unit in UNITS if abs(other / factor - 1) < ALIKE]
        either = words.plain(", or ").join(units)
        shown = words.plain("values are {factor:.4g} times what they were: {unit}?", factor=factor, unit=either)
        penalty = 0.03 if apart > ALIKE else 0.0
        yield _Way("unit", shown, lambda x, f=factor: x * f, penalty, whole=apart < ROUGHLY)  # type: ignore[misc]
    for slope, offset, unit in DEGREES:
        shown = words.plain(
            "values are {factor:.4g} times what they were {offset:+.4g}: {unit}?",
            factor=slope, offset=offset, unit=words.plain(unit),
        )  # fmt: skip
        yield _Way("unit", shown, lambda x, a=slope, b=offset: a * x + b, 0.02)  # type: ignore[misc]
    if free is not None and abs(np.log(free)) > 0.05:
        told = words.plain("values are {factor:.4g} times what they were", factor=free)
        yield _Way("scale", told, lambda x: x * free, 0.05)
    moved = float(np.median(is_ - was))
    if moved:
        yield _Way("offset", words.plain("values are moved by {offset:+.4g}", offset=moved), lambda x: x + moved, 0.05)


def _constants(before: NumberSketch, after: NumberSketch, words: Language) -> Iterator[_Way]:
    """One number that stands where others, or nulls, stood."""
    shares = after.weights / max(after.rows, 1)
    for place in np.argsort(-shares, kind="stable")[:3].tolist():
        value, share = float(after.points[place]), float(shares[place])
        usual = _weight(before, value) * before.count / max(before.rows, 1)
        if share < usual + 0.02 or usual > 0.25 * share:
            continue
        if share > 0.95:
            told = words.plain("nearly every value is {value}: stuck", value=f"{value:g}")
            yield _Way("stuck", told, lambda x, v=value: np.full_like(x, v))  # type: ignore[misc]
            continue
        if before.nulls > 0.02 * before.rows and after.nulls < 0.5 * after.rows * before.nulls / before.rows:
            told = words.plain("what was missing is given as {value:g} now", value=value)
            yield _Way("filled", told, None, 0.0, fills=value)
        told = words.plain(
            "{value:g} stands in {share:.0%} of the rows ({usual:.0%} before): a placeholder?",
            value=value, share=share, usual=usual,
        )  # fmt: skip
        yield _Way("placeholder", told, lambda x, v=value: np.full_like(x, v), 0.03)  # type: ignore[misc]


def _weight(sketch: NumberSketch, value: float) -> float:
    """Share of the numbers that are this one."""
    place = int(np.searchsorted(sketch.points, value))
    there = place < len(sketch.points) and sketch.points[place] == value
    return float(sketch.weights[place]) / max(sketch.count, 1) if there else 0.0


def _of_values(before: ValueSketch, after: ValueSketch, words: Language) -> list[Pattern]:
    p = {name: count / max(before.rows, 1) for name, count in before.counts.items()}
    q = {name: count / max(after.rows, 1) for name, count in after.counts.items()}
    gone = [n for n in p if p[n] > 0.003 and q.get(n, 0.0) < 0.1 * p[n]]
    new = [n for n in q if q[n] > 0.003 and p.get(n, 0.0) < 0.1 * q[n]]
    found = _missing(before, after, gone, words)
    if not before.count or not after.count:
        return found
    top, share = max(q.items(), key=lambda item: item[1], default=("", 0.0))
    if share > 0.95 and p.get(top, 0.0) < 0.8:
        return [*found, Pattern("stuck", 1.0, share, words.plain("nearly every value is {value}: stuck", value=top))]
    written = _written(before, after)
    if written:
        told = words.plain("values are written otherwise: {pairs}", pairs=_pairs(before, written, words))
        found.append(_remapped("written", told, before, after, written))
    if gone and new and len(before.counts) <= FEW:
        mapping = _matched({n: p[n] for n in gone}, {n: q[n] for n in new})
        told = words.plain("values are renamed: {pairs}", pairs=_pairs(before, mapping, words))
        found.append(_remapped("renamed", told, before, after, mapping))
    elif new:
        explained = sum(q[n] for n in new) / max(_total_variation(p, q), 1e-9)
        told = words.plain("values never seen before: {names}", names=listed(new, words, NAMED))
        found.append(Pattern("new", min(explained, 1.0), 1.0, told))
    elif gone:
        rest = {n: (0 if n in gone else c) for n, c in before.counts.items()}
        told = words.plain("no rows with {names} any more", names=listed(gone, words, NAMED))
        found.append(_mapped("gone", told, before, after, rest, 0.0))
    if not gone and not new and 1 < len(p) <= FEW:
        swapped = {a: b for a, b in zip(_ranked(p), _ranked(q), strict=False) if a != b}
        if swapped and sorted(swapped) == sorted(swapped.values()):
            told = words.plain("values have changed places: {pairs}", pairs=_pairs(before, swapped, words))
            found.append(_remapped("swapped", told, before, after, swapped, 0.1))
    return found


def _missing(before: ValueSketch, after: ValueSketch, gone: list[str], words: Language) -> list[Pattern]:
    """Nulls that came over all values, or over those that are gone."""
    was_null, is_null = before.nulls / max(before.rows, 1), after.nulls / max(after.rows, 1)
    if is_null <= was_null + 0.01 or not before.count:
        return []
    lost = (is_null - was_null) / max(1 - was_null, 1e-9)
    told = _of_part(words.plain("values are missing"), lost, words)
    found = [_mapped("nulls", told, before, after, before.counts, lost)]
    theirs = sum(before.counts[name] for name in gone) / before.count
    if 0 < theirs < 1:
        kept = {name: round(n / (1 - theirs)) for name, n in before.counts.items() if name not in gone}
        told = _of_part(words.plain("{names} is missing", names=listed(gone, words, NAMED)), theirs, words)
        found.append(_mapped("nulls", told, before, after, kept, theirs))
    return found


def _of_part(told: str, share: float, words: Language) -> str:
    return words.plain("{told} (in {share:.0%} of the rows)", told=told, share=share) if 0 < share <= 0.95 else told


def _pairs(before: ValueSketch, mapping: Mapping[str, str], words: Language) -> str:
    """What became of values, the most frequent first."""
    pairs = sorted(mapping.items(), key=lambda pair: -before.counts[pair[0]])
    return listed([f"{one} → {other}" for one, other in pairs], words, NAMED)


def _ranked(shares: Mapping[str, float]) -> list[str]:
    return sorted(shares, key=lambda name: (-shares[name], name))


def _total_variation(p: Mapping[str, float], q: Mapping[str, float]) -> float:
    return 0.5 * sum(abs(p.get(name, 0.0) - q.get(name, 0.0)) for name in {*p, *q})


def _written(before: ValueSketch, after: ValueSketch) -> dict[str, str]:
    """Values that are the same but for letter case, spaces, punctuation, leading zeros or a trailing `.0`."""
    plain = {_plain(name): name for name in reversed(list(before.counts))}
    found = {}
    for name in after.counts:
        same = plain.get(_plain(name))
        if same is not None and name not in before.counts:
            found[same] = name
    return found


def _plain(name: str) -> str:
    bare = re.sub(r"\.0+$", "", name.strip().casefold())
    return re.sub(r"[\W_]+", "", bare).lstrip("0") or "0"


def _matched(gone: Mapping[str, float], new: Mapping[str, float]) -> dict[str, str]:
    """Each value gone with the new one whose name begins or reads alike, else whose share is nearest."""
    pairs = sorted(
        (abs(np.log(share / new[there])) - (2.0 if _akin(name, there) else 0.0), name, there)
        for name, share in gone.items()
        for there in new
    )
    found: dict[str, str] = {}
    for _, name, there in pairs:
        if name not in found and there not in found.values():
            found[name] = there
    return found


def _akin(one: str, other: str) -> bool:
    one, other = _plain(one), _plain(other)
    return one[:1] == other[:1] and (one in other or other in one or one[:3] == other[:3])


def _remapped(
    kind: Kind, told: str, before: ValueSketch, after: ValueSketch, mapping: Mapping[str, str], penalty: float = 0.0
) -> Pattern:
    counts: dict[str, int] = {}
    for name, count in before.counts.items():
        target = mapping.get(name, name)
        counts[target] = counts.get(target, 0) + count
    found = _mapped(kind, told, before, after, counts, 0.0)
    return Pattern(kind, found.explained, found.share, found.words, dict(mapping), found.nearness - penalty)


def _mapped(
    kind: Kind, told: str, before: ValueSketch, after: ValueSketch, counts: Mapping[str, int], lost: float
) -> Pattern:
    """How much is explained had the values become `counts`, and a share of them null."""
    names = sorted({*before.counts, *after.counts, *counts})
    rest = before.rest

    def row(values: Mapping[str, int], rest: float, nulls: float, keep: float) -> Floats:
        return np.array([*(values.get(name, 0) * keep for name in names), rest * keep, nulls], dtype=np.float64)

    was, is_ = row(before.counts, rest, before.nulls, 1.0), row(after.counts, after.rest, after.nulls, 1.0)
    would = row(counts, rest, before.nulls + lost * before.count, 1.0 - lost)
    whole, left = (float(excess(each[None], is_[None])[0]) for each in (was, would))
    explained = 1.0 - left / whole if whole > 0 else 0.0
    return Pattern(kind, explained, lost or 1.0, told, None, explained)
