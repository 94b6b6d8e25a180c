from __future__ import annotations

from pathlib import Path

import pytest

from rondo.handbook.doctor import examine, korean_face


def test_a_korean_face_is_found_by_its_file(tmp_path: Path) -> None:
    assert korean_face([tmp_path / "none", tmp_path]) is None
    (tmp_path / "DejaVuSans.ttf").touch()
    assert korean_face([tmp_path]) is None
    (tmp_path / "noto").mkdir()
    face = tmp_path / "noto" / "NotoSansCJK-Regular.ttc"
    face.touch()
    assert korean_face([tmp_path]) == face


def test_what_pictures_and_pdf_need_is_told_with_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_BROWSER", str(tmp_path / "none"))
    monkeypatch.setattr("rondo.handbook.doctor.FONTS", (tmp_path,))
    document = examine(tmp_path, "live")
    findings = {finding["what"].split(":")[0]: finding for finding in document["findings"]}
    assert findings["no PDF"]["state"] == "warn" and "chromium" in findings["no PDF"]["next"]
    boxes = findings["Korean text in pictures would be boxes"]
    assert boxes["state"] == "warn" and "fonts-noto-cjk" in boxes["next"]
    assert document["healthy"]  # both are wanted only by those who save pages


def test_words_for_end_users_that_cannot_be_read_are_found(shop: Path) -> None:
    (shop / "use").mkdir()
    (shop / "use/late.md").write_text("---\ntitel: Late?\n---\n")
    (shop / "use/early.md").write_text("---\ntitle: Early?\n---\n")
    found = [each for each in examine(shop, "live")["findings"] if "end users" in str(each["what"])]
    assert [each["state"] for each in found] == ["warn", "warn"]
    assert "a model early" in str(found[0]["what"])
    assert "unknown key 'titel'" in str(found[1]["what"])
