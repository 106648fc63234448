"""What is measured at a snapshot: pure functions of one network as it stands.

A probe takes a :class:`Snapshot` and returns a dictionary of small arrays. It runs
inside the compiled sweep, for every seed at every snapshot epoch, and sees the
activities there and then; they are never stored. In the sweep's dataset a number
becomes a variable over seed and epoch, an array with one entry per layer gains the dim
``layer``, and a :class:`~ibjax.estimators.LayerInformation` of such arrays becomes one
entry of the dim ``estimator`` in ``i_xt`` and ``i_ty``.

Example:
  >>> def saturation(snapshot):
  ...     shares = [jnp.mean(jnp.abs(t) > 0.95) for t in snapshot.layers]
  ...     return {"saturation": jnp.stack(shares)}
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax import bottleneck, training
from ibjax.datasets.task import Task
from ibjax.estimators import LayerInformation, binning, kde, knn
from ibjax.gradients import gradient_curves
from ibjax.snapshots import Snapshot, take_snapshot

__all__ = [
    "InformationProbe",
    "LastProbe",
    "Probe",
    "Snapshot",
    "bin_edges",
    "bin_width",
    "default_probes",
    "gradients",
    "kde_bounds",
    "losses",
    "nearest_neighbours",
    "optimality",
    "take_snapshot",
]


# Trade-offs from where nothing is worth telling to where all is, 20 a decade.
_BETAS = np.geomspace(0.1, 1000, 81)


Probe = Callable[[Snapshot], dict[str, Any]]
"""A quantity to record: from a snapshot to named arrays."""


class InformationProbe(NamedTuple):
    """A probe that places the layers on the information plane.

    Attributes:
      measure: The probe itself.
      labels: What each estimator it returns is, in words, by name.
      parameters: Its parameters exactly; a saved sweep is resumed only with the same.
    """

    measure: Probe
    labels: dict[str, str]
    parameters: dict[str, Any]

    def __call__(self, snapshot: Snapshot) -> dict[str, LayerInformation]:
        """Measure one snapshot."""
        return self.measure(snapshot)


class LastProbe(NamedTuple):
    """A probe of the trained network: it runs at the last snapshot, and only there.

    Attributes:
      measure: The probe itself; at earlier snapshots its numbers are NaN.
      parameters: Its parameters exactly; a saved sweep is resumed only with the same.
      constants: What is the same for every network and kept with the results, by name:
        dims and array, as xarray takes them.
    """

    measure: Probe
    parameters: dict[str, Any]
    constants: dict[str, tuple[str, np.ndarray]]

    def __call__(self, snapshot: Snapshot) -> dict[str, Any]:
        """Measure one snapshot."""
        return self.measure(snapshot)


def bin_edges(edges: ArrayLike, name: str = "binning") -> InformationProbe:
    """I(X;T) and I(T;Y) of every layer by bins with the given edges.

    Args:
      edges: See :func:`ibjax.estimators.binning.layer_information`.
      name: Name of the estimator in the results.

    Returns:
      The probe.

    Example:
      >>> print(bin_edges(binning.SZT_EDGES).labels)
      {'binning': '30 bin edges from -1 to 1'}
    """
    edges = jnp.asarray(edges)

    def measure(snapshot):
        return {
            name: _for_each_layer(
                lambda t, labels, num_classes: binning.layer_information(
                    t, labels, num_classes=num_classes, edges=edges
                ),
                snapshot,
            )
        }

    low, high = float(edges[0]), float(edges[-1])
    label = f"{edges.shape[0]} bin edges from {low:g} to {high:g}"
    parameters = {"edges": np.asarray(edges).tolist()}
    return InformationProbe(measure, {name: label}, parameters)


def bin_width(width: float, name: str = "bin_width") -> InformationProbe:
    """I(X;T) and I(T;Y) of every layer by bins of one width, without limits.

    Args:
      width: See :func:`ibjax.estimators.binning.layer_information`.
      name: Name of the estimator in the results.

    Returns:
      The probe.

    Example:
      >>> print(bin_width(0.07, name="narrow").labels)
      {'narrow': 'bins of width 0.07'}
    """

    def measure(snapshot):
        return {
            name: _for_each_layer(
                lambda t, labels, num_classes: binning.layer_information(
                    t, labels, num_classes=num_classes, bin_width=width
                ),
                snapshot,
            )
        }

    label = f"bins of width {width:g}"
    return InformationProbe(measure, {name: label}, {"bin_width": float(width)})


def kde_bounds(noise_variance: float, name: str = "kde") -> InformationProbe:
    """Kernel-density bounds for every layer.

    Layers of similar width are padded to one shape and measured one after another by
    the same code, which compiles once and holds one layer's tiles at a time.

    Args:
      noise_variance: See :func:`ibjax.estimators.kde.layer_information`.
      name: Name of the estimators in the results, before ``_upper`` and ``_lower``.

    Returns:
      The probe.

    Example:
      >>> print(kde_bounds(1e-3).labels["kde_upper"])
      KDE upper bound, noise variance 0.001
    """

    def measure(snapshot):
        labels = _labels(snapshot.measured)
        groups: dict[int, list[int]] = {}
        for number, t in enumerate(snapshot.layers):
            groups.setdefault(_size_class(t.shape[1]), []).append(number)
        by_layer = [None] * len(snapshot.layers)
        for numbers in groups.values():
            layers = [snapshot.layers[number] for number in numbers]
            width = max(t.shape[1] for t in layers)
            bounds = lax.map(
                lambda t: kde.layer_information(
                    t,
                    labels,
                    num_classes=snapshot.measured.num_classes,
                    noise_variance=noise_variance,
                ),
                jnp.stack([_pad_units(t, width) for t in layers]),
            )
            for place, number in enumerate(numbers):
                by_layer[number] = jax.tree.map(lambda b, place=place: b[place], bounds)
        bounds = jax.tree.map(lambda *layers: jnp.stack(layers), *by_layer)
        return {f"{name}_upper": bounds.upper, f"{name}_lower": bounds.lower}

    return InformationProbe(
        measure,
        {
            f"{name}_{bound}": f"KDE {bound} bound, noise variance {noise_variance:g}"
            for bound in ("upper", "lower")
        },
        {"noise_variance": float(noise_variance)},
    )


def nearest_neighbours(
    noise_variance: float, *, k: int = 2, name: str = "knn"
) -> InformationProbe:
    """I(X;T+Z) and I(T+Z;Y) of every layer by nearest neighbours, for Gaussian Z.

    The noise Z, the same draw at every snapshot, makes I(X;T+Z) finite: it is the
    entropy of T + Z (Kozachenko-Leonenko) less that of Z, which is known. Labels must
    be certain. It takes far longer than the other probes.

    Args:
      noise_variance: Variance of Z, in squared units of activity.
      k: Number of the neighbour; 2 in Saxe et al. (2018).
      name: Name of the estimator in the results.

    Returns:
      The probe.

    Raises:
      ValueError: If the variance is not positive.

    Example:
      >>> print(nearest_neighbours(0.1).labels)
      {'knn': 'neighbour 2 of samples with noise of variance 0.1'}
    """
    if not 0 < noise_variance < math.inf:
        raise ValueError(
            f"noise_variance must be one positive number, got {noise_variance}"
        )
    entropy_of_noise = 0.5 * math.log(2 * math.pi * math.e * noise_variance)

    def estimate(t, labels, num_classes):
        noise = jax.random.normal(jax.random.key(0), t.shape, t.dtype)
        noisy = t + math.sqrt(noise_variance) * noise
        i_xt = knn.entropy(noisy, k=k) - t.shape[1] * entropy_of_noise
        i_ty = knn.class_information(noisy, labels, num_classes=num_classes, k=k)
        return LayerInformation(i_xt, i_ty)

    label = f"neighbour {k} of samples with noise of variance {noise_variance:g}"
    return InformationProbe(
        lambda snapshot: {name: _for_each_layer(estimate, snapshot)},
        {name: label},
        {"noise_variance": float(noise_variance), "k": k},
    )


def optimality(
    task: Task, *, edges: ArrayLike = binning.SZT_EDGES, betas: ArrayLike = _BETAS
) -> LastProbe:
    """Every binned layer of the trained network against the optimal representation.

    ``optimal_beta`` is the trade-off at which the optimal encoder of the layer's own
    clusters is closest to the layer's, ``optimality_divergence`` how close, in nats:
    see :func:`ibjax.bottleneck.map_optimality`. The task's information curve is kept
    with the results as ``curve_i_xt`` and ``curve_i_ty`` over ``curve_beta``.

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
    edges, betas = jnp.asarray(edges), np.asarray(betas)
    task = task.measured
    rows, row_of_input = np.unique(
        np.asarray(task.p_y_given_x), axis=0, return_inverse=True
    )
    row_of_input = row_of_input.reshape(-1)

    def measure(snapshot):
        clusters = [binning.clusters(t, edges=edges) for t in snapshot.layers]
        found = lax.map(
            lambda layer: bottleneck.map_optimality(
                layer,
                jnp.asarray(row_of_input),
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
    return LastProbe(measure, parameters, constants)


def gradients(snapshot: Snapshot) -> dict[str, jax.Array]:
    """Minibatch gradient statistics and weight norms, one entry per layer.

    Mean, standard deviation and signal-to-noise ratio as
    :func:`ibjax.gradients.minibatch_statistics` defines them, and both norms divided
    by the weight norm, as in the caption of Shwartz-Ziv and Tishby's Fig. 4.

    Args:
      snapshot: The network.

    Returns:
      ``gradient_mean``, ``gradient_std``, ``gradient_snr``, ``weight_norm``,
      ``gradient_mean_normalized`` and ``gradient_std_normalized``, ``[num_layers]``.

    Example:
      >>> import ibjax
      >>> from ibjax import datasets, networks
      >>> dataset = ibjax.sweep(
      ...     jax.random.key(0),
      ...     datasets.szt(),
      ...     networks.mlp([12, 3, 2]),
      ...     training.TrainConfig(),
      ...     num_seeds=1,
      ...     snapshots=[0],
      ...     probes=[gradients],
      ... )
      >>> dict(dataset.gradient_snr.sizes)
      {'seed': 1, 'epoch': 1, 'layer': 2}
    """
    return gradient_curves(snapshot.gradient_statistics, snapshot.kernels)


def losses(snapshot: Snapshot) -> dict[str, jax.Array]:
    """Cross-entropy in nats and accuracy, on the training rows and on the others.

    Accuracy counts the inputs whose most probable class is the label. Without rows to
    test on, the test values are NaN.

    Args:
      snapshot: The network.

    Returns:
      ``train_loss``, ``test_loss``, ``train_accuracy`` and ``test_accuracy``, ``[]``.

    Example:
      >>> from ibjax import datasets, networks
      >>> task, network = datasets.szt(), networks.mlp([12, 3, 2])
      >>> config = training.TrainConfig()
      >>> snapshot = take_snapshot(
      ...     network.init(jax.random.key(0)),
      ...     training.split_rows(jax.random.key(0), task, config),
      ...     training.measured_batches(0, task, config),
      ...     task,
      ...     network,
      ...     config,
      ... )
      >>> sorted(losses(snapshot))
      ['test_accuracy', 'test_loss', 'train_accuracy', 'train_loss']
    """
    task = snapshot.task
    place = (
        jnp.zeros(task.num_samples, jnp.int32)
        .at[snapshot.rows]
        .set(jnp.arange(task.num_samples, dtype=jnp.int32))
    )
    correct = jnp.argmax(snapshot.logits, axis=1) == task.labels
    result = {}
    for name, chosen in (
        ("train", place < snapshot.num_train),
        ("test", place >= snapshot.num_train),
    ):
        weights = chosen.astype(task.x.dtype)
        result[f"{name}_loss"] = training.mean_loss(
            snapshot.logits, task.p_y_given_x, weights
        )
        result[f"{name}_accuracy"] = jnp.sum(correct * weights) / jnp.sum(weights)
    return result


def default_probes() -> tuple[Probe, ...]:
    """Binning by SZT's edges, KDE at noise variance 1e-3, gradients and losses."""
    return (bin_edges(binning.SZT_EDGES), kde_bounds(1e-3), gradients, losses)


def _curve(task: Task, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """I(X;T) and I(T;Y) of the best representations of a task."""
    if task.hard:  # All of Y is worth telling, or nothing.
        i_ty = np.where(betas > 1, float(task.h_y), 0.0)
        return i_ty, i_ty
    with jax.enable_x64(True):
        p_xy = np.asarray(task.p_y_given_x, np.float64)
        curve = bottleneck.information_curve(p_xy / p_xy.sum(), betas)
    return curve.i_xt, curve.i_ty


def _labels(task: Task) -> jax.Array:
    """Integer labels where they are certain for all inputs, else p(y|x)."""
    return task.labels if task.hard else task.p_y_given_x


def _for_each_layer(estimate, snapshot) -> LayerInformation:
    labels, num_classes = _labels(snapshot.measured), snapshot.measured.num_classes
    layers = [estimate(t, labels, num_classes) for t in snapshot.layers]
    return jax.tree.map(lambda *values: jnp.stack(values), *layers)


def _size_class(width: int) -> int:
    """Layers of one class are padded to the widest of them."""
    return max(4, math.ceil(math.log2(width)))


def _pad_units(t: jax.Array, width: int) -> jax.Array:
    """Add units that are always zero; they carry no information."""
    return jnp.pad(t, ((0, 0), (0, width - t.shape[1])))
