"""Probes of networks with noise: information, bins and clusters of samples.

The probes of :mod:`ibjax.probes` see a noisy network's activities without its noise.
Those here draw the noise themselves. A network draws alike at all its snapshots, so
that what changes between them is the network; other networks of a sweep draw anew.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ibjax.estimators import LayerInformation, binning
from ibjax.numerics import checks
from ibjax.probes.cluster_counts import connected_components, pair_statistics
from ibjax.probes.probe import Probe
from ibjax.probes.propagation import (
    DEFAULT_EFFORT,
    Effort,
    network_information_at,
)
from ibjax.probes.snapshot import Snapshot
from ibjax.training.trainable import Variable

__all__ = [
    "binned_entropies",
    "binned_entropy_name",
    "clustering",
    "layer_samples",
    "layer_samples_name",
    "propagated",
    "sample_rows",
]

# One key per probe: what one draws tells nothing of what another draws.
_PROPAGATION, _BINS, _CLUSTERS, _SAMPLES = range(4)

_PAIR_VARIABLES = {
    f"{name}_{kind}": Variable(("layer",), "1", f"mean {name} of pairs {kind} classes")
    for name in ("distance", "cosine")
    for kind in ("within", "between")
}


def propagated(effort: Effort = DEFAULT_EFFORT, *, name: str = "propagation") -> Probe:
    """I(X;T) and I(T;Y) of every hidden layer by sample propagation.

    Besides the informations it returns ``{name}_i_xt_held_out``, too small on average
    where ``i_xt`` is too large, and the standard errors ``{name}_i_xt_error`` and
    ``{name}_i_ty_error``, in nats. The output has no noise: it is NaN in all of them.

    Args:
      effort: How many samples to take.
      name: Name of the estimator in the results.

    Returns:
      The probe.

    Example:
      >>> probe = propagated()
      >>> probe.labels
      {'propagation': 'sample propagation'}
    """

    def measure(snapshot):
        task = snapshot.measured
        found = network_information_at(
            jax.random.fold_in(snapshot.key, _PROPAGATION),
            snapshot.params,
            task.x,
            task.labels if task.hard else task.p_y_given_x,
            network=snapshot.network,
            num_classes=task.num_classes,
            effort=effort,
        )
        i_xt, i_ty, held_out, i_xt_error, i_ty_error = (
            jnp.append(values, jnp.nan) for values in found
        )
        return {
            name: LayerInformation(i_xt, i_ty),
            f"{name}_i_xt_held_out": held_out,
            f"{name}_i_xt_error": i_xt_error,
            f"{name}_i_ty_error": i_ty_error,
        }

    variables = {
        f"{name}_i_xt_held_out": Variable(
            ("layer",), "nats", "I(X;T) that leaves a sample's own replica out"
        ),
        f"{name}_i_xt_error": Variable(("layer",), "nats", "standard error of I(X;T)"),
        f"{name}_i_ty_error": Variable(("layer",), "nats", "standard error of I(T;Y)"),
    }
    labels = {name: "sample propagation"}
    return Probe(measure, labels, dict(effort._asdict()), variables)


def binned_entropy_name(bin_width: float) -> str:
    """Name of the entropies that :func:`binned_entropies` returns for a width.

    Args:
      bin_width: The width.

    Returns:
      The name.

    Example:
      >>> binned_entropy_name(0.05)
      'binned_entropy_0.05'
    """
    return f"binned_entropy_{bin_width:g}"


def binned_entropies(bin_widths: Sequence[float], *, num_passes: int = 1) -> Probe:
    """H(bin(T)) of every layer's noisy samples, for several widths of the bins.

    It is the plug-in entropy, at most log of the number of samples, which bins that are
    too fine reach whatever the network does. Unlike I(X;T) it counts the noise that the
    bins see. For a width it is named as :func:`binned_entropy_name` says.

    Args:
      bin_widths: Widths of the bins, in units of activity.
      num_passes: Noisy passes of every input.

    Returns:
      The probe.

    Raises:
      ValueError: If a width or ``num_passes`` is not positive, or there is no width.

    Example:
      >>> probe = binned_entropies([0.1, 1.0])
      >>> probe.parameters
      {'bin_widths': [0.1, 1.0], 'num_passes': 1}
    """
    widths = tuple(map(float, bin_widths))
    checks.shape("bin_widths", np.asarray(widths), ("num_widths",))
    for width in widths:
        checks.positive("each of bin_widths", width)
    checks.count("num_passes", num_passes)

    def measure(snapshot):
        x = jnp.repeat(snapshot.measured.x, num_passes, axis=0)
        layers = _padded(_noisy_layers(snapshot, x, _BINS))
        # A single class: I(X;T) is then the entropy of the bins.
        nothing = jnp.zeros(len(x), jnp.int32)

        def entropy(chosen):
            layer, width = chosen
            return binning.layer_information(
                layers[layer], nothing, num_classes=1, bin_width=width
            ).i_xt

        # Layers and widths as one list: entropies of all are one program.
        grid = jnp.meshgrid(jnp.arange(len(layers)), jnp.asarray(widths), indexing="ij")
        entropies = lax.map(entropy, tuple(axis.ravel() for axis in grid))
        entropies = entropies.reshape(len(layers), len(widths))
        return {
            binned_entropy_name(width): entropies[:, number]
            for number, width in enumerate(widths)
        }

    parameters = {"bin_widths": list(widths), "num_passes": num_passes}
    variables = {
        binned_entropy_name(width): Variable(
            ("layer",), "nats", f"H(bin(T)) in bins of width {width:g}"
        )
        for width in widths
    }
    return Probe(measure, {}, parameters, variables)


def clustering(*, link: float = 3.0, num_inputs: int = 1024) -> Probe:
    """Number of clusters of a layer's noisy samples, and statistics of their pairs.

    Samples, one for each of some inputs, belong to one cluster if a chain of samples
    joins them whose steps are no longer than ``link`` standard deviations of the
    layer's noise. ``num_clusters`` counts them, which depends on the number of inputs;
    the output, without noise, has NaN. Besides it returns what
    :func:`ibjax.probes.cluster_counts.pair_statistics` does.

    Args:
      link: Longest step, in standard deviations of the noise.
      num_inputs: Inputs to look at, drawn without replacement; all where there are
        fewer. Memory is O(num_inputs^2).

    Returns:
      The probe.

    Raises:
      ValueError: If a number is not positive.

    Example:
      >>> clustering().parameters["link"]
      3.0
    """
    link = checks.positive("link", link)
    checks.count("num_inputs", num_inputs, 2)

    def measure(snapshot):
        task = snapshot.measured
        key = jax.random.fold_in(snapshot.key, _CLUSTERS)
        # Memory grows with the square of the inputs, so there are not all of them.
        rows = jax.random.permutation(key, task.num_samples)
        rows = rows[:num_inputs]
        layers = _padded(_noisy_layers(snapshot, task.x[rows], _CLUSTERS))
        steps = jnp.asarray([*snapshot.network.noise_std, jnp.nan]) * link
        p_y_given_x = task.p_y_given_x[rows]

        def one_layer(layer):
            t, step = layer
            count = connected_components(t, step).astype(t.dtype)
            found = {"num_clusters": jnp.where(jnp.isnan(step), jnp.nan, count)}
            return found | pair_statistics(t, p_y_given_x)

        return lax.map(one_layer, (layers, steps))

    parameters = {"link": float(link), "num_inputs": num_inputs}
    variables = {
        "num_clusters": Variable(("layer",), "1", "number of clusters of samples"),
        **_PAIR_VARIABLES,
    }
    return Probe(measure, {}, parameters, variables)


def sample_rows(num_samples: int, num_chosen: int) -> np.ndarray:
    """Numbers of inputs whose samples are kept: the same in every sweep.

    Args:
      num_samples: Number of inputs.
      num_chosen: How many to choose; all where there are fewer.

    Returns:
      Distinct row numbers, rising, shape ``[num_chosen]``.

    Example:
      >>> print(len(sample_rows(4096, 100)), len(sample_rows(10, 100)))
      100 10
    """
    rows = np.random.default_rng(0).permutation(num_samples)[:num_chosen]
    return np.sort(rows)


def layer_samples_name(layer: int) -> str:
    """Name of the samples of a layer that :func:`layer_samples` returns.

    Args:
      layer: Number of the layer, from 1.

    Returns:
      The name.

    Example:
      >>> layer_samples_name(5)
      'samples_of_layer_5'
    """
    return f"samples_of_layer_{layer}"


def layer_samples(layers: Sequence[int], *, num_inputs: int = 1024) -> Probe:
    """Layers' noisy samples themselves, to draw them; for few inputs and units.

    Those of a layer, ``[num_inputs, units]``, one for each of the measured inputs that
    :func:`sample_rows` names, are kept as :func:`layer_samples_name` says.

    Args:
      layers: Numbers of the layers, from 1.
      num_inputs: How many inputs.

    Returns:
      The probe.

    Raises:
      ValueError: If, before the sweep, the network has no such layer.

    Example:
      >>> layer_samples([1]).parameters
      {'layer_samples': [1], 'num_inputs': 1024}
    """
    chosen = tuple(layers)

    def measure(snapshot):
        for layer in chosen:
            checks.whole("layers", layer, f"[1, {len(snapshot.layers)}]")
        task = snapshot.measured
        rows = sample_rows(task.num_samples, num_inputs)
        samples = _noisy_layers(snapshot, task.x[rows], _SAMPLES)
        return {layer_samples_name(layer): samples[layer - 1] for layer in chosen}

    parameters = {"layer_samples": list(chosen), "num_inputs": num_inputs}
    variables = {
        layer_samples_name(layer): Variable(
            ("input", f"unit_{layer}"), "1", f"samples of layer {layer}"
        )
        for layer in chosen
    }
    return Probe(measure, {}, parameters, variables)


def _noisy_layers(snapshot: Snapshot, x: jax.Array, probe: int):
    """Every layer with its noise, the last one's after the softmax if it has one."""
    key = jax.random.fold_in(jax.random.fold_in(snapshot.key, probe), 0)
    network = snapshot.network
    *hidden, output = network.activations(snapshot.params, x, key=key)
    if network.output == "softmax":
        output = jax.nn.softmax(output, axis=1)
    return (*hidden, output)


def _padded(layers) -> jax.Array:
    """Layers of one width, ``[num_layers, num_samples, dim]``.

    Units that are always zero change no bin and no distance, and one program does for
    all layers.
    """
    width = max(t.shape[1] for t in layers)
    return jnp.stack([jnp.pad(t, ((0, 0), (0, width - t.shape[1]))) for t in layers])
