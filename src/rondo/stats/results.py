"""What a statistic answers with: a value, its interval, the rows it saw, its unit and which way is better."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def finite(number: float | None) -> float | None:
    """The number, or None where it is missing, not a number or infinite: a document knows none of these."""
    return float(number) if number is not None and math.isfinite(number) else None


@dataclass(frozen=True)
class Estimate:
    """One number about `n` rows with its two-sided 95 % interval.

    `value` is None where it is undefined (the AUC of one class), `low` and `high` where nothing can be said of its
    error. `standard_error` with `degrees` (of Student's t; None: normal) is what one-sided bounds are made from.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str = ""
    higher_is_better: bool | None = None
    standard_error: float | None = None
    degrees: int | None = None

    def document(self) -> dict[str, float | int | None]:
        """The public form: `value`, `low`, `high`, `n`."""
        return {"value": finite(self.value), "low": finite(self.low), "high": finite(self.high), "n": self.n}


@dataclass(frozen=True)
class Difference:
    """`a` − `b` of one metric on the same `n` rows, with the two-sided 95 % interval of the difference."""

    name: str
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    n: int
    standard_error: float | None = None
    degrees: int | None = None
    higher_is_better: bool | None = None

    @property
    def value(self) -> float | None:
        """The difference, so that bounds and tests read an estimate and a difference alike."""
        return self.difference

    def document(self) -> dict[str, float | None]:
        """The public form: `a`, `b`, `difference`, `low`, `high`."""
        return {name: finite(getattr(self, name)) for name in ("a", "b", "difference", "low", "high")}
