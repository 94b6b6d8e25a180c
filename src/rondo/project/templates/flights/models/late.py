"""Which departures will leave more than 15 minutes late, or not at all? Asked two hours ahead."""

import rondo as rd

late = rd.Model(
    examples="departures",
    task=rd.binary("late", positive=True, threshold=0.3),  # or rd.multiclass, rd.regression; threshold="f1", rd.cost(…)
    features=["origin_delays_3h", "carrier_delays_7d.late_rate", "weather", "planes.seats"],
    split=rd.by_time(validation="7d", test="14d"),  # or rd.random(validation=0.15, test=0.2), rd.by_group("carrier")
    train=rd.lightgbm(  # or rd.auto(minutes=1), which searches; rd.linear(); your own
        num_leaves=15, n_estimators=300, min_child_samples=200, colsample_bytree=0.6, reg_lambda=5
    ),
    metric="roc_auc",
    slices=["origin", "carrier"],
    retrain="monthly",  # or "on alert", "never"
    promote="due",  # or "first", "never"
    owner="data_scientist",
)
