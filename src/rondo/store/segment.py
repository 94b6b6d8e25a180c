"""One segment of the log: a file of frames `[length][crc32][payload]` that one process appends to and any may read."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from rondo.errors import StoreError

_HEADER = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_PART = 1 << 20


class Segment:
    """A file that this process alone appends to. `waited_for`: somebody may wait for its bytes to be on disk."""

    def __init__(self, path: Path, *, waited_for: bool) -> None:
        self._path, self._descriptor = path, _created(path)
        self._waited_for = waited_for
        self._flushing = threading.Lock()
        self._flushed = 0
        self._failed: OSError | None = None
        self.process = os.getpid()
        self.size = 0

    def write(self, frames: bytes) -> int:
        """Appends all of `frames` and gives the end offset, or raises OSError and leaves nothing of them."""
        try:
            done = os.write(self._descriptor, frames)
            while done < len(frames):
                done += os.write(self._descriptor, frames[done:])
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += done
        return self.size

    def flush(self, end: int) -> None:
        """Returns when the bytes before `end` are on disk; those who wait here share the next `fsync`.

        Raises OSError where it failed, now or before: the system may have dropped what it could not write, and a
        second `fsync` would succeed without it.
        """
        with self._flushing:
            if self._flushed >= end:
                return
            if self._failed is not None:
                raise OSError(self._failed.errno, self._failed.strerror)
            covered = self.size
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self._failed = error
                raise
            self._flushed = covered

    def finish(self) -> None:
        """Closes the file, once nobody flushes it: other processes may drop it now. An empty one is removed."""
        if self.process != os.getpid():  # a fork's: the lock may be held by a thread that is not here
            os.close(self._descriptor)
            return
        if self._waited_for:
            with suppress(OSError):  # kept for those who wait for it
                self.flush(self.size)
        with self._flushing:
            if not self.size:
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)


def _created(path: Path) -> int:
    """A new file, locked. One that `drop` took for finished before it was locked is made again."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


def frame(payload: bytes) -> bytes:
    """A payload as it stands in a segment. Raises StoreError for an empty one."""
    if not payload:
        raise StoreError("The log takes no empty payload.")
    return _HEADER.pack(len(payload), _check(payload)) + payload


def _check(payload: bytes) -> int:
    # The length is covered, too: zeros left by a machine that died are no record.
    return crc32(payload, crc32(_LENGTH.pack(len(payload))))


def _frames(path: Path, start: int) -> Iterator[tuple[int, int, bytes]]:
    """(end offset, check, payload) of each frame from `start` on that is there to its end, whatever it holds."""
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
            yield end, check, file.read(length)


def records(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """(end offset, payload) of each whole record from `start` on."""
    for end, check, payload in _frames(path, start):
        if _check(payload) == check:
            yield end, payload


def holding(path: Path, start: int, wanted: bytes) -> Iterator[tuple[int, bytes]]:
    """`records`, of those alone whose payload holds these bytes: the others' are stepped over, not read."""
    if not holds(path, start, wanted):
        return
    with suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
        file.seek(start)
        data = file.read()
        place, end = data.find(wanted), 0
        while place >= 0 and end + _HEADER.size <= len(data):
            length, check = _HEADER.unpack_from(data, end)
            begin = end + _HEADER.size
            end = begin + length
            if length == 0 or end > len(data):
                return
            if end > place:
                payload = data[begin:end]
                if wanted in payload and _check(payload) == check:
                    yield start + end, payload
                place = data.find(wanted, end)


def holds(path: Path, start: int, wanted: bytes) -> bool:
    """Whether bytes stand anywhere in a file from `start` on: much faster than reading its records."""
    with suppress(FileNotFoundError), path.open("rb", buffering=0) as file:  # dropped since it was listed
        file.seek(start)
        last = b""
        while part := file.read(_PART):
            if wanted in last + part:
                return True
            last = part[-len(wanted) :]
    return False


def erase(path: Path, gone: Callable[[bytes], bool]) -> int:
    """Overwrites with zeros, on disk, what is to be gone and what is unreadable; see `PredictionLog.erase`."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    erased, changed, last = 0, False, 0
    try:
        size = os.fstat(descriptor).st_size
        for end, check, payload in _frames(path, 0):
            last = end
            whole, zeros = _check(payload) == check, bytes(len(payload))
            if (whole and gone(payload)) or (not whole and payload != zeros and end < size):
                never = _check(zeros) ^ 0xFFFFFFFF  # not taken for a record again, not even one of zeros
                frame = _HEADER.pack(len(zeros), never) + zeros
                os.pwrite(descriptor, frame, end - len(frame))
                erased, changed = erased + whole, True
        with suppress(BlockingIOError):  # its writer lives, and what looks torn is being written
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            last = max((end for end, *_ in _frames(path, last)), default=last)
            if last < os.fstat(descriptor).st_size:
                os.ftruncate(descriptor, last)
                changed = True
        if changed:
            os.fsync(descriptor)
    except OSError as error:
        raise StoreError(f"{path.name} of the log cannot be erased from: {error.strerror}.") from error
    finally:
        os.close(descriptor)
    return erased
