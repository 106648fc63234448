r"""Structure function of a data set: the least loss for every amount of information.

.. math:: S(t) = \min_{\mathrm{KL}(Q \| P) \le t} E_Q L(w)

with a loss L that is summed over the training samples, both in nats. It falls, and with
slope :math:`-1` a nat in the weights saves a nat of labels: where it grows flatter than
that, more information is learning by heart. Networks trained on :math:`E_Q L + \beta\,
\mathrm{KL}` lie where the slope is :math:`-\beta`, so that a sweep of beta traces the
lower convex hull of the function, and nothing but the hull: over a bulge the
information jumps.

References:
  Vereshchagin and Vitanyi, `Kolmogorov's structure functions and model selection`, IEEE
  Transactions on Information Theory 50, 2004. Achille, Mbeng, Paolini and Soatto, `The
  information complexity of learning tasks, their structure and their distance`,
  Information and Inference 10, 2021.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax, xlogy

from ibjax.numerics import checks

__all__ = [
    "StructureFunction",
    "StructurePoint",
    "structure_function",
    "structure_of_table",
    "sufficient_point",
]

_HALVINGS = 200
_LARGEST_LOG = 50.0


class StructureFunction(NamedTuple):
    """Lower convex hull of networks in the plane of information and loss.

    Attributes:
      information: Information of the networks on the hull, increasing, nats, shape
        ``[num_points]``.
      loss: Their losses, decreasing, nats, likewise.
      betas: Price of a nat at which one of them gives way to the next, minus the slope
        between the two, decreasing, shape ``[num_points - 1]``.
      rows: Which of the given networks they are, shape ``[num_points]``.
    """

    information: np.ndarray
    loss: np.ndarray
    betas: np.ndarray
    rows: np.ndarray

    def at(self, information: ArrayLike) -> np.ndarray:
        """Least loss with so much information; infinite with less than any has.

        Args:
          information: Nats, of any shape.

        Returns:
          The loss, float64, in the same shape.

        Example:
          >>> structure_function([0.0, 2.0], [4.0, 0.0]).at([-1.0, 0.5, 3.0])
          array([inf,  3.,  0.])
        """
        information = checks.real("information", information, np.asarray)
        return np.interp(information, self.information, self.loss, left=np.inf)


class StructurePoint(NamedTuple):
    """A network on the hull.

    Attributes:
      information: Its information, nats.
      loss: Its loss, nats.
      row: Which of the given networks it is.
    """

    information: float
    loss: float
    row: int


def structure_function(information: ArrayLike, loss: ArrayLike) -> StructureFunction:
    """Structure function from the networks of a sweep of beta, as far as they tell.

    A mixture of two posteriors has the mean of their losses for at most the mean of
    their information, so that all of the hull is within reach. Give the network that
    knows nothing too: no information, and the loss of guessing.

    Args:
      information: Information in the weights of every network, nats, shape
        ``[num_networks]``. Networks with a number that is not finite are left out.
      loss: Loss of every network summed over the training samples, nats, likewise.

    Returns:
      The lower convex hull, from the least information to the least loss.

    Raises:
      ValueError: If shapes do not fit, or no network is finite.

    Example:
      >>> found = structure_function([0.0, 1.0, 2.0, 9.0], [10.0, 9.0, 2.0, 1.0])
      >>> found.rows, found.betas  # One above the hull is left out.
      (array([0, 2, 3]), array([4.        , 0.14285714]))
    """
    x = np.asarray(checks.real("information", information, np.asarray), np.float64)
    y = np.asarray(checks.real("loss", loss, np.asarray), np.float64)
    checks.shape("information", x, ("num_networks",))
    checks.shape("loss", y, x.shape, why="to match information")
    finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if not len(finite):
        raise ValueError(
            f"information and loss must be finite of one network, got {len(x)} others"
        )
    hull: list[int] = []
    # By information; of equal ones the least loss first.
    for row in finite[np.lexsort((y[finite], x[finite]))]:
        if hull and y[row] >= y[hull[-1]]:
            continue
        while len(hull) > 1 and _is_above(hull[-2], hull[-1], row, x, y):
            hull.pop()
        hull.append(int(row))
    rows = np.array(hull)
    betas = -np.diff(y[rows]) / np.diff(x[rows])
    return StructureFunction(x[rows], y[rows], betas, rows)


def _is_above(first: int, middle: int, last: int, x: np.ndarray, y: np.ndarray) -> bool:
    """True if the middle point is on or above the line between the two others."""
    along = (y[middle] - y[first]) * (x[last] - x[first])
    return bool(along >= (y[last] - y[first]) * (x[middle] - x[first]))


def sufficient_point(
    structure: StructureFunction, *, beta: float = 1.0
) -> StructurePoint:
    """The least information that is worth its price, by default the nats it saves.

    It is the point of the hull where the slope passes through minus beta, the least of
    loss + beta information; of several the one with the least information. For a beta
    of one it is the minimal sufficient statistic of the data: what is left of the loss
    is noise, which costs as much to learn as it saves.

    Args:
      structure: The structure function.
      beta: Price of a nat, not negative. At 0 nats are free, and the point is that of
        the least loss.

    Returns:
      The point.

    Raises:
      ValueError: If ``beta`` is negative.

    Example:
      >>> found = structure_function([0.0, 2.0, 9.0], [10.0, 2.0, 1.0])
      >>> sufficient_point(found)
      StructurePoint(information=2.0, loss=2.0, row=1)
      >>> sufficient_point(found, beta=5.0).information
      0.0
    """
    checks.instance("structure", structure, StructureFunction)
    beta = checks.not_negative("beta", beta)
    # Prices fall along the hull: as far as a nat still saves more than it costs.
    place = int(np.sum(structure.betas > beta))
    return StructurePoint(
        float(structure.information[place]),
        float(structure.loss[place]),
        int(structure.rows[place]),
    )


def structure_of_table(
    loss: ArrayLike, prior: ArrayLike, information: ArrayLike
) -> np.ndarray:
    r"""Structure function of a finite set of models, exactly.

    The best posterior is the Gibbs distribution :math:`P e^{-L / \beta} / Z` of the
    beta at which its information is t. With :math:`t \ge -\log P(\text{best models})`
    the least loss of all is within reach.

    Args:
      loss: Loss of every model, nats, shape ``[num_models]``.
      prior: Their probabilities, none of them zero, likewise.
      information: Values of t in nats, not negative, of any shape.

    Returns:
      S(t), float64, in the shape of ``information``.

    Raises:
      ValueError: If shapes do not fit, the prior is no distribution, or a number is
        negative or not finite.

    Example:
      >>> t = [0.0, 0.3, np.log(2)]
      >>> print(structure_of_table([1.0, 0.0], [0.5, 0.5], t).round(4))
      [0.5    0.1336 0.    ]
    """
    loss = np.asarray(checks.real("loss", loss, np.asarray), np.float64)
    prior = np.asarray(checks.real("prior", prior, np.asarray), np.float64)
    t = np.asarray(checks.real("information", information, np.asarray), np.float64)
    checks.finite("loss", checks.shape("loss", loss, ("num_models",)))
    checks.within("prior", checks.shape("prior", prior, loss.shape), "(0, 1]")
    checks.within("information", t, "[0, inf)")
    if not np.isclose(prior.sum(), 1, rtol=0, atol=1e-6):
        raise ValueError(f"prior must sum to one, got {prior.sum():.6g}")
    log_prior = np.log(prior)
    scale = np.ptp(loss)
    if scale == 0:
        return np.full(t.shape, loss[0])

    def best(log_beta):
        beta = scale * np.exp(log_beta)[..., None]
        return softmax(log_prior - (loss - loss.min()) / beta, axis=-1)

    def spent(posterior):
        return np.sum(xlogy(posterior, posterior) - posterior * log_prior, axis=-1)

    low, high = np.full(t.shape, -_LARGEST_LOG), np.full(t.shape, _LARGEST_LOG)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        # A lower price spends more.
        too_much = spent(best(middle)) > t
        low, high = np.where(too_much, middle, low), np.where(too_much, high, middle)
    found = best(high) @ loss
    enough = t >= -np.log(prior[loss == loss.min()].sum())
    return np.where(enough, loss.min(), found)
