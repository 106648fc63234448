r"""V-measure: how well clusters, such as tags, agree with given classes.

With classes C and clusters K, homogeneity is I(C;K) / H(C), the share of the classes'
entropy that the clusters tell, and completeness I(C;K) / H(K). The V-measure is their
harmonic mean. Many small clusters are homogeneous, and one cluster is complete.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax import measures
from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = ["VMeasure", "v_measure"]


class VMeasure(NamedTuple):
    """Agreement of clusters with classes, numbers from 0 to 1, shapes ``[]``.

    Attributes:
      value: The V-measure.
      homogeneity: I(C;K) / H(C); one where there is one class.
      completeness: I(C;K) / H(K); one where there is one cluster.
    """

    value: jax.Array
    homogeneity: jax.Array
    completeness: jax.Array


def v_measure(table: ArrayLike, *, weight: float = 1.0) -> VMeasure:
    r"""V-measure of a table of classes and clusters.

    :math:`V = (1 + w) h c / (w h + c)` of homogeneity h and completeness c.

    Args:
      table: Counts or probabilities of every class and cluster, shape ``[num_classes,
        num_clusters]``. They need not sum to one.
      weight: Weight w of completeness.

    Returns:
      The agreement. NaN for a table whose sum is zero, or with NaN.

    Raises:
      ValueError: If the shape is wrong, the weight negative or infinite, or a known
        entry negative or infinite.

    References:
      Rosenberg and Hirschberg, `V-measure: a conditional entropy-based external cluster
      evaluation measure`, EMNLP 2007.

    Example:
      >>> found = v_measure([[10, 0, 0], [0, 5, 5]])
      >>> print(f"{found.value:.3f} {found.homogeneity:.3f} {found.completeness:.3f}")
      0.800 1.000 0.667
    """
    table = checks.jax_array("table", table, jnp.result_type(float))
    checks.shape("table", table, ("num_classes", "num_clusters"))
    weight = checks.not_negative("weight", weight)
    if not checks.is_traced(table):
        known = jnp.where(jnp.isnan(table), 0.0, table)
        checks.within("table", known, "[0, inf)")
    return _v_measure(table, weight)


@exact_jit
def _v_measure(table, weight):
    p = table / jnp.sum(table)
    information = jnp.maximum(measures.mutual_information(p), 0.0)

    def share(entropy):
        # Of nothing all is told, as of one class; not of NaN.
        least = 4 * jnp.finfo(p.dtype).eps
        found = jnp.minimum(information / jnp.where(entropy > least, entropy, 1.0), 1.0)
        return jnp.where(entropy <= least, 1.0, found)

    homogeneity = share(measures.entropy(jnp.sum(p, axis=1)))
    completeness = share(measures.entropy(jnp.sum(p, axis=0)))
    total = weight * homogeneity + completeness
    value = (1 + weight) * homogeneity * completeness / jnp.where(total > 0, total, 1)
    return VMeasure(value, homogeneity, completeness)
