"""Calibration: against the kernel density of labels, the inverse, refusals."""

import math

import numpy as np
import pytest

from ibjax.estimators import kde
from ibjax.estimators.calibration import calibrated_noise_variance, label_information

BIT = math.log(2)
TENTHS = np.full(10, 0.1)
# How often each digit is among MNIST's 10,000 test labels.
MNIST = np.array([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]) / 10_000


@pytest.mark.parametrize("noise_variance", [0.01, 0.0735, 0.5, 3.0])
def test_it_is_the_kernel_density_of_the_labels(noise_variance):
    labels = np.repeat(np.arange(5), [1, 4, 9, 6, 0])
    bounds = kde.layer_information(
        np.eye(5, dtype=np.float32)[labels],
        labels,
        num_classes=5,
        noise_variance=noise_variance,
    )
    p_y = np.bincount(labels, minlength=5) / 20
    for bound in ("upper", "lower"):
        found = label_information(p_y, noise_variance, bound=bound)
        # What the estimator promises in float32.
        expected = getattr(bounds, bound).i_xt
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * BIT)


def test_the_published_target_is_not_the_labels_entropy():
    found = calibrated_noise_variance(MNIST)
    assert f"{found.label_entropy / BIT:.4f}" == "3.3194"
    assert f"{math.log2(10):.4f}" == "3.3219"
    with pytest.raises(ValueError, match="at most the labels' entropy"):
        calibrated_noise_variance(MNIST, tolerance=0.001 * BIT)


@pytest.mark.parametrize("p_y", [MNIST, TENTHS])
def test_every_smaller_variance_is_as_good(p_y):
    found = calibrated_noise_variance(p_y)
    assert found.smallest == 0 and found.largest > 0.1 > 0.0735
    for variance in (0.001, 0.01, 0.0735, 0.1, found.largest):
        value = label_information(p_y, variance)
        assert abs(math.log(10) - value) <= 0.01 * BIT * (1 + 1e-9)
    beyond = label_information(p_y, 1.001 * found.largest)
    assert math.log(10) - beyond > 0.01 * BIT


def test_the_lower_bound_needs_a_quarter_of_the_variance():
    upper, lower = (
        calibrated_noise_variance(MNIST, bound=bound) for bound in ("upper", "lower")
    )
    np.testing.assert_allclose(lower.largest, upper.largest / 4, rtol=1e-9)
    assert lower.largest < 0.0735


def test_a_smaller_target_is_an_interval():
    found = calibrated_noise_variance(TENTHS, target=2.0 * BIT, tolerance=0.1 * BIT)
    # One minus a tenth of the kernel for ten equal classes, solved by hand.
    for variance, bits in ((found.smallest, 2.1), (found.largest, 1.9)):
        kernel = (10 * 2**-bits - 1) / 9
        np.testing.assert_allclose(variance, -1 / math.log(kernel), rtol=1e-9)
    np.testing.assert_allclose(found.estimate, 1.9 * BIT, rtol=1e-9)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"p_y": [0.5, 0.6]}, "must be a distribution"),
        ({"p_y": TENTHS, "bound": "middle"}, "bound must be one of"),
        ({"p_y": TENTHS, "tolerance": 0.0}, "tolerance must lie"),
        ({"p_y": TENTHS, "target": 0.001}, "tolerance must lie"),
        ({"p_y": [0.9, 0.1]}, "at most the labels' entropy"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        calibrated_noise_variance(**arguments)


def test_a_variance_must_be_positive():
    with pytest.raises(ValueError, match="noise_variance must be one positive"):
        label_information(TENTHS, 0.0)
