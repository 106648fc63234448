"""Reduced layers: chunked or whole, what training sees, memory, and the ceiling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

import ibjax
from ibjax import datasets, networks, probes
from ibjax.networks import from_flax, reduced, reductions

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(50, 8, 8, 1)).astype(np.float32)
LABELS = (IMAGES.mean((1, 2, 3)) > 0).astype(int)
KEY = jax.random.key(0)


class Wide(linen.Module):
    """A layer of 512 units and one of 64, with statistics of batches and dropout."""

    @linen.compact
    def __call__(self, x, training):
        x = linen.Dense(8, name="wide")(x)
        x = linen.BatchNorm(use_running_average=not training)(x)
        x = linen.avg_pool(jnp.tanh(x), (2, 2), strides=(2, 2))
        x = linen.Dense(4, name="narrow")(x)
        x = linen.Dropout(0.2, deterministic=not training)(x)
        return linen.Dense(2, name="head")(x.mean((1, 2)))


WIDE = from_flax(Wide(), IMAGES[:1], layers=["wide", "narrow"], state="batch_stats")
PARAMS = WIDE.init(KEY)
TRAINED, STATE = WIDE.split(PARAMS)
REDUCTIONS = {
    "wide": reductions.in_turn(
        reductions.pooled(4), reductions.principal_components(IMAGES[:30], 2)
    ),
    "narrow (64)": reductions.random_projection(KEY, 3),
}
REDUCED = reduced(WIDE, REDUCTIONS, rows_at_once=16)


def test_layers_are_reduced_and_named_by_their_widths():
    assert REDUCED.layer_names == ("wide (2)", "narrow (3)", "output (2)")
    assert [layer.shape for layer in REDUCED.layers] == [(2,), (3,), (2,)]
    assert "wide by means over 4 positions each way, then 2" in REDUCED.description
    assert REDUCED.layer is None


def test_functions_are_told_apart_by_what_they_compute():
    def text(factor):
        reduction = reductions.in_turn(reductions.position_mean, lambda t: factor * t)
        return reduced(WIDE, {"narrow": reduction}).description

    assert text(2) == text(2) != text(3)


def test_parts_of_the_inputs_give_what_all_of_them_give():
    wide, narrow, output = jax.jit(WIDE.activations)(PARAMS, IMAGES)
    found = jax.jit(REDUCED.activations)(PARAMS, IMAGES)
    steps = REDUCTIONS["wide"], REDUCTIONS["narrow (64)"]
    first, second = wide.reshape(-1, 8, 8, 8), narrow.reshape(-1, 4, 4, 4)
    expected = (
        steps[0].apply(steps[0].find(first[:30]), first),
        steps[1].apply(steps[1].find(second[:0]), second),
        output,
    )
    # Activities are near one; a product of 64 terms is off by as many roundings.
    for t, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(t, right, rtol=1e-5, atol=1e-5)


def _swept(network, snapshots):
    return ibjax.sweep(
        KEY,
        datasets.make_task(IMAGES.reshape(50, -1), LABELS),
        network,
        ibjax.TrainConfig(learning_rate=0.03, batch_size=20),
        num_seeds=1,
        snapshots=snapshots,
        probes=[probes.bin_width(2.0), lambda s: {"weights": s.params[0][0]}],
    )


def test_in_a_sweep_the_layer_that_stays_wide_alone_is_at_the_ceiling():
    wide = networks.mlp([64, 200, 190, 2])
    network = reduced(wide, {"tanh 190": lambda t: t[:, :1]}, rows_at_once=32)
    found = _swept(network, [0])
    assert found.layer_name.values.tolist() == ["tanh 200", "tanh 190 (1)", "softmax 2"]
    assert found.attrs["at_ceiling"].endswith("bin_width in layer 1")


@pytest.mark.slow
def test_sweeps_train_alike_to_the_last_bit():
    wide = networks.mlp([64, 200, 2])
    whole = _swept(wide, [0, 3])
    network = reduced(wide, {"tanh 200": lambda t: t[:, :1]}, rows_at_once=32)
    found = _swept(network, [0, 3])
    np.testing.assert_array_equal(found.weights, whole.weights)
    assert np.all(whole.weights.diff("epoch").any("weights_1"))  # They have learned.


def test_training_is_that_of_the_network():
    loss = ibjax.objectives.cross_entropy()
    task = datasets.make_task(IMAGES, LABELS)
    batch = task.batch(jnp.arange(20))
    steps = [
        str(
            jax.make_jaxpr(
                jax.grad(
                    lambda p, n=network: loss(
                        WIDE.merge(p, STATE), batch, KEY, network=n
                    )[0]
                )
            )(TRAINED)
        )
        for network in (WIDE, REDUCED)
    ]
    # The very same program, and so the same numbers to the last bit.
    assert steps[0] == steps[1]
    assert REDUCED.state is WIDE.state


def test_memory_does_not_grow_with_inputs_times_units():
    wide_bytes = 4 * 8 * 8 * 8  # Of one input's widest layer.

    def temporary(network, num_samples):
        x = jax.ShapeDtypeStruct((num_samples, 8, 8, 1), jnp.float32)
        program = jax.jit(lambda p, x: network.activations(p, x)[:2])
        compiled = program.lower(PARAMS, x).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    few, many = (temporary(REDUCED, number) for number in (1600, 16000))
    # What is kept of an input, five numbers, may be held twice.
    assert many - few <= 14400 * 2 * 4 * 5
    assert 10 * many < 16000 * wide_bytes


def test_a_network_goes_on_from_layers_that_are_whole():
    network = WIDE._replace(resume=lambda params, number, t: t + number)
    found = reduced(network, {"wide": reductions.position_mean})
    assert found.resume(PARAMS, 1, 2.0) == 3.0
    with pytest.raises(
        ValueError, match=r"cannot go on from layer wide \(512\), which"
    ):
        found.resume(PARAMS, 0, 2.0)


@pytest.mark.parametrize(
    "given, error, message",
    [
        ({}, ValueError, "reductions must hold at least one layer's reduction"),
        ([], TypeError, "reductions must be a Mapping"),
        (
            {"wyde": reductions.position_mean},
            ValueError,
            r"must be of the layers wide \(512\), narrow \(64\), got 'wyde'",
        ),
        ({"output": reductions.position_mean}, ValueError, "got 'output'"),
        (
            {"wide": abs, "wide (512)": abs},
            ValueError,
            r"reductions must name a layer once, got wide \(512\) twice",
        ),
        ({"wide": 3}, TypeError, r"reductions\['wide'\] must be a function, got 3"),
        (
            {"wide": reductions.pooled(3)},
            ValueError,
            r"\['wide \(512\)'\] must fit activities \[8, 8, 8\]: pooled\(3\) needs",
        ),
        (
            {"narrow": reductions.principal_components(np.zeros((99, 8, 8, 1)), 65)},
            ValueError,
            "65 principal components need 65 units or more, got 64",
        ),
        (
            {"wide": lambda t: t.mean((0, 1))},
            ValueError,
            r"must make \[num_samples, dim\] of activities \[2, 8, 8, 8\], got shape",
        ),
        (
            {"wide": lambda t: t @ np.ones((3, 3))},
            ValueError,
            r"reductions\['wide \(512\)'\] must fit activities \[8, 8, 8\]: function",
        ),
    ],
)
def test_what_fits_no_layer_is_refused_by_name(given, error, message):
    with pytest.raises(error, match=message):
        reduced(WIDE, given)


def test_layers_with_noise_or_with_one_name_are_refused():
    noisy = networks.noisy([3, 4, 2], noise_std=0.1)
    with pytest.raises(ValueError, match="must be of a layer without noise of its own"):
        reduced(noisy, {noisy.layer_names[0]: reductions.position_mean})
    twice = networks.mlp([3, 4, 4, 2])
    with pytest.raises(ValueError, match="got 'tanh 4', the name of 2"):
        reduced(twice, {"tanh 4": reductions.position_mean})
    with pytest.raises(ValueError, match="rows_at_once must be a whole number"):
        reduced(WIDE, REDUCTIONS, rows_at_once=0)
