"""A server as one writes it by hand: FastAPI, the row's 30 features in the request, LightGBM's predict on an array.

TREES=trees.txt uvicorn handwritten:app
"""

from __future__ import annotations

import os

import lightgbm
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
booster = lightgbm.Booster(model_file=os.environ["TREES"])


class Asked(BaseModel):
    """Rows of numbers in the order of the trees' columns; missing ones null."""

    rows: list[list[float | None]]


class Answered(BaseModel):
    """A score a row."""

    scores: list[float]


@app.post("/predict")
async def predict(asked: Asked) -> Answered:
    """Scores of the positive class."""
    matrix = np.array(asked.rows, dtype=np.float64)
    return Answered(scores=booster.predict(matrix, num_threads=1).tolist())
