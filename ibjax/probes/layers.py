"""Probes of the layers: information by bins, kernel densities and neighbours.

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

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.datasets.task import TARGETS, Task
from ibjax.estimators import LayerInformation, binning, gaussian, kde, knn
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot, take_snapshot
from ibjax.probes.training import gradients, losses, squared_errors
from ibjax.training.trainable import Variable

__all__ = [
    "Snapshot",
    "bin_edges",
    "bin_width",
    "default_probes",
    "kde_bounds",
    "nearest_neighbours",
    "target_information",
    "take_snapshot",
]

_BOUNDS = ("upper", "lower")


def bin_edges(
    edges: ArrayLike, name: str = "binning", *, closed: bool = False
) -> Probe:
    """I(X;T) and I(T;Y) of every layer by bins with the given edges.

    Args:
      edges: See :func:`ibjax.estimators.binning.layer_information`.
      name: Name of the estimator in the results.
      closed: Whether the last bin has its upper edge, and all above, as a histogram's
        has. Else that edge is a bin of its own, as Shwartz-Ziv and Tishby have it: a
        unit that saturates falls into it once its activity is rounded to 1.

    Returns:
      The probe. Beside the informations it records ``<name>_beyond_edges``, the share
      of a layer's activities below the first edge or above the last one.

    Example:
      >>> print(bin_edges(binning.SZT_EDGES).labels)
      {'binning': '30 bin edges from -1 to 1'}
      >>> print(bin_edges(binning.SZT_EDGES, "closed", closed=True).labels)
      {'closed': '29 bins from -1 to 1, the last one closed'}
    """
    checks.instance("name", name, str)
    checks.flag("closed", closed)
    edges = checks.shape("edges", checks.jax_array("edges", edges), ["num_edges"])
    first, last = edges[0], edges[-1]
    low, high, num_edges = float(first), float(last), len(edges)
    label = f"{num_edges} bin edges from {low:g} to {high:g}"
    parameters = {"edges": np.asarray(edges).tolist()}
    if closed:
        label = f"{num_edges - 1} bins from {low:g} to {high:g}, the last one closed"
        parameters["closed"] = True
        edges = edges[:-1]  # Whatever is above the last of these is in one bin.

    def share_beyond(t):
        beyond = jnp.mean((t < first) | (t > last))
        return jnp.where(jnp.any(jnp.isnan(t)), jnp.nan, beyond)

    def measure(snapshot):
        information = _for_each_layer(
            lambda t, labels, num_classes: binning.layer_information(
                t, labels, num_classes=num_classes, edges=edges
            ),
            snapshot,
        )
        beyond = jnp.stack([share_beyond(t) for t in snapshot.layers])
        return {name: information, f"{name}_beyond_edges": beyond}

    long_name = f"share of activities beyond the edges of {name}"
    variable = Variable(("layer",), "1", long_name)
    return Probe(
        measure,
        {name: label},
        parameters,
        variables={f"{name}_beyond_edges": variable},
    )


def bin_width(width: float, name: str = "bin_width") -> Probe:
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
    checks.instance("name", name, str)
    width = checks.positive("width", width)

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
    return Probe(measure, {name: label}, {"bin_width": float(width)})


def kde_bounds(noise_variance: float | str, name: str = "kde") -> Probe:
    """Kernel-density bounds for every layer.

    Layers of similar width are padded to one shape and measured one after another by
    the same code, which compiles once and holds one layer's tiles at a time.

    Args:
      noise_variance: See :func:`ibjax.estimators.kde.layer_information`; or the name of
        a number that the sweep varies: ``kde_bounds("noise_variance")`` for
        ``vary={"noise_variance": [1e-3, 1e-2]}``. Bounds are NaN where such a number is
        not positive.
      name: Name of the estimators in the results, before ``_upper`` and ``_lower``.

    Returns:
      The probe.

    Raises:
      ValueError: If the variance is not positive.

    Example:
      >>> print(kde_bounds(1e-3).labels["kde_upper"])
      KDE upper bound, noise variance 0.001
    """
    is_varied = isinstance(noise_variance, str)
    if not is_varied:
        noise_variance = float(checks.positive("noise_variance", noise_variance))

    def measure(snapshot):
        # A varied number is traced: its values are rows of one program.
        variance = snapshot.numbers[noise_variance] if is_varied else noise_variance
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
                    noise_variance=variance,
                ),
                jnp.stack([_pad_units(t, width) for t in layers]),
            )
            for place, number in enumerate(numbers):
                by_layer[number] = jax.tree.map(lambda b, place=place: b[place], bounds)
        bounds = jax.tree.map(lambda *layers: jnp.stack(layers), *by_layer)
        return {f"{name}_upper": bounds.upper, f"{name}_lower": bounds.lower}

    noise = "varied noise variance"
    if not is_varied:
        noise = f"noise variance {noise_variance:g}"
    return Probe(
        measure,
        {f"{name}_{bound}": f"KDE {bound} bound, {noise}" for bound in _BOUNDS},
        {"noise_variance": noise_variance},
        numbers=(noise_variance,) if is_varied else (),
    )


def nearest_neighbours(
    noise_variance: float, *, k: int = 2, name: str = "knn"
) -> Probe:
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
    noise_variance = checks.positive("noise_variance", noise_variance)
    checks.instance("name", name, str)
    # On the host, in float64: it is taken off once for every unit.
    entropy_of_noise = 0.5 * math.log(2 * math.pi * math.e * noise_variance)

    def estimate(t, labels, num_classes):
        # One draw for all networks and snapshots: what differs is the layer's doing.
        noise = jax.random.normal(jax.random.key(0), t.shape, t.dtype)
        noisy = t + math.sqrt(noise_variance) * noise
        i_xt = knn.entropy(noisy, k=k) - t.shape[1] * entropy_of_noise
        i_ty = knn.class_information(
            noisy, labels, num_classes=num_classes, k=k, ties=False
        )
        return LayerInformation(i_xt, i_ty)

    label = f"neighbour {k} of samples with noise of variance {noise_variance:g}"
    return Probe(
        lambda snapshot: {name: _for_each_layer(estimate, snapshot)},
        {name: label},
        {"noise_variance": float(noise_variance), "k": k},
    )


def target_information(
    method: str = "ksg", *, k: int = 3, name: str | None = None
) -> Probe:
    """I(T;Y) of every layer as it is, by neighbours or for normal variables.

    I(X;T) of a deterministic layer with continuous inputs is infinite, and NaN here.
    Neighbours take values that repeat, as in ReLU layers, for what they are.

    Args:
      method: ``"ksg"``, see :func:`ibjax.estimators.knn.ksg`, or ``"gaussian"``, see
        :func:`ibjax.estimators.gaussian.mutual_information`, of real targets;
        ``"ross"``, see :func:`ibjax.estimators.knn.ross`, of classes that are certain.
      k: Neighbour of ``"ksg"`` and ``"ross"``.
      name: Name of the estimator in the results, the method's by default.

    Returns:
      The probe, for tasks of vectors, or of classes.

    Raises:
      ValueError: If the method is unknown or, before the sweep, the task has no real
        targets, or no classes that are certain.

    Example:
      >>> print(target_information().labels)
      {'ksg': 'KSG of the targets, neighbour 3'}
    """
    labels = {
        "ksg": f"KSG of the targets, neighbour {k}",
        "gaussian": "I(T;Y) of jointly normal T and targets",
        "ross": f"I(T;Y) by Ross, neighbour {k}",
    }
    checks.one_of("method", method, labels)
    if name is not None:
        checks.instance("name", name, str)
    name = method if name is None else name

    def estimate(t, task):
        if method == "ross":
            return knn.ross(t, task.labels, num_classes=task.num_classes, k=k)
        if method == "ksg":
            return knn.ksg(t, task.vectors, k=k)
        return gaussian.mutual_information(t, task.vectors).value

    def measure(snapshot):
        task = snapshot.measured
        needed = "classes" if method == "ross" else "vectors"
        if task.kind != needed:
            raise ValueError(
                f"target_information needs a task of {needed} for {method!r}, got one "
                f"of {task.kind}"
            )
        i_ty = jnp.stack([estimate(t, task) for t in snapshot.layers])
        return {name: LayerInformation(jnp.full_like(i_ty, jnp.nan), i_ty)}

    parameters = {"method": method} | ({} if method == "gaussian" else {"k": k})
    return Probe(measure, {name: labels[method]}, parameters)


def default_probes(kind: str = "classes") -> tuple[Probe, ...]:
    """Probes of a sweep that names none.

    For classes: binning by SZT's edges, KDE at noise variance 1e-3, gradients and
    losses. For vectors I(T;Y) by KSG and for normal variables in place of the first
    two, and squared errors. Without targets gradients alone.

    Args:
      kind: Kind of the task's targets, ``task.kind``.
    """
    checks.one_of("kind", kind, TARGETS)
    if kind == "vectors":
        information = target_information("ksg"), target_information("gaussian")
        return (*information, gradients, squared_errors)
    if kind == "nothing":
        return (gradients,)
    return (bin_edges(binning.SZT_EDGES), kde_bounds(1e-3), gradients, losses)


def _labels(task: Task) -> jax.Array:
    """Integer labels where they are certain for all inputs, else p(y|x)."""
    if task.labels is None:
        raise ValueError(
            f"estimators of I(T;Y) with a label need classes, got a task of {task.kind}"
        )
    return task.labels if task.hard else task.p_y_given_x


def _for_each_layer(estimate, snapshot) -> LayerInformation:
    labels, num_classes = _labels(snapshot.measured), snapshot.measured.num_classes
    layers = [estimate(t, labels, num_classes) for t in snapshot.layers]
    return jax.tree.map(lambda *values: jnp.stack(values), *layers)


def _size_class(width: int) -> int:
    """Layers of one class are padded to the widest of them."""
    # By powers of two, so that padding at most doubles a layer of more than 16 units.
    return max(4, math.ceil(math.log2(width)))


def _pad_units(t: jax.Array, width: int) -> jax.Array:
    """Add units that are always zero; they carry no information."""
    return jnp.pad(t, ((0, 0), (0, width - t.shape[1])))
