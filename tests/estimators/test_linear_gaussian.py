"""Linear layers of Gaussian inputs: closed forms, float64, other estimators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.bottleneck.gaussian import linear_projection_information
from ibjax.estimators import kde
from ibjax.estimators.linear_gaussian import input_information, layer_information

RNG = np.random.default_rng(0)
UNITS, INPUTS, OUTPUTS = 4, 6, 2
W = RNG.normal(size=(UNITS, INPUTS)).astype(np.float32)
TEACHER = RNG.normal(size=(OUTPUTS, INPUTS)).astype(np.float32)
_ROOT = RNG.normal(size=(INPUTS, INPUTS)).astype(np.float32)
COV = _ROOT @ _ROOT.T / INPUTS
MASK = np.arange(INPUTS) < 2
# Determinants of 4 x 4 and larger in float32, condition numbers up to 1e3.
ROUNDING = 1e-4


def _log_det(matrix):
    sign, value = np.linalg.slogdet(np.asarray(matrix, np.float64))
    assert sign > 0
    return value


def _by_blocks(w, cov, teacher, label_noise, noise):
    """H(T) + H(Y) - H(T, Y) and H(T) - H(T|X), in float64."""
    w, cov, teacher = (np.asarray(a, np.float64) for a in (w, cov, teacher))
    cov_t = w @ cov @ w.T + noise * np.eye(len(w))
    cov_y = teacher @ cov @ teacher.T + label_noise * np.eye(len(teacher))
    between = w @ cov @ teacher.T
    joint = np.block([[cov_t, between], [between.T, cov_y]])
    i_xt = (_log_det(cov_t) - len(w) * np.log(noise)) / 2
    return i_xt, (_log_det(cov_t) + _log_det(cov_y) - _log_det(joint)) / 2


@pytest.mark.parametrize("label_noise, noise", [(1.0, 1.0), (0.3, 0.01)])
def test_agrees_with_the_joint_determinants(label_noise, noise):
    found = layer_information(
        W, COV, TEACHER, label_noise_variance=label_noise, noise_variance=noise
    )
    expected = _by_blocks(W, COV, TEACHER, label_noise, noise)
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


def test_agrees_with_general_covariances():
    found = layer_information(
        W, COV, TEACHER, label_noise_variance=0.3, noise_variance=0.5
    )
    cov_xy = COV @ TEACHER.T
    expected = linear_projection_information(
        COV,
        TEACHER @ cov_xy + 0.3 * np.eye(OUTPUTS, dtype=np.float32),
        cov_xy,
        W,
        0.5 * np.eye(UNITS, dtype=np.float32),
    )
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


def test_more_units_than_are_eliminated_at_once():
    rng = np.random.default_rng(3)
    w = rng.normal(size=(37, 40)).astype(np.float32)
    teacher = rng.normal(size=(3, 40)).astype(np.float32)
    cov = np.eye(40, dtype=np.float32) / 40
    found = layer_information(
        w, cov, teacher, label_noise_variance=1.0, noise_variance=0.1
    )
    expected = _by_blocks(w, cov, teacher, 1.0, 0.1)
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


def test_one_unit_between_one_input_and_one_label():
    # T = w X + Z and Y = a X + E of one dimension: -log(1 - rho^2) / 2.
    w, a, cov, label_noise, noise = 1.7, -0.6, 2.0, 0.4, 0.25
    found = layer_information(
        [[w]], [[cov]], [[a]], label_noise_variance=label_noise, noise_variance=noise
    )
    var_t, var_y = w**2 * cov + noise, a**2 * cov + label_noise
    rho_squared = (w * a * cov) ** 2 / (var_t * var_y)
    expected = [np.log(var_t / noise) / 2, -np.log(1 - rho_squared) / 2]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_agrees_with_monte_carlo():
    # I(X;T) is the mean of log p(t|x) / p(t), whose standard error is known.
    noise, num_samples = 0.5, 20_000
    rng = np.random.default_rng(1)
    x = rng.normal(size=(num_samples, INPUTS)) @ np.linalg.cholesky(COV).T
    z = noise**0.5 * rng.normal(size=(num_samples, UNITS))
    t = x @ W.T + z
    cov_t = W @ COV @ W.T + noise * np.eye(UNITS)
    mahalanobis = np.sum(t * np.linalg.solve(cov_t, t.T).T, axis=1)
    log_ratio = (mahalanobis - np.sum(z**2, axis=1) / noise) / 2
    log_ratio += (_log_det(cov_t) - UNITS * np.log(noise)) / 2
    error = np.std(log_ratio) / num_samples**0.5
    found = layer_information(
        W, COV, TEACHER, label_noise_variance=1.0, noise_variance=noise
    )
    assert abs(found.i_xt - np.mean(log_ratio)) < 4 * error


def test_kernel_bounds_on_samples_enclose_it():
    # The bounds are for the empirical distribution of the samples, whose information
    # is below that of the inputs by the bias of N samples, which falls with N. In one
    # dimension N = 4000 at this noise leaves less than the bounds' distance.
    noise, num_samples = 0.1, 4000
    x = np.random.default_rng(2).normal(size=(num_samples, 1)).astype(np.float32)
    bounds = kde.layer_information(
        2 * x, np.zeros(num_samples, np.int32), num_classes=1, noise_variance=noise
    )
    exact = layer_information(
        [[2.0]], [[1.0]], [[1.0]], label_noise_variance=1.0, noise_variance=noise
    )
    assert bounds.lower.i_xt < exact.i_xt < bounds.upper.i_xt


def test_labels_know_no_more_than_inputs():
    found = layer_information(
        W, COV, TEACHER, label_noise_variance=0.3, noise_variance=0.1
    )
    cov_y = TEACHER @ COV @ TEACHER.T + 0.3 * np.eye(OUTPUTS)
    i_xy = (_log_det(cov_y) - OUTPUTS * np.log(0.3)) / 2
    assert 0 < found.i_ty < min(float(found.i_xt), i_xy)


def test_a_layer_above_knows_less():
    # With the noise of the layer below carried up: T' = V T, V with orthonormal rows,
    # has the weights V W and noise of the same variance.
    rows = np.linalg.qr(RNG.normal(size=(UNITS, 2)))[0].T.astype(np.float32)
    below, above = (
        layer_information(w, COV, TEACHER, label_noise_variance=0.3, noise_variance=0.1)
        for w in (W, rows @ W)
    )
    assert above.i_xt < below.i_xt
    assert above.i_ty < below.i_ty


def test_labels_without_noise_that_depend_on_each_other():
    # The second label repeats the first: it adds nothing.
    one = layer_information(
        W, COV, TEACHER[:1], label_noise_variance=0.0, noise_variance=0.5
    )
    two = layer_information(
        W, COV, TEACHER[[0, 0]], label_noise_variance=0.0, noise_variance=0.5
    )
    np.testing.assert_allclose(two, one, rtol=ROUNDING)


def test_zero_weights_know_nothing():
    found = layer_information(
        0 * W, COV, TEACHER, label_noise_variance=0.3, noise_variance=0.1
    )
    assert found.i_xt == found.i_ty == 0


def test_part_of_independent_inputs_by_hand():
    cov = np.diag([1.0, 2.0, 0.5, 0.3, 1.0, 4.0]).astype(np.float32)
    found = input_information(W, cov, MASK, noise_variance=0.5)
    noise = W[:, 2:] @ cov[2:, 2:] @ W[:, 2:].T + 0.5 * np.eye(UNITS)
    expected = (_log_det(W[:, :2] @ cov[:2, :2] @ W[:, :2].T + noise)) / 2
    np.testing.assert_allclose(found, expected - _log_det(noise) / 2, rtol=ROUNDING)


def test_part_of_dependent_inputs_by_the_joint_determinant():
    found = input_information(W, COV, MASK, noise_variance=0.5)
    some = np.eye(INPUTS)[MASK]
    # The first two inputs as noiseless labels.
    expected = _by_blocks(W, COV, some, 0.0, 0.5)[1]
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


def test_all_inputs_are_the_whole_and_none_are_nothing():
    whole = layer_information(
        W, COV, TEACHER, label_noise_variance=0.3, noise_variance=0.5
    ).i_xt
    found = [input_information(W, COV, m, noise_variance=0.5) for m in (~MASK | MASK,)]
    np.testing.assert_allclose(found, [whole], rtol=ROUNDING)
    assert input_information(W, COV, MASK & ~MASK, noise_variance=0.5) == 0


def test_parts_of_independent_inputs_add_up_to_no_more_than_the_whole():
    cov = np.eye(INPUTS, dtype=np.float32)
    parts = [input_information(W, cov, m, noise_variance=0.5) for m in (MASK, ~MASK)]
    assert sum(parts) < input_information(W, cov, MASK | ~MASK, noise_variance=0.5)


def test_vmap_equals_a_loop():
    many = RNG.normal(size=(3, UNITS, INPUTS)).astype(np.float32)

    def both(w):
        plane = layer_information(
            w, COV, TEACHER, label_noise_variance=0.3, noise_variance=0.5
        )
        return jnp.stack([*plane, input_information(w, COV, MASK, noise_variance=0.5)])

    found = jax.vmap(both)(many)
    for row, w in zip(found, many, strict=True):
        np.testing.assert_allclose(row, both(w), rtol=ROUNDING)


def test_what_is_refused():
    ok = {"label_noise_variance": 1.0, "noise_variance": 1.0}
    with pytest.raises(ValueError, match=r"w must have shape \[units, 6\]"):
        layer_information(W[:, :3], COV, TEACHER, **ok)
    with pytest.raises(ValueError, match=r"teacher must have shape \[num_outputs, 6\]"):
        layer_information(W, COV, TEACHER[:, :3], **ok)
    with pytest.raises(ValueError, match="noise_variance must be one positive"):
        layer_information(W, COV, TEACHER, **ok | {"noise_variance": 0.0})
    with pytest.raises(ValueError, match="label_noise_variance must be one number"):
        layer_information(W, COV, TEACHER, **ok | {"label_noise_variance": -1.0})
    with pytest.raises(TypeError, match="inputs must be bool"):
        input_information(W, COV, MASK.astype(int), noise_variance=1.0)
    with pytest.raises(ValueError, match=r"inputs must have shape \[6\]"):
        input_information(W, COV, MASK[:3], noise_variance=1.0)


def test_out_of_range_under_jit_is_nan():
    def both(noise, label_noise):
        return layer_information(
            W, COV, TEACHER, label_noise_variance=label_noise, noise_variance=noise
        )

    found = jax.jit(jax.vmap(both))(jnp.array([-1.0, 1.0]), jnp.array([1.0, -0.5]))
    assert np.isnan(found.i_xt).tolist() == [True, False]
    assert np.isnan(found.i_ty).tolist() == [True, True]


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_noise_whose_variance_float32_does_not_hold(scale):
    w, cov, noise = np.array([[1.0, 2.0]]), np.eye(2), 0.1
    expected = input_information(w, cov, [True, False], noise_variance=noise)
    found = input_information(
        scale * w, cov, [True, False], noise_variance=scale**2 * noise
    )
    # A difference of two halves of logarithms, of 2 nats, each rounded to 2^-23.
    np.testing.assert_allclose(found, expected, atol=2 * 2.0**-23)
