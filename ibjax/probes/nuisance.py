"""What a draw of a representation tells of classes that are known, at a snapshot."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.estimators import knn
from ibjax.numerics import checks
from ibjax.numerics.digests import array_digest
from ibjax.probes.probe import Probe
from ibjax.representations.nuisance import nuisance_information
from ibjax.training.trainable import Variable

__all__ = ["drawn_information"]

# A key of its own: what this draws tells nothing of what another probe draws.
_DRAWS = 120


def drawn_information(
    draw: Callable[..., jax.Array],
    classes: Mapping[str, ArrayLike],
    *,
    num_steps: int = 1000,
    last_only: bool = True,
) -> Probe:
    """I(Z;N) of a representation and classes of the measured inputs, by two estimators.

    For every name of ``classes``: ``NAME_neighbours``, Ross's estimate;
    ``NAME_discriminator``, that of a discriminator, which is no bound, and
    ``NAME_bound`` and ``NAME_bound_error``, the bound of the same discriminator; all of
    one draw of the representation of every measured input. Neighbours fall short where
    representations have more than some ten dimensions, a discriminator where it has not
    learned all.

    See :func:`ibjax.representations.nuisance_information`.

    Args:
      draw: ``draw(params, x, key) -> z``, ``[num_inputs, dim]``: the representation.
      classes: Classes of every measured input by name, ``[num_measured]`` integers, as
        those of a nuisance.
      num_steps: Steps of the discriminator.
      last_only: Whether to measure at the last snapshot only.

    Returns:
      The probe.

    Raises:
      ValueError: If there are no classes, a class is negative, or ``num_steps`` not
        positive.
      TypeError: If the classes are no integers.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([12, 3, 2])
      >>> probe = drawn_information(
      ...     lambda params, x, key: network.activations(params, x)[0],
      ...     {"nuisance": np.arange(819) % 2},
      ... )
      >>> list(probe.variables)[:2]
      ['nuisance_neighbours', 'nuisance_discriminator']
    """
    checks.instance("classes", classes, Mapping)
    checks.not_empty("classes", classes)
    checks.count("num_steps", num_steps)
    checks.flag("last_only", last_only)
    labels, num_classes = {}, {}
    for name, own in classes.items():
        place = f"classes[{name!r}]"
        own = np.asarray(checks.integers(place, own))
        checks.shape(place, own, ("num_measured",))
        checks.indices(place, own, int(own.max()) + 1)
        labels[name], num_classes[name] = jnp.asarray(own), int(own.max()) + 1

    def measure(snapshot):
        key = jax.random.fold_in(snapshot.key, _DRAWS)
        key_draw, key_fit = jax.random.split(key)
        x = snapshot.measured.x
        z = draw(snapshot.params, x, key_draw)
        values = {}
        for number, (name, own) in enumerate(labels.items()):
            place = f"classes[{name!r}]"
            checks.shape(place, own, (len(x),), why="for the measured inputs")
            classes_of = {"num_classes": num_classes[name]}
            found = nuisance_information(
                jax.random.fold_in(key_fit, number),
                z,
                own,
                num_steps=num_steps,
                **classes_of,
            )
            values |= {
                f"{name}_neighbours": knn.ross(z, own, **classes_of),
                f"{name}_discriminator": found.value,
                f"{name}_bound": found.bound,
                f"{name}_bound_error": found.bound_error,
            }
        return values

    variables = {
        f"{name}_{key}": Variable((), "nats", f"information on the {name}, {words}")
        for name in labels
        for key, words in (
            ("neighbours", "by nearest neighbours"),
            ("discriminator", "by a discriminator"),
            ("bound", "the discriminator's lower bound"),
            ("bound_error", "standard error of the lower bound"),
        )
    }
    # In order: each discriminator draws by its number.
    digests = [
        [name, array_digest(np.asarray(own, np.int32))] for name, own in labels.items()
    ]
    return Probe(
        measure,
        variables=variables,
        parameters={"drawn_information": {"steps": num_steps, "classes": digests}},
        last_only=last_only,
        usually_last=True,
    )
