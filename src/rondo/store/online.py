"""Online values: what serving reads by key, published whole.

A space (a table at a definition fingerprint) is written beside the old content under a new generation, then the
pointer to the generation is changed in one transaction: a reader has all of the old or all of the new.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast
from weakref import WeakValueDictionary

import msgspec

from rondo.errors import StoreError
from rondo.store.locks import held

if TYPE_CHECKING:
    import lmdb

T = TypeVar("T")
BATCH = 20_000
"""Items a transaction: what the writer holds in memory, and how long it makes other writers wait."""
LONGEST_KEY = 400
RESERVED_BYTES = 1 << 36
"""Address space, not disk: 64 GiB. The file grows as it is filled."""


class Online(Protocol):
    """Values by space and key."""

    def publish(self, space: str, items: Iterable[tuple[bytes, bytes]], *, meta: Mapping[str, object]) -> int:
        """Replaces the content of a space, and its `meta`, at once; gives the number of items. Items may be a stream.

        A key that comes twice keeps its last value. Raises StoreError; what was there then stays.
        """
        ...

    def get(self, space: str, key: bytes) -> bytes | None:
        """The value of a key, None without it."""
        ...

    def get_many(self, space: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, in their order, all of one publication."""
        ...

    def meta(self, space: str) -> dict[str, Any] | None:
        """What was said at the last publication, None without one."""
        ...

    def spaces(self) -> list[str]:
        """The spaces that are published, sorted."""
        ...

    def drop(self, space: str) -> None:
        """Removes a space, if it is there."""
        ...


def open_online(url: str, *, reserve_bytes: int = RESERVED_BYTES) -> Online:
    """The online store at `lmdb://FOLDER`. Nothing is created before the first publication."""
    scheme, separator, rest = url.partition("://")
    if scheme == "lmdb" and separator and rest:
        return LmdbOnline(Path(rest), reserve_bytes=reserve_bytes)
    raise StoreError(
        f"Online values cannot be kept at {scheme}://: this release speaks lmdb://FOLDER.",
        next_step="Change `online` under [stores] in rondo.toml.",
    )


class LmdbOnline:
    """`Online` in an LMDB file that any number of processes read and write.

    One database: `s` + space leads to the pointer (generation in 8 bytes, then `meta` as JSON), `v` + generation +
    key to a value. A key too long for LMDB is kept under its SHA-256.
    """

    def __init__(self, folder: Path, *, reserve_bytes: int = RESERVED_BYTES) -> None:
        self._folder = folder.absolute()
        self._reserve = reserve_bytes
        self._opened: _Environment | None = None

    def publish(self, space: str, items: Iterable[tuple[bytes, bytes]], *, meta: Mapping[str, object]) -> int:
        """See `Online.publish`. Publications wait for one another; readers wait for none."""
        told = msgspec.json.encode(meta)
        opened = self._created()
        with held(self._folder / "publishing.lock"):
            generation = opened.write(_begin_generation)
            for old in opened.read(_abandoned):  # left behind by publishers that died
                opened.clear(old)
            before, stream = opened.read(_entries), iter(items)
            try:
                while batch := list(islice(stream, BATCH)):
                    opened.write(partial(_put, generation, batch))
                count = opened.read(_entries) - before
            except BaseException:
                opened.clear(generation)
                raise
            replaced = opened.write(partial(_point, space, generation + told))
            if replaced is not None:
                opened.clear(replaced)
        return count

    def get(self, space: str, key: bytes) -> bytes | None:
        """See `Online.get`."""
        return self.get_many(space, (key,))[0]

    def get_many(self, space: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `Online.get_many`."""

        def look(txn: lmdb.Transaction) -> list[bytes | None]:
            pointer = _get(txn, _POINTER + space.encode())
            if pointer is None:
                return [None] * len(keys)
            prefix = _VALUE + pointer[:8]
            return [_get(txn, prefix + (key if len(key) <= LONGEST_KEY else sha256(key).digest())) for key in keys]

        opened = self._there()
        return [None] * len(keys) if opened is None else opened.read(look)

    def meta(self, space: str) -> dict[str, Any] | None:
        """See `Online.meta`."""
        opened = self._there()
        pointer = opened.read(lambda txn: _get(txn, _POINTER + space.encode())) if opened is not None else None
        return None if pointer is None else msgspec.json.decode(pointer[8:], type=dict[str, Any])

    def spaces(self) -> list[str]:
        """See `Online.spaces`."""
        opened = self._there()
        return [] if opened is None else [name.decode() for name, _ in opened.read(_pointers)]

    def drop(self, space: str) -> None:
        """See `Online.drop`."""
        opened = self._there()
        if opened is None:
            return
        with held(self._folder / "publishing.lock"):
            dropped = opened.write(partial(_point, space, None))
            if dropped is not None:
                opened.clear(dropped)

    def _created(self) -> _Environment:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._environment()

    def _there(self) -> _Environment | None:
        if self._opened is not None and self._opened.process == os.getpid():
            return self._opened
        return self._environment() if (self._folder / "data.mdb").exists() else None

    def _environment(self) -> _Environment:
        self._opened = _Environment.of(self._folder, self._reserve)
        return self._opened


_POINTER, _VALUE, _LAST = b"s", b"v", b"g"
_Generation = bytes


def _get(txn: lmdb.Transaction, key: bytes) -> bytes | None:
    return cast("bytes | None", txn.get(key))  # memoryview only with buffers=True


def _begin_generation(txn: lmdb.Transaction) -> _Generation:
    last = int.from_bytes(_get(txn, _LAST) or b"")
    generation = (last + 1).to_bytes(8)
    txn.put(_LAST, generation)
    return generation


def _put(generation: _Generation, batch: Sequence[tuple[bytes, bytes]], txn: lmdb.Transaction) -> None:
    prefix = _VALUE + generation
    stored = ((prefix + (key if len(key) <= LONGEST_KEY else sha256(key).digest()), value) for key, value in batch)
    with txn.cursor() as cursor:
        cursor.putmulti(stored)


def _point(space: str, pointer: bytes | None, txn: lmdb.Transaction) -> _Generation | None:
    """Leads a space to another generation, or to none; gives the one it led to."""
    name = _POINTER + space.encode()
    before = _get(txn, name)
    if pointer is None:
        txn.delete(name)
    else:
        txn.put(name, pointer)
    return None if before is None else before[:8]


def _pointers(txn: lmdb.Transaction) -> list[tuple[bytes, bytes]]:
    found = []
    with txn.cursor() as cursor:
        if cursor.set_range(_POINTER):
            for key, value in takewhile(lambda item: item[0][:1] == _POINTER, cursor):
                found.append((bytes(key[1:]), bytes(value)))
    return found


def _abandoned(txn: lmdb.Transaction) -> list[_Generation]:
    """Generations with values that no space leads to."""
    led_to = {pointer[:8] for _, pointer in _pointers(txn)}
    found, generation = [], b""
    with txn.cursor() as cursor:
        while cursor.set_range(_VALUE + generation + b"\xff" * (LONGEST_KEY if generation else 0)):
            if cursor.key()[:1] != _VALUE:
                break
            generation = bytes(cursor.key()[1:9])
            if generation not in led_to:
                found.append(generation)
    return found


def _entries(txn: lmdb.Transaction) -> int:
    return int(txn.stat()["entries"])


class _Environment:
    """One open LMDB file of this process: LMDB forbids opening it twice, and growing it while it is used."""

    _known: ClassVar[WeakValueDictionary[tuple[int, Path], _Environment]] = WeakValueDictionary()
    _knowing = threading.Lock()

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self._env = _environment(folder, reserve_bytes)
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self.process = os.getpid()

    @classmethod
    def of(cls, folder: Path, reserve_bytes: int) -> _Environment:
        """The open environment of a folder, opened at its first use in a process."""
        key = (os.getpid(), folder.resolve())
        with cls._knowing:
            found = cls._known.get(key)
            if found is None:
                found = cls._known[key] = cls(folder, reserve_bytes)
            return found

    def read(self, look: Callable[[lmdb.Transaction], T]) -> T:
        """What `look` finds in one snapshot."""
        import lmdb

        try:
            with self._reading, self._env.begin() as txn:
                return look(txn)
        except lmdb.MapResizedError:
            with self._writing:
                self._resize(0)  # as large as another process made it
            return self.read(look)
        except lmdb.Error as error:
            raise _translated(error) from error

    def write(self, change: Callable[[lmdb.Transaction], T]) -> T:
        """Makes a change that can be made again, in one transaction, and makes room for it if there is none."""
        import lmdb

        with self._writing:
            while True:
                try:
                    with self._env.begin(write=True) as txn:
                        return change(txn)
                except lmdb.MapFullError:
                    self._resize(2 * self._env.info()["map_size"])
                except lmdb.MapResizedError:
                    self._resize(0)
                except lmdb.Error as error:
                    raise _translated(error) from error

    def clear(self, generation: _Generation) -> None:
        """Deletes a generation that nothing leads to, a batch a transaction."""
        prefix = _VALUE + generation

        def some(txn: lmdb.Transaction) -> bool:
            with txn.cursor() as cursor:
                more = cursor.set_range(prefix)
                for _ in range(BATCH):
                    if not more or cursor.key()[:9] != prefix:
                        return False
                    more = cursor.delete() and bool(cursor.key())
            return True

        while self.write(some):
            pass

    def _resize(self, size: int) -> None:
        with self._reading:
            self._env.set_mapsize(size)


def _environment(folder: Path, reserve_bytes: int) -> lmdb.Environment:
    import lmdb

    while True:
        try:
            # metasync False: a machine that loses its power may forget the last publication, never half of one.
            env = lmdb.open(str(folder), map_size=reserve_bytes, metasync=False, max_readers=1024, max_dbs=0)
        except (lmdb.MemoryError, MemoryError):
            if reserve_bytes <= 1 << 24:
                raise
            reserve_bytes //= 2  # a limit on address space: begin small and grow
            continue
        except lmdb.Error as error:
            raise _translated(error) from error
        env.reader_check()  # slots of processes that died would keep old pages for ever
        return env


def _translated(error: Exception) -> StoreError:
    return StoreError(
        f"The online store does not answer: {error}.",
        next_step="See whether the disk is full; online values can be published again by `rondo run`.",
    )
