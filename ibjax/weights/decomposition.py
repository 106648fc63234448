r"""What the cross-entropy of a training set is made of, exactly, for finite tables.

A training set has labels y for inputs x, by a law with parameters :math:`\theta`, and
training draws weights w from it. The cross-entropy of the training labels is

.. math:: H(y | x, w) = H(y | x, \theta) + I(\theta; y | x, w)
   + E\, \mathrm{KL}(p(y | x, w) \| q(y | x, w)) - I(y; w | x, \theta) ,

all summed over the training set: what no weights can know; what weights do not say of
the law; what the network does not make of its weights; and, with a minus, labels
learned by heart. A network can lower its loss by the last term, which is at most the
information in the weights, without learning anything of the law.

References:
  Achille and Soatto, `Emergence of invariance and disentanglement in deep
  representations`, JMLR 19, 2018, eq. 8.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr, xlogy

from ibjax.numerics import checks

__all__ = ["CrossEntropyTerms", "cross_entropy_terms"]


class CrossEntropyTerms(NamedTuple):
    """A cross-entropy and its terms, nats over the whole training set.

    Attributes:
      cross_entropy: The first three less the last.
      intrinsic: H(y | x, theta), noise of the labels.
      sufficiency: I(theta; y | x, w), what weights lack of the law.
      efficiency: Mean divergence of the network's labels from those that its weights
        allow.
      overfitting: I(y; w | x, theta), labels learned by heart.
      information: I(x, y; w | theta), all that weights hold of the training set beyond
        the law; at least the overfitting.
    """

    cross_entropy: float
    intrinsic: float
    sufficiency: float
    efficiency: float
    overfitting: float
    information: float


def cross_entropy_terms(
    p_theta: ArrayLike,
    p_x: ArrayLike,
    p_y: ArrayLike,
    p_w: ArrayLike,
    q_y: ArrayLike,
) -> CrossEntropyTerms:
    """The decomposition for finite sets of laws, training sets and weights.

    Args:
      p_theta: Probabilities of laws, shape ``[num_laws]``.
      p_x: Probabilities of the inputs of a training set, all of them together, whatever
        the law, ``[num_x]``.
      p_y: Law of its labels, all of them together, ``[num_laws, num_x, num_y]``.
      p_w: Training: probabilities of weights, ``[num_x, num_y, num_weights]``.
      q_y: The network: probabilities of all labels together for weights and inputs,
        ``[num_weights, num_x, num_y]``.

    Returns:
      The terms, float64; those with the network are infinite where it rules out labels
      that occur.

    Raises:
      ValueError: If shapes do not fit, or a table holds no distributions.

    Example:
      >>> coin, sure = [[[0.5, 0.5]]], [[[0.99, 0.01], [0.01, 0.99]]]
      >>> memory = np.moveaxis(np.array(sure), 1, 0)  # Weights are labels, seen badly.
      >>> found = cross_entropy_terms([1.0], [1.0], coin, sure, memory)
      >>> print(f"{found.intrinsic:.3f} - {found.overfitting:.3f} nats")
      0.693 - 0.637 nats
      >>> print(f"{found.cross_entropy:.3f} nats")
      0.056 nats
    """
    laws = _table("p_theta", p_theta, ("num_laws",))
    x = _table("p_x", p_x, ("num_x",))
    y = _table("p_y", p_y, (len(laws), len(x), "num_y"))
    w = _table("p_w", p_w, (len(x), y.shape[2], "num_weights"))
    q = _table("q_y", q_y, (w.shape[2], len(x), y.shape[2]))
    # Axes in this order: law, inputs, labels, weights.
    joint = laws[:, None, None, None] * x[None, :, None, None] * y[..., None] * w[None]
    with_law = joint.sum((2, 3)), joint.sum(3), joint.sum(2)
    without = joint.sum(0)
    intrinsic = _entropy(with_law[1]) - _entropy(with_law[0])
    # H(y | x, w), and with the law besides.
    known = _entropy(without) - _entropy(without.sum(1))
    given = _entropy(joint) - _entropy(with_law[2])
    # Both of labels and weights together: weights alone cancel.
    allowed = without.sum(1)[:, None] * np.moveaxis(q, 0, 2)
    efficiency = float(np.sum(rel_entr(without, allowed)))
    weights = joint.sum((1, 2))
    information = (
        _entropy(joint.sum(3)) + _entropy(weights) - _entropy(joint) - _entropy(laws)
    )
    return CrossEntropyTerms(
        cross_entropy=known + efficiency,
        intrinsic=intrinsic,
        sufficiency=known - given,
        efficiency=efficiency,
        overfitting=intrinsic - given,
        information=information,
    )


def _entropy(table: np.ndarray) -> float:
    return -float(np.sum(xlogy(table, table)))


def _table(name: str, value: ArrayLike, shape: tuple) -> np.ndarray:
    table = np.asarray(checks.real(name, value, np.asarray), np.float64)
    checks.shape(name, table, shape)
    checks.within(name, table, "[0, 1]")
    if not np.allclose(table.sum(-1), 1, rtol=0, atol=1e-6):
        raise ValueError(f"{name} must sum to one along its last axis, got others")
    return table
