"""One prediction with its reasons; and a model tried by hand."""

from __future__ import annotations

import json
from datetime import datetime

from markupsafe import Markup

from rondo.handbook.predictions import Part, PredictionFacts, Value
from rondo.handbook.trying import Tried, TryFacts
from rondo.language.words import NONE, Language
from rondo.pages.answers import about, answer_of, called, came_true, writers, written
from rondo.pages.frame import Frame
from rondo.pages.multiples import score_bar
from rondo.pages.rendering import render
from rondo.pages.waterfall import Step, waterfall
from rondo.records.development import ScoreBin

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0


def prediction_page(facts: PredictionFacts, frame: Frame) -> str:
    """The permanent page of one prediction."""
    words, answer = frame.words, facts.answer
    steps = [(part.feature, written(part.value, words), part.contribution) for part in facts.parts]
    write, signed = writers(facts.task, words)
    return render(
        "prediction.html",
        frame,
        section="live",
        commands=(f"rondo explain {facts.model} --id {answer.id}",),
        facts=facts,
        headline=_headline(facts, words),
        lede=_lede(facts, frame),
        what=about(answer.key, words),
        answer=answer_of(answer, words),
        bar=score_bar(answer.score, facts.threshold),
        call=called(answer.label, facts.label_name, facts.positive, words) if facts.task != "regression" else None,
        truth=came_true(answer, facts.label_name, facts.positive, words),
        drawing=_drawing(facts.base, steps, facts.prediction, facts.task, words),
        again=_again(facts, words),
        request=[(name, written(value, words)) for name, value in facts.request.items()],
        values=[
            (part, written(part.value, words), signed(part.contribution), _whence(part, words)) for part in facts.parts
        ],
        others=[
            (
                each,
                write(each.score) if each.score is not None else NONE,
                called(each.label, facts.label_name, facts.positive, words),
            )
            for each in facts.others
        ],
    )


def try_page(facts: TryFacts, frame: Frame) -> str:
    """The form of a model, and the answer to what was filled in."""
    words, tried = frame.words, facts.tried
    row = json.dumps(dict(facts.row), ensure_ascii=False).replace("'", "'\\''")
    drawing = None
    if tried is not None:
        steps = [(name, written(value, words), added) for name, value, added in tried.parts]
        drawing = _drawing(tried.base, steps, tried.prediction, facts.task, words)
    asked = f"{facts.version} --row '{row}'"
    return render(
        "try.html",
        frame,
        section="live",
        commands=(f"rondo predict {asked}", f"rondo explain {asked}"),
        facts=facts,
        headline=_tried_headline(facts, words),
        lede=_tried_lede(facts, tried, words) if tried else None,
        bar=score_bar(tried.score, facts.threshold) if tried else None,
        drawing=drawing,
    )


def _headline(facts: PredictionFacts, words: Language) -> Markup:
    answer, what = facts.answer, about(facts.answer.key, words)
    if facts.task == "regression":
        return words.say("{value} for {what}", value=words.number(answer.value), what=what)
    call = called(answer.label, facts.label_name, facts.positive, words)
    return words.say("{what}: called {label}, {score}", what=what, label=call, score=answer_of(answer, words))


def _lede(facts: PredictionFacts, frame: Frame) -> Markup:
    words, answer = frame.words, facts.answer
    signed = writers(facts.task, words)[1]
    version = frame.link(answer.version, "/models/" + answer.version.replace("@", "/"))
    asked = "Asked about {moment}, answered by {version} at {at}."
    told = [words.say(asked, moment=words.moment(answer.moment), version=version, at=words.moment(answer.at))]
    weighty = [part for part in facts.parts[:3] if part.contribution]
    if weighty:
        line = Markup("<b>{}</b> = {} ({})")
        names = [line.format(p.feature, written(p.value, words), signed(p.contribution)) for p in weighty]
        told.append(words.say("What moved it most: {features}.", features=Markup(", ").join(names)))
    if answer.missing:
        told.append(words.count("One feature was null.", "{n} features were null.", answer.missing))
    if answer.outcome_known is not None:
        truth = came_true(answer, facts.label_name, facts.positive, words)
        known = words.moment(answer.outcome_known)
        told.append(words.say("What happened: {outcome}, known since {at}.", outcome=truth, at=known))
    else:
        told.append(words.say("What happened is not known yet."))
    return Markup(" ").join(told)


def _tried_headline(facts: TryFacts, words: Language) -> Markup:
    tried = facts.tried
    if tried is None:
        return words.say("Ask {version}", version=facts.version)
    if tried.value is not None:
        return words.say("{version} says {value}", version=facts.version, value=words.number(tried.value))
    call = called(tried.label, facts.label_name, facts.positive, words)
    score = tried.score if tried.score is not None else max((tried.scores or {"": 0.0}).values())
    return words.say("{version} says {label}, {score}", version=facts.version, label=call, score=words.share(score))


def _tried_lede(facts: TryFacts, tried: Tried, words: Language) -> Markup:
    told = [words.say("Asked as of {moment}.", moment=words.moment(tried.moment))]
    if tried.score is not None and facts.threshold is not None:
        threshold = words.share(facts.threshold)
        told.append(words.say("From {threshold} on it is called {label}.", threshold=threshold, label=facts.label_name))
    if tried.alike is not None:
        told.append(_alike(tried.alike, facts.task, words))
    if tried.missing:
        names = ", ".join(tried.missing)
        one, many = "One feature is null: {names}.", "{n} features are null: {names}."
        told.append(words.count(one, many, len(tried.missing), names=names))
    return Markup(" ").join(told)


def _alike(alike: ScoreBin, task: str, words: Language) -> Markup:
    """What came true of the test rows with nearly the same answer: how far to trust it."""
    n = words.whole(alike.n)
    if task == "regression":
        said = "Of {n} test rows with nearly this answer, eight in ten came out from {low} to {high}."
        return words.say(said, n=n, low=words.number(alike.tenth), high=words.number(alike.ninth))
    if alike.observed is None or alike.low is None or alike.high is None:
        return Markup()
    said = "Of {n} test rows with nearly this score, {share} came true [{low}–{high}]."
    share, low, high = (words.share(each) for each in (alike.observed, alike.low, alike.high))
    return words.say(said, n=n, share=share, low=low, high=high)


def _drawing(base: float, steps: list[Step], total: float, task: str, words: Language) -> Markup:
    write, signed = writers(task, words)
    return waterfall(
        base,
        steps,
        total,
        words=write,
        signed=signed,
        first=str(words.say("before anything is known")),
        others=lambda n: str(words.count("{n} other", "{n} others", n)),
        last=str(words.say("this answer")),
        name=str(words.say("What each feature added, from {base} to {total}", base=write(base), total=write(total))),
    )


def _again(facts: PredictionFacts, words: Language) -> dict[str, str]:
    """The fields of the request as the form of the model takes them."""
    asked = {**facts.request, **({facts.time: facts.answer.moment} if facts.time else {})}
    return {name: _typed(value, words) for name, value in asked.items() if value is not None}


def _typed(value: Value, words: Language) -> str:
    if isinstance(value, datetime):
        return value.astimezone(words.zone).replace(tzinfo=None).isoformat(timespec="minutes")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _whence(part: Part, words: Language) -> Markup:
    """Where a value came from, or why there was none."""
    row = part.row
    if part.table is None:
        if part.expression:
            code = Markup("<code>{}</code>").format(part.expression)
            return words.say("computed from the request: {expression}", expression=code)
        return words.say("came with the request")
    if row is None:
        return words.say("the table's rows are gone")
    key = ", ".join(f"{column} {value}" for column, value in row.key.items())
    if row.state == "no key":
        return words.say("the request brought no key to look it up by")
    if row.state == "none":
        return words.say("no row of {key} was known by then", key=key)
    if row.state == "too old":
        age, keep = _length(row.age_s, words), _length(row.keep_s, words)
        return words.say("row of {key} was too old: {age}, counts for {keep}", key=key, age=age, keep=keep)
    if row.time is None or row.known is None:
        return words.say("row of {key}", key=key)
    happened, known = words.short(row.time), words.short(row.known)
    told = words.say("row of {key}, {time}, known {known}", key=key, time=happened, known=known)
    return told + (Markup(", ") + words.say("null in it") if part.value is None else Markup())


def _length(length_s: float | None, words: Language) -> Markup:
    if length_s is None:
        return Markup(NONE)
    if length_s >= 2 * DAY_S:
        return words.say("{n} d", n=f"{length_s / DAY_S:.3g}")
    hours, rest = divmod(length_s, HOUR_S)
    if hours and rest >= MINUTE_S:
        return words.say("{h} h {m} min", h=int(hours), m=int(rest // MINUTE_S))
    return words.say("{n} h", n=int(hours)) if hours else words.say("{n} min", n=int(rest // MINUTE_S))
