"""Charts as Vega-Lite: drawn by the browser on a page of the console, by this process where a page is saved.

Colours are the stylesheet's own properties, so that one drawing serves light and dark; a file on its own gets the light
ones written out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from rondo.pages.frame import Frame

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
Spec = Mapping[str, Any]
# Which property of the stylesheet each colour of the theme is; what stands alone keeps the colour itself.
PROPERTIES: Mapping[str, str] = {
    "#fdfcfa": "var(--paper)",
    "#1d1e22": "var(--ink)",
    "#55565d": "var(--ink-2)",
    "#6c6d74": "var(--ink-3)",
    "#e3dfd7": "var(--rule)",
    "#3441b4": "var(--accent)",
    "#1c7747": "var(--good)",
    "#8f5e00": "var(--warn)",
    "#b9252b": "var(--bad)",
    "#888991": "var(--mark)",
    "#d3d0c9": "var(--mark-soft)",
}


@dataclass(frozen=True)
class Chart:
    """A chart in its place on a page. `picture` is markup; `title` says what was found, `subtitle` what is drawn."""

    id: str
    title: Markup
    subtitle: Markup
    picture: Markup


def chart(frame: Frame, spec: Spec, name: str, *, title: Markup, subtitle: Markup, spoken: str) -> Chart:
    """`spec` (Vega-Lite, data inline, without a config) as it stands on this page; `spoken` is for screen readers.

    `name` is unique on the page; the chart can be had alone under it.
    """
    frame.charts[name] = spec
    label = Markup('role="img" aria-label="{}"').format(spoken)
    if frame.saved:
        return Chart(name, title, subtitle, Markup('<div class="vega" {}>{}</div>').format(label, svg(spec, css=True)))
    written = themed(spec, css=True).replace("<", "\\u003c")
    picture = Markup(
        '<div class="vega" {} data-spec="{}-spec"></div><script type="application/json" id="{}-spec">{}</script>'
        '<noscript><img src="{}" alt="{}"></noscript>'
    ).format(label, name, name, Markup(written), frame.here(format="svg", chart=name), spoken)  # fmt: skip
    return Chart(name, title, subtitle, picture)


@cache
def _theme() -> dict[str, Any]:
    text = (files("rondo.pages") / "static" / "vega-theme.json").read_text(encoding="utf-8")
    return dict(json.loads(text)["light"])


def themed(spec: Spec, *, css: bool) -> str:
    """`spec` with the theme as its config, as JSON; `css` leaves colours to the stylesheet of the page around it."""
    whole = {"$schema": SCHEMA, **spec, "config": {**_theme(), **spec.get("config", {})}}
    text = json.dumps(whole, ensure_ascii=False, allow_nan=False)
    if css:
        for colour, name in PROPERTIES.items():
            text = text.replace(f'"{colour}"', f'"{name}"')
    return text


def svg(spec: Spec, *, css: bool = False) -> Markup:
    """The picture, drawn here. With `css` it belongs into a page; without, it stands alone in the light colours."""
    import vl_convert

    return Markup(vl_convert.vegalite_to_svg(themed(spec, css=css)))


def png(spec: Spec, *, scale: float = 2.0) -> bytes:
    """The picture as PNG, `scale` pixels a unit, in the light colours."""
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(themed({**spec, "background": "#fdfcfa"}, css=False), scale=scale))


@cache
def runtime() -> str:
    """The JavaScript that draws charts in a browser: a module that makes `vegaEmbed` global. Takes a second to make."""
    import vl_convert

    return str(vl_convert.javascript_bundle())  # type: ignore[call-arg]  # without a snippet it makes all three global
