"""A model at work: what answers, how well it is served and does, what it is asked with; and all models in a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup

from rondo.handbook.inputs import FeatureFacts, is_missing
from rondo.handbook.live import LiveFacts, LiveModels
from rondo.handbook.predictions import Answered
from rondo.language.words import Language
from rondo.pages import livecharts
from rondo.pages.alerted import measured_at, title_of
from rondo.pages.answers import about, answer_of, called, came_true
from rondo.pages.charts import whisker
from rondo.pages.frame import Frame
from rondo.pages.liveactions import live_actions
from rondo.pages.multiples import multiple, score_bar
from rondo.pages.rendering import render
from rondo.pages.ring import Mark
from rondo.pages.vega import Chart, chart
from rondo.records.monitoring import Measurement

STATES: dict[str, Mark] = {
    "within": "good", "out": "bad", "no limit": "idle", "uncalibrated": "idle", "unexamined": "open",
}  # fmt: skip
SEVERITY: dict[str, Mark] = {"critical": "bad", "warning": "warn"}


def live_page(facts: LiveFacts | LiveModels, frame: Frame) -> str:
    """The page of one model at work, or of all models."""
    if isinstance(facts, LiveModels):
        return _models(facts, frame)
    words, held = frame.words, {each.role: each for each in facts.roles}
    commands = [f"rondo monitor {facts.model}"]
    if "canary" in held:
        commands.append(f"rondo promote {held['canary'].version} --to production")
    elif facts.back:
        commands.append(f"rondo rollback {facts.model}")
    return render(
        "live.html",
        frame,
        section="live",
        commands=commands,
        facts=facts,
        held=held,
        headline=_headline(facts, words),
        lede=_lede(facts, frame),
        stats=_stats(facts, words),
        charts=_traffic(facts, frame),
        quality=_quality(facts, frame),
        calibration=_calibration(facts, frame),
        scores=_scores(facts, frame),
        slices=[(part.by, [(m, *_against(m, words)) for m in part.measured]) for part in facts.slices],
        features=[(each, multiple(each, words), *_feature_state(each, words)) for each in facts.features],
        answers=_rows(facts.recent, facts, words),
        found=None if facts.found is None else _rows(facts.found, facts, words),
        actions=live_actions(facts, words),
        measured_at=lambda alert: measured_at(alert, words),
        states=STATES,
        severity=SEVERITY,
    )


def _models(facts: LiveModels, frame: Frame) -> str:
    words = frame.words
    at_work = [each for each in facts.models if each.production]
    if at_work:
        headline = words.count("One model is at work", "{n} models are at work", len(at_work))
    elif facts.models:
        headline = words.say("Nothing is at work yet")
    else:
        headline = words.say("There is no model yet")
    return render(
        "live_models.html", frame, section="live", commands=("rondo monitor",), facts=facts, headline=headline
    )


def _headline(facts: LiveFacts, words: Language) -> Markup:
    held = {each.role: each for each in facts.roles}
    production, canary = held.get("production"), held.get("canary")
    if production is None:
        return words.say("Nothing of {model} is in production", model=facts.model)
    if canary is not None:
        return words.say(
            "{version} answers {part}, {canary} the other {rest}",
            version=production.version, part=words.share(1 - canary.share), canary=canary.version,
            rest=words.share(canary.share),
        )  # fmt: skip
    if shadow := held.get("shadow"):
        return words.say("{version} answers, {shadow} looks on", version=production.version, shadow=shadow.version)
    return words.say("{version} answers every request", version=production.version)


def _lede(facts: LiveFacts, frame: Frame) -> Markup:
    words = frame.words
    if not facts.roles:
        return words.say("Promote a version that passed its gate, and it answers from the next request on.")
    sentences = [_service_sentence(facts, words)]
    weeks = [each for each in facts.quality if each.value is not None]
    if weeks:
        sentences.append(_quality_sentence(weeks[-1], words))
        if facts.unmeasured is not None:
            sentences.append(_unmeasured_sentence(facts, facts.unmeasured, words))
    if facts.alerts:
        worst = facts.alerts[0]
        what = Markup("<strong>{}</strong>").format(title_of(worst, words))
        alert = frame.link(words.known(worst.name), f"/alerts/{worst.id}")
        one, many = "One alert is open: {what} ({link}).", "{n} alerts are open; the worst: {what} ({link})."
        sentences.append(words.count(one, many, len(facts.alerts), what=what, link=alert))
    return Markup(" ").join(sentences)


def _quality_sentence(week: Measurement, words: Language) -> Markup:
    return words.say(
        "In the week of {day}, the newest with all its outcomes, {metric} was {value} {interval} over {n} outcomes.",
        day=words.day(week.start),
        metric=week.metric,
        value=Markup("<strong>{}</strong>").format(words.number(week.value)),
        interval=Markup('<span class="ci">[{}]</span>').format(words.interval(week.low, week.high)),
        n=words.whole(week.n),
    )


def _unmeasured_sentence(facts: LiveFacts, since: datetime, words: Language) -> Markup:
    if facts.flagged is None:
        return words.say(
            "How well it has done since {moment}, when an alert was raised, is not known yet.",
            moment=words.moment(since),
        )
    now, before = facts.flagged
    return words.say(
        "How well it has done since {moment}, when an alert was raised, is not known yet; in the days since, {share} "
        "of {n} answers were called {label}, against {before} of {usual} in the weeks before.",
        moment=words.moment(since), share=words.share(now.value), n=words.whole(now.n), label=facts.label_name,
        before=words.share(before.value), usual=words.whole(before.n),
    )  # fmt: skip


def _service_sentence(facts: LiveFacts, words: Language) -> Markup:
    service = facts.service or {}
    requests, errors, slow = (service.get(name) for name in ("requests", "error_share", "latency_p99_ms"))
    if requests is None or errors is None:
        rehearsal = facts.parity.rehearsal
        if rehearsal is None or rehearsal.latency_p99_ms is None:
            return words.say("No server has counted requests yet.")
        return words.say(
            "No server has counted requests here; rehearsed, 99 of 100 answers took at most {ms} ms.",
            ms=f"{rehearsal.latency_p99_ms:.2g}",
        )
    failed = round((errors.value or 0.0) * (requests.value or 0.0))
    told = words.say("The service is well") if not failed else words.say("The service fails at times")
    return words.say(
        "{told}: {errors} in {requests} on {day}, 99 of 100 answers within {ms} ms.",
        told=told, errors=words.count("one error", "{n} errors", failed) if failed else words.say("no error"),
        requests=words.count("one request", "{n} requests", int(requests.value or 0)), day=words.day(requests.start),
        ms=f"{slow.value:.3g}" if slow and slow.value is not None else "–",
    )  # fmt: skip


def _stats(facts: LiveFacts, words: Language) -> list[tuple[Markup, str, str, Markup]]:
    """Label, number, unit, and what stands below."""
    found: list[tuple[Markup, str, str, Markup]] = []
    days, service = facts.days or {}, facts.service or {}
    if rows := list(days.get("rows", ())):
        found.append(_stat(words.say("answers"), rows[-1], words, words.say("on {day}", day=words.day(rows[-1].start))))
    slow = service.get("latency_p99_ms")
    rehearsal = facts.parity.rehearsal
    if slow is not None and slow.value is not None:
        limit = words.say("limit {limit}", limit=f"{slow.limit:g}") if slow.limit is not None else Markup()
        found.append(
            (Markup("p99"), f"{slow.value:.3g}", "ms", Markup(words.interval(slow.low, slow.high) + " ") + limit)
        )
    elif rehearsal is not None and rehearsal.latency_p99_ms is not None:
        below = words.count("rehearsed, {n} request", "rehearsed, {n} requests", rehearsal.requests)
        found.append((Markup("p99"), f"{rehearsal.latency_p99_ms:.2g}", "ms", below))
    if (errors := service.get("error_share")) is not None:
        found.append(_stat(words.say("errors"), errors, words))
    if missing := list(days.get("rows_with_missing_inputs", ())):
        below = words.say("rows with a null, {n} rows", n=words.whole(missing[-1].n))
        if facts.nulls is not None:
            above, every = facts.nulls
            told = words.say("{n} of {all} features null more often than in training", n=above, all=every)
            below += Markup("; ") + told
        found.append(_stat(words.say("inputs missing"), missing[-1], words, below))
    if flagged := list(days.get("flagged_share", ())):
        called_so = words.say("called {label}", label=facts.label_name)
        found.append(_stat(called_so, flagged[-1], words, words.say("of {n} answers", n=words.whole(flagged[-1].n))))
    if weeks := [each for each in facts.quality if each.value is not None]:
        found.append(_stat(Markup(facts.metric), weeks[-1], words))
    return found


def _stat(
    label: Markup, measured: Measurement, words: Language, below: Markup | None = None
) -> tuple[Markup, str, str, Markup]:
    share = measured.unit == "share" and measured.value is not None
    value = f"{100 * (measured.value or 0):.3g}" if share else _plain(measured.value, words)
    if below is None:
        interval = [measured.low, measured.high]
        if share:
            interval = [None if each is None else 100 * each for each in interval]
        below = Markup("{}, n {}").format(words.interval(*interval), words.whole(measured.n))
    return label, value, "%" if share else "", below


def _plain(value: float | None, words: Language) -> str:
    return words.whole(int(value)) if value is not None and value == int(value) else words.number(value)


def _traffic(facts: LiveFacts, frame: Frame) -> list[tuple[Chart, Sequence[Measurement]]]:
    """Four small charts: answers, latency, errors, inputs missing; those that have been measured."""
    words, hours, days = frame.words, facts.hours or {}, facts.days or {}
    found: list[tuple[Chart, Sequence[Measurement]]] = []

    def add(name: str, spec: livecharts.Spec, title: Markup, subtitle: Markup, measured: Sequence[Measurement]) -> None:
        found.append(
            (chart(frame, spec, name, title=title, subtitle=subtitle, spoken=f"{title}. {subtitle}"), measured)
        )

    requests = list(hours.get("requests", ()))
    if len(requests) > 1:
        subtitle = words.say("Counted by the server, a bar an hour.")
        add("requests", livecharts.bars(requests, words), words.say("Requests"), subtitle, requests)
    elif rows := list(days.get("rows", ())):
        subtitle = words.say("By the day that was asked about.")
        add("rows", livecharts.bars(rows, words), words.say("Answers"), subtitle, rows)
    latency = {"p99": list(hours.get("latency_p99_ms", ())), "p50": list(hours.get("latency_p50_ms", ()))}
    if len(latency["p99"]) > 1:
        limit = latency["p99"][-1].limit
        subtitle = words.say("Milliseconds, by the hour.")
        add("latency", livecharts.lines(latency, words, limit=limit), words.say("Latency"), subtitle, latency["p99"])
    errors = list(hours.get("error_share", ()))
    if len(errors) > 1:
        subtitle = words.say("Share of requests that failed, by the hour.")
        spec = livecharts.lines({"": errors}, words, percent=True, limit=errors[-1].limit)
        add("errors", spec, words.say("Errors"), subtitle, errors)
    missing = list(days.get("rows_with_missing_inputs", ()))
    if missing:
        subtitle = words.say("Share of answers with at least one null among the features, by day.")
        spec = livecharts.lines({"": missing}, words, percent=True, limit=missing[-1].limit)
        add("missing", spec, words.say("Inputs missing"), subtitle, missing)
    return found


def _quality(facts: LiveFacts, frame: Frame) -> Chart | None:
    words = frame.words
    weeks = [each for each in facts.quality if each.value is not None]
    if not weeks:
        return None
    last = weeks[-1]
    limit = next((each.limit for each in reversed(weeks) if each.basis == "declared"), None)
    if last.state == "out":
        title = words.say("The newest week is out of its limit")
    elif last.low is not None and limit is not None and last.low < limit:
        title = words.say("The newest week may be below what is required: its interval reaches over the limit")
    else:
        title = words.say("The newest week keeps what is required")
    if facts.unmeasured is not None:
        title += Markup("; ") + words.say("it ended before what stands open began")
    subtitle = words.say(
        "{metric} by week with its 95 % interval, once every outcome is due; dashed grey: expected from scores alone.",
        metric=facts.metric,
    )
    spec = livecharts.quality(weeks, facts.estimated, words, limit=limit)
    return chart(frame, spec, "quality", title=title, subtitle=subtitle, spoken=f"{title}. {subtitle}")


def _calibration(facts: LiveFacts, frame: Frame) -> Chart | None:
    words = frame.words
    weeks = [each for each in facts.calibration if each.value is not None]
    if len(weeks) < 2:
        return None
    title = words.say("Expected calibration error")
    subtitle = words.say("How far scores lie from the share that came true, by week.")
    spec = livecharts.lines({"": weeks}, words, limit=weeks[-1].limit)
    spec["width"] = 690
    return chart(frame, spec, "calibration", title=title, subtitle=subtitle, spoken=f"{title}. {subtitle}")


def _scores(facts: LiveFacts, frame: Frame) -> Chart | None:
    words = frame.words
    if facts.scores is None:
        return None
    title = words.say("Scores of the last {days} days beside those of the test rows", days=facts.scores.days)
    subtitle = words.say(
        "Share of answers by score: bars are {n} answers, the line is the version's own test rows.",
        n=words.whole(facts.scores.rows),
    )
    spec = livecharts.histogram(facts.scores, words)
    return chart(frame, spec, "scores", title=title, subtitle=subtitle, spoken=f"{title}. {subtitle}")


def _against(measured: Measurement, words: Language) -> tuple[Markup, Mark, Markup]:
    """A slice against its limit: the plot (empty without one), and its state in words."""
    mark = STATES[measured.state]
    if measured.value is None or measured.limit is None:
        return Markup(), mark, words.say(measured.state)
    if measured.state == "within" and measured.low is not None and measured.low < measured.limit:
        mark = "open"
    name = words.say("{value}, limit {limit}", value=words.number(measured.value), limit=f"{measured.limit:g}")
    above = measured.side == "below"
    state = "ink" if mark == "open" else mark
    plot = whisker(
        measured.value, measured.low, measured.high, measured.limit, above=above, state=state, name=str(name)
    )
    return plot, mark, words.say(measured.state) if mark != "open" else words.say("undecided")


def _feature_state(feature: FeatureFacts, words: Language) -> tuple[Markup, Mark, Markup]:
    """How far it has moved, and its state."""
    told = Markup()
    if feature.drift is not None and feature.drift.value is not None:
        said = "moved {value} spreads" if feature.kind == "number" else "differs by {value} bits"
        told = words.say(said, value=f"{feature.drift.value:.2g}")
    if is_missing(feature):
        return told, "bad", words.say("missing")
    if feature.out:
        return told, "bad", words.say("out of its limit")
    if feature.drift is None:
        return told, "idle", words.say("not measured yet")
    if feature.drift.state == "within":
        return told, "good", words.say("steady")
    return told, "idle", words.say("no limit yet")


def _rows(answers: Sequence[Answered], facts: LiveFacts, words: Language) -> list[tuple[object, ...]]:
    """A prediction a row: itself, what it is about, the answer, its bar, the call, what came true."""
    name, positive = facts.label_name, facts.positive
    return [
        (
            each,
            about(each.key, words),
            answer_of(each, words),
            score_bar(each.score, facts.threshold),
            called(each.label, name, positive, words) if facts.task != "regression" else Markup(),
            came_true(each, name, positive, words),
        )
        for each in answers
    ]
