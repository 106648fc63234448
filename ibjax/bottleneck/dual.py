"""The dual of the bottleneck at beta, h over all decoders, and the way up to its peaks.

The theory is in :mod:`ibjax.bottleneck.certificate`. All of it is NumPy in float64.
"""

from typing import NamedTuple

import numpy as np

__all__ = [
    "NOTHING",
    "RESOLUTION",
    "SMALL",
    "Dual",
    "Place",
    "ascend",
    "climb",
    "distinct",
    "log",
    "logsumexp",
]

NOTHING = -1e30
"""Stands for the logarithm of zero: finite, so that zero times it is zero."""

RESOLUTION = 1e-10
"""Nats, times 1 + beta, to which a peak is resolved.

Well below what clusters that have converged to 1e-9 leave.
"""

SMALL = 1e-6
"""Probability below which a label is taken for absent at a peak."""

_CLIMBS, _NEWTON_STEPS = 40, 12


class Dual(NamedTuple):
    """Terms of h: logarithm ``offset + beta sum p(y|x) log r(y)`` for every x.

    Attributes:
      beta: Shape ``[num_betas]``.
      offset: Shape ``[num_betas, num_x]``.
      rows: p(y|x), shape ``[num_x, num_y]``.
    """

    beta: np.ndarray
    offset: np.ndarray
    rows: np.ndarray

    def logs(self, owner, log_decoder):
        """Logarithms of the terms at decoders, of the betas numbered ``owner``."""
        cross = log_decoder @ self.rows.T
        return self.offset[owner] + self.beta[owner][:, None] * cross

    def heights(self, owner, decoders):
        """Values of h at decoders ``[n, num_y]``, of the betas numbered ``owner``."""
        return logsumexp(self.logs(owner, log(decoders)))


def climb(dual: Dual, owner: np.ndarray, decoders: np.ndarray) -> np.ndarray:
    """Peaks of h above decoders ``[n, num_y]``, of the betas numbered ``owner``.

    Newton's steps on L converge where the ascent that begins only creeps.
    """
    decoders = ascend(dual, owner, decoders)
    # What is left of a label may be on its way to zero, and get there too slowly.
    without = np.where(decoders < SMALL, 0, decoders)
    without /= without.sum(axis=1, keepdims=True)
    higher = dual.heights(owner, without) >= dual.heights(owner, decoders)
    decoders = np.where(higher[:, None], without, decoders)
    here = Place(dual, owner, decoders)
    trust = np.ones(len(decoders))
    for _ in range(_NEWTON_STEPS):
        if np.abs(here.gradient).max() < 1e-14 * dual.beta.max():
            break
        # Away from a peak L need not be concave: the size of a curvature counts.
        curvature, axes = np.linalg.eigh(here.hessian())
        curvature = np.maximum(np.abs(curvature), 1e-12)
        along = (axes.swapaxes(1, 2) @ here.gradient[..., None]) / curvature[..., None]
        step = (axes @ along)[..., 0]
        step = np.clip(step, -trust[:, None], trust[:, None])
        ahead = Place(dual, owner, here.normalised(here.u + step))
        better = ahead.value >= here.value
        trust = np.where(better, np.minimum(2 * trust, 1), trust / 8)
        # Of all ahead, mostly, what is known there already.
        here = (
            ahead
            if better.all()
            else Place(
                dual, owner, np.where(better[:, None], ahead.decoders, here.decoders)
            )
        )
    return here.decoders


def ascend(dual: Dual, owner: np.ndarray, decoders: np.ndarray) -> np.ndarray:
    """Decoders after an ascent of h: the mean of the inputs that each attracts.

    Such a step never lowers h, as in the iteration itself.
    """
    for _ in range(_CLIMBS):
        logs = dual.logs(owner, log(decoders))
        before, decoders = (
            decoders,
            np.exp(logs - logsumexp(logs)[:, None]) @ dual.rows,
        )
        if np.abs(decoders - before).max() < RESOLUTION:
            break
    return decoders


class Place:
    """L and its slopes at decoders, without the labels of next to no probability.

    Labels of probability below ``SMALL``, and the inputs that have them, are left out:
    their part of the sum vanishes with a power of the probability, and is no longer
    smooth where a decoder is on the border.

    Attributes:
      small: Labels that are left out, shape ``[n, num_y]``.
      outside: Inputs that have such labels, shape ``[n, num_x]``.
      part: Probability of such labels, shape ``[n, num_x]``.
      u: Logarithms of the decoders, zero for such labels.
      height: Logarithm of the sum over the other inputs, shape ``[n]``.
      value: L, shape ``[n]``.
      log_shares: Logarithms of the inputs' parts of the sum, shape ``[n, num_x]``.
      shares: The parts, shape ``[n, num_x]``.
      gradient: Of L, shape ``[n, num_y]``.
    """

    def __init__(self, dual, owner, decoders):
        self.dual, self.beta, self.decoders = dual, dual.beta[owner], decoders
        self.small = decoders < SMALL
        self.part = self.small @ dual.rows.T
        self.outside = self.part > 0
        self.u = np.where(self.small, 0, log(decoders))
        self.r = np.where(self.small, 0, decoders)
        self.logs = dual.logs(owner, self.u)
        logs = np.where(self.outside, NOTHING, self.logs)
        self.height = logsumexp(logs)
        self.log_shares = logs - self.height[:, None]
        self.shares = np.exp(self.log_shares)
        self.mean = self.shares @ dual.rows
        self.value = self.height - self.beta * (self.r.sum(axis=1) - 1)
        change = self.mean - self.r
        self.gradient = self.beta[:, None] * np.where(self.small, 0, change)

    def hessian(self):
        """Second derivatives of L by u, minus the identity for the labels left out."""
        rows = self.dual.rows
        identity = np.eye(rows.shape[1])
        second = (self.shares[:, None, :] * rows.T) @ rows
        second -= self.mean[:, :, None] * self.mean[:, None, :]
        hessian = self.beta[:, None, None] ** 2 * second
        hessian -= self.beta[:, None, None] * self.r[:, :, None] * identity
        either = self.small[:, :, None] | self.small[:, None, :]
        return np.where(either, -identity, hessian)

    def normalised(self, u):
        """Decoders of logarithms u; labels that were left out keep theirs."""
        decoders = np.where(self.small, self.decoders, np.exp(u))
        return decoders / decoders.sum(axis=1, keepdims=True)


def distinct(decoders: np.ndarray, digits: int = 6) -> np.ndarray:
    """Decoders without those that repeat another to some digits."""
    _, first = np.unique(np.round(decoders, digits), axis=0, return_index=True)
    return decoders[first]


def log(p: np.ndarray) -> np.ndarray:
    """Logarithm of probabilities, a finite number that stands for it at zero."""
    return np.where(p > 0, np.log(np.where(p > 0, p, 1)), NOTHING)


def logsumexp(values: np.ndarray) -> np.ndarray:
    """Logarithm of the sum of exponentials over the last axis."""
    highest = values.max(axis=-1, keepdims=True)
    return highest[..., 0] + np.log(np.exp(values - highest).sum(axis=-1))
