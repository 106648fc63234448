r"""Information distance between tasks, and what must be true of it.

.. math:: d(D_1 \to D_2) = I(D_1 \sqcup D_2; w) - I(D_1; w)

is what a network that holds the first task has to learn besides to hold both. The union
is a disjoint one: which task an input is of is an input too. The distance is not
symmetric, but its asymmetry has no more to say than the tasks' own information:

.. math:: d(D_1 \to D_2) - d(D_2 \to D_1) = I(D_2; w) - I(D_1; w) .

A task is not at distance zero from a copy of itself where the copy is another task to
the network: report :math:`d(D \to D)`, the diagonal, as the floor.

References:
  Achille, Mbeng, Paolini and Soatto, `The information complexity of learning tasks,
  their structure and their distance`, Information and Inference 10, 2021.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ibjax.numerics import checks

__all__ = ["TaskComplexity", "joint_information", "task_complexity", "task_distances"]


class TaskComplexity(NamedTuple):
    """Information of tasks, as the asymmetry of their distances tells it.

    Attributes:
      information: Information of every task less the mean over tasks, nats, shape
        ``[num_tasks]``.
      residual: Root mean square of what such numbers leave of the asymmetry, nats: for
        an information distance, zero but for rounding.
    """

    information: np.ndarray
    residual: float


def task_distances(information: ArrayLike, joint: ArrayLike) -> np.ndarray:
    """Information distances between tasks.

    Args:
      information: Information in the weights of a network that learned one task, nats,
        shape ``[num_tasks]``.
      joint: Information of one that learned two, nats, symmetric, shape ``[num_tasks,
        num_tasks]``. On the diagonal are a task and a copy of it; NaN where they were
        not trained.

    Returns:
      Distances in nats from the task of the row to that of the column, float64, shape
      ``[num_tasks, num_tasks]``. Below zero they say that the training did not find the
      least information.

    Raises:
      ValueError: If shapes do not fit or ``joint`` is not symmetric.

    Example:
      >>> print(task_distances([2.0, 5.0], [[3.0, 6.0], [6.0, 6.0]]))
      [[1. 4.]
       [1. 1.]]
    """
    information, joint = _informations(information, joint)
    return joint - information[:, None]


def joint_information(information: ArrayLike, distances: ArrayLike) -> np.ndarray:
    r"""Information of pairs of tasks, from their distances.

    :math:`I(D_1 \sqcup D_2; w) = I(D_1; w) + d(D_1 \to D_2)`. Both directions give the
    same, so that their mean is returned; :math:`2 I_{12} - I_1 - I_2` is the sum of the
    two distances.

    Args:
      information: Information of every task, nats, shape ``[num_tasks]``.
      distances: Distances, nats, shape ``[num_tasks, num_tasks]``.

    Returns:
      The information, float64, symmetric, shape ``[num_tasks, num_tasks]``.

    Raises:
      ValueError: If shapes do not fit.

    Example:
      >>> print(joint_information([2.0, 5.0], [[1.0, 4.0], [1.0, 1.0]]))
      [[3. 6.]
       [6. 6.]]
    """
    information, distances = _square(information, distances, "distances")
    found = distances + information[:, None]
    return (found + found.T) / 2


def task_complexity(distances: ArrayLike) -> TaskComplexity:
    """Information of tasks up to a constant, from the asymmetry of their distances.

    The numbers whose differences are nearest to those of the two directions, by least
    squares.

    Args:
      distances: Distances from rows to columns, nats, shape ``[num_tasks, num_tasks]``.

    Returns:
      The information, and what it leaves of the asymmetry.

    Raises:
      ValueError: If the matrix is not square or not finite off its diagonal.

    Example:
      >>> found = task_complexity([[1.0, 4.0], [1.0, 1.0]])
      >>> print(found.information, found.residual)
      [-1.5  1.5] 0.0
    """
    distances = np.asarray(checks.real("distances", distances, np.asarray), np.float64)
    size = len(checks.shape("distances", distances, ("num_tasks", "num_tasks")))
    if distances.shape[1] != size:
        raise ValueError(f"distances must be square, got shape {distances.shape}")
    others = ~np.eye(size, dtype=bool)
    checks.finite("distances", distances[others])
    # Of d(1 -> 2) - d(2 -> 1) = I_2 - I_1 the mean over the first task.
    gaps = np.where(others, distances - distances.T, 0.0)
    information = gaps.mean(axis=0)
    left = gaps - (information[None] - information[:, None])
    residual = np.sqrt(np.mean(left[others] ** 2)) if size > 1 else 0.0
    return TaskComplexity(information, float(residual))


def _informations(information, joint) -> tuple[np.ndarray, np.ndarray]:
    information, joint = _square(information, joint, "joint")
    # Relative to the largest: informations of float32 are symmetric to its rounding.
    scale = np.nanmax(np.abs(joint), initial=0.0)
    apart = np.abs(joint - joint.T)
    if np.nanmax(apart, initial=0.0) > 1e-5 * scale:
        raise ValueError(
            "joint must be symmetric: the union of two tasks has no order, got a "
            f"difference of {np.nanmax(apart):.3g}"
        )
    return information, joint


def _square(information, matrix, name) -> tuple[np.ndarray, np.ndarray]:
    information = checks.real("information", information, np.asarray)
    information = np.asarray(information, np.float64)
    matrix = np.asarray(checks.real(name, matrix, np.asarray), np.float64)
    checks.shape("information", information, ("num_tasks",))
    size = len(information)
    checks.shape(name, matrix, (size, size), why="to match information")
    return information, matrix
