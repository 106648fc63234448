"""V-measure against scikit-learn."""

import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.representations import v_measure


def test_scikit_learn_agrees():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for sharpness in (0.0, 2.0, 50.0):
        classes = rng.integers(4, size=300)
        likeliest = sharpness * (classes[:, None] == np.arange(3))
        clusters = np.argmax(likeliest + rng.gumbel(size=(300, 3)), axis=1)
        table = np.zeros((4, 3))
        np.add.at(table, (classes, clusters), 1)
        for weight in (1.0, 0.5):
            found = v_measure(table, weight=weight)
            h, c, v = metrics.homogeneity_completeness_v_measure(
                classes, clusters, beta=weight
            )
            # Entropies in float32, of which a difference is small at sharpness zero.
            np.testing.assert_allclose(found, (v, h, c), atol=2e-6)


@pytest.mark.parametrize(
    "table, expected",
    [
        (np.eye(3), (1, 1, 1)),
        (np.ones((3, 1)), (0, 0, 1)),
        (np.ones((1, 3)), (0, 1, 0)),
        ([[7.0]], (1, 1, 1)),
        (np.ones((2, 2)), (0, 0, 0)),
    ],
)
def test_edges(table, expected):
    # As scikit-learn has it: one cluster is complete, one class homogeneous.
    np.testing.assert_allclose(v_measure(table), expected, atol=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match=r"table must have shape"):
        v_measure([1.0, 2.0])
    with pytest.raises(ValueError, match=r"table must lie in \[0, inf\), got -1"):
        v_measure([[1.0, -1.0]])
    with pytest.raises(ValueError, match="weight must be one number from 0 on"):
        v_measure(np.eye(2), weight=-1.0)
    assert jnp.isnan(v_measure([[1.0, np.nan]]).value)
    assert jnp.isnan(v_measure(np.zeros((2, 2))).value)
