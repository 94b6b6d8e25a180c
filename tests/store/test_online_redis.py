from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rondo.errors import StoreError
from rondo.store.online import RedisOnline, open_online, read_address

if TYPE_CHECKING:
    from conftest import RedisServer

Start = Callable[..., "RedisServer"]


def opened(url: str, **options: Any) -> RedisOnline:
    return RedisOnline(read_address(url, project="test"), **options)


def ask(online: RedisOnline, *command: object) -> Any:
    return online._client(writes=True).execute_command(*command)


def value(online: RedisOnline, space: str = "x", key: bytes = b"k") -> bytes | None:
    return online.read([(space, [key])])[0].values[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def refused(match: str, within_s: float = 5.0) -> Iterator[None]:
    """A StoreError that says so, in time, with a next step and without the password, whole traceback included."""
    began = time.monotonic()
    with pytest.raises(StoreError, match=match) as caught:
        yield
    assert time.monotonic() - began < within_s
    assert caught.value.next_step.endswith(".")
    told = "".join(traceback.format_exception(caught.value, limit=0)) + caught.value.next_step
    assert "secret" not in told


class TestAddress:
    def test_what_a_url_says(self) -> None:
        address = read_address("redis://ro%40ndo:p%2Fw@example:7000/3?prefix=a%20b&connect_s=2&read_s=0.1")
        assert address.connection == {
            "username": "ro@ndo", "password": "p/w", "host": "example", "port": 7000, "ssl": False, "db": 3
        }  # fmt: skip
        assert (address.place, address.prefix) == ("example:7000 (database 3)", "a b")
        assert (address.connect_s, address.read_s) == (2.0, 0.1)
        assert "p/w" not in repr(address)

    def test_defaults(self) -> None:
        address = read_address("redis://[::1]", project="flights")
        assert (address.place, address.prefix, address.connect_s, address.read_s) == (
            "::1:6379 (database 0)", "flights", 1.0, 0.5
        )  # fmt: skip
        assert read_address("redis://h?prefix=mine", project="flights").prefix == "mine"
        assert read_address("redis://h?db=2&prefix=p").connection["db"] == 2

    def test_sockets_and_tls(self) -> None:
        local = read_address("unix://:pw@/run/redis.sock?db=1&prefix=p")
        assert local.connection == {
            "username": None, "password": "pw", "unix_socket_path": "/run/redis.sock", "db": 1
        }  # fmt: skip
        secure = read_address("rediss://h?prefix=p&ca=/ca.pem&cert=/c.pem&key=/k.pem").connection
        assert secure["ssl"] is True
        assert [secure[name] for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")] == [
            "/ca.pem", "/c.pem", "/k.pem"
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("url", "match"),
        [
            ("redis://", "no host"),
            ("redis://:secret@", "no host"),
            ("redis://h", "no prefix"),
            ("redis://h?prefix=", "no prefix"),
            ("redis://h/one?prefix=p", "database"),
            ("redis://h:port?prefix=p", "cannot be read"),
            ("redis://h:99999?prefix=p", "cannot be read"),
            ("redis://[h?prefix=p", "cannot be read"),
            ("redis://h?prefix=p&read_s=0", "read_s"),
            ("redis://h?prefix=p&connect_s=soon", "connect_s"),
            ("redis://h?prefix=p&read_s=nan", "read_s"),
            ("redis://h?prefix=p&socket_timeout=3", "none of prefix, db"),
            ("redis://h?prefix=p&ca=/ca.pem", "rediss"),
            ("unix://h/socket?prefix=p", "no socket"),
            ("unix://?prefix=p", "no socket"),
            # Passwords with what should have been percent-encoded.
            ("redis://me:top/secret@h?prefix=p", "cannot be read"),
            ("redis://me:top#secret@h?prefix=p", "cannot be read"),
            ("redis://me:12#secret@h?prefix=p", "cannot be read"),
            ("redis://me:12?secret@h&prefix=p", "none of"),
            ("redis://me:12/secret@h?prefix=p", "database"),
        ],
    )
    def test_what_cannot_be_read_is_refused(self, url: str, match: str) -> None:
        with refused(match, within_s=1):
            open_online(url)

    def test_opening_asks_nothing(self) -> None:
        script = """
import sys
from rondo.store.online import open_online
assert not open_online("redis://nowhere.invalid", project="p").local
print(sorted({"redis", "lmdb", "ssl"} & set(sys.modules)))
"""
        run = [sys.executable, "-c", script]
        assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "[]\n"

    def test_without_the_client(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "redis"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "redis", None)
        with refused("not installed"):
            value(opened("redis://h"))


class TestKeys:
    def test_projects_are_apart(self, redis_server: RedisServer) -> None:
        first, second = (opened(redis_server.url(f"prefix=keys-{name}")) for name in ("a", "ab"))
        first.publish("x", [(b"k", b"1")], meta={})
        second.publish("x", [(b"k", b"2")], meta={})
        second.publish("y", [(b"k", b"2")], meta={})
        assert (value(first), first.spaces(), value(second), second.spaces()) == (b"1", ["x"], b"2", ["x", "y"])
        second.drop("x")
        assert (value(first), value(second)) == (b"1", None)

    def test_databases_are_apart(self, redis_server: RedisServer) -> None:
        opened(redis_server.url("prefix=db&db=1")).publish("x", [(b"k", b"1")], meta={})
        assert value(opened(redis_server.url("prefix=db&db=2"))) is None

    def test_no_key_is_looked_for(self, redis_server: RedisServer) -> None:
        """Publishing and dropping cost what a space holds, however much else is in that Redis."""
        online = opened(redis_server.url("prefix=scan"))
        ask(online, "CONFIG", "RESETSTAT")
        for _ in range(2):
            online.publish("x", [(b"k", b"v")], meta={})
        online.drop("x")
        commands = {name.lower() for name in ask(online, "INFO", "commandstats")}
        assert "cmdstat_unlink" in commands and not commands & {"cmdstat_keys", "cmdstat_scan"}

    def test_a_publication_that_was_evicted_counts_as_none(self, redis_server: RedisServer) -> None:
        online = opened(redis_server.url("prefix=evicted"))
        online.publish("x", [(b"k", b"v")], meta={})
        [name] = ask(online, "KEYS", "evicted:online:values:*")
        ask(online, "DEL", name)
        assert online.read([("x", [b"k"])])[0].publication is None and online.published("x") is None
        assert online.publish("x", [(b"k", b"w")], meta={}) == 1 and value(online) == b"w"

    def test_a_publisher_taken_for_dead_publishes_no_half(self, redis_server: RedisServer) -> None:
        online = opened(redis_server.url("prefix=slow"), lease_s=0)

        def slow() -> Iterator[tuple[bytes, bytes]]:
            yield from ((b"%d" % number, b"new") for number in range(1_500))
            time.sleep(1.1)
            opened(redis_server.url("prefix=slow")).publish("other", [], meta={})
            yield b"k", b"new"

        online.publish("x", [(b"k", b"old")], meta={})
        with refused("lost a publication"):
            online.publish("x", slow(), meta={})
        assert value(online) == b"old"
        assert len(ask(online, "KEYS", "slow:online:values:*")) == 2

    def test_scripts_that_were_forgotten(self, redis_server: RedisServer) -> None:
        online = opened(redis_server.url("prefix=scripts"))
        online.publish("x", [(b"k", b"v")], meta={})
        ask(online, "SCRIPT", "FLUSH")
        assert value(online) == b"v"


class TestFaults:
    def test_nobody_there(self) -> None:
        online = opened(f"redis://:secret@127.0.0.1:{free_port()}")
        with refused("cannot be reached", within_s=2):
            value(online)
        with refused("cannot be reached", within_s=2):
            online.publish("x", [(b"k", b"v")], meta={})
        with refused("cannot be reached", within_s=20):
            opened("redis://:secret@nowhere.invalid").spaces()
        with refused("cannot be reached"):
            value(opened("redis://:secret@no..where"))

    def test_killed_and_started_again(self, start_redis: Start) -> None:
        server = start_redis("--appendonly", "yes", "--appendfsync", "always")
        online = opened(server.url())
        online.publish("x", [(b"k", b"v")], meta={"v": 1})
        assert value(online) == b"v"
        server.kill()
        server.start()
        assert value(online) == b"v", "a connection that went stale is made again"
        server.kill()
        with refused("cannot be reached", within_s=2):
            value(online)

        def items() -> Iterator[tuple[bytes, bytes]]:
            yield from ((b"%d" % number, b"new") for number in range(2_500))
            server.kill()

        server.start()
        with refused("cannot be reached", within_s=2):
            online.publish("x", items(), meta={"v": 2})
        server.start()
        assert (value(online), online.meta("x")) == (b"v", {"v": 1})

    def test_frozen(self, start_redis: Start) -> None:
        server = start_redis()
        online = opened(server.url("read_s=0.2"))
        online.publish("x", [(b"k", b"v")], meta={})
        assert value(online) == b"v"
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        with refused("does not answer within", within_s=1):
            value(online)
        server.process.send_signal(signal.SIGCONT)
        assert value(online) == b"v"

    def test_full(self, start_redis: Start) -> None:
        server = start_redis("--maxmemory", "8mb")
        online = opened(server.url())
        online.publish("x", [(b"k", b"old")], meta={"v": 1})
        with refused("is full"):
            online.publish("x", ((b"%d" % number, b"x" * 1000) for number in range(20_000)), meta={"v": 2})
        assert (value(online), online.meta("x")) == (b"old", {"v": 1})
        assert len(ask(online, "KEYS", "*")) == 2, "what was written of the new one is gone"
        deadline = time.monotonic() + 5
        while ask(online, "INFO", "memory")["used_memory"] > 6e6:  # Redis frees in the background
            assert time.monotonic() < deadline
        assert online.publish("x", [(b"k", b"new")], meta={}) == 1

    def test_cannot_save(self, start_redis: Start) -> None:
        server = start_redis("--save", "900 1")
        online = opened(server.url())
        online.publish("x", [(b"k", b"old")], meta={})
        (server.folder / "dump.rdb").mkdir()
        ask(online, "BGSAVE")
        deadline = time.monotonic() + 5
        while ask(online, "INFO", "persistence")["rdb_last_bgsave_status"] == "ok":
            assert time.monotonic() < deadline
        with refused("cannot save"):
            online.publish("x", [(b"k", b"new")], meta={})
        assert value(online) == b"old"

    def test_passwords_and_users(self, start_redis: Start) -> None:
        server = start_redis("--requirepass", "top/secret")
        assert opened(server.url(who=":top%2Fsecret@")).publish("x", [(b"k", b"v")], meta={}) == 1
        for who in ("", ":not-secret@", "me:top%2Fsecret@"):
            with refused("refuses the user or the password"):
                value(opened(server.url(who=who)))
        rights = ("on", ">secret", "~*", "+@read", "+evalsha", "+eval")
        ask(opened(server.url(who=":top%2Fsecret@")), "ACL", "SETUSER", "reader", *rights)
        reader = opened(server.url(who="reader:secret@"))
        assert value(reader) == b"v"
        with refused("may not run"):
            reader.drop("x")
        assert value(reader) == b"v"

    def test_the_rights_that_the_page_gives_are_enough(self, start_redis: Start) -> None:
        page = Path(__file__).parents[2] / "docs" / "howto" / "redis.md"
        [rights] = re.findall(r"^user rondo (.*)$", page.read_text(), re.MULTILINE)
        server = start_redis()
        ask(opened(server.url()), "ACL", "SETUSER", "rondo", *rights.split())
        online = opened(server.url("prefix=flights", who="rondo:p%2Fw@"))
        for content in (b"v", b"w"):
            assert online.publish("x", [(b"k", content)], meta={}) == 1 and value(online) == content
        assert online.meta("x") == {} and online.spaces() == ["x"]
        online.drop("x")
        with refused("may not run"):
            value(opened(server.url("prefix=other", who="rondo:p%2Fw@")))

    def test_a_replica_is_read_and_not_written(self, start_redis: Start) -> None:
        port = free_port()
        primary = start_redis("--port", str(port), "--repl-diskless-sync-delay", "0")
        opened(f"redis://127.0.0.1:{port}").publish("x", [(b"k", b"v")], meta={})
        replica = opened(start_redis("--replicaof", f"127.0.0.1 {port}").url())
        deadline = time.monotonic() + 10
        while True:
            try:
                if value(replica) == b"v":
                    break
            except StoreError as error:
                assert "loading" in error.message or "answered" in error.message
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with refused("read-only replica"):
            replica.publish("x", [(b"k", b"w")], meta={})
        assert primary.process is not None and value(replica) == b"v"

    def test_tls(self, start_redis: Start, tmp_path: Path) -> None:
        key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
        make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
        files = ["-keyout", key, "-out", certificate, "-addext", "subjectAltName=DNS:localhost"]
        try:
            subprocess.run([*make.split(), *files], check=True, capture_output=True)
        except FileNotFoundError:
            if os.environ.get("CI"):
                raise
            pytest.skip("openssl is not installed")
        port = free_port()
        tls = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no")
        start_redis("--tls-port", str(port), *tls)
        online = opened(f"rediss://localhost:{port}?ca={certificate}")
        assert online.publish("x", [(b"k", b"v")], meta={}) == 1 and value(online) == b"v"
        with refused("cannot be reached.*self.signed"):
            value(opened(f"rediss://localhost:{port}"))
        with refused("cannot be reached.*IP address mismatch"):
            value(opened(f"rediss://127.0.0.1:{port}?ca={certificate}"))
        with refused("cannot be reached.*(No such file|invalid)"):
            value(opened(f"rediss://localhost:{port}?ca=/nowhere.pem"))
