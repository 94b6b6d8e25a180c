"""The Markdown of a report with its figures filled in, a piece at a time; HTML that stands in it is text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote

from markupsafe import Markup, escape

from rondo.pages.frame import Frame
from rondo.project.figures import PLACED
from rondo.sql.tokens import tokens_of

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_OPEN, _CLOSE = "\ue000", "\ue001"
_STANDS = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_IN_ADDRESS = re.compile(f"{quote(_OPEN)}(\\d+){quote(_CLOSE)}")
_KEYWORD = re.compile(
    r"(select|from|where|group|order|by|having|limit|(full|left|right|inner|outer|cross|asof)|join|on|using|as|with|and|or"
    r"|not|in|is|null|between|like|case|when|then|else|end|over|partition|window|rows|range|preceding|following|current"
    r"|row|union|all|distinct|filter|qualify|interval|asc|desc|exists|values|cast|true|false)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Piece:
    """A heading (its line without the tag), a paragraph, a quotation, or anything else."""

    kind: Literal["h1", "h2", "paragraph", "quotation", "other"]
    html: Markup


def pieces(markdown: str, figures: Sequence[str] = (), frame: Frame | None = None) -> list[Piece]:
    """The pieces of a text. `figures` stand for its `{{ … }}`, in order; what they say is text, never Markdown.

    Links to pages of the console are those of `frame`; on a saved page, which stands alone, they are plain text.
    """
    tokens = _markdown().parse(_marked(markdown) if figures else _unmarked(markdown))
    if frame is not None:
        for token in tokens:
            _link(token.children or [], frame)
    return [_piece(group, figures) for group in _groups(tokens)]


def _marked(markdown: str) -> str:
    """The text with a mark for each of its figures that Markdown passes by, and that nobody can have written."""
    parts: list[str] = []
    done = 0
    for number, found in enumerate(PLACED.finditer(markdown)):
        parts += [_unmarked(markdown[done : found.start()]), f"{_OPEN}{number}{_CLOSE}"]
        done = found.end()
    return "".join([*parts, _unmarked(markdown[done:])])


def _unmarked(text: str) -> str:
    return text.replace(_OPEN, "").replace(_CLOSE, "")


def sql_code(sql: str) -> Markup:
    """SQL with its keywords in `b` and its comments in `i`, for `pre.code`."""
    parts: list[Markup] = []
    done = 0
    for token in tokens_of(sql):
        parts.append(_between(sql[done : token.start]))
        keyword = token.kind == "word" and _KEYWORD.fullmatch(token.text)
        parts.append(Markup("<b>{}</b>").format(token.text) if keyword else escape(token.text))
        done = token.end
    return Markup("").join([*parts, _between(sql[done:])])


def _between(text: str) -> Markup:
    """What stands between two tokens: space, and comments."""
    return Markup("<i>{}</i>").format(text) if text.strip() else escape(text)


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def _link(tokens: list[Token], frame: Frame) -> None:
    """Make links to pages of the console lead there from here."""
    dropped = False
    for token in tokens:
        address = str(token.attrGet("href") or "") if token.type == "link_open" else ""
        if address.startswith("/") and not address.startswith("//"):
            dropped = frame.saved
            token.attrSet("href", frame.href(unquote(address)))
        if dropped and token.type in ("link_open", "link_close"):
            dropped = token.type == "link_open"
            token.type, token.tag, token.content, token.attrs = "text", "", "", {}
            token.nesting = 0


def _groups(tokens: Sequence[Token]) -> list[list[Token]]:
    """Tokens of one block at the top, together."""
    groups: list[list[Token]] = []
    depth = 0
    for token in tokens:
        if depth == 0:
            groups.append([])
        groups[-1].append(token)
        depth += token.nesting
    return groups


def _piece(group: list[Token], figures: Sequence[str]) -> Piece:
    first = group[0]
    for token in group:
        if token.type == "table_open":
            token.attrSet("class", "data tight")
    shown, kind = group, "other"
    if first.type == "heading_open" and first.tag in ("h1", "h2"):
        shown, kind = group[1:-1], first.tag
    elif first.type == "blockquote_open":
        kind = "quotation"
    elif first.type == "paragraph_open":
        kind = "paragraph"
    html = _markdown().renderer.render(shown, _markdown().options, {})
    said = dict(enumerate(figures))
    html = _STANDS.sub(lambda found: str(escape(said.get(int(found[1]), ""))), html)
    html = _IN_ADDRESS.sub(lambda found: quote(said.get(int(found[1]), ""), safe=""), html)
    return Piece(kind, Markup(html))  # type: ignore[arg-type]  # one of the kinds
