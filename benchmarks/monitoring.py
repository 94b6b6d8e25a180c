"""Drift: a report beside Evidently's and NannyML's in one run; ten million rows by 100 columns; a prediction's cost.

The contenders run in processes of their own (Evidently and NannyML in environments made in `.bench/`), hold the same
rows as they like them best before the clock starts, and report in turns. Rondo starts from Arrow columns each time.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from operator import truediv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
from contenders.servers import ENVIRONMENTS, install

from rondo.stats.distances import drift, reference_of
from rondo.stats.sketches import Sketch, decoded, encoded, sketch_column

CONTENDERS = ("rondo", "evidently", "nannyml")
NUMBERS, TEXTS = 15, 5
NAMES = (3, 12, 30, 105, 800)
ROUNDS = 3
CHUNKS = 40
DAY_FEATURES = 11


def main() -> None:
    """Print one JSON line a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, one round")
    parser.add_argument("--only", nargs="*", choices=("report", "scale", "prediction"), default=None)
    parser.add_argument("--scale-alone", type=int, metavar="ROWS", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.scale_alone:
        return show(scaled(asked.scale_alone))
    parts = asked.only or ("report", "scale", "prediction")
    if "report" in parts:
        report(20_000 if asked.quick else 200_000, 1 if asked.quick else ROUNDS)
    if "scale" in parts:  # in a process of its own, whose peak memory is nothing but its
        rows = 1_000_000 if asked.quick else 10_000_000
        subprocess.run([sys.executable, __file__, "--scale-alone", str(rows)], check=True)
    if "prediction" in parts:
        for rows in (1_000, 100_000):
            show(a_day(rows))
    return None


def show(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)


def report(rows: int, rounds: int) -> None:
    """Every contender's seconds, round after round; ratios are of one round."""
    for name in CONTENDERS[1:]:
        install(name)
    with tempfile.TemporaryDirectory() as folder:
        for side, moved in (("reference", 0.0), ("current", 1.0)):
            table = pa.table(dict(columns(rows, NUMBERS, TEXTS, moved, seed=int(moved))))
            feather.write_feather(table, Path(folder) / f"{side}.arrow", compression="uncompressed")
        running = {name: started(name, Path(folder)) for name in CONTENDERS}
        told: dict[str, list[dict[str, object]]] = {name: [] for name in CONTENDERS}
        for _ in range(rounds + 1):
            for name, process in running.items():
                assert process.stdin is not None and process.stdout is not None
                process.stdin.write("report\n")
                process.stdin.flush()
                said = process.stdout.readline() or sys.exit(f"{name} ended")
                told[name].append(json.loads(said))
        for process in running.values():
            process.communicate()
    for name in CONTENDERS:
        line: dict[str, object] = {"part": "report", "contender": name, "rows": rows, "columns": NUMBERS + TEXTS}
        for figure in ("seconds", "cpu_s"):
            own, ours = ([float(str(each[figure])) for each in told[of][1:]] for of in (name, "rondo"))  # one warms up
            line[figure] = round(statistics.median(own), 3)
            line[f"{figure}_against_rondo"] = round(statistics.median(map(truediv, own, ours)), 1)
        show({**line, "found": told[name][-1]["found"]})


def started(name: str, folder: Path) -> subprocess.Popen[str]:
    """The contender's process, its rows read."""
    python = sys.executable if name == "rondo" else ENVIRONMENTS / name / "bin" / "python"
    script = Path(__file__).parent / "contenders" / "drifting.py"
    return subprocess.Popen([python, script, name, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def columns(rows: int, numbers: int, texts: int, moved: float, seed: int) -> Iterator[tuple[str, pa.Array]]:
    """Columns one after another: every fifth moves (by a fifth of a deviation, or a name's share), every third has
    nulls.
    """
    for place in range(numbers + texts):
        rng = np.random.default_rng([seed, place])
        shift = moved if place % 5 == 0 else 0.0
        if place < numbers:
            drawn = rng.normal(0.2 * shift, 1, rows)
            values = [drawn, np.exp(drawn), np.round(drawn, 1)][place % 3]
        else:
            many = NAMES[place % len(NAMES)]
            weights = 1.0 / np.arange(1, many + 1) ** (1 + 0.1 * shift)
            values = rng.choice(many, rows, p=weights / weights.sum())
        gone = rng.random(rows) < 0.03 if place % 3 == 1 else None
        if place < numbers:
            yield f"number_{place}", pa.array(values, mask=gone)
        else:
            names = pa.array([f"name {each}" for each in range(NAMES[place % len(NAMES)])])
            coded = pa.DictionaryArray.from_arrays(pa.array(values.astype(np.int32), mask=gone), names)
            yield f"text_{place}", coded.cast(pa.string())


def scaled(rows: int) -> dict[str, object]:
    """Sketches of two tables, chunk after chunk as days come, then one drift report from what was stored of them."""
    sides: list[list[list[bytes]]] = []
    took, values = 0.0, 0
    for moved in (0.0, 1.0):
        days: list[list[bytes]] = []
        for chunk in range(CHUNKS):
            day = []
            for _, column in columns(rows // CHUNKS, 75, 25, moved, seed=1000 * int(moved) + chunk):
                began = time.perf_counter()
                day.append(encoded(sketch_column(column)))
                took += time.perf_counter() - began
                values += len(column)
            days.append(day)
        sides.append(days)
    began = time.perf_counter()
    found = [
        drift(*([decoded(day[place]) for day in days] for days in sides), seed=0)["population_stability_index"].value
        for place in range(100)
    ]
    reported = time.perf_counter() - began
    stored = sum(len(sketch) for days in sides for day in days for sketch in day)
    return {
        "part": "scale",
        "rows": f"{rows} against {rows}",
        "columns": 100,
        "building_s_a_side": round(took / 2, 1),
        "nanoseconds_a_value": round(took / values * 1e9, 1),
        "report_from_sketches_s": round(reported, 2),
        "sketches_mb": round(stored / 1e6, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "columns_with_index_above_0.005": sum(value is not None and value > 0.005 for value in found),
    }


def a_day(rows: int) -> dict[str, object]:
    """Processor time of a day of predictions: its columns sketched and stored, all drift figures of day and week."""
    past: list[list[Sketch]] = [
        [sketch_column(column) for _, column in columns(rows, DAY_FEATURES - 3, 3, 0.0, seed=day)] for day in range(7)
    ]
    references = [reference_of([sketch_column(column)]) for _, column in columns(50_000, DAY_FEATURES - 3, 3, 0.0, 99)]
    today = [column for _, column in columns(rows, DAY_FEATURES - 3, 3, 1.0, seed=8)]
    sketching, measuring = [], []
    for _ in range(5):
        began = time.process_time()
        sketches = [sketch_column(column) for column in today]
        kept = [encoded(sketch) for sketch in sketches]
        sketching.append(time.process_time() - began)
        began = time.process_time()
        for place, (reference, sketch) in enumerate(zip(references, sketches, strict=True)):
            drift(reference, [sketch], seed=0)
            drift(reference, [*(day[place] for day in past[1:]), sketch], seed=0)
        measuring.append(time.process_time() - began)
    return {
        "part": "prediction",
        "rows_a_day": rows,
        "features": DAY_FEATURES,
        "sketching_cpu_us_a_prediction": round(statistics.median(sketching) / rows * 1e6, 2),
        "measuring_cpu_us_a_prediction": round(statistics.median(measuring) / rows * 1e6, 2),
        "cpu_s_a_day": round(statistics.median(sketching) + statistics.median(measuring), 3),
        "bytes_a_day": sum(map(len, kept)),
    }


if __name__ == "__main__":
    main()
