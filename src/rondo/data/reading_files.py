"""Files as relations: CSV and JSON lines as texts, Parquet as it is, out of gzip, zip and any encoding.

DuckDB reads; what it would guess (separator, header, types) is settled here instead, so that a file means the same
whatever its first rows happen to hold.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from rondo.data.column_types import GUESSES, MOMENT, TEXT, stored
from rondo.errors import LoadError, RondoError
from rondo.project.sources import Files
from rondo.sql.engine import describe, literal, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ENDINGS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".data": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
PACKED = (".gz", ".zst")
SEPARATORS = (",", ";", "\t", "|")
HEAD_BYTES = 262_144
CHUNK_BYTES = 1 << 20
LIKELY = ("utf-8", "utf-16", "cp949", "shift_jis", "gb18030", "cp1252", "latin-1")
"""Encodings that an error proposes, where they read the file."""
_JSON_GUESSES: Mapping[str, tuple[str, ...]] = {
    "BIGINT": ("BIGINT", "DOUBLE"), "UBIGINT": ("DOUBLE",), "HUGEINT": ("DOUBLE",), "DOUBLE": ("BIGINT", "DOUBLE"),
    "BOOLEAN": ("BOOLEAN",), "VARCHAR": ("DATE", MOMENT), "DATE": ("DATE", MOMENT), "TIMESTAMP": (MOMENT,),
    MOMENT: (MOMENT,), "TIME": (), "UUID": (), "JSON": (),
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A file, or one member of an archive. `relation` has `columns` by name.

    `texts` maps columns that come as text to the types they may turn out to have; `kinds` maps the others to the type
    they have in the lake. `path` is what DuckDB reads: the file, or what was unpacked or decoded from it, as UTF-8.
    """

    name: str
    path: Path
    relation: str
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    separator: str = ","

    @property
    def columns(self) -> tuple[str, ...]:
        """Names, in the file's order."""
        return (*self.texts, *self.kinds)


def format_of(reader: Files, name: str) -> str:
    """csv, jsonl or parquet: as declared, else by the ending. Raises LoadError."""
    if reader.format is not None:
        return reader.format
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    ending = next((suffix for suffix in reversed(suffixes) if suffix not in PACKED), "")
    if ending not in ENDINGS:
        raise LoadError(
            f"{name}: the ending {ending or '(none)'} does not say what the file is.",
            next_step='Say it: rd.files(…, format="csv"); it may be csv, parquet or jsonl.',
            file=name,
        )
    return ENDINGS[ending]


def open_parts(reader: Files, path: Path, name: str, con: DuckDBPyConnection, scratch: Path) -> list[Part]:
    """The file's parts: itself, or the members of a zip archive in order of their names.

    What DuckDB cannot read in place is unpacked and decoded into `scratch`. Raises LoadError.
    """
    if path.suffix.lower() != ".zip":
        return [_part(reader, path, name, con, scratch)]
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in sorted(archive.namelist()) if _is_data(reader, member)]
            if not members:
                held = ", ".join(archive.namelist()[:5]) or "nothing"
                raise LoadError(
                    f"{name} holds no file of a known ending; it holds: {held}.",
                    next_step='Say what its members are: rd.files(…, format="csv").',
                    file=name,
                )
            return [
                _part(reader, _unpacked(archive, member, scratch), f"{name}/{member}", con, scratch)
                for member in members
            ]
    except zipfile.BadZipFile as error:
        raise LoadError(f"{name} is not a zip archive: {error}.", next_step="Fetch it again.", file=name) from error


def line_of(reader: Files, part: Part, row: int) -> int:
    """The line of the file on which its row number `row` (from 0) ends; quoted line breaks are counted in."""
    if format_of(reader, part.name) != "csv":
        return row + 1
    with _binary(part.path) as source, io.TextIOWrapper(source, "utf-8-sig", errors="replace", newline="") as text:
        for _ in range(reader.skip):
            next(text, None)
        records = csv.reader(text, delimiter=part.separator)
        left = row + (1 if reader.header else 0)
        for record in records:
            left -= bool(record)
            if left < 0:
                break
        return reader.skip + records.line_num


def unreadable(error: RondoError, reader: Files, part: Part) -> LoadError:
    """DuckDB's refusal of a file as ours: which line, what is wrong with it, what to do."""
    text = str(error.__cause__ or error)
    line = int(found[1]) if (found := re.search(r"(?:CSV Error on Line: |in line )(\d+)", text)) else None
    at = f"{part.name}, line {line}" if line else part.name
    if "Invalid unicode" in text or "not utf-8" in text.lower():
        return _wrongly_encoded(reader, part)
    if found := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text):
        message = f"{at}: the row has {found[2]} fields, the header {found[1]}."
        step = "Mend the row; a field that holds the separator wants quotes. Or name the delimiter."
    elif "unterminated quote" in text:
        message, step = (
            f"{at}: a quote is opened and never closed.",
            "Close the quote, or double it within a field; or name the delimiter.",
        )
    else:
        said = re.sub(r"^\w[\w ]*Error: ", "", text.strip().splitlines()[0])
        said = said.replace(str(part.path), part.name).rstrip(".")
        message, step = f"{at} cannot be read: {said}.", "Mend the file, or say how to read it in rd.files(…)."
    return LoadError(message, next_step=step, file=part.name, line=line)


def _part(reader: Files, path: Path, name: str, con: DuckDBPyConnection, scratch: Path) -> Part:
    kind = format_of(reader, name)
    if kind == "parquet":
        return _parquet(reader, path, name, con)
    if not _is_utf8(reader.encoding) or (kind == "csv" and _ends_lines_two_ways(path)):
        path = _decoded(reader, path, name, scratch)
    return _csv(reader, path, name) if kind == "csv" else _json(reader, path, name, con)


def _csv(reader: Files, path: Path, name: str) -> Part:
    separator = _separator(reader, path, name)
    header = _header(reader, path, name, separator)
    columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in header)
    nulls = ", ".join(literal(text) for text in ("", *reader.null))
    relation = (
        f"read_csv({_path(path)}, auto_detect = false, header = {str(reader.header).lower()}, skip = {reader.skip}, "
        f"delim = {literal(separator)}, quote = '\"', escape = '\"', nullstr = [{nulls}], columns = {{{columns}}})"
    )
    return Part(name, path, relation, texts=dict.fromkeys(header, GUESSES), separator=separator)


def _json(reader: Files, path: Path, name: str, con: DuckDBPyConnection) -> Part:
    shape = "auto" if ".json" in [suffix.lower() for suffix in PurePosixPath(name).suffixes] else "newline_delimited"
    read = f"read_json({_path(path)}, format = '{shape}'"
    found = _described(con, f"{read}, sample_size = -1)", reader, Part(name, path, ""))
    texts = {column: _JSON_GUESSES[kind] for column, kind in found.items() if kind in _JSON_GUESSES}
    kinds = {column: stored(kind) for column, kind in found.items() if column not in texts}
    columns = ", ".join(f"{literal(c)}: {literal(TEXT if c in texts else kind)}" for c, kind in found.items())
    return Part(name, path, _without(f"{read}, columns = {{{columns}}})", tuple(texts), reader.null), texts, kinds)


def _parquet(reader: Files, path: Path, name: str, con: DuckDBPyConnection) -> Part:
    relation = f"read_parquet({_path(path)}, hive_partitioning = false)"
    found = _described(con, relation, reader, Part(name, path, relation))
    kinds = {column: stored(kind) for column, kind in found.items()}
    texts = tuple(column for column, kind in found.items() if kind == TEXT)
    return Part(name, path, _without(relation, texts, reader.null), kinds=kinds)


def _described(con: DuckDBPyConnection, relation: str, reader: Files, part: Part) -> dict[str, str]:
    try:
        found = describe(con, f"select * from {relation}")
    except RondoError as error:
        raise unreadable(error, reader, part) from error
    _refuse_names(tuple(found), part.name)
    return found


def _without(relation: str, texts: tuple[str, ...], null: tuple[str, ...]) -> str:
    """The relation with the null markers among its texts as nulls."""
    if not null or not texts:
        return relation
    marks = ", ".join(map(literal, null))
    cleaned = ", ".join(f"case when {quote(c)} in ({marks}) then null else {quote(c)} end as {quote(c)}" for c in texts)
    return f"(select * replace ({cleaned}) from {relation})"


def _header(reader: Files, path: Path, name: str, separator: str) -> tuple[str, ...]:
    """The columns of a CSV: those declared, else the header's, else numbered ones."""
    first = next(_records(reader, path, name, separator), None)
    if first is None and (reader.header or not reader.columns):
        raise LoadError(f"{name} is empty: it has no header.", next_step="Take it away or fill it.", file=name)
    if reader.columns:
        if first is not None and len(first) != len(reader.columns):
            raise LoadError(
                f"{name} has {len(first)} columns, and {len(reader.columns)} are named.",
                next_step="Name each column once in columns=[…], in the file's order; or name the delimiter.",
                file=name,
                line=reader.skip + 1,
            )
        names = reader.columns
    else:
        fields = first or []
        given = [text.strip() if reader.header else "" for text in fields]
        names = tuple(text or f"column{place}" for place, text in enumerate(given))
        if any("\ufffd" in text for text in names):
            for _ in _letters(reader, path, name, "utf-8"):
                pass  # the error names the byte, and the encodings that would read it
    _refuse_names(names, name, reader.skip + 1)
    return names


def _refuse_names(names: tuple[str, ...], file: str, line: int | None = None) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if name.casefold() in seen:
            raise LoadError(
                f"{file} has two columns named {name!r}.",
                next_step="Rename one in the file, or name all with columns=[…].",
                file=file,
                line=line,
            )
        if name.casefold().startswith("_rondo_"):
            raise LoadError(
                f"{file} has a column {name!r}; names that begin with _rondo_ are taken.",
                next_step="Rename it.",
                file=file,
                line=line,
            )
        seen[name.casefold()] = name


def _separator(reader: Files, path: Path, name: str) -> str:
    """The delimiter: declared, a tab for .tsv, else what splits the first rows alike, and into the most fields."""
    if reader.delimiter is not None:
        return reader.delimiter
    if ".tsv" in [suffix.lower() for suffix in PurePosixPath(name).suffixes]:
        return "\t"
    best, score = ",", (0.5, 1)
    for separator in SEPARATORS:
        rows = [len(record) for record in islice(_records(reader, path, name, separator), 20)]
        alike = (rows.count(rows[0]) / len(rows), rows[0]) if rows else (0.0, 0)
        if rows and rows[0] > 1 and alike > score:
            best, score = separator, alike
    return best


def _records(reader: Files, path: Path, name: str, separator: str) -> Iterator[list[str]]:
    """The first records of a CSV in UTF-8; the last may be cut off."""
    with _binary(path) as file:
        head = file.read(HEAD_BYTES)
    lines = io.StringIO(head.decode("utf-8-sig", errors="replace"), newline="")
    for _ in range(reader.skip):
        lines.readline()
    try:
        yield from (record for record in csv.reader(lines, delimiter=separator) if record)
    except csv.Error as error:
        raise LoadError(
            f"{name}: the first rows are no CSV: {error}.", next_step="Say what it is with format=.", file=name
        ) from error


def _decoded(reader: Files, path: Path, name: str, scratch: Path) -> Path:
    """The file as UTF-8, lines ended alike. Raises LoadError naming the byte that the encoding has no letter for."""
    lines = io.IncrementalNewlineDecoder(None, translate=True)
    with _fresh(scratch, name).open("w", encoding="utf-8", newline="") as decoded:
        for text in _letters(reader, path, name, reader.encoding):
            decoded.write(lines.decode(text))
        decoded.write(lines.decode("", final=True))
        return Path(decoded.name)


def _ends_lines_two_ways(path: Path) -> bool:
    """Whether some of the first lines end in CR LF and some in LF alone, which DuckDB would misread."""
    with _binary(path) as file:
        head = file.read(HEAD_BYTES)
    return b"\r\n" in head and re.search(rb"(?<!\r)\n", head) is not None


def _letters(reader: Files, path: Path, name: str, encoding: str) -> Iterator[str]:
    """A file's text, piece by piece, the mark of its byte order left out."""
    decoder, place = codecs.getincrementaldecoder(encoding)(), 0
    with _binary(path) as source:
        while True:
            chunk = source.read(CHUNK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise _misread(reader, path, name, place - pending + error.start) from error
            yield text.removeprefix("\ufeff") if place == 0 else text
            place += len(chunk)
            if not chunk:
                return


def _wrongly_encoded(reader: Files, part: Part) -> LoadError:
    """The error for a file that DuckDB found not to be UTF-8."""
    try:
        for _ in _letters(reader, part.path, part.name, "utf-8"):
            pass
    except LoadError as error:
        return error
    return _misread(reader, part.path, part.name, 0)


def _misread(reader: Files, path: Path, name: str, place: int) -> LoadError:
    with _binary(path) as source:
        data = source.read(64 * CHUNK_BYTES)
    likely = [encoding for encoding in LIKELY if encoding != reader.encoding and _reads(encoding, data)][:3]
    return LoadError(
        f"{name} is not {reader.encoding}: byte {place:,} cannot be read. It may be {', '.join(likely)}.",
        next_step=f'Say which: rd.files(…, encoding="{likely[0]}").' if likely else "Name its encoding.",
        file=name,
        facts={"byte": place, "likely": likely},
    )


def _reads(encoding: str, data: bytes) -> bool:
    if encoding == "utf-16":
        return data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return False
    return not any(ord(letter) < 32 and letter not in "\t\r\n\f" for letter in text[:10_000])


@contextmanager
def _binary(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked."""
    import pyarrow as pa

    packed = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower())
    with pa.input_stream(str(path), compression=packed) as stream:
        yield stream


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


def _unpacked(archive: zipfile.ZipFile, member: str, scratch: Path) -> Path:
    target = _fresh(scratch, member)
    with archive.open(member) as packed, target.open("wb") as copy:
        shutil.copyfileobj(packed, copy, CHUNK_BYTES)
    if member.lower().endswith(PACKED):
        return target.rename(target.with_name(target.name + PurePosixPath(member).suffix.lower()))
    return target


def _fresh(scratch: Path, name: str) -> Path:
    """A path in `scratch` that is not taken, with the file's own ending but for that of its packing."""
    suffixes = [suffix for suffix in PurePosixPath(name).suffixes if suffix.lower() in ENDINGS]
    return scratch / f"part{sum(1 for _ in scratch.iterdir())}{suffixes[-1] if suffixes else ''}"


def _is_data(reader: Files, member: str) -> bool:
    path = PurePosixPath(member)
    if member.endswith("/") or path.name.startswith((".", "_")) or "__MACOSX" in path.parts:
        return False
    return reader.format is not None or any(suffix.lower() in ENDINGS for suffix in path.suffixes)


def _path(path: Path) -> str:
    """A path as DuckDB takes it, without its patterns."""
    return literal(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))
