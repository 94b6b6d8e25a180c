from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import StoreError
from rondo.store.online import LmdbOnline, Online, open_online

CONTENT = st.dictionaries(st.binary(max_size=8) | st.binary(min_size=500, max_size=700), st.binary(max_size=20))


def entries(online: Online) -> int:
    """What the file holds: values, a pointer a space, and the count of generations."""
    assert isinstance(online, LmdbOnline)
    return online._created().read(lambda txn: int(txn.stat()["entries"]))


class OnlineContract:
    """What every online store keeps."""

    def url(self, folder: Path) -> str:
        raise NotImplementedError

    @pytest.fixture
    def online(self, tmp_path: Path) -> Online:
        return open_online(self.url(tmp_path))

    def test_what_is_not(self, online: Online) -> None:
        assert online.get("x", b"k") is None and online.get_many("x", [b"k", b"l"]) == [None, None]
        assert online.meta("x") is None and online.spaces() == []
        online.drop("x")

    def test_gives_back_what_was_published(self, online: Online) -> None:
        assert online.publish("weather/ab12", [(b"JFK", b"1"), (b"EWR", b""), (b"JFK", b"2")], meta={"rows": 3}) == 2
        assert online.get_many("weather/ab12", [b"EWR", b"nil", b"JFK", b"JFK"]) == [b"", None, b"2", b"2"]
        assert online.get("weather/ab12", b"JFK") == b"2" and online.get("weather", b"JFK") is None
        assert online.meta("weather/ab12") == {"rows": 3} and online.spaces() == ["weather/ab12"]

    def test_publishing_replaces(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        online = open_online(self.url(tmp_path_factory.mktemp("online")))

        @settings(max_examples=40, deadline=None)
        @given(st.sampled_from(["a", "b", "ab", "날씨"]), CONTENT, CONTENT)
        def replaces(space: str, first: dict[bytes, bytes], second: dict[bytes, bytes]) -> None:
            online.publish("other", [(b"k", b"v")], meta={})
            for content in (first, second):
                assert online.publish(space, content.items(), meta={"n": len(content)}) == len(content)
            keys = list(first | second)
            assert online.get_many(space, keys) == [second.get(key) for key in keys]
            assert online.meta(space) == {"n": len(second)} and online.get("other", b"k") == b"v"

        replaces()

    def test_drops(self, online: Online) -> None:
        for space in ("a", "b"):
            online.publish(space, [(b"k", space.encode())], meta={})
        online.drop("a")
        assert (online.get("a", b"k"), online.get("b", b"k"), online.spaces()) == (None, b"b", ["b"])

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
        assert (online.get("x", b"1"), online.get("x", b"2"), online.meta("x")) == (b"old", None, {"v": 1})
        assert online.publish("x", [(b"2", b"newer")], meta={}) == 1
        assert online.get_many("x", [b"1", b"2"]) == [None, b"newer"]

    def test_readers_see_one_publication(self, online: Online) -> None:
        keys = [b"%d" % number for number in range(40_000)]
        online.publish("x", ((key, b"0") for key in keys), meta={})
        seen, failures, done = set(), [], threading.Event()

        def read() -> None:
            while not done.is_set():
                values = set(online.get_many("x", keys[::400]))
                seen.update(values)
                if len(values) != 1:
                    failures.append(values)

        reader = threading.Thread(target=read)
        reader.start()
        for version in range(1, 5):
            online.publish("x", ((key, b"%d" % version) for key in keys), meta={})
        done.set()
        reader.join()
        assert failures == [] and len(seen) > 1


class TestLmdb(OnlineContract):
    def url(self, folder: Path) -> str:
        return f"lmdb://{folder}/online"

    def test_reading_creates_nothing(self, tmp_path: Path) -> None:
        online = open_online(self.url(tmp_path))
        online.get("x", b"k"), online.meta("x"), online.spaces(), online.drop("x")
        assert list(tmp_path.iterdir()) == []

    def test_a_copy_works(self, tmp_path: Path) -> None:
        open_online(self.url(tmp_path)).publish("x", [(b"k", b"v")], meta={})
        shutil.copytree(tmp_path / "online", tmp_path / "copy" / "online")
        assert open_online(self.url(tmp_path / "copy")).get("x", b"k") == b"v"

    def test_opened_twice_in_one_process(self, tmp_path: Path) -> None:
        first, second = open_online(self.url(tmp_path)), open_online(self.url(tmp_path))
        first.publish("x", [(b"k", b"v")], meta={})
        assert second.get("x", b"k") == b"v"
        second.publish("x", [(b"k", b"w")], meta={})
        assert first.get("x", b"k") == b"w"

    def test_grows_while_it_is_read(self, tmp_path: Path) -> None:
        online = open_online(self.url(tmp_path), reserve_bytes=1 << 18)
        online.publish("x", [(b"k", b"v")], meta={})
        done, wrong = threading.Event(), []

        def read() -> None:
            while not done.is_set():
                if online.get("x", b"k") not in (b"v", b"w"):
                    wrong.append(1)

        reader = threading.Thread(target=read)
        reader.start()
        items = [(b"%d" % number, os.urandom(200)) for number in range(30_000)]
        assert online.publish("x", [(b"k", b"w"), *items], meta={}) == 30_001
        done.set()
        reader.join()
        assert wrong == [] and online.get("x", b"29999") == items[-1][1]

    def test_space_is_used_again(self, tmp_path: Path) -> None:
        online = open_online(self.url(tmp_path))
        sizes = []
        for _ in range(6):
            online.publish("x", ((b"%d" % number, b"x" * 100) for number in range(20_000)), meta={})
            sizes.append((tmp_path / "online" / "data.mdb").stat().st_size)
        assert sizes[-1] < 3.5 * sizes[0]
        assert entries(online) == 20_000 + 2, "the content before is gone"
        online.drop("x")
        assert entries(online) == 1

    def test_another_process_sees_publications_without_reopening(self, tmp_path: Path) -> None:
        script = """
import sys
from rondo.store.online import open_online
online = open_online(sys.argv[1], reserve_bytes=1 << 20)
for line in sys.stdin:
    print(online.get("x", b"k"), online.meta("x"), flush=True)
"""
        run = [sys.executable, "-c", script, self.url(tmp_path)]
        with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None and process.stdout is not None

            def ask() -> str:
                print(file=process.stdin, flush=True)
                return process.stdout.readline().strip()

            assert ask() == "None None"
            online = open_online(self.url(tmp_path), reserve_bytes=1 << 20)
            online.publish("x", [(b"k", b"one")], meta={"v": 1})
            assert ask() == "b'one' {'v': 1}"
            # Grown by this process, the file is larger than what the other has mapped.
            many = ((b"%d" % number, b"x" * 300) for number in range(20_000))
            online.publish("big", many, meta={})
            online.publish("x", [(b"k", b"two")], meta={"v": 2})
            assert ask() == "b'two' {'v': 2}"
            process.stdin.close()

    def test_killed_while_publishing_the_old_content_stands(self, tmp_path: Path) -> None:
        script = """
import sys
from rondo.store.online import open_online
def items():
    for number in range(10**9):
        if number == 100_000: print("in the middle", flush=True)
        yield b"%d" % number, b"new"
open_online(sys.argv[1]).publish("x", items(), meta={"v": 2})
"""
        online = open_online(self.url(tmp_path))
        online.publish("x", [(b"1", b"old")], meta={"v": 1})
        run = [sys.executable, "-c", script, self.url(tmp_path)]
        with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stdout.readline() == "in the middle\n"
            os.kill(process.pid, signal.SIGKILL)
        assert (online.get("x", b"1"), online.get("x", b"2"), online.meta("x")) == (b"old", None, {"v": 1})
        assert online.publish("y", [(b"k", b"v")], meta={}) == 1
        assert entries(online) == 2 + 2 + 1, "what was left behind is gone"

    @pytest.mark.parametrize("url", ["redis://localhost", "lmdb://", "lmdb", "/a/folder"])
    def test_other_urls_are_refused(self, url: str) -> None:
        with pytest.raises(StoreError, match="lmdb://FOLDER"):
            open_online(url)
