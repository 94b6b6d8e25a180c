"""Online values: what serving reads by key, published whole.

A space (a table at a definition fingerprint) is written beside the old content under a new generation, then the
pointer to the generation is changed at once: a reader has all of the old or all of the new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rondo.errors import StoreError
from rondo.store.online_found import Found
from rondo.store.online_lmdb import LmdbOnline
from rondo.store.online_redis import SCHEMES, RedisOnline, read_address


class Online(Protocol):
    """Values by space and key. Any number of threads and processes may use one, also after a fork."""

    @property
    def local(self) -> bool:
        """Whether a read never waits for another machine."""
        ...

    def publish(self, space: str, items: Iterable[tuple[bytes, bytes]], *, meta: Mapping[str, object]) -> int:
        """Replaces the content of a space, and its `meta`, at once; gives the number of items. Items may be a stream.

        A key that comes twice keeps its last value. Raises StoreError; what was there then stays.
        """
        ...

    def read(self, asked: Sequence[tuple[str, Sequence[bytes]]]) -> list[Found]:
        """What keys of spaces lead to, in the order asked; all of one moment, across spaces too."""
        ...

    def published(self, space: str) -> tuple[bytes, dict[str, Any]] | None:
        """The last publication, as `Found.publication` names it, with its `meta`; None without one."""
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


def open_online(url: str, *, project: str | None = None) -> Online:
    """The online store at `lmdb://FOLDER`, or in a Redis (see `read_address`), there apart by project.

    Nothing is created or asked before the first use. Raises StoreError for a URL that cannot be read.
    """
    scheme, separator, rest = url.partition("://")
    if scheme == "lmdb" and separator and rest:
        return LmdbOnline(Path(rest))
    if scheme in SCHEMES and separator:
        return RedisOnline(read_address(url, project=project))
    where = f"at {scheme}://" if separator else "there"
    raise StoreError(
        f"Online values cannot be kept {where}: this release speaks lmdb://FOLDER, redis://, rediss:// and unix://.",
        next_step="Change `online` under [stores] in rondo.toml.",
    )


__all__ = ["Found", "LmdbOnline", "Online", "RedisOnline", "open_online", "read_address"]
