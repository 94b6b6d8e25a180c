"""`rondo key` from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rondo.deploy.keys import whole

Called = Callable[..., tuple[int, str, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "rondo.toml").write_text('[project]\nname = "p"\n[people.mia]\ncontact = "mia@example.com"\n')
    return tmp_path


def test_made_listed_revoked(root: Path, rondo: Called) -> None:
    code, out, _ = rondo(root, "key")
    assert code == 0 and "There is no key" in out and not (root / ".rondo").exists()
    made = ("--scope", "predict, outcome", "--owner", "mia", "--rate", "100/s", "--expires", "90d", "--because", "x")
    code, out, _ = rondo(root, "key", "make", "shop", *made)
    key, *more = out.splitlines()
    assert code == 0 and whole(key) and "mia (mia@example.com)" in " ".join(more)
    code, out, _ = rondo(root, "key", "make", "admin-1", "--scope", "admin", "--json", "--by", "ada")
    document = json.loads(out)
    assert whole(document["key"]) and (document["owner"], document["expires"]) == ("ada", None)
    code, out, _ = rondo(root, "key", "list", "--json")
    assert [(each["name"], each["state"], each["scopes"]) for each in json.loads(out)["keys"]] == [
        ("admin-1", "live", ["admin"]),
        ("shop", "live", ["predict", "outcome"]),
    ]
    assert key not in out and document["key"] not in out and "sha256" not in out
    code, out, _ = rondo(root, "key", "revoke", "shop", "--because", "it leaked", "--json")
    revoked = json.loads(out)
    assert (code, revoked["state"], revoked["because"]) == (0, "revoked", "it leaked") and revoked["ended"]
    code, out, _ = rondo(root, "key", "list", "shop", "--json")
    assert [each["state"] for each in json.loads(out)["keys"]] == ["revoked"]
    code, out, _ = rondo(root, "key")
    assert "live" in out and "revoked" in out and "mia" in out
    for file in (root / ".rondo").rglob("*"):
        assert not file.is_file() or key[15:].encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("make",), 2, "Which key"),
        (("make", "shop"), 2, "opens nothing"),
        (("make", "shop", "--scope", "fly"), 2, "no scope 'fly'"),
        (("make", "two words", "--scope", "predict"), 2, "cannot be called"),
        (("make", "shop", "--scope", "predict", "--rate", "often"), 2, "--rate is 'often'"),
        (("make", "shop", "--scope", "predict", "--expires", "soon"), 2, "--expires is 'soon'"),
        (("revoke", "shop", "--because", "x"), 2, "no key 'shop'"),
        (("revoke",), 2, "Which key"),
        (("revoke", "shop", "--scope", "predict"), 2, "takes no --scope"),
        (("list", "--owner", "mia"), 2, "takes no --owner"),
        (("list", "shop"), 2, "no key 'shop'"),
        (("burn", "shop"), 2, "burn"),
    ],
)
def test_wrong_uses_say_what_is_wrong(
    root: Path, arguments: tuple[str, ...], code: int, said: str, rondo: Called
) -> None:
    exit_code, out, told = rondo(root, "key", *arguments)
    assert (exit_code, out) == (code, "") and said in told


def test_revoking_needs_a_reason(root: Path, rondo: Called) -> None:
    rondo(root, "key", "make", "shop", "--scope", "predict")
    assert rondo(root, "key", "revoke", "shop")[0] == 2
    assert rondo(root, "key", "make", "shop", "--scope", "predict")[0] == 1
