from __future__ import annotations

import pytest

from rondo.errors import DeclarationError
from rondo.project.checks import not_null, unique
from rondo.project.sources import Files, Source, files


def test_a_source_with_nothing_but_its_files() -> None:
    source = Source(files("data/*.csv"))
    assert source.reader == Files("data/*.csv") and source.reader.address == "data/*.csv"
    assert (source.key, source.time, source.known, source.checks, source.on_fail) == ((), None, None, (), "block")


def test_what_is_written_as_one_or_several() -> None:
    source = Source(
        files("data/*.csv", null="NA", types={"b": "DATE", "a": "INT"}),
        key="id",
        checks=["id > 0", {"not_null": ["id"]}, unique()],
        fresh="36h",
        every="1h",
        personal={"name": "hash"},
    )
    assert source.key == ("id",) and source.reader.null == ("NA",)
    assert source.reader.types == (("a", "INT"), ("b", "DATE"))
    assert source.checks[1:] == (not_null("id"), unique())
    assert (source.fresh_s, source.every_s, source.personal) == (129_600, 3_600, (("name", "hash"),))
    assert Source(files("d"), checks="id > 0").checks == Source(files("d"), checks=["id > 0"]).checks


def test_sources_that_say_the_same_are_equal() -> None:
    assert Source(files("a.csv"), key="id") == Source(files("a.csv"), key=["id"])
    assert Source(files("a.csv"), key="id") != Source(files("a.csv"), key="ide")


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: Source("data/*.csv"), "is a reader"),
        (lambda: Source(files("a"), key=["a", "a"]), "key is"),
        (lambda: Source(files("a"), key=[1]), "key is"),
        (lambda: Source(files("a"), key=""), "key is"),
        (lambda: Source(files("a"), on_fail="stop"), "block, quarantine, warn"),
        (lambda: Source(files("a"), checks=[{"unlike": []}]), "There is no check 'unlike'"),
        (lambda: Source(files("a"), checks=["unique"]), "no key"),
        (lambda: Source(files("a"), fresh="soon"), "fresh is 'soon'"),
        (lambda: Source(files("a"), every=3600), "every is 3600"),
        (lambda: Source(files("a"), time=5), "time is 5"),
        (lambda: Source(files("a"), known=""), "known is ''"),
        (lambda: files("a", format="xlsx"), "csv, parquet, jsonl"),
        (lambda: files("a", encoding="klingon"), "encoding is 'klingon'"),
        (lambda: files("a", columns=["a", "a"]), "columns is"),
        (lambda: files("a", skip=-1), "skip is -1"),
        (lambda: files(""), "pattern is ''"),
    ],
)
def test_what_cannot_be_declared_is_refused(declare, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        declare()
