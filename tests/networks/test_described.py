"""Networks from their descriptions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import networks
from ibjax.networks.all_convolutional import all_convolutional
from ibjax.networks.convolutional import convolutional
from ibjax.networks.mlp import ACTIVATIONS


@pytest.mark.parametrize(
    "network",
    [
        networks.mlp([5, 2]),
        networks.mlp([5, 4, 2], "hard-tanh", init="fan-out"),
        networks.mlp([5, 4, 3, 3, 2], ["tanh", "hard-tanh", "relu"], output="linear"),
        networks.noisy([5, 4, 3, 2], "relu", noise_std=[0.1, 1e-5]),
    ],
)
def test_a_description_tells_the_whole_network(network):
    found = networks.from_description(network.description)
    assert found.description == network.description
    assert found.layers == network.layers
    key = jax.random.key(0)
    x = jax.random.normal(jax.random.key(1), (3, 5))
    params = found.init(key)
    jax.tree.map(np.testing.assert_array_equal, params, network.init(key))
    draws = (n.activations(params, x, key=key) for n in (found, network))
    jax.tree.map(np.testing.assert_array_equal, *draws)


def test_varied_noise_is_an_argument():
    described = []

    def make(noise_std):
        described.append(networks.noisy([3, 2, 2], noise_std=noise_std).description)
        return noise_std

    jax.eval_shape(make, 0.5)
    found = networks.from_description(described[0])
    assert (
        found(noise_std=0.5).description == "mlp 3-2-2, tanh, init fan-in, noise [0.5]"
    )


@pytest.mark.parametrize(
    "network",
    [
        networks.mlp([3, 2, 2], lambda z: z**2),
        networks.mlp([3, 2], init=jax.nn.initializers.he_normal()),
    ],
)
def test_functions_of_the_callers_are_not_guessed(network):
    assert networks.from_description(network.description) is None


def _relu(slope):
    """A function of the name of one of the package's."""

    def relu(z):
        return jnp.maximum(z, slope * z)

    return relu


def _surrogate(slope):
    """Functions of equal values, whose derivatives differ."""

    @jax.custom_vjp
    def step(z):
        return jnp.sign(z)

    step.defvjp(lambda z: (step(z), z), lambda z, g: (g * slope / (1 + z**2),))
    return step


def _closure(slope):
    slopes = jnp.array([0.0, slope])
    return jax.jit(lambda z: jnp.maximum(z, slopes[1] * z))


@pytest.mark.parametrize(
    "make",
    [
        _relu,
        _surrogate,
        _closure,
        lambda slope: partial(jax.nn.leaky_relu, negative_slope=slope),
    ],
    ids=["relu", "surrogate", "closure", "partial"],
)
@pytest.mark.parametrize(
    "network",
    [
        partial(networks.mlp, [3, 2, 2]),
        lambda activation: networks.mlp([3, 2, 2, 2], ["relu", activation]),
        lambda activation: convolutional((5, 5), (1,), (2,), activation=activation),
        lambda activation: all_convolutional(
            (4, 4), channels=(1,), strides=(1,), activation=activation
        ),
    ],
    ids=["mlp", "list", "convolutional", "all convolutional"],
)
def test_functions_are_told_apart_by_what_they_compute(make, network):
    text = network(make(0.25)).description
    assert text == network(make(0.25)).description
    assert text != network(make(0.5)).description
    assert networks.from_description(text) is None


def test_initializers_are_told_apart_by_what_they_draw():
    normal = jax.nn.initializers.normal
    makers = [normal(0.1), normal(0.1), normal(0.2), jax.nn.initializers.he_normal()]
    one, same, *others = (networks.mlp([3, 2], init=f).description for f in makers)
    assert one == same and len({one, *others}) == 3


def test_the_packages_functions_have_its_names():
    for name, function in ACTIVATIONS.items():
        named = networks.mlp([3, 2, 2], name)
        assert named.description == f"mlp 3-2-2, {name}, init fan-in"
        assert networks.mlp([3, 2, 2], function).description == named.description


def test_numbers_of_a_sweep_are_no_part_of_a_description():
    texts = []

    for slope in (0.1, 0.2):

        def make(slope):
            texts.append(networks.mlp([3, 2, 2], _relu(slope)).description)
            return slope

        jax.eval_shape(make, slope)
    assert texts[0] == texts[1]


def test_what_is_no_elementwise_function_is_refused():
    with pytest.raises(ValueError, match="activation must fit z, got TypeError"):
        networks.mlp([3, 2, 2], lambda z, slope: slope * z)
    with pytest.raises(ValueError, match="init must fit key, got TypeError"):
        networks.mlp([3, 2], init=lambda key: key)
