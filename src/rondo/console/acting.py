"""What a reader does from a page: the functions that the commands call, recorded with who and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from rondo.console.asking import DONE, Console, done_cookie, own_path
from rondo.console.sessions import Session, Turned, refuse_other_sites
from rondo.deploy.rollout import ROLES, parse_role, promote, rollback
from rondo.errors import NotFound, WrongUse
from rondo.language.words import Language
from rondo.loop.comparing import compare_whole
from rondo.loop.judging import sign_requirement
from rondo.loop.remarking import remark
from rondo.loop.versions import TEST
from rondo.loop.workplace import Workplace
from rondo.monitor.responses import (
    acknowledge_alert,
    close_incident,
    resolve_alert,
    silence,
    take_incident,
    tick_step,
)
from rondo.pages.actions import Done
from rondo.records.deployment import Role
from rondo.records.versions import model_version, parse_model_version

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LARGEST = 64 * 1024
DONE_LASTS_S = 60


@dataclass(frozen=True)
class Form:
    """What was sent: a value a field."""

    fields: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        """A field that must be there. Raises WrongUse."""
        value = self.fields.get(name, "").strip()
        if not value:
            raise WrongUse(f"The form has no {name}.", next_step="Go back to the page, and fill it in.")
        return value

    def get(self, name: str) -> str | None:
        """A field that may be left out."""
        return self.fields.get(name, "").strip() or None

    @property
    def because(self) -> str:
        """The reason, which every change that can be undone by others has."""
        return self["because"]


async def act(console: Console, request: Request, session: Session) -> Response:
    """Do what the form asks for, then go back to the page it stood on. Raises RondoError in the commands' words."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import RedirectResponse

    verb = str(request.path_params["verb"])
    if verb not in ACTIONS:
        raise NotFound.among("action", verb, list(ACTIONS))
    form = await form_of(request)
    admit(request, session, form)
    done = await run_in_threadpool(_done, console, session, verb, form)
    answer = RedirectResponse(own_path(form.get("back")), 303)
    answer.set_cookie(
        DONE, done_cookie(console.sessions, done), max_age=DONE_LASTS_S, httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return answer


def admit(request: Request, session: Session, form: Form) -> None:
    """Raises Turned for a form of another site, of a session that ended, or of somebody who may only look."""
    refuse_other_sites(request)
    if not session.may_act:
        raise Turned(403, "Your key opens the console for looking alone.", "Ask for a key with the scope admin.")
    if not session.holds(form.fields.get("token", "")):
        raise Turned(403, "The page that this was sent from is too old.", "Go back, load it again, and do it again.")


async def form_of(request: Request) -> Form:
    """The fields that were sent. Raises Turned for what is no form, or too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Turned(415, f"This is no form of a page: {kind[:100] or 'no content type'}.", "Use the page's own form.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise Turned(413, f"That is more than {LARGEST // 1024} KiB.", "Say it in fewer words.")
    try:
        sent = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise Turned(400, f"The form cannot be read: {error}.", "Use the page's own form.") from error
    return Form({name: values[-1] for name, values in sent.items()})


def _done(console: Console, session: Session, verb: str, form: Form) -> Done:
    work = console.project.acting(session.who)
    return ACTIONS[verb](work, form)


def _promote(work: Workplace, form: Form) -> Done:
    name, number = parse_model_version(form["version"])
    role, share = parse_role(form.get("to") or "production")
    promote(work.store, work.project, name, number, role, share, because=form.because, by=work.by, now=work.now())
    return Done("promote", model_version(name, number), role)


def _rollback(work: Workplace, form: Form) -> Done:
    role = _role(form.get("role") or "production")
    made = rollback(
        work.store, work.project, form["model"], role, because=form.because, by=work.by, now=work.now()
    ).record
    about = model_version(made.name, made.version)
    return Done("take_off", about, role) if made.ended else Done("rollback", about)


def _role(written: str) -> Role:
    role = next((each for each in ROLES if each == written), None)
    if role is None:
        raise NotFound.among("role", written, list(ROLES))
    return role


def _sign(work: Workplace, form: Form) -> Done:
    sign_requirement(work, form["version"], form["requirement"], form.because)
    return Done("sign", form["version"], form["requirement"])


def _compare(work: Workplace, form: Form) -> Done:
    a, b = form["a"], form["b"]
    compare_whole(work, parse_model_version(a), parse_model_version(b), form.get("on") or TEST)
    return Done("compare", a, b)


def _acknowledge(work: Workplace, form: Form) -> Done:
    alert = acknowledge_alert(work.store, work.project.settings, form["alert"], by=work.by, now=work.now())
    return Done("acknowledge", alert.id)


def _resolve(work: Workplace, form: Form) -> Done:
    alert = resolve_alert(work.store, work.project.settings, form["alert"], by=work.by, now=work.now())
    return Done("resolve", alert.id)


def _silence(work: Workplace, form: Form) -> Done:
    made = silence(work.store, form.get("alert"), form["length"], form.get("because"), by=work.by)
    about = ": ".join(part for part in (made.model, made.rule) if part) or "all"
    until = Language(work.project.settings.language, work.project.settings.timezone).moment(made.until)
    return Done("silence", about, until) if made.until > made.start else Done("speak", about)


def _take(work: Workplace, form: Form) -> Done:
    line = take_incident(work.store, work.project.settings, form["incident"], by=work.by, now=work.now())
    return Done("take", line.id)


def _close(work: Workplace, form: Form) -> Done:
    return Done("close", close_incident(work.store, form["incident"], form.because, by=work.by).id)


def _note(work: Workplace, form: Form) -> Done:
    name = form.get("name") or form.get("incident") or form["alert"]
    remark(work, name, form.because)
    return Done("note", name)


def _tick(work: Workplace, form: Form) -> Done:
    made = tick_step(work.store, form["alert"], form["step"], done=form.get("done") is not None, by=work.by)
    return Done("tick" if made.done else "untick", made.alert, made.step)


ACTIONS: Mapping[str, Callable[[Workplace, Form], Done]] = {
    "promote": _promote,
    "rollback": _rollback,
    "sign": _sign,
    "compare": _compare,
    "acknowledge": _acknowledge,
    "resolve": _resolve,
    "silence": _silence,
    "take": _take,
    "close": _close,
    "note": _note,
    "tick": _tick,
}
"""What can be done from a page. The commands of the same meaning call the same functions."""
