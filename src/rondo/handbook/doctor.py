"""Whether this installation and this project are healthy; each finding says what to do."""

from __future__ import annotations

import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rondo.errors import RondoError
from rondo.graph.definitions import nodes_of
from rondo.handbook.browsers import find_browser
from rondo.handbook.documents import findings
from rondo.project.reading import find_root, read_project
from rondo.project.reports import read_report, report_names
from rondo.project.using import unreadable
from rondo.records.development import Version
from rondo.store.opening import open_store

LIBRARIES = ("duckdb", "deltalake", "pyarrow", "lightgbm", "scikit-learn", "sqlalchemy", "lmdb", "uvicorn")
LEAST_FREE_GB = 2
FONTS = (
    Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".fonts",
    Path.home() / ".local" / "share" / "fonts", Path("/System/Library/Fonts"), Path("/Library/Fonts"),
    Path.home() / "Library" / "Fonts", Path("C:/Windows/Fonts"),
)  # fmt: skip
HANGUL = re.compile(r"Noto\s?Sans\s?(Mono\s?)?(CJK|KR)|AppleSDGothicNeo|malgun", re.IGNORECASE)
"""Files of the Korean faces that the charts' theme asks for."""
Finding = dict[str, str | None]


def examine(start: Path, state: str) -> dict[str, Any]:
    """The `doctor` document: the installation, and the project at or above `start` if there is one."""
    findings = [*_installation(), *_project(start, state)]
    return {"healthy": all(finding["state"] != "bad" for finding in findings), "findings": findings}


def _finding(what: str, state: str = "good", next_step: str | None = None) -> Finding:
    return {"what": what, "state": state, "next": next_step}


def _installation() -> Iterator[Finding]:
    yield _finding(f"Python {platform.python_version()}")
    for name in LIBRARIES:
        try:
            yield _finding(f"{name} {version(name)}")
        except PackageNotFoundError:
            yield _finding(f"{name} is not installed", "bad", "Run `pip install rondo-ml`.")
    yield from _printing()
    free_gb = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    if free_gb < LEAST_FREE_GB:
        yield _finding(f"{free_gb:.1f} GB free for temporary files", "warn", "Free some space, or set TMPDIR.")


def _printing() -> Iterator[Finding]:
    """What saving pages needs of the machine: a browser for PDF, a Korean face for pictures."""
    try:
        yield _finding(f"PDF: printed by {find_browser().name}")
    except RondoError as error:
        yield _finding(f"no PDF: {error.message}", "warn", error.next_step)
    face = korean_face()
    if face is None:
        yield _finding(
            "Korean text in pictures would be boxes: no Korean face is installed",
            "warn",
            "Debian and Ubuntu: `apt-get install fonts-noto-cjk`; elsewhere Noto Sans KR.",
        )
    else:
        yield _finding(f"Korean text in pictures: {face.stem}")


def _reports(root: Path) -> Iterator[Finding]:
    names = report_names(root)
    for name in names:
        try:
            read_report(root, name)
        except RondoError as error:
            where = f"{error.file}:{error.line}: " if error.file and error.line else ""
            yield _finding(f"a report cannot be read: {where}{error.message}", "warn", error.next_step)
    if names:
        yield _finding(f"reports: {', '.join(names)}")


def korean_face(folders: Sequence[Path] | None = None) -> Path | None:
    """A font file of a face that the charts' theme names and that has Hangul; None where none is installed."""
    for folder in FONTS if folders is None else folders:
        if folder.is_dir():
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in (".otf", ".ttf", ".ttc") and HANGUL.search(path.stem):
                    return path
    return None


def _project(start: Path, state: str) -> Iterator[Finding]:
    try:
        root = find_root(start)
    except RondoError as error:
        yield _finding("no project here", "warn", error.next_step)
        return
    try:
        project = read_project(root)
        nodes_of(project)
    except RondoError as error:
        where = f"{error.file}:{error.line}: " if error.file and error.line else ""
        yield _finding(f"the project cannot be read: {where}{error.message}", "bad", error.next_step)
        return
    counts = f"{len(project.sources)} sources, {len(project.tables)} tables, {len(project.models)} models"
    yield _finding(f"project {project.settings.name}: {counts}")
    yield from findings(project, datetime.now(ZoneInfo(project.settings.timezone)).date())
    for wrong in unreadable(project.root, project.models):
        yield _finding(f"the page for end users: {wrong.message}", "warn", wrong.next_step)
    yield from _reports(root)
    free_gb = shutil.disk_usage(root).free / 1e9
    low = free_gb < LEAST_FREE_GB
    yield _finding(
        f"{free_gb:.1f} GB free beside the project", "warn" if low else "good", "Free some space." if low else None
    )
    settings = project.settings
    store = open_store(
        root,
        ledger_url=settings.ledger,
        lake_url=settings.lake,
        online_url=settings.online,
        state=state,
        readonly=True,
        project=settings.name,
    )

    def ledger() -> str:
        versions = store.ledger.entries(Version)
        return f"ledger: {store.ledger.count(Version)} versions of models" if versions else "ledger: no version yet"

    def artifacts() -> str:
        versions = [entry.record for entry in store.ledger.entries(Version)]
        kept = [files for version in versions for files in (version.files, *version.baselines.values())]
        files = {sha for each in kept for sha in each.values()}
        for sha in files:
            store.artifacts.get(sha)
        return f"artifacts: {len(files)} files, each as it was written"

    def online() -> str:
        return f"online values: {len(store.online.spaces())} tables published"

    for look in (ledger, artifacts, online):
        yield _tried(look)


def _tried(look: Callable[[], str]) -> Finding:
    try:
        return _finding(look())
    except RondoError as error:
        return _finding(error.message, "bad", error.next_step)
