"""Variational bounds: against float64 sums, exact critics, MINE's gradient, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, logsumexp

from ibjax.estimators.variational import objectives
from ibjax.estimators.variational.held_out import held_out_value

BATCH = 40
CLIP = 1.5
# Scores of a few units: sums of 1,600 terms in pairs, then an exponential or logarithm.
ROUNDING = 5e-6
PLAIN = ("donsker_varadhan", "nwj", "infonce", "smile", "js", "club")


def _scores(seed=0, scale=2.0):
    return np.random.default_rng(seed).normal(0, scale, (BATCH, BATCH))


def _off_diagonal(matrix):
    return matrix[~np.eye(len(matrix), dtype=bool)]


def _direct(name, joint, marginal, clip=CLIP):
    """The definitions in float64; marginal of any shape, InfoNCE's by rows."""
    joint, marginal = np.float64(joint), np.float64(marginal)

    def partition(values):
        return logsumexp(values) - np.log(values.size)

    if name == "infonce":
        every = np.concatenate([joint[:, None], marginal], axis=1)
        return np.mean(joint - logsumexp(every, axis=1)) + np.log(every.shape[1])
    second = {
        "donsker_varadhan": lambda t: partition(t),
        "nwj": lambda t: np.mean(np.exp(t - 1)),
        "smile": lambda t: partition(np.clip(t, -clip, clip)),
        "js": lambda t: -np.mean(np.log(1 - expit(t))),
        "club": np.mean,
    }[name](marginal)
    first = np.log(expit(joint)) if name == "js" else joint
    return np.mean(first) - second


@jax.jit
def _found(*scores):
    """Every objective at once, by name."""
    value, log_average = objectives.mine(*scores, log_average=2.0)
    return {
        "mine": value,
        "log average": log_average,
        "unclipped": objectives.smile(*scores, clip=jnp.inf),
        "smile": objectives.smile(*scores, clip=CLIP),
        **{
            name: getattr(objectives, name)(*scores)
            for name in PLAIN
            if name != "smile"
        },
    }


def _float32(*arrays):
    return tuple(np.asarray(array, np.float32) for array in arrays)


def test_all_pairs_are_the_definitions():
    scores = _scores()
    marginal = _off_diagonal(scores).reshape(BATCH, BATCH - 1)
    found = _found(*_float32(scores))
    for name in PLAIN:
        expected = _direct(name, np.diagonal(scores), marginal)
        assert found[name].shape == ()
        np.testing.assert_allclose(
            found[name], expected, rtol=ROUNDING, atol=ROUNDING, err_msg=name
        )


def test_pairs_beside_joint_samples_are_the_definitions():
    joint, marginal = _scores()[:, 0], _scores(1)[:, :3]
    found = _found(*_float32(joint, marginal))
    for name in PLAIN:
        expected = _direct(name, joint, marginal)
        np.testing.assert_allclose(
            found[name], expected, rtol=ROUNDING, atol=ROUNDING, err_msg=name
        )


def test_off_diagonal_leaves_out_the_diagonal_alone():
    matrix = np.arange(25, dtype=np.float32).reshape(5, 5)
    found = jax.jit(objectives.off_diagonal)(matrix)
    np.testing.assert_array_equal(found, _off_diagonal(matrix).reshape(5, 4))


def test_scores_beyond_the_exponential_do_not_overflow():
    (scores,) = _float32(1000 + 300 * _scores())
    marginal = _off_diagonal(scores).reshape(BATCH, BATCH - 1)
    found = _found(scores)
    for name in ("donsker_varadhan", "infonce"):
        expected = _direct(name, np.diagonal(scores), marginal)
        np.testing.assert_allclose(found[name], expected, rtol=ROUNDING)
    assert found["js"] > -np.inf


def test_a_constant_moves_only_what_is_not_normalised():
    (scores,) = _float32(_scores())
    found, moved = _found(scores), _found(scores + 7)
    for name in ("donsker_varadhan", "infonce", "club"):
        np.testing.assert_allclose(moved[name], found[name], atol=20 * ROUNDING)
    assert abs(moved["nwj"] - found["nwj"]) > 1
    by_row = scores + np.linspace(-3, 3, BATCH, dtype=np.float32)[:, None]
    moved = _found(by_row)
    np.testing.assert_allclose(moved["infonce"], found["infonce"], atol=ROUNDING)


def test_smile_without_clipping_is_donsker_varadhan():
    found = _found(*_float32(_scores()))
    assert found["unclipped"] == found["donsker_varadhan"]
    assert abs(found["smile"] - found["unclipped"]) > 0.1


def test_infonce_reaches_its_cap_and_not_more():
    found = _found(*_float32(1e4 * np.eye(BATCH)))
    # One rounding of the logarithm.
    np.testing.assert_allclose(found["infonce"], np.log(BATCH), rtol=2e-7)


def test_mine_has_the_value_of_donsker_varadhan():
    found = _found(*_float32(_scores()))
    np.testing.assert_allclose(found["mine"], found["donsker_varadhan"], rtol=ROUNDING)


@jax.jit
def _mine_gradient(scores, log_average):
    def value(scores):
        return objectives.mine(scores, log_average=log_average, rate=0.1)

    return jax.grad(value, has_aux=True)(scores)


def test_mine_divides_its_gradient_by_the_average():
    scores = _scores()
    now = np.mean(np.exp(_off_diagonal(scores)))
    for before, average in ((3.0, 0.9 * np.exp(3.0) + 0.1 * now), (-np.inf, now)):
        gradient, new = _mine_gradient(*_float32(scores, before))
        np.testing.assert_allclose(new, np.log(average), rtol=ROUNDING)
        # E_p T - E_q e^T / average, the average held fixed.
        expected = -np.exp(scores) / (BATCH * (BATCH - 1) * average)
        np.fill_diagonal(expected, 1 / BATCH)
        np.testing.assert_allclose(gradient, expected, rtol=10 * ROUNDING)


# Exact critics of a bivariate Gaussian.

RHO = 0.75
TRUTH = -0.5 * np.log(1 - RHO**2)
NUM_SETS, NUM_BATCHES, SIZE = 40, 2, 50
HELD_OUT = ("donsker_varadhan", "nwj", "infonce", "smile", "club")


def _gaussian_log_densities():
    """ln p(y|x) / p(y) and ln p(y|x) of all pairs in batches: joint ones on diagonals.

    Many independent sets of batches each.
    """
    rng = np.random.default_rng(3)
    x, noise = rng.normal(size=(2, NUM_SETS, NUM_BATCHES, SIZE))
    y = RHO * x + np.sqrt(1 - RHO**2) * noise
    x, y = x[..., :, None], y[..., None, :]
    variance = 1 - RHO**2
    given_x = -0.5 * ((y - RHO * x) ** 2 / variance + np.log(2 * np.pi * variance))
    return given_x + 0.5 * (y**2 + np.log(2 * np.pi)), given_x


@pytest.fixture(scope="module")
def held_out():
    """Values and errors of exact critics by name, each ``[NUM_SETS]``."""

    @jax.jit
    @jax.vmap
    def values_and_errors(ratio, given_x):
        scores = {"nwj": ratio + 1, "club": given_x}
        return {
            name: held_out_value(name, scores.get(name, ratio), CLIP)
            for name in HELD_OUT
        }

    return values_and_errors(*_float32(*_gaussian_log_densities()))


def _mean_and_error(values_and_errors):
    values, errors = values_and_errors
    return np.mean(values), np.sqrt(np.mean(np.square(errors)) / NUM_SETS)


@pytest.mark.parametrize("name", ["donsker_varadhan", "nwj"])
def test_the_log_ratio_reaches_the_true_information(held_out, name):
    value, error = _mean_and_error(held_out[name])
    # The scores alone have variance rho^2: .75 / sqrt(4000) is .012.
    assert 0.005 < error < 0.03
    # The logarithm of an average is too small by half its variance, of which one set's
    # squared error is the most it can be.
    bias = np.mean(np.square(held_out[name][1])) / 2
    assert abs(value - TRUTH) < 4 * error + bias


def test_infonce_of_the_log_ratio_stays_below(held_out):
    value, error = _mean_and_error(held_out["infonce"])
    assert value < min(TRUTH + 4 * error, np.log(SIZE))
    # The gap is about Var_q(e^T) / 2 B for e^T the ratio of densities, of which
    # E_q e^2T = E_p e^T = 1 / (1 - rho^2); four times that for the higher orders.
    gap = (1 / (1 - RHO**2) - 1) / (2 * SIZE)
    assert value > TRUTH - 4 * gap - 4 * error


def test_club_of_the_true_density_is_its_closed_form(held_out):
    value, error = _mean_and_error(held_out["club"])
    assert abs(value - RHO**2 / (1 - RHO**2)) < 4 * error
    assert value - 4 * error > TRUTH


def test_values_are_of_all_pairs_of_all_batches(held_out):
    off = ~np.eye(SIZE, dtype=bool)
    ratio, given_x = (scores[0] for scores in _gaussian_log_densities())
    for name in HELD_OUT:
        scores = {"nwj": ratio + 1, "club": given_x}.get(name, ratio)
        joint = np.stack([np.diagonal(batch) for batch in scores])
        marginal = np.stack([batch[off].reshape(SIZE, SIZE - 1) for batch in scores])
        # InfoNCE compares the scores of a row; a row more or less changes nothing.
        expected = _direct(name, joint.ravel(), marginal.reshape(-1, SIZE - 1))
        np.testing.assert_allclose(
            held_out[name][0][0], expected, rtol=ROUNDING, atol=ROUNDING, err_msg=name
        )


@pytest.mark.parametrize("name", HELD_OUT)
def test_standard_errors_are_those_of_many_draws(held_out, name):
    values, errors = held_out[name]
    spread = np.std(values, ddof=1)
    # A standard deviation of 40 draws is known to 1 / sqrt(78), 11 %: four of those;
    # errors from 100 samples are themselves a few per cent too small.
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(errors))), spread, rtol=0.5)


# Errors.


@pytest.mark.parametrize("shape", [(3,), (3, 4), (1, 1), (2, 3, 3)])
def test_a_matrix_of_scores_is_square(shape):
    for name in PLAIN:
        with pytest.raises(ValueError, match="scores must have shape .batch, batch."):
            getattr(objectives, name)(np.zeros(shape, np.float32))


def test_scores_beside_a_marginal_are_a_vector():
    with pytest.raises(ValueError, match=r"scores must have shape \[batch\]"):
        objectives.nwj(jnp.zeros((3, 3)), jnp.zeros(3))
    with pytest.raises(ValueError, match="marginal that is not empty"):
        objectives.nwj(jnp.zeros(3), jnp.zeros(0))
    with pytest.raises(ValueError, match=r"marginal must have shape \[3, num_neg"):
        objectives.infonce(jnp.zeros(3), jnp.zeros((4, 2)))


def test_scores_are_floating():
    with pytest.raises(TypeError, match="scores must be floating, got int32"):
        objectives.js(jnp.zeros((3, 3), jnp.int32))
    with pytest.raises(TypeError, match="marginal must be floating, got int32"):
        objectives.club(jnp.zeros(3), jnp.zeros(3, jnp.int32))


def test_options_in_range():
    with pytest.raises(ValueError, match="clip must be positive, got 0"):
        objectives.smile(jnp.zeros((3, 3)), clip=0)
    with pytest.raises(ValueError, match=r"rate must lie in \(0, 1\], got 0"):
        objectives.mine(jnp.zeros((3, 3)), log_average=0.0, rate=0)
