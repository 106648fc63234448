r"""Binary classification task of Shwartz-Ziv and Tishby (2017), from its rule.

The twelve bits of an input are the vertices of an icosahedron. An input's score,

.. math:: f(x) = k + \Big\| \sum_{i: x_i = 1} v_i \Big\|_2 ,

with k the number of ones and :math:`v_i` unit vertices, is invariant under the 120
symmetries of the icosahedron, and the label is whether it exceeds a threshold. The rule
reproduces all 4,096 labels of the authors' own file. The score depends on the numbers
of ones, of adjacent pairs and of antipodal pairs of ones, whose 64 combinations are the
paper's 64 classes of inputs.
"""

import math

import numpy as np

from ibjax.datasets.task import Task, make_task
from ibjax.numerics import checks

__all__ = ["NUM_BITS", "orbits", "scores", "szt"]

NUM_BITS = 12
_GOLDEN = (1 + math.sqrt(5)) / 2
# Vertex of every bit, the first bit the most significant; fixed up to symmetry.
_VERTICES = np.array(
    [
        (0, 1, _GOLDEN),
        (1, _GOLDEN, 0),
        (0, 1, -_GOLDEN),
        (-1, _GOLDEN, 0),
        (_GOLDEN, 0, -1),
        (0, -1, _GOLDEN),
        (1, -_GOLDEN, 0),
        (-1, -_GOLDEN, 0),
        (-_GOLDEN, 0, -1),
        (0, -1, -_GOLDEN),
        (-_GOLDEN, 0, 1),
        (_GOLDEN, 0, 1),
    ]
) / math.sqrt(1 + _GOLDEN**2)


def szt(sharpness: float | None = None, threshold: float = 7.63) -> Task:
    r"""Task of all 4,096 twelve-bit inputs with Shwartz-Ziv and Tishby's labels.

    ``labels`` follow the hard rule :math:`f(x) > \mathrm{threshold}`. With
    ``sharpness``, :math:`p(y=1|x) = \sigma(\mathrm{sharpness}\,(f(x) -
    \mathrm{threshold}))`, the distribution that networks are then trained on and
    that I(T;Y) refers to. ``szt(54.5, 7.632)`` has the paper's I(X;Y) of 0.99 bits; the
    hard rule has 0.99916 bits, which is also its H(Y).

    Args:
      sharpness: Slope of the sigmoid, positive; None for certain labels.
      threshold: Score above which the label is 1. Any value between 7.5628 and 7.7013
        gives the labels of the authors' file.

    Returns:
      The task; row n of ``x`` holds the binary digits of n, most significant first.

    Raises:
      ValueError: If ``sharpness`` is not positive or ``threshold`` not finite.

    References:
      Shwartz-Ziv and Tishby, `Opening the black box of deep neural networks via
      information`, 2017.

    Example:
      >>> task = szt()
      >>> print(task.x.shape, int(task.labels.sum()), f"{task.i_xy:.4f} nats")
      (4096, 12) 2118 0.6926 nats
    """
    if sharpness is not None:
        sharpness = checks.positive("sharpness", sharpness)
    checks.number("threshold", checks.finite("threshold", threshold))
    score = scores()
    p_y_given_x = None
    if sharpness is not None:
        # tanh does not overflow, however far from the threshold.
        p_one = 0.5 * (1 + np.tanh(0.5 * sharpness * (score - threshold)))
        p_y_given_x = np.stack([1 - p_one, p_one], axis=1)
    return make_task(
        _inputs(),
        (score > threshold).astype(np.int32),
        num_classes=2,
        p_y_given_x=p_y_given_x,
        name="szt",
    )


def scores() -> np.ndarray:
    """Score f(x) of every input, shape ``[4096]``, float64.

    Example:
      >>> print(f"{scores().max():.1f}")  # all ones: the vertices cancel
      12.0
    """
    x = _inputs()
    return x.sum(axis=1) + np.linalg.norm(x @ _VERTICES, axis=1)


def orbits() -> np.ndarray:
    """Class of every input among the 64, in [0, 64), shape ``[4096]``.

    Inputs of one class have equal numbers of ones, of adjacent and of antipodal pairs
    of ones; the label depends on the class alone.

    Example:
      >>> print(len(np.unique(orbits())))
      64
    """
    x = _inputs()
    # Cosines of two vertices are 1, -1 or plus and minus 1 / sqrt(5).
    cosine = _VERTICES @ _VERTICES.T
    adjacent = (cosine > 0.1) & (cosine < 0.9)
    antipodal = cosine < -0.9
    counts = np.stack(
        [x.sum(axis=1)]
        + [np.einsum("ni,ij,nj->n", x, pair, x) / 2 for pair in (adjacent, antipodal)],
        axis=1,
    )
    _, number = np.unique(counts, axis=0, return_inverse=True)
    return number.reshape(-1)


def _inputs() -> np.ndarray:
    digits = np.arange(NUM_BITS - 1, -1, -1)
    return ((np.arange(2**NUM_BITS)[:, None] >> digits) & 1).astype(np.float64)
