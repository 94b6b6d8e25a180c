"""What online stores share: what a read finds, and what a space may be called."""

from __future__ import annotations

from typing import NamedTuple

from rondo.errors import StoreError

LONGEST_SPACE = 400
"""Bytes of a space's name."""


class Found(NamedTuple):
    """What was found of one space, all of it from one publication.

    `publication` differs between any two publications of a space and is None while it has none; `values` are in the
    order of the keys asked, None where there is no value.
    """

    publication: bytes | None
    values: list[bytes | None]


def space_name(space: str) -> bytes:
    """The bytes of a space's name. Raises StoreError for one too long to publish under."""
    name = space.encode()
    if len(name) > LONGEST_SPACE:
        raise StoreError(
            f"Online values cannot be published as {space[:60]!r}…: {len(name)} bytes are more than {LONGEST_SPACE}.",
            next_step="Give the table a shorter name.",
        )
    return name
