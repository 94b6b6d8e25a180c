"""Charts as Vega-Lite: drawn by the browser on a page of the console, by this process where a page is saved.

Colours are the stylesheet's own properties, so that one drawing serves light and dark; a file on its own gets the light
ones written out.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from rondo.language.catalogues import Code
from rondo.pages.frame import Frame

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
Spec = Mapping[str, Any]
BESIDE = {"hconcat", "concat", "facet", "repeat"}
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
HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
KOREAN_FACES = '"Noto Sans CJK KR", "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic"'
# How d3 writes days and months in Korean; numbers are written as in English.
KOREAN: Mapping[str, Any] = {
    "dateTime": "%Y년 %-m월 %-d일 %H:%M:%S",
    "date": "%Y. %-m. %-d.",
    "time": "%H:%M:%S",
    "periods": ["오전", "오후"],
    "days": ["일요일", "월요일", "화요일", "수요일", "목요일", "금요일", "토요일"],
    "shortDays": ["일", "월", "화", "수", "목", "금", "토"],
    "months": [f"{month}월" for month in range(1, 13)],
    "shortMonths": [f"{month}월" for month in range(1, 13)],
}


@dataclass(frozen=True)
class Chart:
    """A chart in its place on a page. `picture` is markup; `title` says what was found, `subtitle` what is drawn."""

    id: str
    title: Markup
    subtitle: Markup
    picture: Markup


def chart(
    frame: Frame, spec: Spec, name: str, *, title: Markup, subtitle: Markup, spoken: str, code: Code | None = None
) -> Chart:
    """`spec` (Vega-Lite, data inline, without a config) as it stands on this page; `spoken` is for screen readers.

    `name` is unique on the page; the chart can be had alone under it. `code` is the language of its labels, the
    page's unless said.
    """
    if (code or frame.code) == "ko":
        spec = {**spec, "usermeta": {"embedOptions": {"timeFormatLocale": KOREAN}}}
    frame.charts[name] = spec
    label = Markup('role="img" aria-label="{}"').format(spoken)
    if frame.saved:
        drawn = Markup(str(svg(spec, css=True)).replace("<svg ", '<svg aria-hidden="true" ', 1))
        return Chart(name, title, subtitle, Markup('<div class="vega" {}>{}</div>').format(label, drawn))
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
    if BESIDE & set(spec):
        whole.setdefault("autosize", {"type": "pad"})  # drawings side by side cannot be fitted into one width
    text = json.dumps(whole, ensure_ascii=False, allow_nan=False)
    if css:
        for colour, name in PROPERTIES.items():
            text = text.replace(f'"{colour}"', f'"{name}"')
    return text


def svg(spec: Spec, *, css: bool = False) -> Markup:
    """The picture, drawn here. With `css` it belongs into a page; without, it stands alone in the light colours.

    Raises ValueError for what is no chart.
    """
    import vl_convert

    return Markup(vl_convert.vegalite_to_svg(themed(spec, css=css), **_alone(spec)))


def png(spec: Spec, *, scale: float = 2.0) -> bytes:
    """The picture as PNG, `scale` pixels a unit, in the light colours. Raises ValueError for what is no chart."""
    import vl_convert

    text = themed({**spec, "background": "#fdfcfa", "config": _faces(spec)}, css=False)
    return bytes(vl_convert.vegalite_to_png(text, scale=scale, **_alone(spec)))


def _faces(spec: Spec) -> dict[str, Any]:
    """The chart's config with a face first that has all its letters: in a PNG, what one lacks comes from anywhere."""
    config = dict(spec.get("config", {}))
    if HANGUL.search(json.dumps(spec, ensure_ascii=False)):
        config["font"] = f"{KOREAN_FACES}, {config.get('font', _theme()['font'])}"
    return config


def _alone(spec: Spec) -> dict[str, Any]:
    """Drawing here reaches no network, and writes days in the language of the chart."""
    locale = spec.get("usermeta", {}).get("embedOptions", {}).get("timeFormatLocale")
    return {"allowed_base_urls": [], **({"time_format_locale": dict(locale)} if locale else {})}


@cache
def runtime() -> str:
    """The JavaScript that draws charts in a browser: a module that makes `vegaEmbed` global.

    Made in a process of its own: it takes a second or two, in which no other thread of this one would run.
    """
    program = "import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle().encode())"
    return subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True).stdout.decode()
