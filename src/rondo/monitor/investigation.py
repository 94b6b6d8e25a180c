"""Evidence looked through for what may be behind an alert: each suspect with the columns that it touches.

Where a change shows in several places on the way from a source to a model, the place farthest up is named. What stopped
or was held back explains whatever reads it; a column explains what takes its values; only what neither does is held
against the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

from rondo.monitor.changes import Shift, shift_of, together
from rondo.monitor.evidence import LABEL, REQUEST, Daily, Evidence, Fed, Place, TableState
from rondo.monitor.patterns import Pattern, alike, pattern_of
from rondo.monitor.shifts import WorldShift, world_shift
from rondo.monitor.suspects import RECENT, Suspect, day_text, listed, midnight_of, refused, service, stopped, volumes

NEAR = timedelta(days=3)
"""Two changes that begin so near to one another may be one."""
GONE = 0.9
"""Share of rows from which a column counts as empty."""
FELT = 0.03
"""Bits by which columns must have moved for the world to be said to have changed."""
ALIKE = 0.6
"""How much alike what a new column holds must be to what one that is gone held."""


@dataclass
class Investigation:
    """One look at the evidence; what is found once is kept."""

    evidence: Evidence
    _shifts: dict[Place, Shift | None] = field(default_factory=dict)
    _patterns: dict[Place, Pattern | None] = field(default_factory=dict)

    def shift(self, place: Place) -> Shift | None:
        """The unusual change of an upstream column."""
        if place not in self._shifts:
            found = shift_of(self.evidence.columns.get(place, {}))
            self._shifts[place] = found if found is not None and found.unusual else None
        return self._shifts[place]

    def pattern(self, place: Place) -> Pattern | None:
        """How an upstream column broke."""
        if place not in self._patterns:
            shift = self.shift(place)
            self._patterns[place] = pattern_of(shift) if shift else None
        return self._patterns[place]

    @cached_property
    def moved(self) -> dict[str, Shift]:
        """The fed columns (and the label) that have changed."""
        found = {fed.name: shift_of(fed.daily) for fed in self.evidence.fed}
        return {name: shift for name, shift in found.items() if shift is not None and shift.unusual}

    @cached_property
    def world(self) -> WorldShift | None:
        """How outcomes came to stand to scores."""
        return world_shift(self.evidence.judged) if self.evidence.judged is not None else None

    @cached_property
    def suspects(self) -> tuple[Suspect, ...]:
        """Everything that may be the cause, the weightiest first within its kind."""
        halted = [self._weighed(each) for each in (*refused(self.evidence), *stopped(self.evidence))]
        spoken_for = {name for suspect in halted for name in suspect.touches if self._after(name, suspect)}
        broken = _one_of_each(
            [each for fed in self.evidence.fed if fed.name in self.moved and fed.name not in spoken_for
             for each in self._broken(fed)]
        )  # fmt: skip
        spoken_for |= {name for suspect in broken for name in suspect.touches}
        data = [*halted, *broken]
        if not any(each.weight for each in data):
            data += [self._weighed(each) for each in volumes(self.evidence)]
        model = [] if any(each.weight for each in data) else self._model(spoken_for)
        found = [*data, *service(self.evidence), *model]
        return tuple(sorted(found, key=lambda each: (-each.weight, each.what)))

    def _weighed(self, suspect: Suspect) -> Suspect:
        """The suspect with what changed since it stopped of what it touches."""
        return replace(suspect, weight=sum(self.moved[n].strength for n in suspect.touches if self._after(n, suspect)))

    def _after(self, name: str, suspect: Suspect) -> bool:
        """Whether a column changed when, or after, the suspect began."""
        shift = self.moved.get(name)
        if shift is None:
            return False
        return suspect.since is None or shift.since >= suspect.since.date() - timedelta(days=1)

    def _broken(self, fed: Fed) -> Iterable[Suspect]:
        """What broke upstream of a changed column, as far up as it shows."""
        shift = self.moved[fed.name]
        for places in (fed.values, fed.rows, fed.keys):
            found = {place: seen for place in places if (seen := self._seen(place, shift)) is not None}
            told = list(found)
            sources = [place for place in told if place[0] != REQUEST and self._is_source(place[0])]
            for place in sources or [place for place in told if place[0] == REQUEST] or told[-1:]:
                upstream, pattern = found[place]
                weight = shift.strength * min(pattern.explained, 1.0)
                yield self._suspect(place, pattern, upstream, weight, fed.name)
            if told:
                return
        own = pattern_of(shift)
        if own is not None:
            place = self._rewritten(fed, shift) or self._holding(fed, shift) or fed.place or (REQUEST, fed.name)
            if fed.role == "looked up" and own.kind == "nulls" and not self._empty(place, shift):
                place = (place[0], "")
            yield self._suspect(place, own, shift, shift.strength * min(own.explained, 1.0), fed.name)

    def _rewritten(self, fed: Fed, shift: Shift) -> Place | None:
        """The source's column whose past itself reads otherwise than it was served: its files came anew."""
        for place in fed.values:
            now = together(self._days(place, until=shift.since))
            if place[0] == REQUEST or now is None or not self._is_source(place[0]):
                continue
            if not now.count or alike(now, shift.after) > alike(now, shift.before) + 0.1:
                return place
        return None

    def _holding(self, fed: Fed, shift: Shift) -> Place | None:
        """The source's column that since then holds what was served since, however much its longer past strayed."""
        for place in reversed(fed.values):
            now = together(self._days(place, since=shift.since))
            if place[0] == REQUEST or now is None or not now.count or not self._is_source(place[0]):
                continue
            if alike(now, shift.after) > max(ALIKE, alike(now, shift.before) + 0.1):
                return place
        return None

    def _days(self, place: Place, *, since: date = date.min, until: date = date.max) -> Daily:
        """An upstream column from a day on, or until before a day."""
        return {day: each for day, each in self.evidence.columns.get(place, {}).items() if since <= day < until}

    def _seen(self, place: Place, shift: Shift) -> tuple[Shift, Pattern] | None:
        """The same change in an upstream column. Its past is longer: there a season may have moved it more, so that the
        day itself is asked for too.
        """
        upstream = self.shift(place)
        if upstream is not None and abs(upstream.since - shift.since) <= NEAR:
            pattern = self.pattern(place)
            return None if pattern is None else (upstream, pattern)
        upstream = shift_of(self.evidence.columns.get(place, {}), since=shift.since)
        pattern = pattern_of(upstream) if upstream is not None and upstream.unusual else None
        return None if upstream is None or pattern is None else (upstream, pattern)

    def _empty(self, place: Place, shift: Shift) -> bool:
        since = together(self._days(place, since=shift.since))
        return since is None or since.nulls > 0.02 * since.rows

    def _is_source(self, table: str) -> bool:
        return table == REQUEST or self.evidence.tables[table].kind == "source"

    def _suspect(self, place: Place, pattern: Pattern, shift: Shift, weight: float, touched: str) -> Suspect:
        table = place[0]
        since = midnight_of(shift.since, self.evidence.timezone)
        told = self._told(place, pattern, shift)
        return Suspect("data", told, weight, frozenset({touched}), table or None, since)

    def _told(self, place: Place, pattern: Pattern, shift: Shift) -> str:
        table, column = place
        if table == REQUEST:
            by = _caller(self.evidence, column, shift)
            return f"{column} of requests: {pattern.words}, from {day_text(shift.since)} on{by}"
        if not column:
            return f"look-ups in {table} find nothing from {day_text(shift.since)} on: its keys and those asked differ"
        state = self.evidence.tables[table]
        version = _version_near(state, shift.since)
        if pattern.kind == "nulls" and pattern.share > GONE and self._is_source(table):
            other = self._holds(place, shift)
            gone = f"column {column} of {table} is gone{version or f' since {day_text(shift.since)}'}"
            return f"{gone}; new column {other} holds what it held" if other else gone
        return f"{table}.{column}: {pattern.words}, from {day_text(shift.since)}{version} on"

    def _holds(self, place: Place, shift: Shift) -> str | None:
        """The column of the same source that was empty, or not there, before and has held the like since."""
        found, new = [], self._new_columns(place[0])
        for other in self.evidence.columns:
            if other[0] != place[0] or other == place:
                continue
            before, since = (
                together(self._days(other, until=shift.since)),
                together(self._days(other, since=shift.since)),
            )
            was_empty = before is None or before.count <= (1 - GONE) * before.rows
            if since is not None and since.count > 0.5 * since.rows and (was_empty or other[1] in new):
                found.append((alike(shift.before, since), other[1]))
        return max(found)[1] if found and max(found)[0] > ALIKE else None

    def _new_columns(self, table: str) -> set[str]:
        late = [
            after.columns.keys() - before.columns.keys()
            for before, after in pairwise(self.evidence.tables[table].versions)
            if self.evidence.now - after.at <= RECENT
        ]
        return set[str]().union(*late)

    def _model(self, spoken_for: set[str]) -> Iterable[Suspect]:
        """A release right before the change, else the world: where the data does not explain it already."""
        fed = {n: shift for n, shift in self.moved.items() if n not in spoken_for and n != LABEL}
        world = self.world
        begun = [world.since] if world else [shift.since for shift in fed.values()]
        weight = sum(shift.strength for shift in fed.values())
        released = self._released(begun)
        if released is not None:
            yield replace(released, weight=world.strength if world else weight, touches=frozenset(fed))
        elif world is not None:
            since = midnight_of(world.since, self.evidence.timezone)
            what = f"{world.words}, from {day_text(world.since)} on"
            yield Suspect("model", what, world.strength * world.explained, frozenset({*fed, LABEL}), since=since)
        fed = {name: shift for name, shift in fed.items() if shift.strength > max(FELT, 3 * shift.noise)}
        if released is None and world is None and len(fed) >= max(3, len(self.evidence.fed) // 3):
            first = min(shift.since for shift in fed.values())
            most = sorted(fed, key=lambda name: (-fed[name].strength, name))
            what = f"{len(fed)} of {len(self.evidence.fed)} columns moved together ({listed(most)}) while their"
            what += f" sources are healthy: the world changed, from {day_text(first)} on"
            since = midnight_of(first, self.evidence.timezone)
            yield Suspect("model", what, weight, frozenset(fed), since=since)

    def _released(self, begun: Sequence[date]) -> Suspect | None:
        """The newest release, where all began with it."""
        latest = self.evidence.deployments[-1] if self.evidence.deployments else None
        if latest is None or latest.replaced is None or not begun:
            return None
        day = latest.since.astimezone(ZoneInfo(self.evidence.timezone)).date()
        if any(abs(since - day) > timedelta(days=1) for since in begun):
            return None
        model = self.evidence.model
        what = f"{model}@{latest.version} went into production on {day_text(day)}, replacing {model}@{latest.replaced},"
        return Suspect("model", f"{what} right before it began", 0.0, since=latest.since)


def _one_of_each(suspects: Sequence[Suspect]) -> list[Suspect]:
    """Suspects of the same cause as one; columns of a table that went empty together as one."""
    found: dict[str, Suspect] = {}
    for each in suspects:
        same = found.get(each.what)
        found[each.what] = each if same is None else replace(
            same, weight=same.weight + each.weight, touches=same.touches | each.touches
        )  # fmt: skip
    return list(found.values())


def _caller(evidence: Evidence, column: str, shift: Shift) -> str:
    """Who asks so, where it is one caller of several."""
    told: dict[str, float] = {}
    for caller, columns in evidence.callers.items():
        since = together({day: each for day, each in columns.get(column, {}).items() if day >= shift.since})
        if since is not None:
            told[caller] = alike(shift.before, since)
    changed = [caller for caller, like in told.items() if like < 0.9]
    return f", asked by {changed[0]}" if len(told) > 1 and len(changed) == 1 else ""


def _version_near(state: TableState, since: date) -> str:
    """`, v13` where a version landed when the change began."""
    near = [each.version for each in state.versions[1:] if abs(each.at.date() - since) <= timedelta(days=2)]
    return f" (v{near[0]})" if near else ""
