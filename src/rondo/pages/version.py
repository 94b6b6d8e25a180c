"""A version's page: how it stands, what it was held against, how it was judged, what it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from markupsafe import Markup

from rondo.handbook.version_detail import Against, VersionDetail
from rondo.language.words import NONE, Language
from rondo.pages.actions import Action
from rondo.pages.frame import Frame
from rondo.pages.loop import HAPPENED
from rondo.pages.quality import (
    candidate_name,
    candidates_chart,
    curve_charts,
    group_lines,
    outcome,
    slice_lines,
)
from rondo.pages.rendering import render
from rondo.pages.requirements import MARKS, held
from rondo.records.monitoring import Measurement
from rondo.records.studies import Condition
from rondo.records.tables import Scalar

WHY: Mapping[str, str] = {
    "new": "the first of its kind",
    "stale": "because a definition had changed",
    "due": "because new data had come",
    "asked": "because somebody asked for it",
}
WORST = 10
FEATURES = 15
SLICES = 24


def version_page(detail: VersionDetail, frame: Frame) -> str:
    """The page as HTML."""
    words = frame.words
    gate = detail.gate
    lines = gate.requirements if gate else []
    slices = slice_lines(detail, words)
    return render(
        "version.html",
        frame,
        section="models",
        commands=(
            f"rondo evaluate {detail.whole}",
            f"rondo reproduce {detail.whole}",
            f"rondo export {detail.whole} --format onnx",
        ),
        detail=detail,
        headline=_headline(detail, words),
        lede=_lede(detail, words),
        stats=list(_stats(detail, words)),
        requirements=[
            (
                line,
                live,
                *held(line, words, higher_is_better=detail.higher_is_better, live=live.value if live else None),
            )
            for line, live in zip(lines, detail.live or [None] * len(lines), strict=True)
        ],
        marks=MARKS,
        actions=list(_actions(detail, words)),
        candidates_chart=candidates_chart(detail, frame),
        candidate_name=candidate_name,
        charts=curve_charts(detail, frame),
        slices=slices[:SLICES],
        more_slices=slices[SLICES:],
        groups=group_lines(detail.evaluation.slices if detail.evaluation else (), words),
        outcome=outcome(detail),
        worst=WORST,
        shown_features=FEATURES,
        condition=_condition,
        scalar=_scalar,
        effects=_effects(detail, frame),
        happened=HAPPENED,
        verdict=_verdict,
        live_told=live_told,
    )


def _headline(detail: VersionDetail, words: Language) -> Markup:
    version = detail.whole
    for each in detail.at_work:
        if each.role == "production":
            return words.say("{version} is in production", version=version)
    for each in detail.at_work:
        if each.role == "canary":
            return words.say(
                "{version} answers {share} of the requests", version=version, share=words.share(each.share)
            )
        return words.say("{version} runs in the shadow", version=version)
    ended = [each.until for each in detail.stretches if each.role == "production" and each.until is not None]
    if ended:
        return words.say("{version} was in production until {day}", version=version, day=words.day(max(ended)))
    if detail.gate is None:
        return words.say("{version} has not been held against requirements", version=version)
    if detail.gate.state == "failed":
        return words.say("{version} did not pass its gate", version=version)
    if detail.gate.state == "undecided":
        return words.say("{version} is undecided at its gate", version=version)
    return words.say("{version} passed its gate and is not at work", version=version)


def _lede(detail: VersionDetail, words: Language) -> Markup:
    """Since when, what the gate said, and how it was made."""
    sentences = []
    for each in detail.at_work:
        because = words.say(": {because}", because=each.because) if each.because else Markup()
        if each.role == "production":
            since = words.say("<strong>In production</strong> since {day}", day=words.day(each.since))
        else:
            role = Markup("<strong>{}</strong>").format(words.known(each.role))
            since = words.say("At work as {role} since {day}", role=role, day=words.day(each.since))
        sentences.append(since + because + ".")
    sentences.append(_gate_told(detail, words))
    rows = detail.dataset.splits.get("train") if detail.dataset else None
    sentences.append(
        words.say(
            "A {trainer} model trained on {rows} examples in {seconds}, {why}; made {day} by {who}.",
            trainer=detail.record.trainer, rows=words.whole(rows), seconds=words.seconds(detail.record.seconds),
            why=words.known(WHY.get(detail.record.why, detail.record.why)), day=words.day(detail.made),
            who=detail.made_by,
        )
    )  # fmt: skip
    return Markup(" ").join(sentences)


def _gate_told(detail: VersionDetail, words: Language) -> Markup:
    gate = detail.gate
    if gate is None:
        return words.say("There is no gate: no document asks anything of it.")
    asked = [line for line in gate.requirements if line.state not in ("not_applicable", "unexamined")]
    failed = sum(line.state == "failed" for line in asked)
    undecided = [line for line in asked if line.state == "undecided"]
    if failed:
        return words.count(
            "Its gate found one requirement not met.", "Its gate found {n} requirements not met.", failed
        )
    if undecided and all(line.signed_by for line in undecided):
        return words.count(
            "Its gate left one requirement undecided, which was signed for.",
            "Its gate left {n} requirements undecided, which were signed for.",
            len(undecided),
        )
    if undecided:
        return words.count(
            "Its gate left one requirement undecided: a person may answer for it.",
            "Its gate left {n} requirements undecided: a person may answer for them.",
            len(undecided),
        )
    return words.count("Its gate passed on one requirement.", "Its gate passed on all {n} requirements.", len(asked))


def _stats(detail: VersionDetail, words: Language) -> Iterator[tuple[Markup, Markup, Markup]]:
    """Label, value, and what stands below it."""
    live, figure, rehearsal = detail.live_metric, detail.figure, detail.rehearsal
    if live is not None:
        below = words.say(
            "{interval}, {n} outcomes, week to {day}", interval=words.interval(live.low, live.high),
            n=words.whole(live.n or live.matured), day=words.day(live.end),
        )  # fmt: skip
        yield words.say("{metric}, live", metric=live.metric), Markup(words.number(live.value)), below
    if figure is not None:
        below = words.say(
            "{interval}, {n} rows", interval=words.interval(figure.low, figure.high), n=words.whole(figure.n)
        )
        yield words.say("{metric}, test split", metric=detail.metric), Markup(words.number(figure.value)), below
    recall = detail.evaluation.metrics.get("recall") if detail.evaluation else None
    if recall is not None and recall.value is not None:
        between = "" if recall.low is None or recall.high is None else f"{100 * recall.low:.3g}–{100 * recall.high:.3g}"
        threshold = detail.curves.threshold if detail.curves else None
        below = words.say(
            "{interval}, flagged from {threshold} on", interval=between, threshold=f"{threshold or 0.5:g}"
        )
        value = Markup("{:.3g}<small>%</small>").format(100 * recall.value)
        yield words.say("{outcome} caught", outcome=outcome(detail)), value, below
    if rehearsal is not None and rehearsal.latency_p99_ms is not None:
        value = Markup("{}<small>ms</small>").format(f"{rehearsal.latency_p99_ms:.3g}")
        yield words.say("99 of 100 within"), value, words.count("one request", "{n} requests", rehearsal.requests)
    if rehearsal is not None:
        value = Markup(f"{rehearsal.offline_rows - rehearsal.offline_differ:,}/{rehearsal.offline_rows:,}")
        below = words.count("and one live key", "and {n} live keys", rehearsal.online_keys)
        if rehearsal.online_differ:
            below = words.say("{n} of {keys} live keys differ", n=rehearsal.online_differ, keys=rehearsal.online_keys)
        yield words.say("served = offline"), value, below


def _actions(detail: VersionDetail, words: Language) -> Iterator[Action]:
    """What may be done with the version as it stands."""
    in_production = detail.production == detail.whole
    held_roles = {each.role for each in detail.at_work}
    if in_production and detail.back_to:
        yield _roll_back(detail, words)
    if not in_production and _may(detail, "production"):
        yield _promote(detail, words)
    if not in_production and detail.production:
        for role, to in (("canary", "canary=10%"), ("shadow", "shadow")):
            if role not in held_roles and _may(detail, role):
                yield _beside(detail, words, role, to)
    for role in ("canary", "shadow"):
        if role in held_roles:
            yield Action(
                f"take-off-{role}", "rollback", words.say("Take off as {role}", role=words.known(role)),
                f"rondo rollback {detail.name} --role {role}", {"model": detail.name, "role": role},
                (words.say("Every request is answered by production alone again."),), words.say("Why"), True,
            )  # fmt: skip
    for place, line in enumerate(detail.gate.requirements if detail.gate else ()):
        if line.state == "undecided" and not line.signed_by:
            yield Action(
                f"sign-{place}", "sign", words.say("Sign for {line}", line=line.text),
                f'rondo sign {detail.whole} "{line.text}" --because "…"',
                {"version": detail.whole, "requirement": line.text},
                (
                    words.say("You answer by name for what the rows could not decide. It promotes nothing."),
                    words.say("A failed line cannot be signed; this one may still turn out either way."),
                ),
                words.say("Why you answer for it"),
            )  # fmt: skip


def _may(detail: VersionDetail, role: str) -> bool:
    """Whether the gate lets the version into a role; what refuses it all the same says why."""
    if detail.rehearsal is not None and detail.rehearsal.unequal:
        return False
    if detail.gate is None:
        return detail.prd_file is None
    unsigned = any(line.state == "undecided" and not line.signed_by for line in detail.gate.requirements)
    if detail.gate.state == "undecided" and unsigned:
        return role == "canary" and detail.undecided == "canary"
    return detail.gate.state != "failed"


def _promote(detail: VersionDetail, words: Language) -> Action:
    now = (
        words.say("{version} answers every request from the next one on; {old} stops.", version=detail.whole,
                  old=detail.production)
        if detail.production
        else words.say("{version} answers every request from the next one on.", version=detail.whole)
    )  # fmt: skip
    stays = words.say("No data changes and nothing is trained. A roll-back undoes it within a second.")
    return Action(
        "promote", "promote", words.say("Promote to production"), f"rondo promote {detail.whole} --to production",
        {"version": detail.whole, "to": "production"}, (now, stays, _would_help(detail, detail.production, words)),
        words.say("Why"), True,
    )  # fmt: skip


def _beside(detail: VersionDetail, words: Language, role: str, to: str) -> Action:
    happens = (
        words.say("{version} answers one request in ten, production the others.", version=detail.whole)
        if role == "canary"
        else words.say("{version} answers every request too, and nobody sees its answers.", version=detail.whole)
    )
    label = words.say("Try as canary") if role == "canary" else words.say("Try as shadow")
    return Action(
        f"promote-{role}", "promote", label, f"rondo promote {detail.whole} --to {to}",
        {"version": detail.whole, "to": to}, (happens, _would_help(detail, detail.production, words)), words.say("Why"),
    )  # fmt: skip


def _roll_back(detail: VersionDetail, words: Language) -> Action:
    told = (
        words.say("{old} answers every request from the next one on, as it did before {version}.", old=detail.back_to,
                  version=detail.whole),
        words.say("Data that is late or wrong stays so: both read the same tables."),
        _would_help(detail, detail.back_to, words),
    )  # fmt: skip
    return Action(
        "rollback", "rollback", words.say("Roll back to {version}", version=detail.back_to),
        f"rondo rollback {detail.name}", {"model": detail.name, "role": "production"}, told, words.say("Why"), True,
    )  # fmt: skip


def _would_help(detail: VersionDetail, other: str | None, words: Language) -> Markup:
    """What the newest comparison says about the other version."""
    found = next((each for each in detail.comparisons if each.other == other), None)
    if found is None or found.figure.difference is None:
        return words.say("Whether it would help is not known: the two have not been compared.")
    told = words.say(
        "On {testset}, {version} less {other} is {difference} in {metric} ({interval}, {n} rows): {verdict}.",
        testset=words.known(found.testset), metric=detail.metric, version=detail.whole, other=found.other,
        difference=words.number(found.figure.difference, signed=True),
        interval=words.interval(found.figure.low, found.figure.high, signed=True), n=words.whole(found.figure.n),
        verdict=_verdict(found, detail.whole, words),
    )  # fmt: skip
    return words.say("Would it help?") + Markup(" ") + told


def _verdict(found: Against, whole: str, words: Language) -> Markup:
    if found.better is None:
        return words.say("undecided")
    return words.say("{version} is better", version=whole if found.better else found.other)


def _effects(detail: VersionDetail, frame: Frame) -> list[tuple[str, Markup, Markup, Markup, Markup]]:
    """What moves the answers: column, bar, weight, direction, where it comes from; the weightiest first."""
    words = frame.words
    origin = {each.name: each for each in detail.features}

    def source(name: str) -> Markup:
        feature = origin.get(name)
        if feature is None or feature.table is None:
            return Markup(NONE)
        if feature.origin == "looked up":
            return frame.link(feature.table, f"/tables/{feature.table}")
        return words.say("request") if feature.origin == "input" else words.say("derived from the request")

    if detail.attribution is not None:
        rows = [
            (each.feature, each.weight.value or 0.0, words.figure(each.weight), _direction(each.direction, words))
            for each in detail.attribution.features
        ]
    elif detail.explanation is not None:
        rows = [
            (each.feature, each.contribution, Markup(words.number(each.contribution)), Markup())
            for each in detail.explanation.contributions
        ]
    else:
        return []
    most = max((weight for _, weight, _, _ in rows), default=0.0) or 1.0
    return [(name, _bar(weight / most), told, direction, source(name)) for name, weight, told, direction in rows]


def _bar(share: float) -> Markup:
    return Markup(
        '<svg viewBox="0 0 300 14" width="300" height="14" aria-hidden="true">'
        '<rect class="bar" y="2" height="10" width="{}"/></svg>'
    ).format(round(300 * share, 1))


def _direction(direction: float | None, words: Language) -> Markup:
    """Whether a greater value raises the answer or lowers it; nothing where it does neither steadily."""
    if direction is None or abs(direction) < 0.3:
        return Markup()
    return words.say("more raises it") if direction > 0 else words.say("more lowers it")


def _condition(each: Condition, words: Language) -> str:
    """`hour from 18`, `carrier = EV`."""
    if each.missing:
        return words.plain("{column} missing", column=each.column)
    if each.low is None and each.high is None:
        return f"{each.column} = {_scalar(each.is_, words)}"
    if each.high is None:
        return words.plain("{column} from {low}", column=each.column, low=f"{each.low:.4g}")
    if each.low is None:
        return words.plain("{column} below {high}", column=each.column, high=f"{each.high:.4g}")
    return words.plain(
        "{column} from {low} to below {high}", column=each.column, low=f"{each.low:.4g}", high=f"{each.high:.4g}"
    )


def _scalar(value: Scalar | datetime, words: Language) -> str:
    if isinstance(value, datetime):
        return words.short(value)
    if isinstance(value, str) and len(value) >= 19 and value[4:5] == "-" and value[10:11] in "T ":
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return words.short(moment) if moment.tzinfo else value
    if isinstance(value, bool) or not isinstance(value, float):
        return NONE if value is None else str(value)
    return f"{value:.4g}".replace("-", "−")


def live_told(measurement: Measurement | None, words: Language) -> Markup:
    """A live value with its interval, and of which slice it is."""
    if measurement is None or measurement.value is None:
        return Markup(NONE)
    told = Markup("{}").format(words.number(measurement.value))
    interval = words.interval(measurement.low, measurement.high)
    if interval:
        told += Markup('<br><span class="ci">{}</span>').format(interval)
    if measurement.by is not None:
        told += Markup(' <span class="ci">{}</span>').format(measurement.is_)
    return told
