"""The contenders: how each is installed, started, asked and measured. Environments of their own live in `.bench/`."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from contenders.orders import Prepared, Question

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".bench"
SCRIPTS = Path(sys.executable).parent
STARTS_WITHIN_S = 120
TOLERANCE = 1e-6
_LIGHTGBM = f"lightgbm=={version('lightgbm')}"
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "BENTOML_DO_NOT_TRACK": "True"}
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Contender:
    """One server. `command` gets what was prepared and a port; `environment` names its folder in `.bench/`.

    `logged` counts the predictions since a moment in its log, of one that keeps a log.
    """

    name: str
    title: str
    command: Callable[[Prepared, int], Sequence[str | Path]]
    path: str
    body: Callable[[Question], object]
    score: Callable[[Mapping[str, list[object]]], object]
    environment: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    logged: Callable[[Prepared, datetime], int] | None = None


REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "mlflow": ("mlflow>=3,<4", _LIGHTGBM),
    "bentoml": ("bentoml>=1.4,<2", _LIGHTGBM),
    "fastapi": ("fastapi", "uvicorn[standard]", _LIGHTGBM),
    "feast": ("feast[redis]>=0.50,<1",),
    "py-spy": ("py-spy",),
    "evidently": ("evidently>=0.7,<1", "pandas<3", "pyarrow"),
    "nannyml": ("nannyml>=0.13,<1", "pandas<3", "statsmodels", "pyarrow"),
}


def contenders() -> tuple[Contender, ...]:
    """All of them; Rondo first, the floors last."""
    return (
        _rondo("rondo", "Rondo, fastest engine", {}),
        _rondo("rondo-trainer", "Rondo, trainer's predictor", {"RONDO_TREES": "trainer"}),
        Contender("mlflow", "MLflow `models serve`", _mlflow, "/invocations", _frame, _first("predictions"), "mlflow"),
        _bento("bentoml", "BentoML, as documented", "documented"),
        _bento("bentoml-async", "BentoML, at its best", "fastest"),
        Contender("fastapi", "FastAPI by hand", _fastapi, "/predict", _numbers, _first("scores"), "fastapi"),
        _floor("bare-trainer", "bare handler, trainer's predictor"),
        _floor("bare-fastest", "bare handler, fastest engine"),
        _floor("constant", "constant answer"),
    )


def _rondo(name: str, title: str, variables: Mapping[str, str]) -> Contender:
    def command(prepared: Prepared, port: int) -> Sequence[str | Path]:
        shutil.rmtree(prepared.project / ".rondo" / "predictions", ignore_errors=True)  # every round begins alike
        return [SCRIPTS / "rondo", "serve", "--port", str(port), "--project", prepared.project]

    def body(question: Question) -> object:
        return {"rows": [question.asked]}

    def score(answer: Mapping[str, list[object]]) -> object:
        first = answer["predictions"][0]
        assert isinstance(first, dict)
        return first["score"]

    path = "/v1/models/returns/predict"
    return Contender(name, title, command, path, body, score, variables=variables, logged=_logged)


def _logged(prepared: Prepared, since: datetime) -> int:
    query = f"select count(*) as n from predictions.returns where \"at\" >= timestamptz '{since.isoformat()}'"
    asking = [SCRIPTS / "rondo", "sql", query, "--json", "--project", prepared.project]
    told = subprocess.run(asking, check=True, capture_output=True).stdout
    return int(json.loads(told)["rows"][0]["n"])


def _bento(name: str, title: str, method: str) -> Contender:
    def command(prepared: Prepared, port: int) -> Sequence[str | Path]:
        service = ["bento:Returns", "--working-dir", HERE, "--port", str(port)]
        return [ENVIRONMENTS / "bentoml/bin/bentoml", "serve", *service]

    def score(answer: object) -> object:
        assert isinstance(answer, list)
        return answer[0]

    return Contender(name, title, command, f"/{method}", _numbers, score, "bentoml")


def _floor(name: str, title: str) -> Contender:
    def command(prepared: Prepared, port: int) -> Sequence[str | Path]:
        return [sys.executable, HERE / "floors.py", name, prepared.trees, str(port)]

    return Contender(name, title, command, "/", _numbers, _first("scores"))


def _mlflow(prepared: Prepared, port: int) -> Sequence[str | Path]:
    folder, scripts = prepared.folder / "mlflow", ENVIRONMENTS / "mlflow" / "bin"
    if not folder.exists():
        saving = [scripts / "python", HERE / "mlflow_model.py", prepared.trees, folder]
        subprocess.run(saving, check=True, capture_output=True)
    local = ["--env-manager", "local", "--workers", "1"]
    return [scripts / "mlflow", "models", "serve", "--model-uri", folder, "--port", str(port), *local]


def _fastapi(prepared: Prepared, port: int) -> Sequence[str | Path]:
    uvicorn = ENVIRONMENTS / "fastapi" / "bin" / "uvicorn"
    return [uvicorn, "handwritten:app", "--app-dir", HERE, "--port", str(port), "--no-access-log"]


def _numbers(question: Question) -> object:
    return {"rows": [question.numbers]}


def _frame(question: Question) -> object:
    columns = [f"f{place}" for place in range(len(question.numbers))]  # as the trees' text names them
    return {"dataframe_split": {"columns": columns, "data": [question.numbers]}}


def _first(name: str) -> Callable[[Mapping[str, list[object]]], object]:
    return lambda answer: answer[name][0]


def install(name: str) -> None:
    """Make `.bench/NAME` with what it requires, unless that was done; with uv where there is one."""
    folder, mark = ENVIRONMENTS / name, ENVIRONMENTS / name / ".installed"
    wanted = "\n".join(REQUIREMENTS[name])
    if mark.exists() and mark.read_text() == wanted:
        return
    print(f"installing {', '.join(REQUIREMENTS[name])} in {folder} …", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    uv, python = shutil.which("uv"), folder / "bin" / "python"
    pip = [uv, "pip", "install", "--compile-bytecode", "--python", python] if uv else [python, "-m", "pip", "install"]
    subprocess.run([*pip, "--quiet", *REQUIREMENTS[name]], check=True)
    mark.write_text(wanted)


@dataclass(frozen=True)
class Running:
    """A server that answers. `started_s` is from its start as a process to its first answer of 200."""

    contender: Contender
    prepared: Prepared
    process: subprocess.Popen[bytes]
    port: int
    started_s: float

    @property
    def url(self) -> str:
        """Where predictions are asked for."""
        return f"http://127.0.0.1:{self.port}{self.contender.path}"

    def memory_mb(self) -> float:
        """Proportional set size of its processes."""
        return sum(_pss_kb(each) for each in family(self.process.pid)) / 1024

    def cpu_s(self) -> float:
        """Processor time its processes took so far."""
        return sum(cpu_ticks(each) for each in family(self.process.pid)) / _TICKS

    def check(self, questions: Sequence[Question]) -> None:
        """Every question has its score; exits where one has not."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        for question in questions:
            status, answer = _ask(connection, self.contender, question)
            if status != 200:
                sys.exit(f"{self.contender.name} answered {status}: {answer[:500]!r}")
            score = self.contender.score(json.loads(answer))
            if self.contender.name != "constant" and not abs(float(str(score)) - question.score) <= TOLERANCE:
                sys.exit(f"{self.contender.name} scores {score}, LightGBM {question.score}, for {question.asked}")
        connection.close()


@contextlib.contextmanager
def running(contender: Contender, prepared: Prepared) -> Iterator[Running]:
    """The contender, answering; ended afterwards. What it prints goes to a file."""
    errors = prepared.folder / f"{contender.name}.log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = contender.command(prepared, port)
    scripts = str(Path(command[0]).parent)
    variables = {"TREES": str(prepared.trees), "PATH": scripts + os.pathsep + os.environ["PATH"], **_QUIET}
    with errors.open("wb") as told:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=told, stderr=told, cwd=prepared.folder, start_new_session=True,
            env={**os.environ, **variables, **contender.variables},
        )  # fmt: skip
    try:
        _await_answer(contender, process, port, prepared.questions[0], errors)
        yield Running(contender, prepared, process, port, time.perf_counter() - began)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await_answer(
    contender: Contender, process: subprocess.Popen[bytes], port: int, question: Question, errors: Path
) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _ask(http.client.HTTPConnection("127.0.0.1", port), contender, question)[0] == 200:
                return
        time.sleep(0.005)
    sys.exit(f"{contender.name} does not answer: {errors.read_text()[-2000:]}")


def _ask(connection: http.client.HTTPConnection, contender: Contender, question: Question) -> tuple[int, bytes]:
    body = json.dumps(contender.body(question))
    connection.request("POST", contender.path, body, {"content-type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()


def family(process: int) -> list[int]:
    """A process and all that descend from it."""
    found, waiting = [], [process]
    while waiting:
        each = waiting.pop()
        found.append(each)
        with contextlib.suppress(FileNotFoundError):
            for children in Path(f"/proc/{each}/task").glob("*/children"):
                waiting += map(int, children.read_text().split())
    return found


def _pss_kb(process: int) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for row in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if row.startswith("Pss:"):
                return int(row.split()[1])
    return 0


def cpu_ticks(process: int) -> int:
    """Processor time a process took, in ticks of the system's clock."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    return 0
