"""Online values in an LMDB file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, TypeVarTuple, cast
from weakref import WeakValueDictionary

import msgspec

from rondo.errors import StoreError
from rondo.store.locks import held
from rondo.store.online_found import Found, space_name

if TYPE_CHECKING:
    import lmdb

T = TypeVar("T")
Asked = TypeVarTuple("Asked")
BATCH = 20_000
"""Items a transaction: what the writer holds in memory, and how long it makes other writers wait."""
LONGEST_KEY = 400
RESERVED_BYTES = 1 << 36
"""Address space, not disk: 64 GiB. The file grows as it is filled."""


class LmdbOnline:
    """`Online` in an LMDB file that any number of processes read and write.

    One database: `s` + space leads to the pointer (generation in 8 bytes, then `meta` as JSON), `v` + generation +
    key to a value. A key too long for LMDB is kept under its SHA-256.
    """

    local = True

    def __init__(self, folder: Path, *, reserve_bytes: int = RESERVED_BYTES) -> None:
        self._folder = folder.absolute()
        self._reserve = reserve_bytes
        self._opened: _Environment | None = None

    def publish(self, space: str, items: Iterable[tuple[bytes, bytes]], *, meta: Mapping[str, object]) -> int:
        """See `Online.publish`. Publications wait for one another; readers wait for none."""
        name, told = _POINTER + space_name(space), msgspec.json.encode(meta)
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
            replaced = opened.write(partial(_point, name, generation + told))
            if replaced is not None:
                opened.clear(replaced)
        return count

    def read(self, asked: Sequence[tuple[str, Sequence[bytes]]]) -> list[Found]:
        """See `Online.read`."""
        opened = self._there()
        if opened is None:
            return [Found(None, [None] * len(keys)) for _, keys in asked]
        return opened.find(asked)

    def published(self, space: str) -> tuple[bytes, dict[str, Any]] | None:
        """See `Online.published`."""
        opened = self._there()
        pointer = opened.read(_get, _POINTER + space.encode()) if opened is not None else None
        return None if pointer is None else (pointer[:8], msgspec.json.decode(pointer[8:], type=dict[str, Any]))

    def meta(self, space: str) -> dict[str, Any] | None:
        """See `Online.meta`."""
        published = self.published(space)
        return None if published is None else published[1]

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
            dropped = opened.write(partial(_point, _POINTER + space.encode(), None))
            if dropped is not None:
                opened.clear(dropped)

    def _created(self) -> _Environment:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._environment()

    def _there(self) -> _Environment | None:
        if self._opened is not None:
            return self._opened
        return self._environment() if (self._folder / "data.mdb").exists() else None

    def _environment(self) -> _Environment:
        self._opened = _Environment.of(self._folder, self._reserve)
        return self._opened


_POINTER, _VALUE, _LAST = b"s", b"v", b"g"
_Generation = bytes


def _get(txn: lmdb.Transaction, key: bytes) -> bytes | None:
    return cast("bytes | None", txn.get(key))  # memoryview only with buffers=True


def _short(key: bytes) -> bytes:
    return key if len(key) <= LONGEST_KEY else sha256(key).digest()


def _begin_generation(txn: lmdb.Transaction) -> _Generation:
    last = int.from_bytes(_get(txn, _LAST) or b"")
    generation = (last + 1).to_bytes(8)
    txn.put(_LAST, generation)
    return generation


def _put(generation: _Generation, batch: Sequence[tuple[bytes, bytes]], txn: lmdb.Transaction) -> None:
    prefix = _VALUE + generation
    stored = ((prefix + _short(key), value) for key, value in batch)
    with txn.cursor() as cursor:
        cursor.putmulti(stored)


def _point(name: bytes, pointer: bytes | None, txn: lmdb.Transaction) -> _Generation | None:
    """Leads a space to another generation, or to none; gives the one it led to."""
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
    """One LMDB file of this process. LMDB forbids opening it twice, growing it while it is used, and, once it was open
    at a fork, using or even closing it in the child: so all are closed for a fork, and opened when they are next used.
    """

    _known: ClassVar[WeakValueDictionary[Path, _Environment]] = WeakValueDictionary()
    _knowing = threading.Lock()
    _forking = ExitStack()

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self._folder, self._reserve = folder, reserve_bytes
        self._env: lmdb.Environment | None = None
        self._snapshot = -1
        self._led: dict[str, tuple[_Generation | None, bytes]] = {}
        self._opening, self._reading, self._writing = threading.Lock(), threading.Lock(), threading.Lock()

    @classmethod
    def of(cls, folder: Path, reserve_bytes: int) -> _Environment:
        """The environment of a folder, one in a process."""
        folder = folder.resolve()
        with cls._knowing:
            found = cls._known.get(folder)
            if found is None:
                found = cls._known[folder] = cls(folder, reserve_bytes)
            return found

    @classmethod
    def before_fork(cls) -> None:
        """Closes all, and keeps every thread from changing that."""
        with ExitStack() as stack:
            stack.enter_context(cls._knowing)
            for environment in list(cls._known.values()):
                for lock in (environment._writing, environment._reading, environment._opening):
                    stack.enter_context(lock)
                if environment._env is not None:
                    environment._env.close()
                    environment._env = None
            cls._forking = stack.pop_all()

    @classmethod
    def after_fork(cls) -> None:
        """In the parent and in the child: they are opened again when they are next used."""
        cls._forking.close()

    def _open(self) -> lmdb.Environment:
        with self._opening:
            if self._env is None:
                self._env, self._snapshot = _environment(self._folder, self._reserve), -1
            return self._env

    def find(self, asked: Sequence[tuple[str, Sequence[bytes]]]) -> list[Found]:
        """`Online.read` in one snapshot. Serving waits for it, so it is `read` without its detours."""
        while True:
            try:
                with self._reading:
                    txn = (self._env or self._open()).begin()
                    try:
                        return self._found(txn, asked)
                    finally:
                        txn.abort()
            except Exception as error:  # sorted out apart: importing lmdb's classes at each read takes its time
                self._recover(error)

    def _found(self, txn: lmdb.Transaction, asked: Sequence[tuple[str, Sequence[bytes]]]) -> list[Found]:
        get: Callable[[bytes], bytes | None] = txn.get  # type: ignore[assignment]  # memoryview only with buffers=True
        if txn.id() != self._snapshot:  # while nobody writes, spaces lead where they led
            self._snapshot, self._led = txn.id(), {}
        found = []
        for space, keys in asked:
            led = self._led.get(space)
            if led is None:
                pointer = get(_POINTER + space.encode())
                led = self._led[space] = (None, b"") if pointer is None else (pointer[:8], _VALUE + pointer[:8])
            generation, prefix = led
            values: list[bytes | None] = []
            for key in keys:  # a comprehension would cost a tenth of the time of a read
                values.append(get(prefix + (key if len(key) <= LONGEST_KEY else _short(key))) if generation else None)
            found.append(Found(generation, values))
        return found

    def read(self, look: Callable[[lmdb.Transaction, *Asked], T], *asked: *Asked) -> T:
        """What `look` finds in one snapshot."""
        while True:
            try:
                with self._reading, (self._env or self._open()).begin() as txn:
                    return look(txn, *asked)
            except Exception as error:
                self._recover(error)

    def _recover(self, error: Exception) -> None:
        """Makes a failed read worth another try, or raises what it failed of."""
        import lmdb

        if isinstance(error, lmdb.MapResizedError):
            with self._writing:
                self._resize(0)  # as large as another process made it
        elif isinstance(error, lmdb.Error):
            raise _translated(error) from error
        else:
            raise error

    def write(self, change: Callable[[lmdb.Transaction], T]) -> T:
        """Makes a change that can be made again, in one transaction, and makes room for it if there is none."""
        import lmdb

        with self._writing:
            while True:
                try:
                    with (self._env or self._open()).begin(write=True) as txn:
                        return change(txn)
                except lmdb.MapFullError:
                    self._resize(2 * self._open().info()["map_size"])
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
            self._open().set_mapsize(size)


os.register_at_fork(
    before=_Environment.before_fork,
    after_in_parent=_Environment.after_fork,
    after_in_child=_Environment.after_fork,
)


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
