"""`auto`: LightGBM and linear models searched under a budget of time, the best so far always at hand.

Optuna proposes trees (the tree-structured Parzen estimator of Bergstra and others, 2011, seeded). The deadline holds
while a try runs: trees end with the round that would pass it, the time to judge them kept back; a linear model that
would take too long, by what the baseline took, is not begun. The best try is kept as it is: no refit is owed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rondo.develop.boosting import Boosting
from rondo.develop.trying import Material, Try, boost, prepare, try_out
from rondo.records.progress import Progress, silent
from rondo.records.tables import Scalar

if TYPE_CHECKING:
    import optuna

TRIES = 200
WITHOUT_BETTER = 40
"""Tries in a row without a better one after which the rest of the budget is left unspent."""
AFTER_ROUND_S = 4e-4
"""Seconds that a round of trees costs after it was grown (written, read, scored), before that was measured."""
STRENGTHS = (0.1, 0.01, 10.0, 0.001, 1000.0)
"""The linear model's `c` beside the baseline's 1."""
LEAST_S, FAIR = 0.05, 0.25
"""A try is not begun with less time than this, in seconds and as a share of what the first one took."""


def search(material: Material, linear: Try, *, deadline: float, progress: Progress = silent) -> list[Try]:
    """Tries until `deadline` (on time.monotonic), the best first, of equal ones the earlier; `linear` is the first.

    The list is never empty: what was tried before the deadline counts.
    """
    begun = time.monotonic()
    search = _Search(material, linear, begun, deadline, progress)
    if deadline - begun > LEAST_S:
        search.run()
    return search.ranked()


class _Search:
    """The state of one search: what was tried, what a round of trees costs, what is left of the budget."""

    def __init__(self, material: Material, linear: Try, begun: float, deadline: float, progress: Progress) -> None:
        self.material, self.linear = material, linear
        self.begun, self.deadline, self.progress = begun, deadline, progress
        self.tries, self.best, self.since_better = [linear], linear, 0
        self.after_round_s, self.round_ended = AFTER_ROUND_S, begun

    def run(self) -> None:
        """Ask, try, tell."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        direction = "maximize" if self.material.metric.higher_is_better else "minimize"
        sampler = optuna.samplers.TPESampler(seed=self.material.seed, n_startup_trials=8)
        study = optuna.create_study(direction=direction, sampler=sampler)
        study.enqueue_trial(_FIRST)
        boosting = prepare(self.material)
        strengths = list(STRENGTHS)
        while self._goes_on():
            trial = study.ask()
            found = self._trees(boosting, _space(trial))
            if found.value is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, found.value)
            while strengths and self._goes_on() and time.monotonic() + 1.5 * self.linear.seconds < self.deadline:
                self._tried(try_out(self.material, "linear", {"c": strengths.pop(0)}))

    def ranked(self) -> list[Try]:
        """All tries, the best first."""
        rest = [each for each in self.tries if each is not self.best]
        return [self.best, *rest]

    def _goes_on(self) -> bool:
        enough = len(self.tries) > TRIES or self.since_better >= WITHOUT_BETTER
        # Trees cut off after a few rounds tell nothing.
        needed = max(LEAST_S, FAIR * self.tries[1].seconds if len(self.tries) > 1 else 0.0)
        return not enough and self.deadline - time.monotonic() > needed

    def _trees(self, boosting: Boosting, parameters: dict[str, Scalar]) -> Try:
        found = boost(self.material, boosting, parameters, deadline=self._growing_ends, progress=self._grew)
        # What writing, reading and judging took, a round: the next trees stop so much earlier.
        self.after_round_s = (time.monotonic() - self.round_ended) / int(str(found.parameters["num_iterations"]))
        self._tried(found)
        return found

    def _tried(self, found: Try) -> None:
        self.tries.append(found)
        self.since_better += 1
        if found.better_than(self.best, self.material.metric):
            self.best, self.since_better = found, 0
        self._said(None, f"{len(self.tries)} tries, the best {self.best.trainer}")

    def _growing_ends(self, rounds: int) -> float:
        """By when trees of so many rounds must be grown to be judged in time."""
        return self.deadline - 1.3 * self.after_round_s * rounds

    def _grew(self, share: float | None, what: str) -> None:
        self.round_ended = time.monotonic()
        self._said(share, what)

    def _said(self, share: float | None, what: str) -> None:
        spent = (time.monotonic() - self.begun) / max(1e-9, self.deadline - self.begun)
        self.progress(min(1.0, spent), what)


_FIRST: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 31,
    "leaf": 20,
    "feature_fraction": 0.9,
    "bagging_fraction": 0.9,
    "lambda_l2": 1e-3,
}


def _space(trial: optuna.Trial) -> dict[str, Scalar]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 255, log=True),
        "min_data_in_leaf": trial.suggest_int("leaf", 2, 200, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1.0),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        "bagging_freq": 1,
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 100.0, log=True),
    }
