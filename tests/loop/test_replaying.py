from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rondo.deploy.resolving import resolve
from rondo.errors import BuildError, WrongUse
from rondo.loop import replayed_requests, replaying
from rondo.loop.judging import compare
from rondo.loop.measuring import Watching
from rondo.loop.replaying import replay
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.project.moments import parse_moment
from rondo.records.deployment import Deployment
from rondo.records.development import Version
from rondo.records.documents import replay_document
from rondo.records.monitoring import Alert, Measurement
from rondo.records.running import Replayed, RetrainDecision, Run
from rondo.records.tables import Dataset, OutcomesLanded

ZONE = "Europe/Berlin"
CHANNELS = '\n[alerts]\nchannels = ["hook"]\n[alerts.hook]\nkind = "slack"\nurl = "${NOBODYS_HOOK}"\n'


def moment(text: str, side: str = "start") -> datetime:
    return parse_moment(text, ZONE, side=side)  # type: ignore[arg-type]


START, END = moment("2024-02-19"), moment("2024-03-06", "end")


def state(root: Path, name: str = "spring") -> Workplace:
    return open_workplace(root, state=name)


def written(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def spring(root: Path, name: str = "spring") -> Replayed:
    return replay(root, name, START, END)


@pytest.fixture(scope="module")
def long_shop(tmp_path_factory: pytest.TempPathFactory, long_shop_files: Mapping[str, str]) -> Path:
    """Loads stop for half a day on 20 February, and are wanted every six hours."""
    files = dict(long_shop_files)
    files["rondo.toml"] += CHANNELS
    files["sources.py"] = files["sources.py"].replace('interval 30 minute"', 'interval 30 minute", fresh="6h"')
    loads = files["data/loads_1.csv"].splitlines(keepends=True)
    gap = [f"2024-02-20 {hour:02}:" for hour in range(6, 18)]
    files["data/loads_1.csv"] = "".join(line for line in loads if not any(hour in line for hour in gap))
    return written(tmp_path_factory.mktemp("long") / "shop", files)


@pytest.fixture(scope="module")
def replayed(long_shop: Path) -> Replayed:
    return spring(long_shop)


def test_history_goes_through_the_live_path(long_shop: Path, replayed: Replayed) -> None:
    work = state(long_shop)
    count = "select count(*) as n from visits where asked_at >= timestamp '2024-02-19'"
    asked = work.catalog.query(count).rows.column("n")[0].as_py()
    document = replay_document(replayed)
    assert document["predictions"] == sum(month["rows"] for month in document["months"]) == asked > 450
    assert [month["month"] for month in document["months"]] == ["2024-02", "2024-03"]
    assert (document["trainings"], document["promotions"] + document["rejections"]) == (2, 2)
    logged = work.catalog.query(
        'select count(*) as n, count(distinct id) as ids, min(role) as role, bool_and("at" = moment) as at_once '
        "from predictions.late"
    )
    assert logged.rows.to_pylist() == [{"n": asked, "ids": asked, "role": "production", "at_once": True}]
    for month in document["months"]:
        figure = month["metrics"]["roc_auc"]
        assert figure["low"] <= figure["value"] <= figure["high"]


def test_one_in_a_hundred_goes_over_http_and_is_answered_alike(long_shop: Path, replayed: Replayed) -> None:
    assert (replayed.requests, replayed.differences, replayed.differing) == (-(-replayed.predictions // 100), 0, [])
    by_caller = "select count(*) as n, count(latency_ms) as timed from predictions.late where caller is distinct from "
    others = state(long_shop).catalog.query(by_caller + "'replay'").rows.to_pylist()
    assert others == [{"n": replayed.requests, "timed": replayed.requests}]


def test_a_server_that_answers_otherwise_is_told(long_shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(self: object, lookup: object, at: datetime) -> None:
        """Online values are published once, as of the first request, and never followed up."""
        if lookup.space not in self._reaching:  # type: ignore[attr-defined]
            publish(self, lookup, at)  # type: ignore[arg-type]

    publish = replayed_requests._Server._publish
    monkeypatch.setattr(replayed_requests._Server, "_publish", stale)
    monkeypatch.setattr(replayed_requests, "ONLINE", timedelta(hours=1))
    monkeypatch.setattr(replaying, "watch", lambda watching, known: None)
    found = replay(long_shop, "stale", START, moment("2024-02-24", "end"))
    shutil.rmtree(long_shop / ".rondo/states/stale")
    assert 0 < found.differences <= found.requests == 2
    assert "over HTTP" in found.differing[0]


def test_nothing_of_later_time_was_learned(long_shop: Path, replayed: Replayed) -> None:
    work = state(long_shop)
    for entry in work.store.ledger.entries(Dataset, name="late"):
        as_of = entry.record.as_of
        assert as_of is not None
        assert entry.at == as_of
        assert max(last for _, last in entry.record.moments.values()) < as_of
    starts = [entry.record.as_of for entry in work.store.ledger.entries(Dataset, name="late")]
    assert starts == [START, moment("2024-03-01")]


def test_the_state_is_watched_day_by_day(long_shop: Path, replayed: Replayed) -> None:
    """Measured once a day at least, of windows that had begun by then; outcomes land on the day they are known."""
    work = state(long_shop)
    found = work.store.ledger.entries(Measurement, name="late")
    days = {entry.at for entry in found if entry.at == moment(f"{entry.at.astimezone(ZoneInfo(ZONE)):%Y-%m-%d}")}
    assert {entry.at for entry in found} >= days
    assert len(days) == (moment("2024-03-06") - START).days
    assert all(entry.record.start <= entry.at for entry in found)
    landed = [entry.at for entry in work.store.ledger.entries(OutcomesLanded, name="late")]
    assert landed == sorted(landed)
    assert len(set(landed)) >= len(days)
    outcomes = work.catalog.query("select count(*) as n from outcomes.late").rows.column("n")[0].as_py()
    assert outcomes >= replayed.outcomes == replayed.predictions


def test_an_alert_stands_on_the_replayed_clock(long_shop: Path, replayed: Replayed) -> None:
    """Loads known at half past five and then at half past six in the evening, wanted every six hours."""
    ledger = state(long_shop).store.ledger
    alerts = [entry for entry in ledger.entries(Alert) if entry.record.name == "stale data"]
    stale, worse, fresh = (datetime(2024, 2, 20, *at, tzinfo=UTC) for at in ((10, 30), (17, 0), (17, 30)))
    assert [(entry.record.event, entry.record.changed, entry.at) for entry in alerts] == [
        ("opened", stale, stale), ("worsened", worse, worse), ("resolved", fresh, fresh)
    ]  # fmt: skip
    assert alerts[0].record.since == stale
    assert "loads_raw" in alerts[0].record.summary
    assert replayed.alerts == len({entry.record.id for entry in ledger.entries(Alert)}) >= 1


def test_the_served_features_are_those_of_the_as_of_join(long_shop: Path, replayed: Replayed) -> None:
    live = open_workplace(long_shop, state="checked", clock=lambda: moment("2024-03-07"))
    run(live)
    joined = live.catalog.query('select visit, "loads.load" as load from dataset.late order by visit').rows.to_pylist()
    offline = {row["visit"]: row["load"] for row in joined}
    served = state(long_shop).catalog.query('select visit, "loads.load" as load from predictions.late').rows.to_pylist()
    assert len(served) > 450
    assert [row for row in served if offline[row["visit"]] != row["load"]] == []


def test_a_replay_is_deterministic(long_shop: Path, replayed: Replayed) -> None:
    query = 'select id, score, label, version, "at" from predictions.late order by id'
    measured = 'select "at", metric, feature, start, value, low, high, state from ledger.measurements order by seq'
    again = spring(long_shop, "twice")
    work, twice = state(long_shop), state(long_shop, "twice")
    for told in (query, measured):
        assert twice.catalog.query(told, limit=None).rows.equals(work.catalog.query(told, limit=None).rows)
    told = [(each.trainings, each.months, each.comparisons, each.alerts) for each in (replayed, again)]
    assert told[0] == told[1]


def test_the_last_month_is_held_against_the_version_of_the_start(long_shop: Path, replayed: Replayed) -> None:
    work = state(long_shop)
    promoted = [entry.record.version for entry in work.store.ledger.entries(Deployment, name="late")]
    if promoted == [1]:
        assert replayed.comparisons == []
        return
    [found] = replayed.comparisons
    assert (found.a, found.b, found.testset) == ("late@2", "late@1", "2024-03")
    then = resolve(work.store.ledger, "late@2024-02-25", timezone=ZONE)
    figure = compare(work, ("late", 2), then, "march").metrics["roc_auc"]
    paired = found.metrics["roc_auc"]
    assert (paired.a, paired.b, paired.low) == pytest.approx((figure.a, figure.b, figure.low))


def test_an_alert_retrains_on_the_replayed_clock(
    tmp_path: Path, long_shop_files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raised on the third day, before the cool-down of four is over; the training of the fourth does not end it."""

    def raised(watching: Watching, *, known: object) -> None:
        work, now = watching.work, watching.work.now()
        if now == START + timedelta(days=3):
            alert = Alert(
                name="drift", id="d", model="late", number=1, event="opened", state="open", since=now, changed=now,
                severity="warning", summary="The world moved.",
            )  # fmt: skip
            work.store.ledger.append(alert, by="me")

    files = dict(long_shop_files)
    files["models/late.py"] = files["models/late.py"].replace('"monthly"', '"on alert", cool_down="4d"')
    monkeypatch.setattr(replaying, "watch", raised)
    shop = written(tmp_path, files)
    found = replay(shop, "alert", START, moment("2024-02-25", "end"))
    ledger = state(shop, "alert").store.ledger
    assert [entry.record.as_of for entry in ledger.entries(Version)] == [START, START + timedelta(days=4)]
    assert (found.trainings, found.alerts) == (2, 1)
    [decision] = [entry.record for entry in ledger.entries(RetrainDecision)]
    assert (decision.retrain, decision.alerts) == (True, ["d"])


def test_the_live_state_is_left_alone(long_shop: Path, replayed: Replayed) -> None:
    assert open_workplace(long_shop).store.ledger.history(10) == []


def test_no_channel_hears_of_the_past(long_shop: Path, replayed: Replayed) -> None:
    """The project's channel has an address that is not set: to send anything to it would have failed."""
    told = state(long_shop).catalog.query("select distinct name from ledger.deliveries").rows.column("name").to_pylist()
    assert set(told) <= {"console"}


def test_it_is_told_what_each_run_did(long_shop: Path, replayed: Replayed) -> None:
    runs = [entry.record.as_of for entry in state(long_shop).store.ledger.entries(Run)]
    assert runs == [START, moment("2024-03-01"), END]


def test_what_cannot_be_replayed_is_refused(long_shop: Path) -> None:
    early, late = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    for name, start, end in (("live", early, late), ("spring", late, early), ("../up", early, late)):
        with pytest.raises(WrongUse):
            replay(long_shop, name, start, end)
    with pytest.raises(BuildError):
        replay(long_shop, "nothing", datetime(2020, 1, 1, tzinfo=UTC), early)
