"""Commands of API keys: make, list, revoke."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome
from rondo.cli.working import workplace
from rondo.deploy import keys
from rondo.errors import NotFound, WrongUse
from rondo.project.durations import seconds
from rondo.project.rates import parse_rate
from rondo.records.documents import key_document
from rondo.team.decisions import person

if TYPE_CHECKING:
    from rich.console import Console


def key(
    options: Options,
    *,
    action: str,
    name: str | None,
    scope: str | None,
    owner: str | None,
    rate: str | None,
    expires: str | None,
    because: str | None,
) -> Outcome:
    """Make, list or revoke keys."""
    given = {"--scope": scope, "--owner": owner, "--rate": rate, "--expires": expires, "--because": because}
    allowed = {"make": set(given), "revoke": {"--because"}, "list": set()}[action]
    if idle := [option for option, value in given.items() if value is not None and option not in allowed]:
        raise WrongUse(f"`rondo key {action}` takes no {idle[0]}.", next_step="Leave it out.")
    if action == "list":
        return _list(options, name)
    if name is None:
        raise WrongUse(f"Which key? `rondo key {action}` needs a name.", next_step=f"Run `rondo key {action} NAME`.")
    if action == "revoke":
        return _revoke(options, name, because or "")
    return _make(options, name, scope or "", owner, rate, expires, because)


def _make(
    options: Options,
    name: str,
    scope: str,
    owner: str | None,
    rate: str | None,
    expires: str | None,
    because: str | None,
) -> Outcome:
    work, now = workplace(options), datetime.now(UTC)
    record, secret = keys.make(
        work.store.ledger,
        name,
        scopes=[part for each in scope.split(",") if (part := each.strip())],
        owner=owner or work.by,
        by=work.by,
        now=now,
        rate=None if rate is None else str(parse_rate(rate, "--rate")),
        lasts_s=None if expires is None else seconds(expires, "--expires"),
        because=because,
    )
    document = {"key": secret, **key_document(record, now, "live", None)}

    def show(console: Console) -> None:
        console.print(secret, soft_wrap=True)
        console.print(
            f"  The key {name}, for {person(work.project.settings.people, record.owner)}. It is shown this once: "
            "Rondo keeps its digest alone.\n  Callers send it as the header `Authorization: Bearer KEY`.",
            style="dim",
        )

    return Outcome(document, show)


def _list(options: Options, name: str | None) -> Outcome:
    work = workplace(options, readonly=True)
    found = keys.listed(work.store.ledger, datetime.now(UTC))
    if name is not None:
        chosen = [each for each in found if each.record.name == name]
        if not chosen:
            raise NotFound.among("key", name, [each.record.name for each in found])
        found = chosen
    documents = [key_document(each.record, each.made, each.state, each.ended) for each in found]
    return Outcome({"keys": documents}, lambda console: _show(console, documents))


def _revoke(options: Options, name: str, because: str) -> Outcome:
    work, now = workplace(options), datetime.now(UTC)
    keys.revoke(work.store.ledger, name, because=because, by=work.by, now=now)
    found = next(each for each in keys.listed(work.store.ledger, now) if each.record.name == name)
    document = key_document(found.record, found.made, found.state, found.ended)
    return Outcome(document, lambda console: console.print(f"{name} is revoked; servers refuse it within a second."))


def _show(console: Console, documents: list[dict[str, Any]]) -> None:
    if not documents:
        console.print("There is no key: only this machine may ask.")
        console.print("  next: rondo key make NAME --scope predict", style="dim")
        return
    table = printing.grid("name", "state", "opens", "rate", "owner", "made", "until")
    for each in documents:
        until = each["ended"] or each["expires"]
        table.add_row(
            each["name"], printing.mark(each["state"]), ", ".join(each["scopes"]), each["rate"] or "", each["owner"],
            each["made"][:10], until[:16] if until else "",
        )  # fmt: skip
    console.print(table)
