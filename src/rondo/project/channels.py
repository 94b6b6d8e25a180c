"""What `[alerts.NAME]` in `rondo.toml` says of a channel: addresses and secrets only as `${ENV}`, read when sending."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from rondo.errors import DeclarationError

CONSOLE = "console"
ChannelKind = Literal["console", "webhook", "slack", "email", "pagerduty", "alertmanager"]
KEYS: Mapping[str, str] = {
    "kind": "webhook, slack, email, pagerduty or alertmanager",
    "url": "where it is sent, as `${ENV}`; of e-mail smtps://USER:PASSWORD@HOST or smtp://… (STARTTLS)",
    "secret": "webhook: what signs the bytes, as `${ENV}`; pagerduty: the routing key, as `${ENV}`",
    "to": "email: addresses that it goes to (a list)",
    "sender": "email: the address that it comes from",
}
_WANTED: Mapping[str, tuple[str, ...]] = {
    "webhook": ("url", "secret"),
    "slack": ("url",),
    "email": ("url", "to", "sender"),
    "pagerduty": ("secret",),
    "alertmanager": ("url",),
}
_ALLOWED: Mapping[str, tuple[str, ...]] = {**_WANTED, "pagerduty": ("secret", "url")}
_HIDDEN = ("url", "secret")
ENVIRONMENT = re.compile(r"\$\{(\w+)\}")
_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")
Wrong = Callable[[str, str | None, str, str], DeclarationError]


@dataclass(frozen=True)
class Channel:
    """A place that alerts go to. `url` and `secret` stand as written, `${NAME}`: their values are in no object."""

    name: str
    kind: ChannelKind
    url: str | None = None
    secret: str | None = None
    to: tuple[str, ...] = ()
    sender: str | None = None


def read_channels(alerts: Mapping[str, object], wrong: Wrong) -> tuple[Channel, ...]:
    """The channels below `[alerts]`. `wrong` makes an error: section, key, what is wrong, the next step."""
    found = []
    for name, values in alerts.items():
        if isinstance(values, Mapping):
            found.append(_channel(str(name), values, wrong))
    return tuple(found)


def chosen(names: Sequence[str], declared: Sequence[Channel]) -> tuple[Channel, ...]:
    """The channels that `channels` names. Raises DeclarationError for one that no section declares."""
    known = {CONSOLE: Channel(CONSOLE, "console"), **{channel.name: channel for channel in declared}}
    for name in names:
        if name not in known:
            raise DeclarationError(
                f"rondo.toml: alerts.channels names {name!r}, which is not declared; there are: {', '.join(known)}.",
                next_step=f"Declare it in a section [alerts.{name}], or take it out.",
                file="rondo.toml",
            )
    return tuple(known[name] for name in dict.fromkeys(names))


def _channel(name: str, values: Mapping[str, object], wrong: Wrong) -> Channel:
    section = f"alerts.{name}"
    kind = values.get("kind")
    if name == CONSOLE or not isinstance(kind, str) or kind not in _WANTED:
        what = "cannot be declared: it is always there" if name == CONSOLE else f"is {kind!r}"
        raise wrong(section, "kind", f"{what}, not one of {', '.join(_WANTED)}", 'Write kind = "webhook".')
    for key in values:
        if key not in ("kind", *_ALLOWED[kind]):
            allowed = ", ".join(("kind", *_ALLOWED[kind]))
            raise wrong(section, str(key), f"is unknown; there are: {allowed}", "Use one of these keys.")
    for key in _WANTED[kind]:
        if key not in values:
            raise wrong(section, key, f"is missing: {kind} needs {' and '.join(_WANTED[kind])}", f"Write {key}.")
    for key in _HIDDEN:
        if key in values and not (isinstance(values[key], str) and ENVIRONMENT.fullmatch(str(values[key]))):
            raise wrong(
                section, key, "stands in the file itself, which is for everybody",
                f"Put the value into the environment, and write {key} = \"${{NAME}}\".",
            )  # fmt: skip
    to = values.get("to", [])
    sender = values.get("sender")
    for key, addresses in (("to", to), ("sender", [sender] if "sender" in values else [])):
        if not isinstance(addresses, list) or not all(_is_address(each) for each in addresses):
            raise wrong(section, key, "is no list of e-mail addresses" if key == "to" else "is no e-mail address",
                        'Write to = ["oncall@example.com"] and sender = "rondo@example.com".')  # fmt: skip
    if kind == "email" and not to:
        raise wrong(section, "to", "names nobody", 'Write to = ["oncall@example.com"].')
    return Channel(
        name,
        cast("ChannelKind", kind),
        url=cast("str | None", values.get("url")),
        secret=cast("str | None", values.get("secret")),
        to=tuple(cast("list[str]", to)),
        sender=cast("str | None", sender),
    )


def _is_address(value: object) -> bool:
    return isinstance(value, str) and _ADDRESS.fullmatch(value) is not None
