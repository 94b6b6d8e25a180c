"""Every question on a project that has gone round the loop, and on projects that have not."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

import rondo.handbook.questions as package
from rondo.console.looking import Project
from rondo.handbook.questions.answers import Command
from rondo.handbook.questions.asking import Answered, all_answered, ask_document
from rondo.handbook.questions.desk import Desk
from rondo.handbook.questions.matching import matches
from rondo.handbook.questions.register import QUESTIONS
from rondo.language.catalogues import translations
from rondo.loop.workplace import open_workplace
from rondo.monitor.alerting import newest_alerts
from rondo.records.monitoring import Alert, Incident
from rondo.records.tables import Dataset

At = Callable[..., Desk]
Call = Callable[[Path, Sequence[str]], tuple[int, str, str]]
ENGLISH = re.compile(r"(?:\b[a-z]+\b ){3,}\b[a-z]+\b", re.IGNORECASE)
"""Four words in a row are a sentence, not a name."""


@pytest.fixture
def copied(shop_round: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shop_round, tmp_path / "project")


def commands(answers: Sequence[Answered]) -> list[Command]:
    return list({command.text: command for each in answers for command in each.commands}.values())


def test_there_are_thirty_six(shop_round: Path, desk: At) -> None:
    assert [each.number for each in QUESTIONS] == list(range(1, 37))
    answers = all_answered(desk(shop_round))
    assert [each.number for each in answers] == list(range(1, 37))
    for each in answers:
        assert each.facts or each.missing, each.number
        assert each.commands or each.missing, each.number
        assert each.who, each.number
        assert (each.missing is None) == (each.step is None), each.number
    assert len([each for each in answers if each.missing]) <= 3, [(e.number, e.missing) for e in answers if e.missing]


def test_commands_that_look_run_and_change_nothing(copied: Path, desk: At, call: Call) -> None:
    looking = [each for each in commands(all_answered(desk(copied))) if each.effect == "reads"]
    assert len(looking) > 20
    before = newest(desk(copied))
    for command in looking:
        code, out, told = call(copied, shlex.split(command.text)[1:])
        assert code in (0, 1) and "Traceback" not in told, (command.text, out, told)
        assert newest(desk(copied)) == before, command.text


def test_commands_that_leave_a_record_run(copied: Path, desk: At, call: Call) -> None:
    recording = [each for each in commands(all_answered(desk(copied))) if each.effect == "records"]
    assert recording
    at_work = {role: entry.record.version for role, entry in desk(copied).at_work.items()}
    for command in recording:
        code, out, told = call(copied, shlex.split(command.text)[1:])
        assert code in (0, 1) and "Traceback" not in told, (command.text, out, told)
    assert {role: entry.record.version for role, entry in desk(copied).at_work.items()} == at_work
    assert {each.number for each in all_answered(desk(copied)) if each.missing} <= {23}  # they supply what was missing


def test_commands_that_change_something_run_on_a_copy(shop_round: Path, desk: At, call: Call, tmp_path: Path) -> None:
    changing = [each for each in commands(all_answered(desk(shop_round))) if each.effect == "changes"]
    assert changing
    for place, command in enumerate(changing):
        root = shutil.copytree(shop_round, tmp_path / str(place))
        code, out, told = call(root, shlex.split(command.text)[1:])
        assert code in (0, 1) and "Traceback" not in told, (command.text, out, told)
        shutil.rmtree(root)


def newest(desk: Desk) -> tuple[int, int]:
    """The last record but profiles, which are kept so as not to be made twice, and how many answers are logged."""
    found = next((entry for entry in desk.ledger.history(50) if entry.record.KIND not in ("profiles", "fitness")), None)
    last = desk.last
    return (found.seq if found else 0), (hash(last.id) if last else 0)


def test_korean_answers_are_korean(shop_round: Path, desk: At) -> None:
    at = desk(shop_round, "ko")
    english = desk(shop_round, "en")
    recorded = [text for alert in newest_alerts(at.ledger) for text in (alert.summary, *alert.steps)]
    recorded += [text for entry in at.ledger.entries(Dataset) for text in entry.record.assumptions]
    recorded += [heading.title for document in at.documents for heading in document.headings]
    recorded += [table.summary or "" for table in at.work.project.tables.values()]
    for mine, theirs in zip(all_answered(at), all_answered(english), strict=True):
        assert mine.question != theirs.question
        assert len(mine.facts) == len(theirs.facts)
        assert [command.text for command in mine.commands] == [command.text for command in theirs.commands]
        for said in [
            *(fact.said for fact in mine.facts),
            mine.missing or "",
            *(mine.table.columns if mine.table else ()),
        ]:
            left = said
            for text in sorted(recorded, key=len, reverse=True):
                left = left.replace(text, "")
            left = re.sub(r"select .*|import rondo.*|date_trunc.*", "", left, flags=re.IGNORECASE)
            assert not ENGLISH.search(left), (mine.number, said)


def test_every_text_has_a_korean_one() -> None:
    catalogue = translations("ko")
    missing = [question.text for question in QUESTIONS if catalogue.gettext(question.text) == question.text]
    missing += [text for text in spoken() if catalogue.gettext(text) == text and re.search(r"[a-z]{3}", _plain(text))]
    assert missing == []


def _plain(text: str) -> str:
    return re.sub(r"\{.*?\}|import rondo.*|@\S+", "", text)


def spoken() -> Iterator[str]:
    """The texts that the answers say, whatever the function is called there."""
    for path in sorted(Path(package.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                text = node.args[0]
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield text.value


def test_the_document_is_text(shop_round: Path, desk: At) -> None:
    document = ask_document(all_answered(desk(shop_round)))
    for each in document:
        assert {"number", "question", "facts", "commands", "who", "missing"} <= set(each)
        for part in ("facts", "commands", "who"):
            assert all(isinstance(text, str) and text for text in each[part])
        assert len(each["facts"]) == len(each["places"])
        for place in each["places"]:
            file = (place["file"] or "").partition("#")[0].partition(":")[0]
            assert not file or (shop_round / file).exists(), place


def test_answers_change_with_the_ledger(copied: Path, desk: At, call: Call) -> None:
    before = next(each for each in all_answered(desk(copied)) if each.number == 8)
    version = desk(copied).newest
    assert version is not None
    held = desk(copied).at_work["production"].record.version
    other = 1 if held != 1 else 2
    code, _, told = call(copied, ["promote", f"late@{other}", "--to", "production", "--because", "a try"])
    assert code == 0, told
    after = next(each for each in all_answered(desk(copied)) if each.number == 8)
    assert before.table is not None and after.table is not None
    assert after.table.rows[0][1:] == (f"late@{other}", after.table.rows[0][2], "a try")


def test_whoever_is_paged_is_told_the_first_step_first_and_whether_the_way_back_would_help(
    copied: Path, desk: At, call: Call
) -> None:
    held = desk(copied).at_work["production"].record.version
    other = 1 if held != 1 else 2
    assert call(copied, ["promote", f"late@{other}", "--to", "production", "--because", "a try"])[0] == 0
    work, at = open_workplace(copied, by="test"), datetime(2024, 3, 11, tzinfo=UTC)
    alert = Alert(
        name="stale data", id="a1", model="late", number=1, event="opened", state="open", since=at, changed=at,
        severity="critical", summary="visits are late", steps=["`rondo plan` says what would be loaded."],
    )  # fmt: skip
    incident = Incident(
        name="late", id="i1", event="opened", state="open", alerts=["a1"], summary="visits are late", owner=None
    )
    work.store.ledger.append(alert, incident, by="test")
    answer = next(each for each in all_answered(desk(copied)) if each.number == 28)
    assert answer.facts[1].said == "1. `rondo plan` says what would be loaded."
    assert answer.commands[0].text == "rondo plan"
    assert f"A roll-back would put late@{held} back in place of late@{other}." in answer.facts[-1].said
    assert "whether it would help is not known" in answer.facts[-1].said or "differs from" in answer.facts[-1].said


BLANK = {"rondo.toml": '[project]\nname = "blank"\n'}
ONE_FILE = {
    "rondo.toml": '[project]\nname = "one"\n',
    "sources.py": 'import rondo as rd\n\nrows_raw = rd.Source(rd.files("data/rows.csv"))\n',
    "data/rows.csv": "size,kind,price,email\n" + "".join(
        f"{n % 17},{'abc'[n % 3]},{n % 17 * 2 + n % 3},p{n % 9}@example.com\n" for n in range(300)
    ),
}  # fmt: skip
TABLE = "/* ---\nlabel: {label}\ninputs: [{inputs}]\n--- */\nselect * from rows_raw\n"
MODEL = "import rondo as rd\n\n{name} = rd.Model(examples='{examples}', task=rd.{task}, train=rd.linear())\n"
REGRESSION = ONE_FILE | {
    "tables/prices.sql": TABLE.format(label="price", inputs="size, kind"),
    "models/price.py": MODEL.format(name="price", examples="prices", task="regression('price')"),
}
TWO = REGRESSION | {
    "tables/kinds.sql": TABLE.format(label="kind", inputs="size, price"),
    "models/kind.py": MODEL.format(name="kind", examples="kinds", task="multiclass('kind')"),
}


@pytest.mark.parametrize("run", [False, True])
@pytest.mark.parametrize(
    "files", [BLANK, ONE_FILE, REGRESSION, TWO], ids=["blank", "one file", "regression", "two models"]
)
def test_every_project_gets_an_answer(
    files: Mapping[str, str], run: bool, write: Callable[[Mapping[str, str]], Path], desk: At, call: Call
) -> None:
    root = write(files)
    if run:
        call(root, ["run"])
    models: list[str | None] = [path.stem for path in (root / "models").glob("*.py")]
    models = models or [None]
    for model in models:
        for language in ("en", "ko"):
            for each in all_answered(desk(root, language, model)):
                assert each.facts or each.missing, each.number
                assert each.who
    if not run:
        return
    for model in models:
        for command in commands(all_answered(desk(root, "en", model))):
            if command.effect == "reads":
                code, out, told = call(root, shlex.split(command.text)[1:])
                assert code in (0, 1) and "Traceback" not in told, (command.text, out, told)


def test_personal_data_that_nobody_declared_is_told(
    write: Callable[[Mapping[str, str]], Path], desk: At, call: Call
) -> None:
    root = write(REGRESSION)
    call(root, ["run"])
    found = next(each for each in all_answered(desk(root)) if each.number == 35)
    assert found.missing is not None and found.table is not None
    assert {row[0] for row in found.table.rows} == {"rows_raw.email", "prices.email"}
    assert {row[3] for row in found.table.rows} == {"no"}
    declared = TABLE.format(label="price", inputs="size, email").replace("--- */", "personal:\n  email: hashed\n--- */")
    source = ONE_FILE["sources.py"].replace('.csv")', '.csv"), personal={"email": "kept"}')
    write(REGRESSION | {"tables/prices.sql": declared, "sources.py": source})
    call(root, ["run"])
    found = next(each for each in all_answered(desk(root)) if each.number == 35)
    assert found.missing is None and found.table is not None
    assert [row[1:] for row in found.table.rows] == [("declared", "kept", "yes"), ("declared", "hashed", "yes")]
    shown = next(each for each in all_answered(desk(root)) if each.number == 14)
    assert not any("example.com" in command.text for command in shown.commands)


def test_as_of_an_earlier_moment_later_records_are_not_there(shop_round: Path, desk: At) -> None:
    work = Project(shop_round, "live").work(datetime(2000, 1, 1, tzinfo=UTC))
    found = all_answered(Desk(work, desk(shop_round).words))
    assert [each.missing is not None for each in found if each.number in (7, 9, 16, 24)] == [True] * 4


def test_names_of_the_project_lead_to_questions(shop_round: Path, desk: At) -> None:
    project = desk(shop_round).work.project
    assert matches("loads_raw", project)[0].number == 33
    assert matches("Dana", project)[0].number == 34
