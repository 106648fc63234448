"""Networks: pairs of pure functions, from widths or from a flax module."""

from ibjax.networks.from_flax import from_flax
from ibjax.networks.mlp import ACTIVATIONS, INITIALIZERS, mlp
from ibjax.networks.network import Network
from ibjax.networks.noisy import NoisyNetwork, noisy

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "Network",
    "NoisyNetwork",
    "from_flax",
    "mlp",
    "noisy",
]
