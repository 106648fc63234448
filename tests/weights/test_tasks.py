"""Information distances of tasks: identities, and linear regression in closed form."""

import numpy as np
import pytest

from ibjax import weights

RNG = np.random.default_rng(0)
ALONE = RNG.uniform(10, 50, 5)
JOINT = ALONE[:, None] + ALONE[None] - RNG.uniform(0, 5, (5, 5))
JOINT = (JOINT + JOINT.T) / 2
ROUNDING = 1e-12


def test_identities_hold_to_rounding():
    d = weights.task_distances(ALONE, JOINT)
    np.testing.assert_allclose(d - d.T, ALONE[None] - ALONE[:, None], atol=ROUNDING)
    both = 2 * JOINT - ALONE[:, None] - ALONE[None]
    np.testing.assert_allclose(d + d.T, both, atol=ROUNDING)
    np.testing.assert_allclose(weights.joint_information(ALONE, d), JOINT, rtol=1e-14)
    found = weights.task_complexity(d)
    np.testing.assert_allclose(found.information, ALONE - ALONE.mean(), atol=ROUNDING)
    assert found.residual < ROUNDING


def test_distances_of_another_kind_have_a_residual():
    d = weights.task_distances(ALONE, JOINT)
    # A cycle is no difference of numbers; it is all that is left of the asymmetry.
    d[[0, 1, 2], [1, 2, 0]] += 3.0
    found = weights.task_complexity(d)
    # Six of 20 entries are off by 3, of a form that no such numbers have.
    np.testing.assert_allclose(found.residual, 3 * np.sqrt(6 / 20), rtol=1e-12)
    np.testing.assert_allclose(found.information, ALONE - ALONE.mean(), atol=ROUNDING)
    # What is not known of a task and its copy does not matter.
    d[range(5), range(5)] = np.nan
    assert weights.task_complexity(d).residual == found.residual


def test_of_linear_regression_it_is_the_information_that_is_left():
    """I(w; y2 | y1) of normal weights, and I(w; y2) where features are apart."""
    variance, noise = 2.0, 0.5
    first, second = RNG.normal(size=(4, 3)), RNG.normal(size=(6, 3))

    def information(x, cov):
        inner = np.eye(len(x)) + x @ cov @ x.T / noise
        return np.linalg.slogdet(inner)[1] / 2

    def distance(x1, x2):
        prior = variance * np.eye(x1.shape[1])
        alone = [information(x, prior) for x in (x1, x2)]
        both = information(np.concatenate([x1, x2]), prior)
        twice = [information(np.concatenate([x, x]), prior) for x in (x1, x2)]
        joint = [[twice[0], both], [both, twice[1]]]
        return weights.task_distances(alone, joint), alone

    d, alone = distance(first, second)
    for row, (x1, x2) in enumerate([(first, second), (second, first)]):
        posterior = np.linalg.inv(np.eye(3) / variance + x1.T @ x1 / noise)
        np.testing.assert_allclose(d[row, 1 - row], information(x2, posterior))
    assert np.all(d > 0) and np.all(d[0, 1] < alone[1])
    apart = [
        np.concatenate([first, 0 * first], 1),
        np.concatenate([0 * second, second], 1),
    ]
    d, alone = distance(*apart)
    np.testing.assert_allclose([d[0, 1], d[1, 0]], alone[::-1])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: weights.task_distances([1.0], np.ones((2, 2))), "joint must have"),
        (
            lambda: weights.task_distances([1.0, 1.0], [[1.0, 2.0], [3.0, 1.0]]),
            "joint must be symmetric",
        ),
        (lambda: weights.task_complexity(np.ones((2, 3))), "must be square"),
        (lambda: weights.task_complexity([[0, np.nan], [0, 0]]), "must be finite"),
        (lambda: weights.joint_information([1.0, 2.0], [1.0]), "distances must have"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
