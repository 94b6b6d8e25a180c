from __future__ import annotations

from rondo.features.signature import class_name


def test_classes_are_named_as_json_writes_them() -> None:
    assert [class_name(value) for value in (True, 1.0, 2, "a", 1.5)] == ["true", "1", "2", "a", "1.5"]
