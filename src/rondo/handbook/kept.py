"""What is composed once and kept in the process: a pure function of its key, so that any process comes to the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """At most so many values; what was not asked for longest makes way. Thread-safe."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.lock = threading.Lock()
        self.values: OrderedDict[Hashable, T] = OrderedDict()


def keep(kept: Kept[T], key: Hashable, make: Callable[[], T]) -> T:
    """What is kept under `key`, made if need be. Two that ask at once may both make it."""
    with kept.lock:
        if key in kept.values:
            kept.values.move_to_end(key)
            return kept.values[key]
    made = make()
    with kept.lock:
        kept.values[key] = made
        while len(kept.values) > kept.most:
            kept.values.popitem(last=False)
    return made
