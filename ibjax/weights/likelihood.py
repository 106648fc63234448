"""Likelihood of a network: the gradients that a Fisher matrix averages over."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.networks.network import Network, Params
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of
from ibjax.numerics.probabilities import check_distributions

__all__ = ["Likelihood", "batches_of", "checked_samples", "share_wrong"]


class Likelihood(NamedTuple):
    """Likelihood of a network, hashable: functions, and no number that may be traced.

    Attributes:
      activations: ``activations(params, x)``, of the network.
      state: How the network's state is kept apart, None without any.
      output: Kind of the network's output.
      labels: Whose labels: "softmax" and "linear", the model's; "classes",
        "distributions" and "vectors", the data's.
    """

    activations: Callable
    state: Any
    output: str
    labels: str

    def outputs(self, kept: Any, x: jax.Array) -> Callable:
        """Last activity for some inputs, as a function of what is trained."""

        def last(trainable):
            params = trainable
            if self.state is not None:
                params = self.state.merge(trainable, kept)
            return self.activations(params, x)[-1]

        return last

    def directions(
        self, output: jax.Array, label: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Gradients of -log p(y|x) by one output ``[dim]``, for all y that count.

        Returns:
          Weight of every y, ``[num]``, and the gradients, ``[num, dim]``.
        """
        return _DIRECTIONS[self.labels](output, label)


def checked_samples(
    params: Params, x: ArrayLike, network: Network, labels: str | ArrayLike
) -> tuple[jax.Array, jax.Array, Likelihood]:
    """Inputs, a label of each, and the likelihood, checked."""
    x = checks.shape("x", checks.jax_array("x", x), ("num_samples", "*shape"))
    checks.instance("network", network, Network)

    def last(params, x):
        return network.activations(params, x)[-1]

    outputs = shapes_of("network", last, params=params, x=x)
    trained, _ = network.split(params)
    checks.not_empty_tree("params", trained, "weight that network trains")
    num_samples, dim = outputs.shape
    likelihood = Likelihood(network.activations, network.state, network.output, "model")
    if isinstance(labels, str):
        checks.one_of("labels", labels, ["model"], otherwise="an array of the data's")
        return x, jnp.zeros(num_samples), likelihood._replace(labels=network.output)
    labels = checks.jax_array("labels", labels)
    if network.output != "softmax":
        checks.shape("labels", labels, (num_samples, dim), why="to match x")
        return x, labels, likelihood._replace(labels="vectors")
    shapes = (num_samples,), (num_samples, dim)
    checks.shape("labels", labels, *shapes, why="to match x and the classes")
    if labels.ndim == 2:
        check_distributions("labels", labels)
        return x, labels, likelihood._replace(labels="distributions")
    checks.integers("labels", labels)
    checks.indices("labels", labels, dim)
    # Of few bits they would be compared with the classes in their own range.
    return x, labels.astype(int), likelihood._replace(labels="classes")


def _of_model_classes(output, label):
    del label
    p = jax.nn.softmax(output)
    return p, p[None] - jnp.eye(len(p), dtype=p.dtype)


def _of_model_vectors(output, label):
    del label
    # Noise of covariance one: the mean over it of the squared gradients is J^T J.
    return jnp.ones_like(output), jnp.eye(len(output), dtype=output.dtype)


def _of_distributions(output, label):
    p = jax.nn.softmax(output)
    return label.astype(p.dtype), p[None] - jnp.eye(len(p), dtype=p.dtype)


def _of_classes(output, label):
    p = jax.nn.softmax(output)
    one_hot = jax.nn.one_hot(label, len(p), dtype=p.dtype)
    return jnp.ones(1, p.dtype), (p - one_hot)[None]


def _of_vectors(output, label):
    return jnp.ones(1, output.dtype), (output - label)[None]


_DIRECTIONS = {
    "softmax": _of_model_classes,
    "linear": _of_model_vectors,
    "distributions": _of_distributions,
    "classes": _of_classes,
    "vectors": _of_vectors,
}


def batches_of(
    x: jax.Array,
    labels: jax.Array,
    batch_size: int,
    part: ArrayLike = 0,
    num_parts: int = 1,
) -> Any:
    """Samples, labels and weights in batches, the last one filled up by weights 0.

    Of several parts, each has the samples that follow each other at this distance.
    """
    num_samples = len(x)
    each = -(-num_samples // num_parts)
    batch_size = min(batch_size, each)
    num_batches = -(-each // batch_size)
    places = part + num_parts * jnp.arange(num_batches * batch_size)
    rows = jnp.minimum(places, num_samples - 1).reshape(num_batches, batch_size)
    weights = (places < num_samples).astype(x.dtype).reshape(rows.shape)
    return x[rows], labels[rows], weights


def share_wrong(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Share of logits ``[num, num_classes]`` of which the label's is not the largest.

    NaN where one is not finite: among NaN the first class would be the largest.
    """
    wrong = jnp.mean(jnp.argmax(logits, axis=1) != labels)
    return jnp.where(jnp.all(jnp.isfinite(logits)), wrong, jnp.nan)
