"""The pages of tables on made facts: the states that a small project seldom has, escaping, both languages, saved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from rondo.handbook.checked import CheckLine, Checks, Quarantine
from rondo.handbook.columns import Box, ColumnGraph, Origin, Wire
from rondo.handbook.landed import Arrival, Because, Pin, VersionLine
from rondo.handbook.profiled import Change, ColumnFacts
from rondo.handbook.sampled import LabelWeek, Sample
from rondo.handbook.table import Age, Code, Contract, Gap, Rebuild, TableDetails
from rondo.handbook.tables import AlertLine, Freshness, ModelLine, Owner, Reader, State, TableLine, TablesFacts
from rondo.language.catalogues import Code as Language
from rondo.pages.frame import Frame
from rondo.pages.table import table_page, table_sheets
from rondo.pages.tables import age, length, size, tables_page
from rondo.records.development import Finding, Fitness
from rondo.records.tables import Top
from rondo.sql.repeated import Repeated

NOW = datetime(2014, 1, 1, 4, 59, tzinfo=UTC)
ANN = Owner("ann", "ann", "Ann Lee", "ann@example.com")
NOBODY = Owner(None, None, None, None)
ODD = 'od<d & "q"'
VOID = {"meta", "link", "line", "path", "rect", "circle", "br", "img", "input"}


def line(name: str = "trips", state: State = "passed", **more: object) -> TableLine:
    given: dict[str, object] = {
        "name": name, "stage": "table", "summary": "All trips.", "file": f"tables/{name}.sql", "line": 1, "owner": ANN,
        "reads": ("raw",), "readers": (), "state": state, "number": 3, "at": NOW, "rows": 1_200, "bytes": 34_567, "checks": 2,
    }  # fmt: skip
    return TableLine(**{**given, **more})  # type: ignore[arg-type]


def source(**more: object) -> TableLine:
    return line("raw", **{"stage": "source", "summary": None, "address": "data/*.csv", "reads": (), **more})  # type: ignore[arg-type]


def details(about: TableLine | None = None, **more: object) -> TableDetails:
    about = about or line()
    given: dict[str, object] = {
        "about": about, "now": NOW, "timezone": "UTC", "contract": Contract(("id",), "at", None, "block"),
        "code": Code(about.file, 1, "select 1 as one -- <b>\nfrom raw", "sql"), "rebuild": Rebuild((), (), 0.4),
        "graph": ColumnGraph(about.name, None, (), ()), "decided_by": (), "checks": Checks((), None, None, 0),
        "models": ("late",), "people": {"ann": "Ann Lee"},
    }  # fmt: skip
    return TableDetails(**{**given, **more})  # type: ignore[arg-type]


def built(about: TableLine | None = None, **more: object) -> TableDetails:
    """Details with a version and everything that hangs on it."""
    about = about or line()
    version = VersionLine(
        f"{about.name}@v3", 3, NOW, 1_200, 34_567, 1.25, (Because("input", "raw", 2, 3),), 50, used_by=("late@7",)
    )
    columns = (
        ColumnFacts("id", "VARCHAR", "text", ("key",), 0, 1_200, "a", "z", top=(Top(value=ODD, count=600),), bars=(600, 3)),
        ColumnFacts(
            "fare", "DOUBLE", "number", ("input",), 120, 90, 0.5, 99.0, 12.3, 9.5, bars=(1, 5, 2),
            changes=(Change("median", 9.0, 9.5), Change("nulls", 0.0, 0.1)), direct=(("raw", "fare"),),
            origins=(Origin("raw", "fare", "data/*.csv", "ann"),), used=(("late", "fare"), ("late", None)),
        ),
        ColumnFacts("at", "TIMESTAMP WITH TIME ZONE", "moment", ("time",), 0, 9, "2013-01-01T10:15:00Z", "2014-01-01T04:30:00Z"),
        ColumnFacts("who", "VARCHAR", "text", (), 0, 800, personal="pseudonym"),
        ColumnFacts("late", "BOOLEAN", "boolean", ("label",), 0, 2, False, True, 0.25, changes=(Change("new"),)),
    )  # fmt: skip
    boxes = (
        Box("raw", "source", 0, ("fare",), ("fare",), 3, 4, "data/*.csv", "ann"),
        Box(about.name, "table", 1, ("id", "fare"), ("fare",), 0, 3),
        Box("late", "model", 2, ("fare",), ("fare",)),
    )
    wires = (
        Wire(("raw", "fare"), (about.name, "fare"), marked=True),
        Wire((about.name, "fare"), ("late", "fare"), marked=True),
        Wire(("raw", None), (about.name, None), "filter"),
        Wire(("elsewhere", "x"), (about.name, "fare")),
    )
    sample = Sample(("id", "who", "at", "tags"), ((ODD, None, "2013-01-01T10:15:00+00:00", ["a", 1]),), ("who",))
    given: dict[str, object] = {
        "shown": version, "versions": (version,), "compared": f"{about.name}@v2", "columns": columns, "gone": ("old",),
        "sample": sample, "graph": ColumnGraph(about.name, "fare", boxes, wires),
        "decided_by": ((("raw", "kind"), "filter"),), "pins": (Pin("late@7", "late", 7, True, "production"),
        Pin("late@6", "late", 6, False), Pin("late@5", "late", 5, True)),
    }  # fmt: skip
    return details(about, **{**given, **more})


class Structure(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def shown(facts: TableDetails | TablesFacts, code: Language = "en", *, saved: bool = False) -> str:
    frame = Frame(project="shop", now=NOW, timezone="UTC", code=code, saved=saved, address="/tables")
    page = table_page(facts, frame) if isinstance(facts, TableDetails) else tables_page(facts, frame)
    structure = Structure(page)
    assert not structure.wrong and not structure.open
    assert len(structure.ids) == len(set(structure.ids))
    return page


def all_of(*lines: TableLine, **more: object) -> TablesFacts:
    there = {each.name for each in lines}
    models = (ModelLine("late", ANN, ("trips",), "late@7"),) if "trips" in there else ()
    return TablesFacts("shop", NOW, lines, models, **{"unused": (), "repeated": (), **more})  # type: ignore[arg-type]


LATE = Freshness(NOW - timedelta(hours=30), "known", 30 * 3_600.0, 4 * 3_600)


@pytest.mark.parametrize(
    ("lines", "headline"),
    [
        ((), "No source is declared"),
        ((source(number=None, rows=None, state="unbuilt"),), "Nothing has been loaded yet"),
        ((source(), line(state="blocked")), "trips is held back"),
        ((source(state="failed"), line(state="failed")), "2 tables could not be built"),
        ((source(state="late", freshness=LATE), line(state="late", freshness=LATE)), "raw has brought nothing new for 30 h"),
        ((source(), line(changed=True)), "trips was changed and not built again"),
        ((source(), line(state="warned", checks_failed=2)), "2 checks are failing"),
        ((source(), line(number=None, state="unbuilt")), "1 of 2 are built"),
        ((source(), line()), "All 2 are up to date"),
    ],
)  # fmt: skip
def test_the_headline_tells_what_is_worst(lines: tuple[TableLine, ...], headline: str) -> None:
    assert f"<h1>{headline}</h1>" in shown(all_of(*lines))


def test_the_list_shows_owners_readers_and_what_could_go() -> None:
    readers = (
        Reader("model", "late", "features"),
        Reader("report", "weekly", "report"),
        Reader("testset", "far", "rows"),
    )
    alert = AlertLine("a1", "stale data", "nothing new", "critical")
    page = shown(
        all_of(
            source(owner=NOBODY, readers=(Reader("table", "trips", "query"),)),
            line(readers=readers, alerts=(alert,), reason="boom <x>"),
            line("spare", owner=Owner(None, "ann", "Ann Lee", None)),
            unused=("spare",),
            repeated=(Repeated("fare / miles > 3", ("trips", "spare")),),
        )
    )
    for told in (
        'href="/models/late"', 'href="/reports/weekly"', "test set far", 'href="/alerts/a1"', "boom &lt;x&gt;",
        "nobody; ask", "fare / miles &gt; 3", "Nothing reads:", 'href="/team#ann"', 'class="lineage"', "late@7 in production",
    ):  # fmt: skip
        assert told in page


def test_what_feeds_a_model_is_named() -> None:
    late = source(state="late", freshness=LATE)
    assert "raw feeds the model late" in shown(all_of(late, line()))


def test_a_table_with_everything() -> None:
    about = line(
        stage="examples", state="late", freshness=LATE, checks_failed=1, readers=(Reader("model", "late", "examples"),)
    )
    checks = Checks(
        (
            CheckLine("fare > 0", "block", "passed", 1_200, 0, ("absent", "passed", "blocked")),
            CheckLine("id <> ''", "warn", "failed", 1_200, 12, ("warned",) * 30),
            CheckLine("row_count: {min: 9}", "block", "failed", 3, 9, ("passed",)),
            CheckLine("new", "block", None, 0, 0, ()),
            CheckLine("old", "block", "passed", 3, 0, ("passed",), declared=False),
        ),
        NOW, "warned", 30,
    )  # fmt: skip
    weeks = tuple(LabelWeek(NOW - timedelta(weeks=n), 100, 0.2 + n / 100) for n in range(5, 0, -1))
    findings = [Finding(what="dest copies the label", weight="stop", column="dest")]
    page = shown(
        built(
            about, checks=checks, label=weeks, label_is="late", examples_of=("late",),
            fitness=Fitness(name="late", dataset=3, verdict="unfit", suits="trees", findings=findings),
            quarantine=Quarantine((("id <> ''", 2),), ("id", "who", "check_name"), (("x", None, "id <> ''"),)),
            ages=tuple(Age(NOW - timedelta(hours=n), float(n), n > 4) for n in range(9)),
            gaps=(Gap(NOW - timedelta(hours=3), None, 8.0), Gap(NOW - timedelta(days=3), NOW - timedelta(days=2), 5.0)),
            rebuild=Rebuild(("idle",), ("late",), 61.0),
        )
    )  # fmt: skip
    for told in (
        "Nothing new has come for 30 h", "One upstream column makes fare: raw.fare", "•••", "personal data: pseudonym",
        "Hidden, because they hold personal data: who.", "1 %", "not run yet", "not declared any more", "still late",
        "Late 2 times in the time shown", "dest copies the label", "2 rows set aside", "late@7", "an earlier definition",
        "<del>9</del> <ins>9.5</ins>", "no longer there", "<b>select</b>", "<i>-- &lt;b&gt;</i>", "true 25 %", "1 min 1 s",
        "rondo lineage trips.fare", "trips@v3 except select * from trips@v2", 'class="bad"', "Between 21 %",
    ):  # fmt: skip
        assert told in page, told
    assert ODD not in page and "od&lt;d &amp; &#34;q&#34;" in page


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (details(line(state="unbuilt", number=None, rows=None, at=None, freshness=None)), "rondo run trips"),
        (details(line(state="blocked")), "held back by a check"),
        (details(line(state="failed", reason="no such column")), "no such column"),
        (details(line(owner=NOBODY)), "nobody is declared"),
        (built(line(checks=0)), "No check is declared"),
        (built(line(changed=True)), "was changed since it was built"),
        (built(line(number=5)), "The newest is"),
        (built(code=Code("tables/t.sql", 4, "select 2", "sql", past=True)), "as the ledger remembers it"),
        (built(sample=Sample(("id",), (), ())), "This version has no rows."),
        (built(source(), arrivals=(Arrival("data/a.csv", 10, 3, NOW, 1),)), "data/a.csv"),
        (built(source(), contract=Contract((), None, "always", "warn", every_s=3_600)), "a registry without history"),
    ],
)  # fmt: skip
def test_rare_states_are_sentences_with_a_next_step(facts: TableDetails, told: str) -> None:
    assert told in shown(facts)


def test_its_sheets_begin_with_columns_and_rows() -> None:
    _, columns, rows, *_ = table_sheets(built())
    assert (columns.name, columns.rows[1][columns.columns.index("name")]) == ("columns", "fare")
    assert (rows.name, rows.columns, rows.rows[0][0]) == ("rows", ("id", "who", "at", "tags"), ODD)


def test_two_hundred_columns_are_a_page_still() -> None:
    columns = tuple(
        ColumnFacts(f"c{n}", "DOUBLE", "number", (), 0, 9, 0.0, 1.0, 0.5, 0.5, bars=tuple(range(24)))
        for n in range(200)
    )
    page = shown(built(columns=columns))
    assert page.count('class="spark"') == 200
    assert len(page) < 400_000


def test_both_pages_speak_korean_and_stand_alone_when_saved() -> None:
    for facts in (built(), all_of(source(state="late", freshness=LATE), line())):
        korean = shown(facts, "ko")
        assert '<html lang="ko">' in korean
        assert "프로파일" in korean or "소스에서 모델까지" in korean
        saved = shown(facts, saved=True)
        assert 'href="/' not in saved and "xlink" not in saved


def test_lengths_and_sizes() -> None:
    words = Frame(project="p", now=NOW, timezone="UTC").words
    assert [str(age(length_s, words)) for length_s in (59, 7_199, 7_200, 259_199, 259_200)] == [
        "0 min", "119 min", "2 h", "71 h", "3 days",
    ]  # fmt: skip
    assert [str(length(length_s, words)) for length_s in (86_400, 604_800, 129_600, 5_400)] == [
        "1 day", "7 days", "36 h", "90 min",
    ]  # fmt: skip
    assert [size(count) for count in (None, 999, 1_000, 5_680_398, 3 * 10**12)] == [
        "–",
        "999 B",
        "1 kB",
        "5.68 MB",
        "3 TB",
    ]


def test_a_version_of_another_number_is_named_in_its_commands() -> None:
    page = shown(replace(built(line(number=9))))
    assert "select * from trips@v3 limit 20" in page
