"""Routes of the console: the pages, served."""
