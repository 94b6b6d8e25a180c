"""Write docs/reference/ from the code, so that it cannot say anything else. `--check` only says what is stale.

Raises KeyError where something has no words yet: a new header key or setting is documented or the tests fail.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

import rondo
from rondo import errors
from rondo.deploy.exposition import FAMILIES
from rondo.develop.gating import REHEARSED
from rondo.project import channels, checks, people, requirements, settings, tables
from rondo.records.kinds import KINDS
from rondo.sql.scalars import SUPPORTED
from rondo.stats.metrics import METRICS

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py from the code: change it there. -->"
# Every key of a table's header. DESIGN and the reader of headers agree on these names; the words stand only here.
HEADER_KEYS: Mapping[str, str] = {
    "summary": "one sentence",
    "owner": "a person or role of `rondo.toml`",
    "key": "the columns that the table is looked up by; of an examples table, those that identify an example",
    "time": "the column that says when a row happened; of an examples table, when the question is asked",
    "known": "the column that says when a row became known",
    "keep": "a value whose time is older than this reads as null, offline and online (`6h`; inclusive)",
    "fresh": "an alert when the newest row is older than this; it changes no value",
    "checks": "conditions and named checks, one a line ([checks](checks.md))",
    "on_fail": "`block` (the default), `quarantine` or `warn`",
    "personal": "columns with personal data, and what is done to each",
    "incremental": "not supported yet: the table is rebuilt whole",
    "label": "the column to be predicted; it makes the table an examples table",
    "label_known": "the column that says when the label became known; wanted with `time`",
    "label_delay": "how long a label takes (default: the longest seen in training)",
    "inputs": "the columns that a request brings and the model may use; wanted with `time`, else all but the label",
    "derive": "names with scalar SQL over inputs, computed alike offline and online ([derive](derive.md))",
}
EVERYWHERE = ("--json", "--state", "--project", "--by", "--debug")


def commands() -> str:
    """Every command with its arguments and options, as `rondo --help` knows them."""
    from rondo.cli.app import app

    functions = {str(c.callback.__name__): c.callback for c in app.registered_commands if c.callback}
    every = _parameters(functions["plan"])
    shared = [(f"`{option}`", what) for option, what in every if option.split()[0] in EVERYWHERE]
    text = [
        "Every command works from inside the project. Exit codes: 0 done, 1 a check, gate or comparison said no, 2 "
        "wrong use, 3 something broke. Most take these:",
        _table(("option", "is"), shared),
    ]
    for name, function in sorted(functions.items()):
        what, _, example = _plain(inspect.getdoc(function)).partition("Example: ")
        if not example:
            raise KeyError(f"rondo {name} has no example")
        own = [(f"`{o}`", told) for o, told in _parameters(function) if o.split()[0] not in EVERYWHERE]
        text += [f"## rondo {name}", what.strip(), f"```console\n$ {example.strip()}\n```"]
        text += [_table(("argument or option", "is"), own)] if own else []
    return _page("The commands", text)


def _parameters(function: Callable[..., object]) -> list[tuple[str, str]]:
    """Each parameter of a command as it is written, and what it is."""
    hints = get_type_hints(function, include_extras=True)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        kind, info = get_args(hints[name])
        if not info.help:
            raise KeyError(f"{function.__name__}: {name} has no help")
        # In an Annotated parameter the first of the names stands where a default would.
        names = (info.default, *(info.param_decls or ()))
        option = next((written for written in names if isinstance(written, str) and written.startswith("--")), None)
        value = info.metavar or name.upper()
        default = parameter.default
        if option is None:
            written = value
        elif kind is bool:
            written = option
        elif isinstance(default, int | str) and default != "":
            written = f"{option} {info.metavar or default}"
        else:
            written = f"{option} {value}"
        told = info.help.rstrip(".").replace("|", "\\|")
        shown = isinstance(default, int | str) and not isinstance(default, bool) and "default" not in told
        found.append((written, f"{told} (default {default})" if shown else told))
    return found


def settings_page() -> str:
    """Every key of rondo.toml."""
    text = [
        "All but `project.name` may be left out; the default stands in brackets. `${NAME}` in a value is read from the "
        "environment: secrets belong there."
    ]
    for section, keys in settings.SECTIONS.items():
        text += [f"## [{section}]", _table(("key", "is"), [(f"`{key}`", what) for key, what in keys.items()])]
    rows = [(f"`{key}`", what) for key, what in channels.KEYS.items()]
    text += ["A section `[alerts.NAME]` declares a channel ([how](../howto/alerts.md)):", _table(("key", "is"), rows)]
    rows = [(f"`{key}`", told) for key, told in people.PERSON_KEYS.items()]
    text += ["## [people.ID]", "Owners are people or roles: the ID is what `owner` says.", _table(("key", "is"), rows)]
    return _page("Settings: rondo.toml", text)


def checks_page() -> str:
    """Every named check, and what a failed one does."""
    rows = [(f"`{name}`", what) for name, what in checks.NAMED.items()]
    does = {
        "block": "the table keeps its last good version; `rondo run` exits 1",
        "quarantine": "failing rows go to `quarantine.NAME` with the check's name, the others go on; a check of the "
        "whole table blocks, having no row to set aside",
        "warn": "the result is recorded and shown",
    }
    return _page(
        "Checks",
        [
            "A check is a SQL condition that every row must meet, or a named one. A condition that is null passes, as "
            "in SQL's CHECK: say `not_null` where a value must be there. All checks of a table run in one pass.",
            "In a header: `- late_rate between 0 and 1`, `- not_null: [origin]`, `- row_count: {min: 1}`. In "
            '`sources.py`: `"distance > 0"`, `rd.not_null("origin")`, `rd.row_count(min=1)`.',
            "## Named checks",
            _table(("check", "holds when"), rows),
            "## on_fail",
            _table(("on_fail", "a failed check"), [(f"`{name}`", does[name]) for name in checks.ON_FAIL]),
        ],
    )


def headers_page() -> str:
    """Every key of a table's header."""
    rows = [(f"`{key}`", HEADER_KEYS[key]) for key in tables.TABLE_KEYS]
    examples = [(f"`{key}`", HEADER_KEYS[key]) for key in tables.EXAMPLES_KEYS]
    return _page(
        "Headers: the leading comment of tables/NAME.sql",
        [
            "```sql\n/* ---\nsummary: …\nkey: origin\n--- */\nselect …\n```",
            "The comment is YAML; every key may be left out. What a table reads is found by parsing its SQL.",
            "## Any table",
            _table(("key", "is"), rows),
            "## Examples tables",
            _table(("key", "is"), examples),
        ],
    )


def requirements_page() -> str:
    """Every kind of line that a PRD may hold."""
    grammar = inspect.cleandoc(requirements.__doc__ or "").partition("\n\n")[2]
    rehearsed = ", ".join(f"`{name}`" for name in REHEARSED)
    return _page(
        "Requirements: the front matter of docs/prd.md",
        [
            "A requirement is one measurable line; the gate holds a version against all of them. It passes when its "
            "one-sided 95 % bound clears the limit, fails when the opposite bound misses it, and is `undecided` "
            "between. Whole days are resampled where there is time; the bounds hold over all lines (Holm) and over "
            "the slices of a line (Bonferroni).",
            f"```text\n{grammar}\n```",
            _table(
                ("line", "holds against the limit"), [(f"`{line}`", what) for line, what in requirements.FORMS.items()]
            ),
            f"The rehearsal measures {rehearsed}. Metrics: [metrics](metrics.md).",
        ],
    )


def derive_page() -> str:
    """The scalar SQL that `derive` accepts."""
    return _page(
        "derive: scalar SQL, the same offline and online",
        [
            "`derive` computes features from the inputs of a request. DuckDB computes them for a dataset, compiled "
            "Python for an answer; the two are held equal by property tests. What is not listed is refused.",
            _table(("expression", "is"), [(f"`{name}`".replace("|", "\\|"), what) for name, what in SUPPORTED]),
        ],
    )


def records_page() -> str:
    """Every kind of record with its fields."""
    text = [
        "What the ledger remembers. Each kind is a table of the ledger's database, and `ledger.KIND` in `rondo sql`; "
        "every entry also has `seq`, `at` (the project's clock), `written` (the wall clock) and `by`.",
    ]
    for name, kind in sorted(KINDS.items()):
        fields = [
            (f"`{field.encode_name}`", f"`{_type(field.type)}`", "" if field.required else _default(field))
            for field in msgspec.structs.fields(kind)
        ]
        text += [f"## {name}", inspect.getdoc(kind) or "", _table(("field", "type", "default"), fields)]
    return _page("Records", text)


def _type(kind: Any) -> str:
    if get_origin(kind) is not None or isinstance(kind, UnionType | GenericAlias):
        text = str(kind)
    else:
        text = getattr(kind, "__name__", str(kind))
    text = re.sub(r"\b(?:typing|datetime|rondo\.records\.\w+)\.", "", text.replace("NoneType", "None"))
    values = get_args(kind)
    if get_origin(kind) is not None and str(get_origin(kind)).endswith("Literal"):
        text = " or ".join(map(str, values))
    return text.replace("|", "\\|")


def _default(field: Any) -> str:
    if field.default is not msgspec.NODEFAULT:
        return f"`{field.default!r}`"
    return f"`{field.default_factory()!r}`"


def declarations_page() -> str:
    """What `import rondo as rd` offers."""
    text = ["What a project's files declare with: `import rondo as rd`."]
    for name in sorted(set(rondo.__all__) - {"__version__", "open"}):
        thing = getattr(rondo, name)
        text += [f"## rd.{name}", f"```python\nrd.{name}({_signature(thing)})\n```", _plain(inspect.getdoc(thing))]
    return _page("Declarations: sources.py, models, metrics.py", text)


def _signature(thing: Callable[..., object]) -> str:
    """Parameters with types and defaults, one a line where they are many."""
    written, marked = [], False
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not marked:
            written, marked = [*written, "*"], True
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        marked = marked or star == "*"
        default = "" if parameter.default is parameter.empty else f" = {_repr(parameter.default)}"
        written.append(f"{star}{parameter.name}: {parameter.annotation}{default}")
    line = ", ".join(written)
    return line if len(line) < 80 else "\n    " + ",\n    ".join(written) + ",\n"


def _repr(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def metrics_page() -> str:
    """Every built-in metric."""
    rows = [
        (f"`{metric.name}`", metric.task, "higher" if metric.higher_is_better else "lower", metric.unit or "–")
        for metric in sorted(METRICS.values(), key=lambda metric: (metric.task, metric.name))
    ]
    return _page(
        "Metrics",
        [
            "Every value comes with a 95 % interval; whole days are resampled where the examples have a time. "
            "`metrics.py` adds a project's own ([rd.metric](declarations.md#rdmetric)).",
            _table(("metric", "task", "better", "unit"), rows),
        ],
    )


def server_metrics_page() -> str:
    """Every metric of the prediction server."""
    rows = [
        (f"`{family.name}`", family.kind, ", ".join(f"`{label}`" for label in family.labels) or "–", family.help)
        for family in FAMILIES
    ]
    return _page(
        "Metrics of the server",
        [
            "`GET /metrics` of `rondo serve`, in Prometheus' text format 0.0.4, or OpenMetrics 1.0 where the scraper "
            "asks for it. Whichever worker answers, counters and histograms are the sums of all workers; gauges of a "
            "process bear its `worker`. Label values are bounded: what is beyond is counted as `other`. How to use "
            "them: [operate](../howto/operate.md).",
            _table(("metric", "kind", "labels", "is"), rows),
        ],
    )


def errors_page() -> str:
    """The tree of errors and their codes."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.RondoError)]
    rows = [
        (f"`{kind.code}`", str(kind.exit_code), _plain(inspect.getdoc(kind)).split("\n\n")[0].replace("\n", " "))
        for kind in sorted(kinds, key=lambda kind: (kind.exit_code, kind.code))
    ]
    return _page(
        "Errors",
        [
            "An error says what was wrong, where (file and line), and the next step. With `--json` it is the `error` "
            "document, whose `code` is one of these.",
            _table(("code", "exit", "means"), rows),
        ],
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "settings": settings_page,
    "declarations": declarations_page,
    "headers": headers_page,
    "checks": checks_page,
    "requirements": requirements_page,
    "derive": derive_page,
    "metrics": metrics_page,
    "server-metrics": server_metrics_page,
    "records": records_page,
    "errors": errors_page,
}


def _plain(text: str | None) -> str:
    if not text:
        raise KeyError("something public has no docstring")
    return text


def _page(title: str, parts: Iterable[str]) -> str:
    return "\n\n".join([f"# {title}", NOTE, *(part for part in parts if part)]) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def stale(folder: Path = FOLDER) -> list[str]:
    """The pages whose text is not what the code says now."""
    return [
        name
        for name, page in PAGES.items()
        if not (folder / f"{name}.md").is_file() or (folder / f"{name}.md").read_text(encoding="utf-8") != page()
    ]


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or say which are stale."""
    if "--check" in arguments:
        for name in (out_of_date := stale()):
            print(f"docs/reference/{name}.md is stale: run python docs/generate.py", file=sys.stderr)
        return 1 if out_of_date else 0
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / f"{name}.md").write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
