"""`python -m rondo.cli` is `rondo`."""

from rondo.cli import main

main()
