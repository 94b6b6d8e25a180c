"""What people read: words by catalogue, numbers and moments as they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from markupsafe import Markup

from rondo.language.catalogues import Code, translations
from rondo.language.particles import with_particles
from rondo.records.development import Figure

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NONE = "–"


@dataclass(frozen=True)
class Language:
    """English or Korean, in one timezone. English texts are the names by which the catalogue knows them."""

    code: Code
    timezone: str

    @cached_property
    def zone(self) -> ZoneInfo:
        """The timezone that moments are shown in."""
        return ZoneInfo(self.timezone)

    def say(self, text: str, /, **values: object) -> Markup:
        """`text` in this language, its {names} filled in. Values are escaped unless they are markup."""
        return self._filled(translations(self.code).gettext(text), values)

    def known(self, word: str) -> str:
        """A word from a record: translated if the catalogue has it, else as it is."""
        return translations(self.code).gettext(word) if word else word

    def count(self, one: str, many: str, n: int, /, **values: object) -> Markup:
        """`one` or `many`, as {n} asks for."""
        return self._filled(translations(self.code).ngettext(one, many, n), {"n": self.whole(n), **values})

    def plain(self, text: str, /, **values: object) -> str:
        """`text` like `say`, for what is no page: a terminal, a JSON document, a file of plain text."""
        said = translations(self.code).gettext(text).format(**values)
        return with_particles(said) if self.code == "ko" else said

    def counted(self, one: str, many: str, n: int, /, **values: object) -> str:
        """`one` or `many` like `count`, as plain text."""
        said = translations(self.code).ngettext(one, many, n).format(n=self.whole(n), **values)
        return with_particles(said) if self.code == "ko" else said

    def _filled(self, text: str, values: Mapping[str, object]) -> Markup:
        said = Markup(text).format(**values)
        return Markup(with_particles(str(said))) if self.code == "ko" else said

    def day(self, at: datetime) -> str:
        """31 Dec 2013."""
        local = at.astimezone(self.zone)
        if self.code == "ko":
            return f"{local.year}년 {local.month}월 {local.day}일"
        return f"{local.day} {MONTHS[local.month - 1]} {local.year}"

    def weekday(self, at: datetime) -> str:
        """Tuesday."""
        return str(self.say(DAYS[at.astimezone(self.zone).weekday()]))

    def day_with_weekday(self, at: datetime) -> str:
        """Tuesday 31 Dec 2013, or 2013년 12월 31일 화요일."""
        parts = (self.weekday(at), self.day(at))
        return " ".join(reversed(parts) if self.code == "ko" else parts)

    def moment(self, at: datetime) -> str:
        """31 Dec 2013, 23:59."""
        return f"{self.day(at)}{' ' if self.code == 'ko' else ', '}{at.astimezone(self.zone):%H:%M}"

    def short(self, at: datetime) -> str:
        """31 Dec 23:59, where the year is plain from what stands beside it."""
        local = at.astimezone(self.zone)
        day = f"{local.month}월 {local.day}일" if self.code == "ko" else f"{local.day} {MONTHS[local.month - 1]}"
        return f"{day} {local:%H:%M}"

    def month(self, at: datetime) -> str:
        """Dec."""
        local = at.astimezone(self.zone)
        return f"{local.month}월" if self.code == "ko" else MONTHS[local.month - 1]

    def whole(self, n: int | None) -> str:
        """336,776."""
        return NONE if n is None else f"{n:,}"

    @property
    def percent(self) -> str:
        """The sign after a number, with the space before it that English takes and Korean does not."""
        return "%" if self.code == "ko" else " %"

    def share(self, part: float) -> str:
        """23.5 %, or 23.5%."""
        return f"{100 * part:.3g}{self.percent}"

    def number(self, value: float | None, *, signed: bool = False) -> str:
        """Three decimals below ten, fewer above; a true minus."""
        if value is None:
            return NONE
        size = abs(value)
        decimals = 3 if size < 10 else 2 if size < 100 else 1 if size < 1_000 else 0
        text = f"{value:+,.{decimals}f}" if signed else f"{value:,.{decimals}f}"
        return text.replace("-", "−")

    def interval(self, low: float | None, high: float | None, *, signed: bool = False) -> str:
        """0.737–0.751; with "to" where a sign would be lost in the dash, and a bound alone where it is one-sided."""
        if low is None and high is None:
            return ""
        if low is None or high is None:
            return f"{'≤' if low is None else '≥'} {self.number(high if low is None else low, signed=signed)}"
        between = " ~ " if self.code == "ko" else " to "
        joint = between if signed or low < 0 or high < 0 else "–"
        return f"{self.number(low, signed=signed)}{joint}{self.number(high, signed=signed)}"

    def figure(self, figure: Figure | None) -> Markup:
        """A value with its interval: 0.744 [0.737–0.751]."""
        if figure is None or figure.value is None:
            return Markup(NONE)
        interval = self.interval(figure.low, figure.high)
        ci = Markup(' <span class="ci">{}</span>').format(interval) if interval else ""
        return Markup("{}{}").format(self.number(figure.value), ci)

    def seconds(self, length_s: float | None) -> str:
        """1.9 s, or 8 min 40 s."""
        if length_s is None:
            return ""
        minutes, seconds = divmod(round(length_s), 60)
        if minutes:
            return str(self.say("{minutes} min {seconds} s", minutes=minutes, seconds=seconds))
        return str(self.say("{seconds} s", seconds=f"{length_s:.1f}"))
