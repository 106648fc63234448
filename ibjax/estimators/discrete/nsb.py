r"""The entropy estimate of Nemenman, Shafee and Bialek (2002).

Under a Dirichlet prior of concentration :math:`\beta` for each of K cells, the expected
entropy of a distribution is :math:`\xi(\beta) = \psi(K \beta + 1) - \psi(\beta + 1)`,
with hardly any spread if K is large: choosing :math:`\beta` is choosing the entropy.
Mixing priors so that :math:`\xi` is uniform in [0, log K] leaves that to the samples,

.. math::
    \hat H = \frac{\int d\xi\, \rho(\beta)\, \langle H \rangle_\beta}
                  {\int d\xi\, \rho(\beta)}, \qquad
    \rho(\beta) = \frac{\Gamma(K\beta)}{\Gamma(N + K\beta)}
                  \prod_i \frac{\Gamma(n_i + \beta)}{\Gamma(\beta)} .

Both integrals are sums over a grid that is even in :math:`\log \beta`. The logarithm of
:math:`\rho` is of the order of N log N, of which float32 would keep no digit behind the
point; its derivative, which is small where :math:`\rho` is large, is summed instead.
"""

import math

import chex
import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import digamma, polygamma

from ibjax.numerics.logarithms import x_minus_log1p

__all__ = ["posterior_entropy"]

_NUM_BETAS = 1024
_BLOCK = 32
# Beyond these, as multiples of 1 / K and of one, the prior has a part in 1e5.
_SMALLEST_BETA = 1e-5
_LARGEST_BETA = 1e5
# Where the expansion of the digamma function is right to float32's last digit.
_LARGE = 6.0
# Beyond this part of the root of the largest number the square of x, which the trigamma
# function takes, is out of range; x psi_1(x) is one there, and psi(x) a logarithm.
_ROOT_PART = 0.01


def posterior_entropy(
    n: jax.Array, occupied: jax.Array, total: jax.Array, num_cells: jax.Array
) -> jax.Array:
    """Mean entropy of the posterior, in nats, ``[]``; zero if there is one cell.

    Counts ``n`` are one where a cell is not ``occupied``; ``num_cells`` also counts the
    cells that are not among them.
    """
    chex.assert_equal_shape([n, occupied])
    chex.assert_rank([n, total, num_cells], [1, 0, 0])
    num_occupied = jnp.sum(occupied).astype(n.dtype)
    # Sums of betas can be out of range where their logarithms are not.
    log_cells = jnp.log(num_cells)
    start = jnp.log(_SMALLEST_BETA) - log_cells
    step = (jnp.log(_LARGEST_BETA) - start) / (_NUM_BETAS - 1)
    log_betas = start + step * jnp.arange(_NUM_BETAS, dtype=n.dtype)
    log_most = math.log(_ROOT_PART) + math.log(float(jnp.finfo(n.dtype).max)) / 2
    log_beyond = jnp.maximum(log_cells + log_betas - log_most, 0)
    log_all_betas = log_cells + log_betas - log_beyond

    def sum_over_cells(values):
        return jnp.sum(jnp.where(occupied, values, 0))

    def at(logs):
        beta, all_betas = (jnp.exp(log) for log in logs[:2])
        # d log rho / d log beta, without the singular parts, which cancel.
        slope = sum_over_cells(beta * _rise(beta, n - 1))
        slope += _slope_of_all(all_betas, num_occupied, total)
        top = digamma(total + all_betas + 1) + logs[2]
        mean = sum_over_cells((n + beta) * (top - digamma(n + beta + 1)))
        unseen = (1 - num_occupied / num_cells) * all_betas
        mean += unseen * (top - digamma(beta + 1))
        return slope, mean / (total + all_betas)

    logs = (log_betas, log_all_betas, log_beyond)
    slopes, means = lax.map(at, logs, batch_size=_BLOCK)
    # The prior's density, of log beta.
    betas, all_betas = jnp.exp(log_betas), jnp.exp(log_all_betas)
    prior = all_betas * polygamma(1, all_betas + 1) - betas * polygamma(1, betas + 1)
    log_prior = jnp.log(jnp.maximum(prior, jnp.finfo(n.dtype).tiny))
    log_rho = _integral(slopes, step)
    weights = jax.nn.softmax(log_rho + log_prior)
    return jnp.where(num_cells > 1, jnp.sum(weights * means), 0)


def _integral(slopes, step):
    """Integral from the largest value, which is the one that must be right."""
    # Over each interval by the cubic through the four points around it.
    padded = jnp.pad(slopes, 1, mode="reflect", reflect_type="odd")
    before, left, right, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    areas = step * (13 * (left + right) - before - after) / 24
    rising = jnp.concatenate([jnp.zeros(1, slopes.dtype), jnp.cumsum(areas)])
    peak = jnp.argmax(rising)
    # Sums that start at the peak do not carry the rounding of the way up to it.
    after_peak = jnp.arange(len(areas)) >= peak
    up = jnp.cumsum(jnp.where(after_peak, areas, 0))
    down = jnp.cumsum(jnp.where(after_peak, 0, areas)[::-1])[::-1]
    zero = jnp.zeros(1, slopes.dtype)
    return jnp.concatenate([zero, up]) - jnp.concatenate([down, zero])


def _slope_of_all(x, num_occupied, total):
    """Part of the sum x of all betas in the slope, m - 1 - x (psi(x + N) - psi(x + 1)).

    Single samples alone leave next to nothing of it where x is large, over a range that
    is as long as the logarithm of the number of cells: rounding would add up.
    """
    k, low = total - 1, x + 0.5
    less = 0.5 * k / low + x * (x_minus_log1p(k / low) - _tail(low + k) + _tail(low))
    direct = num_occupied - 1 - x * _rise(x, k)
    far = jnp.maximum(_LARGE, total)
    return jnp.where(x > far, num_occupied - total + less, direct)


def _rise(x, k):
    """psi(x + 1 + k) - psi(x + 1), for k >= 0, also where x is much larger."""
    low, high = x + 0.5, x + 0.5 + k
    # psi(z + 1/2) = log z + 1 / 24 z^2 - 7 / 960 z^4 + 31 / 8064 z^6 - ...
    expansion = jnp.log1p(k / low) + _tail(high) - _tail(low)
    return jnp.where(x > _LARGE, expansion, digamma(x + 1 + k) - digamma(x + 1))


def _tail(z):
    square = 1 / z**2
    return square * (1 / 24 - square * (7 / 960 - square * (31 / 8064)))
