"""Neighbours of variables that repeat values: known truths, brute force, no change."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import digamma, gammaln

from ibjax.datasets import known_information as known
from ibjax.estimators import knn, mutual_information
from ibjax.estimators.knn import entropies
from ibjax.estimators.knn.ties import has_repeats

NUM_SAMPLES = 1000
TASKS = {task.name: task for task in known.mixed_tasks()}
PAIRS = [name for name in TASKS if "classes" not in name]
CLASSES = [name for name in TASKS if "classes" in name]
SEEDS = range(4)
# What KSG and Ross are off by on 1,000 samples of as simple variables without ties, by
# the tables of benchmarks/README.md; a quarter of a grid's cells is left out of it.
BIAS = 0.03


def _draw(name, seed=0, num_samples=NUM_SAMPLES):
    x, y = TASKS[name].sample(jax.random.key(seed), num_samples)
    return np.asarray(x), np.asarray(y)


def _is_right(name, estimate):
    values = [float(estimate(*_draw(name, seed))) for seed in SEEDS]
    # Four values know their deviation badly: of no estimate here is it above 0.05.
    error = 0.05 / math.sqrt(len(SEEDS))
    assert abs(np.mean(values) - TASKS[name].mutual_information) < BIAS + 2 * error
    assert np.std(values, ddof=1) < 0.08


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("variant", [1, 2])
def test_ksg_where_values_repeat(name, variant):
    _is_right(name, lambda x, y: knn.ksg(x, y, variant=variant))


@pytest.mark.parametrize("name", PAIRS[1:4])
def test_ksg_in_euclidean_norm(name):
    # Of one column each the norms are the same.
    x, y = _draw(name)
    value = knn.ksg(x, y, metric="euclidean")
    assert abs(value - knn.ksg(x, y)) < 0.01


@pytest.mark.parametrize("name", CLASSES)
def test_ross_where_values_repeat(name):
    _is_right(name, lambda x, y: knn.ross(x, y[:, 0], num_classes=2))


@pytest.mark.parametrize("name", CLASSES)
def test_class_information_where_values_repeat(name):
    _is_right(name, lambda x, y: knn.class_information(x, y[:, 0], num_classes=2))


@pytest.mark.parametrize("name", ["clipped-normal-0.8-0-inf", "rounded-normal-0-0.1"])
def test_entropies_where_values_repeat(name):
    _is_right(name, knn.mutual_information)


@pytest.mark.parametrize("name", TASKS)
def test_the_door_where_values_repeat(name):
    x, y = _draw(name)
    estimate = mutual_information(x, y, error=None)
    if name in CLASSES:
        method, value = "ross", knn.ross(x, y[:, 0], num_classes=2)
    else:
        method, value = "ksg", knn.ksg(x, y)
    assert estimate.method == method
    # The door scales X and Y by their deviations: some neighbours are others, which is
    # half of what an estimate deviates by.
    assert abs(estimate.value - value) < 0.025
    assert "repeat values" in estimate.warnings[0]


def test_conditional_information_where_values_repeat():
    # Given Z, X and Y are clipped normal variables with the information of the task.
    task = TASKS["clipped-normal-0.8-0-inf"]
    values = []
    for seed in SEEDS:
        x, y = map(np.asarray, task.sample(jax.random.key(seed), NUM_SAMPLES))
        z = np.random.default_rng(seed).integers(0, 2, (NUM_SAMPLES, 1))
        z = z.astype(np.float32)
        values.append(float(knn.conditional_mutual_information(x, y, z)))
    assert abs(np.mean(values) - task.mutual_information) < BIAS + 0.05
    # And of ReLU units that share Z alone there is none.
    z, a, b = np.random.default_rng(0).normal(size=(3, NUM_SAMPLES, 1))
    x, y = np.maximum(z + a, 0), np.maximum(z + b, 0)
    given = float(knn.conditional_mutual_information(x, y, z))
    assert abs(given) < BIAS + 0.05
    assert float(knn.ksg(x, y)) > 0.05


def _brute_ksg(x, y, k):
    """In float64, by the formulas of the module, of variables that are not grids.

    Separations tie that differ by no more than two differences of float32 numbers do,
    each of two rounded numbers and rounded itself.
    """
    d_x, d_y = (np.abs(v - v.T) for v in (x.astype(np.float64), y.astype(np.float64)))
    joint = np.maximum(d_x, d_y)
    others = joint + np.diag(np.full(len(x), np.inf))
    radius = np.sort(others, axis=1)[:, k - 1 : k]
    atom = radius[:, 0] == 0
    size = np.maximum(np.abs(x), np.abs(y)).astype(np.float64)
    margin = 2 * 2.0**-23 * (size + radius)
    closer = np.sum(others < radius - margin, axis=1)
    closer[atom] = 0
    tied = np.sum(others <= radius + margin * ~atom[:, None], axis=1) - closer
    share = (k - closer) / (tied + 1)
    total = np.where(atom, digamma(closer + tied + 1), digamma(k)) + digamma(len(x))
    for distance in (d_x, d_y):
        strict = np.maximum(np.sum(distance < radius - margin, axis=1), 1)
        more = np.sum(distance <= radius + margin * ~atom[:, None], axis=1) - strict
        among = np.minimum(more, tied)
        spread = among * (k - closer - 1) / tied + (more - among) * share
        total -= digamma(np.where(atom, strict + more, strict + spread))
    return np.mean(total)


@pytest.mark.parametrize(
    "name",
    [
        "zero-inflated-normal-0.5-0.8",
        "clipped-normal-0.8--0.5-0.5",
        "uniform-steps-5",
        "zero-inflated-poisson-0.15",
    ],
)
def test_atoms_equal_brute_force(name):
    # Several blocks of samples, so that pairs are left out.
    x, y = _draw(name)
    # 1,000 digammas and their sums round by a few units of float32.
    assert abs(knn.ksg(x, y) - _brute_ksg(x, y, 3)) < 1e-5


def test_labels_are_a_table_of_counts():
    x, labels = _draw("poisson-classes-2-6")
    value = float(knn.ross(x, labels[:, 0], num_classes=2, k=1))
    n_xy = np.array([np.sum((x == a) & (labels == b)) for a, b in zip(x, labels)])  # noqa: B905
    n_x = np.array([np.sum(x == a) for a in x])
    n_y = np.array([np.sum(labels == b) for b in labels])
    terms = digamma(n_xy) + digamma(len(x)) - digamma(n_x) - digamma(n_y)
    # A count that one sample of a class alone has is no atom, but has a neighbour.
    several = n_xy > 1
    missing = np.mean(np.where(several, 0, 1)) * 10
    assert np.mean(~several) < 0.01
    assert abs(value - np.mean(np.where(several, terms, 0))) < missing + 1e-5


# As many samples and columns as above: the same programs.
CONTINUOUS = np.random.default_rng(3).normal(size=(3, NUM_SAMPLES, 1))
CONTINUOUS = CONTINUOUS.astype(np.float32)
LABELS = (CONTINUOUS[2, :, 0] > 0).astype(np.int32)


@pytest.mark.parametrize(
    "estimate",
    [
        lambda x, y, **o: knn.ksg(x, y, **o),
        lambda x, y, **o: knn.ksg(x, y, variant=2, **o),
        lambda x, y, **o: knn.ksg(x, y, metric="euclidean", **o),
        lambda x, y, **o: knn.ross(x, LABELS, num_classes=2, **o),
        lambda x, y, **o: knn.conditional_mutual_information(*CONTINUOUS, **o),
        lambda x, y, **o: knn.class_information(x, LABELS, num_classes=2, **o),
        lambda x, y, **o: knn.mutual_information(x, y, **o),
    ],
)
def test_without_ties_no_bit_changes(estimate):
    x, y, _ = CONTINUOUS
    plain = estimate(x, y, ties=False)
    assert estimate(x, y) == plain
    # Another program may sum in another order.
    assert abs(estimate(x, y, ties=True) - plain) < 1e-5


def test_under_jit_and_vmap():
    # Traced values are not known to repeat, and those of the third pair do not.
    pairs = [_draw("clipped-normal-0.8-0-inf", seed) for seed in range(2)]
    pairs.append((CONTINUOUS[0], CONTINUOUS[1]))
    x, y = (np.stack(each) for each in zip(*pairs, strict=True))
    together = jax.jit(jax.vmap(knn.ksg))(x, y)
    alone = [knn.ksg(*pair) for pair in pairs]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_what_counts_as_repeating():
    x = np.linspace(0, 1, 1000)[:, None].astype(np.float32)
    assert not has_repeats(x, 3)
    x[:4] = 0.5  # With the one that is there, five copies.
    assert has_repeats(x, 3)
    assert has_repeats(jnp.asarray(x), 3)
    x[1:5] = [[0.0], [-0.0]] * 2  # Four copies of one value.
    for columns in (x, jnp.asarray(x)):
        assert has_repeats(columns, 3) and not has_repeats(columns, 5)
    pairs = np.repeat(x[10:500:20], 2, axis=0)
    assert has_repeats(np.concatenate([x[10:], pairs]), 3)
    assert not has_repeats(np.concatenate([x[10:], pairs[:4]]), 3)


def test_a_shift_and_a_scale_do_not_matter():
    x, y = _draw("rounded-classes-1-0.1")
    value = knn.ross(x, y[:, 0], num_classes=2)
    moved = knn.ross(x.astype(np.float64) * 1e-30 + 1e-20, y[:, 0], num_classes=2)
    # The same draws in cells of another size.
    assert abs(moved - value) < 0.01


@pytest.mark.parametrize("name", ["rounded-normal-0.8-1", "poisson-sum-2-1"])
@pytest.mark.parametrize("metric", ["chebyshev", "euclidean"])
@pytest.mark.parametrize("variant", [1, 2])
def test_steps_that_are_rounded_tie(name, metric, variant):
    x, y = _draw(name)
    value = knn.ksg(x, y, metric=metric, variant=variant)
    scaled = knn.ksg(1.37 * x, 1.37 * y, metric=metric, variant=variant)
    # Not one of the thousand samples may count others.
    assert abs(scaled - value) < 1 / NUM_SAMPLES


@pytest.mark.parametrize("ties", ["yes", 2])
def test_ties_is_yes_no_or_none(ties):
    with pytest.raises(ValueError, match="ties must be one of None, False, True"):
        knn.ksg(CONTINUOUS[0], CONTINUOUS[1], ties=ties)


def _entropy_past_copies(x, first):
    """In float64: the neighbour of this number, or the nearest one that is no copy."""
    x = x.astype(np.float64)
    dim = x.shape[1]
    distance = np.sqrt(np.sum((x[:, None] - x[None]) ** 2, axis=2))
    distance = np.sort(distance, axis=1)[:, 1:]
    number = np.maximum(np.sum(distance == 0, axis=1) + 1, first)
    nearest = distance[np.arange(len(x)), number - 1]
    log_ball = dim / 2 * np.log(np.pi) - gammaln(1 + dim / 2)
    terms = dim * np.log(nearest) - digamma(number)
    return np.mean(terms) + log_ball + np.log(len(x) - 1)


def _few_copies():
    """Two of X and three of Y that agree, as if by rounding, and two of both."""
    x, y, _ = CONTINUOUS[:, :300]
    x, y = x.copy(), (x + y).astype(np.float32)
    x[1], x[31], y[[10, 31]] = x[0], x[30], y[30]
    return x, y


@pytest.mark.parametrize(
    ("k", "weights", "first"), [(1, None, 1), (2, None, 2), (5, "butakov", 1)]
)
def test_few_copies_are_passed_over(k, weights, first):
    x, y = _few_copies()
    labels = np.arange(len(x)) % 2
    options = {"k": k, "weights": weights}
    # Three entropies of a few nats, each a mean of float32 logarithms.
    tolerance = 1e-5
    parts = (x, 1), (y, 1), (np.concatenate([x, y], axis=1), -1)
    expected = sum(sign * _entropy_past_copies(part, first) for part, sign in parts)
    assert not has_repeats(x, 3) and not has_repeats(y, 3)

    found = knn.mutual_information(x, y, **options)
    assert abs(found - expected) < tolerance
    within = np.mean([_entropy_past_copies(x[labels == c], first) for c in (0, 1)])
    expected = _entropy_past_copies(x, first) - within
    found = knn.class_information(x, labels, num_classes=2, **options)
    assert abs(found - expected) < tolerance


def test_a_batch_passes_over_the_copies_of_one_member():
    x, y = _few_copies()
    batch = np.stack([x, CONTINUOUS[0, :300]]), np.stack([y, CONTINUOUS[1, :300]])
    information = partial(knn.mutual_information, k=1)
    both = jax.jit(jax.vmap(information))(*batch)
    alone = [information(*pair) for pair in zip(*batch, strict=True)]
    # Of three entropies as above.
    assert np.all(np.isfinite(both))
    np.testing.assert_allclose(both, alone, atol=1e-5)


def test_gradients_pass_over_copies():
    x = _few_copies()[0].astype(np.float64)
    direction = np.random.default_rng(0).normal(size=x.shape)
    # Copies move together, so that they stay copies.
    direction[[1, 31]] = direction[[0, 30]]

    def entropy(x):
        return entropies._entropy(x, (1.0,), "euclidean", nearest=3)

    with jax.enable_x64(True):
        slope = np.vdot(jax.grad(entropy)(jnp.asarray(x)), direction)
        # Whose error is about 1e-16 / step, or the square over that of a distance.
        step = 1e-8
        ahead, behind = (float(entropy(x + s * direction)) for s in (step, -step))
    assert abs(slope - (ahead - behind) / (2 * step)) < 1e-5 * abs(slope)
