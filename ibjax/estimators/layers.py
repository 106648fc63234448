"""Results and arguments of every estimator of a layer's information."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.estimators.samples import (
    as_array,
    at_least_float32,
    check_classes,
    to_jax,
    without_offsets,
)
from ibjax.numerics import checks
from ibjax.numerics.memory import check_fits

__all__ = [
    "LayerInformation",
    "LayerInformationBounds",
    "check_activities",
    "check_layer",
    "label_weights",
]


class LayerInformation(NamedTuple):
    """Place of one layer on the information plane.

    Attributes:
      i_xt: I(X;T) in nats, shape ``[]``.
      i_ty: I(T;Y) in nats, shape ``[]``.
    """

    i_xt: jax.Array
    i_ty: jax.Array


class LayerInformationBounds(NamedTuple):
    """A lower and an upper estimate of a layer's information.

    Attributes:
      lower: From the lower bound on the entropies.
      upper: From the upper bound on the entropies.
    """

    lower: LayerInformation
    upper: LayerInformation


def check_layer(
    t: ArrayLike, labels: ArrayLike, num_classes: int, *, movable: bool = False
) -> tuple[jax.Array, jax.Array]:
    """Activities ``[num_samples, dim]`` and labels, checked, as JAX arrays.

    Labels are integers in ``[0, num_classes)``, ``[num_samples]``, or p(y|x), floating,
    ``[num_samples, num_classes]``. Half precision is converted to float32. With
    ``movable`` only differences of activities matter, and large offsets are taken off.
    """
    t, labels = check_activities(t, movable=movable), as_array("labels", labels)
    checks.count("num_classes", num_classes)
    check_fits(
        f"a number for each of {len(t):,} samples and num_classes = {num_classes:,}",
        len(t) * num_classes * t.dtype.itemsize,
        t,
        hint="number the classes that occur, as numpy.unique does",
    )
    hard = jnp.issubdtype(labels.dtype, jnp.integer)
    if not hard and not jnp.issubdtype(labels.dtype, jnp.floating):
        raise TypeError(f"labels must be integers or p(y|x), got {labels.dtype}")
    if hard:
        return t, check_classes("labels", labels, num_classes, len(t), "to match t")
    checks.shape("labels", labels, (len(t), num_classes), why="to match t")
    return t, to_jax("labels", labels)


def check_activities(t: ArrayLike, *, movable: bool = False) -> jax.Array:
    """Activities ``[num_samples, dim]``, checked, at least float32."""
    t = checks.shape("t", as_array("t", t), ("num_samples", "dim"))
    t = checks.floating("t", t)
    return at_least_float32(to_jax("t", without_offsets("t", t) if movable else t))


def label_weights(labels: jax.Array, num_classes: int, dtype: jnp.dtype) -> jax.Array:
    """Weight of every sample in every class, ``[num_samples, num_classes]``."""
    if labels.ndim == 2:
        return labels.astype(dtype)
    return jax.nn.one_hot(labels, num_classes, dtype=dtype)
