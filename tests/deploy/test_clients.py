from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.deploy.clients import python_name, write_client
from rondo.deploy.predictions import uncompacted
from rondo.deploy.rollout import promote
from rondo.errors import WrongUse
from rondo.features.signature import Column, Signature

ASKING = """
import sys
sys.path.insert(0, sys.argv[1])
from late_client import LateClient, LateOutcome, LateRow, Refused, Unreachable

client = LateClient(sys.argv[2])
row = LateRow(carrier="UA", distance=120.5, origin="JFK", tailnum=None, flight=7)
one, other = client.predict([row, LateRow(carrier=None, distance=float("nan"), origin=None, tailnum=None)])
assert 0 < one.score < 1 and one.label in (True, False) and one.version == "late@1" and one.key["flight"] == 7, one
why = client.explain(one)
assert abs(why.base + sum(c.contribution for c in why.contributions) + why.residual - why.prediction) < 1e-9
assert client.report([LateOutcome(id=one.id, outcome=True), LateOutcome(id=other.id, outcome=False)]) == 2
try:
    client.predict_one(LateRow(carrier="UA", distance="far", origin="JFK", tailnum=None))
    raise SystemExit("answered")
except Refused as refused:
    assert refused.status == 422 and "distance" in refused.fields[0][0], refused
assert client.about()["owner"] == "data_scientist"
assert not {name for name in sys.modules if name.partition(".")[0] in ("rondo", "msgspec", "httpx", "numpy")}
print(one.id)
"""


def written(place: object, out: Path) -> Path:
    write_client(
        place.signature, version="late@1", project="flights", summary='Which "leave" late.\n\\o/', example=place.request(),
        out=out,
    )  # fmt: skip
    return out


def test_the_package_asks_a_real_server_and_needs_nothing_else(place, tmp_path: Path, now) -> None:
    place.gate(1, "passed")
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    out = written(place, tmp_path / "late_client")
    with place.server() as (url, _):
        ran = subprocess.run(
            [sys.executable, "-I", "-W", "error", "-c", ASKING, str(out / "src"), url], capture_output=True, text=True
        )
    assert ran.returncode == 0, ran.stderr
    logged = uncompacted(place.store, "late")
    assert logged is not None
    assert ran.stdout.strip() in logged.column("id").to_pylist()


def test_the_package_is_typed(place, tmp_path: Path) -> None:
    out = written(place, tmp_path / "late_client")
    wrong = tmp_path / "wrong.py"
    wrong.write_text('from late_client import LateRow\n\nLateRow(carrier=3, distance=1.0, origin="JFK")\n')
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "--config-file="]
    fine = subprocess.run([*command, str(out / "src")], capture_output=True, text=True)
    assert fine.returncode == 0, fine.stdout
    found = subprocess.run([*command, str(out / "src"), str(wrong)], capture_output=True, text=True).stdout
    assert 'Argument "carrier"' in found
    assert 'Missing named argument "tailnum"' in found


def test_its_readme_runs_as_it_stands(place, tmp_path: Path, now) -> None:
    place.gate(1, "passed")
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    out = written(place, tmp_path / "late_client")
    [code] = (out / "README.md").read_text().split("```python\n")[1:]
    with place.server() as (url, _):
        code = f"import sys; sys.path.insert(0, {str(out / 'src')!r})\n" + code.partition("```")[0]
        ran = subprocess.run(
            [sys.executable, "-I", "-c", code.replace("http://127.0.0.1:8700", url)], capture_output=True, text=True
        )
    assert ran.returncode == 0, ran.stderr
    assert "LateContribution(feature=" in ran.stdout


def test_only_what_was_written_here_is_written_over(place, tmp_path: Path) -> None:
    out = written(place, tmp_path / "late_client")
    (out / "left over").write_text("x")
    written(place, out)
    assert not (out / "left over").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(WrongUse, match="not written by"):
        written(place, mine)
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def connection() -> ModuleType:
    source = Path(sys.modules["rondo.deploy.clients"].__file__ or "").parent / "client" / "connection.py"
    spec = importlib.util.spec_from_file_location("connection", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def answering() -> Callable[[Callable[[BaseHTTPRequestHandler], None]], str]:
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *args: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start  # type: ignore[misc]
    for server in servers:
        server.shutdown()
        server.server_close()


def said(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"content-length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def test_a_connection_that_lay_idle_and_was_closed_is_opened_again(answering) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        said(handler, 200, b"[1]")
        handler.close_connection = True  # without a word of it in the headers

    with connection().Connection(answering(answer)) as server:
        assert [server.get("/") for _ in range(3)] == [[1], [1], [1]]


def test_what_the_server_refuses_says_what_and_when_to_come_again(answering) -> None:
    client = connection()
    problem = json.dumps({"title": "Busy", "detail": "Too often.", "errors": [{"field": "rows[0].a", "reason": "no"}]})
    url = answering(lambda handler: said(handler, 429, problem.encode(), retry_after="3"))
    with (
        client.Connection(url) as server,
        pytest.raises(client.Refused, match=r"429: Too often\.\n  rows\[0\]\.a: no") as refused,
    ):
        server.get("/")
    assert (refused.value.retry_after_s, refused.value.fields) == (3.0, (("rows[0].a", "no"),))
    url = answering(lambda handler: said(handler, 502, b"<h1>proxy"))
    with client.Connection(url) as server, pytest.raises(client.Refused, match="502: <h1>proxy"):
        server.get("/")


def test_nobody_there_is_unreachable() -> None:
    client = connection()
    with pytest.raises(client.Unreachable):
        client.Connection("http://127.0.0.1:9").get("/")
    for address in ("127.0.0.1:8000", "ftp://x", "http://"):
        with pytest.raises(ValueError, match="no address"):
            client.Connection(address)


@given(st.text(min_size=1))
def test_every_column_has_a_name_in_python(text: str) -> None:
    assert python_name(text).isidentifier()
    assert python_name(text) not in ("fields", "from", "class")


def test_fields_that_python_cannot_tell_apart_are_refused(place, tmp_path: Path) -> None:
    twins = (Column(name="a b", type="DOUBLE"), Column(name="a-b", type="DOUBLE"))
    signature: Signature = msgspec.structs.replace(place.signature, inputs=twins)
    with pytest.raises(WrongUse, match="would both call a_b"):
        write_client(signature, version="late@1", project="p", summary=None, example={}, out=tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("task", "classes", "line"),
    [
        ("regression", (), "    value: float  # what late is expected to be"),
        ("multiclass", ("a", "b"), "    scores: Mapping[str, float]  # the probability of each class"),
        ("binary", ("no", "yes"), "    label: str  # what late is taken to be"),
    ],
)
def test_what_is_answered_is_the_tasks(place, tmp_path: Path, task: str, classes: tuple[str, ...], line: str) -> None:
    signature = msgspec.structs.replace(place.signature, task=task, classes=classes)
    write_client(signature, version="late@1", project="p", summary=None, example={}, out=tmp_path / "c")
    module = (tmp_path / "c/src/late_client/__init__.py").read_text()
    assert line in module
    compile(module, "late_client", "exec")
