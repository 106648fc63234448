"""Networks whose wide layers are recorded as few numbers, some inputs at a time."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.compilation import full_precision
from ibjax.networks.convolutional import in_parts
from ibjax.networks.network import Layer, Network
from ibjax.networks.reductions import Reduction, as_reduction
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of
from ibjax.numerics.digests import program_digest

__all__ = ["reduced"]


def reduced(
    network: Network,
    reductions: Mapping[str, Reduction | Callable[[jax.Array], jax.Array]],
    *,
    rows_at_once: int = 128,
) -> Network:
    """A network that records reduced activities of some of its layers.

    Training is that of ``network`` to the last bit: there all activities are as they
    were. What is measured is computed for ``rows_at_once`` inputs at a time, of which
    the reduced numbers alone are kept, so that memory does not grow with the inputs
    times the units of a wide layer.

    Args:
      network: The network. Inputs must not depend on each other when it does not
        train, as those of flax modules do not.
      reductions: By name of the layer, with or without the number of units in brackets,
        how its activities are made few: a reduction, see
        :mod:`ibjax.networks.reductions`, or a function from ``[num_samples, *shape]``
        to ``[num_samples, dim]``. Layers that are not named are recorded as they are.
      rows_at_once: Inputs whose whole activities are held at once, beside those that a
        reduction asks for.

    Returns:
      The network. It is no chain of layers, and cannot be cut at a reduced layer.
      Noise that its layers may have is drawn for every ``rows_at_once`` inputs anew.

    Raises:
      TypeError: If a reduction is neither one nor a function.
      ValueError: If there is none, a name is that of no layer, of several, or of the
        output, a layer has noise of its own, or a reduction does not fit its layer.

    Example:
      >>> from ibjax.networks import all_convolutional, reductions
      >>> network = all_convolutional((8, 8, 3), channels=(4, 6), strides=(1, 2))
      >>> first, *_ = network.layer_names
      >>> network = reduced(network, {first: reductions.position_mean})
      >>> params = network.init(jax.random.key(0))
      >>> [t.shape[1] for t in network.activations(params, jnp.zeros((5, 192)))]
      [4, 96, 10]
    """
    checks.instance("network", network, Network)
    checks.instance("reductions", reductions, Mapping)
    checks.not_empty("reductions", reductions, "layer's reduction")
    checks.count("rows_at_once", rows_at_once)
    by_number: dict[int, Reduction] = {}
    for name, given in reductions.items():
        number = _number_of(name, network)
        if number in by_number:
            raise ValueError(
                f"reductions must name a layer once, got {network.layers[number].name}"
                " twice"
            )
        by_number[number] = as_reduction(f"reductions[{name!r}]", given)
    layers = list(network.layers)
    for number, reduction in by_number.items():
        layers[number] = _reduced_layer(layers[number], reduction)

    def find(params):
        """What every reduction finds, from the activities of its own sample."""
        seen = {
            n: jnp.zeros((0, *network.layers[n].shape))
            for n, reduction in by_number.items()
            if reduction.sample is None
        }
        # Layers of one sample come from one pass.
        for sample, numbers in _by_sample(by_number):
            layers = in_parts(
                lambda _, x, numbers=numbers: _some(
                    network.activations(params, x), numbers
                ),
                sample,
                at_once=rows_at_once,
            )
            for n, t in zip(numbers, layers, strict=True):
                seen[n] = t.reshape(-1, *network.layers[n].shape)
        return {n: by_number[n].find(t) for n, t in seen.items()}

    def activations(params, x, *, key=None, training=False):
        if training:
            return network.activations(params, x, key=key, training=True)
        found = find(params)

        def of_some(part, x):
            own = None if key is None else jax.random.fold_in(key, part)
            return tuple(
                by_number[n].apply(found[n], t.reshape(-1, *network.layers[n].shape))
                if n in by_number
                else t
                for n, t in enumerate(network.activations(params, x, key=own))
            )

        return in_parts(of_some, x, at_once=rows_at_once)

    names = [_text(network.layers[n], by_number[n]) for n in sorted(by_number)]
    return network._replace(
        activations=full_precision(activations),
        layers=tuple(layers),
        description=f"({network.description}) with {'; '.join(names)}",
        layer=None,
        activate=None,
        resume=network.resume and _resume(network, by_number),
        changed=None,
    )


def _by_sample(reductions: Mapping[int, Reduction]) -> list[tuple[Any, list[int]]]:
    """Samples, and the numbers of the layers that need each."""
    found: dict[int, tuple[Any, list[int]]] = {}
    for number, reduction in reductions.items():
        sample = reduction.sample
        if sample is not None:
            found.setdefault(id(sample), (sample, []))[1].append(number)
    return list(found.values())


def _some(layers: tuple, numbers: list[int]) -> tuple:
    return tuple(layers[number] for number in numbers)


def _short(name: str) -> str:
    """Name of a layer without the number of units in brackets."""
    return name.rsplit(" (", 1)[0]


def _number_of(name: str, network: Network) -> int:
    hidden = network.layer_names[:-1]
    found = [n for n, known in enumerate(hidden) if name in (known, _short(known))]
    if len(found) > 1:
        raise ValueError(
            f"reductions must name one layer each, got {name!r}, the name of "
            f"{len(found)}"
        )
    if not found:
        raise ValueError(
            f"reductions must be of the layers {', '.join(hidden)}, got {name!r}"
        )
    return found[0]


def _reduced_layer(layer: Layer, reduction: Reduction) -> Layer:
    what = f"reductions[{layer.name!r}]"
    if checks.is_traced(layer.noise_std) or layer.noise_std != 0:
        raise ValueError(
            f"{what} must be of a layer without noise of its own, got noise_std "
            f"{layer.noise_std}"
        )
    both, arguments = _program(layer, reduction)
    try:
        found = shapes_of(reduction.name, both, **arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{what} must fit activities {list(layer.shape)}: {error}"
        ) from error
    if getattr(found, "ndim", None) != 2 or found.shape[0] != 2 or not found.shape[1]:
        raise ValueError(
            f"{what} must make [num_samples, dim] of activities {[2, *layer.shape]}, "
            f"got {_described(found)}"
        )
    return Layer(f"{_short(layer.name)} ({found.shape[1]})", found.shape[1:])


def _program(layer: Layer, reduction: Reduction) -> tuple[Callable, dict[str, Any]]:
    """All that a reduction does with a layer, as a function, and its arguments."""
    num_sample = 0 if reduction.sample is None else reduction.sample.shape[0]

    def both(sample, t):
        return reduction.apply(reduction.find(sample), t)

    rows = {"sample": num_sample, "t": 2}
    return both, {
        name: jax.ShapeDtypeStruct((number, *layer.shape), jnp.float32)
        for name, number in rows.items()
    }


def _text(layer: Layer, reduction: Reduction) -> str:
    text = f"{_short(layer.name)} by {reduction.name}"
    if reduction.named:
        return text
    both, arguments = _program(layer, reduction)
    return f"{text} {program_digest(both, *arguments.values())}"


def _described(value: Any) -> str:
    return f"shape {value.shape}" if hasattr(value, "shape") else repr(value)


def _resume(network: Network, cut: Mapping[int, Any]) -> Callable:
    def resume(params, number, t):
        if number in cut:
            raise ValueError(
                f"the network cannot go on from layer {network.layers[number].name}, "
                "which is recorded reduced"
            )
        return network.resume(params, number, t)

    return resume
