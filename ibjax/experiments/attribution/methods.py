"""Methods that are compared, all with the same arguments."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax import attribution
from ibjax.experiments.attribution.setup import AttributionOptions, TrainedNetworks

__all__ = ["GRADIENTS", "Method", "bottleneck_name", "make_methods"]

GRADIENTS = ("gradient", "SmoothGrad", "guided backpropagation")
"""Methods in units of the output per unit of a pixel."""

# Inputs of which the mean and spread of features are taken.
_STATISTICS_IMAGES = 2000
_WINDOW, _STRIDE = (8, 8), (4, 4)
# Images explained at once, so that any number of them needs the same programs.
_AT_ONCE = 32


class Method(NamedTuple):
    """A method that explains images.

    Attributes:
      name: Its name.
      explain: ``explain(key, params, x, targets) -> attributions``, with their signs,
        of the shape of the images or ``[num, height, width]``.
      absolute: Whether the heat of a pixel is the attribution's absolute value.
      in_bits: Whether attributions are bits.
      retrained: Whether it has to be trained for each network.
    """

    name: str
    explain: Callable
    absolute: bool = False
    in_bits: bool = False
    retrained: bool = False

    def maps(self, attributions: jax.Array) -> jax.Array:
        """Attributions as maps with their signs, ``[num, height, width]``."""
        # Sums over colours keep what they add up to.
        return jnp.sum(attributions, axis=3) if attributions.ndim == 4 else attributions

    def heat(self, attributions: jax.Array) -> jax.Array:
        """Heat of every pixel, ``[num, height, width]``."""
        if not self.absolute:
            return self.maps(attributions)
        heat = jnp.abs(attributions)
        return jnp.max(heat, axis=3) if attributions.ndim == 4 else heat


def bottleneck_name(beta: float) -> str:
    """Name of the bottleneck at a price, as the paper writes it.

    Example:
      >>> bottleneck_name(10.0)
      'IBA 10/k'
    """
    return f"IBA {beta:g}/k"


def make_methods(
    options: AttributionOptions, trained: TrainedNetworks, params: Any
) -> list[Method]:
    """All methods, for one of the networks.

    Args:
      options: Prices, and how the readout network is trained.
      trained: The networks and their training images.
      params: Parameters of the one whose readout network is trained; the others take
        those that they are given.

    Returns:
      The methods, the bottleneck first, the one that knows nothing last.
    """
    network = trained.network
    model = attribution.output(network)
    num_convolutions = len(network.layers) - 2
    at = min(1, num_convolutions - 1)
    front, back = attribution.split(network, at)
    upper_front, upper_back = attribution.split(network, num_convolutions - 1)
    statistics_x = trained.train_x[:_STATISTICS_IMAGES]
    image_shape = trained.test.x.shape[1:3]
    rows = {"batch_size": _AT_ONCE}

    def of_bottleneck(beta):
        def explain(key, params, x, targets):
            # Of the parameters given: of new weights features are others.
            statistics = attribution.feature_statistics(front, params, statistics_x)
            found = attribution.per_sample(
                key, front, back, params, x, targets, statistics, beta=beta
            )
            return attribution.heatmap(found.capacity, image_shape)

        return Method(bottleneck_name(beta), explain, in_bits=True)

    def of_readout():
        layers = [*range(at, num_convolutions), len(network.layers) - 1]
        readout = attribution.make_readout(network, at, layers, params, statistics_x)
        fit = attribution.train_readout(
            jax.random.key(0),
            readout,
            params,
            trained.train_x,
            trained.train_labels,
            beta=options.beta[min(1, len(options.beta) - 1)],
            num_steps=options.readout_steps,
        )

        def explain(key, params, x, targets):
            found = attribution.read_out(readout, fit.params, params, x)
            return attribution.heatmap(found.capacity, image_shape)

        return Method("IBA readout", explain, in_bits=True, retrained=True)

    def of_model(function, **fixed):
        return lambda key, *args: function(model, *args, **fixed, **rows)

    def smooth_grad(key, *args):
        return attribution.smooth_grad(key, model, *args, **rows)

    def integrated(key, *args):
        return attribution.integrated_gradients(model, *args, **rows).attributions

    def grad_cam(key, *args):
        return attribution.grad_cam(
            upper_front, upper_back, *args, image_shape=image_shape, **rows
        )

    def guided_grad_cam(key, *args):
        return attribution.guided_grad_cam(upper_front, upper_back, *args, **rows)

    def random(key, params, x, targets):
        return attribution.random_attribution(key, x)

    occlusion = of_model(attribution.occlusion, window=_WINDOW, stride=_STRIDE)
    return [
        *map(of_bottleneck, options.beta),
        of_readout(),
        Method("gradient", of_model(attribution.gradient), absolute=True),
        Method("gradient × input", of_model(attribution.gradient_times_input)),
        Method("integrated gradients", integrated),
        Method("SmoothGrad", smooth_grad, absolute=True),
        Method(
            "guided backpropagation",
            of_model(attribution.guided_backpropagation),
            absolute=True,
        ),
        Method("Grad-CAM", grad_cam),
        Method("guided Grad-CAM", guided_grad_cam, absolute=True),
        Method("occlusion", occlusion),
        Method("random", random),
    ]
