"""`rondo.toml`: name, people, stores, engines, monitoring, alert channels."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rondo.errors import DeclarationError
from rondo.project.channels import Channel, read_channels
from rondo.project.monitoring import KEYS as MONITORING
from rondo.project.monitoring import Monitoring, read_monitoring
from rondo.project.people import Person, read_people
from rondo.project.serving import KEYS as SERVING
from rondo.project.serving import Serving, read_serving
from rondo.project.tables import NAME
from rondo.project.using import KEYS as USE
from rondo.project.using import Use, read_use

FILE = "rondo.toml"
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "project": {
        "name": "what the project is called",
        "summary": "one sentence",
        "timezone": "all SQL runs in it; timestamps without a zone are in it (UTC)",
        "language": "what people read: en or ko (en)",
        "clock": "now: `wall`, or `data` for the greatest known time in the lake (wall)",
    },
    "stores": {
        "ledger": "URL of the ledger (sqlite:///.rondo/ledger.db)",
        "lake": "folder or bucket of the lake (.rondo/lake)",
        "online": "URL of the online values (lmdb://.rondo/online)",
    },
    "engines": {"sql": "duckdb", "work": "local"},
    "serving": SERVING,
    "use": USE,
    "monitoring": MONITORING,
    "alerts": {"channels": "where alerts go: `console`, or the NAME of a section [alerts.NAME] (console)"},
}
_PASSWORD = re.compile(r"://[^/@:]*:([^/@]+)@")


@dataclass(frozen=True)
class Settings:
    """What `rondo.toml` says, with the defaults filled in."""

    name: str
    summary: str | None = None
    timezone: str = "UTC"
    language: Literal["en", "ko"] = "en"
    clock: Literal["wall", "data"] = "wall"
    ledger: str = "sqlite:///.rondo/ledger.db"
    lake: str = ".rondo/lake"
    online: str = "lmdb://.rondo/online"
    sql: str = "duckdb"
    work: str = "local"
    serving: Serving = field(default_factory=Serving)
    use: Use = field(default_factory=Use)
    monitoring: Monitoring = field(default_factory=Monitoring)
    channels: tuple[str, ...] = ("console",)
    declared_channels: tuple[Channel, ...] = ()
    people: tuple[Person, ...] = ()


def read_settings(root: Path) -> Settings:
    """The settings of the project in `root`."""
    path = root / FILE
    try:
        text = path.read_text(encoding="utf-8-sig")
        written = tomllib.loads(text)
    except FileNotFoundError as error:
        raise DeclarationError(
            f"{root} is not a project: it has no {FILE}.",
            next_step="Go to a project's folder, name one with --project, or make one with `rondo init DIR`.",
        ) from error
    except UnicodeDecodeError as error:
        raise DeclarationError(f"{FILE} is not UTF-8.", next_step="Save it as UTF-8.", file=FILE) from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        raise DeclarationError(
            f"{FILE} cannot be read: {error}.",
            next_step="Mend the TOML.",
            file=FILE,
            line=int(found[1]) if found else None,
        ) from error
    return _Toml(text, written).settings()


@dataclass(frozen=True)
class _Toml:
    text: str
    written: Mapping[str, object]
    filled: dict[str, str] = field(default_factory=dict)
    """What came from the environment, each with how it is written: no error shows it."""

    def line(self, section: str, name: str | None = None) -> int:
        """The line of a section, or of a key in it (of the section where the key is not there)."""
        place = self._place(section, name)
        if place is None and name is not None:
            place = self._place(section, None)
        return place or 1

    def _place(self, section: str, name: str | None) -> int | None:
        inside = None
        for number, text in enumerate(self.text.splitlines(), 1):
            head = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", text)
            if head:
                inside = head[1].strip('"')
                if inside == section and name is None:
                    return number
                continue
            wanted = name if inside == section else section if inside is None else None
            if wanted is not None and re.match(rf"\s*[\"']?{re.escape(wanted)}[\"']?\s*[=.]", text):
                return number
        return None

    def wrong(self, section: str, name: str | None, what: str, next_step: str) -> DeclarationError:
        where = f"{section}.{name}" if name else f"[{section}]"
        for value, written in self.filled.items():
            what = what.replace(value, written).replace(repr(value)[1:-1], written)
        return DeclarationError(
            f"{FILE}: {where} {what}.", next_step=next_step, file=FILE, line=self.line(section, name)
        )

    def section(self, section: str, allowed: Sequence[str]) -> dict[str, object]:
        values = self.written.get(section, {})
        if not isinstance(values, Mapping):
            raise self.wrong(section, None, "is not a section", f"Write [{section}] with keys below it.")
        for name in values:
            if name not in allowed:
                raise self.wrong(
                    section, name, f"is unknown; there are: {', '.join(allowed)}", "Use one of these keys."
                )
        return {str(name): self._with_environment(section, str(name), value) for name, value in values.items()}

    def _with_environment(self, section: str, name: str, value: object) -> object:
        if isinstance(value, list):
            return tuple(self._with_environment(section, name, item) for item in value)
        if not isinstance(value, str):
            return value

        def filled(found: re.Match[str]) -> str:
            if found[1] not in os.environ:
                raise self.wrong(
                    section, name, f"wants ${{{found[1]}}}, which is not set", f"Set {found[1]} in the environment."
                )
            value = os.environ[found[1]]
            if value:
                self.filled[value] = found[0]
            return value

        return re.sub(r"\$\{(\w+)\}", filled, value)

    def below(self, section: str) -> list[str]:
        """The names of its sub-sections, `[section.NAME]`."""
        values = self.written.get(section)
        return [name for name, value in values.items() if isinstance(value, dict)] if isinstance(values, dict) else []

    def text_of(
        self, values: Mapping[str, object], section: str, name: str, default: str, among: Sequence[str] = ()
    ) -> str:
        value = values.get(name, default)
        if not isinstance(value, str) or (among and value not in among):
            allowed = f"one of {', '.join(among)}" if among else "text"
            raise self.wrong(section, name, f"is {value!r}, not {allowed}", f'Write {name} = "{default or "…"}".')
        return value

    def address_of(self, stores: Mapping[str, object], name: str, default: str) -> str:
        """A store's URL. A password that stands in the file itself is refused: the file is for everybody."""
        address = self.text_of(stores, "stores", name, default)
        stores_written = self.written.get("stores")
        written = stores_written.get(name, default) if isinstance(stores_written, Mapping) else default
        found = _PASSWORD.search(str(written))
        if found and "${" not in found[1]:
            raise self.wrong(
                "stores", name, "holds a password", "Put it into the environment, and write ${NAME} in its place."
            )
        return address

    def settings(self) -> Settings:
        known = (*SECTIONS, "people")
        for section in self.written:
            if section not in known:
                raise self.wrong(
                    section, None, f"is unknown; there are: {', '.join(known)}", "Use one of these sections."
                )
        project = self.section("project", tuple(SECTIONS["project"]))
        stores, engines = (
            self.section("stores", tuple(SECTIONS["stores"])),
            self.section("engines", tuple(SECTIONS["engines"])),
        )
        alerts = self.section("alerts", (*SECTIONS["alerts"], *self.below("alerts")))
        name = self.text_of(project, "project", "name", "")
        if not NAME.fullmatch(name.replace("-", "_")):
            raise self.wrong("project", "name", "is missing" if not name else f"is {name!r}", 'Write name = "flights".')
        timezone = self.text_of(project, "project", "timezone", "UTC")
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise self.wrong(
                "project", "timezone", f"is {timezone!r}, which no one knows", 'Write e.g. "Europe/Berlin".'
            ) from error
        channels = alerts.get("channels", ("console",))
        if not isinstance(channels, tuple) or not all(isinstance(channel, str) for channel in channels):
            raise self.wrong("alerts", "channels", f"is {channels!r}, not a list", 'Write channels = ["console"].')
        defaults = Settings("")
        summary = self.text_of(project, "project", "summary", "")
        return Settings(
            name=name,
            summary=summary or None,
            timezone=timezone,
            language=self.text_of(project, "project", "language", "en", ("en", "ko")),  # type: ignore[arg-type]
            clock=self.text_of(project, "project", "clock", "wall", ("wall", "data")),  # type: ignore[arg-type]
            ledger=self.address_of(stores, "ledger", defaults.ledger),
            lake=self.address_of(stores, "lake", defaults.lake),
            online=self.address_of(stores, "online", defaults.online),
            sql=self.text_of(engines, "engines", "sql", "duckdb", ("duckdb",)),
            work=self.text_of(engines, "engines", "work", "local", ("local",)),
            serving=read_serving(self.section("serving", tuple(SECTIONS["serving"])), partial(self.wrong, "serving")),
            use=read_use(self.section("use", tuple(SECTIONS["use"])), partial(self.wrong, "use")),
            monitoring=read_monitoring(
                self.section("monitoring", tuple(SECTIONS["monitoring"])), partial(self.wrong, "monitoring")
            ),
            channels=channels,
            declared_channels=read_channels(alerts, self.wrong),
            people=read_people(self.written.get("people", {}), self.wrong),
        )
