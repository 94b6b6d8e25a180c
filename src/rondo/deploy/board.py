"""The board on which the workers of a server write their counts, so that any of them can tell a scraper all of them.

It is memory that the workers share, and is gone with the server. A worker that takes the seat of one that died goes on
from what that one wrote last, so that no counter goes down.
"""

from __future__ import annotations

import mmap
import struct
import zlib

import msgspec

from rondo.deploy.exposition import Buckets, Labels, Samples

HALF_BYTES = 2 << 20  # only what is written takes memory
_GENERATION = struct.Struct("@Q")
_HEAD = struct.Struct("@II")
_SEAT_BYTES = _GENERATION.size + 2 * HALF_BYTES
_Written = dict[str, list[tuple[Labels, float | Buckets]]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Written).decode


class Board:
    """Seats, one a worker. Made before the workers are forked."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._memory = mmap.mmap(-1, workers * _SEAT_BYTES)

    def seat(self, number: int) -> Seat:
        """The seat of a worker, counted from 0."""
        return Seat(self, number)

    def write(self, seat: int, samples: Samples) -> bool:
        """Puts samples in the place of those before; says whether there was room for them."""
        written = _encode({name: list(values.items()) for name, values in samples.items()})
        if len(written) + _HEAD.size > HALF_BYTES:
            return False
        begin = seat * _SEAT_BYTES
        generation = _GENERATION.unpack_from(self._memory, begin)[0] + 1
        half = _half(seat, generation)
        _HEAD.pack_into(self._memory, half, len(written), zlib.crc32(written))
        self._memory[half + _HEAD.size : half + _HEAD.size + len(written)] = written
        _GENERATION.pack_into(self._memory, begin, generation)  # readers turn to the new half, or stay with the old
        return True

    def read(self, seat: int) -> Samples:
        """What was written last at a seat; nothing where nobody wrote."""
        while generation := _GENERATION.unpack_from(self._memory, seat * _SEAT_BYTES)[0]:
            half = _half(seat, generation)
            length, checksum = _HEAD.unpack_from(self._memory, half)
            written = self._memory[half + _HEAD.size : half + _HEAD.size + length]
            if zlib.crc32(written) == checksum:  # else its writer came by twice meanwhile
                return {name: dict(values) for name, values in _decode(written).items()}
        return {}


class Seat:
    """One worker's view of the board."""

    def __init__(self, board: Board, number: int) -> None:
        self.number = number
        self._board = board

    def mine(self) -> Samples:
        """What was written here last, by this worker or the one before it."""
        return self._board.read(self.number)

    def others(self) -> list[Samples]:
        """What the other workers wrote last."""
        return [self._board.read(other) for other in range(self._board.workers) if other != self.number]

    def write(self, samples: Samples) -> bool:
        """See Board.write."""
        return self._board.write(self.number, samples)


def _half(seat: int, generation: int) -> int:
    return seat * _SEAT_BYTES + _GENERATION.size + (generation & 1) * HALF_BYTES
