"""What is refused as samples: message by message."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.estimators.samples import check_sample_shape, check_samples

IMAGES = np.zeros((3, 4, 5), np.float32)


def test_samples_come_back_as_they_are():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(check_samples("x", x), x)
    np.testing.assert_array_equal(check_sample_shape("x", x, (2,)), x)
    assert check_samples("x", IMAGES, any_shape=True).shape == IMAGES.shape
    assert check_samples("x", jnp.zeros((2, 1), jnp.bfloat16)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        (IMAGES, {}, ValueError, r"a must have shape \[num_samples, dim\], got \(3, 4"),
        (IMAGES[0, 0], {"any_shape": True}, ValueError, r"\[num_samples, \*shape\]"),
        (IMAGES[:, :, :0], {"any_shape": True}, ValueError, r"got \(3, 4, 0\)"),
        (np.ones((3, 2), int), {}, TypeError, r"a must be floating, got int\d\d$"),
        (np.ones((3, 2), int), {"hint": "try b"}, TypeError, r"got int\d\d; try b$"),
        (np.ones((3, 2)), {"fewest": 4}, ValueError, "at least 4 samples, got 3"),
        (
            IMAGES / np.float32(np.inf) + np.inf,
            {"any_shape": True},
            ValueError,
            "60 Na",
        ),
    ],
)
def test_what_are_no_samples_is_refused(x, options, error, message):
    with pytest.raises(error, match=message):
        check_samples("a", x, **options)


def test_values_are_not_looked_at_under_jit():
    found = jax.jit(lambda x: check_samples("x", x))(
        np.full((2, 1), np.nan, np.float32)
    )
    assert np.all(np.isnan(found))


def test_samples_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"b must have shape \[num_samples, 4\], got"):
        check_sample_shape("b", IMAGES, (4,))
    with pytest.raises(TypeError, match="b must be floating"):
        check_sample_shape("b", IMAGES.astype(int), (4, 5))
