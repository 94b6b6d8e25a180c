from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import rondo
from rondo.cli.app import app
from rondo.deploy.exposition import FAMILIES
from rondo.project import channels, checks, people, settings, tables
from rondo.records.kinds import KINDS
from rondo.sql.scalars import SUPPORTED
from rondo.stats.metrics import METRICS

DOCS = Path(__file__).parents[2] / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rondo_docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def headings(page: str) -> set[str]:
    return set(re.findall(r"^## (.+)$", (DOCS / "reference" / f"{page}.md").read_text(), re.MULTILINE))


def first_column(page: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)`", (DOCS / "reference" / f"{page}.md").read_text(), re.MULTILINE))


def test_the_reference_is_what_the_code_says(generate: ModuleType) -> None:
    assert generate.stale() == [], "run: python docs/generate.py"


def test_a_stale_page_is_found(generate: ModuleType, tmp_path: Path) -> None:
    for name, page in generate.PAGES.items():
        (tmp_path / f"{name}.md").write_text(page())
    assert generate.stale(tmp_path) == []
    (tmp_path / "checks.md").write_text("old")
    (tmp_path / "derive.md").unlink()
    assert generate.stale(tmp_path) == ["checks", "derive"]


def test_nothing_public_lacks_documentation() -> None:
    assert headings("commands") == {f"rondo {c.callback.__name__}" for c in app.registered_commands if c.callback}
    assert headings("settings") == {f"[{section}]" for section in (*settings.SECTIONS, "people.ID")}
    keys = {key for section in settings.SECTIONS.values() for key in section}
    assert keys | set(channels.KEYS) | set(people.PERSON_KEYS) == first_column("settings")
    assert first_column("checks") == set(checks.NAMED) | set(checks.ON_FAIL)
    assert first_column("headers") == set(tables.TABLE_KEYS) | set(tables.EXAMPLES_KEYS)
    assert headings("records") == set(KINDS)
    assert headings("declarations") == {f"rd.{name}" for name in set(rondo.__all__) - {"__version__", "open"}}
    assert first_column("metrics") == set(METRICS)
    assert first_column("server-metrics") == {family.name for family in FAMILIES}
    assert len(first_column("derive")) == len(SUPPORTED)


def test_links_inside_the_documents_lead_somewhere() -> None:
    root = DOCS.parent
    examined = 0
    for file in [*DOCS.rglob("*.md"), *root.glob("*.md"), *(root / "benchmarks").glob("*.md")]:
        for address in LINK.findall(file.read_text()):
            if address.startswith(("http://", "https://", "#", "mailto:")):
                continue
            examined += 1
            assert (file.parent / address.split("#")[0]).exists(), f"{file.relative_to(root)}: {address}"
    assert examined > 10


def test_every_decision_has_a_number_of_its_own_and_its_three_parts() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert numbers == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text()
        for part in ("## Context", "## Choice", "## Consequence"):
            assert part in text, f"{page.name} has no {part}"
