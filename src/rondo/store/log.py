"""The log of predictions and outcomes: appended before the answer, read into the lake later.

Each process writes segment files of its own: `[length][crc32][payload]`, one after the other, in one `write` a call.
What is written is in the system's page cache, so that it survives the death of any process; with durability `disk`
it is flushed before anybody is told, one `fsync` for all who wait. A process holds a lock on the segment it writes, so
that others can tell a finished one.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal, NamedTuple
from uuid import uuid4

from rondo.errors import LogFull, StoreError
from rondo.store.disks import flush
from rondo.store.names import segments as checked
from rondo.store.segment import Segment, erase, frame, records
from rondo.store.segment import holding as holding_records

SEGMENT_BYTES = 64 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Written(NamedTuple):
    """Where payloads stand that are in the page cache: their stream and segment, and the offset after the last."""

    stream: str
    segment: Segment
    end: int


class PredictionLog:
    """Append-only streams of payloads in a folder, one stream a sub-folder. Safe for threads and processes."""

    def __init__(
        self,
        folder: Path,
        *,
        durability: Literal["process", "disk"] = "process",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.durability: Literal["process", "disk"] = durability
        self._folder, self._clock, self._segment_bytes = folder, clock, segment_bytes
        self._writers: dict[str, Segment] = {}
        self._flusher: _Flusher | None = None
        self._begun = 0
        self._lock = threading.Lock()

    def append(self, stream: str, payloads: Sequence[bytes]) -> None:
        """Writes all payloads or none; when it returns they are safe as far as `durability` says.

        Payloads must not be empty. Raises LogFull when the disk is, StoreError when it fails.
        """
        written = self.write(stream, payloads)
        if written is not None and self.durability == "disk":
            try:
                written.segment.flush(written.end)
            except OSError as error:
                raise self._given_up(written, error) from error

    def write(self, stream: str, payloads: Sequence[bytes]) -> Written | None:
        """Writes all payloads or none into the page cache; None where there are none. The rest is up to `safe`."""
        if not payloads:
            return None
        frames = frame(payloads[0]) if len(payloads) == 1 else b"".join([frame(payload) for payload in payloads])
        with self._lock:
            segment = self._writers.get(stream)
            if segment is None or segment.process != os.getpid() or segment.size >= self._segment_bytes:
                segment = self._begin(stream)
            try:
                return Written(stream, segment, segment.write(frames))
            except OSError as error:
                self._abandon(stream)
                raise _failure(stream, error) from error

    async def safe(self, written: Written | None) -> None:
        """Returns when what was written is as safe as `durability` says: at once, or after the next shared flush.

        Raises LogFull, StoreError where the disk did not take it: then it is not safe, and never will be.
        """
        if written is None or self.durability == "process":
            return
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            self._flushing().wait(written.segment, written.end, future)
        try:
            await future
        except OSError as error:
            raise self._given_up(written, error) from error

    def read(
        self, stream: str, since: Mapping[str, int] | None = None, *, holding: bytes | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """(segment, end offset, payload) of every whole record after the offsets `since`, segment by segment.

        With `holding` only of payloads that hold these bytes. A record torn by the death of its writer ends its
        segment; one whose bytes were changed is left out.
        """
        for name in self.segments(stream):
            path, start = self._path(stream, name), (since or {}).get(name, 0)
            found = records(path, start) if holding is None else holding_records(path, start, holding)
            for end, payload in found:
                yield name, end, payload

    def segments(self, stream: str) -> list[str]:
        """The names of a stream's segments, oldest first."""
        folder = self._stream(stream)
        return sorted(path.name for path in folder.glob("*.log")) if folder.is_dir() else []

    def sizes(self, stream: str) -> dict[str, int]:
        """The bytes of each of a stream's segments, oldest first."""
        found: dict[str, int] = {}
        for name in self.segments(stream):
            with suppress(FileNotFoundError):  # dropped since it was listed
                found[name] = self._path(stream, name).stat().st_size
        return found

    def streams(self) -> list[str]:
        """The names of the streams that have segments, sorted."""
        return sorted({path.parent.relative_to(self._folder).as_posix() for path in self._folder.rglob("*.log")})

    def drop(self, stream: str, segment: str, up_to: int) -> bool:
        """Deletes a segment that is finished and has no record after offset `up_to`; says whether it did."""
        path = self._path(stream, segment)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if next(records(path, up_to), None) is not None:
                return False
            path.unlink(missing_ok=True)
        except BlockingIOError:
            return False  # its writer lives
        finally:
            os.close(descriptor)
        return True

    def erase(self, stream: str, gone: Callable[[bytes], bool]) -> int:
        """Overwrites every payload that is to be gone with zeros, on disk; gives how many.

        Nothing moves: offsets stay, and a process that is writing a segment goes on. What no reader takes for a
        record any more (changed bytes, a torn end) is overwritten or cut off as well: a kill in here leaves such.
        """
        return sum(erase(self._path(stream, name), gone) for name in self.segments(stream))

    def close(self) -> None:
        """Finishes the segments of this process."""
        with self._lock:
            for stream in list(self._writers):
                self._abandon(stream)
            flusher, self._flusher = self._flusher, None
        if flusher is not None:
            flusher.close()

    def _begin(self, stream: str) -> Segment:
        self._abandon(stream)
        folder = self._stream(stream)
        self._begun += 1
        # In the order of writing by the project's clock, and where that stands still, by count.
        began = self._clock().astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        name = f"{began}-{self._begun:06d}-{os.getpid()}-{uuid4().hex[:8]}.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            segment = Segment(folder / name, waited_for=self.durability == "disk")
            if self.durability == "disk":
                flush(folder)
        except OSError as error:
            raise _failure(stream, error) from error
        self._writers[stream] = segment
        return segment

    def _abandon(self, stream: str) -> None:
        """Finishes a segment: with durability `disk` in the flusher, so that nobody waits here for the disk."""
        if (segment := self._writers.pop(stream, None)) is None:
            return
        if self.durability == "disk" and segment.process == os.getpid():
            self._flushing().finish(segment)
        else:
            segment.finish()

    def _given_up(self, written: Written, error: OSError) -> StoreError:
        """Leaves a segment whose flush failed: its pages may be dropped, so that a later flush would prove nothing."""
        with self._lock:
            if self._writers.get(written.stream) is written.segment:
                self._abandon(written.stream)
        return _failure(written.stream, error)

    def _flushing(self) -> _Flusher:
        if self._flusher is None or self._flusher.process != os.getpid():
            self._flusher = _Flusher()
        return self._flusher

    def _stream(self, stream: str) -> Path:
        return self._folder.joinpath(*checked(stream, "stream of the log"))

    def _path(self, stream: str, segment: str) -> Path:
        if not segment.endswith(".log") or Path(segment).name != segment:
            raise StoreError(f"{segment!r} is not a segment of the log.")
        return self._stream(stream) / segment


class _Flusher:
    """A thread that waits for the disk in the place of coroutines, and of those that begin a new segment."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._asked: SimpleQueue[tuple[Segment | None, int | None, asyncio.Future[None] | None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="rondo-log-flusher", daemon=True)
        self._thread.start()

    def wait(self, segment: Segment, end: int, future: asyncio.Future[None]) -> None:
        """Settles the future, in its loop, when the bytes before `end` are on disk or cannot be."""
        self._asked.put((segment, end, future))

    def finish(self, segment: Segment) -> None:
        """Finishes a segment after everything asked of it before."""
        self._asked.put((segment, None, None))

    def close(self) -> None:
        """Does what was asked, then ends."""
        self._asked.put((None, None, None))
        self._thread.join()

    def _run(self) -> None:
        while True:
            asked = [self._asked.get()]
            with suppress(Empty):
                while True:
                    asked.append(self._asked.get_nowait())
            settled: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[None], OSError | None]]] = {}
            for segment, end, future in asked:
                if segment is not None and end is not None and future is not None:
                    settled.setdefault(future.get_loop(), []).append((future, _flushed(segment, end)))
            for loop, results in settled.items():
                with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                    loop.call_soon_threadsafe(_settle, results)
            for segment, end, _ in asked:
                if segment is not None and end is None:
                    segment.finish()
            if any(segment is None for segment, *_ in asked):
                return


def _flushed(segment: Segment, end: int) -> OSError | None:
    try:
        segment.flush(end)
    except OSError as error:
        return error
    return None


def _settle(results: Sequence[tuple[asyncio.Future[None], OSError | None]]) -> None:
    for future, error in results:
        if future.done():
            continue  # cancelled
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(OSError(error.errno, error.strerror))


def _failure(stream: str, error: OSError) -> StoreError:
    if error.errno in _FULL:
        return LogFull(
            f"The log of {stream!r} cannot grow: {error.strerror}.",
            next_step="Make room on the disk; predictions are refused until there is.",
        )
    return StoreError(f"The log of {stream!r} cannot be written: {error.strerror}.", next_step="Look at the disk.")
