from __future__ import annotations

import pytest

from rondo.errors import DeclarationError
from rondo.project.checks import not_null, parse_check
from rondo.project.tables import read_table


def read(write, text: str, name: str = "t"):
    root = write({f"tables/{name}.sql": text})
    return read_table(root / "tables" / f"{name}.sql", root)


def test_a_query_alone_is_a_table(write) -> None:
    table = read(write, "select 1 as a;\n")
    assert (table.name, table.sql, table.file, table.sql_line) == ("t", "select 1 as a", "tables/t.sql", 1)
    assert not table.is_examples


def test_a_header_declares(write) -> None:
    table = read(
        write,
        """/* ---
summary: What is late.
owner: mia
key: [a, b]
time: hour
known: known_at
keep: 6h
fresh: 1d
on_fail: quarantine
checks:
  - a > 0
  - not_null: [a]
personal:
  name: hash
--- */

-- the query
select a, b, hour, known_at from raw
""",
    )
    assert (table.key, table.time, table.known, table.keep_s, table.fresh_s) == (
        ("a", "b"),
        "hour",
        "known_at",
        21_600,
        86_400,
    )
    assert table.checks == (parse_check("a > 0"), not_null("a")) and table.on_fail == "quarantine"
    assert table.personal == (("name", "hash"),) and (table.summary, table.owner) == ("What is late.", "mia")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("select 1 as a", 1),
        ("\n\nselect 1 as a", 3),
        ("/* ---\nkey: a\n--- */\nselect 1 as a", 4),
        ("/* ---\nkey: a\n--- */ select 1 as a", 3),
        ("/* ---\nkey: a\n--- */\n\n\n  select 1 as a", 6),
        ("\n/* ---\nkey: a\n--- */\n-- note\nselect 1 as a", 5),
    ],
)
def test_the_query_knows_the_line_it_begins_on(write, text: str, line: int) -> None:
    table = read(write, text)
    assert table.sql_line == line
    assert text.splitlines()[line - 1].endswith(table.sql.splitlines()[0])


EXAMPLES = """/* ---
key: id
time: asked
label: late
label_known: landed
label_delay: 1h
inputs: [origin, asked]
derive:
  hour: hour(asked)
--- */
select 1
"""


def test_an_examples_table_has_a_label(write) -> None:
    table = read(write, EXAMPLES)
    assert table.is_examples and (table.label, table.label_known, table.label_delay_s) == ("late", "landed", 3_600)
    assert table.inputs == ("origin", "asked") and table.derive == (("hour", "hour(asked)"),)
    assert EXAMPLES.splitlines()[table.derive_line - 1] == "derive:"


@pytest.mark.parametrize(
    ("header", "line", "said"),
    [
        ("keys: a", 2, "unknown key 'keys'; it may have: summary, owner, key"),
        ("summary: s\nkeep: soon", 3, "keep is 'soon'"),
        ("summary: s\nkeep: 6h", 3, "keep needs a time"),
        ("known: k", 2, "known needs a time"),
        ("key: a\nkey: b", 3, "'key' stands twice"),
        ("key: {a: 1}", 2, "not a list of names"),
        ("key: [a, a]", 2, "key .*each once"),
        ("key: ['']", 2, "key .*each once"),
        ("inputs: [a]", 2, "inputs belongs to an examples table"),
        ("derive:\n  a: b", 2, "derive belongs to an examples table"),
        ("label_known: k", 2, "label_known belongs to an examples table"),
        ("label: y\ntime: t\ninputs: [a]", 2, "no label_known"),
        ("label: y\ntime: t\nlabel_known: k", 3, "time asks for inputs"),
        ("label: y\nlabel_known: k", 3, "label_known needs a time"),
        ("label: y\ninputs: [a, y]", 3, "inputs holds the label 'y'"),
        ("label: y\ntime: t\nlabel_known: k\ninputs: [a, k]", 5, "inputs holds label_known 'k'"),
        ("label: y\ninputs: [a, a]", 3, "inputs .*each once"),
        ("label: y\nderive: [a]", 3, "derive is"),
        ("on_fail: stop", 2, "block, quarantine, warn"),
        ("checks: a > 0", 2, "not a list"),
        ("key: a\nchecks:\n  - a > 0\n  - not_nul: [a]", 5, "There is no check 'not_nul'"),
        ("checks:\n  - a > 0\n  - unique", 4, "there is none"),
        ("incremental: hour", 2, "not supported yet"),
        ("personal: [a]", 2, "personal is"),
        ("- a", 2, "not a list of keys"),
    ],
)
def test_what_is_wrong_in_a_header_names_its_line(write, header: str, line: int, said: str) -> None:
    with pytest.raises(DeclarationError, match=said) as refused:
        read(write, f"/* ---\n{header}\n--- */\nselect 1\n")
    assert (refused.value.file, refused.value.line) == ("tables/t.sql", line)


@pytest.mark.parametrize("text", ["", "-- nothing\n", "/* ---\nkey: a\n--- */\n", "/* ---\nkey: a\n--- */\n;\n/* */"])
def test_a_file_without_a_query_is_refused(write, text: str) -> None:
    with pytest.raises(DeclarationError, match="has no query") as refused:
        read(write, text)
    assert refused.value.file == "tables/t.sql" and refused.value.line is not None


def test_a_header_that_never_ends_is_refused(write) -> None:
    with pytest.raises(DeclarationError, match="never ends") as refused:
        read(write, "/* ---\nkey: a\nselect 1\n")
    assert refused.value.line == 1


def test_a_dividing_line_in_a_query_is_no_header(write) -> None:
    assert read(write, "select 1 as a /* --- not a header --- */\n").key == ()


@pytest.mark.parametrize("name", ["two words", "a-b", "1st"])
def test_a_file_whose_name_cannot_be_read_from_is_refused(write, name: str) -> None:
    with pytest.raises(DeclarationError, match="is not a name for a table"):
        read(write, "select 1", name)


def test_a_file_that_is_not_utf_8_is_refused(write) -> None:
    root = write({"tables/t.sql": ""})
    (root / "tables/t.sql").write_bytes("select 'ü'".encode("latin-1"))
    with pytest.raises(DeclarationError, match="is not UTF-8"):
        read_table(root / "tables/t.sql", root)


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(write) -> None:
    root = write({"tables/t.sql": ""})
    (root / "tables/t.sql").write_bytes(b"\xef\xbb\xbf" + EXAMPLES.replace("\n", "\r\n").encode())
    assert read_table(root / "tables/t.sql", root) == read(write, EXAMPLES)
