"""What `[serving]` in `rondo.toml` says of the prediction server."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from rondo.errors import DeclarationError
from rondo.project.durations import seconds
from rondo.project.rates import Rate, parse_rate

KEYS: Mapping[str, str] = {
    "durability": "what an acknowledged prediction survives: process or disk (process)",
    "keep": "how long predictions are kept at least, such as 400d (for ever)",
    "log": "requests that the server's log tells: `errors`, or `all` of them, a line each (errors)",
    "largest_body": "the largest body of a request, in KiB or MiB (10MiB)",
    "most_rows": "the most rows, or outcomes, of a request (10000)",
    "rate": "how often the holder of a key may ask, where the key says nothing: `100/s`, `600/m`, `5000/h` (no limit)",
    "certificate": "PEM file of the certificate, and of those above it: the server speaks TLS (none)",
    "private_key": "PEM file of the certificate's private key (in the certificate's file)",
    "proxies": "addresses or networks of proxies whose X-Forwarded-For and -Proto are believed (none)",
}
Wrong = Callable[[str, str, str], DeclarationError]
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20}
_SIZE = re.compile(r"([1-9]\d{0,5})\s*(KiB|MiB)", re.ASCII)


@dataclass(frozen=True)
class Serving:
    """`[serving]`, with the defaults filled in. `largest_body` is in bytes; `keep_s` None keeps for ever."""

    durability: Literal["process", "disk"] = "process"
    log: Literal["errors", "all"] = "errors"
    keep_s: int | None = None
    largest_body: int = 10 << 20
    most_rows: int = 10_000
    rate: Rate | None = None
    certificate: str | None = None
    private_key: str | None = None
    proxies: tuple[str, ...] = ()


def read_serving(values: Mapping[str, object], wrong: Wrong) -> Serving:
    """The section. `wrong` makes the error of a key: its name, what is wrong, the next step."""
    durability = values.get("durability", "process")
    if durability not in ("process", "disk"):
        raise wrong("durability", f"is {durability!r}, not one of process, disk", 'Write durability = "process".')
    log = values.get("log", "errors")
    if log not in ("errors", "all"):
        raise wrong("log", f"is {log!r}, not one of errors, all", 'Write log = "errors".')
    certificate, private_key = _file(values, "certificate", wrong), _file(values, "private_key", wrong)
    if private_key and not certificate:
        raise wrong("private_key", "has no effect without a certificate", "Name the certificate's file, too.")
    return Serving(
        durability=durability,
        log=log,
        keep_s=_length(values, "keep", wrong),
        largest_body=_size(values, "largest_body", Serving.largest_body, wrong),
        most_rows=_count(values, "most_rows", Serving.most_rows, wrong),
        rate=_rate(values, wrong),
        certificate=certificate,
        private_key=private_key,
        proxies=_proxies(values, wrong),
    )


def size_text(size: int) -> str:
    """10485760 as `10MiB`: the greatest unit that divides it."""
    for unit, bytes_of in sorted(_UNITS.items(), key=lambda each: -each[1]):
        if size % bytes_of == 0:
            return f"{size // bytes_of}{unit}"
    return f"{size} bytes"


def _file(values: Mapping[str, object], name: str, wrong: Wrong) -> str | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise wrong(name, f"is {value!r}, not the name of a file", f'Write {name} = "server.pem".')
    return value


def _length(values: Mapping[str, object], name: str, wrong: Wrong) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    try:
        length_s = seconds(str(value), name)
    except DeclarationError as error:
        raise wrong(name, f"is {value!r}, which is not a length of time", f'Write {name} = "400d".') from error
    if not length_s:
        raise wrong(name, "is no time at all", f'Write {name} = "400d", or leave it out.')
    return length_s


def _size(values: Mapping[str, object], name: str, default: int, wrong: Wrong) -> int:
    value = values.get(name)
    if value is None:
        return default
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise wrong(name, f"is {value!r}, which is not a size", f'Write {name} = "10MiB", or "512KiB".')
    return int(found[1]) * _UNITS[found[2]]


def _count(values: Mapping[str, object], name: str, default: int, wrong: Wrong) -> int:
    value = values.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise wrong(name, f"is {value!r}, not a count of one or more", f"Write {name} = {default}.")
    return value


def _rate(values: Mapping[str, object], wrong: Wrong) -> Rate | None:
    value = values.get("rate")
    if value is None:
        return None
    try:
        return parse_rate(value, "rate")
    except DeclarationError as error:
        raise wrong("rate", f"is {value!r}, which is not a rate", error.next_step) from error


def _proxies(values: Mapping[str, object], wrong: Wrong) -> tuple[str, ...]:
    value = values.get("proxies", ())
    if not isinstance(value, tuple) or not all(isinstance(each, str) for each in value):
        raise wrong("proxies", f"is {value!r}, not a list", 'Write proxies = ["10.0.0.0/8"].')
    for each in value:
        try:
            ipaddress.ip_network(each)
        except ValueError as error:
            raise wrong("proxies", f"names {each!r}: {error}", 'Write proxies = ["10.0.0.0/8"].') from error
    return value
