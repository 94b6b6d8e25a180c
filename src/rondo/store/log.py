"""The log of predictions and outcomes: appended before the answer, read into the lake later.

Each process writes segment files of its own: `[length][crc32][payload]`, one after the other, in one `write` a call.
A returned append is in the system's page cache, so that it survives the death of any process; with durability `disk`
it is flushed first, one `fsync` for all threads that wait. A process holds a lock on the segment it writes, so that
others can tell a finished one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4
from zlib import crc32

from rondo.errors import LogFull, StoreError
from rondo.store.names import segments as checked

SEGMENT_BYTES = 64 << 20
_HEADER = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


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
        self._folder, self._durability = folder, durability
        self._clock, self._segment_bytes = clock, segment_bytes
        self._writers: dict[str, _Segment] = {}
        self._begun = 0
        self._lock = threading.Lock()

    def append(self, stream: str, payloads: Sequence[bytes]) -> None:
        """Writes all payloads or none; when it returns they are safe as far as `durability` says.

        Payloads must not be empty. Raises LogFull when the disk is, StoreError when it fails.
        """
        if not payloads:
            return
        frames = b"".join([_frame(payload) for payload in payloads])
        with self._lock:
            segment = self._writers.get(stream)
            if segment is None or segment.process != os.getpid() or segment.size >= self._segment_bytes:
                segment = self._begin(stream)
            try:
                end = segment.write(frames)
            except OSError as error:
                self._abandon(stream)
                raise _failure(stream, error) from error
        if self._durability == "disk":
            try:
                segment.flush(end)
            except OSError as error:
                raise _failure(stream, error) from error

    def read(self, stream: str, since: Mapping[str, int] | None = None) -> Iterator[tuple[str, int, bytes]]:
        """(segment, end offset, payload) of every whole record after the offsets `since`, segment by segment.

        A record torn by the death of its writer ends its segment; one whose bytes were changed is left out.
        """
        for name in self.segments(stream):
            path = self._path(stream, name)
            for end, payload in _records(path, (since or {}).get(name, 0)):
                yield name, end, payload

    def segments(self, stream: str) -> list[str]:
        """The names of a stream's segments, oldest first."""
        folder = self._stream(stream)
        return sorted(path.name for path in folder.glob("*.log")) if folder.is_dir() else []

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
            if next(_records(path, up_to), None) is not None:
                return False
            path.unlink(missing_ok=True)
        except BlockingIOError:
            return False  # its writer lives
        finally:
            os.close(descriptor)
        return True

    def close(self) -> None:
        """Finishes the segments of this process."""
        with self._lock:
            for stream in list(self._writers):
                self._abandon(stream)

    def _begin(self, stream: str) -> _Segment:
        self._abandon(stream)
        folder = self._stream(stream)
        self._begun += 1
        # In the order of writing by the project's clock, and where that stands still, by count.
        began = self._clock().astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        name = f"{began}-{self._begun:06d}-{os.getpid()}-{uuid4().hex[:8]}.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            segment = _Segment(folder / name, waited_for=self._durability == "disk")
            if self._durability == "disk":
                _flush_folder(folder)
        except OSError as error:
            raise _failure(stream, error) from error
        self._writers[stream] = segment
        return segment

    def _abandon(self, stream: str) -> None:
        if (segment := self._writers.pop(stream, None)) is not None:
            segment.finish()

    def _stream(self, stream: str) -> Path:
        return self._folder.joinpath(*checked(stream, "stream of the log"))

    def _path(self, stream: str, segment: str) -> Path:
        if not segment.endswith(".log") or Path(segment).name != segment:
            raise StoreError(f"{segment!r} is not a segment of the log.")
        return self._stream(stream) / segment


class _Segment:
    """A file that this process alone appends to. `waited_for`: somebody may wait for its bytes to be on disk."""

    def __init__(self, path: Path, *, waited_for: bool) -> None:
        self._descriptor = _created(path)
        self._waited_for = waited_for
        self._flushing = threading.Lock()
        self._flushed = 0
        self.process = os.getpid()
        self.size = 0

    def write(self, frames: bytes) -> int:
        """Appends all of `frames` and gives the end offset, or raises OSError and leaves nothing of them."""
        rest = memoryview(frames)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(frames)
        return self.size

    def flush(self, end: int) -> None:
        """Returns when the bytes before `end` are on disk; those who wait here share the next `fsync`."""
        with self._flushing:
            if self._flushed < end:
                covered = self.size
                os.fsync(self._descriptor)
                self._flushed = covered

    def finish(self) -> None:
        """Closes the file, once nobody flushes it: other processes may drop it now."""
        with self._flushing:
            try:
                if self._waited_for and self._flushed < self.size and self.process == os.getpid():
                    os.fsync(self._descriptor)
                    self._flushed = self.size
            finally:
                os.close(self._descriptor)


def _created(path: Path) -> int:
    """A new file, locked. One that `drop` took for finished before it was locked is made again."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


def _frame(payload: bytes) -> bytes:
    if not payload:
        raise StoreError("The log takes no empty payload.")
    length = _LENGTH.pack(len(payload))
    # The length is covered, too: zeros left by a machine that died are no record.
    return _HEADER.pack(len(payload), crc32(payload, crc32(length))) + payload


def _records(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """(end offset, payload) of each whole record from `start` on."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return  # dropped since it was listed
    with file:
        size = os.fstat(file.fileno()).st_size
        file.seek(start)
        end = start
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            length, check = _HEADER.unpack(header)
            end += _HEADER.size + length
            if length == 0 or end > size:
                return
            payload = file.read(length)
            if crc32(payload, crc32(header[:4])) == check:
                yield end, payload


def _failure(stream: str, error: OSError) -> StoreError:
    if error.errno in _FULL:
        return LogFull(
            f"The log of {stream!r} cannot grow: {error.strerror}.",
            next_step="Make room on the disk; predictions are refused until there is.",
        )
    return StoreError(f"The log of {stream!r} cannot be written: {error.strerror}.", next_step="Look at the disk.")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
