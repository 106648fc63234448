"""Trained layers against the optimal representation of the task."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax import bottleneck
from ibjax.datasets.task import Task
from ibjax.estimators import binning
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.training.trainable import Variable

__all__ = ["optimality"]


# Trade-offs from where nothing is worth telling to where all is, 20 a decade.
_BETAS = np.geomspace(0.1, 1000, 81)

_VARIABLES = {
    "optimal_beta": Variable(("layer",), "1", "beta of the closest optimal encoder"),
    "optimality_divergence": Variable(
        ("layer",), "nats", "mean KL divergence from the closest one"
    ),
    "curve_i_xt": Variable(("curve_beta",), "nats", "I(X;T) on the information curve"),
    "curve_i_ty": Variable(("curve_beta",), "nats", "I(T;Y) on the information curve"),
}


def optimality(
    task: Task, *, edges: ArrayLike = binning.SZT_EDGES, betas: ArrayLike = _BETAS
) -> Probe:
    """Every binned layer of the trained network against the optimal representation.

    ``optimal_beta`` is the trade-off at which the optimal encoder of the layer's own
    clusters is closest to the layer's, ``optimality_divergence`` how close, in nats:
    see :func:`ibjax.bottleneck.map_optimality`. Labels that are certain are the
    network's own, which ``label_noise`` draws anew. The information curve of the task
    as it is given is kept with the results as ``curve_i_xt`` and ``curve_i_ty`` over
    ``curve_beta``.

    Args:
      task: The task that is learned.
      edges: Bins, see :func:`ibjax.estimators.binning.layer_information`.
      betas: Trade-offs to compare and to draw the curve by, ``[num_betas]``.

    Returns:
      The probe.

    Example:
      >>> from ibjax import datasets
      >>> probe = optimality(datasets.szt())
      >>> dims, i_ty = probe.constants["curve_i_ty"]
      >>> print(dims, f"{i_ty.max():.3f}")
      curve_beta 0.693
    """
    edges = checks.jax_array("edges", edges)
    betas = checks.real("betas", betas, np.asarray)
    betas = np.asarray(checks.shape("betas", betas, ["num_betas"]))
    task = checks.instance("task", task, Task).measured
    # Inputs with one p(y|x) are one to the bottleneck, which keeps its tables small.
    p_y_given_x = np.eye(task.num_classes) if task.hard else task.p_y_given_x
    rows, row_of = np.unique(
        np.asarray(p_y_given_x, np.float32), axis=0, return_inverse=True
    )
    row_of = jnp.asarray(row_of.reshape(-1))

    def measure(snapshot):
        # Of classes a row each, in which labels that are drawn anew find theirs.
        row_of_input = row_of[snapshot.measured.labels] if task.hard else row_of
        clusters = [binning.clusters(t, edges=edges) for t in snapshot.layers]
        found = lax.map(
            lambda layer: bottleneck.map_optimality(
                layer,
                row_of_input,
                jnp.asarray(rows),
                betas,
                num_t=len(layer),
            ),
            jnp.stack(clusters),
        )
        return {
            "optimal_beta": found.beta,
            "optimality_divergence": found.divergence,
        }

    constants = {"curve_beta": ("curve_beta", betas)}
    for name, values in zip(("i_xt", "i_ty"), _curve(task, betas), strict=True):
        constants[f"curve_{name}"] = ("curve_beta", values)
    parameters = {"edges": np.asarray(edges).tolist(), "betas": betas.tolist()}
    return Probe(
        measure,
        parameters=parameters,
        variables=_VARIABLES,
        constants=constants,
        last_only=True,
        usually_last=True,
    )


def _curve(task: Task, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """I(X;T) and I(T;Y) of the best representations of a task."""
    if task.hard:  # All of Y is worth telling, or nothing.
        i_ty = np.where(betas > 1, float(task.h_y), 0.0)
        return i_ty, i_ty
    # Once, before the sweep, where float64 costs little.
    with jax.enable_x64(True):
        p_xy = np.asarray(task.p_y_given_x, np.float64)
        curve = bottleneck.information_curve(p_xy / p_xy.sum(), betas)
    return curve.i_xt, curve.i_ty
