"""Quantities measured at a snapshot: pure functions of one network as it stands.

A probe takes a :class:`Snapshot` and returns a dictionary of small arrays. It runs
inside the compiled sweep, for every seed at every snapshot epoch, and sees the
activities there and then; they are never stored. A :class:`Probe` declares the dims,
units and long names of what it returns. A plain function is welcome too: a number
becomes a variable over seed and epoch, an array with one entry per layer gains the dim
``layer``. A :class:`~ibjax.estimators.LayerInformation` of such arrays becomes one
entry of the dim ``estimator`` in ``i_xt`` and ``i_ty``.

Example:
  >>> import jax.numpy as jnp
  >>> def saturation(snapshot):
  ...     shares = [jnp.mean(jnp.abs(t) > 0.95) for t in snapshot.layers]
  ...     return {"saturation": jnp.stack(shares)}
  >>> declared = Probe(
  ...     saturation,
  ...     variables={"saturation": Variable(("layer",), "1", "saturated units")},
  ... )
"""

from ibjax.probes.curvature import curvature
from ibjax.probes.gibbs import gibbs_errors
from ibjax.probes.information_dropout import dropout_information
from ibjax.probes.layer_optimality import optimality
from ibjax.probes.layers import (
    bin_edges,
    bin_width,
    default_probes,
    kde_bounds,
    nearest_neighbours,
    target_information,
)
from ibjax.probes.named import named_estimators
from ibjax.probes.nuisance import drawn_information
from ibjax.probes.probe import Probe
from ibjax.probes.representations import code_bounds, code_mixture
from ibjax.probes.robustness import (
    accuracy_under_attack,
    attack_checks,
    minimal_perturbations,
)
from ibjax.probes.snapshot import Snapshot, take_snapshot
from ibjax.probes.tags import tag_bounds
from ibjax.probes.training import gradients, losses, objective_terms, squared_errors
from ibjax.probes.weights import fisher_trace, weight_information
from ibjax.training.trainable import Variable

__all__ = [
    "Probe",
    "Snapshot",
    "Variable",
    "accuracy_under_attack",
    "attack_checks",
    "bin_edges",
    "bin_width",
    "code_bounds",
    "code_mixture",
    "curvature",
    "default_probes",
    "drawn_information",
    "dropout_information",
    "fisher_trace",
    "gibbs_errors",
    "gradients",
    "kde_bounds",
    "losses",
    "minimal_perturbations",
    "named_estimators",
    "nearest_neighbours",
    "objective_terms",
    "optimality",
    "squared_errors",
    "tag_bounds",
    "take_snapshot",
    "target_information",
    "weight_information",
]
