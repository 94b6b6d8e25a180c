"""A model's declaration made into its signature, every name looked up and every type settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rondo.errors import DeclarationError
from rondo.features.signature import Column, Derived, Lookup, Signature, kind_of
from rondo.project.models import Feature, Model
from rondo.project.reading import Project
from rondo.project.tables import Table
from rondo.sql.scalars import compile_scalar

Columns = Mapping[str, str]
RESERVED = ("moment", "label", "split")


def assemble(
    model: Model, project: Project, columns: Mapping[str, Columns], definitions: Mapping[str, str]
) -> Signature:
    """The signature of `model`.

    `columns` maps each table to its columns and SQL types as built, `definitions` to its definition fingerprint.
    `classes` stay empty: the dataset settles them. Raises DeclarationError with file and line.
    """
    examples = project.tables[model.examples]
    there = columns[examples.name]
    for what, names in (("key", examples.key), ("time", (examples.time,)), ("label", (examples.label,))):
        for name in names:
            if name and name not in there:
                raise _absent(examples, what, name, there)
    inputs = _inputs(examples, there)
    derived = _derived(examples, there, inputs, project.settings.timezone)
    lookups = tuple(_lookup(feature, model, examples, project, columns, definitions) for feature in model.features)
    spoken_for = {c.name for c in inputs} | {examples.label, examples.label_known, examples.time, *examples.key}
    carried = tuple(Column(name=name, type=there[name]) for name in there if name not in spoken_for)
    for by in model.slices:
        if by not in there and by not in {d.name for d in derived}:
            raise DeclarationError(
                f"The model {model.name} slices by {by!r}, which is no column of {examples.name} ({', '.join(there)}).",
                next_step="Name a column of the examples.",
                file=model.file,
                line=model.line,
            )
    assert examples.label is not None
    return Signature(
        model=model.name,
        examples=examples.name,
        task=model.task.kind,
        timezone=project.settings.timezone,
        key=tuple(Column(name=name, type=there[name]) for name in examples.key),
        time=examples.time,
        inputs=inputs,
        carried=carried,
        derived=derived,
        lookups=lookups,
        fed=_fed(inputs, derived, lookups),
        label=Column(name=examples.label, type=there[examples.label]),
        label_known=examples.label_known,
    )


def _absent(table: Table, what: str, name: str, there: Columns) -> DeclarationError:
    return DeclarationError(
        f"{table.file} names {name!r} as {what}, but the query does not give it; it gives: {', '.join(there)}.",
        next_step=f"Select {name}, or name another column.",
        file=table.file,
        line=1,
    )


def _inputs(examples: Table, there: Columns) -> tuple[Column, ...]:
    apart = {examples.label, *examples.key}
    names = examples.inputs if examples.inputs is not None else tuple(name for name in there if name not in apart)
    for name in names:
        if name not in there:
            raise _absent(examples, "input", name, there)
        if name in RESERVED:
            raise DeclarationError(
                f"The input {name!r} of {examples.name} would be taken for the dataset's own column {name!r}.",
                next_step=f"Give it another name in {examples.file}.",
                file=examples.file,
                line=1,
            )
        if kind_of(there[name]) == "other":
            raise DeclarationError(
                f"The input {name!r} of {examples.name} is a {there[name]}, which no model can be fed.",
                next_step="Select numbers, text, booleans or timestamps from it.",
                file=examples.file,
                line=1,
            )
    return tuple(Column(name=name, type=there[name]) for name in names)


def _derived(examples: Table, there: Columns, inputs: Sequence[Column], timezone: str) -> tuple[Derived, ...]:
    types = {column.name: column.type for column in inputs}
    found = []
    for name, expression in examples.derive:
        if name in there or name in RESERVED:
            raise DeclarationError(
                f"{examples.file} derives {name!r}, which is a column already.",
                next_step="Give the derived feature another name.",
                file=examples.file,
                line=examples.derive_line,
            )
        try:
            scalar = compile_scalar(expression, types, timezone)
        except DeclarationError as error:
            raise DeclarationError(
                f"{examples.file} derives {name}: {error.message}",
                next_step=error.next_step,
                file=examples.file,
                line=examples.derive_line,
            ) from error
        found.append(Derived(name=name, expression=expression, type=scalar.type))
    return tuple(found)


def _lookup(
    feature: Feature,
    model: Model,
    examples: Table,
    project: Project,
    columns: Mapping[str, Columns],
    definitions: Mapping[str, str],
) -> Lookup:
    table = project.tables[feature.table]
    there = columns[table.name]
    for what, names in (("key", table.key), ("time", (table.time,)), ("known", (table.known,))):
        for name in names:
            if name and name not in there:
                raise _absent(table, what, name, there)
    if table.time and not examples.time:
        raise DeclarationError(
            f"{table.name} has a time, but {examples.name} has none to look it up at.",
            next_step=f"Declare time: in {examples.file}.",
            file=examples.file,
            line=1,
        )
    on = dict(feature.on)
    pairs = tuple((column, on.get(column, column)) for column in table.key)
    for column, asked in pairs:
        if asked in (examples.label, examples.label_known):
            raise DeclarationError(
                f"{table.name} is looked up by {asked!r}, which is known only with the label of {examples.name}.",
                next_step="Look it up by a column that a request brings.",
                file=model.file,
                line=model.line,
            )
        _refuse_key(model, table, column, asked, there[column], columns[examples.name])
    return Lookup(
        table=table.name,
        prefix=feature.prefix,
        definition=definitions[table.name],
        on=pairs,
        key_types=tuple(there[column] for column in table.key),
        columns=_looked_up(feature, model, table, there),
        time=table.time,
        known=table.known,
        keep_s=table.keep_s,
    )


def _refuse_key(model: Model, table: Table, column: str, asked: str, sql_type: str, there: Columns) -> None:
    if asked not in there:
        raise DeclarationError(
            f"{table.name} is looked up by {column}, but {model.examples} has no column {asked!r}.",
            next_step=f'Select {asked} there, or map it: rd.feature("{table.name}", on={{"{column}": "…"}}).',
            file=model.file,
            line=model.line,
        )
    if kind_of(there[asked]) != kind_of(sql_type):
        raise DeclarationError(
            f"{table.name}.{column} is a {sql_type} and {model.examples}.{asked} a {there[asked]}: they never match.",
            next_step="Cast one of them in its SQL.",
            file=model.file,
            line=model.line,
        )


def _looked_up(feature: Feature, model: Model, table: Table, there: Columns) -> tuple[Column, ...]:
    apart = {*table.key, table.time, table.known}
    names = feature.columns or tuple(name for name in there if name not in apart)
    for name in names:
        problem = None
        if name not in there:
            problem = f"{table.name} has no column {name!r}; it has: {', '.join(there)}"
        elif kind_of(there[name]) == "other":
            problem = f"{table.name}.{name} is a {there[name]}, which no model can be fed"
        if problem:
            raise DeclarationError(
                f"{problem}.",
                next_step=f'Name the columns to use: "{table.name}.column".',
                file=model.file,
                line=model.line,
            )
    if not names:
        raise DeclarationError(
            f"{table.name} has no column beside its key, time and known to be a feature.",
            next_step=f"Select one in {table.file}.",
            file=model.file,
            line=model.line,
        )
    return tuple(Column(name=name, type=there[name]) for name in names)


def _fed(inputs: Sequence[Column], derived: Sequence[Derived], lookups: Sequence[Lookup]) -> tuple[Column, ...]:
    """Inputs, derived, looked up, in this order; a moment is only derived from."""
    every = [*inputs, *(Column(name=d.name, type=d.type) for d in derived)]
    for lookup in lookups:
        every += [Column(name=n, type=c.type) for n, c in zip(lookup.names, lookup.columns, strict=True)]
    return tuple(column for column in every if kind_of(column.type) != "moment")
