from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import StoreError
from rondo.store.online import Found, LmdbOnline, Online, RedisOnline, open_online

if TYPE_CHECKING:
    from conftest import RedisServer

KEY = st.binary(max_size=8) | st.binary(min_size=500, max_size=700)
CONTENT = st.dictionaries(KEY, st.binary(max_size=20))
SPACE = st.sampled_from(["a", "b", "ab", "a/b", "날씨", "x" * 400])


def value(online: Online, space: str, *keys: bytes) -> list[bytes | None]:
    return online.read([(space, keys)])[0].values


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """`work` over and over in another thread; what it fails of is raised here."""
    done, failures = threading.Event(), []

    def loop() -> None:
        try:
            while not done.is_set():
                work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if failures:
        raise failures[0]


class OnlineContract:
    """What every online store keeps."""

    opening = "from rondo.store.online import open_online; online = open_online(sys.argv[1])"

    def url(self, folder: Path) -> str:
        raise NotImplementedError

    def left(self, online: Online) -> int:
        """How many values are stored, whether or not a space leads to them."""
        raise NotImplementedError

    @pytest.fixture
    def online(self, tmp_path: Path) -> Online:
        return open_online(self.url(tmp_path))

    def test_what_is_not(self, online: Online) -> None:
        assert online.read([("x", [b"k", b"l"]), ("y", [])]) == [Found(None, [None, None]), Found(None, [])]
        assert online.read([]) == []
        assert online.published("x") is None and online.meta("x") is None and online.spaces() == []
        online.drop("x")

    def test_gives_back_what_was_published(self, online: Online) -> None:
        assert online.publish("weather/ab12", [(b"JFK", b"1"), (b"EWR", b""), (b"JFK", b"2")], meta={"rows": 3}) == 2
        [found] = online.read([("weather/ab12", [b"EWR", b"nil", b"JFK", b"JFK"])])
        assert found.values == [b"", None, b"2", b"2"]
        assert online.published("weather/ab12") == (found.publication, {"rows": 3})
        assert value(online, "weather", b"JFK") == [None]
        assert online.meta("weather/ab12") == {"rows": 3} and online.spaces() == ["weather/ab12"]

    def test_publishing_replaces(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        online = open_online(self.url(tmp_path_factory.mktemp("online")))

        @settings(max_examples=40, deadline=None)
        @given(SPACE, CONTENT, CONTENT)
        def replaces(space: str, first: dict[bytes, bytes], second: dict[bytes, bytes]) -> None:
            online.publish("other", [(b"k", b"v")], meta={})
            for content in (first, second):
                assert online.publish(space, content.items(), meta={"n": len(content)}) == len(content)
            keys = list(first | second)
            assert value(online, space, *keys) == [second.get(key) for key in keys]
            assert online.meta(space) == {"n": len(second)} and value(online, "other", b"k") == [b"v"]

        replaces()

    def test_reads_any_keys_of_any_spaces(self, online: Online) -> None:
        content = {
            "a": {b"": b"empty", b"\x00": b"\xff\x00", b"=k": b"1", b"meta": b"2"},
            "날씨": {b"k" * 400: b"3", b"k" * 401: b"4", b"k" * 5000: b"5"},
            "nothing": {},
        }
        for space, items in content.items():
            online.publish(space, items.items(), meta={"말": space})
        keys = st.sampled_from([key for items in content.values() for key in items] + [b"k", b"k" * 402])

        @settings(max_examples=100, deadline=None)
        @given(st.lists(st.tuples(st.sampled_from([*content, "absent"]), st.lists(keys, max_size=4)), max_size=5))
        def reads(asked: list[tuple[str, list[bytes]]]) -> None:
            for (space, wanted), found in zip(asked, online.read(asked), strict=True):
                assert found.values == [content.get(space, {}).get(key) for key in wanted]
                assert (found.publication is None) == (space == "absent")

        reads()
        assert online.meta("nothing") == {"말": "nothing"}

    def test_publications_are_told_apart(self, online: Online) -> None:
        told = []
        for _ in range(3):
            assert online.publish("x", [], meta={}) == 0
            told.append(online.read([("x", [])])[0].publication)
        assert None not in told and len(set(told)) == 3

    def test_many_and_large(self, online: Online) -> None:
        large = os.urandom(5_000_000)
        keys = [b"%d" % number for number in range(20_000)]
        assert online.publish("x", [*zip(keys, keys, strict=True), (b"large", large)], meta={}) == 20_001
        assert value(online, "x", *keys, b"nil", b"large") == [*keys, None, large]

    def test_a_name_too_long_is_refused(self, online: Online) -> None:
        with pytest.raises(StoreError, match="401 bytes"):
            online.publish("x" * 401, [], meta={})
        assert online.spaces() == []

    def test_drops(self, online: Online) -> None:
        for space in ("a", "b"):
            online.publish(space, [(b"k", space.encode())], meta={})
        online.drop("a")
        assert online.read([("a", [b"k"])]) == [Found(None, [None])]
        assert (value(online, "b", b"k"), online.spaces(), self.left(online)) == ([b"b"], ["b"], 1)

    def test_nothing_old_is_left(self, online: Online) -> None:
        for _ in range(3):
            online.publish("x", ((b"%d" % number, b"x" * 100) for number in range(3_000)), meta={})
        assert self.left(online) == 3_000
        online.drop("x")
        assert self.left(online) == 0

    def test_a_stream_that_fails_changes_nothing(self, online: Online) -> None:
        class Torn(Exception):
            pass

        def items() -> Iterator[tuple[bytes, bytes]]:
            for number in range(50_000):
                yield b"%d" % number, b"new"
            raise Torn

        online.publish("x", [(b"1", b"old")], meta={"v": 1})
        with pytest.raises(Torn):
            online.publish("x", items(), meta={"v": 2})
        assert (value(online, "x", b"1", b"2"), online.meta("x"), self.left(online)) == ([b"old", None], {"v": 1}, 1)
        assert online.publish("x", [(b"2", b"newer")], meta={}) == 1
        assert value(online, "x", b"1", b"2") == [None, b"newer"]

    def test_readers_see_one_publication(self, online: Online) -> None:
        keys = [b"%d" % number for number in range(40_000)]
        online.publish("x", ((key, b"0") for key in keys), meta={})
        seen: dict[bytes | None, set[bytes | None]] = {}

        def read() -> None:
            [found] = online.read([("x", keys[::400])])
            seen.setdefault(found.publication, set()).update(found.values)

        with meanwhile(read):
            for version in range(1, 5):
                online.publish("x", ((key, b"%d" % version) for key in keys), meta={})
        assert len(seen) > 1 and all(len(values) == 1 for values in seen.values())

    def test_several_spaces_are_of_one_moment(self, online: Online) -> None:
        """`b` always follows `a`: whoever reads both at once never finds it ahead, or more than one step behind."""
        between = [b"%d" % number for number in range(2_000)]  # between the two there is much to read
        online.publish("between", zip(between, between, strict=True), meta={})
        for space in "ab":
            online.publish(space, [(b"k", b"0")], meta={})
        steps = set()

        def read() -> None:
            for first, last in ("ab", "ba"):
                found = online.read([(first, [b"k"]), ("between", between), (last, [b"k"])])
                versions = {first: int(found[0].values[0] or b"-9"), last: int(found[2].values[0] or b"-9")}
                steps.add(versions["a"] - versions["b"])

        with meanwhile(read), meanwhile(read):
            for version in range(1, 100):
                for space in "ab":
                    online.publish(space, [(b"k", b"%d" % version)], meta={})
        assert steps and steps <= {0, 1}

    def test_publishers_do_not_disturb_one_another(self, online: Online) -> None:
        keys = [b"%d" % number for number in range(3_000)]

        def publish(space: str) -> None:
            for _ in range(5):
                assert online.publish(space, ((key, space.encode()) for key in keys), meta={}) == len(keys)

        threads = [threading.Thread(target=publish, args=(space,)) for space in "aabb"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [set(found.values) for found in online.read([("a", keys), ("b", keys)])] == [{b"a"}, {b"b"}]
        assert self.left(online) == 2 * len(keys)

    def test_after_a_fork(self, tmp_path: Path) -> None:
        script = f"""
import os, sys, threading
{self.opening}
asked = [("x", [b"k"])]
online.publish("x", [(b"k", b"1")], meta={{}})
wrong, done = [], threading.Event()
def read():
    while not done.is_set():
        if online.read(asked)[0].values == [None]: wrong.append(1)
readers = [threading.Thread(target=read) for _ in range(2)]
for reader in readers: reader.start()
for number in range(b"2"[0], b"8"[0]):
    child = os.fork()
    if child == 0:
        before = online.read(asked)[0].values[0]
        online.publish("x", [(b"k", bytes([number]))], meta={{}})
        os._exit(before[0])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == number - 1
    assert online.read(asked)[0].values == [bytes([number])]
    online.publish("x", [(b"k", bytes([number]))], meta={{}})
done.set()
for reader in readers: reader.join()
print(wrong)
"""
        run = [sys.executable, "-W", "ignore", "-c", script, self.url(tmp_path)]
        assert subprocess.run(run, capture_output=True, text=True, check=True, timeout=60).stdout == "[]\n"

    def test_killed_while_publishing_the_old_content_stands(self, tmp_path: Path, online: Online) -> None:
        script = f"""
import sys
{self.opening}
def items():
    for number in range(10**9):
        if number == 100_000: print("in the middle", flush=True)
        yield b"%d" % number, b"new"
online.publish("x", items(), meta={{"v": 2}})
"""
        online.publish("x", [(b"1", b"old")], meta={"v": 1})
        run = [sys.executable, "-c", script, self.url(tmp_path)]
        with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stdout.readline() == "in the middle\n"
            os.kill(process.pid, signal.SIGKILL)
        assert (value(online, "x", b"1", b"2"), online.meta("x")) == ([b"old", None], {"v": 1})
        assert self.left(online) > 10_000
        self.wait()
        assert online.publish("y", [(b"k", b"v")], meta={}) == 1
        assert self.left(online) == 2, "what was left behind is gone"

    def wait(self) -> None:
        """Until a publisher that died is known to be dead."""


class TestLmdb(OnlineContract):
    def url(self, folder: Path) -> str:
        return f"lmdb://{folder}/online"

    def left(self, online: Online) -> int:
        assert isinstance(online, LmdbOnline)
        counted = online._created().read(lambda txn: int(txn.stat()["entries"]))
        return counted - len(online.spaces()) - 1  # a pointer a space, and the count of generations

    def test_reading_creates_nothing(self, tmp_path: Path) -> None:
        online = open_online(self.url(tmp_path))
        online.read([("x", [b"k"])]), online.meta("x"), online.spaces(), online.drop("x")
        assert list(tmp_path.iterdir()) == []

    def test_a_copy_works(self, tmp_path: Path) -> None:
        open_online(self.url(tmp_path)).publish("x", [(b"k", b"v")], meta={})
        shutil.copytree(tmp_path / "online", tmp_path / "copy" / "online")
        assert value(open_online(self.url(tmp_path / "copy")), "x", b"k") == [b"v"]

    def test_opened_twice_in_one_process(self, tmp_path: Path) -> None:
        first, second = open_online(self.url(tmp_path)), open_online(self.url(tmp_path))
        first.publish("x", [(b"k", b"v")], meta={})
        assert value(second, "x", b"k") == [b"v"]
        second.publish("x", [(b"k", b"w")], meta={})
        assert value(first, "x", b"k") == [b"w"]

    def test_grows_while_it_is_read(self, tmp_path: Path) -> None:
        online = LmdbOnline(tmp_path / "online", reserve_bytes=1 << 18)
        online.publish("x", [(b"k", b"v")], meta={})
        seen = set()
        items = [(b"%d" % number, os.urandom(200)) for number in range(30_000)]
        with meanwhile(lambda: seen.update(value(online, "x", b"k"))):
            assert online.publish("x", [(b"k", b"w"), *items], meta={}) == 30_001
        assert seen <= {b"v", b"w"} and value(online, "x", b"29999") == [items[-1][1]]

    def test_space_is_used_again(self, tmp_path: Path) -> None:
        online = open_online(self.url(tmp_path))
        sizes = []
        for _ in range(6):
            online.publish("x", ((b"%d" % number, b"x" * 100) for number in range(20_000)), meta={})
            sizes.append((tmp_path / "online" / "data.mdb").stat().st_size)
        assert sizes[-1] < 3.5 * sizes[0]

    def test_another_process_sees_publications_without_reopening(self, tmp_path: Path) -> None:
        script = """
import sys
from pathlib import Path
from rondo.store.online import LmdbOnline
online = LmdbOnline(Path(sys.argv[1]) / "online", reserve_bytes=1 << 20)
for line in sys.stdin:
    print(*online.read([("x", [b"k"])])[0].values, online.meta("x"), flush=True)
"""
        run = [sys.executable, "-c", script, str(tmp_path)]
        with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None and process.stdout is not None

            def ask() -> str:
                print(file=process.stdin, flush=True)
                return process.stdout.readline().strip()

            assert ask() == "None None"
            online = LmdbOnline(tmp_path / "online", reserve_bytes=1 << 20)
            online.publish("x", [(b"k", b"one")], meta={"v": 1})
            assert ask() == "b'one' {'v': 1}"
            # Grown by this process, the file is larger than what the other has mapped.
            many = ((b"%d" % number, b"x" * 300) for number in range(20_000))
            online.publish("big", many, meta={})
            online.publish("x", [(b"k", b"two")], meta={"v": 2})
            assert ask() == "b'two' {'v': 2}"
            process.stdin.close()


class TestRedis(OnlineContract):
    opening = """
from rondo.store.online import RedisOnline, read_address
online = RedisOnline(read_address(sys.argv[1]), lease_s=0)"""

    @pytest.fixture(autouse=True)
    def server(self, redis_server: RedisServer) -> None:
        self.redis = redis_server

    def url(self, folder: Path) -> str:
        return self.redis.url(f"prefix={quote(str(folder), safe='')}")

    def left(self, online: Online) -> int:
        """Fields of all generations but for what each says of itself, after a look at what else is there."""
        assert isinstance(online, RedisOnline)
        prefix, ask = online._address.prefix, online._client(writes=False).execute_command
        names = sorted(ask("KEYS", f"{prefix}:*"))
        generations = [name for name in names if b":online:values:" in name]
        assert set(names) - set(generations) <= {f"{prefix}:online:{name}".encode() for name in ("spaces", "writing")}
        return sum(ask("HLEN", name) - 1 for name in generations)

    def wait(self) -> None:
        time.sleep(1.1)  # leases are in whole seconds


@pytest.mark.parametrize("url", ["memcached://localhost", "lmdb://", "lmdb", "redis", "/a/folder"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(StoreError, match="lmdb://FOLDER"):
        open_online(url)
