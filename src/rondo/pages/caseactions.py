"""What can be done about an alert and its incident, each with its command."""

from __future__ import annotations

from rondo.handbook.incidents import CaseFacts
from rondo.language.words import Language
from rondo.pages.actions import Action
from rondo.records.monitoring import Alert, Incident


def case_actions(facts: CaseFacts, words: Language) -> list[Action]:
    """See, silence and resolve the alert; take, note and close the incident."""
    alert, incident = facts.alert, facts.incident
    worked = incident if incident is not None and incident.state != "closed" else None
    found = _of_incident(worked, words) if worked is not None else []
    if alert.state != "resolved":
        found += _of_alert(alert, worked, words)
    elif worked is not None and all(each.state == "resolved" for each in facts.alerts):
        found.append(_close(worked, words))
    return found


def _of_incident(incident: Incident, words: Language) -> list[Action]:
    note = Action(
        id="note",
        verb="note",
        label=words.say("Add a note"),
        command=f'rondo note {incident.id} "…"',
        values={"incident": incident.id},
        told=[words.say("It becomes a line of the timeline, with your name.")],
        why=words.say("Note"),
    )
    if incident.state != "open":
        return [note]
    take = Action(
        id="take",
        verb="take",
        label=words.say("Take it"),
        command=f"rondo incident {incident.id} --take",
        values={"incident": incident.id},
        told=[words.say("Others see that you are on it; its alerts are acknowledged and no longer sent.")],
    )
    return [take, note]


def _of_alert(alert: Alert, worked: Incident | None, words: Language) -> list[Action]:
    found = []
    if alert.state == "open" and worked is None:
        seen = Action(
            id="acknowledge",
            verb="acknowledge",
            label=words.say("I have seen it"),
            command=f"rondo alerts {alert.id} --acknowledge",
            values={"alert": alert.id},
            told=[words.say("Others see that somebody looks after it.")],
        )
        found.append(seen)
    silence = Action(
        id="silence",
        verb="silence",
        label=words.say("Silence for a day"),
        command=f'rondo alerts {alert.id} --silence 24h --because "…"',
        values={"alert": alert.id, "length": "24h"},
        told=[words.say("Alerts of this rule are recorded and not sent. What is wrong stays wrong.")],
        why=words.say("Why"),
    )
    over = Action(
        id="resolve",
        verb="resolve",
        label=words.say("It is over"),
        command=f"rondo alerts {alert.id} --resolve",
        values={"alert": alert.id},
        told=[words.say("It comes back if the rule finds it again.")],
    )
    return [*found, silence, over]


def _close(incident: Incident, words: Language) -> Action:
    return Action(
        id="close",
        verb="close",
        label=words.say("Close the incident"),
        command=f'rondo incident {incident.id} --close --learned "…"',
        values={"incident": incident.id},
        told=[words.say("What was learned is kept for whoever meets it next.")],
        why=words.say("What was learned"),
    )
