"""Who really asks, where proxies stand before the server: their headers are believed, those of others are not."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from rondo.deploy.http import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Origin(NamedTuple):
    """The address of a client and how it speaks: `http` or `https`."""

    client: str | None
    scheme: str


class Proxies:
    """The proxies that are believed. Looked at when a line is logged, not at every request."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._networks: tuple[Network, ...] = tuple(map(ipaddress.ip_network, networks))

    def origin(self, scope: Scope) -> Origin:
        """Where a request comes from: the nearest address that is no proxy of ours, going back through the headers.

        Every proxy adds, at the end, the address it was asked from; what stands before the first that is not believed
        may be anybody's invention. Header names are in lower case.
        """
        client = scope["client"][0] if scope.get("client") else None
        scheme: str = scope.get("scheme") or "http"
        if not self._believed(client):
            return Origin(client, scheme)
        for each in reversed(_values(scope, b"x-forwarded-for")):
            client = _address(each)
            if not self._believed(client):
                break
        said = _values(scope, b"x-forwarded-proto")
        return Origin(client, said[-1].lower() if said and said[-1].lower() in ("http", "https") else scheme)

    def _believed(self, client: str | None) -> bool:
        try:
            address = ipaddress.ip_address(client or "")
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._networks)


def _values(scope: Scope, name: bytes) -> list[str]:
    """The values of a header that may be written as one list or as several headers."""
    joined = b",".join(value for each, value in scope["headers"] if each == name).decode("latin-1")
    return [value for part in joined.split(",") if (value := part.strip())]


def _address(written: str) -> str:
    """An address without the port and the brackets that may come with it."""
    if written.startswith("["):
        return written[1:].partition("]")[0]
    return written.partition(":")[0] if written.count(":") == 1 else written
