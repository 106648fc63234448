r"""Clusters of one point by Newton's method, where the iteration is too slow.

The free energy :math:`-\sum_x p(x) \log \sum_t q(t) e^{-\beta D(p(y|x) \| q(y|t))}` is
that of a mixture fitted by maximum likelihood, and convex in the distribution of the
decoders: the constrained Newton method of Wang (2007) finds its least. Each round adds
the peaks of the dual's h (see :mod:`ibjax.bottleneck.certificate`) to the decoders, and
finds their best weights. The fixed-point iteration changes a weight by a factor
:math:`e^h` at a step, and takes 1 / h steps for a cluster that hardly pays.
"""

import numpy as np

from ibjax.bottleneck.dual import Dual, climb, distinct, log, logsumexp

__all__ = ["refine"]

_ROUNDS = 40
# Height of a peak, in nats, times 1 + beta, below which it gains no more than that.
_LEAST_HEIGHT = 3e-10
_MOST_STARTS = 64
# Barriers of the weights, and Newton's steps for each: what is left of a superfluous
# cluster is the last barrier over its slope.
_BARRIERS = 10.0 ** -np.arange(2.0, 16.0)
_STEPS = 4
_LEAST_WEIGHT = 1e-11
# Decoders closer than this, in total variation, may be one peak that has moved.
_SAME_PEAK = 1e-2


def refine(
    p_xy: np.ndarray, beta: float, decoder: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of the least free energy, at most as many as inputs, as logarithms.

    The search begins from the decoders of ``decoder``, ``[num_t, num_y]``.
    """
    p_x = p_xy.sum(axis=1)
    rows = p_xy / p_x[:, None]
    negative_entropy = (rows * log(rows)).sum(axis=1)
    # Inside of the simplex, since an ascent from its border stays on it.
    starts = 0.99 * rows + 0.01 * (p_x @ rows)
    starts = starts[:: -(-len(starts) // _MOST_STARTS)]
    candidates = decoder
    for _ in range(_ROUNDS):
        terms = _log_terms(rows, negative_entropy, beta, candidates)
        weight = _best_weights(p_x, terms)
        weight, decoder = weight[weight > 0], candidates[weight > 0]
        weight, decoder = _merge(p_x, rows, negative_entropy, beta, weight, decoder)
        log_z = logsumexp(
            _log_terms(rows, negative_entropy, beta, decoder) + np.log(weight)
        )
        offset = np.log(p_x) - log_z - beta * negative_entropy
        dual = Dual(np.array([beta]), offset[None], rows)
        begin = np.concatenate([decoder, starts])
        owner = np.zeros(len(begin), int)
        peaks = climb(dual, owner, begin)
        heights = dual.heights(owner, peaks)
        if heights.max() < _LEAST_HEIGHT * (1 + beta):
            break
        # A peak below zero takes no weight, unless the others' weights change first.
        near = heights > -0.1
        candidates = distinct(np.concatenate([decoder, peaks[near]]), digits=12)
    log_weight, log_decoder = np.log(weight), log(decoder)
    while len(weight) > len(p_x):
        log_weight = _spare_one(p_xy, beta, log_weight, log_decoder)
        kept = log_weight > np.log(1e-300)
        log_weight, log_decoder = log_weight[kept], log_decoder[kept]
        weight = np.exp(log_weight)
    return log_weight, log_decoder


def _spare_one(
    p_xy: np.ndarray, beta: float, log_weight: np.ndarray, log_decoder: np.ndarray
) -> np.ndarray:
    """Weights that leave out one of more clusters than inputs, at no loss; logarithms.

    Their p(x|t) cannot all be independent. Along a combination of them that is zero
    the objective is linear in the weights, so one way it does not rise, and there
    some weight is the first to be none (Caratheodory).
    """
    p_x, p_y = p_xy.sum(axis=1), p_xy.sum(axis=0)
    rows = p_xy / p_x[:, None]
    terms = log_weight + beta * (rows @ log_decoder.T)
    joint = np.log(p_x)[:, None] + terms - logsumexp(terms)[:, None]
    # Normalised before the exponential, in which a light cluster would be none.
    log_q = joint.T - logsumexp(joint.T)[:, None]
    q = np.exp(log_q)
    q_y = q @ rows
    price = (q * (log_q - np.log(p_x))).sum(axis=1)
    price -= beta * (q_y * (log(q_y) - np.log(p_y))).sum(axis=1)
    direction = np.linalg.svd(q)[0][:, -1]
    direction *= -1 if direction @ price > 0 else 1
    weight = np.exp(log_weight)
    falls = direction < 0
    steps = np.where(falls, -weight / np.where(falls, direction, 1), np.inf)
    weight = np.maximum(weight + steps.min() * direction, 0)
    weight[steps.argmin()] = 0
    return log(weight / weight.sum())


def _log_terms(rows, negative_entropy, beta, decoder):
    """Logarithm of exp(-beta D(p(y|x) || r)) for decoders, ``[num_x, num_t]``."""
    return -beta * (negative_entropy[:, None] - rows @ log(decoder).T)


def _best_weights(p_x, log_terms):
    """Weights of least free energy for given decoders, by an interior-point method."""
    # A factor for every x changes the free energy by a constant.
    terms = np.exp(log_terms - log_terms.max(axis=1, keepdims=True))
    num_t = terms.shape[1]
    weight = np.full(num_t, 1 / num_t)

    def energy(weight, barrier):
        # The sum of the weights stands for its constraint: it is one at the least.
        return (
            weight.sum() - p_x @ np.log(terms @ weight) - barrier * np.log(weight).sum()
        )

    for barrier in _BARRIERS:
        for _ in range(_STEPS):
            # In units of the weights, so that light ones leave it well conditioned.
            ratio = terms * weight / (terms @ weight)[:, None]
            slope = weight - p_x @ ratio - barrier
            hessian = (ratio.T * p_x) @ ratio + barrier * np.eye(num_t)
            step = -np.linalg.solve(hessian, slope)
            length = min(1.0, 0.95 / max(-step.min(), 1e-300))
            now = energy(weight, barrier)
            while length > 1e-4:
                ahead = weight * (1 + length * step)
                if energy(ahead, barrier) <= now + 1e-16:
                    weight = ahead
                    break
                length /= 4
    weight = np.where(weight > _LEAST_WEIGHT, weight, 0)
    return weight / weight.sum()


def _merge(p_x, rows, negative_entropy, beta, weight, decoder):
    """Clusters with neighbours made one where that does not raise the free energy."""

    def energy(weight, decoder):
        terms = _log_terms(rows, negative_entropy, beta, decoder)
        return -p_x @ logsumexp(terms + np.log(weight))

    place = 0
    now = energy(weight, decoder)
    while place < len(weight):
        apart = np.abs(decoder - decoder[place]).sum(axis=1) / 2
        apart[: place + 1] = np.inf
        if len(apart) > 1 and apart.min() < _SAME_PEAK:
            other = int(apart.argmin())
            both = weight[place] + weight[other]
            mean = weight[place] * decoder[place] + weight[other] * decoder[other]
            kept = np.arange(len(weight)) != other
            new_weight, new_decoder = weight.copy(), decoder.copy()
            new_weight[place], new_decoder[place] = both, mean / both
            new_weight, new_decoder = new_weight[kept], new_decoder[kept]
            ahead = energy(new_weight, new_decoder)
            if ahead <= now + 1e-14:
                weight, decoder, now = new_weight, new_decoder, ahead
                continue
        place += 1
    return weight, decoder
