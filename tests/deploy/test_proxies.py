from __future__ import annotations

import pytest

from rondo.deploy.proxies import Origin, Proxies

INSIDE = ("10.0.0.0/8", "127.0.0.1", "2001:db8::/32")


def scope(client="127.0.0.1", *headers):
    given = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return {"client": (client, 5) if client else None, "scheme": "http", "headers": given}


FOR, PROTO = "x-forwarded-for", "x-forwarded-proto"


@pytest.mark.parametrize(
    ("client", "headers", "origin"),
    [
        ("127.0.0.1", [], Origin("127.0.0.1", "http")),
        ("127.0.0.1", [(FOR, "203.0.113.7"), (PROTO, "https")], Origin("203.0.113.7", "https")),
        ("10.1.2.3", [(FOR, "1.1.1.1, 203.0.113.7 , 10.9.9.9")], Origin("203.0.113.7", "http")),
        ("10.1.2.3", [(FOR, "1.1.1.1"), (FOR, "203.0.113.7")], Origin("203.0.113.7", "http")),
        ("10.1.2.3", [(FOR, "10.0.0.1,10.0.0.2")], Origin("10.0.0.1", "http")),
        ("10.1.2.3", [(FOR, "203.0.113.7:4711")], Origin("203.0.113.7", "http")),
        ("10.1.2.3", [(FOR, "[2001:db8:1::5]:4711, 10.0.0.1")], Origin("2001:db8:1::5", "http")),
        ("10.1.2.3", [(FOR, "2001:dead::5")], Origin("2001:dead::5", "http")),
        ("10.1.2.3", [(FOR, "unknown")], Origin("unknown", "http")),
        ("10.1.2.3", [(FOR, " , ")], Origin("10.1.2.3", "http")),
        ("10.1.2.3", [(PROTO, "gopher")], Origin("10.1.2.3", "http")),
        ("10.1.2.3", [(PROTO, "https, http")], Origin("10.1.2.3", "http")),
        ("::ffff:10.1.2.3", [(FOR, "203.0.113.7")], Origin("203.0.113.7", "http")),
        ("203.0.113.9", [(FOR, "1.1.1.1"), (PROTO, "https")], Origin("203.0.113.9", "http")),
        (None, [(FOR, "1.1.1.1")], Origin(None, "http")),
    ],
)
def test_headers_are_believed_from_proxies_alone(client, headers, origin):
    assert Proxies(INSIDE).origin(scope(client, *headers)) == origin


def test_without_proxies_nobody_is_believed():
    forged = scope("127.0.0.1", (FOR, "1.1.1.1"), (PROTO, "https"))
    assert Proxies().origin(forged) == Origin("127.0.0.1", "http")
