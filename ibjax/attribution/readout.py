r"""Readout bottleneck: attributions of new inputs in one forward pass.

A small network reads several layers of the one to be explained, above the bottleneck as
well as below, and predicts :math:`\lambda` of every feature. It is trained on many
inputs and their labels; then an input's attribution costs one pass through both, needs
no label, and is the same each time. What is read comes from the input without noise.

References:
  Schulz et al., `Restricting the flow: information bottlenecks for attribution`, ICLR
  2020, section 3.2.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen
from jax.typing import ArrayLike

from ibjax.attribution import loops
from ibjax.attribution.bottleneck import passed, terms
from ibjax.attribution.cutting import joined, layers_of, split
from ibjax.attribution.statistics import FeatureStatistics, feature_statistics
from ibjax.compilation import exact_jit, full_precision
from ibjax.networks.network import Network
from ibjax.numerics import checks, descent
from ibjax.numerics.calls import shapes_of

__all__ = [
    "Readout",
    "ReadoutAttribution",
    "ReadoutFit",
    "ReadoutNetwork",
    "make_readout",
    "read_out",
    "stacked_maps",
    "train_readout",
]

_ADAM = optax.adam(1e-3)

# Beyond, the sigmoid is so flat that training would hardly come back.
_LARGEST_ALPHA = 5.0


class ReadoutNetwork(linen.Module):
    """Three convolutions of one pixel, from maps that are read to alpha.

    They have half as many channels as are read, twice those of the bottleneck, and
    those of the bottleneck. At the start alpha is close to 5 everywhere, and nearly
    everything passes.

    Attributes:
      num_channels: Channels of the bottleneck.
    """

    num_channels: int

    @linen.compact
    def __call__(self, maps: jax.Array) -> jax.Array:
        """Alpha, in [-5, 5], ``[..., num_channels]``, of maps ``[..., channels]``."""
        # A convolution of one pixel is a product over channels, and faster as one.
        t = linen.relu(linen.Dense(max(1, maps.shape[-1] // 2))(maps))
        t = linen.relu(linen.Dense(2 * self.num_channels)(t))
        small = linen.initializers.variance_scaling(1e-6, "fan_in", "truncated_normal")
        bias = linen.initializers.constant(_LARGEST_ALPHA)
        alpha = linen.Dense(self.num_channels, kernel_init=small, bias_init=bias)(t)
        clipped = jnp.clip(alpha, -_LARGEST_ALPHA, _LARGEST_ALPHA)
        # The gradient is that without the clip: it starts at one end, where a channel
        # that is beyond it for all inputs would never learn.
        return alpha + jax.lax.stop_gradient(clipped - alpha)


class Readout(NamedTuple):
    """A bottleneck in a network and what is read to set it.

    Attributes:
      front: ``front(params, x) -> r``, the network up to the bottleneck.
      back: ``back(params, r) -> logits``, the network from there on.
      read: ``read(params, x) -> (r_1, r_2, ...)``, the layers that are read.
      module: The readout network.
      statistics: Of the bottleneck's features.
      read_statistics: Of the features of every layer that is read.
    """

    front: Callable
    back: Callable
    read: Callable
    module: linen.Module
    statistics: FeatureStatistics
    read_statistics: tuple[FeatureStatistics, ...]


class ReadoutFit(NamedTuple):
    """A trained readout network.

    Attributes:
      params: Its parameters, for :func:`read_out`.
      information: Mean over each batch of the sum of the capacities, nats, before each
        step, ``[num_steps]``.
      cross_entropy: Mean cross-entropy of the labels, nats, ``[num_steps]``.
    """

    params: Any
    information: jax.Array
    cross_entropy: jax.Array


class ReadoutAttribution(NamedTuple):
    """Attribution of each input.

    Attributes:
      capacity: Information that each feature may pass, nats, ``[num, *layer]``.
      lam: Part of each feature that is kept, ``[num, *layer]``.
    """

    capacity: jax.Array
    lam: jax.Array


def make_readout(
    network: Network,
    layer: str | int,
    read_layers: Sequence[str | int],
    params: Any,
    x: ArrayLike,
    *,
    module: linen.Module | None = None,
    batch_size: int = 128,
) -> Readout:
    """A readout bottleneck at a layer of a network.

    Args:
      network: The network, as for :func:`ibjax.attribution.split`.
      layer: Layer of the bottleneck.
      read_layers: Layers that are read; the last should be the output or close to it,
        which knows the class.
      params: Parameters of the network.
      x: Inputs of which the statistics of features are taken, ``[num, ...]``.
      module: Readout network, from maps ``[..., channels]`` to alpha
        ``[..., channels of the bottleneck]``; None for :class:`ReadoutNetwork`.
      batch_size: Inputs at a time, for the statistics.

    Returns:
      The readout bottleneck, which is yet to be trained.

    Raises:
      ValueError: If a layer is unknown or cannot be cut, or none is read.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([6, 4, 3])
      >>> params = network.init(jax.random.key(0))
      >>> x = jax.random.normal(jax.random.key(1), (50, 6))
      >>> readout = make_readout(network, "tanh 4", ["tanh 4", "softmax 3"], params, x)
      >>> labels = jnp.argmax(network.activations(params, x)[-1], axis=1)
      >>> fit = train_readout(
      ...     jax.random.key(2), readout, params, x, labels, num_steps=5
      ... )
      >>> read_out(readout, fit.params, params, x[:2]).capacity.shape
      (2, 4)
    """
    front, back = split(network, layer)
    read = layers_of(network, read_layers, name="read_layers")
    checks.not_empty("read_layers", read_layers, "layer")
    found: Any = feature_statistics(
        layers_of(network, [layer, *read_layers]), params, x, batch_size=batch_size
    )
    statistics, *of_layers = found
    if module is None:
        module = ReadoutNetwork(statistics.mean.shape[-1])
    return Readout(front, back, read, module, statistics, tuple(of_layers))


def train_readout(
    key: jax.Array,
    readout: Readout,
    params: Any,
    x: ArrayLike,
    targets: ArrayLike,
    *,
    beta: ArrayLike = 10.0,
    num_steps: int = 1000,
    batch_size: int = 32,
    optimizer: optax.GradientTransformation | None = None,
    smoothing: float = 1.0,
) -> ReadoutFit:
    """Train a readout network; the network that is explained stays as it is.

    The loss is the mean cross-entropy of each input's own label, with one draw of
    noise, plus ``beta`` times the mean capacity of a feature. Every epoch has a new
    order of the inputs; those that fill no batch are left out of it.

    Args:
      key: A typed key, for the first weights, the order and the noise.
      readout: The readout bottleneck.
      params: Parameters of the network that is explained.
      x: Inputs, ``[num, ...]``.
      targets: Their labels, ``[num]``.
      beta: Price of information, as in :func:`ibjax.attribution.per_sample`.
      num_steps: Steps of the optimizer.
      batch_size: Inputs of a step, at most ``num``.
      optimizer: The optimizer; None for Adam at a rate of 0.001. The authors took
        0.00001 for ten epochs of ImageNet.
      smoothing: Standard deviation of the blur of lambda, in positions.

    Returns:
      Parameters of the readout network, and how the two terms of the loss fell.

    Raises:
      ValueError: If shapes do not match, a target is no class, an input is not finite,
        or a number is out of range.

    References:
      Schulz et al., 2020, section 3.2.

    Example: See :func:`make_readout`.
    """
    checks.instance("readout", readout, Readout)
    checks.key("key", key)
    x, targets = loops.check_model(
        joined(readout.front, readout.back), params, x, targets
    )
    if optimizer is not None:
        checks.instance("optimizer", optimizer, optax.GradientTransformation)
    beta = checks.not_negative("beta", beta)
    checks.count("num_steps", num_steps)
    checks.whole("batch_size", batch_size, f"[1,{len(x)}]")
    smoothing = checks.not_negative("smoothing", smoothing)
    optimizer = _ADAM if optimizer is None else optimizer
    # Functions apart from arrays: what is compiled depends on the former alone.
    functions, statistics = readout[:4], readout[4:]
    state = _init(functions, optimizer, key, params, x[:1], statistics)
    data = (params, x, targets, statistics, beta)

    def step(state, number):
        return _step(
            functions, batch_size, optimizer, smoothing, state, key, number, data
        )

    state, records = loops.repeat(step, state, num_steps)
    return ReadoutFit(state.params, *records)


def read_out(
    readout: Readout,
    readout_params: Any,
    params: Any,
    x: ArrayLike,
    *,
    smoothing: float = 1.0,
    batch_size: int | None = 128,
) -> ReadoutAttribution:
    """Attributions of inputs by a trained readout network, in one forward pass.

    Args:
      readout: The readout bottleneck.
      readout_params: Its parameters, of :func:`train_readout`.
      params: Parameters of the network that is explained.
      x: Inputs, ``[num, ...]``.
      smoothing: As in training.
      batch_size: Inputs at a time; None for all at once.

    Returns:
      Capacities and lambdas.

    Raises:
      ValueError: If the inputs are not finite or none.

    Example: See :func:`make_readout`.
    """
    checks.instance("readout", readout, Readout)
    x = checks.finite("x", checks.floating("x", checks.shape("x", x, ("num", "*axes"))))
    smoothing = checks.not_negative("smoothing", smoothing)
    functions, statistics = readout[:4], readout[4:]
    one = jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
    shapes_of(
        "readout",
        lambda *args: _read_out(functions, smoothing, *args, statistics),
        **{"readout_params": readout_params, "params": params, "x": one},
    )
    return loops.in_batches(
        lambda x: _read_out(
            functions, smoothing, readout_params, params, x, statistics
        ),
        batch_size,
        jnp.asarray(x),
    )


@full_precision
def stacked_maps(
    layers: Sequence[jax.Array],
    statistics: Sequence[FeatureStatistics],
    size: tuple[int, ...],
) -> jax.Array:
    """Normalised layers, brought to the size of the bottleneck, channel by channel.

    Args:
      layers: Activities, ``[num, height, width, channels]`` or ``[num, units]``.
      statistics: Of their features.
      size: Height and width of the bottleneck; nothing for one without.

    Returns:
      Maps ``[num, *size, channels of all]``. The corners of a layer's map stay corners,
      and between them it is bilinear; units are the same everywhere. Without a size
      maps are averaged over positions.
    """
    found = []
    for r, own in zip(layers, statistics, strict=True):
        r = own.normalize(r)
        if not size:
            r = jnp.mean(r.reshape(len(r), -1, r.shape[-1]), axis=1)
        elif r.ndim == 4:
            rows, columns = (
                jnp.asarray(_corner_matrix(old, new), r.dtype)
                for old, new in zip(r.shape[1:3], size, strict=True)
            )
            r = jnp.einsum("ij,bjkc,lk->bilc", rows, r, columns)
        else:
            r = r.reshape(len(r), 1, 1, -1)
            r = jnp.broadcast_to(r, (len(r), *size, r.shape[-1]))
        found.append(r)
    return jnp.concatenate(found, axis=-1)


def _corner_matrix(old: int, new: int) -> np.ndarray:
    """Linear interpolation of ``old`` values at ``new`` points, end to end."""
    places = np.linspace(0, old - 1, new)
    return np.stack([np.interp(places, np.arange(old), row) for row in np.eye(old)], 1)


def _alpha(functions, readout_params, params, x, statistics):
    """Normalised activities of the bottleneck, and alpha, ``[batch, *layer]``."""
    front, _, read, module = functions
    own, of_layers = statistics
    r = own.normalize(front(params, x))
    maps = stacked_maps(read(params, x), of_layers, r.shape[1:-1])
    return r, module.apply(readout_params, maps)


def _key(key, purpose):
    """A key for each purpose: the first weights, the order of inputs, the noise."""
    return jax.random.fold_in(key, ("weights", "order", "noise").index(purpose))


@exact_jit(static_argnames=("functions", "optimizer"))
def _init(functions, optimizer, key, params, x, statistics):
    front, _, read, module = functions
    size = front(params, x).shape[1:-1]
    maps = stacked_maps(read(params, x), statistics[1], size)
    return descent.init(module.init(_key(key, "weights"), maps), optimizer)


@exact_jit(static_argnames=("functions", "smoothing"))
def _read_out(functions, smoothing, readout_params, params, x, statistics):
    r, alpha = _alpha(functions, readout_params, params, x, statistics)
    return ReadoutAttribution(*passed(statistics[0], r, alpha, smoothing)[:2])


@exact_jit(static_argnames=("functions", "batch_size", "optimizer", "smoothing"))
def _step(functions, batch_size, optimizer, smoothing, state, key, number, data):
    params, x, targets, statistics, beta = data
    num_batches = len(x) // batch_size
    epoch, batch = number // num_batches, number % num_batches
    key_epoch = jax.random.fold_in(_key(key, "order"), epoch)
    permuted = jax.random.permutation(key_epoch, len(x))
    rows = jax.lax.dynamic_slice_in_dim(permuted, batch * batch_size, batch_size)
    key_noise = jax.random.fold_in(_key(key, "noise"), number)

    def loss(readout_params, memory, rows):
        r, alpha = _alpha(functions, readout_params, params, x[rows], statistics)
        noise = jax.random.normal(key_noise, (batch_size, 1, *r.shape[1:]), r.dtype)
        (information, cross_entropy), _ = terms(
            functions[1],
            params,
            statistics[0],
            r,
            alpha,
            targets[rows],
            noise,
            smoothing,
        )
        information, cross_entropy = jnp.mean(information), jnp.mean(cross_entropy)
        value = cross_entropy + beta * information / r[0].size
        return value, (memory, (information, cross_entropy))

    return descent.step(loss, state, rows, optimizer)
