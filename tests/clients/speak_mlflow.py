"""MLflow's own clients against two servers, of one model and of three. Run with the clients' interpreter."""

from __future__ import annotations

import json
import os
import sys

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import numpy as np
import pandas as pd
import requests
from mlflow.deployments import get_deploy_client
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from packaging.version import Version

url, of_three, told = sys.argv[1], sys.argv[2], json.load(sys.stdin)
rows, expected = told["rows"], told["expected"]
scores = [each["score"] for each in expected["buys"]]
frame = pd.DataFrame(rows)
assert np.isnan(frame["price"][1])


def near(found, wanted) -> bool:
    return np.allclose(np.asarray(found, dtype=float), wanted, rtol=0, atol=1e-12)


host, _, port = url.removeprefix("http://").partition(":")
client = ScoringServerClient(host, port)
client.ping()
client.wait_server_ready(timeout=5)
assert Version(client.get_version()).major == Version(mlflow.__version__).major
for given in (frame, frame[["price", "city", "member", "seats"]], frame.set_index("city", drop=False)):
    answer = client.invoke(given)
    assert near(answer.get_predictions()[0], scores) and near(answer.get_predictions("ndarray"), scores)
assert near(client.invoke(json.dumps({"dataframe_records": rows}))["predictions"], scores)
assert near(client.invoke(frame, params={})["predictions"], scores)
assert len(set(answer["ids"])) == len(rows) and answer["version"] == "buys@1"
for wrong, words in ((frame.assign(gate=1), "rows[0].gate: is unknown"), (frame.assign(price="?"), "a number")):
    try:
        client.invoke(wrong)
    except Exception as error:
        assert "error code 400" in str(error) and words in str(error), error
    else:
        raise AssertionError(f"{words} was answered")

# as MLflow's documentation asks a server, with requests and with curl's bodies
asked = {
    "dataframe_split": frame.astype(object).where(frame.notna(), None).to_dict(orient="split"),
    "dataframe_records": rows,
    "instances": rows,
    "inputs": {name: [row[name] for row in rows] for name in rows[0]},
}
for name, content in asked.items():
    answer = requests.post(f"{url}/invocations", json={name: content}, timeout=10)
    assert answer.status_code == 200 and near(answer.json()["predictions"], scores), answer.text
text = {"Content-Type": "text/csv"}
answer = requests.post(f"{url}/invocations", data=frame.to_csv(index=False).encode(), headers=text, timeout=10)
assert near(answer.json()["predictions"], scores), answer.text
answer = requests.post(f"{url}/invocations", data=frame.to_csv().encode(), headers=text, timeout=10)
assert answer.status_code == 400 and "index=False" in answer.json()["message"]
assert requests.get(f"{url}/health", timeout=10).status_code == 200

# of several models, the one in the path, where MLflow's deployment clients put it
deployed = get_deploy_client(of_three)
inputs = {"dataframe_split": asked["dataframe_split"]}
assert near(deployed.predict(endpoint="buys", inputs=inputs)["predictions"], scores)
assert near(deployed.predict(endpoint="spend", inputs=inputs)["predictions"], [e["value"] for e in expected["spend"]])
tiers = deployed.predict(endpoint="tier", inputs=inputs)
assert tiers["labels"] == [each["label"] for each in expected["tier"]]
table = pd.DataFrame(tiers["predictions"])
assert near(table, pd.DataFrame([each["scores"] for each in expected["tier"]])[table.columns])
answer = requests.post(f"{of_three}/invocations", json=inputs, timeout=10)
assert answer.status_code == 400 and "There are: buys, spend, tier." in answer.json()["message"]
answer = requests.post(f"{of_three}/invocations?model=spend", json=inputs, timeout=10)
assert near(answer.json()["predictions"], [each["value"] for each in expected["spend"]])
print("spoken")
