"""Opening a project's stores. Each part is opened at its first use, so that reading the ledger loads nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal, cast

from rondo.errors import StoreError
from rondo.store.artifacts import Artifacts, FolderArtifacts
from rondo.store.lake import DeltaLake, Lake
from rondo.store.ledger import Ledger, open_ledger
from rondo.store.log import PredictionLog
from rondo.store.names import segments
from rondo.store.online import Online, open_online

LIVE = "live"


@dataclass(frozen=True)
class Store:
    """The stores of one state of a project. `folder` holds what has no URL of its own."""

    root: Path
    folder: Path
    state: str
    clock: Callable[[], datetime]
    ledger_url: str = field(repr=False)
    lake_url: str
    online_url: str = field(repr=False)
    durability: Literal["process", "disk"]
    readonly: bool
    project: str | None = None

    @cached_property
    def ledger(self) -> Ledger:
        """What happened."""
        return open_ledger(self.ledger_url, clock=self.clock, readonly=self.readonly)

    @cached_property
    def lake(self) -> Lake:
        """All tables, versioned."""
        return DeltaLake(self.lake_url)

    @cached_property
    def artifacts(self) -> Artifacts:
        """Files by their SHA-256."""
        return FolderArtifacts(self.folder / "artifacts")

    @cached_property
    def online(self) -> Online:
        """Feature values as known now."""
        return open_online(self.online_url, project=self.project)

    @cached_property
    def log(self) -> PredictionLog:
        """Predictions and outcomes not yet in the lake."""
        return PredictionLog(self.folder / "predictions", durability=self.durability, clock=self.clock)


def open_store(
    root: Path,
    *,
    ledger_url: str = "sqlite:///.rondo/ledger.db",
    lake_url: str = ".rondo/lake",
    online_url: str = "lmdb://.rondo/online",
    durability: str = "process",
    state: str = LIVE,
    clock: Callable[[], datetime] | None = None,
    readonly: bool = False,
    project: str | None = None,
) -> Store:
    """The stores of the project at `root`; relative URLs start there.

    A state other than `live` has all its stores under `.rondo/states/NAME`, whatever the URLs of the live one.
    `clock` is the project's (default: the wall clock); `project` its name, which keeps projects apart in a Redis that
    they share. Raises StoreError for a URL no store here speaks.
    """
    root = root.absolute()
    folder = root / ".rondo"
    if state != LIVE:
        if len(segments(state, "state")) != 1:
            raise StoreError(f"A state cannot be called {state!r}.", next_step="Use one word.")
        folder = folder / "states" / state
        ledger_url, lake_url, online_url = f"sqlite:///{folder}/ledger.db", f"{folder}/lake", f"lmdb://{folder}/online"
    if durability not in ("process", "disk"):
        raise StoreError(f"Durability is 'process' or 'disk', not {durability!r}.", next_step="Mend [serving].")
    return Store(
        root=root,
        folder=folder,
        state=state,
        clock=clock or _wall_clock,
        ledger_url=_ledger_url(ledger_url, root),
        lake_url=_lake_folder(lake_url, root),
        online_url=_online_url(online_url, root),
        durability=cast("Literal['process', 'disk']", durability),
        readonly=readonly,
        project=project,
    )


def _ledger_url(url: str, root: Path) -> str:
    scheme, separator, rest = url.partition(":///")
    if scheme == "sqlite" and separator and rest:
        return f"sqlite:///{root / rest}"
    if url.startswith("postgresql"):
        return url
    raise _unspoken("ledger", url, "sqlite:///FILE or postgresql+psycopg://…")


def _lake_folder(url: str, root: Path) -> str:
    if "://" in url:
        raise _unspoken("lake", url, "a folder")
    return str(root / url)


def _online_url(url: str, root: Path) -> str:
    if not url.startswith("lmdb://"):
        return url  # `open_online` answers for the others
    return f"lmdb://{root / url.removeprefix('lmdb://')}"


def _unspoken(part: str, url: str, known: str) -> StoreError:
    scheme, separator, _ = url.partition("://")
    shown = f"{scheme}://…" if separator else "such an address" if "@" in url else repr(url)  # it may hold a password
    return StoreError(
        f"The {part} cannot be at {shown}: this release speaks {known}.",
        next_step=f"Change `{part}` under [stores] in rondo.toml.",
    )


def _wall_clock() -> datetime:
    return datetime.now(UTC)
