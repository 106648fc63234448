"""Information of nuisances: tables by brute force, discriminators by quadrature."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import estimators
from ibjax import representations as r
from tests.quadrature import information_through_noise

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
NUM_X, NUM_Y, NUM_N, NUM_Z = 5, 2, 3, 4


def _information(p, one, other, given=()):
    """I(one; other | given) of a table, cell by cell; axes by number."""
    total = 0.0

    def marginal(cell, axes):
        rest = tuple(a for a in range(p.ndim) if a not in axes)
        return p.sum(rest)[tuple(cell[a] for a in sorted(axes))]

    for cell in itertools.product(*map(range, p.shape)):
        if p[cell] > 0:
            joint = marginal(cell, {*one, *other, *given})
            total += p[cell] * np.log(
                joint
                * marginal(cell, {*given})
                / (marginal(cell, {*one, *given}) * marginal(cell, {*other, *given}))
            )
    return total


def _joint(p_xyn, p_z_given_x):
    return p_xyn[..., None] * p_z_given_x[:, None, None]


def _tables(num):
    for _ in range(num):
        p_xyn = RNG.dirichlet(np.full(NUM_X * NUM_Y * NUM_N, 0.3))
        encoder = RNG.dirichlet(np.full(NUM_Z, 0.3), NUM_X)
        yield p_xyn.reshape(NUM_X, NUM_Y, NUM_N), encoder


def test_terms_are_those_of_the_table_cell_by_cell():
    for p_xyn, encoder in _tables(5):
        found = r.nuisance_inequality(
            jnp.asarray(p_xyn, jnp.float32), jnp.asarray(encoder, jnp.float32)
        )
        p = _joint(p_xyn, encoder)
        x, y, n, z = (0,), (1,), (2,), (3,)
        expected = r.NuisanceInequality(
            i_zn=_information(p, z, n),
            i_zx=_information(p, z, x),
            i_xy=_information(p, x, y),
            residual=_information(p, z, x)
            - _information(p, x, y)
            - _information(p, z, n),
            of_input=_information(p, z, x, (1, 2)),
            of_label=_information(p, z, y, n) - _information(p, x, y),
            insufficiency=_information(p, x, y) - _information(p, z, y),
            dependence=_information(p, y, n),
        )
        # Sums of 120 terms of order one in float32.
        np.testing.assert_allclose(found, expected, atol=3e-6)
        np.testing.assert_allclose(
            found.residual, found.of_input + found.of_label, atol=3e-6
        )
        slack = found.insufficiency + found.dependence
        assert found.of_label >= -slack - 3e-6


def _split_evenly(p_xy):
    """A nuisance, independent of the label, that tells the input where it is known.

    Given a label the inputs share the interval from zero to one; the nuisance is the
    piece of the interval, cut wherever an input of any label ends.
    """
    p_y = p_xy.sum(0)
    ends = np.cumsum(p_xy / p_y[None], axis=0)
    cuts = np.unique(np.round(np.concatenate([[0.0], ends.ravel()]), 12))
    p_xyn = np.zeros((*p_xy.shape, len(cuts) - 1))
    for n, (low, high) in enumerate(itertools.pairwise(cuts)):
        for y in range(p_xy.shape[1]):
            x = np.searchsorted(ends[:, y], (low + high) / 2)
            p_xyn[x, y, n] = p_y[y] * (high - low)
    return p_xyn


def test_a_sufficient_code_is_bounded_and_the_bound_is_met():
    p_y_given_x = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.0, 1.0]])
    p_xy = np.array([0.2, 0.3, 0.4, 0.1])[:, None] * p_y_given_x
    p_xyn = _split_evenly(p_xy)
    np.testing.assert_allclose(p_xyn.sum(2), p_xy, atol=1e-9)
    h_y_given_x = -np.sum(p_xy * np.log(np.where(p_xy > 0, p_y_given_x, 1)))
    # The input itself, and the first two inputs, which predict the same, as one.
    minimal = np.eye(3)[[0, 0, 1, 2]]
    for encoder in (np.eye(4), minimal):
        found = r.nuisance_inequality(
            jnp.asarray(p_xyn, jnp.float32), jnp.asarray(encoder, jnp.float32)
        )
        assert abs(found.insufficiency) < 3e-6 and abs(found.dependence) < 3e-6
        assert abs(found.of_input) < 3e-6
        assert -3e-6 < found.of_label < h_y_given_x
        np.testing.assert_allclose(found.residual, found.of_label, atol=3e-6)


def test_a_nuisance_with_noise_leaves_a_residual():
    """Two bits and a noisy copy of the second: all numbers are known."""
    flip = 0.1
    noisy = np.array([[1 - flip, flip], [flip, 1 - flip]])
    p_xyn = np.zeros((4, 2, 2))
    for y, bit, n in itertools.product(range(2), repeat=3):
        p_xyn[2 * y + bit, y, n] = noisy[bit, n] / 4
    found = r.nuisance_inequality(jnp.asarray(p_xyn), jnp.eye(4))
    h = -(flip * np.log(flip) + (1 - flip) * np.log(1 - flip))
    np.testing.assert_allclose(found.i_zn, np.log(2) - h, atol=1e-6)
    np.testing.assert_allclose(found.residual, h, atol=1e-6)
    np.testing.assert_allclose(found.of_input, h, atol=1e-6)
    # A code of the label alone is invariant.
    label = np.repeat(np.eye(2), 2, axis=0)
    found = r.nuisance_inequality(jnp.asarray(p_xyn), jnp.asarray(label))
    np.testing.assert_allclose([found.i_zn, found.residual], 0, atol=1e-6)


NUM = 2000
LABELS = jnp.asarray(RNG.permutation(NUM) % 2)
NOISE = jnp.asarray(RNG.normal(size=(NUM, 1)), jnp.float32)
FIT = {"num_classes": 2, "num_steps": 200, "batch_size": 64}


def test_a_discriminator_finds_the_information_of_a_class():
    expected = information_through_noise(np.array([0.0, 2.0]), 1.0)
    z = 2.0 * LABELS[:, None] + NOISE
    found = r.nuisance_information(KEY, z, LABELS, **FIT)
    # A discriminator that is a little off costs less than the samples' error here.
    assert abs(found.value - expected) < 4 * found.standard_error
    assert abs(found.bound - expected) < 4 * found.bound_error
    assert 0 < found.standard_error < 0.05


@pytest.mark.slow
def test_the_door_agrees():
    z = 2.0 * LABELS[:, None] + NOISE
    found = r.nuisance_information(KEY, z, LABELS, **FIT)
    door = estimators.mutual_information(z, LABELS, error=None).value
    assert abs(found.value - door) < 4 * found.standard_error + 0.02


def test_of_an_independent_nuisance_nothing_is_kept():
    found = r.nuisance_information(KEY, NOISE, LABELS, **FIT)
    # The value falls short by what the discriminator learned of noise, some hundredths.
    assert abs(found.value) < 0.04 and found.bound < 4 * found.bound_error + 1e-3


def test_numbers_that_correlate():
    n = jnp.asarray(RNG.normal(size=(NUM, 1)), jnp.float32)
    z = 0.8 * n + 0.6 * NOISE
    found = r.nuisance_information(KEY, z, n, num_steps=300, batch_size=64)
    expected = -0.5 * np.log(1 - 0.8**2)
    # A few hundred steps leave the discriminator short of the best, by a tenth.
    assert abs(found.value - expected) < 4 * found.standard_error + 0.1 * expected


@pytest.mark.parametrize(
    "error, z, nuisance, options, message",
    [
        (ValueError, NOISE[:, 0], LABELS, FIT, "z must have shape"),
        (ValueError, NOISE.at[0].set(jnp.nan), LABELS, FIT, "z must be finite"),
        (ValueError, NOISE, LABELS[1:], FIT, "nuisance must have shape"),
        (ValueError, NOISE, LABELS + 1, FIT, r"nuisance must lie in \[0, 2\)"),
        (TypeError, NOISE, LABELS / 1, FIT, "nuisance must be integers"),
        (TypeError, NOISE, LABELS, {}, "nuisance must be floating.*num_classes says"),
        (ValueError, NOISE, NOISE, {"num_steps": 0}, "num_steps must be a whole"),
    ],
)
def test_refusals(error, z, nuisance, options, message):
    with pytest.raises(error, match=message):
        r.nuisance_information(KEY, z, nuisance, **options)


def test_tables_that_do_not_fit():
    with pytest.raises(ValueError, match="p_xyn must have shape"):
        r.nuisance_inequality(jnp.ones((2, 2)) / 4, jnp.eye(2))
    with pytest.raises(ValueError, match=r"p_z_given_x must have shape \[4, num_z\]"):
        r.nuisance_inequality(jnp.ones((4, 2, 2)) / 16, jnp.eye(3))
    with pytest.raises(TypeError, match="p_xyn must be floating"):
        r.nuisance_inequality(jnp.ones((2, 2, 2), int), jnp.eye(2))
