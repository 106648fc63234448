"""Probes of convolutional networks: information over channels, and what layers show.

A layer of a convolution is either measured as one vector, all channels side by side
(*concat*, which is :func:`ibjax.probes.kde_bounds`), or channel by channel, and the
channels' informations averaged (*mean*, :func:`channel_mean`). A channel of its own
holds less than all of them together, so that the mean is a lower bound for a layer's
information, which the next layer, made from all channels, may exceed: along the mean
the data-processing inequality does not hold.
"""

import jax
import jax.numpy as jnp
from jax import lax

from ibjax.estimators import kde
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot

__all__ = ["activity_maps", "channel_mean"]


def channel_mean(noise_variance: float, *, name: str = "mean") -> Probe:
    """Kernel-density bounds of every layer, averaged over its channels.

    Layers without channels are measured as they are. Pixels of a channel are the units
    that the noise is added to, each with the same variance as the units of other
    layers.

    Args:
      noise_variance: See :func:`ibjax.estimators.kde.layer_information`.
      name: Name of the estimators in the results, before ``_upper`` and ``_lower``.

    Returns:
      The probe.

    Raises:
      ValueError: If, before the sweep, a layer has neither one nor three axes.

    Example:
      >>> probe = channel_mean(0.1)
      >>> probe.labels["mean_upper"]
      'mean over channels of the KDE upper bound, noise variance 0.1'
    """

    def measure(snapshot):
        measured = snapshot.measured
        labels = measured.labels if measured.hard else measured.p_y_given_x

        def information(t):
            return kde.layer_information(
                t,
                labels,
                num_classes=measured.num_classes,
                noise_variance=noise_variance,
            )

        by_layer = []
        shapes = _shapes(snapshot)
        for t, shape in zip(snapshot.layers, shapes, strict=True):
            if len(shape) == 1:
                by_layer.append(information(t))
                continue
            # Channel after channel: one program, and the tiles of one at a time.
            found = lax.map(information, _channels(t, shape))
            by_layer.append(jax.tree.map(jnp.mean, found))
        bounds = jax.tree.map(lambda *layers: jnp.stack(layers), *by_layer)
        return {f"{name}_upper": bounds.upper, f"{name}_lower": bounds.lower}

    return Probe(
        measure,
        {
            f"{name}_{bound}": f"mean over channels of the KDE {bound} bound, noise "
            f"variance {noise_variance:g}"
            for bound in ("upper", "lower")
        },
        {"noise_variance": float(noise_variance), "over": "channels"},
    )


def activity_maps(
    image_shape: tuple[int, int], *, image: int = 0, num_channels: int = 8
) -> Probe:
    """Activities of the layers with channels for one image, to look at.

    Args:
      image_shape: Height and width of the images.
      image: Number of the image among the measured ones.
      num_channels: Channels to keep, the first ones.

    Returns:
      A probe of ``maps_0``, the image itself, ``[1, height, width]``, and ``maps_1``,
      ``maps_2`` and so on for every layer with channels, ``[channels, height, width]``.

    Raises:
      ValueError: If a number is out of range.
    """
    checks.count("num_channels", num_channels)
    checks.count("image", image, 0)

    def maps(snapshot):
        checks.in_range("image", image, f"[0, {snapshot.measured.num_samples})")
        found = {"maps_0": snapshot.measured.x[image].reshape(1, *image_shape)}
        for number, (t, shape) in enumerate(
            zip(snapshot.layers, _shapes(snapshot), strict=True), start=1
        ):
            if len(shape) == 3:
                shown = jnp.moveaxis(t[image].reshape(shape), -1, 0)
                found[f"maps_{number}"] = shown[:num_channels]
        return found

    parameters = {"maps_of": image, "num_channels": num_channels}
    return Probe(maps, parameters=parameters)


def _channels(t: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """A flat layer by channel, ``[channels, num_samples, pixels]``."""
    return jnp.moveaxis(t.reshape(t.shape[0], -1, shape[-1]), -1, 0)


def _shapes(snapshot: Snapshot) -> list[tuple[int, ...]]:
    """Shapes of all layers, ``(height, width, channels)`` or ``(units,)``."""
    shapes = [layer.shape for layer in snapshot.network.layers]
    if any(len(shape) not in (1, 3) for shape in shapes):
        raise ValueError(
            "layers must have the shape (height, width, channels) or (units,), got "
            f"{shapes}"
        )
    return shapes
