"""PAC-Bayes bounds: what the information in the weights says of the risk.

Seven bounds of one signature, ``bound(error, kl, num_samples, *, delta)``, the inverse
of the binary divergence that they need, and :func:`certificate`, which pays for the
draws that the error was estimated from as well.

Example:
  >>> for bound in (maurer, langford_seeger, pinsker, quad, thiemann):
  ...     risk = bound(0.028, 5000, 60_000, delta=0.025)
  ...     print(f"{bound.__name__:16} {risk:.4f}")
  maurer           0.1501
  langford_seeger  0.1502
  pinsker          0.2323
  quad             0.2194
  thiemann         0.2194
"""

from ibjax.weights.pac_bayes.binary import binary_kl, kl_inverse, kl_inverse_gradient
from ibjax.weights.pac_bayes.bounds import (
    catoni,
    langford_seeger,
    maurer,
    mcallester,
    pinsker,
    quad,
    thiemann,
)
from ibjax.weights.pac_bayes.certificate import (
    Certificate,
    certificate,
    monte_carlo_error,
    nearest_prior_variance,
    prior_union_cost,
    union_cost,
)

__all__ = [
    "Certificate",
    "binary_kl",
    "catoni",
    "certificate",
    "kl_inverse",
    "kl_inverse_gradient",
    "langford_seeger",
    "maurer",
    "mcallester",
    "monte_carlo_error",
    "nearest_prior_variance",
    "pinsker",
    "prior_union_cost",
    "quad",
    "thiemann",
    "union_cost",
]
