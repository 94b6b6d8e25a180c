from __future__ import annotations

from pathlib import Path

import pytest

from rondo.errors import DeclarationError
from rondo.monitor.alerting import ENGLISH
from rondo.monitor.runbooks import BUILT_IN, checked, in_state, read_runbook, section_for, steps_for

TEXT = """---
kind: runbook
model: late
rules:
  The feed is silent: [stale data feed_raw]
  No new rows: [stale data, data blocked]
---
# Runbook

## The feed is silent

Before the list.

1. `rondo plan` says what
   would be loaded.
2. Ask {owner} about {source}, silent since {since}.
3. `{rollback}` if a release began it.

## No new rows

`rondo check`.

Ask somebody.

## Calibration is off

- `rondo monitor {model}`
"""


def project(root: Path, text: str = TEXT) -> Path:
    (root / "docs").mkdir()
    (root / "docs" / "runbook.md").write_text(text, encoding="utf-8")
    return root


def test_the_section_is_found_by_rule_and_name_else_by_words(tmp_path: Path) -> None:
    book = read_runbook(project(tmp_path), "late")
    assert book is not None

    def title(rule: str, words: str) -> str | None:
        section = section_for(book, rule, words)
        return section.title if section else None

    assert title("stale data", "feed_raw (source) has brought nothing") == "The feed is silent"
    assert title("stale data", "feed_raw_2 has brought nothing") == "No new rows"
    assert title("data blocked", "a check said no") == "No new rows"
    assert title("calibration", "scores are too high") == "Calibration is off"
    assert title("latency", "answers are slow") is None
    section = section_for(book, "stale data", "feed_raw")
    assert section is not None and section.anchor == "the-feed-is-silent"
    assert read_runbook(tmp_path, "other") is None


def test_steps_are_filled_in_and_those_that_cannot_be_are_left_out(tmp_path: Path) -> None:
    section = section_for(read_runbook(project(tmp_path), "late"), "stale data", "feed_raw")
    values = {"model": "late", "source": "feed_raw", "owner": "Ada", "since": "3 May", "rollback": None}
    assert steps_for(section, "stale data", "data", values, words=ENGLISH) == (
        "`rondo plan` says what would be loaded.",
        "Ask Ada about feed_raw, silent since 3 May.",
    )
    told = steps_for(
        section, "stale data", "data", values | {"rollback": "rondo rollback late"}, words=ENGLISH, state="year"
    )
    assert told[0] == "`rondo plan --state year` says what would be loaded."
    assert told[2] == "`rondo rollback late --state year` if a release began it."


def test_without_a_section_there_are_steps_all_the_same() -> None:
    values = dict.fromkeys(("model", "source", "owner", "contact", "since", "rollback"), "x")
    for rule, diagnosis in [*((rule, None) for rule in BUILT_IN), ("drift", "model"), ("drift", None)]:
        steps = steps_for(None, rule, diagnosis, values, words=ENGLISH)
        assert steps and not any("{" in step for step in steps)


def test_a_command_is_said_for_its_state() -> None:
    assert in_state("rondo plan", "live") == "rondo plan"
    assert in_state("rondo plan --state old", "year") == "rondo plan --state old"
    assert in_state("rondo replay year --from 2013-03-01", "year") == "rondo replay year --from 2013-03-01"


def test_a_rule_for_a_heading_that_is_not_there_is_refused(tmp_path: Path) -> None:
    project(tmp_path, TEXT.replace("  No new rows: [", "  No rows: ["))
    with pytest.raises(DeclarationError, match="'No rows', which is no ## heading"):
        read_runbook(tmp_path, "late")
    assert checked(tmp_path, "late") is None
