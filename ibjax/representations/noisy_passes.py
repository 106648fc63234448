"""Passes through networks whose layers get noise of a size that is learned."""

import math
from typing import Any, NamedTuple

import jax
from flax.core.tracers import current_trace

from ibjax.networks.convolutional import convolve, in_parts
from ibjax.networks.dropout import chosen_layers, kernel_shapes
from ibjax.networks.network import Network, NetworkState
from ibjax.representations.log_normal import noise_of

__all__ = [
    "LEAST_ALPHA",
    "InformationDropoutParams",
    "NoisyPass",
    "of_chain",
    "of_named",
    "state_of",
]

LEAST_ALPHA = 0.001
"""Least deviation of the logarithm of the noise."""


class InformationDropoutParams(NamedTuple):
    """Parameters of a network with information dropout.

    Attributes:
      network: Those of the network itself.
      alphas: For every noisy layer the weights and biases of the linear map that sizes
        its noise; all zero before training, where the noise is half the largest.
      priors: For every noisy layer the mean and the logarithm of the deviation of its
        log-normal prior, scalars, both zero before training; nothing for the other.
    """

    network: Any
    alphas: tuple[tuple[jax.Array, jax.Array], ...]
    priors: tuple[tuple[jax.Array, ...], ...]


class NoisyPass(NamedTuple):
    """Layers of a batch, and the noise of the noisy ones.

    Attributes:
      layers: Activities of every layer with noise, ``[num_samples, units]`` each.
      activities: Of every noisy layer those before noise.
      alphas: Deviation of the logarithm of the noise, likewise.
    """

    layers: tuple[jax.Array, ...]
    activities: tuple[jax.Array, ...]
    alphas: tuple[jax.Array, ...]


def _alpha(raw: jax.Array, max_alpha: jax.Array) -> jax.Array:
    return LEAST_ALPHA + max_alpha * jax.nn.sigmoid(raw)


def of_chain(network: Network, layers, max_alpha, unit_mean):
    """Numbers of noisy layers, shapes of what sizes their noise, and a pass.

    Args:
      network: A chain of layers.
      layers: Numbers of the noisy layers, None for all with weights but the output.
      max_alpha: Largest deviation of the logarithm of the noise, but the least one.
      unit_mean: Whether the mean of the noise is one.

    Returns:
      The numbers, a shape for each, and ``run(params, x, *, key=None, training=False)
      -> NoisyPass``.

    Raises:
      ValueError: If the network is no chain, or has noise of its own.
    """
    shapes = kernel_shapes(network)
    if any(layer.is_random for layer in network.layers):
        raise ValueError(
            "network must have no noise or dropout of its own, got "
            f"{network.description}"
        )
    chosen = chosen_layers(layers, shapes)
    widths = [network.layers[number].width for number in chosen]
    num_layers, total = len(network.layers), sum(widths)
    # Patches of many images at once would fill the memory.
    has_images = any(len(shape) == 4 for shape in shapes)

    def run_part(params, x, normal):
        t = x.reshape(x.shape[0], -1)
        found, activities, alphas = [], [], []
        start = 0
        for number in range(num_layers):
            before, t = t, network.layer(params.network, number, t)
            if number in chosen:
                place = len(alphas)
                raw = _linear(*params.alphas[place], before, network.layers[number])
                alpha = _alpha(raw, max_alpha)
                activities.append(t)
                alphas.append(alpha)
                if normal is not None:
                    own = normal[:, start : start + widths[place]]
                    t = t * noise_of(own, alpha, unit_mean)
                    start += widths[place]
            found.append(t)
        return (*found, *activities, *alphas)

    def run(params, x, *, key=None, training=False):
        del training  # The noise is the network's own.

        def part_of(number, part):
            if key is None:
                return run_part(params, part, None)
            # One draw for all layers, and a key for each part of the rows.
            own = jax.random.fold_in(key, number)
            return run_part(params, part, jax.random.normal(own, (len(part), total)))

        flat = in_parts(part_of, x) if has_images else part_of(0, x)
        stops = num_layers, num_layers + len(chosen)
        return NoisyPass(flat[: stops[0]], flat[stops[0] : stops[1]], flat[stops[1] :])

    map_shapes = [_map_shape(shapes[n], network.layers[n].width) for n in chosen]
    return chosen, map_shapes, run


def of_named(network: Network, layers, max_alpha, unit_mean):
    """As :func:`of_chain`, of a network whose layers are changed on the way.

    Args:
      network: A network with ``changed``.
      layers: Numbers of the noisy layers, None for all but the output.
      max_alpha: As there.
      unit_mean: As there.

    Returns:
      As there; of a pass a ValueError where a layer cannot be changed.
    """
    shapes = [layer.shape for layer in network.layers]
    chosen = chosen_layers(layers, shapes)

    def run(params, x, *, key=None, training=False):
        key_noise = key_own = key
        if key is not None:
            key_noise, key_own = jax.random.split(key)
        found: dict[int, tuple[jax.Array, jax.Array]] = {}
        level = current_trace()

        def change(place, number):
            w, b = params.alphas[place]

            def noisy(t):
                if current_trace() != level:
                    raise ValueError(
                        "layers must be called by the module itself and not within a "
                        "transformation of it (remat, jit, scan), got "
                        f"{network.layer_names[number]}"
                    )
                alpha = _alpha(t @ w + b.reshape(*[1] * (t.ndim - 1), -1), max_alpha)
                found[number] = t.reshape(len(t), -1), alpha.reshape(len(t), -1)
                if key is None:
                    return t
                own = jax.random.fold_in(key_noise, number)
                return t * noise_of(jax.random.normal(own, t.shape), alpha, unit_mean)

            return noisy

        changes = {pair[1]: change(*pair) for pair in enumerate(chosen)}
        found_layers = network.changed(
            params.network, x, changes, key=key_own, training=training
        )
        missing = [network.layer_names[n] for n in chosen if n not in found]
        if missing:
            raise ValueError(
                "layers must be submodules, whose outputs can be changed, and not what "
                f"is sown, got {', '.join(missing)}"
            )
        activities, alphas = zip(*(found[number] for number in chosen), strict=True)
        return NoisyPass(found_layers, activities, alphas)

    return chosen, [(shapes[n][-1], shapes[n][-1]) for n in chosen], run


def state_of(state: NetworkState) -> NetworkState:
    """State of the network itself, kept apart in the parameters with noise."""

    def split(params):
        trained, kept = state.split(params.network)
        return params._replace(network=trained), kept

    return NetworkState(
        split,
        lambda trained, kept: trained._replace(
            network=state.merge(trained.network, kept)
        ),
        lambda params, x, key: state.update(params.network, x, key),
    )


def _map_shape(kernel_shape: tuple[int, ...], width: int) -> tuple[int, ...]:
    """Shape of the weights that size a layer's noise."""
    if len(kernel_shape) == 4:
        return kernel_shape
    return math.prod(kernel_shape) // width, width


def _linear(w: jax.Array, b: jax.Array, t: jax.Array, layer: Any) -> jax.Array:
    """A fully connected map of a layer's input, or a convolution without padding."""
    if w.ndim == 2:
        return t @ w + b[None]
    height, width = (side + w.shape[0] - 1 for side in layer.shape[:2])
    s = convolve(t.reshape(-1, height, width, w.shape[2]), w) + b[None, None, None]
    return s.reshape(len(t), -1)
