from __future__ import annotations

import pytest

import rondo as rd
from rondo.errors import DeclarationError
from rondo.project.models import Cost, Feature, Model, OwnTrainer, Split, Trainer, merge_features

TASK = rd.binary("late")


def test_what_a_model_takes_when_nothing_is_said() -> None:
    model = Model(examples="departures", task=TASK)
    assert model.metric == "roc_auc" and model.split == rd.random(validation=0.15, test=0.2)
    assert model.train == rd.auto() and (model.retrain, model.promote) == ("never", "first")
    assert Model(examples="e", task=rd.multiclass("y")).metric == "log_loss"
    assert Model(examples="e", task=rd.regression("y")).metric == "rmse"


def test_features_are_merged_one_look_up_a_name() -> None:
    merged = merge_features(["planes.seats", "weather", "planes.year", "weather.wind"])
    assert merged == (Feature("planes", ("seats", "year")), Feature("weather"))


def test_a_table_under_another_name_is_another_look_up() -> None:
    dest = rd.feature("weather.wind", on={"origin": "dest"}, as_="dest_weather")
    merged = merge_features(["weather", dest])
    assert [feature.prefix for feature in merged] == ["weather", "dest_weather"]
    assert merged[1].on == (("origin", "dest"),)


def test_one_name_need_not_stand_in_a_list() -> None:
    model = Model(examples="e", task=TASK, features="weather", slices="origin")
    assert model.features == (Feature("weather"),) and model.slices == ("origin",)


def test_splits_and_trainers() -> None:
    assert rd.by_time(validation="7d", test="2w") == Split("time", 604_800, 1_209_600)
    assert rd.by_group("carrier", seed=3) == Split("group", 0.15, 0.2, seed=3, column="carrier")
    assert rd.lightgbm(num_leaves=31, learning_rate=0.1, seed=1) == rd.lightgbm(
        learning_rate=0.1, num_leaves=31, seed=1
    )
    assert rd.auto(minutes=2) == Trainer("auto", minutes=2.0)
    assert rd.cost(false_positive=1, false_negative=5) == Cost(1.0, 5.0)


class Mine:
    def fit(self, matrix, y, columns, seed): ...

    def save(self, fitted): ...

    def load(self, files): ...


def test_a_trainer_of_ones_own_needs_three_methods() -> None:
    assert isinstance(Mine(), OwnTrainer)
    mine = Mine()
    assert Model(examples="e", task=TASK, train=mine).train is mine


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: Model(examples="e", task="late"), "task is 'late'"),
        (lambda: Model(examples="", task=TASK), "examples is ''"),
        (lambda: Model(examples="e", task=TASK, split=0.2), "split is 0.2"),
        (lambda: Model(examples="e", task=TASK, train="lightgbm"), "has no fit, save and load"),
        (lambda: Model(examples="e", task=TASK, train=Mine), "given Mine, a class"),
        (lambda: Model(examples="e", task=TASK, retrain="yearly"), "monthly, weekly, daily, on alert, never"),
        (lambda: Model(examples="e", task=TASK, promote="always"), "first, due, never"),
        (lambda: Model(examples="e", task=TASK, features=[3]), "A feature is 3"),
        (lambda: Model(examples="e", task=TASK, slices=[3]), "slices is"),
        (lambda: Model(examples="e", task=TASK, slices=["a", "a"]), "slices is"),
        (lambda: merge_features(["weather", rd.feature("weather", on={"origin": "dest"})]), "both be called 'weather'"),
        (lambda: merge_features(["weather", rd.feature("planes", as_="weather")]), "both be called 'weather'"),
        (lambda: rd.feature("planes.seats", columns=["year"]), "'planes.seats' and columns"),
        (lambda: rd.feature("planes."), "A feature is 'planes.'"),
        (lambda: rd.feature(".seats"), "A feature is '.seats'"),
        (lambda: rd.binary("late", threshold="best"), "threshold is 'best'"),
        (lambda: rd.binary("late", threshold=1.5), "threshold is 1.5"),
        (lambda: rd.binary("late", threshold=None), "threshold is None"),
        (lambda: rd.binary(""), "label is ''"),
        (lambda: rd.regression(3), "label is 3"),
        (lambda: rd.cost(false_positive=-1, false_negative=1), "cost"),
        (lambda: rd.cost(false_positive=0, false_negative=0), "cost"),
        (lambda: rd.by_time(validation="7d", test="0d"), "test is"),
        (lambda: rd.by_time(validation="soon", test="7d"), "validation is 'soon'"),
        (lambda: rd.random(validation=0.5, test=0.5), "not shares"),
        (lambda: rd.random(validation=-0.1, test=0.5), "not shares"),
        (lambda: rd.random(validation="7d", test="14d"), "not shares"),
        (lambda: rd.by_group(""), "column is ''"),
        (lambda: rd.auto(minutes=0), "0 minutes"),
        (lambda: rd.auto(minutes=float("nan")), "nan minutes"),
        (lambda: rd.auto(minutes="1"), "'1' minutes"),
    ],
)
def test_what_cannot_be_declared_is_refused(declare, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        declare()
