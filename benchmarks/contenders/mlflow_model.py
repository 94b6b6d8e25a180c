"""The trees as a model of MLflow's lightgbm flavour, with a signature.

python mlflow_model.py TREES FOLDER
"""

from __future__ import annotations

import sys

import lightgbm
import mlflow.lightgbm
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

trees, folder = sys.argv[1:]
booster = lightgbm.Booster(model_file=trees)
columns = Schema([ColSpec("double", name, required=False) for name in booster.feature_name()])
mlflow.lightgbm.save_model(booster, folder, signature=ModelSignature(columns, Schema([ColSpec("double")])))
