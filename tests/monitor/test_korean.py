"""A project whose `language` is ko, from its data to what stands in a channel."""

from __future__ import annotations

import re
from pathlib import Path

from rondo.loop.monitoring import monitor, outbox
from rondo.loop.running import run
from rondo.loop.workplace import open_workplace
from rondo.monitor.alerting import newest_alerts
from rondo.monitor.incidents import newest_incidents
from rondo.records.monitoring import Alert


def silent(files: dict[str, str], language: str) -> dict[str, str]:
    """The shop's loads stop on 10 February, and are wanted every six hours."""
    loads = files["data/loads_1.csv"].splitlines(keepends=True)
    last = next(place for place, line in enumerate(loads) if "2024-02-10 06:00" in line)
    return files | {
        "rondo.toml": files["rondo.toml"] + f'language = "{language}"\n',
        "sources.py": files["sources.py"].replace('interval 30 minute"', 'interval 30 minute", fresh="6h"'),
        "tables/loads.sql": files["tables/loads.sql"].replace("keep: 6h", "keep: 6h\nfresh: 6h"),
        "data/loads_1.csv": "".join(loads[:last]),
    }


def raised(root: Path) -> Alert:
    run(open_workplace(root))
    work = open_workplace(root)
    monitor(work, work.project.model("late"))
    [alert] = [each for each in newest_alerts(work.store.ledger) if each.name == "stale data"]
    assert [incident.summary for incident in newest_incidents(work.store.ledger)] == [alert.summary]
    return alert


def test_what_is_wrong_is_told_in_korean_all_the_way(write, shop_files: dict[str, str], capsys) -> None:
    root = write(silent(shop_files, "ko"))
    alert = raised(root)
    assert alert.summary == "loads에 281.5시간째 새 데이터가 없습니다. 신선 기간은 6시간입니다. (외 1건)"
    assert alert.causes[0].what == (
        "loads_raw(소스)에 2월 10일 05:30 이후 새 데이터가 없음(신선 기간 6시간). 이를 읽는 피처: loads.load"
    )
    assert "`rondo plan` 명령으로 지금 적재될 것을 확인합니다." in alert.steps[0]
    outbox(open_workplace(root)).deliver(wait_s=10)
    told = capsys.readouterr().err
    assert f"[열림] 심각: late, 오래된 데이터: {alert.summary}" in told
    assert "(Europe/Berlin)부터, 알림" in told and "진단: 데이터" in told
    names = {"late", "loads", "loads_raw", "load", "rondo", "plan", "run", "lineage", "Europe", "Berlin"}
    of_alert = told[told.index("[열림] 심각: late, 오래된 데이터") :].partition("\n[")[0]
    assert set(re.findall(r"[A-Za-z_]{2,}", of_alert.replace(alert.id, ""))) <= names


def test_and_in_english_in_an_english_one(write, shop_files: dict[str, str]) -> None:
    alert = raised(write(silent(shop_files, "en")))
    assert alert.summary == "loads has brought nothing new for 281.5 h; it stays fresh for 6 h. (and 1 more)"
