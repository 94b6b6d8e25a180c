"""SQL: what a query reads and where its columns come from, DuckDB sessions, storable types, compiled scalars."""
