from __future__ import annotations

import pytest

from rondo.errors import WrongUse
from rondo.records.versions import model_version, parse_model_version, table_version


def test_versions_are_written_whole() -> None:
    assert (model_version("late", 7), table_version("flights", 12)) == ("late@7", "flights@v12")
    assert parse_model_version("late@7") == ("late", 7)


@pytest.mark.parametrize("text", ["late", "late@", "late@0", "late@v7", "late@07", "@7", "late@7 ", "late@-1", "7@7"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(WrongUse, match=r"late@7|is not a version") as refused:
        parse_model_version(text)
    assert "late@7" in refused.value.next_step
