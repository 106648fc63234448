"""Networks whose calls are one program each, and not one for every operation."""

import jax


def compiled(network):
    """The network, whose own functions are compiled as a whole."""
    return network._replace(
        init=jax.jit(network.init),
        activations=jax.jit(network.activations, static_argnames="training"),
    )
