"""Every error Rondo raises on purpose.

    RondoError                  what was wrong, where (file, line), the next step; `code` is stable, for machines
    ├── WrongUse                exit 2: the question cannot be answered as asked
    │   ├── DeclarationError    a project file says something that cannot be read
    │   ├── NotFound            a name that nothing here bears
    │   └── RowError            a row of a request does not fit the model's signature
    ├── Refused                 exit 1: a gate, a check or a rule says no
    └── Broken                  exit 3: something did not work
        ├── LoadError           a source could not be read
        ├── BuildError          a table, a dataset or a model could not be built
        │   └── TieError        two rows share key, time and known, and an example must choose between them
        └── StoreError          the ledger, the lake, an artifact or a log is not what was written
            ├── VersionTaken    another process recorded that version first: try again with the next
            └── LogFull         the disk took no more of the prediction log

`RondoError` is what the command line and the server turn into a message; anything else that escapes is a defect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class RondoError(Exception):
    """What was wrong, where it stands, and the next step.

    `message` is a sentence, `next_step` one a reader can take. `file` is relative to the project and `line` counts
    from 1. `facts` carries what a program may want (names, the values available).
    """

    code = "error"
    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "Run `rondo doctor`.",
        file: str | None = None,
        line: int | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.file = file
        self.line = line if file is not None else None
        self.facts = dict(facts or {})

    def document(self) -> dict[str, object]:
        """The public `error` document."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "file": self.file,
                "line": self.line,
                "next": self.next_step,
            }
        }


class WrongUse(RondoError):
    """The question cannot be answered as asked."""

    code = "wrong_use"
    exit_code = 2


class DeclarationError(WrongUse):
    """A project file says something that cannot be read."""

    code = "declaration"


class NotFound(WrongUse):
    """A name that nothing here bears."""

    code = "not_found"

    @classmethod
    def among(cls, what: str, name: str, available: Sequence[str]) -> NotFound:
        """A miss that lists what there is instead."""
        there = ", ".join(sorted(available)) or "none"
        return cls(
            f"There is no {what} {name!r}; there are: {there}.",
            next_step=f"Use one of these names, or declare the {what}.",
            facts={"name": name, "available": sorted(available)},
        )


class RowError(WrongUse):
    """A row of a request does not fit the signature. `errors` holds (field path, reason) pairs."""

    code = "row"

    def __init__(self, errors: Sequence[tuple[str | None, str]], *, next_step: str | None = None) -> None:
        text = "; ".join(f"{field}: {reason}" if field else reason for field, reason in errors[:5])
        super().__init__(text, next_step=next_step or "Mend the row and send it again.")
        self.errors = list(errors)


class Refused(RondoError):
    """A gate, a check or a rule says no."""

    code = "refused"
    exit_code = 1


class Broken(RondoError):
    """Something did not work."""

    code = "broken"


class LoadError(Broken):
    """A source could not be read."""

    code = "load"


class BuildError(Broken):
    """A table, a dataset or a model could not be built."""

    code = "build"


class TieError(BuildError):
    """Two rows share key, time and known, and an example must choose between them."""

    code = "tie"


class StoreError(Broken):
    """The ledger, the lake, an artifact or a log is not what was written."""

    code = "store"


class VersionTaken(StoreError):
    """Another process recorded that version first."""

    code = "version_taken"


class LogFull(StoreError):
    """The disk took no more of the prediction log."""

    code = "log_full"
