"""What somebody sees who asks a model and never opens the console: a form, and the answer that was given to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from rondo.deploy.logged import answer_of
from rondo.errors import NotFound, RowError
from rondo.handbook.trying import Field, Tried, TryFacts, tried_of, try_facts
from rondo.language.catalogues import Code
from rondo.loop.answering import Live, answerer_of, explain_logged, prediction_by_id
from rondo.loop.workplace import Workplace
from rondo.project.people import Person
from rondo.project.using import Words, read_words
from rondo.team.people import holders

CALLER = "use page"


@dataclass(frozen=True)
class Given:
    """An answer that was given: its id, when, and what it is made of."""

    id: str
    at: datetime
    tried: Tried


@dataclass(frozen=True)
class UseFacts:
    """The page of a model for its end users. `given` is the answer that is shown; `wrong` what no field bears,
    `empty` that nothing was filled in.
    """

    project: str
    model: str
    task: str
    label_name: str
    positive: object
    words: Words
    fields: tuple[Field, ...]
    who: tuple[Person, ...]
    given: Given | None = None
    wrong: str | None = None
    empty: bool = False
    language: Code = "en"


def use_facts(work: Workplace, model: str, code: Code, *, prediction: str | None = None) -> UseFacts:
    """The empty form, or the answer that `prediction` names with the form as it was filled in.

    Raises NotFound for a prediction that was not given here.
    """
    if prediction is None:
        return _facts(work, try_facts(work, model, {}, filled={}), code)
    found = prediction_by_id(work, prediction, model)
    if found is None:
        raise NotFound(f"There is no answer {prediction!r}.", next_step=f"Ask anew at /use/{model}.")
    logged = found[1]
    answerer = answerer_of(work, f"{model}@{logged.version}")
    why = explain_logged(work, model, logged)
    given = Given(logged.id, logged.at, tried_of(work, answerer, answer_of(logged, answerer.signature), why))
    filled = {name: value for name, value in logged.request.items() if value is not None}
    form = try_facts(work, model, {}, filled=filled)
    return replace(_facts(work, form, code), given=given)


def use(live: Live, model: str, code: Code, asked: Mapping[str, str]) -> str | UseFacts:
    """Ask what was filled in: the id of the answer, which is logged; or the form again, with what is wrong."""
    work = live.work
    asked = {name: value for name, value in asked.items() if value.strip()}
    form = try_facts(work, model, asked, filled={})
    if form.tried is None and form.wrong is None and not any(each.wrong for each in form.fields):
        return replace(_facts(work, form, code), empty=True)
    if form.wrong is not None or any(each.wrong for each in form.fields):
        return _facts(work, form, code)
    try:
        return live.answer(model, form.row, caller=CALLER).id
    except RowError as error:
        return replace(_facts(work, form, code), wrong=error.message)


def _facts(work: Workplace, form: TryFacts, code: Code) -> UseFacts:
    settings = work.project.settings
    return UseFacts(
        project=settings.name,
        model=form.model,
        task=form.task,
        label_name=form.label_name,
        positive=form.positive,
        words=read_words(work.project.root, form.model, code),
        fields=form.fields,
        who=holders(settings.people, work.project.models[form.model].owner),
        wrong=form.wrong,
        language=code,
    )
