r"""Vectors of word types from a corpus: co-occurrences, weighed, and their main parts.

The positive pointwise mutual information of a type and a neighbour,
:math:`\max(0, \log p(w,c) / (p(w) p(c)))`, is a sparse matrix whose singular vectors,
scaled by the roots of the singular values, are vectors of the types.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse import linalg

from ibjax.numerics import checks

__all__ = ["positive_information", "type_vectors"]


def positive_information(
    types: ArrayLike, sentences: ArrayLike, *, num_types: int, window: int = 2
) -> sparse.csr_array:
    """Positive pointwise mutual information of types and their neighbours.

    Neighbours on the left and on the right are told apart, and a type may be its own.

    Args:
      types: Number of the type of every token, ``[num_tokens]``, integers.
      sentences: Number of its sentence; tokens of one sentence are next to each other.
      num_types: Number of types.
      window: Tokens to each side that are neighbours, at least one.

    Returns:
      Nats, sparse, ``[num_types, 2 * num_types]``: neighbours on the left, then right.

    Raises:
      ValueError: If shapes differ, or a number is out of range.
      TypeError: If types or sentences are no integers.

    References:
      Levy and Goldberg, `Neural word embedding as implicit matrix factorization`,
      NeurIPS 2014.

    Example:
      >>> found = positive_information([0, 1, 0, 1], [0, 0, 1, 1], num_types=2)
      >>> print(found.toarray().round(4))  # A pair of one bit.
      [[0.     0.     0.     0.6931]
       [0.6931 0.     0.     0.    ]]
    """
    checks.count("num_types", num_types)
    checks.count("window", window)
    types = checks.integers("types", checks.array("types", types, np.array))
    # Sums of them would not fit into the smallest integers.
    types = np.asarray(types).astype(np.int64)
    checks.shape("types", types, ("num_tokens",))
    checks.indices("types", types, num_types)
    sentences = checks.array("sentences", sentences, np.array)
    sentences = np.asarray(checks.integers("sentences", sentences))
    checks.shape("sentences", sentences, types.shape, why="to match types")
    rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for distance in range(1, min(window, len(types) - 1) + 1):
        same = sentences[:-distance] == sentences[distance:]
        before, after = types[:-distance][same], types[distance:][same]
        rows += [before, after]
        columns += [after + num_types, before]
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    shape = num_types, 2 * num_types
    counts = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape).tocsr()
    counts.sum_duplicates()
    of_type, of_neighbour = counts.sum(axis=1), counts.sum(axis=0)
    pairs = counts.tocoo()
    expected = of_type[pairs.row] * of_neighbour[pairs.col] / max(len(rows), 1)
    values = np.maximum(np.log(pairs.data / expected), 0.0)
    found = sparse.coo_array((values, (pairs.row, pairs.col)), shape).tocsr()
    found.eliminate_zeros()
    return found


def type_vectors(
    types: ArrayLike,
    sentences: ArrayLike,
    *,
    num_types: int,
    dim: int,
    window: int = 2,
) -> np.ndarray:
    r"""Vectors of word types from a corpus, by positive information and its main parts.

    :math:`U_d \sqrt{S_d}` of the singular value decomposition. The vector of a token is
    that of its type, whatever its sentence.

    Args:
      types: Number of the type of every token, ``[num_tokens]``, integers.
      sentences: Number of its sentence.
      num_types: Number of types.
      dim: Dimensions, less than ``num_types``.
      window: Tokens to each side that are neighbours.

    Returns:
      Vectors, ``[num_types, dim]``, float32, the largest parts first, in roots of nats.
      Their signs are such that each dimension's largest entry is positive.

    Raises:
      ValueError: If shapes differ, a number is out of range, or no two types are
        neighbours more often than by chance.
      TypeError: If types or sentences are no integers.

    References:
      Levy and Goldberg, `Neural word embedding as implicit matrix factorization`,
      NeurIPS 2014.

    Example:
      >>> vectors = type_vectors([0, 1, 2] * 9, [0] * 27, num_types=3, dim=2)
      >>> vectors.shape, vectors.dtype
      ((3, 2), dtype('float32'))
    """
    checks.count("dim", dim)
    if dim >= checks.count("num_types", num_types):
        raise ValueError(f"dim must be less than num_types, {num_types}, got {dim}")
    weighed = positive_information(types, sentences, num_types=num_types, window=window)
    if not weighed.nnz:
        raise ValueError(
            "types must hold neighbours that are more frequent than by chance, got none"
        )
    # A start of one's own: by default scipy draws one, another at every call.
    start = np.random.default_rng(0).normal(size=num_types)
    u, s, _ = linalg.svds(weighed, k=dim, v0=start)
    order = np.argsort(-s)
    vectors = u[:, order] * np.sqrt(np.maximum(s[order], 0.0))
    largest = vectors[np.argmax(np.abs(vectors), axis=0), np.arange(dim)]
    return (vectors * np.where(largest < 0, -1.0, 1.0)).astype(np.float32)
