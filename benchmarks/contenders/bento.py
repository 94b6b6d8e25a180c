"""A BentoML service with LightGBM's predict on an array.

TREES=trees.txt bentoml serve bento:Returns
"""

from __future__ import annotations

import os

import bentoml
import lightgbm
import numpy as np


@bentoml.service(workers=1)
class Returns:
    """Rows of numbers in the order of the trees' columns; missing ones null."""

    def __init__(self) -> None:
        self.booster = lightgbm.Booster(model_file=os.environ["TREES"])

    @bentoml.api
    def documented(self, rows: np.ndarray) -> np.ndarray:
        """Scores of the positive class, as BentoML's documentation writes it: on a thread, arrays at the door."""
        return self.booster.predict(rows.astype(np.float64), num_threads=1)

    @bentoml.api
    async def fastest(self, rows: list[list[float | None]]) -> list[float]:
        """The same in the way that was found to be fastest: on the event's loop, lists at its door."""
        return self.booster.predict(np.array(rows, dtype=np.float64), num_threads=1).tolist()
