"""What data owes: sources that load, checks that pass, rows that are fresh, cards, profiles, reports."""

from __future__ import annotations

from rondo.handbook.deliverables.verdicts import Looking, Test, Verdict, written
from rondo.handbook.proofs import Proof
from rondo.records.monitoring import Measurement
from rondo.records.tables import Profile
from rondo.records.versions import table_version

STALENESS = "staleness_h"
LOOKS = 200
"""So many of the newest looks at the age of data hold one of each source and table."""


def loaded(looking: Looking) -> Verdict:
    """Every source has landed."""
    words, sources = looking.words, looking.work.project.sources
    what = words.plain("sources load")
    if not sources:
        return Verdict(what, "idle", Proof(words.plain("no source is declared"), None, "/tables"))
    absent = [name for name in sources if name not in looking.versions]
    if absent:
        said = words.plain("never loaded: {names}", names=", ".join(absent))
        return Verdict(what, "bad", Proof(said, None, "/tables"), "rondo run")
    times = [looking.checks[name].at for name in sources if name in looking.checks]
    rows = sum(looking.versions[name].rows for name in sources)
    said = words.counted(
        "{n} source landed, {rows} rows", "{n} sources landed, {rows} rows", len(sources), rows=f"{rows:,}"
    )
    return Verdict(what, "good", Proof(said, max(times, default=None), "/tables"))


def checked(looking: Looking) -> Verdict:
    """Nothing is held back by its checks, and no check fails."""
    words = looking.words
    what = words.plain("checks pass")
    if not looking.checks:
        return Verdict(what, "idle", Proof(words.plain("nothing has been checked yet"), None, "/tables"), "rondo run")
    blocked = [name for name, entry in looking.checks.items() if entry.record.state == "blocked"]
    warned = [name for name, entry in looking.checks.items() if entry.record.state == "warned"]
    at = max(entry.at for entry in looking.checks.values())
    if blocked:
        said = words.plain("held back: {names}", names=", ".join(blocked))
        return Verdict(what, "bad", Proof(said, looking.checks[blocked[0]].at, f"/tables/{blocked[0]}"), "rondo check")
    if warned:
        said = words.plain("failing, without holding anything back: {names}", names=", ".join(warned))
        return Verdict(what, "warn", Proof(said, looking.checks[warned[0]].at, f"/tables/{warned[0]}"), "rondo check")
    count = sum(len(entry.record.checks) for entry in looking.checks.values())
    said = words.counted(
        "{n} check of {tables} tables, none failing",
        "{n} checks of {tables} tables, none failing",
        count,
        tables=len(looking.checks),
    )
    return Verdict(what, "good", Proof(said, at, "/tables"))


def fresh(looking: Looking) -> Verdict:
    """No source or table is older than it says it may be."""
    words, project, ledger = looking.words, looking.work.project, looking.work.store.ledger
    what = words.plain("data is fresh")
    declared = [name for name in looking.names if (project.sources.get(name) or project.tables[name]).fresh_s]
    if not declared:
        said = words.plain("nothing declares how old it may be")
        return Verdict(what, "idle", Proof(said, None, "/tables"))
    looks = ledger.entries(Measurement, where={"metric": STALENESS}, limit=LOOKS, newest_first=True)
    newest = {entry.record.feature: entry for entry in reversed(looks)}
    found = [newest[name] for name in declared if name in newest]
    if not found:
        return Verdict(what, "idle", Proof(words.plain("not measured yet"), None, "/live"), "rondo monitor")
    stale = [entry for entry in found if entry.record.state == "out"]
    if stale:
        said = ", ".join(
            words.plain("{name} is {hours} h old", name=entry.record.feature or "", hours=f"{entry.record.value:.0f}")
            for entry in stale
            if entry.record.value is not None
        )
        return Verdict(what, "bad", Proof(said, stale[0].at, f"/tables/{stale[0].record.feature}"), "rondo plan")
    said = words.counted("{n} of {all} as young as it should be", "{n} of {all} as young as they should be",
                         len(found), all=len(declared))  # fmt: skip
    return Verdict(what, "good" if len(found) == len(declared) else "warn", Proof(said, found[-1].at, "/tables"))


def quarantine(looking: Looking) -> Verdict:
    """No row is set aside."""
    words = looking.words
    what = words.plain("nothing is set aside")
    if not looking.versions:
        return Verdict(what, "idle", Proof(words.plain("nothing has been checked yet"), None, "/tables"), "rondo run")
    held = {name: version.quarantined for name, version in looking.versions.items() if version.quarantined}
    if held:
        first = next(iter(held))
        said = words.counted("{n} row set aside in {names}", "{n} rows set aside in {names}", sum(held.values()),
                             names=", ".join(held))  # fmt: skip
        command = f'rondo sql "select * from quarantine.{first}"'
        return Verdict(what, "warn", Proof(said, None, f"/tables/{first}"), command)
    return Verdict(what, "good", Proof(words.plain("the quarantine is empty"), None, "/tables"))


def data_card(looking: Looking) -> Verdict:
    """The data card is written."""
    return written(looking, looking.words.plain("data card"), "data_card")


def profiled(looking: Looking) -> Verdict:
    """Every table's newest version has a profile."""
    words, ledger = looking.words, looking.work.store.ledger
    what = words.plain("tables are profiled")
    if not looking.versions:
        return Verdict(what, "idle", Proof(words.plain("nothing is built yet"), None, "/tables"), "rondo run")
    newest = {name: ledger.latest(Profile, name=name) for name in looking.versions}
    absent = [
        name
        for name, entry in newest.items()
        if entry is None or entry.record.version != looking.versions[name].version
    ]
    if absent:
        whole = ", ".join(table_version(name, looking.versions[name].version) for name in absent)
        said = words.plain("without a profile: {names}", names=whole)
        return Verdict(what, "warn", Proof(said, None, "/tables"), f"rondo profile {absent[0]}")
    at = max(entry.at for entry in newest.values() if entry is not None)
    said = words.counted("{n} table, each in its newest version", "{n} tables, each in its newest version", len(newest))
    return Verdict(what, "good", Proof(said, at, "/tables"))


def reports(looking: Looking) -> Verdict:
    """Every report can be read, and its queries as well."""
    words = looking.words
    what = words.plain("reports can be read")
    if not looking.reports:
        said = words.plain("there is none in reports/")
        return Verdict(what, "idle", Proof(said, None, "/reports"))
    for each in looking.reports:
        if each.wrong is not None:
            command = f"rondo report {each.name} -o {each.name}.html"
            return Verdict(what, "bad", Proof(each.wrong, None, f"/reports/{each.name}"), command)
    names = [each.name for each in looking.reports]
    said = words.counted("{n} report: {names}", "{n} reports: {names}", len(names), names=", ".join(names))
    return Verdict(what, "good", Proof(said, None, "/reports"))


TESTS = (
    Test("sources_load", "data_engineer", "sources", loaded),
    Test("checks_pass", "data_engineer", "tables", checked),
    Test("data_fresh", "data_engineer", "sources", fresh),
    Test("quarantine_empty", "data_engineer", "tables", quarantine),
    Test("data_card", "data_engineer", "sources", data_card),
    Test("tables_profiled", "data_analyst", "tables", profiled),
    Test("reports_read", "data_analyst", "tables", reports),
)
