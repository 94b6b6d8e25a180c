"""Pure numbers: metrics, intervals, distances, tests. Arrays in, frozen typed results out."""
