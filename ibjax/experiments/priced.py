"""Networks that pay for information: through a Gaussian code, or by dropout."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import xarray as xr

from ibjax import networks, probes
from ibjax import representations as rep
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks
from ibjax.training.objectives import Objective

__all__ = ["KINDS", "Kind", "PricedNetwork", "kind_of", "priced_network"]

Kind = Literal["vib", "information-dropout"]

KINDS = {"vib": "code", "information-dropout": "information dropout"}
"""Kinds of networks, and what they are called."""


class PricedNetwork(NamedTuple):
    """A network that pays for information.

    Attributes:
      network: The network.
      draw: ``draw(params, x, key)``, representations with their noise,
        ``[num_samples, dim]``.
      objective: From the price of a nat to what the network is trained on.
      probe: What the representation, or every layer, lets through.
    """

    network: Network
    draw: Callable[[Params, jax.Array, jax.Array], jax.Array]
    objective: Callable[[Any], Objective]
    probe: probes.Probe


def priced_network(
    kind: Kind,
    widths: Sequence[int],
    *,
    dim: int,
    num_classes: int,
    initial_std: float = 1.0,
) -> PricedNetwork:
    """A classifier of a kind, fully connected, with ReLUs.

    Args:
      kind: One of :data:`KINDS`: through a Gaussian code, or with information dropout.
      widths: Inputs and units of the hidden layers before the representation.
      dim: Dimensions of the code, or units of the last noisy layer.
      num_classes: Number of classes.
      initial_std: Deviation of a code where training starts, in units of the code.

    Returns:
      The network with what belongs to it.

    Raises:
      ValueError: If there is no such kind.

    Example:
      >>> found = priced_network("vib", [64, 16], dim=2, num_classes=10)
      >>> params = found.network.init(jax.random.key(0))
      >>> found.draw(params, jax.numpy.ones((5, 64)), jax.random.key(1)).shape
      (5, 2)
    """
    checks.one_of("kind", kind, KINDS)
    if kind == "vib":
        code = rep.variational(
            networks.mlp((*widths, rep.encoder_width(dim)), "relu", output="linear"),
            networks.mlp([dim, num_classes]),
            dim=dim,
            initial_std=initial_std,
        )
        return PricedNetwork(
            code.network,
            lambda params, x, key: code.encode(params, x).sample(key),
            lambda beta: rep.vib(code, beta=beta),
            probes.code_bounds(code),
        )
    noisy = rep.with_information_dropout(
        networks.mlp((*widths, dim, num_classes), "relu"), unit_mean=True
    )
    return PricedNetwork(
        noisy.network,
        lambda params, x, key: noisy.run(params, x, key=key).layers[-2],
        lambda beta: rep.information_dropout(noisy, beta=beta),
        probes.dropout_information(noisy),
    )


def kind_of(dataset: xr.Dataset) -> str:
    """What the kind of a dataset's networks is called; older ones have codes."""
    configuration = json.loads(dataset.attrs["configuration"])
    cell = (configuration.get("cells") or [configuration])[0]
    return KINDS[str((configuration | cell).get("kind", "vib"))]
