"""Live updates: pages that are open are told that the ledger has grown, or that predictions were given.

One look at the ledger a second serves all who follow, and none is taken while nobody does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from rondo.console.looking import Project
from rondo.deploy.predictions import stream_of
from rondo.errors import RondoError

EVERY_S = 1.0
BEAT_S = 15.0
"""How often a line is sent that says nothing, so that both ends learn when the other is gone."""
MOST = 100
READ_AT_ONCE = 200
PREDICTIONS = "predictions"
Change = tuple[str, str]
"""The kind of a record and its name; no kind and no name: more has changed than can be told apart."""
ANYTHING: Change = ("", "")


@dataclass(eq=False)
class Follower:
    """A page that is open: what concerns it, and what has changed since it was told."""

    kinds: frozenset[str]
    name: str | None
    changed: set[str] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, changes: set[Change]) -> None:
        """Wake it where one of the changes concerns it."""
        found = {kind for kind, name in changes if self._concerns(kind, name)}
        if found:
            self.changed |= found
            self.woken.set()

    def _concerns(self, kind: str, name: str) -> bool:
        return (kind, name) == ANYTHING or (kind in self.kinds and self.name in (None, name))


class Following:
    """All pages that follow. Of one event loop; `ended` says that the server is on its way out."""

    def __init__(
        self, project: Project, *, every_s: float = EVERY_S, ended: Callable[[], bool] = lambda: False
    ) -> None:
        self._project, self._every_s = project, every_s
        self.ended = ended
        self._followers: set[Follower] = set()
        self._looking: asyncio.Task[None] | None = None
        self._seq = 0
        self._sizes: dict[str, int] = {}

    @property
    def full(self) -> bool:
        """Whether no more pages can follow."""
        return len(self._followers) >= MOST

    @property
    def count(self) -> int:
        """How many pages follow."""
        return len(self._followers)

    async def events(self, kinds: frozenset[str], name: str | None, admitted: Callable[[], bool]) -> AsyncIterator[str]:
        """Server-sent events for one page, until it leaves, the server ends, or it is `admitted` no longer."""
        follower = Follower(kinds, name)
        self._followers.add(follower)
        try:
            if self._looking is None or self._looking.done():
                await asyncio.to_thread(self._look)  # what was before is no news
                self._looking = asyncio.create_task(self._keep_looking())
            yield "retry: 3000\n\n"
            beat = asyncio.get_running_loop().time() + BEAT_S
            while not self.ended():
                try:
                    await asyncio.wait_for(follower.woken.wait(), self._every_s)
                except TimeoutError:
                    if asyncio.get_running_loop().time() < beat:
                        continue
                if not await asyncio.to_thread(admitted):
                    return
                beat = asyncio.get_running_loop().time() + BEAT_S
                yield self._written(follower)
        finally:
            self._followers.discard(follower)

    @staticmethod
    def _written(follower: Follower) -> str:
        follower.woken.clear()
        if not follower.changed:
            return ": still here\n\n"
        changed = sorted(follower.changed)
        follower.changed.clear()
        return f"event: changed\ndata: {json.dumps({'kinds': changed})}\n\n"

    async def _keep_looking(self) -> None:
        """Look until nobody follows."""
        while self._followers and not self.ended():
            await asyncio.sleep(self._every_s)
            changes = await asyncio.to_thread(self._look)
            if changes:
                for follower in tuple(self._followers):
                    follower.tell(changes)

    def _look(self) -> set[Change]:
        """What has changed since the last look; nothing while the project cannot be read."""
        try:
            work = self._project.work()
            newest = work.store.ledger.history(1)
            seq = newest[0].seq if newest else 0
            changes: set[Change] = set()
            if seq - self._seq > READ_AT_ONCE:
                changes.add(ANYTHING)
            elif seq > self._seq:
                grown = work.store.ledger.history(seq - self._seq)
                changes |= {(entry.record.KIND, entry.record.name) for entry in grown}
            self._seq = seq
            sizes = {model: sum(work.store.log.sizes(stream_of(model)).values()) for model in work.project.models}
        except (RondoError, OSError):
            return set()
        changes |= {(PREDICTIONS, model) for model, size in sizes.items() if size != self._sizes.get(model)}
        self._sizes = sizes
        return changes
