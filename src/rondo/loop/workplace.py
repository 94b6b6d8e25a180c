"""A project with the stores of one state and its clock: what every verb of the loop works on."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from rondo.deploy.predictions import uncompacted
from rondo.graph.definitions import Node, nodes_of
from rondo.project.reading import Project, read_project
from rondo.project.settings import Settings
from rondo.sql.relations import Catalog
from rondo.store.clocks import DataClock
from rondo.store.ledger import open_ledger
from rondo.store.opening import LIVE, Store, open_store

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Workplace:
    """A project, one of its states, and who is acting."""

    project: Project
    store: Store
    by: str

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """Sources and tables in their present definition, in the order they are built."""
        return nodes_of(self.project)

    @cached_property
    def catalog(self) -> Catalog:
        """Everything SQL may read, predictions not yet in the lake included."""
        return Catalog(self.project, self.store.ledger, self.store.lake, lambda model: uncompacted(self.store, model))

    def now(self) -> datetime:
        """The moment, by the project's clock."""
        return self.store.clock()


def operating_user() -> str:
    """Who acts when nobody says: the operating system's user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def open_workplace(
    root: Path,
    *,
    state: str = LIVE,
    by: str | None = None,
    clock: Clock | None = None,
    readonly: bool = False,
    project: Project | None = None,
) -> Workplace:
    """The project at `root` with the stores of `state`. `clock` replaces the one rondo.toml names."""
    project = project or read_project(root)
    settings = project.settings
    store = _open(project.root, settings, state, readonly, clock or _wall)
    if clock is None and settings.clock == "data":
        timed = [source.name for source in project.sources.values() if source.known not in (None, "always")]
        ledger = open_ledger(store.ledger_url, clock=_wall, readonly=True)
        store = _open(project.root, settings, state, readonly, DataClock(ledger, timed, _wall))
    return Workplace(project, store, by or operating_user())


def _open(root: Path, settings: Settings, state: str, readonly: bool, clock: Clock) -> Store:
    return open_store(
        root,
        ledger_url=settings.ledger,
        lake_url=settings.lake,
        online_url=settings.online,
        durability=settings.serving.durability,
        state=state,
        clock=clock,
        readonly=readonly,
        project=settings.name,
    )


def _wall() -> datetime:
    return datetime.now(UTC)
