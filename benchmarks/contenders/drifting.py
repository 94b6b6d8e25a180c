"""One contender's drift report of `reference.arrow` and `current.arrow` in a folder: a line in, a report, a line out.

Runs in the contender's own environment. What stands before the first line is not timed.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather

os.environ.setdefault("NML_DISABLE_USAGE_LOGGING", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
Report = Callable[[], dict[str, Any]]


def rondo(reference: pa.Table, current: pa.Table) -> Report:
    """Index, divergence, Wasserstein distance, shift of nulls, share out of range or unseen, each with its interval."""
    from rondo.stats.distances import drift
    from rondo.stats.sketches import sketch_column

    def report() -> dict[str, Any]:
        found = {
            name: drift(sketch_column(reference[name]), [sketch_column(current[name])], seed=0)
            for name in reference.column_names
        }
        return {name: {each.name: each.value for each in figures.values()} for name, figures in found.items()}

    return report


def evidently(reference: pa.Table, current: pa.Table) -> Report:
    """The preset for drift: one distance a column (Wasserstein, Jensen-Shannon), whether it drifted, no interval."""
    from evidently import DataDefinition, Dataset
    from evidently import Report as EvidentlyReport
    from evidently.presets import DataDriftPreset

    numbers = [name for name in reference.column_names if name.startswith("number")]
    texts = [name for name in reference.column_names if name.startswith("text")]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
    sides = [Dataset.from_pandas(side.to_pandas(), data_definition=definition) for side in (current, reference)]

    def report() -> dict[str, Any]:
        found = EvidentlyReport([DataDriftPreset()]).run(*sides).dict()
        return {each["metric_name"]: each["value"] for each in found["metrics"]}

    return report


def nannyml(reference: pa.Table, current: pa.Table) -> Report:
    """Univariate drift in one chunk: one distance a column (Jensen-Shannon), thresholds, no interval."""
    from nannyml import UnivariateDriftCalculator

    before, after = reference.to_pandas(), current.to_pandas()

    def report() -> dict[str, Any]:
        calculator = UnivariateDriftCalculator(column_names=list(before.columns), chunk_number=1).fit(before)
        found = calculator.calculate(after).filter(period="analysis").to_df()
        return {" ".join(map(str, name)): value for name, value in found.iloc[0].items() if "value" in name}

    return report


def main() -> None:
    """Answer each line of the standard input with a report's seconds, and what it found of the first columns."""
    warnings.simplefilter("ignore")
    sides = [feather.read_table(Path(sys.argv[2]) / f"{side}.arrow") for side in ("reference", "current")]
    report = {"rondo": rondo, "evidently": evidently, "nannyml": nannyml}[sys.argv[1]](*sides)
    answers, sys.stdout = sys.stdout, sys.stderr
    for _ in sys.stdin:
        began, began_cpu = time.perf_counter(), time.process_time()
        found = report()
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
        first = dict(list(found.items())[:2])
        answers.write(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "found": first}, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
