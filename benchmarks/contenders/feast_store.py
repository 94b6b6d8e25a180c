"""Feast's online store, in an environment of its own: `feast_store.py KIND CONNECTION FOLDER ROWS`.

ROWS is a Parquet file of keys, times and features. Says `ready` as a JSON line; then, for every line with a list of
keys, looks them up one after another and says what the last one found.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, String


def main() -> None:
    """Publish, then answer."""
    kind, connection, folder, rows = sys.argv[1:]
    online = {"type": kind, ("path" if kind == "sqlite" else "connection_string"): connection}
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(Path(folder) / "registry.db"),
            online_store=online,
            entity_key_serialization_version=3,
        )
    )
    frame = pd.read_parquet(rows)
    names = [name for name in frame.columns if name not in ("key", "time")]
    view = FeatureView(
        name="features",
        entities=[entity := Entity(name="key", join_keys=["key"], value_type=ValueType.STRING)],
        schema=[Field(name=name, dtype=String if frame[name].dtype == object else Float64) for name in names],
        source=FileSource(path=rows, timestamp_field="time"),
        ttl=None,
    )
    service = FeatureService(name="late", features=[view])
    store.apply([entity, view, service])
    store.write_to_online_store("features", df=frame)
    service = store.get_feature_service("late")
    answer(ready=True)
    for line in sys.stdin:
        for key in json.loads(line):
            found = store.get_online_features(features=service, entity_rows=[{"key": key}]).to_dict()
        answer(last=[found[name][0] for name in names])


def answer(**values: object) -> None:
    """One JSON line."""
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
