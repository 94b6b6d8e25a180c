from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rondo.models.links import scores, sigmoid, softmax

MARGINS = arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(2, 5)), elements=st.floats(-800, 800))


@given(MARGINS)
def test_scores_are_probabilities_and_a_row_alone_scores_as_in_its_batch(margins):
    for link, given_ in (("softmax", margins), ("sigmoid", margins[:, :1]), ("identity", margins[:, :1])):
        together = scores(link, np.ascontiguousarray(given_))
        alone = np.concatenate([scores(link, np.ascontiguousarray(given_[i : i + 1])) for i in range(len(given_))])
        assert together.tobytes() == alone.tobytes()
    assert np.allclose(softmax(margins).sum(axis=1), 1) and (softmax(margins) >= 0).all()


def test_sigmoid_does_not_overflow_and_is_symmetric():
    margins = np.array([-1000.0, -1.0, 0.0, 1.0, 1000.0])
    assert sigmoid(margins).tolist()[::4] == [0.0, 1.0] and sigmoid(margins)[2] == 0.5
    assert np.allclose(sigmoid(margins) + sigmoid(-margins), 1)
