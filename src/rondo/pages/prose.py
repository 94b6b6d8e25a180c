"""Markdown that people wrote, as part of a page: HTML in it is text, links lead to pages of the console."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from rondo.pages.frame import Frame
from rondo.project.documents import Heading, anchor_of

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

_PAGES = (
    (re.compile(r"(?:\./)?([\w-]+)\.md"), "/docs/{}"),
    (re.compile(r"\.\./reports/([\w-]+)\.md"), "/reports/{}"),
    (re.compile(r"\.\./tables/(\w+)\.sql"), "/tables/{}"),
    (re.compile(r"\.\./models/(\w+)\.py"), "/models/{}"),
)
"""Files as a document in docs/ links to them, and the page that shows each."""
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//|#", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """A section of a document: `heading` is None for what stands above the first."""

    heading: Heading | None
    text: str


def parts(body: str, headings: Sequence[Heading], first_line: int) -> tuple[Part, ...]:
    """A document's sections by its highest headings; a single `#` heading is its title and opens none."""
    title = [each for each in headings if each.level == 1]
    below = [each for each in headings if len(title) != 1 or each.level > 1]
    highest = min((each.level for each in below), default=0)
    opening = [each for each in below if each.level == highest]
    lines = body.splitlines()
    skipped = {title[0].line - first_line} if len(title) == 1 else set()
    starts = [each.line - first_line for each in opening]

    def text(start: int, end: int) -> str:
        return "\n".join(line for number, line in enumerate(lines[start:end], start) if number not in skipped).strip()

    found = [Part(None, text(0, starts[0] if starts else len(lines)))]
    for heading, start, end in zip(opening, starts, [*starts, len(lines)][1:], strict=True):
        found.append(Part(heading, text(start + 1, end)))
    return tuple(part for part in found if part.text or part.heading is not None)


def prose(text: str, frame: Frame, *, highest: int = 2) -> Markup:
    """`text` (CommonMark with tables) as HTML of this page, below a heading that was of level `highest` in its file.

    Raw HTML and images come out as the text they are.
    """
    environment: dict[str, Any] = {"frame": frame}
    tokens = _markdown().parse(text, environment)
    for token in tokens:
        if token.type.startswith("heading_"):
            token.tag = f"h{min(6, max(3, int(token.tag[1]) - highest + 2))}"
    return Markup(_markdown().renderer.render(tokens, _markdown().options, environment))


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    made.add_render_rule("link_open", _link_open)
    made.add_render_rule("link_close", _link_close)
    made.add_render_rule("heading_open", _heading_open)
    made.add_render_rule("table_open", _table_open)
    made.add_render_rule("table_close", _table_close)
    return made


def _address(href: str, frame: Frame) -> str | None:
    """Where a link leads from this page; None where nothing does."""
    if _ELSEWHERE.match(href):
        return href
    path, _, fragment = href.partition("#")
    for file, page in _PAGES:
        if found := file.fullmatch(path):
            return None if frame.saved else frame.href(page.format(found[1]) + (f"#{fragment}" if fragment else ""))
    return None if frame.saved or not path.startswith("/") else frame.href(href)


def _link_open(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    address = _address(str(tokens[index].attrGet("href") or ""), env["frame"])
    env.setdefault("links", []).append(address is not None)
    return "" if address is None else str(Markup('<a href="{}">').format(address))


def _link_close(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    return "</a>" if env["links"].pop() else ""


def _heading_open(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    anchor = anchor_of("".join(_texts(tokens[index + 1])))
    return str(Markup('<{} id="{}">').format(tokens[index].tag, anchor))


def _texts(token: Token) -> Iterator[str]:
    yield from (child.content for child in token.children or ())


def _table_open(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    return '<div class="scroll" tabindex="0"><table class="data">'


def _table_close(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    return "</table></div>\n"
