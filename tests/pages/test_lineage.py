from __future__ import annotations

import re
from itertools import pairwise

from rondo.pages.code import marked
from rondo.pages.lineage import BETWEEN, BOX, Drawn, Text, Wire, drawing
from rondo.pages.sparks import WIDTH, spark


def test_boxes_stand_at_their_level_and_wires_meet_their_lines() -> None:
    boxes = [
        Drawn(
            Text("raw", "/tables/raw"),
            0,
            "v1",
            [Text("data/*.csv"), Text("Ann", "/team#ann")],
            [Text("fare"), Text("miles")],
        ),
        Drawn(Text("other"), 0, lines=[Text("x")]),
        Drawn(Text("trips"), 1, "this table", lines=[Text("rate", None, "t-accent")]),
    ]
    wires = [Wire((0, 1), (2, 0), marked=True), Wire((1, None), (2, None), dashed=True)]
    picture = str(drawing(boxes, wires, "Lineage <of> trips"))
    width, height = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)"', picture)[0])
    assert width == 2 * BOX + BETWEEN
    marks = {text: int(y) for y, text in re.findall(r'<text x="\d+" y="(\d+)" class="[^"]*">(\w+)', picture)}
    assert all(0 < y <= height for y in marks.values())
    assert marks["fare"] < marks["miles"] < marks["other"] < marks["x"]
    [(start, end)] = re.findall(rf'<path class="on" d="M{BOX + 2} (\d+)C.* {BOX + BETWEEN - 6} (\d+)"', picture)
    assert (int(start), int(end)) == (marks["miles"] - 4, marks["rate"] - 4)
    assert "stroke-dasharray" in picture
    assert "Lineage &lt;of&gt; trips" in picture and 'href="/tables/raw"' in picture


def test_a_box_below_another_does_not_cover_it() -> None:
    boxes = [Drawn(Text(f"b{n}"), 0, lines=[Text("c")] * n) for n in range(5)]
    lines = [int(y) for y in re.findall(r'<line class="base"[^>]* y1="(\d+)"', str(drawing(boxes, [], "")))]
    assert all(below - above > 34 + 19 * n for n, (above, below) in enumerate(pairwise(lines)))


def test_a_name_too_long_is_cut_and_stands_whole_in_its_title() -> None:
    name = "a_very_long_name_of_a_table_that_no_box_can_hold"
    picture = str(drawing([Drawn(Text(name), 0)], [], ""))
    assert f"<title>{name}</title>" in picture and f">{name}<" not in picture.replace(f"<title>{name}</title>", "")


def test_nothing_to_draw_is_a_drawing() -> None:
    assert "<svg" in drawing([], [], "nothing")


def test_code_has_numbers_keywords_and_comments_and_is_escaped() -> None:
    text = "/* ---\nkey: a\n--- */\nselect a, '<b>' as \"from\" -- where\nfrom t where selected > 1\n"
    lines = str(marked(text, "sql", 9)).split("\n")
    assert lines[0] == "<i> 9</i>  <i>/* ---</i>" and lines[1] == "<i>10</i>  <i>key: a</i>"
    assert lines[3] == "<i>12</i>  <b>select</b> a, &#39;&lt;b&gt;&#39; <b>as</b> &#34;from&#34; <i>-- where</i>"
    assert lines[4] == "<i>13</i>  <b>from</b> t <b>where</b> selected &gt; 1"
    python = str(marked('x = rd.Source(  # why\n    "from",\n)', "python"))
    assert "<b>rd.Source</b>" in python and "<i># why</i>" in python and "<b>from</b>" not in python


def heights(picture: str) -> list[float]:
    return [float(tall) for tall in re.findall(r"v-([\d.]+)h", picture)]


def test_counted_bars_are_as_high_as_their_counts() -> None:
    assert heights(str(spark([10, 0, 5, 1_000_000], None, (None, None), "x"))) == [0.6, 0.6, 21.0]
    assert spark([], None, (None, None), "x") == "" == spark([0, 0], None, (None, None), "x")
    assert 'aria-label="&lt;b&gt;"' in spark([1], None, (None, None), "<b>")


def test_quantiles_alone_give_a_density() -> None:
    quantiles = {"0.05": 5.0, "0.25": 25.0, "0.5": 50.0, "0.75": 75.0, "0.95": 95.0}
    even = heights(str(spark([], quantiles, (0.0, 100.0), "even")))
    assert len(even) == 6 and max(even) - min(even) < 1.5
    tail = str(spark([], quantiles, (0.0, 1e9), "tail"))
    assert heights(tail)[-1] < 10
    assert all(0 <= float(x) <= WIDTH for x in re.findall(r"M([\d.]+) ", tail))
    same = dict.fromkeys(quantiles, 3)
    assert len(heights(str(spark([], same, (3, 3), "one value")))) == 1
    moments = {share: f"2013-0{n}-01T00:00:00Z" for n, share in enumerate(quantiles, 2)}
    assert heights(str(spark([], moments, ("2013-01-01T00:00:00Z", "2013-07-01T00:00:00Z"), "moments")))
    assert spark([], {**quantiles, "0.5": None}, (0.0, 1.0), "gone") == ""
    assert spark([], moments, ("no moment", "2013-07-01"), "odd") == ""
