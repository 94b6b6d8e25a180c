"""What can be done about a model at work: promote what stands beside production, take it off, roll back."""

from __future__ import annotations

from rondo.handbook.live import Held, LiveFacts
from rondo.language.words import Language
from rondo.pages.actions import Action
from rondo.pages.rollback import rollback


def live_actions(facts: LiveFacts, words: Language) -> list[Action]:
    """Each with its command."""
    found: list[Action] = []
    for held in facts.roles:
        if held.role != "production":
            found += [_promote(held, facts, words), _take_off(held, facts, words)]
    if facts.back is not None:
        found.append(rollback(facts.back, words))
    return found


def _promote(held: Held, facts: LiveFacts, words: Language) -> Action:
    answers = "From the next request on, {version} answers everything. It takes under a second."
    told = [words.say(answers, version=held.version)]
    beside = next((each for each in facts.beside if each.role == held.role), None)
    if beside is not None and beside.loss is not None and beside.loss.value is not None:
        told.append(
            words.say(
                "On {n} requests with known outcomes its loss differs from that of {production} by {value} {interval}.",
                n=words.whole(beside.judged),
                production=beside.production,
                value=words.number(beside.loss.value, signed=True),
                interval=f"[{words.interval(beside.loss.low, beside.loss.high, signed=True)}]",
            )
        )
    if facts.alerts:
        one, many = "One alert is open: is this the moment?", "{n} alerts are open: is this the moment?"
        told.append(words.count(one, many, len(facts.alerts)))
    return Action(
        id=f"promote-{held.role}",
        verb="promote",
        label=words.say("Promote {version} to production", version=held.version),
        command=f'rondo promote {held.version} --to production --because "…"',
        values={"version": held.version, "to": "production"},
        told=told,
        why=words.say("Why"),
    )


def _take_off(held: Held, facts: LiveFacts, words: Language) -> Action:
    stays = "Production answers all requests from the next one on. No prediction is lost; {version} is kept."
    return Action(
        id=f"off-{held.role}",
        verb="rollback",
        label=words.say("Take {version} off", version=held.version),
        command=f'rondo rollback {facts.model} --role {held.role} --because "…"',
        values={"model": facts.model, "role": held.role},
        told=[words.say(stays, version=held.version)],
        why=words.say("Why"),
        dangerous=True,
    )
