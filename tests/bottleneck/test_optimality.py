"""Layers against the optimal encoder of their clusters: definition, solver, maps."""

import jax
import numpy as np
import pytest

from ibjax import bottleneck

# Float64, sums of a few hundred terms of order one.
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def layer():
    rng = np.random.default_rng(0)
    p_x = rng.dirichlet(np.ones(6))
    p_y_given_x = rng.dirichlet(np.ones(3), size=6)
    p_t_given_x = rng.dirichlet(np.ones(4), size=6)
    p_t_given_x[0] = [0, 1, 0, 0]
    return p_t_given_x, p_y_given_x, p_x


def _divergence(p_t_given_x, p_y_given_x, p_x, beta):
    """From the definition, input by input."""
    p_t = p_x @ p_t_given_x
    p_y_given_t = (p_t_given_x * p_x[:, None]).T @ p_y_given_x / p_t[:, None]
    total = 0.0
    for x in range(len(p_x)):
        divergence = [
            np.sum(p_y_given_x[x] * np.log(p_y_given_x[x] / row)) for row in p_y_given_t
        ]
        optimal = p_t * np.exp(-beta * np.array(divergence))
        optimal /= optimal.sum()
        used = p_t_given_x[x] > 0
        ratio = np.log(p_t_given_x[x][used] / optimal[used])
        total += p_x[x] * np.sum(p_t_given_x[x][used] * ratio)
    return total


def test_divergence_is_the_definition(layer):
    betas = np.array([0.0, 0.5, 1.0, 3.0, 30.0])
    with jax.enable_x64(True):
        found = bottleneck.layer_optimality(*layer, betas)
    expected = [_divergence(*layer, beta) for beta in betas]
    np.testing.assert_allclose(found.divergence_by_beta, expected, rtol=1e-10)
    best = int(np.argmin(expected))
    assert float(found.beta) == betas[best]
    np.testing.assert_allclose(found.divergence, expected[best], rtol=1e-10)


def test_solution_of_the_bottleneck_is_optimal_at_its_own_beta(layer):
    _, p_y_given_x, p_x = layer
    betas = np.array([2.0, 5.0, 9.0, 20.0])
    with jax.enable_x64(True):
        solution = bottleneck.blahut_arimoto(p_x[:, None] * p_y_given_x, 9.0)
        found = bottleneck.layer_optimality(
            solution.p_t_given_x, p_y_given_x, p_x, betas
        )
    assert float(found.beta) == 9.0
    # Quadratic in the encoder's distance from its limit, at most 1e-9.
    assert float(found.divergence) < ROUNDING


def test_map_is_the_encoder_of_zeros_and_ones():
    rng = np.random.default_rng(1)
    p_y_given_x = rng.dirichlet(np.ones(2), size=5)
    inputs = rng.integers(0, 5, 40)
    clusters = rng.integers(0, 7, 40)
    betas = np.geomspace(0.1, 100, 9)
    with jax.enable_x64(True):
        by_map = bottleneck.map_optimality(
            clusters, inputs, p_y_given_x, betas, num_t=40
        )
        by_table = bottleneck.layer_optimality(
            np.eye(7)[clusters], p_y_given_x[inputs], np.full(40, 1 / 40), betas
        )
    for one, other in zip(by_map, by_table, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_map_of_certain_labels_has_a_finite_divergence():
    p_y_given_x = np.eye(2, dtype=np.float32)
    inputs = np.array([0, 0, 0, 1, 1, 1])
    found = bottleneck.map_optimality(
        np.array([0, 1, 1, 1, 2, 2]),
        inputs,
        p_y_given_x,
        np.array([0.5, 1, 5]),
        num_t=6,
    )
    assert np.isfinite(found.divergence_by_beta).all()


def test_vmap_is_a_loop(layer):
    encoder, p_y_given_x, p_x = layer
    encoders = np.stack([encoder, encoder[::-1]])
    betas = np.array([1.0, 4.0])
    together = jax.vmap(bottleneck.layer_optimality, in_axes=(0, None, None, None))(
        encoders, p_y_given_x, p_x, betas
    )
    for index in range(2):
        alone = bottleneck.layer_optimality(encoders[index], p_y_given_x, p_x, betas)
        np.testing.assert_allclose(together.divergence[index], alone.divergence, 1e-5)


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (0, np.ones(6), "p_t_given_x must be floating of rank 2"),
        (0, np.ones((6, 2), int), "p_t_given_x must be floating of rank 2"),
        (1, np.ones((5, 3)), "p_y_given_x must have shape"),
        (2, np.ones(5), "p_x must have shape"),
        (3, 1.0, "betas must have shape"),
        (0, np.full((6, 2), 0.6), "p_t_given_x must sum to one, but row 0 sums to 1.2"),
        (1, np.full((6, 3), 0.5), "p_y_given_x must sum to one, but row 0 sums to 1.5"),
        (2, np.full(6, 0.2), "p_x must sum to one, but it sums to 1.2"),
    ],
)
def test_wrong_shapes_are_named(layer, index, value, message):
    arguments = [*layer, np.array([1.0])]
    arguments[index] = value
    with pytest.raises(ValueError, match=message):
        bottleneck.layer_optimality(*arguments)


def test_map_of_another_length_is_refused():
    with pytest.raises(ValueError, match="clusters and inputs must have one shape"):
        bottleneck.map_optimality(
            np.zeros(3, int), np.zeros(4, int), np.eye(2), np.ones(1), num_t=2
        )


@pytest.mark.parametrize(
    ("clusters", "inputs", "message"),
    [
        ([0, 2], [0, 1], r"clusters must lie in \[0, 2\), got values from 0 to 2"),
        ([-1, 0], [0, 1], r"clusters must lie in \[0, 2\), got values from -1 to 0"),
        ([0, 1], [0, 3], r"inputs must lie in \[0, 3\), got values from 0 to 3"),
    ],
)
def test_indices_out_of_range_are_refused(clusters, inputs, message):
    rows, betas = np.eye(3), np.array([1.0, 2.0])
    clusters, inputs = np.array(clusters), np.array(inputs)
    with pytest.raises(ValueError, match=message):
        bottleneck.map_optimality(clusters, inputs, rows, betas, num_t=2)
    traced = jax.jit(bottleneck.map_optimality, static_argnames="num_t")
    found = traced(clusters, inputs, rows, betas, num_t=2)
    assert np.isnan(found.beta) and np.isnan(found.divergence)
    with pytest.raises(TypeError, match="clusters must be integers, got float"):
        bottleneck.map_optimality(clusters / 2, inputs, rows, betas, num_t=2)


def test_what_is_no_table_is_named():
    table, p_x = np.full((2, 2), 0.5), np.full(2, 0.5)
    with pytest.raises(TypeError, match="p_x must be an array of numbers"):
        bottleneck.layer_optimality(table, table, "text", [1.0, 2.0])
    with pytest.raises(TypeError, match="betas must hold real numbers"):
        bottleneck.layer_optimality(table, table, p_x, np.ones(2, bool))
    places = np.array([0, 1])
    with pytest.raises(TypeError, match="p_y_given_x must"):
        bottleneck.map_optimality(places, places, table > 0, [1.0], num_t=2)
    with pytest.raises(TypeError, match="curve must be a InformationCurve, got 3"):
        bottleneck.transitions(3)


def test_decoders_of_nothing_are_none():
    weights, decoders = bottleneck.decoders(np.zeros((2, 2)), np.eye(2))
    assert weights.shape == (0,) and decoders.shape == (0, 2)
