"""Data: sources loaded, tables built, checked and profiled, datasets frozen, features published, labels kept."""
