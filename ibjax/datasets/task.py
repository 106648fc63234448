"""A task: the inputs, the labels and, where it is known, the true p(y|x)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax import measures

__all__ = ["Task", "make_task"]

_BITS_PER_WORD = 32


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Task:
    """Inputs with uniform weights, their labels and p(y|x).

    Attributes:
      x: Inputs, shape ``[num_samples, num_inputs]``, float32.
      labels: Class of every input, shape ``[num_samples]``, int32.
      p_y_given_x: Distribution of the label, shape ``[num_samples, num_classes]``;
        rows are one-hot where labels are certain.
      packed_x: When every input is 0 or 1 and there are at most 32 of them, the rows
        of ``x`` as words, shape ``[num_samples]``, uint32: a row is then fetched with
        one read. None otherwise.
      hard: Whether ``p_y_given_x`` is the one-hot form of ``labels``.
      name: Short name of the task.
      num_measured: How many of the inputs, the last ones, layers are measured on; all
        of them by default.
    """

    x: jax.Array
    labels: jax.Array
    p_y_given_x: jax.Array
    packed_x: jax.Array | None = None
    hard: bool = jax.tree.static(default=True)
    name: str = jax.tree.static(default="task")
    num_measured: int | None = jax.tree.static(default=None)

    @property
    def measured(self) -> "Task":
        """The inputs that layers are measured on, as a task."""
        if self.num_measured is None:
            return self
        last = slice(self.num_samples - self.num_measured, None)
        packed_x = None if self.packed_x is None else self.packed_x[last]
        return Task(
            x=self.x[last],
            labels=self.labels[last],
            p_y_given_x=self.p_y_given_x[last],
            packed_x=packed_x,
            hard=self.hard,
            name=self.name,
        )

    @property
    def num_samples(self) -> int:
        """Number of inputs."""
        return self.x.shape[0]

    @property
    def num_inputs(self) -> int:
        """Number of features of an input."""
        return self.x.shape[1]

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.p_y_given_x.shape[1]

    @property
    def h_y(self) -> jax.Array:
        """Entropy H(Y) of the label, in nats, every input equally likely."""
        return measures.entropy(jnp.mean(self.p_y_given_x, axis=0))

    @property
    def i_xy(self) -> jax.Array:
        """I(X;Y) in nats, every row an input of its own: a ceiling for I(T;Y)."""
        return measures.mutual_information(self.p_y_given_x / self.num_samples)

    def targets(self, rows: jax.Array) -> jax.Array:
        """p(y|x) of some rows, shape ``[num_classes, num_rows]``, feature-major."""
        if not self.hard:
            return self.p_y_given_x.T[:, rows]
        classes = jnp.arange(self.num_classes)[:, None]
        return (self.labels[rows][None] == classes).astype(self.p_y_given_x.dtype)

    def inputs(self, rows: jax.Array) -> jax.Array:
        """Inputs of some rows, shape ``[num_inputs, num_rows]``, feature-major."""
        if self.packed_x is None:
            return self.x[rows].T
        shifts = jnp.arange(self.num_inputs, dtype=jnp.uint32)[:, None]
        return ((self.packed_x[rows][None] >> shifts) & 1).astype(self.x.dtype)


def make_task(
    x: ArrayLike,
    labels: ArrayLike,
    *,
    num_classes: int | None = None,
    p_y_given_x: ArrayLike | None = None,
    name: str = "task",
    num_measured: int | None = None,
) -> Task:
    """Build a task from arrays, and refuse ones that do not fit together.

    Args:
      x: Inputs, shape ``[num_samples, num_inputs]``; converted to float32.
      labels: Integer class of every input, shape ``[num_samples]``.
      num_classes: Number of classes; one more than the largest label by default.
      p_y_given_x: Distribution of the label, shape ``[num_samples, num_classes]``;
        one-hot rows from ``labels`` by default.
      name: Short name of the task.
      num_measured: How many of the inputs, the last ones, layers are measured on; all
        of them by default. A large training set is not measured along.

    Returns:
      The task.

    Raises:
      ValueError: If a shape is wrong, an input not finite, a label out of range or a
        row of ``p_y_given_x`` no distribution, or there are fewer inputs than
        ``num_measured``.
      TypeError: If ``labels`` are not integers.

    Example:
      >>> task = make_task([[0.0], [1.0]], [0, 1])
      >>> print(task.num_samples, f"{task.h_y:.4f}")
      2 0.6931
    """
    x, labels = np.asarray(x, np.float32), np.asarray(labels)
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"x must have shape [num_samples, num_inputs], got {x.shape}")
    if not np.all(np.isfinite(x)):
        raise ValueError(f"x must be finite, got {np.sum(~np.isfinite(x))} bad values")
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels must be integers, got {labels.dtype}")
    if labels.shape != x.shape[:1]:
        raise ValueError(f"labels must have shape {x.shape[:1]}, got {labels.shape}")
    if num_classes is None:
        num_classes = int(labels.max()) + 1
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"labels must lie in [0, {num_classes}), got values from {labels.min()} to "
            f"{labels.max()}"
        )
    if p_y_given_x is None:
        p_y_given_x = np.eye(num_classes, dtype=np.float32)[labels]
    p_y_given_x = np.asarray(p_y_given_x, np.float32)
    if p_y_given_x.shape != (len(x), num_classes):
        raise ValueError(
            f"p_y_given_x must have shape {(len(x), num_classes)}, got "
            f"{p_y_given_x.shape}"
        )
    row_sums = p_y_given_x.sum(axis=1)
    if p_y_given_x.min() < 0 or not np.allclose(row_sums, 1, rtol=0, atol=1e-5):
        raise ValueError("p_y_given_x must be non-negative with rows that sum to one")
    if num_measured is not None and not 1 <= num_measured <= len(x):
        raise ValueError(
            f"num_measured must lie in [1, {len(x)}], the number of inputs, got "
            f"{num_measured}"
        )
    return Task(
        x=jnp.asarray(x),
        labels=jnp.asarray(labels, jnp.int32),
        p_y_given_x=jnp.asarray(p_y_given_x),
        packed_x=_pack(x),
        hard=bool(np.array_equal(p_y_given_x, np.eye(num_classes)[labels])),
        name=name,
        num_measured=num_measured,
    )


def _pack(x: np.ndarray) -> jax.Array | None:
    if x.shape[1] > _BITS_PER_WORD or not np.all((x == 0) | (x == 1)):
        return None
    place = np.left_shift(np.uint32(1), np.arange(x.shape[1], dtype=np.uint32))
    return jnp.asarray(x.astype(np.uint32) @ place)
