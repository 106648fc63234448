"""Task: inputs and what is to be learned of them.

Targets are classes, distributions over classes (the true p(y|x)), real vectors, or
nothing. Every input counts the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax import measures
from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.numerics.calls import warn
from ibjax.numerics.digits import digits_to_lose
from ibjax.numerics.probabilities import check_distributions

__all__ = ["TARGETS", "Batch", "Task", "make_task"]

TARGETS = ("classes", "distributions", "vectors", "nothing")
"""Kinds of targets."""

_BITS_PER_WORD = 32


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Batch:
    """Some rows of a task, as an objective sees them.

    Attributes:
      x: Inputs, shape ``[num_rows, ...]``.
      targets: p(y|x), shape ``[num_rows, num_classes]`` (one-hot for classes), or real
        vectors, shape ``[num_rows, dim]``; None for a task without targets.
      weights: Weight of every row, shape ``[num_rows]``; 0 for rows that only fill up a
        short batch.
    """

    x: jax.Array
    targets: jax.Array | None
    weights: jax.Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Task:
    """Inputs with uniform weights, and their targets.

    Attributes:
      x: Inputs, shape ``[num_samples, ...]``, float32.
      labels: Class of every input, shape ``[num_samples]``, int32; None without
        classes.
      p_y_given_x: Distribution of the label, shape ``[num_samples, num_classes]``;
        rows are one-hot where labels are certain. None without classes.
      packed_x: When every input is 0 or 1 and there are at most 32 of them, the rows
        of ``x`` as words, shape ``[num_samples]``, uint32: a row is then fetched with
        one read. None otherwise.
      vectors: Real targets, shape ``[num_samples, dim]``, float32; None otherwise.
      train_rows: Rows to train on, shape ``[num_train]``, int32; None to take a
        fraction.
      test_rows: Rows to test on, likewise; all others where only those to train on are
        given.
      measured_rows: Rows that layers are measured on, likewise.
      hard: Whether ``p_y_given_x`` is the one-hot form of ``labels``.
      name: Short name of the task.
      num_measured: How many of the inputs, the last ones, layers are measured on; all
        of them by default.
      class_names: Names of the classes where they are not 0, 1, 2 and so on.
    """

    x: jax.Array
    labels: jax.Array | None = None
    p_y_given_x: jax.Array | None = None
    packed_x: jax.Array | None = None
    vectors: jax.Array | None = None
    train_rows: jax.Array | None = None
    test_rows: jax.Array | None = None
    measured_rows: jax.Array | None = None
    hard: bool = jax.tree.static(default=True)
    name: str = jax.tree.static(default="task")
    num_measured: int | None = jax.tree.static(default=None)
    class_names: tuple[str, ...] | None = jax.tree.static(default=None)

    @property
    def kind(self) -> str:
        """One of :data:`TARGETS`."""
        if self.p_y_given_x is not None:
            return "classes" if self.hard else "distributions"
        return "nothing" if self.vectors is None else "vectors"

    @property
    def measured(self) -> "Task":
        """The inputs that layers are measured on, as a task."""
        if self.num_measured is None and self.measured_rows is None:
            return self
        rows = self.measured_rows
        if rows is None:
            rows = slice(self.num_samples - self.num_measured, None)

        def chosen(array):
            return None if array is None else array[rows]

        return Task(
            x=self.x[rows],
            labels=chosen(self.labels),
            p_y_given_x=chosen(self.p_y_given_x),
            packed_x=chosen(self.packed_x),
            vectors=chosen(self.vectors),
            hard=self.hard,
            name=self.name,
            class_names=self.class_names,
        )

    @property
    def num_samples(self) -> int:
        """Number of inputs."""
        return self.x.shape[0]

    @property
    def num_inputs(self) -> int:
        """Number of features of an input."""
        return int(np.prod(self.x.shape[1:]))

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        if self.p_y_given_x is None:
            raise ValueError(f"task must have classes, got targets {self.kind}")
        return self.p_y_given_x.shape[1]

    @property
    def h_y(self) -> jax.Array:
        """Entropy H(Y) of the label, in nats; NaN without classes."""
        if self.p_y_given_x is None:
            return jnp.float32(jnp.nan)
        return _label_entropy(self.p_y_given_x)

    @property
    def i_xy(self) -> jax.Array:
        """I(X;Y) in nats, counting every row as a distinct input; NaN without classes.

        It is a ceiling for I(T;Y).
        """
        if self.p_y_given_x is None:
            return jnp.float32(jnp.nan)
        return _information(self.p_y_given_x)

    def relabelled(self, labels: jax.Array) -> "Task":
        """The task with other labels, all certain."""
        one_hot = jax.nn.one_hot(labels, self.num_classes, dtype=self.x.dtype)
        return replace(self, labels=labels, p_y_given_x=one_hot)

    def batch(self, rows: jax.Array, weights: jax.Array | None = None) -> Batch:
        """Some rows, each of weight one by default."""
        if weights is None:
            weights = jnp.ones(rows.shape, self.x.dtype)
        return Batch(self._inputs(rows), self._targets(rows), weights)

    def _inputs(self, rows: jax.Array) -> jax.Array:
        if self.packed_x is None:
            return self.x[rows]
        # Unit by unit, as the networks that such tasks are learned by keep activities.
        shifts = jnp.arange(self.num_inputs, dtype=jnp.uint32)[:, None]
        return ((self.packed_x[rows][None] >> shifts) & 1).astype(self.x.dtype).T

    def _targets(self, rows: jax.Array) -> jax.Array | None:
        if self.p_y_given_x is None:
            return None if self.vectors is None else self.vectors[rows]
        if not self.hard:
            return self.p_y_given_x[rows]
        classes = jnp.arange(self.num_classes)[:, None]
        return (self.labels[rows][None] == classes).astype(self.p_y_given_x.dtype).T


# A program each: of primitives one by one each would be compiled by itself.
@exact_jit
def _label_entropy(p_y_given_x):
    return measures.entropy(jnp.mean(p_y_given_x, axis=0))


@exact_jit
def _information(p_y_given_x):
    return measures.mutual_information(p_y_given_x / len(p_y_given_x))


def make_task(
    x: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    targets: ArrayLike | None = None,
    num_classes: int | None = None,
    p_y_given_x: ArrayLike | None = None,
    name: str = "task",
    num_measured: int | None = None,
    train_rows: ArrayLike | None = None,
    test_rows: ArrayLike | None = None,
    measured_rows: ArrayLike | None = None,
) -> Task:
    """Build a task from arrays, and refuse ones that do not fit together.

    Args:
      x: Inputs, shape ``[num_samples, ...]``; converted to float32.
      labels: Class of every input, shape ``[num_samples]`` or ``[num_samples, 1]``:
        integers, booleans, texts or whatever can be sorted; or one-hot rows,
        ``[num_samples, num_classes]``. The classes are the distinct labels in order,
        and their names are kept where they are not 0, 1, 2 and so on.
      targets: Real targets in place of labels, shape ``[num_samples]`` or
        ``[num_samples, dim]``. With neither, there is nothing to predict.
      num_classes: Number of classes; labels must then be integers below it, some of
        which may be missing.
      p_y_given_x: Distribution of the label, shape ``[num_samples, num_classes]``;
        one-hot rows from ``labels`` by default. ``labels`` are its most probable
        classes by default.
      name: Short name of the task.
      num_measured: How many of the inputs, the last ones, layers are measured on; all
        of them by default. A large training set is not measured along.
      train_rows: Rows to train on, distinct integers, in place of a fraction of all.
      test_rows: Rows to test on; by default all but those to train on.
      measured_rows: Rows that layers are measured on, in place of ``num_measured``.

    Returns:
      The task.

    Raises:
      ValueError: If a shape is wrong, an input not finite, a label out of range, a row
        number out of range or twice, a row of ``p_y_given_x`` no distribution, there
        are fewer inputs than ``num_measured``, or two arguments exclude each other.
      TypeError: If ``labels`` are fractions, or row numbers no integers.

    Example:
      >>> task = make_task([[0.0], [1.0], [2.0]], ["cat", "dog", "cat"])
      >>> print(task.labels, task.class_names, f"{task.h_y:.4f}")
      [0 1 0] ('cat', 'dog') 0.6365
      >>> make_task([[0.0], [1.0]], targets=[0.5, -0.5]).kind
      'vectors'
    """
    given = _numbers("x", x)
    x = np.asarray(given, np.float32)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"x must have shape [num_samples, ...], got {x.shape}")
    if not np.all(np.isfinite(x)):
        raise ValueError(f"x must be finite, got {np.sum(~np.isfinite(x))} bad values")
    if loss := digits_to_lose("x", given):
        warn(loss)
    if targets is not None and (labels is not None or p_y_given_x is not None):
        raise ValueError("targets must be given alone, got labels or p_y_given_x too")
    if num_measured is not None and measured_rows is not None:
        raise ValueError("num_measured and measured_rows exclude each other, got both")
    if num_measured is not None:
        checks.whole("num_measured", num_measured)
    if num_measured is not None and not 1 <= num_measured <= len(x):
        raise ValueError(
            f"num_measured must lie in [1, {len(x)}], the number of inputs, got "
            f"{num_measured}"
        )
    fields: dict[str, Any] = {}
    if targets is not None:
        fields["vectors"] = _check_targets(targets, len(x))
    elif labels is not None or p_y_given_x is not None:
        fields = _classes(labels, num_classes, p_y_given_x, len(x))
    rows = {
        name: _check_rows(name, given, len(x))
        for name, given in (
            ("train_rows", train_rows),
            ("test_rows", test_rows),
            ("measured_rows", measured_rows),
        )
    }
    if rows["test_rows"] is not None:
        if rows["train_rows"] is None:
            raise ValueError("test_rows need train_rows beside them, got none")
        both = np.intersect1d(rows["train_rows"], rows["test_rows"])
        if len(both):
            raise ValueError(
                f"test_rows must not be trained on, got {len(both)} of train_rows"
            )
    return Task(
        x=jnp.asarray(x),
        packed_x=_pack(x),
        name=name,
        num_measured=num_measured,
        **fields,
        **{k: None if v is None else jnp.asarray(v) for k, v in rows.items()},
    )


def _classes(labels, num_classes, p_y_given_x, num_samples: int) -> dict[str, Any]:
    """Fields of a task with classes."""
    names = None
    if num_classes is not None:
        checks.count("num_classes", num_classes)
    if p_y_given_x is not None:
        p_y_given_x = _numbers("p_y_given_x", p_y_given_x)
        checks.shape("p_y_given_x", p_y_given_x, ("num_samples", "num_classes"))
    if p_y_given_x is not None and num_classes is None:
        num_classes = np.shape(p_y_given_x)[-1]
    if labels is not None:
        labels, num_classes, names = _check_labels(labels, num_classes, num_samples)
    if p_y_given_x is None:
        p_y_given_x = np.eye(num_classes, dtype=np.float32)[labels]
    p_y_given_x = np.asarray(p_y_given_x, np.float32)
    if p_y_given_x.shape != (num_samples, num_classes):
        raise ValueError(
            f"p_y_given_x must have shape {(num_samples, num_classes)}, got "
            f"{p_y_given_x.shape}"
        )
    check_distributions("p_y_given_x", p_y_given_x)
    if labels is None:
        labels = np.argmax(p_y_given_x, axis=1)
    one_hot = np.eye(num_classes, dtype=np.float32)[labels]
    return {
        "labels": jnp.asarray(labels, jnp.int32),
        "p_y_given_x": jnp.asarray(p_y_given_x),
        "hard": bool(np.array_equal(p_y_given_x, one_hot)),
        "class_names": names,
    }


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    """Real numbers, or booleans, as an array of NumPy."""
    found = checks.numeric(name, values, np.asarray)
    if jnp.issubdtype(found.dtype, jnp.complexfloating):
        raise TypeError(f"{name} must hold real numbers, got {found.dtype}")
    return np.asarray(found)


def _check_labels(
    labels: ArrayLike, num_classes: int | None, num_samples: int
) -> tuple[np.ndarray, int, tuple[str, ...] | None]:
    """Class numbers, how many classes there are, and their names."""
    labels = checks.host_array("labels", labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "biuf":
        ones = (labels == 0) | (labels == 1)
        if not (ones.all() and (labels.sum(axis=1) == 1).all()):
            raise ValueError(
                "labels of two axes must be one-hot rows; distributions are given as "
                "p_y_given_x and real vectors as targets"
            )
        num_classes = num_classes or labels.shape[1]
        labels = np.argmax(labels, axis=1)
    if labels.shape != (num_samples,):
        raise ValueError(f"labels must have shape {(num_samples,)}, got {labels.shape}")
    if labels.dtype.kind == "f":
        checks.finite("labels", labels)
        if not np.all(labels == np.rint(labels)):
            raise TypeError(
                "labels must be classes, got fractions; real targets are given as "
                "targets"
            )
        labels = labels.astype(np.int64)
    if num_classes is None:
        try:
            classes, numbers = np.unique(labels, return_inverse=True)
        except TypeError as error:
            raise TypeError(f"labels must be of one type, got {error}") from error
        plain = classes.dtype.kind in "iu" and np.array_equal(
            classes, np.arange(len(classes))
        )
        names = None if plain else tuple(str(name) for name in classes.tolist())
        return numbers.reshape(-1), len(classes), names
    if labels.dtype.kind not in "biu":
        raise TypeError(
            f"labels must be integers where num_classes is given, got {labels.dtype}"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"labels must lie in [0, {num_classes}), got values from {labels.min()} to "
            f"{labels.max()}"
        )
    return labels.astype(np.int64), num_classes, None


def _check_targets(targets: ArrayLike, num_samples: int) -> jax.Array:
    targets = np.asarray(targets)
    if targets.dtype.kind not in "biuf":
        raise TypeError(f"targets must be real numbers, got {targets.dtype}")
    targets = targets.astype(np.float32)
    if targets.ndim == 1:
        targets = targets[:, None]
    if targets.ndim != 2 or targets.shape[0] != num_samples or targets.shape[1] < 1:
        raise ValueError(
            f"targets must have shape [{num_samples}] or [{num_samples}, dim], got "
            f"{targets.shape}"
        )
    if not np.all(np.isfinite(targets)):
        raise ValueError(
            f"targets must be finite, got {np.sum(~np.isfinite(targets))} bad values"
        )
    return jnp.asarray(targets)


def _check_rows(
    name: str, rows: ArrayLike | Sequence[int] | None, num_samples: int
) -> np.ndarray | None:
    if rows is None:
        return None
    rows = np.asarray(checks.numeric(name, rows, np.asarray))
    if rows.ndim != 1 or len(rows) == 0:
        raise ValueError(f"{name} must have shape [num_rows], got {rows.shape}")
    if rows.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {rows.dtype}")
    if rows.min() < 0 or rows.max() >= num_samples:
        raise ValueError(
            f"{name} must lie in [0, {num_samples}), got values from {rows.min()} to "
            f"{rows.max()}"
        )
    if len(np.unique(rows)) < len(rows):
        raise ValueError(f"{name} must name each row once, got some twice")
    return rows.astype(np.int32)


def _pack(x: np.ndarray) -> jax.Array | None:
    if x.ndim > 2 or x.shape[1] > _BITS_PER_WORD or not np.all((x == 0) | (x == 1)):
        return None
    place = np.left_shift(np.uint32(1), np.arange(x.shape[1], dtype=np.uint32))
    return jnp.asarray(x.astype(np.uint32) @ place)
