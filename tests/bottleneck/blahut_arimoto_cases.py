"""Tables, and what the tests of the bottleneck at one beta compare with.

Tables are padded with zeros to one shape and solved together, traced, in one program.
"""

import functools
import itertools

import jax
import numpy as np

from ibjax.bottleneck import blahut_arimoto

NUM_X, NUM_Y = 4, 4
NUM_CASES = 64
# A few dozen roundings of sums of terms below one.
ABSOLUTE = 1e-13
# Clusters end within 1e-9 of their limit: so do informations, which are smooth in them,
# and gaps, times beta. Objectives are at their minimum, and thus exact.
CLUSTERS = 1e-8
BETAS = (0.0, 1e-3, 0.7, 1.3, 2.5, 6.0, 20.0, 1e3)


def padded(table):
    """A table with rows and columns of zeros, up to the shape of all."""
    table = np.asarray(table, np.float64)
    padding = [(0, NUM_X - table.shape[0]), (0, NUM_Y - table.shape[1])]
    return np.pad(table, padding)


def random_table(rng, num_x=NUM_X, num_y=NUM_Y, concentration=1.0):
    """A table drawn from a Dirichlet distribution."""
    cells = rng.dirichlet(np.full(num_x * num_y, concentration))
    return cells.reshape(num_x, num_y)


def entropy(p):
    """Entropy over the last axis, in nats."""
    p = np.asarray(p, np.float64)
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1)


def information(p):
    """Mutual information of a table, in nats."""
    return entropy(p.sum(axis=0)) + entropy(p.sum(axis=1)) - entropy(p.ravel())


def objective(p_xy, encoder, beta, alpha=1.0):
    """H(T) - alpha H(T|X) - beta I(T;Y) of an encoder."""
    p_x = p_xy.sum(axis=1)
    p_t = p_x @ encoder
    i_ty = information(encoder.T @ p_xy)
    return entropy(p_t) - alpha * p_x @ entropy(encoder) - beta * i_ty


@jax.jit
@jax.vmap
def _solve_one(p_xy, beta, alpha):
    return blahut_arimoto(p_xy, beta, alpha=alpha)


def solve(tables, betas, alpha=1.0, dtype=np.float64):
    """Solve up to ``NUM_CASES`` cases of table, beta and alpha in one program."""
    betas = np.asarray(betas, dtype)
    alphas = np.broadcast_to(np.asarray(alpha, dtype), betas.shape)
    cases = np.stack(tables).astype(dtype), betas, alphas
    filled = [np.resize(part, (NUM_CASES, *part.shape[1:])) for part in cases]
    with jax.enable_x64(dtype == np.float64):
        solutions = _solve_one(*filled)
        return jax.tree.map(lambda field: np.asarray(field[: len(betas)]), solutions)


@functools.cache
def various():
    """Random tables with zeros and unequal p(x), and the solutions at all betas."""
    rng = np.random.default_rng(0)
    tables = [random_table(rng) for _ in range(3)]
    tables += [random_table(rng, concentration=0.3) for _ in range(2)]
    holes = random_table(rng)
    holes[0, 1] = holes[2, 0] = holes[2, 3] = holes[3, 1] = 0
    unequal = random_table(rng) * np.array([[1], [1e-3], [1e-6], [1]])
    empty_row = random_table(rng) * np.array([[1], [0], [1], [1]])
    tables += [p / p.sum() for p in (holes, unequal, empty_row)]
    cases = list(itertools.product(tables, BETAS))
    tables, betas = [p for p, _ in cases], np.array([beta for _, beta in cases])
    return tables, betas, solve(tables, betas)


@functools.cache
def one_table():
    """A table without anything special."""
    return random_table(np.random.default_rng(7))
