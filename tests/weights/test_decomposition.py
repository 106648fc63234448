"""The decomposition of the cross-entropy, against sums over all that can happen."""

import itertools

import numpy as np
import pytest

from ibjax.weights import cross_entropy_terms

RNG = np.random.default_rng(0)


def _tables(laws=2, x=2, y=4, w=3):
    def draw(*shape):
        return RNG.dirichlet(np.ones(shape[-1]), shape[:-1])

    return draw(laws), draw(x), draw(laws, x, y), draw(x, y, w), draw(w, x, y)


def test_terms_are_sums_over_all_outcomes():
    p_theta, p_x, p_y, p_w, q = tables = _tables()
    found = cross_entropy_terms(*tables)
    places = list(itertools.product(*map(range, (2, 2, 4, 3))))
    joint = {
        (t, x, y, w): p_theta[t] * p_x[x] * p_y[t, x, y] * p_w[x, y, w]
        for t, x, y, w in places
    }

    def total(**fixed):
        names = "txyw"
        return sum(
            p
            for place, p in joint.items()
            if all(place[names.index(k)] == v for k, v in fixed.items())
        )

    cross, intrinsic, sufficiency, efficiency, overfitting, information = np.zeros(6)
    for (t, x, y, w), p in joint.items():
        y_of_xw = total(x=x, y=y, w=w) / total(x=x, w=w)
        y_of_txw = p / total(t=t, x=x, w=w)
        cross -= p * np.log(q[w, x, y])
        intrinsic -= p * np.log(p_y[t, x, y])
        sufficiency += p * np.log(y_of_txw / y_of_xw)
        efficiency += p * np.log(y_of_xw / q[w, x, y])
        overfitting += p * np.log(y_of_txw / p_y[t, x, y])
        information += p * np.log(p_w[x, y, w] / (total(t=t, w=w) / p_theta[t]))
    expected = cross, intrinsic, sufficiency, efficiency, overfitting, information
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    parts = found.intrinsic + found.sufficiency + found.efficiency - found.overfitting
    np.testing.assert_allclose(found.cross_entropy, parts, rtol=0, atol=1e-12)
    assert found.information > found.overfitting > 0


def test_weights_that_ignore_the_data_learn_nothing_by_heart():
    p_theta, p_x, p_y, p_w, q = _tables()
    p_w = np.broadcast_to(p_w[:1, :1], p_w.shape)
    found = cross_entropy_terms(p_theta, p_x, p_y, p_w, q)
    np.testing.assert_allclose([found.overfitting, found.information], 0, atol=1e-12)


def test_weights_that_are_the_labels_have_no_loss_and_all_noise_by_heart():
    p_theta, p_x, p_y, _, _ = _tables()
    memory = np.broadcast_to(np.eye(4), (2, 4, 4))
    found = cross_entropy_terms(p_theta, p_x, p_y, memory, memory.transpose(1, 0, 2))
    np.testing.assert_allclose(found.cross_entropy, 0, atol=1e-12)
    np.testing.assert_allclose(found.overfitting, found.intrinsic, atol=1e-12)
    # A network that never says what occurs.
    wrong = np.roll(memory, 1, axis=2).transpose(1, 0, 2)
    assert cross_entropy_terms(p_theta, p_x, p_y, memory, wrong).efficiency == np.inf


def test_bad_tables_are_refused():
    tables = list(_tables())
    with pytest.raises(ValueError, match="p_y must have shape"):
        cross_entropy_terms(tables[0], tables[1], tables[2][0], *tables[3:])
    with pytest.raises(ValueError, match="p_x must sum to one"):
        cross_entropy_terms(tables[0], tables[1] / 2, *tables[2:])
    with pytest.raises(ValueError, match="q_y must lie in"):
        cross_entropy_terms(*tables[:4], -tables[4])
