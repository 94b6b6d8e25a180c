"""The gettext catalogues: one folder a language, one `.po` file an area of the program, read together."""

from __future__ import annotations

from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import Literal

Code = Literal["en", "ko"]
CODES: tuple[Code, ...] = ("en", "ko")


def sources(code: Code) -> list[Traversable]:
    """The `.po` files of a language, by name. English is the language of the program and has none."""
    folder = files("rondo.language") / "locale" / code / "LC_MESSAGES"
    found = [file for file in folder.iterdir() if file.name.endswith(".po")] if folder.is_dir() else []
    return sorted(found, key=lambda file: file.name)


@cache
def translations(code: Code) -> NullTranslations:
    """All catalogues of a language as one; a message that none has reads as it is written."""
    if code == "en":
        return NullTranslations()
    from babel.messages.catalog import Catalog
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    whole = Catalog(locale=code)
    for file in sources(code):
        for message in read_po(BytesIO(file.read_bytes()), locale=code):
            if message.id:
                whole.add(message.id, message.string)
    compiled = BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return GNUTranslations(compiled)
