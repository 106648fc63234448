"""Networks: pure functions of their parameters, from widths or from a flax module."""

from ibjax.networks import reductions
from ibjax.networks.all_convolutional import all_convolutional
from ibjax.networks.convolutions import conv_general_dilated
from ibjax.networks.described import from_description
from ibjax.networks.dropout import binary_dropout
from ibjax.networks.from_flax import from_flax
from ibjax.networks.mlp import ACTIVATIONS, INITIALIZERS, mlp
from ibjax.networks.network import Layer, Network, NetworkState
from ibjax.networks.noisy import noisy
from ibjax.networks.reduced import reduced

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "Layer",
    "Network",
    "NetworkState",
    "all_convolutional",
    "binary_dropout",
    "conv_general_dilated",
    "from_description",
    "from_flax",
    "mlp",
    "noisy",
    "reduced",
    "reductions",
]
