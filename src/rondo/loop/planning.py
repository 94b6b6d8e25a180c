"""What a run would do, and why: nothing is built here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rondo.data.loading import Changes, changes, seen_files
from rondo.deploy.resolving import newest_declared
from rondo.errors import NotFound, RondoError
from rondo.graph.assets import Standing, Why, standing
from rondo.graph.definitions import Node, build_fingerprint, digest, model_definition, pinned_of, tables_of
from rondo.loop.retraining import policy_verdict
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.project.sources import Source
from rondo.records.development import Version
from rondo.records.running import PlannedStep
from rondo.records.tables import CheckResult, Dataset, Definition, TableVersion
from rondo.store.ledger import LedgerReader


@dataclass(frozen=True)
class ModelStanding:
    """How a model stands: why it must be trained (None: it need not), and whether its policy holds back due data.

    `alerts` are the ids of those that the policy looked at.
    """

    standing: Standing
    waits: str | None = None
    newest: Version | None = None
    alerts: tuple[str, ...] = ()


def wanted(work: Workplace, names: Sequence[str]) -> tuple[list[Node], list[Model]]:
    """The nodes and models that `names` need; without names, all. Raises NotFound."""
    nodes, models = work.nodes, work.project.models
    if not names:
        return list(nodes.values()), list(models.values())
    needed: set[str] = set()
    chosen: list[Model] = []

    def need(name: str) -> None:
        if name not in needed:
            needed.add(name)
            for read in nodes[name].reads:
                need(read)

    for name in names:
        if name in nodes:
            need(name)
        elif name in models:
            chosen.append(models[name])
            for table in tables_of(models[name]):
                need(table)
        else:
            raise NotFound.among("source, table or model", name, [*nodes, *models])
    return [node for node in nodes.values() if node.name in needed], chosen


def newest(ledger: LedgerReader, name: str, definition: str | None = None) -> TableVersion | None:
    """The newest version of a source or table: of a definition, or of the one the project last built."""
    where: dict[str, object] = {"definition": definition} if definition else {"pinned": False}
    entry = ledger.latest(TableVersion, name=name, where=where)
    return entry.record if entry else None


def source_standing(work: Workplace, node: Node) -> tuple[Standing, Changes]:
    """How a source stands against its files."""
    assert isinstance(node.declaration, Source)
    last = newest(work.store.ledger, node.name, node.definition)
    found = changes(node.declaration, work.project.root, seen_files(work.store.ledger, node.name, node.definition))
    if last is None:
        before = newest(work.store.ledger, node.name)
        return (Standing("stale", "its declaration changed") if before else Standing("new", "never loaded")), found
    if last.build != build_fingerprint(node, {}, None):
        return Standing("stale", "its checks changed"), found
    if found.new or found.changed:
        parts = [f"{len(files)} {what}" for files, what in ((found.new, "new"), (found.changed, "changed")) if files]
        return Standing("due", f"files: {', '.join(parts)}"), found
    return Standing(None), found


def table_standing(
    work: Workplace, node: Node, versions: Mapping[str, int], as_of: datetime | None, coming: Mapping[str, Why]
) -> Standing:
    """How a table stands against its definition and the versions of what it reads."""
    last = newest(work.store.ledger, node.name)
    found = standing(
        built={i.name: i.version for i in last.inputs} if last else None,
        built_definition=last.definition if last else None,
        definition=node.definition,
        inputs=versions,
        changed=_changed(work.store.ledger, node, last),
        coming={name: why for name, why in coming.items() if name in node.reads},
    )
    if not found.fresh or last is None:
        return found
    build = build_fingerprint(node, versions, as_of)
    if last.build == build:
        return found
    if last.as_of != as_of:
        return Standing("due", "another moment is asked for")
    return Standing("stale", "its checks changed")


def _changed(ledger: LedgerReader, node: Node, last: TableVersion | None) -> str:
    before = ledger.latest(Definition, name=node.name, where={"definition": last.definition}) if last else None
    if before is None or before.record.own != node.own:
        return "its definition changed"
    changed = [name for name, definition in node.reads.items() if before.record.reads.get(name) != definition]
    return f"the definition of {', '.join(changed)} changed, which it reads"


def dataset_build(definition: str, versions: Mapping[str, int], as_of: datetime | None) -> str:
    """The build fingerprint of a dataset."""
    return digest("dataset", definition, versions, as_of)


def model_standing(
    work: Workplace, model: Model, versions: Mapping[str, int], as_of: datetime | None, coming: Mapping[str, Why]
) -> ModelStanding:
    """How a model stands: never trained, stale (a definition changed), due (new data: its policy decides), or fresh."""
    ledger = work.store.ledger
    entry = newest_declared(ledger, model.name)
    if entry is None:
        return ModelStanding(Standing("new", "never trained"))
    version = entry.record
    definition = model_definition(model, work.project, work.nodes)
    if version.definition != definition:
        return ModelStanding(Standing("stale", _model_changed(work, model, version)), newest=version)
    dataset = ledger.latest(Dataset, name=model.name, version=version.dataset)
    built = {i.name: i.version for i in dataset.record.inputs} if dataset else {}
    mine = {name: versions[name] for name in tables_of(model) if name in versions}
    late = [name for name in tables_of(model) if name in coming or built.get(name) != mine.get(name)]
    if not late and (dataset is None or dataset.record.as_of == as_of):
        return ModelStanding(Standing(None), newest=version)
    reason = f"new data in {', '.join(late)}" if late else "another moment is asked for"
    said = policy_verdict(ledger, model, entry, now=as_of or work.now(), timezone=work.project.settings.timezone)
    if not said.due:
        return ModelStanding(Standing(None, f"{reason}; {said.reason}"), said.reason, version, said.alerts)
    return ModelStanding(Standing("due", f"{reason}; {said.reason}"), newest=version, alerts=said.alerts)


def _model_changed(work: Workplace, model: Model, version: Version) -> str:
    pinned = pinned_of(model, work.nodes)
    changed = [name for name, definition in pinned.items() if version.pinned.get(name, definition) != definition]
    if changed:
        return f"the definition of {', '.join(changed)} changed"
    return "its declaration changed"


def plan(work: Workplace, names: Sequence[str] = (), *, as_of: datetime | None = None) -> list[PlannedStep]:
    """Every step a run would take, in order, with the reason of each. Nothing is built."""
    nodes, models = wanted(work, names)
    steps: list[PlannedStep] = []
    coming: dict[str, Why] = {}
    versions: dict[str, int] = {}
    for node in nodes:
        found = _planned(work, node, versions, as_of, coming)
        last = newest(work.store.ledger, node.name)
        if last:
            versions[node.name] = last.version
        steps.append(_step(node.name, "load" if node.is_source else "build", found))
        if found.why:
            coming[node.name] = found.why
    for model in models:
        stands = model_standing(work, model, versions, as_of, coming).standing
        steps.append(_step(f"dataset.{model.name}", "freeze", stands))
        steps.append(_step(model.name, "train", stands))
    return steps


def _planned(
    work: Workplace, node: Node, versions: Mapping[str, int], as_of: datetime | None, coming: Mapping[str, Why]
) -> Standing:
    if node.is_source:
        try:
            return source_standing(work, node)[0]
        except RondoError as error:
            return Standing("new", error.message)
    stands = table_standing(work, node, {n: versions[n] for n in node.reads if n in versions}, as_of, coming)
    last = work.store.ledger.latest(CheckResult, name=node.name)
    if stands.fresh and last and last.record.state == "blocked":
        return Standing("due", "it was blocked by its checks")
    return stands


def _step(name: str, stage: str, stands: Standing) -> PlannedStep:
    action = "keep" if stands.fresh else "build"
    return PlannedStep(name=name, stage=stage, action=action, why=stands.why, reason=stands.reason)  # type: ignore[arg-type]
