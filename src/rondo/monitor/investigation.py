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

from rondo.language.words import Language
from rondo.monitor.changes import Shift, shift_of, together
from rondo.monitor.evidence import LABEL, REQUEST, Daily, Evidence, Fed, Place, TableState
from rondo.monitor.patterns import Pattern, alike, pattern_of
from rondo.monitor.phrases import day_text, listed
from rondo.monitor.shifts import WorldShift, world_shift
from rondo.monitor.suspects import RECENT, Suspect, midnight_of, refused, service, stopped, volumes

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
            self._patterns[place] = pattern_of(shift, self.evidence.words) if shift else None
        return self._patterns[place]

    @cached_property
    def moved(self) -> dict[str, Shift]:
        """The fed columns (and the label) that have changed."""
        found = {fed.name: shift_of(fed.daily) for fed in self.evidence.fed}
        return {name: shift for name, shift in found.items() if shift is not None and shift.unusual}

    @cached_property
    def world(self) -> WorldShift | None:
        """How outcomes came to stand to scores."""
        judged = self.evidence.judged
        return world_shift(judged, self.evidence.words) if judged is not None else None

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
        own = pattern_of(shift, self.evidence.words)
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
        pattern = pattern_of(upstream, self.evidence.words) if upstream is not None and upstream.unusual else None
        return None if upstream is None or pattern is None else (upstream, pattern)

    def _empty(self, place: Place, shift: Shift) -> bool:
        since = together(self._days(place, since=shift.since))
        return since is None or since.nulls > 0.02 * since.rows

    def _is_source(self, table: str) -> bool:
        return table == REQUEST or self.evidence.tables[table].kind == "source"

    def _suspect(self, place: Place, pattern: Pattern, shift: Shift, weight: float, touched: str) -> Suspect:
        table = place[0]
        since = midnight_of(shift.since, self.evidence.words)
        told = self._told(place, pattern, shift)
        return Suspect("data", told, weight, frozenset({touched}), table or None, since)

    def _told(self, place: Place, pattern: Pattern, shift: Shift) -> str:
        (table, column), words = place, self.evidence.words
        day = day_text(shift.since, words)
        if table == REQUEST:
            told = words.plain(
                "{column} of requests: {pattern}, from {day} on", column=column, pattern=pattern.words, day=day
            )
            caller = _caller(self.evidence, column, shift)
            return told if caller is None else words.plain("{told}, asked by {caller}", told=told, caller=caller)
        if not column:
            return words.plain(
                "look-ups in {table} find nothing from {day} on: its keys and those asked differ", table=table, day=day
            )
        version = _version_near(self.evidence.tables[table], shift.since)
        if pattern.kind == "nulls" and pattern.share > GONE and self._is_source(table):
            gone = _gone(table, column, day, version, words)
            other = self._holds(place, shift)
            if other is None:
                return gone
            return words.plain("{told}; new column {column} holds what it held", told=gone, column=other)
        if version is None:
            return words.plain(
                "{table}.{column}: {pattern}, from {day} on",
                table=table, column=column, pattern=pattern.words, day=day,
            )  # fmt: skip
        return words.plain(
            "{table}.{column}: {pattern}, from {day} (v{version}) on",
            table=table, column=column, pattern=pattern.words, day=day, version=version,
        )  # fmt: skip

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
            since = midnight_of(world.since, self.evidence.words)
            day = day_text(world.since, self.evidence.words)
            what = self.evidence.words.plain("{told}, from {day} on", told=world.words, day=day)
            yield Suspect("model", what, world.strength * world.explained, frozenset({*fed, LABEL}), since=since)
        fed = {name: shift for name, shift in fed.items() if shift.strength > max(FELT, 3 * shift.noise)}
        if released is None and world is None and len(fed) >= max(3, len(self.evidence.fed) // 3):
            first = min(shift.since for shift in fed.values())
            most = sorted(fed, key=lambda name: (-fed[name].strength, name))
            what = self.evidence.words.plain(
                "{n} of {all} columns moved together ({names}) while their sources are healthy: the world changed, "
                "from {day} on",
                n=len(fed), all=len(self.evidence.fed), names=listed(most, self.evidence.words),
                day=day_text(first, self.evidence.words),
            )  # fmt: skip
            since = midnight_of(first, self.evidence.words)
            yield Suspect("model", what, weight, frozenset(fed), since=since)

    def _released(self, begun: Sequence[date]) -> Suspect | None:
        """The newest release, where all began with it."""
        latest = self.evidence.deployments[-1] if self.evidence.deployments else None
        if latest is None or latest.replaced is None or not begun:
            return None
        words = self.evidence.words
        day = latest.since.astimezone(words.zone).date()
        if any(abs(since - day) > timedelta(days=1) for since in begun):
            return None
        model = self.evidence.model
        what = words.plain(
            "{version} went into production on {day}, replacing {replaced}, right before it began",
            version=f"{model}@{latest.version}", day=day_text(day, words), replaced=f"{model}@{latest.replaced}",
        )  # fmt: skip
        return Suspect("model", what, 0.0, since=latest.since)


def _one_of_each(suspects: Sequence[Suspect]) -> list[Suspect]:
    """Suspects of the same cause as one; columns of a table that went empty together as one."""
    found: dict[str, Suspect] = {}
    for each in suspects:
        same = found.get(each.what)
        found[each.what] = each if same is None else replace(
            same, weight=same.weight + each.weight, touches=same.touches | each.touches
        )  # fmt: skip
    return list(found.values())


def _gone(table: str, column: str, day: str, version: int | None, words: Language) -> str:
    if version is None:
        return words.plain("column {column} of {table} is gone since {day}", column=column, table=table, day=day)
    return words.plain("column {column} of {table} is gone (v{version})", column=column, table=table, version=version)


def _caller(evidence: Evidence, column: str, shift: Shift) -> str | None:
    """Who asks so, where it is one caller of several."""
    told: dict[str, float] = {}
    for caller, columns in evidence.callers.items():
        since = together({day: each for day, each in columns.get(column, {}).items() if day >= shift.since})
        if since is not None:
            told[caller] = alike(shift.before, since)
    changed = [caller for caller, like in told.items() if like < 0.9]
    return changed[0] if len(told) > 1 and len(changed) == 1 else None


def _version_near(state: TableState, since: date) -> int | None:
    """The version that landed when the change began."""
    near = [each.version for each in state.versions[1:] if abs(each.at.date() - since) <= timedelta(days=2)]
    return near[0] if near else None
