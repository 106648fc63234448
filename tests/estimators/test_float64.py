"""Every estimator in float64, at sizes that reach every path of the neighbours."""

import jax
import numpy as np
import pytest

from ibjax import estimators as E

# One block of samples, several (as many as other tests have, whose programs these are),
# and more than are counted in pairs along a line.
SIZES = (400, 1000, 10_001)
ROUNDING = 1e-4


def _pair(num_samples, dim=1):
    x, noise = np.random.default_rng(0).normal(size=(2, num_samples, dim))
    # Numbers of float32, so that both precisions see the same.
    x, y = np.float32(x), np.float32(0.8 * x + 0.6 * noise)
    return x, y, (y[:, 0] > 0).astype(int)


NEIGHBOURS = {
    "ksg": lambda x, y, labels: E.knn.ksg(x, y),
    "ksg2": lambda x, y, labels: E.knn.ksg(x, y, variant=2),
    "ksg, euclidean": lambda x, y, labels: E.knn.ksg(x, y, metric="euclidean"),
    "ksg, many neighbours": lambda x, y, labels: E.knn.ksg(x, y, k=9),
    "ksg, ties": lambda x, y, labels: E.knn.ksg(np.maximum(x, 0), y),
    "ross": lambda x, y, labels: E.knn.ross(x, labels, num_classes=2),
    "ross, ties": lambda x, y, labels: E.knn.ross(
        np.maximum(x, 0), labels, num_classes=2
    ),
    "conditional": lambda x, y, labels: E.knn.conditional_mutual_information(
        x, y, x[::-1].copy()
    ),
    "kl": lambda x, y, labels: E.knn.mutual_information(x, y),
    "class": lambda x, y, labels: E.knn.class_information(x, labels, num_classes=2),
    "weighted": lambda x, y, labels: E.knn.weighted_entropy(x, k=5),
    "white": lambda x, y, labels: (
        E.whitened_neighbours.mutual_information(x, y, k=3).value
    ),
    "white class": lambda x, y, labels: (
        E.whitened_neighbours.class_information(x, labels, num_classes=2, k=3).value
    ),
}

OTHERS = {
    "density": lambda x, y, labels: E.density.mutual_information(x, y).value,
    "density class": lambda x, y, labels: (
        E.density.class_information(x, labels, num_classes=2).value
    ),
    "kde": lambda x, y, labels: (
        E.kde.layer_information(x, labels, num_classes=2, noise_variance=0.1).upper.i_ty
    ),
    "bins": lambda x, y, labels: (
        E.binning.layer_information(x, labels, num_classes=2, bin_width=0.5).i_ty
    ),
    "corrected bins": lambda x, y, labels: (
        E.discrete.layer_information(
            x, labels, num_classes=2, bin_width=0.5, correction="grassberger"
        ).i_ty
    ),
    "discrete": lambda x, y, labels: E.discrete.mutual_information(
        labels, (x[:, 0] > 0).astype(int), num_x=2, num_y=2
    ),
    "gaussian": lambda x, y, labels: E.gaussian.mutual_information(x, y).value,
    "copula": lambda x, y, labels: E.gaussian.copula_information(x, y).value,
}


def _check(estimate, num_samples, dim=1):
    samples = _pair(num_samples, dim)
    expected = estimate(*samples)
    with jax.enable_x64(True):
        x, y, labels = samples
        value = estimate(x.astype(np.float64), y.astype(np.float64), labels)
        assert value.dtype == np.float64
        # Sums of float32; a distance that ties there may not tie here, of weight 1 / N.
        assert abs(value - expected) < ROUNDING + 2 / num_samples


# The others pass through the same search; they take a minute of compilation.
_QUICK = ("ksg", "ksg, ties", "ross", "kl")


@pytest.mark.parametrize(
    "name",
    [
        name if name in _QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in NEIGHBOURS
    ],
)
def test_neighbours_of_several_blocks(name):
    _check(NEIGHBOURS[name], SIZES[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ksg", "ksg, ties", "ross"])
@pytest.mark.parametrize("num_samples", [SIZES[0], SIZES[2]])
def test_neighbours_of_few_and_of_many(name, num_samples):
    _check(NEIGHBOURS[name], num_samples)


@pytest.mark.parametrize("name", OTHERS)
def test_other_estimators(name):
    _check(OTHERS[name], 641)


@pytest.mark.parametrize("objective", ["infonce", "club"])
def test_critics(objective):
    x, y, _ = _pair(600)
    with jax.enable_x64(True):
        pair = x.astype(np.float64), y.astype(np.float64)
        key = jax.random.key(0)
        found = E.variational.fit(key, *pair, objective=objective, num_steps=3)
        assert found.value.dtype == np.float64 and not found.diverged


def test_the_door():
    x, y, labels = _pair(1000)
    with jax.enable_x64(True):
        estimate = E.mutual_information(x, y)
        assert estimate.method == "ksg" and estimate.standard_error > 0
        # Offsets that float64 holds are no offsets.
        moved = E.mutual_information(x.astype(np.float64) + 1e8, y, error=None)
        assert abs(moved.value - estimate.value) < 2 / 1000
        assert E.mutual_information(x, labels, error=None).method == "ross"
