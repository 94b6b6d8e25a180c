"""One script a schema version; `revision` is that version, four digits."""
