"""Fits: known truths, the same alone as in a batch, scale, divergence, bad input."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

from ibjax.estimators import variational
from ibjax.estimators.variational.critics import (
    GaussianConditional,
    JointCritic,
    SeparableCritic,
)
from ibjax.estimators.variational.samples import (
    draw_batch,
    other_places,
    split_sizes,
    standardise,
)

NUM_SAMPLES, NUM_STEPS = 2000, 300
RHO = 0.75
TRUTH = -0.5 * np.log(1 - RHO**2)
fit = partial(
    variational.fit,
    critic=SeparableCritic((32,), 16),
    num_steps=NUM_STEPS,
    num_checkpoints=2,
    learning_rate=3e-3,
)


def _pair(seed=0, rho=RHO):
    x, noise = np.random.default_rng(seed).normal(size=(2, NUM_SAMPLES, 1))
    y = rho * x + np.sqrt(1 - rho**2) * noise
    return x.astype(np.float32), y.astype(np.float32)


@pytest.fixture(scope="module")
def lanes():
    """Many pairs with a key each, in one program: estimates by name."""
    x, y = _pair()
    nan, fresh = x.copy(), _pair(5)
    nan[7] = np.nan
    pairs = {
        "same": (0, x, y),
        "other key": (1, x, y),
        "independent": (0, x, _pair(9)[1]),
        "scaled": (0, x * 2.0**20, y * 2.0**-20),
        "shifted": (0, x + 1000, y - 1000),
        "not finite": (0, nan, y),
        "constant": (0, np.full_like(x, 0.1), y),
        "fresh": (0, *fresh),
    }
    seeds, xs, ys = (np.stack(part) for part in zip(*pairs.values(), strict=True))
    found = jax.vmap(fit)(jax.vmap(jax.random.key)(seeds), xs, ys)
    return {
        name: jax.tree.map(lambda leaf, n=n: np.asarray(leaf[n]), found)
        for n, name in enumerate(pairs)
    }


@pytest.mark.parametrize("name", ["same", "other key", "fresh"])
def test_a_gaussian_pair_is_between_half_and_all(lanes, name):
    found = lanes[name]
    # On average below the truth, for any critic; the error is that of 500 samples.
    assert found.value < TRUTH + 3 * found.standard_error
    assert found.value > TRUTH / 2
    # A score has a standard deviation of about rho: .75 / sqrt(500) is .034.
    assert 0.02 < found.standard_error < 0.06
    assert not found.diverged
    assert found.num_steps == NUM_STEPS


def test_what_a_fit_returns(lanes):
    found = lanes["same"]
    assert found.train_history.shape == (NUM_STEPS,)
    assert found.held_out_history.shape == (2,)
    assert found.held_out_history[1] == found.value
    assert found.value.dtype == np.float32
    # 500 held-out samples are two batches of 250.
    np.testing.assert_allclose(found.cap, np.log(250), rtol=1e-6)
    assert np.mean(found.train_history[-50:]) > np.mean(found.train_history[:10])


def test_independent_variables_have_none(lanes):
    found = lanes["independent"]
    # A lower bound on 0; a critic that has learned noise falls below by its variance
    # on held-out samples, of which .05 is the most that is worth having.
    assert -0.05 < found.value < 3 * found.standard_error + 1e-3


def test_a_constant_tells_nothing(lanes):
    found = lanes["constant"]
    # Scores that do not depend on x differ between y alone, which are all compared.
    np.testing.assert_allclose(found.value, 0.0, atol=0.02)
    assert not found.diverged


def test_scale_and_shift_do_not_matter(lanes):
    # Powers of two scale exactly.
    assert lanes["scaled"].value == lanes["same"].value
    # A shift by 1,000 deviations rounds samples by 6e-5 / 2 of one: as much noise, and
    # steps of training that differ as little, against a standard error of .03.
    difference = lanes["shifted"].value - lanes["same"].value
    assert abs(difference) < 0.1 * lanes["same"].standard_error


def test_samples_that_are_not_finite_are_nan_alone(lanes):
    found = lanes["not finite"]
    assert np.isnan(found.value)
    assert np.isnan(found.standard_error)
    assert found.diverged
    assert found.num_steps == 0


def test_keys_matter(lanes):
    assert lanes["same"].value != lanes["other key"].value


def test_a_fit_alone_is_the_same_as_in_a_batch(lanes):
    found = fit(jax.random.key(1), *_pair())
    # The same steps with sums in another order; what 300 steps make of that is a small
    # part of the standard error.
    error = lanes["other key"].standard_error
    for name in ("value", "held_out_history", "standard_error"):
        expected = getattr(lanes["other key"], name)
        np.testing.assert_allclose(getattr(found, name), expected, atol=0.05 * error)


@pytest.mark.slow
def test_a_joint_critic_with_few_negatives():
    found = fit(
        jax.random.key(0),
        *_pair(),
        objective="mine",
        critic=JointCritic((32, 16)),
        num_negatives=2,
    )
    assert TRUTH / 2 < found.value < TRUTH + 3 * found.standard_error
    assert found.cap == np.inf


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["donsker_varadhan", "nwj", "smile", "club"])
def test_every_objective_on_a_gaussian_pair(objective):
    critic = GaussianConditional((32,)) if objective == "club" else None
    found = variational.fit(
        jax.random.key(0), *_pair(), objective=objective, critic=critic, num_steps=1000
    )
    if objective == "club":
        # Where its density is the true one; the fit's own error is below a tenth.
        truth = RHO**2 / (1 - RHO**2)
        assert abs(found.value - truth) < 3 * found.standard_error + 0.1 * truth
    else:
        assert TRUTH / 2 < found.value < TRUTH + 3 * found.standard_error


def test_other_objectives_and_critics_give_one_estimate():
    x, y = _pair()
    for options in (
        {"objective": "club"},
        {"objective": "smile"},
        {"objective": "mine", "critic": JointCritic((8,)), "num_negatives": 3},
    ):
        call = partial(variational.fit, num_steps=2, **options)
        found = jax.eval_shape(call, jax.random.key(0), x, y)
        assert found.value.shape == found.standard_error.shape == ()
        assert found.train_history.shape == (2,)


# Samples.


def test_strata_give_every_sample_once_and_all_alike():
    num_train, batch_size, draws = 23, 10, 1000
    keys = jax.random.split(jax.random.key(0), draws)
    rows, start = jax.jit(jax.vmap(lambda key: draw_batch(key, num_train, batch_size)))(
        keys
    )
    rows = np.asarray(rows)
    assert all(len(set(batch)) == batch_size for batch in rows)
    counts = np.bincount(rows.ravel(), minlength=num_train)
    # Strata hold two or three samples: expected counts are draws over two or three.
    size = np.diff(np.arange(batch_size + 1) * num_train // batch_size)
    expected = draws / np.repeat(size, size)
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(draws / 4))
    assert set(np.asarray(start)) == set(range(batch_size - 1))


def test_other_places_are_other_and_balanced():
    for start in range(6):
        places = np.asarray(other_places(jnp.asarray(start), 3, 7))
        assert places.shape == (7, 4)
        np.testing.assert_array_equal(places[:, 0], np.arange(7))
        assert all(len(set(row)) == 4 for row in places)
        np.testing.assert_array_equal(np.bincount(places.ravel()), 4)


def test_standardised_by_the_training_samples():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(30, 5)) * [1, 1e-20, 1e20, 1, 0] + [0, 0, 0, 1e3, 0.1]
    samples = samples.astype(np.float32)
    found = np.asarray(jax.jit(partial(standardise, num_train=20))(samples))
    train = np.float64(samples[:20])
    spread = np.where(np.std(train, axis=0) > 1e-25, np.std(train, axis=0), 1)
    spread[4] = 1
    expected = (samples - np.mean(train, axis=0)) / spread
    expected[:, 4] = 0
    # The column at 1,000 keeps the rounding of its samples alone, which are exact here.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_sizes_of_the_split():
    assert split_sizes(5000, 0.25, None) == (1250, 250)
    assert split_sizes(2000, 0.25, None) == (500, 250)
    assert split_sizes(100, 0.25, None) == (25, 25)
    assert split_sizes(100, 0.9, None) == (90, 10)
    assert split_sizes(5000, 0.25, 128) == (1250, 128)
    assert split_sizes(5, 0.6, None) == (3, 2)  # A batch of one has no other place.
    with pytest.raises(ValueError, match="at least 2 for training and 2 held out"):
        split_sizes(5, 0.25, None)


# Errors.

X, Y = np.zeros((40, 2), np.float32), np.zeros((40, 3), np.float32)


@pytest.mark.parametrize(
    ("x", "y", "error", "match"),
    [
        (X, Y[:39], ValueError, "x and y must have as many samples, got 40 and 39"),
        (
            X[:, 0],
            Y,
            ValueError,
            r"x must have shape \[num_samples, dim\], got \(40,\)",
        ),
        (X, Y[:, :0], ValueError, r"y must have shape \[num_samples, dim\]"),
        (X, Y.astype(int), TypeError, "y must be floating, got int"),
        (X + np.nan, Y, ValueError, "x must be finite"),
        (X, Y + np.inf, ValueError, "y must be finite"),
        (X[:4], Y[:4], ValueError, "num_samples must leave at least 2"),
    ],
)
def test_bad_samples(x, y, error, match):
    with pytest.raises(error, match=match):
        variational.fit(jax.random.key(0), x, y)


class _Linear(linen.Module):
    @linen.compact
    def __call__(self, x, y):
        return linen.Dense(y.shape[1])(x) @ y.T


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"objective": "tuba"}, ValueError, "objective must be one of infonce, .*tuba"),
        ({"critic": SeparableCritic([4])}, TypeError, "critic must be hashable"),
        ({"critic": "joint"}, TypeError, "critic must be a flax linen module, got str"),
        (
            {"objective": "club", "critic": JointCritic()},
            ValueError,
            "critic must return the log of a density",
        ),
        (
            {"critic": _Linear(), "num_negatives": 2},
            ValueError,
            "critic must have a method pairs .* _Linear",
        ),
        ({"batch_size": 31}, ValueError, "batch_size must be .* 30, .* 10, got 31"),
        (
            {"batch_size": 1},
            ValueError,
            "batch_size must be a whole number, at least 2",
        ),
        ({"held_out_fraction": 0.0}, ValueError, "held_out_fraction must lie in"),
        ({"held_out_fraction": 1.0}, ValueError, "held_out_fraction must lie in"),
        ({"num_negatives": True}, TypeError, "num_negatives must be an integer"),
        ({"num_negatives": 10}, ValueError, r"num_negatives must lie in \[1, 10\)"),
        ({"num_steps": 0}, ValueError, "num_steps must be a positive multiple"),
        ({"num_steps": 5, "num_checkpoints": 2}, ValueError, "got 5 and 2"),
        ({"averaging": 1.0}, ValueError, r"averaging must lie in \[0, 1\), got 1"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be one positive"),
        ({"weight_decay": -1.0}, ValueError, "weight_decay must be one number"),
        ({"objective": "smile", "clip": -1.0}, ValueError, "clip must be positive"),
        ({"objective": "mine", "mine_rate": 2.0}, ValueError, "rate must lie in"),
    ],
)
def test_bad_options(options, error, match):
    with pytest.raises(error, match=match):
        variational.fit(jax.random.key(0), X, Y, **options)
