from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import LogFull, StoreError
from rondo.store.log import PredictionLog

NOW = datetime(2013, 3, 1, tzinfo=UTC)


def payloads(log: PredictionLog, stream: str = "late") -> list[bytes]:
    return [payload for _, _, payload in log.read(stream)]


@pytest.fixture(params=["process", "disk"])
def durability(request: pytest.FixtureRequest) -> Literal["process", "disk"]:
    return request.param  # type: ignore[no-any-return]


class LogContract:
    """What every log keeps."""

    def make(self, folder: Path, durability: Literal["process", "disk"], segment_bytes: int = 1 << 20) -> PredictionLog:
        raise NotImplementedError

    @pytest.fixture
    def log(self, tmp_path: Path, durability: Literal["process", "disk"]) -> Iterator[PredictionLog]:
        log = self.make(tmp_path / "predictions", durability)
        yield log
        log.close()

    def test_gives_back_what_was_appended(self, log: PredictionLog) -> None:
        assert payloads(log) == [] and log.segments("late") == [] and log.streams() == []
        log.append("late", [b"one", b"two"])
        log.append("late", [])
        log.append("late", ["셋".encode(), b"\x00" * 9])
        log.append("in/soon", [b"other"])
        assert payloads(log) == [b"one", b"two", "셋".encode(), b"\x00" * 9]
        assert payloads(log, "in/soon") == [b"other"] and log.streams() == ["in/soon", "late"]

    def test_goes_on_where_a_reader_stopped(self, log: PredictionLog) -> None:
        log.append("late", [b"one", b"two"])
        since: dict[str, int] = {}
        for segment, end, _ in log.read("late"):
            since[segment] = end
        assert list(log.read("late", since)) == []
        log.append("late", [b"three"])
        assert [payload for _, _, payload in log.read("late", since)] == [b"three"]

    def test_begins_a_new_segment_when_one_is_full(self, tmp_path: Path) -> None:
        log = self.make(tmp_path, "process", segment_bytes=100)
        for number in range(10):
            log.append("late", [bytes([number]) * 30])
        assert len(log.segments("late")) == 4
        assert payloads(log) == [bytes([number]) * 30 for number in range(10)]
        log.close()

    def test_drops_only_whole_finished_segments(self, tmp_path: Path) -> None:
        log = self.make(tmp_path, "process", segment_bytes=100)
        for _ in range(6):
            log.append("late", [b"x" * 30])
        (first, middle, _), *_, (last, last_end, _) = log.read("late")
        assert not log.drop("late", first, middle), "records follow"
        ends = {segment: end for segment, end, _ in log.read("late")}
        assert log.drop("late", first, ends[first]) and first not in log.segments("late")
        assert log.drop("late", first, ends[first]), "it is gone already"
        assert not log.drop("late", last, last_end), "it is being written"
        log.close()
        assert log.drop("late", last, last_end) and payloads(log) == []
        log.append("late", [b"again"])
        assert payloads(log) == [b"again"]
        log.close()

    def test_threads_append_at_once(self, log: PredictionLog) -> None:
        def write(number: int) -> None:
            for i in range(50):
                log.append("late", [b"%d:%d" % (number, i)] * 2)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = payloads(log)
        assert len(found) == 800 and found[::2] == found[1::2]
        for number in range(8):
            own = [payload for payload in found[::2] if payload.startswith(b"%d:" % number)]
            assert own == [b"%d:%d" % (number, i) for i in range(50)]

    @pytest.mark.parametrize("stream", ["", "../x", ".x", "a b"])
    def test_refuses_names_that_are_no_folders(self, log: PredictionLog, stream: str) -> None:
        with pytest.raises(StoreError, match="cannot name"):
            log.append(stream, [b"x"])

    def test_refuses_an_empty_payload(self, log: PredictionLog) -> None:
        with pytest.raises(StoreError, match="empty"):
            log.append("late", [b"x", b""])
        assert payloads(log) == []


class TestPredictionLog(LogContract):
    def make(self, folder: Path, durability: Literal["process", "disk"], segment_bytes: int = 1 << 20) -> PredictionLog:
        return PredictionLog(folder, durability=durability, clock=lambda: NOW, segment_bytes=segment_bytes)

    def written(self, folder: Path, records: list[bytes]) -> tuple[PredictionLog, Path]:
        log = self.make(folder, "process")
        log.append("late", records)
        log.close()
        [segment] = log.segments("late")
        return log, folder / "late" / segment

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6), st.data())
    def test_cut_anywhere_what_is_whole_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, records: list[bytes], data: st.DataObject
    ) -> None:
        log, path = self.written(tmp_path_factory.mktemp("log"), records)
        ends = [end for _, end, _ in log.read("late")]
        cut = data.draw(st.integers(0, ends[-1]))
        os.truncate(path, cut)
        assert payloads(log) == [record for record, end in zip(records, ends, strict=True) if end <= cut]

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6), st.data())
    def test_no_changed_byte_is_taken_for_a_record(
        self, tmp_path_factory: pytest.TempPathFactory, records: list[bytes], data: st.DataObject
    ) -> None:
        log, path = self.written(tmp_path_factory.mktemp("log"), records)
        ends = [end for _, end, _ in log.read("late")]
        whole = bytearray(path.read_bytes())
        where = data.draw(st.integers(0, len(whole) - 1))
        whole[where] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
        found = payloads(log)
        before = [record for record, end in zip(records, ends, strict=True) if end <= where]
        assert found[: len(before)] == before
        assert all(record in records for record in found) and len(found) < len(records)

    def test_zeros_left_by_a_machine_that_died_are_no_records(self, tmp_path: Path) -> None:
        log, path = self.written(tmp_path, [b"one"])
        with path.open("ab") as file:
            file.write(b"\x00" * 100_000)
        assert payloads(log) == [b"one"]

    def test_a_full_disk_leaves_nothing_half_written(self, tmp_path: Path) -> None:
        mounted = tmp_path / "small"
        mounted.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mounted)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("mounting needs more rights; the limit on file sizes is tested below")
        try:
            log = self.make(mounted, "process")
            acknowledged = []
            with pytest.raises(LogFull, match="No space left"):
                for number in range(1000):
                    batch = [b"%06d" % number * 100] * 3
                    log.append("late", batch)
                    acknowledged += batch
            assert payloads(log) == acknowledged and len(acknowledged) > 50
            with pytest.raises(LogFull):
                log.append("late", [b"x" * 300_000])
            for segment, end in {segment: end for segment, end, _ in log.read("late")}.items():
                assert log.drop("late", segment, end)
            log.append("late", [b"there is room again"])
            assert payloads(log) == [b"there is room again"]
            log.close()
        finally:
            subprocess.run(["umount", str(mounted)], check=True)

    def test_a_limit_on_file_sizes_is_a_full_disk(self, tmp_path: Path) -> None:
        log = self.make(tmp_path, "process")
        log.append("late", [b"x" * 1000])
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
        try:
            with pytest.raises(LogFull, match=os.strerror(errno.EFBIG)):
                log.append("late", [b"y" * 200, b"z" * 1000])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        log.append("late", [b"after"])
        assert payloads(log) == [b"x" * 1000, b"after"]
        log.close()

    def test_killed_every_acknowledged_record_is_read(self, tmp_path: Path) -> None:
        script = """
import os, sys
from pathlib import Path
from rondo.store.log import PredictionLog
log = PredictionLog(Path(sys.argv[1]), segment_bytes=1 << 20)
number = 0
while True:
    log.append("late", [b"%d:%s" % (number, b"x" * (number % 977))])
    os.write(1, b"%d\\n" % number)
    number += 1
"""
        for wait_s in (0.0, 0.05, 0.2):
            folder = tmp_path / str(wait_s)
            with subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                said = process.stdout.readline()
                killer = threading.Timer(wait_s, os.kill, (process.pid, signal.SIGKILL))
                killer.start()
                said += process.stdout.read()
            last = int(said.splitlines()[-1] if said.endswith(b"\n") else said.splitlines()[-2])
            log = PredictionLog(folder)
            numbers = [int(payload.split(b":")[0]) for payload in payloads(log)]
            assert numbers == list(range(len(numbers))) and len(numbers) > last
            for segment, end in {segment: end for segment, end, _ in log.read("late")}.items():
                assert log.drop("late", segment, end), "the lock died with its holder"

    def test_processes_write_segments_of_their_own(self, tmp_path: Path) -> None:
        script = """
import sys
from pathlib import Path
from rondo.store.log import PredictionLog
log = PredictionLog(Path(sys.argv[1]))
for number in range(200): log.append("late", [b"%s:%d" % (sys.argv[2].encode(), number)])
"""
        run = [sys.executable, "-c", script, str(tmp_path)]
        processes = [subprocess.Popen([*run, name]) for name in "abc"]
        assert [process.wait(30) for process in processes] == [0, 0, 0]
        log = PredictionLog(tmp_path)
        assert len(log.segments("late")) == 3
        assert sorted(payloads(log)) == sorted(b"%s:%d" % (n, i) for n in (b"a", b"b", b"c") for i in range(200))

    def test_a_fork_begins_a_segment_of_its_own(self, tmp_path: Path) -> None:
        script = """
import os, sys
from pathlib import Path
from rondo.store.log import PredictionLog
log = PredictionLog(Path(sys.argv[1]))
log.append("late", [b"parent"])
if os.fork() == 0:
    log.append("late", [b"child"])
    os._exit(0)
os.wait()
log.append("late", [b"parent again"])
"""
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
        log = PredictionLog(tmp_path)
        assert sorted(payloads(log)) == [b"child", b"parent", b"parent again"] and len(log.segments("late")) == 2

    def test_a_segment_dropped_before_it_was_locked_is_made_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log, reader, flock, dropped = self.make(tmp_path, "process"), self.make(tmp_path, "process"), fcntl.flock, []

        def late(descriptor: int, operation: int) -> None:
            if not dropped:
                dropped.append(0)
                dropped.extend(reader.drop("late", segment, 0) for segment in reader.segments("late"))
            flock(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", late)
        log.append("late", [b"one"])
        assert dropped == [0, True]
        assert payloads(log) == [b"one"]
        log.close()

    def test_waiting_threads_share_a_flush(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        log, flushes, fsync = self.make(tmp_path, "disk"), [], os.fsync

        def slow(descriptor: int) -> None:
            flushes.append(descriptor)
            time.sleep(0.02)
            fsync(descriptor)

        log.append("late", [b"first"])
        monkeypatch.setattr(os, "fsync", slow)
        threads = [threading.Thread(target=log.append, args=("late", [b"x"])) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 <= len(flushes) <= 10 and len(payloads(log)) == 21
        log.close()

    def test_an_append_costs_microseconds(self, tmp_path: Path) -> None:
        log, payload = self.make(tmp_path, "process", segment_bytes=1 << 30), [b"x" * 300]
        took = []
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(1000):
                log.append("late", payload)
            took.append((time.perf_counter() - began) / 1000)
        log.close()
        assert min(took) < 50e-6  # 2 on an idle machine

    def test_coroutines_share_a_flush(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        log, flushes, fsync = self.make(tmp_path, "disk"), [], os.fsync

        def slow(descriptor: int) -> None:
            flushes.append(descriptor)
            time.sleep(0.02)
            fsync(descriptor)

        async def write(number: int) -> None:
            await log.safe(log.write("late", [b"%d" % number]))

        async def many() -> None:
            await asyncio.gather(*[write(number) for number in range(50)])

        log.append("late", [b"first"])
        monkeypatch.setattr(os, "fsync", slow)
        asyncio.run(many())
        assert 1 <= len(flushes) <= 5
        assert sorted(payloads(log)) == sorted([b"first", *[b"%d" % number for number in range(50)]])
        log.close()

    def test_a_coroutine_waits_for_the_disk_and_the_loop_does_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log, fsync, free = self.make(tmp_path, "disk"), os.fsync, threading.Event()

        def stuck(descriptor: int) -> None:
            assert free.wait(10)
            fsync(descriptor)

        async def main() -> None:
            written = log.write("late", [b"one"])
            monkeypatch.setattr(os, "fsync", stuck)
            safe = asyncio.create_task(log.safe(written))
            await asyncio.sleep(0.05)
            assert not safe.done()
            free.set()
            await safe

        asyncio.run(main())
        log.close()

    def test_what_needs_no_disk_is_safe_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        log = self.make(tmp_path, "process")
        monkeypatch.setattr(os, "fsync", lambda descriptor: pytest.fail("nobody asked for the disk"))
        coroutine = log.safe(log.write("late", [b"one"]))
        with pytest.raises(StopIteration):
            coroutine.send(None)
        assert log.write("late", []) is None
        log.close()

    @pytest.mark.parametrize("door", ["thread", "coroutine"])
    def test_a_failed_flush_is_never_taken_for_one_that_worked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str
    ) -> None:
        log, fsync, failing = self.make(tmp_path, "disk"), os.fsync, [True]

        def fail_once(descriptor: int) -> None:
            if failing and not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                failing.clear()
                raise OSError(errno.EIO, os.strerror(errno.EIO))  # and the next would succeed, without the pages
            fsync(descriptor)

        def append(payload: bytes) -> None:
            if door == "thread":
                log.append("late", [payload])
            else:
                asyncio.run(log.safe(log.write("late", [payload])))

        append(b"before")
        first = log.write("late", [b"with the one that fails"])
        monkeypatch.setattr(os, "fsync", fail_once)
        with pytest.raises(StoreError, match=os.strerror(errno.EIO)):
            append(b"lost")
        with pytest.raises(StoreError, match=os.strerror(errno.EIO)):
            asyncio.run(log.safe(first))
        append(b"after")
        assert len(log.segments("late")) == 2, "the segment was left"
        assert payloads(log)[0] == b"before" and payloads(log)[-1] == b"after"
        log.close()

    def test_a_segment_that_is_full_is_finished_behind(self, tmp_path: Path) -> None:
        log = self.make(tmp_path, "disk", segment_bytes=100)

        async def many() -> None:
            for number in range(30):
                await log.safe(log.write("late", [b"%030d" % number]))

        asyncio.run(many())
        log.close()
        assert [int(payload) for payload in payloads(log)] == list(range(30))
        ends = {segment: end for segment, end, _ in log.read("late")}
        assert len(ends) == 10 and all(log.drop("late", *each) for each in ends.items()), "their locks are given back"

    def test_a_log_that_never_began_leaves_no_file(self, tmp_path: Path) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        log = self.make(tmp_path, "process")
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            for _ in range(3):
                with pytest.raises(LogFull):
                    log.append("late", [b"x"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert log.segments("late") == []

    def test_reads_only_what_holds_some_bytes(self, tmp_path: Path) -> None:
        log = self.make(tmp_path, "process", segment_bytes=3 << 20)
        for number in range(4):
            log.append("late", [b"%d" % number * (1 << 20), b"needle %d" % number])
        assert [payload for *_, payload in log.read("late", holding=b"needle")] == [b"needle %d" % n for n in range(4)]
        assert [payload for *_, payload in log.read("late", holding=b"needle 3")] == [b"needle 3"]
        (segment, end, _), *_ = log.read("late", holding=b"needle 1")
        assert list(log.read("late", {segment: end}, holding=b"needle 1")) == []
        assert list(log.read("late", holding=b"hay")) == []
        log.close()

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=8), st.data())
    def test_what_is_erased_is_nowhere_and_the_rest_stays(
        self, tmp_path_factory: pytest.TempPathFactory, records: list[bytes], data: st.DataObject
    ) -> None:
        folder = tmp_path_factory.mktemp("log")
        log = self.make(folder, "process", segment_bytes=60)
        for record in records:
            log.append("late", [record])
        before = set(log.read("late"))
        gone = set(data.draw(st.lists(st.sampled_from(records), max_size=4)))
        erased = log.erase("late", lambda payload: payload in gone)
        assert erased == sum(record in gone for record in records)
        assert payloads(log) == [record for record in records if record not in gone]
        assert set(log.read("late")) <= before, "nothing moved"
        log.append("late", [b"the writer goes on"])
        assert payloads(log)[-1] == b"the writer goes on"
        assert log.erase("late", lambda payload: payload in gone) == 0
        log.close()

    def test_no_byte_of_what_is_erased_is_left(self, tmp_path: Path) -> None:
        log = self.make(tmp_path, "process")
        log.append("late", [b"a secret person", b"another", b"a secret person"])
        assert log.erase("late", lambda payload: b"secret" in payload) == 2
        assert not any(b"secret" in path.read_bytes() for path in tmp_path.rglob("*.log"))
        assert payloads(log) == [b"another"]
        log.close()

    def test_erasing_reaches_what_no_reader_sees_any_more(self, tmp_path: Path) -> None:
        log, path = self.written(tmp_path, [b"one", b"half erased: secret", b"two"])
        whole = bytearray(path.read_bytes())
        whole[whole.index(b"half")] = 0  # a kill, in the middle of erasing
        path.write_bytes(bytes(whole) + b"\x40\x00\x00\x00\x01\x02\x03\x04torn, and secret")
        assert payloads(log) == [b"one", b"two"]
        assert log.erase("late", lambda payload: False) == 0
        assert b"secret" not in path.read_bytes() and payloads(log) == [b"one", b"two"]

    def test_erasing_while_another_process_writes_loses_nothing_of_it(self, tmp_path: Path) -> None:
        script = """
import os, sys
from pathlib import Path
from rondo.store.log import PredictionLog
log = PredictionLog(Path(sys.argv[1]), segment_bytes=1 << 18)
for number in range(60000):
    log.append("late", [b"%07d:%s" % (number, b"secret" if number % 10 == 0 else b"plain")])
"""
        with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) as process:
            log, rounds = PredictionLog(tmp_path), 0
            while process.poll() is None:
                log.erase("late", lambda payload: payload.endswith(b"secret"))
                rounds += 1
        assert process.returncode == 0 and rounds > 1
        log.erase("late", lambda payload: payload.endswith(b"secret"))
        found = payloads(log)
        assert found == [b"%07d:plain" % number for number in range(60000) if number % 10]
        assert not any(b"secret" in path.read_bytes() for path in tmp_path.rglob("*.log"))
