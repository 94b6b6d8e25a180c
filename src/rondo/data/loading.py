"""Sources brought into the lake: which files are new, and one landing of them with its checks."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from rondo.data.built import Built
from rondo.data.checking import Examined, run_checks
from rondo.data.landing import FILE, LANDED, Landed, Landing
from rondo.data.profiling import profile
from rondo.data.quarantine import nothing_set_aside, set_aside_rows
from rondo.data.session import Session, session
from rondo.data.verdicts import sentence, state_of
from rondo.data.writing import land
from rondo.errors import LoadError, NotFound, VersionTaken
from rondo.project.checks import not_null
from rondo.project.reading import Project
from rondo.project.sources import Source
from rondo.records.progress import Progress, silent
from rondo.records.tables import Checked, CheckResult, Profile, SeenFile, TableVersion
from rondo.sql.relations import Catalog, rows_of, source_relation
from rondo.store.clocks import landed_at
from rondo.store.ledger import LedgerReader
from rondo.store.opening import Store

ATTEMPTS = 5
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Changes:
    """How a source's files stand against those landed: paths relative to the project, sorted."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict, compare=False, repr=False)


def changes(source: Source, root: Path, seen: Mapping[str, SeenFile]) -> Changes:
    """Compare the files of the source's pattern with those `seen`, by size and time of change.

    A file is read (for its SHA-256) only where these differ; a touched one with the same bytes is unchanged. Raises
    LoadError where the pattern matches nothing and nothing ever landed.
    """
    files = _matching(source.reader.pattern, root)
    if not files and not seen:
        folder = (root / source.reader.pattern).parent
        raise LoadError(
            f"{source.name}: no file matches {source.reader.pattern!r} in {root}.",
            next_step="Put the files there, or mend the pattern (it starts at the project's folder)."
            if folder.is_dir() or "*" in str(folder)
            else f"Make the folder {Path(source.reader.pattern).parent.as_posix()} and put the files there.",
            file=source.file,
            line=source.line,
        )
    new, changed, unchanged = [], [], []
    for name, path in files.items():
        before = seen.get(name)
        if before is None:
            new.append(name)
            continue
        there = path.stat()
        same = (there.st_size, there.st_mtime_ns) == (before.size, before.modified_ns)
        if same or (there.st_size == before.size and _sha256(path) == before.sha256):
            unchanged.append(name)
        else:
            changed.append(name)
    missing = sorted(set(seen) - set(files))
    return Changes(tuple(new), tuple(changed), tuple(unchanged), tuple(missing), files)


def seen_files(ledger: LedgerReader, name: str, definition: str) -> dict[str, SeenFile]:
    """Every file that landed under a source's definition, as last seen."""
    seen: dict[str, SeenFile] = {}
    for entry in ledger.entries(TableVersion, name=name, where={"definition": definition}):
        seen |= {file.path: file for file in entry.record.files}
    return seen


def load_source(
    source: Source,
    *,
    project: Project,
    store: Store,
    definition: str,
    build: str,
    by: str,
    now: datetime,
    pinned: bool = False,
    progress: Progress = silent,
) -> Built:
    """Land the source's new and changed files as a version of its table, check and profile it.

    Memory stays bounded whatever the files' size. Killed at any moment it leaves nothing that is ever read. A blocked
    landing keeps the last good version, and its files stay new. Raises LoadError naming file, line, column and value
    for what cannot be read, DeclarationError for `time`, `known`, `types` and checks that do not fit the rows.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            draft = TableVersion(
                name=source.name, version=store.ledger.next_version(TableVersion, source.name), stage="source",
                definition=definition, build=build, path=f"tables/{source.name}/{definition[:12]}", delta=0, rows=0,
                columns={}, pinned=pinned,
            )  # fmt: skip
            with session(project, store) as work:
                return _load(source, project, store, work, draft, by, now, progress)
        except VersionTaken:  # another process landed first: look again at what is new
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _load(
    source: Source, project: Project, store: Store, work: Session, draft: TableVersion, by: str, now: datetime,
    progress: Progress,
) -> Built:  # fmt: skip
    """One attempt: land, check, record."""
    started = time.perf_counter()
    ledger = store.ledger
    entry = ledger.latest(TableVersion, name=source.name, where={"definition": draft.definition})
    base = entry.record if entry else None
    found = changes(source, project.root, seen_files(ledger, source.name, draft.definition))
    files = {name: found.files[name] for name in sorted((*found.new, *found.changed))}
    if base is not None and base.build == draft.build and not files:
        checked = ledger.latest(CheckResult, name=source.name, version=base.version)
        return Built("built", base, checked.record if checked else None, "nothing new", base.rows, 0.0)
    looked = [_look(path, name) for name, path in files.items()]
    stored = rows_of(base, store.lake) if base else None
    landing = Landing(source, store, work, base, stored, draft, files, found.changed, now, progress)
    landed = land(landing)
    _refuse_moving(looked, files)
    progress(None, f"{source.name}: checks")
    examined = _examined(landing, landed, project)
    # Rows without a key would all count as one: they are reported where there are any.
    checks = [*source.checks, *([not_null(*source.key)] if landed.null_keys else [])]
    results = run_checks(work.con, examined, checks)
    state = state_of(checks, results, source.on_fail)
    if state == "blocked":
        kept = base.version if base else None
        verdict = CheckResult(name=source.name, version=kept, build=draft.build, state=state, checks=results)
        ledger.append(verdict, by=by, at=now)
        return Built("blocked", None, verdict, f"blocked by {sentence(results)}", 0, time.perf_counter() - started)
    quarantined = 0
    if state == "quarantined":
        landed, quarantined = set_aside_rows(landing, landed, checks, examined)
    else:
        nothing_set_aside(landing, landed)
    version = msgspec.structs.replace(
        landed.version,
        files=[msgspec.structs.replace(file, rows=landed.rows_of_file.get(file.path, 0)) for file in looked],
        quarantined=quarantined,
        seconds=time.perf_counter() - started,
    )
    verdict = CheckResult(name=source.name, version=version.version, build=version.build, state=state, checks=results)
    columns = profile(work.con, source_relation(source, version, store.lake), version.columns)
    held = Profile(name=source.name, version=version.version, rows=version.rows, columns=columns)
    ledger.append(version, verdict, held, by=by, at=landed_at(store.clock, now, version.known_until))
    reason = _reason(found, landed, quarantined, results)
    return Built("built", version, verdict, reason, version.rows, time.perf_counter() - started)


def _examined(landing: Landing, landed: Landed, project: Project) -> Examined:
    source, lake = landing.source, landing.store.lake
    return Examined(
        relation=source_relation(source, landed.version, lake),
        key=source.key,
        references=_references(Catalog(project, landing.store.ledger, lake), source),
        previous=source_relation(source, landing.base, lake) if landing.base else None,
        landed=f"(select * from {rows_of(landed.version, lake)})",
        landed_within=(FILE, LANDED) if source.key else (),
        file=source.file,
        line=source.line,
    )


def _reason(found: Changes, landed: Landed, quarantined: int, results: Iterable[Checked]) -> str:
    parts = [f"{sum(landed.rows_of_file.values()):,} rows from {len(landed.rows_of_file)} files"]
    if landed.new_columns:
        parts.append(f"new columns, null in earlier rows: {', '.join(landed.new_columns)}")
    if found.missing:
        parts.append(f"gone, and their rows kept: {', '.join(found.missing)}")
    if quarantined:
        parts.append(f"{quarantined:,} rows quarantined")
    if failed := sentence(list(results)):
        parts.append(f"failed: {failed}")
    return "; ".join(parts)


def _refuse_moving(looked: Iterable[SeenFile], files: Mapping[str, Path]) -> None:
    """Rows must be those of the bytes that are remembered."""
    for file in looked:
        if _stamp(files[file.path]) != (file.size, file.modified_ns):
            raise LoadError(f"{file.path} changed while it was read.", next_step="Run again.", file=file.path)


def _references(catalog: Catalog, source: Source) -> dict[str, str]:
    found = {}
    for name in {table for check in source.checks for _, table, _ in check.references}:
        try:
            found[name] = catalog.relation(name)
        except NotFound:
            continue
    return found


def _matching(pattern: str, root: Path) -> dict[str, Path]:
    """Files of a pattern by their name: relative to the project, or absolute outside of it."""
    start = Path(pattern)
    base, relative = (Path(start.anchor), pattern[len(start.anchor) :]) if start.is_absolute() else (root, pattern)
    found = {}
    for path in base.glob(relative):
        if path.is_file():
            name = os.path.relpath(path, root)
            found[Path(name).as_posix() if not start.is_absolute() else path.as_posix()] = path
    return dict(sorted(found.items()))


def _look(path: Path, name: str) -> SeenFile:
    size, modified_ns = _stamp(path)
    try:
        return SeenFile(path=name, size=size, modified_ns=modified_ns, sha256=_sha256(path), rows=0)
    except OSError as error:
        raise LoadError(
            f"{name} cannot be read: {error.strerror}.", next_step="See to its permissions.", file=name
        ) from error


def _stamp(path: Path) -> tuple[int, int]:
    there = path.stat()
    return there.st_size, there.st_mtime_ns


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
