"""Versions written for ONNX Runtime: nothing appears that does not score the same."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from rondo.deploy.releasing import MOST_ROWS, release_onnx
from rondo.deploy.resolving import load
from rondo.errors import Refused, WrongUse
from rondo.models.predictors import LightGBM
from rondo.records.deployment import Release


class Elsewhere(LightGBM):
    """Trees that score 0.00001 higher here than anywhere else."""

    def predict(self, matrix):
        return super().predict(matrix) + 1e-5


def test_a_release_is_a_file_and_a_record(place, now, tmp_path):
    version = place.add_version()
    packed = load(place.store, place.project, "late", version)
    out = tmp_path / "late.onnx"
    out.write_bytes(b"an older one")
    released = release_onnx(packed, place.rows, out, version=version, ledger=place.store.ledger, by="kim", now=now)
    release = released.release
    assert release.sha256 == sha256(out.read_bytes()).hexdigest() and release.file == "late.onnx"
    assert release.rows == len(packed.golden.rows) + min(MOST_ROWS, place.rows.num_rows)
    assert release.greatest_difference < 1e-12
    entry = place.store.ledger.latest(Release, name="late", version=version)
    assert (entry.record, entry.by, entry.at) == (release, "kim", now)
    sources = {each.name: each.source for each in released.face.inputs}
    assert sources["carrier"] == "request" and sources["hour"] == "derived" and sources["delays.rate"] == "look-up"
    assert [path.name for path in tmp_path.glob("*.onnx*")] == ["late.onnx"]


def test_where_scores_differ_nothing_is_written_and_the_difference_is_told(place, now, tmp_path):
    packed = load(place.store, place.project, "late", place.add_version())
    elsewhere = replace(packed, predictor=Elsewhere(packed.predictor.text, packed.predictor.link))
    out = tmp_path / "late.onnx"
    with pytest.raises(Refused, match="by up to 1e-05") as refused:
        release_onnx(elsewhere, place.rows, out, version=1, ledger=place.store.ledger, by="kim", now=now)
    assert refused.value.facts["greatest_difference"] == pytest.approx(1e-5)
    assert not list(tmp_path.glob("*.onnx*")) and place.store.ledger.latest(Release) is None


def test_without_the_library_it_is_said_how_to_get_it(place, now, tmp_path, monkeypatch):
    packed = load(place.store, place.project, "late", place.add_version())
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(WrongUse, match="onnxruntime") as error:
        release_onnx(packed, place.rows, tmp_path / "x.onnx", version=1, ledger=place.store.ledger, by="kim", now=now)
    assert "rondo-ml[onnx]" in error.value.next_step and not (tmp_path / "x.onnx").exists()


def test_a_folder_that_is_not_there_leaves_no_record(place, now, tmp_path):
    packed = load(place.store, place.project, "late", place.add_version())
    with pytest.raises(FileNotFoundError):
        release_onnx(
            packed, place.rows, tmp_path / "no" / "x.onnx", version=1, ledger=place.store.ledger, by="kim", now=now
        )
    assert place.store.ledger.latest(Release) is None
