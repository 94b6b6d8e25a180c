"""Clients that exist, unchanged, against `rondo serve`. Each script runs with the interpreter that has them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "clients.md"
MODELS = ("buys", "tier", "spend")
ROWS = [
    {"city": "Seoul", "seats": 2, "member": True, "price": 10.5},
    {"city": "Köln", "seats": 5, "member": False, "price": None},
    {"city": "부산", "seats": 1, "member": True, "price": 99.25},
]


def expected(url: str) -> str:
    """The rows, and what `/v1` answers for them."""
    found = {}
    for model in MODELS:
        answer = httpx.post(f"{url}/v1/models/{model}/predict", json={"rows": ROWS})
        assert answer.status_code == 200, answer.text
        found[model] = answer.json()["predictions"]
    return json.dumps({"rows": ROWS, "expected": found})


def speak(clients: Path, script: str, folder: Path, told: str, *urls: str) -> None:
    command = [clients, Path(__file__).with_name(script), *urls]
    done = subprocess.run(command, cwd=folder, input=told, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "spoken"


@pytest.mark.parametrize("client", ["triton", "kserve"])
def test_clients_of_the_inference_protocol(clients, url_of_three, tmp_path, client):
    speak(clients, f"speak_{client}.py", tmp_path, expected(url_of_three), url_of_three)


def test_clients_of_mlflow(clients, url_of_one, url_of_three, tmp_path):
    speak(clients, "speak_mlflow.py", tmp_path, expected(url_of_three), url_of_one, url_of_three)


@pytest.mark.parametrize("block", [0, 1])
def test_the_examples_of_the_howto_run(clients, url_of_one, tmp_path, block):
    port = url_of_one.rpartition(":")[2]
    code = re.findall(r"```python\n(.*?)```", HOWTO.read_text(), re.DOTALL)[block].replace("8000", port)
    done = subprocess.run([clients, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "0." in done.stdout, done.stderr
