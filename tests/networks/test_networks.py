"""Networks: forward and backward pass against numpy and autodiff, initialization."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax.test_util import check_grads

from ibjax.compilation import exact_jit
from ibjax.networks import ACTIVATIONS, from_flax, mlp

WIDTHS = (12, 6, 5, 3)
# Standard deviation of a standard normal cut off at 2: 1 - 4 phi(2) / (2 Phi(2) - 1).
CUT_OFF_STD = math.sqrt(
    1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
)

NUMPY_ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "softsign": lambda z: z / (1 + np.abs(z)),
    "softplus": lambda z: np.log1p(np.exp(z)),
    "linear": lambda z: z,
    "hard-tanh": lambda z: np.clip(z, -1, 1),
}


def _random_params(widths, dtype=np.float32):
    rng = np.random.default_rng(0)
    return tuple(
        (
            rng.normal(size=(m, n)).astype(dtype) / dtype(math.sqrt(n)),
            rng.normal(size=m).astype(dtype),
        )
        for n, m in zip(widths[:-1], widths[1:], strict=True)
    )


def _inputs(dtype=np.float32):
    return np.random.default_rng(1).normal(size=(9, 12)).astype(dtype)


def _plain(params, x, activation_fn):
    """The textbook network, samples in rows."""
    layers = []
    for w, b in params[:-1]:
        x = activation_fn(x @ w.T + b[None])
        layers.append(x)
    w, b = params[-1]
    return (*layers, x @ w.T + b[None])


def test_every_activation_has_its_formula():
    assert set(NUMPY_ACTIVATIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("activation", sorted(NUMPY_ACTIVATIONS))
def test_activities_are_those_of_numpy(activation):
    network = mlp(WIDTHS, activation)
    params, x = _random_params(WIDTHS), _inputs()
    found = network.activations(params, x)
    doubles = jax.tree.map(lambda leaf: leaf.astype(np.float64), params)
    expected = _plain(doubles, x.astype(np.float64), NUMPY_ACTIVATIONS[activation])
    assert len(found) == len(expected) == 3
    for one, other in zip(found, expected, strict=True):
        # Three layers of 12-term sums of size 10: 36 roundings of 6e-7 at most.
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_backward_pass_is_that_of_autodiff(activation):
    network = mlp(WIDTHS, activation)
    params, x = _random_params(WIDTHS), _inputs()
    pull = np.random.default_rng(2).normal(size=(9, 3)).astype(np.float32)

    def loss(activations):
        return lambda params, x: jnp.sum(activations(params, x)[-1] * pull)

    found = jax.jit(jax.grad(loss(network.activations), (0, 1)))(params, x)
    expected = exact_jit(
        jax.grad(
            loss(lambda params, x: _plain(params, x, ACTIVATIONS[activation])), (0, 1)
        )
    )(params, x)
    for one, other in zip(
        jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
    ):
        # Sums of up to 100 float32 products of size 10.
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-5)


def test_backward_pass_is_that_of_finite_differences():
    network = mlp((12, 3, 2))
    with jax.enable_x64(True):
        params, x = _random_params((12, 3, 2), np.float64), _inputs(np.float64)
        check_grads(network.activations, (params, x), order=1, modes=["rev"])


def test_gradients_have_the_types_of_parameters_and_inputs():
    network = mlp((12, 3, 2))

    def slopes(params, x):
        output, pullback = jax.vjp(
            lambda *own: network.activations(*own)[-1], params, x
        )
        return jax.jit(pullback)(jnp.ones_like(output))

    with jax.enable_x64(True):
        params, x = _random_params((12, 3, 2)), _inputs(np.float64)
        found = slopes(params, x)
        doubles = jax.tree.map(np.float64, params)
        exact = slopes(doubles, x)
    for given, one, other in zip(
        *map(jax.tree.leaves, ((params, x), found, exact)), strict=True
    ):
        assert one.dtype == given.dtype
        # The last rounding; all else is float64 in both.
        np.testing.assert_allclose(one, other, rtol=2.0**-23)


def test_gradients_of_many_networks_at_once():
    network = mlp((12, 3, 2))
    params, x = _random_params((12, 3, 2)), _inputs()
    two = jax.tree.map(lambda leaf: np.stack([leaf, 2 * leaf]), params)

    @jax.jit
    def gradient(params):
        return jax.grad(lambda p: jnp.sum(network.activations(p, x)[-1] ** 2))(params)

    found = jax.jit(jax.vmap(gradient))(two)
    for n in range(2):
        one = gradient(jax.tree.map(lambda leaf, n=n: leaf[n], two))
        for many, single in zip(
            jax.tree.leaves(found), jax.tree.leaves(one), strict=True
        ):
            np.testing.assert_allclose(many[n], single, rtol=1e-5, atol=1e-4)


@pytest.fixture(scope="module", params=["fan-in", "fan-out"])
def initial(request):
    """Parameters of 300 networks, by the name of their initialization."""
    network = mlp((12, 10, 5, 2), init=request.param)
    keys = jax.random.split(jax.random.key(0), 300)
    params = jax.jit(jax.vmap(network.init))(keys)
    return request.param, jax.tree.map(np.asarray, params)


def test_initial_spread(initial):
    name, params = initial
    for layer, (w, b) in enumerate(params):
        _, fan_out, fan_in = w.shape
        assert b.shape == (300, fan_out) and not b.any()
        if name == "fan-out" and layer == 2:
            limit = math.sqrt(6 / (fan_in + fan_out))
            std = limit / math.sqrt(3)
        else:
            nominal = 1 / math.sqrt(fan_in if name == "fan-in" else fan_out)
            std, limit = CUT_OFF_STD * nominal, 2 * nominal
        assert np.abs(w).max() <= limit * (1 + 1e-6)
        assert np.abs(w).max() > 0.95 * limit  # Of 3,000 draws or more.
        # Five standard errors of a mean and of a variance.
        error = std / math.sqrt(w.size)
        assert abs(w.mean()) < 5 * error
        error_of_square = np.std(w.astype(np.float64) ** 2) / math.sqrt(w.size)
        assert abs(np.mean(w.astype(np.float64) ** 2) - std**2) < 5 * error_of_square


def test_cut_off_normal_keeps_088_of_its_spread():
    np.testing.assert_allclose(CUT_OFF_STD, 0.8796, atol=5e-5)


def test_initial_weights_of_different_layers_and_keys_differ(initial):
    _, params = initial
    draws = np.concatenate([w.ravel() for w, _ in params])
    # Floats of 23 random bits: of n draws about n^2 / 2^24 pairs are equal by chance.
    assert len(np.unique(draws)) > 0.99 * len(draws)


def test_names_and_kernels(key):
    network = mlp((12, 10, 7, 2), "relu")
    assert network.layer_names == ("relu 10", "relu 7", "softmax 2")
    params = network.init(key)
    shapes = [w.shape for w in network.kernels(params)]
    assert shapes == [(10, 12), (7, 10), (2, 7)]
    np.testing.assert_array_equal(network.kernels(params)[1], params[1][0])


def test_no_hidden_layer(key):
    network = mlp((12, 2))
    (logits,) = network.activations(network.init(key), jnp.zeros((3, 12)))
    assert logits.shape == (3, 2) and network.layer_names == ("softmax 2",)


@pytest.mark.parametrize("widths", [(), (12,), (12, 0, 2), (12, -1)])
def test_impossible_widths_are_refused(widths):
    with pytest.raises(ValueError, match="widths must be 2 or more positive whole"):
        mlp(widths)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="activation must be one of .*, got 'sine'"):
        mlp((12, 2), "sine")
    with pytest.raises(ValueError, match="init must be one of .*, got 'zero'"):
        mlp((12, 2), init="zero")


def test_functions_in_place_of_names(key):
    """A list of activations, an initializer of jax's, and an output that is none."""
    widths = (12, 6, 5, 3)
    draw = jax.nn.initializers.he_normal()
    network = mlp(widths, [jnp.sin, "relu"], init=draw, output="linear")
    assert network.layer_names == ("sin 6", "relu 5", "output 3")
    assert network.output == "linear" and mlp(widths).output == "softmax"
    params, x = network.init(key), _inputs()
    keys = jax.random.split(key, 3)
    shapes = zip(widths[:-1], widths[1:], strict=True)
    for (w, b), own, shape in zip(params, keys, shapes, strict=True):
        np.testing.assert_array_equal(w, draw(own, shape, jnp.float32).T)
        assert not np.any(b)
    (w1, _), (w2, _), (w3, _) = (jax.tree.map(np.float64, layer) for layer in params)
    first = np.sin(x @ w1.T)
    second = np.maximum(first @ w2.T, 0)
    expected = (first, second, second @ w3.T)
    for one, other in zip(network.activations(params, x), expected, strict=True):
        # Sums of up to twelve terms of size a few, in float32.
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert "linear output" in network.description
    assert network.description != mlp(widths, ["tanh", "relu"]).description


def test_one_function_is_that_of_all_hidden_layers():
    network = mlp((12, 6, 5, 3), jnp.sin)
    assert network.layer_names == ("sin 6", "sin 5", "softmax 3")
    assert mlp((12, 3), []).layer_names == ("softmax 3",)


def test_other_numbers_of_functions_are_refused():
    with pytest.raises(ValueError, match="each of the 2 hidden layers, got 1"):
        mlp((12, 6, 5, 3), ["tanh"])
    with pytest.raises(ValueError, match="activation must be one of .*, got 'sine'"):
        mlp((12, 6, 3), ["sine"])
    with pytest.raises(ValueError, match="output must be one of softmax, linear, got"):
        mlp((12, 3), output="logits")


class _Linen(linen.Module):
    widths: tuple[int, ...]
    names: tuple[str, ...] | None = None

    @linen.compact
    def __call__(self, x):
        layers = []
        for number, width in enumerate(self.widths):
            name = None if self.names is None else self.names[number]
            x = linen.Dense(width, name=name)(x)
            x = jnp.tanh(x) if number < len(self.widths) - 1 else x
            layers.append(x)
        return tuple(layers)


class _Nnx(nnx.Module):
    def __init__(self, rngs):
        self.linear1 = nnx.Linear(12, 4, rngs=rngs)
        self.linear2 = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        hidden = jnp.tanh(self.linear1(x))
        return hidden, self.linear2(hidden)


class _NnxWithHead(nnx.Module):
    def __init__(self, rngs):
        self.linear = nnx.Linear(12, 4, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        hidden = jnp.tanh(self.linear(x))
        return hidden, self.head(hidden)


def test_linen_module_equals_its_own_call(key):
    module, x = _Linen((4, 3)), _inputs()
    network = from_flax(module, x[:1])
    params = network.init(key)
    with jax.default_matmul_precision("highest"):
        expected = module.apply(module.init(key, x[:1]), x)
    for one, other in zip(network.activations(params, x), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert network.layer_names == ("layer 1 (4)", "layer 2 (3)")


def test_nnx_module_equals_its_own_call(key):
    x = _inputs()
    network = from_flax(_Nnx, x[:1])
    params = network.init(key)
    with jax.default_matmul_precision("highest"):
        expected = _Nnx(nnx.Rngs(key))(x)
    for one, other in zip(network.activations(params, x), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert _kernel_shapes(network) == [(12, 4), (4, 3)]


def test_nnx_seeds_differ():
    network = from_flax(_Nnx, _inputs()[:1])
    keys = jax.random.split(jax.random.key(0), 2)
    first, _ = jax.vmap(lambda key: network.kernels(network.init(key)))(keys)
    assert not np.any(first[0] == first[1])


def test_gradients_of_a_flax_module(key):
    x = _inputs()
    network = from_flax(_Linen((4, 3)), x[:1])
    params = network.init(key)
    gradients = jax.jit(
        jax.grad(lambda p: jnp.sum(network.activations(p, x)[-1] ** 2))
    )(params)
    for gradient, w in zip(
        network.kernels(gradients), network.kernels(params), strict=True
    ):
        assert gradient.shape == w.shape and np.any(gradient != 0)


def _kernel_shapes(network):
    kernels = jax.eval_shape(
        lambda key: network.kernels(network.init(key)), jax.random.key(0)
    )
    return [kernel.shape for kernel in kernels]


def test_eleven_layers_come_in_their_order():
    widths = tuple(range(13, 2, -1))
    network = from_flax(_Linen(widths), _inputs()[:1])
    shapes = _kernel_shapes(network)
    assert shapes == list(zip((12, *widths[:-1]), widths, strict=True))


@pytest.mark.parametrize(
    "module",
    [_Linen((4, 3), ("second_to_last", "head")), _NnxWithHead],
    ids=["linen", "nnx"],
)
def test_layers_come_in_their_order_whatever_their_names(module):
    network = from_flax(module, _inputs()[:1])
    assert _kernel_shapes(network) == [(12, 4), (4, 3)]


class _Convolution(linen.Module):
    @linen.compact
    def __call__(self, x):
        image = linen.Conv(2, (3,))(x[:, :, None])
        return image, linen.Dense(3)(image.reshape(x.shape[0], -1))


def test_layers_of_more_axes_are_flattened(key):
    x = _inputs()
    network = from_flax(_Convolution(), x[:1])
    params = jax.eval_shape(network.init, key)
    shapes = [t.shape for t in jax.eval_shape(network.activations, params, x)]
    assert shapes == [(9, 24), (9, 3)]
    assert network.layer_names == ("layer 1 (24)", "layer 2 (3)")


def test_a_module_must_return_a_tuple():
    with pytest.raises(TypeError, match="must return a tuple of its layers' activ"):
        from_flax(linen.Dense(2), jnp.zeros((1, 12)))


class _HidesALayer(linen.Module):
    @linen.compact
    def __call__(self, x):
        return (linen.Dense(2)(linen.Dense(3)(x)),)


def test_weights_of_a_hidden_layer_belong_to_the_next_one_shown():
    network = from_flax(_HidesALayer(), jnp.zeros((1, 12)))
    (weights,) = jax.eval_shape(
        lambda key: network.kernels(network.init(key)), jax.random.key(0)
    )
    assert {w.shape for w in weights} == {(12, 3), (3, 2)} and len(weights) == 2
