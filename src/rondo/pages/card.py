"""Data card and model card as pages and as files: what people wrote, and what is composed around it from evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from markupsafe import Markup

from rondo.handbook.cards import DataCard, ModelCard
from rondo.language.words import Language
from rondo.pages.frame import Frame
from rondo.pages.prose import parts, prose
from rondo.pages.rendering import render
from rondo.pages.requirements import MARKS, held
from rondo.records.development import Figure, RequirementResult
from rondo.records.documents import moment_text

Card = DataCard | ModelCard


def card_page(card: Card, frame: Frame) -> str:
    """The page of a card."""
    words = frame.words
    pieces: tuple[tuple[object, Markup], ...] = ()
    if card.written is not None:
        found = parts(card.written.body, card.written.headings, card.written.body_line)
        level = min((piece.heading.level for piece in found if piece.heading is not None), default=2)
        pieces = tuple((piece.heading, prose(piece.text, frame, highest=level)) for piece in found)
    return render(
        "card.html",
        frame,
        section="models" if isinstance(card, ModelCard) else "tables",
        commands=(command_of(card),),
        card=card,
        kind=words.say("model card") if isinstance(card, ModelCard) else words.say("data card"),
        title=title_of(card, words),
        lede=_lede(card, words),
        draft=_draft(card),
        pieces=pieces,
        requirements=requirement_rows(card, words),
        marks=MARKS,
    )


def command_of(card: Card) -> str:
    """The command that prints the card."""
    return f"rondo card model {card.model}" if isinstance(card, ModelCard) else "rondo card data"


def title_of(card: Card, words: Language) -> str:
    """What the human part is called, else what it is about."""
    if card.written is not None:
        return card.written.document.title
    return (
        words.plain("The model {name}", name=card.model)
        if isinstance(card, ModelCard)
        else words.plain("The data of {project}", project=card.project)
    )


def _draft(card: Card) -> str:
    kind = "model_card" if isinstance(card, ModelCard) else "data_card"
    return f"rondo document {kind} {kind}" + (f" --model {card.model}" if isinstance(card, ModelCard) else "")


def _lede(card: Card, words: Language) -> Markup:
    said = Markup()
    if isinstance(card, DataCard):
        rows = sum(each.rows or 0 for each in card.sources)
        said = words.count("{n} source, {rows} rows", "{n} sources, {rows} rows", len(card.sources),
                           rows=words.whole(rows))  # fmt: skip
    elif card.version is None:
        said = words.say("Nothing has been trained yet")
    elif card.role == "production":
        said = words.say("{version} is in production", version=card.version)
    else:
        said = words.say("{version} is the newest, and not in production", version=card.version)
    if card.missing:
        said += words.count("; a person must still write {n} section.", "; a person must still write {n} sections.",
                            len(card.missing))  # fmt: skip
        return said
    return said + words.say("; what only people know is written.")


def requirement_rows(
    card: Card, words: Language
) -> tuple[tuple[RequirementResult, Markup, Markup | None, Markup], ...]:
    """The lines of a model's gate with value, plot and state."""
    if not isinstance(card, ModelCard):
        return ()
    return tuple((line, *held(line, words, higher_is_better=card.higher_is_better)) for line in card.requirements)


def markdown_of(card: Card, words: Language) -> str:
    """The card as Markdown: what people wrote as it stands, then what the ledger says."""
    lines = [f"# {title_of(card, words)}", ""]
    if card.missing:
        lines += [words.plain("To write: {names}", names=", ".join(card.missing)), ""]
    if card.written is not None:
        body = card.written.body.strip().splitlines()
        lines += [*(body[1:] if body and body[0].startswith("# ") else body), ""]
    lines += _data_lines(card, words) if isinstance(card, DataCard) else _model_lines(card, words)
    return "\n".join(lines).rstrip() + "\n"


def _data_lines(card: DataCard, words: Language) -> list[str]:
    rows = [
        (each.name, each.version or "–", words.whole(each.rows), words.moment(each.until) if each.until else "–",
         "; ".join(person.reached for person in each.people))
        for each in card.sources
    ]  # fmt: skip
    heads = [words.known(head) for head in ("source", "version", "rows", "known until", "owner")]
    lines = [f"## {words.plain('Sources')}", "", *_table(heads, rows), ""]
    lines += [f"## {words.plain('Personal data')}", ""]
    lines += [f"- `{each.table}.{each.column}`: {each.treatment}" for each in card.personal] or [
        words.plain("No column is declared as personal.")
    ]
    if card.assumptions:
        lines += ["", f"## {words.plain('Taken on trust')}", "", *(f"- {each}" for each in card.assumptions)]
    return lines


def _model_lines(card: ModelCard, words: Language) -> list[str]:
    lines = [f"## {words.plain('Version')}", ""]
    if card.version is None or card.trained is None:
        return [*lines, words.plain("Nothing has been trained yet")]
    trained = words.plain("trained {day}", day=words.day(card.trained))
    lines += [f"{card.version}{', ' + words.known(card.role) if card.role else ''}, {trained}; {card.trainer}", ""]
    lines += [f"## {words.plain('Quality')}", ""]
    heads = [words.plain("metric"), words.plain("test"), *card.testsets]
    rows = [
        (name, _figure(figure, words), *(_figure(other.get(name), words) for other in card.testsets.values()))
        for name, figure in card.metrics.items()
    ]
    lines += [*_table(heads, rows), ""]
    if card.slices:
        rows = [(f"{each.by} = {each.is_}", words.whole(each.rows), _figure(each.metrics.get(card.metric), words))
                for each in card.slices]  # fmt: skip
        lines += [*_table([words.plain("slice"), words.plain("rows"), card.metric], rows), ""]
    if card.requirements:
        lines += [f"## {words.plain('Requirements')}", ""]
        lines += [f"- `{line.text}`: {words.known(line.state.replace('_', ' '))}" for line in card.requirements]
    lines += ["", f"## {words.plain('Identity')}", "", f"Rondo {card.rondo}"]
    return lines + [f"- {name}: `{sha}`" for name, sha in sorted(card.files.items())]


def _figure(figure: Figure | None, words: Language) -> str:
    if figure is None or figure.value is None:
        return "–"
    between = words.interval(figure.low, figure.high)
    return words.number(figure.value) + (f" [{between}]" if between else "")


def _table(heads: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[str]:
    def line(cells: Iterator[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(iter(heads)), "|" + "---|" * len(heads), *(line(iter(row)) for row in rows)]


def bill_of_materials(card: ModelCard) -> dict[str, Any]:
    """The model as a CycloneDX 1.6 ML-BOM (ECMA-424, 2024): the model, its card, the tables behind it."""
    reference = f"model:{card.version or card.model}"
    performance = [_performance(name, figure) for name, figure in card.metrics.items() if figure.value is not None]
    for each in card.slices:
        figure = each.metrics.get(card.metric)
        if figure is not None and figure.value is not None:
            performance.append(_performance(card.metric, figure) | {"slice": f"{each.by}={each.is_}"})
    model: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": card.model,
        "version": str(card.number or 0),
        "components": [
            {"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": sha}]}
            for name, sha in sorted(card.files.items())
        ],
        "modelCard": {
            "modelParameters": {
                "approach": {"type": "supervised"},
                "task": "regression" if card.task == "regression" else "classification",
                "architectureFamily": card.trainer or "",
                "datasets": [{"ref": f"data:{name}"} for name in card.tables],
                "inputs": [{"format": name} for name in card.inputs],
                "outputs": [{"format": card.label}],
            },
            "quantitativeAnalysis": {"performanceMetrics": performance},
            "considerations": _considerations(card),
        },
    }
    if card.written is not None and card.written.licence:
        model["licenses"] = [{"license": {"name": card.written.licence}}]
    data = [
        {"type": "data", "bom-ref": f"data:{name}", "name": name.partition("@")[0], "version": name.partition("@")[2]}
        for name in card.tables
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, reference + str(card.definition))}",
        "version": 1,
        "metadata": {
            "timestamp": moment_text(card.at),
            "tools": {"components": [{"type": "application", "name": "rondo", "version": card.rondo or ""}]},
        },
        "components": [model, *data],
        "dependencies": [{"ref": reference, "dependsOn": [f"data:{name}" for name in card.tables]}],
    }


def _performance(name: str, figure: Figure) -> dict[str, Any]:
    told: dict[str, Any] = {"type": name, "value": f"{figure.value:.6g}"}
    if figure.low is not None and figure.high is not None:
        told["confidenceInterval"] = {"lowerBound": f"{figure.low:.6g}", "upperBound": f"{figure.high:.6g}"}
    return told


def _considerations(card: ModelCard) -> Mapping[str, Any]:
    """The human sections, each whole, under the name that the standard has for it."""
    if card.written is None:
        return {}
    told: dict[str, Any] = {}
    for piece in parts(card.written.body, card.written.headings, card.written.body_line):
        title = piece.heading.title.casefold() if piece.heading is not None else ""
        if not piece.text or "TODO" in piece.text:
            continue
        if title.startswith(("intended use", "용도")):
            told["useCases"] = [piece.text]
        elif title.startswith(("limit", "not for", "한계", "쓰지")):
            told.setdefault("technicalLimitations", []).append(piece.text)
        elif title.startswith(("fair", "공정")):
            told["ethicalConsiderations"] = [
                {"name": piece.heading.title if piece.heading else "", "mitigationStrategy": piece.text}
            ]
    return told
