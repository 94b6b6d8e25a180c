"""Which examples train, validate and test a model.

A split is worked out over a *spine*: a relation with one row an example, in a settled order. What comes back is a SQL
expression over the spine's columns, so that millions of examples part in the query that writes them. Only labelled
examples are in a split; the others read as null.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, TypeVar

from rondo.errors import BuildError
from rondo.project.models import Split
from rondo.sql.engine import literal, quote, run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

G = TypeVar("G", bound=Hashable)
SPLITS = ("train", "validation", "test")
FORESEEN = 48
"""Groups for which every sum of sizes is foreseen; before these, a group is taken when it fits."""


@dataclass(frozen=True)
class Spine:
    """A relation of examples and the names of its columns.

    `label` is null where no label is known yet. `moment` and `label_known` are TIMESTAMPTZ (None: no time). `position`
    counts the rows in their settled order; `key` names an example, if there is a key.
    """

    relation: str
    position: str
    label: str
    key: tuple[str, ...] = ()
    moment: str | None = None
    label_known: str | None = None


def split_expression(con: DuckDBPyConnection, split: Split, spine: Spine) -> str:
    """SQL over the spine's columns that reads 'train', 'validation', 'test' or null.

    Groups are left in the session as temporary tables that the expression reads. Raises BuildError for a split by
    time of examples without one.
    """
    rule = {"time": _by_time, "random": _at_random, "group": _by_group}[split.kind](con, split, spine)
    return f"case when {quote(spine.label)} is not null then {rule} end"


def _by_time(con: DuckDBPyConnection, split: Split, spine: Spine) -> str:
    """Back from the last labelled example: test, validation, train; a label known too late puts its example aside.

    An example whose label became known after the first moment of a later part would carry that part's time into the
    earlier one (purging: López de Prado, Advances in Financial Machine Learning, 2018, ch. 7).
    """
    if spine.moment is None or spine.label_known is None:
        raise BuildError(
            "rd.by_time parts examples by their time, and they have none.",
            next_step="Declare time: in the examples' header, or use rd.random.",
        )
    moment, known = quote(spine.moment), quote(spine.label_known)
    [(last,)] = run(con, f"select max({moment}) from {spine.relation} where {quote(spine.label)} is not null")
    test_from = f"{literal(last)}::timestamptz - to_seconds({split.test:.0f})"
    validation_from = f"{literal(last)}::timestamptz - to_seconds({split.test + split.validation:.0f})"

    def first(condition: str) -> str:
        where = f"{quote(spine.label)} is not null and {condition}"
        [(found,)] = run(con, f"select min({moment}) from {spine.relation} where {where}")
        return literal(found)

    first_test = first(f"{moment} >= {test_from}")
    validates = f"{moment} >= {validation_from} and {moment} < {test_from} and {known} <= {first_test}"
    first_after_train = f"coalesce({first(validates)}, {first_test})"
    trains = f"{moment} < {validation_from} and {known} <= {first_after_train}"
    tests = f"{moment} >= {test_from}"
    return f"case when {tests} then 'test' when {validates} then 'validation' when {trains} then 'train' end"


def _at_random(con: DuckDBPyConnection, split: Split, spine: Spine) -> str:
    """Exact sizes, by the rank of a hash of seed and key: the order of rows has no say while keys differ."""
    position = quote(spine.position)
    text = f"[{', '.join(f'{quote(name)}::varchar' for name in spine.key)}]" if spine.key else position
    drawn = f"md5_number_lower('{split.seed}:' || {text}::varchar)"
    labelled = f"{spine.relation} where {quote(spine.label)} is not null"
    [(examples,)] = run(con, f"select count(*) from {labelled}")
    validation, test = sizes(int(str(examples)), split)
    ranked = f"select {drawn} as drawn, {position} as place, row_number() over (order by drawn, place) as rank"
    border = (
        f"select rank, drawn, place from ({ranked} from {labelled}) where rank in ({validation}, {validation + test})"
    )
    borders = {rank: (number, place) for rank, number, place in run(con, border)}

    def among(first: int) -> str:
        """The condition that an example is among the first so and so many."""
        if first == 0:
            return "false"
        number, place = borders[first]
        return f"({drawn}, {position}) <= ({number}::ubigint, {place}::bigint)"

    return (
        f"case when {among(validation)} then 'validation' when {among(validation + test)} then 'test' else 'train' end"
    )


def _by_group(con: DuckDBPyConnection, split: Split, spine: Spine) -> str:
    """Whole groups; an example without a group belongs to the group of those without."""
    group = f"coalesce('=' || {quote(split.column or '')}::varchar, '')"
    counted = f"select {group} as g, count(*) from {spine.relation} where {quote(spine.label)} is not null group by g"
    groups = {str(value): int(str(rows)) for value, rows in run(con, counted)}
    validation, test = sizes(sum(groups.values()), split)
    shuffled = sorted(groups, key=lambda value: hashlib.sha256(f"{split.seed}:{value}".encode()).digest())
    tested = draw_groups([(value, groups[value]) for value in shuffled], test)
    rest = [(value, groups[value]) for value in shuffled if value not in tested]
    validated = draw_groups(rest, validation)
    for name, chosen in (("_rondo_test_groups", tested), ("_rondo_validation_groups", validated)):
        con.sql(f"create or replace temp table {name} as select unnest({literal(sorted(chosen))}::varchar[]) as g")
    return (
        f"case when {group} in (select g from _rondo_test_groups) then 'test' "
        f"when {group} in (select g from _rondo_validation_groups) then 'validation' else 'train' end"
    )


def sizes(examples: int, split: Split) -> tuple[int, int]:
    """Rows of validation and test: the shares of `examples`, halves rounded up."""

    def share(of: float) -> int:
        return int((Decimal(str(of)) * examples).to_integral_value(ROUND_HALF_UP))

    return share(split.validation), share(split.test)


def draw_groups(groups: Sequence[tuple[G, int]], wanted: int) -> frozenset[G]:
    """Groups, taken in the order given, whose sizes sum to the nearest possible of `wanted` rows.

    Neither none of the groups nor all are taken, as far as their number allows. The sum is the nearest of all while
    there are at most FORESEEN groups, else the nearest that the last ones allow. The sums that the remaining groups
    can reach are the bits of a number (the subset-sum recurrence, Bellman 1957).
    """
    total = sum(size for _, size in groups)
    if len(groups) < 2 or wanted <= 0:
        return frozenset()
    taken: list[G] = []
    rest = wanted
    early, late = groups[:-FORESEEN], groups[-FORESEEN:]
    for value, size in early:
        if size <= rest:
            taken.append(value)
            rest -= size
    reachable = [1]
    for _, size in reversed(late):
        reachable.append(reachable[-1] | reachable[-1] << size)
    reachable.reverse()
    target = _nearest(reachable[0], rest, least=0 if taken else 1, most=total - (wanted - rest) - 1)
    for number, (value, size) in enumerate(late, 1):
        if size <= target and reachable[number] >> (target - size) & 1:
            taken.append(value)
            target -= size
    return frozenset(taken)


def _nearest(reachable: int, wanted: int, *, least: int, most: int) -> int:
    """The set bit nearest to `wanted` from `least` to `most`, the lower of two; there is one."""
    below = reachable & ((1 << min(wanted, most) + 1) - 1)
    lower = below.bit_length() - 1
    above = (reachable & ((1 << most + 1) - 1)) >> wanted
    upper = wanted + (above & -above).bit_length() - 1 if above else None
    if lower < least:
        lower = -1
    if upper is None or (lower >= 0 and wanted - lower <= upper - wanted):
        return max(lower, 0)
    return upper
