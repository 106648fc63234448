r"""One function for the information between two variables, whatever they are.

:func:`mutual_information` names every estimator of this package for pairs of samples,
takes one that suits the variables if none is named, and says with the value which one
it was, how sure it is, and what there is to be wary of. It runs on the host and looks
at values; inside ``jit`` and ``vmap``, call the estimators themselves.

Which one is taken by default, and why:

- two labels: ``"discrete"``, counts with Grassberger's correction for cells with few;
- a label and a continuous variable: ``"ross"``, which has no bandwidth, knows that a
  label has no density, and rarely exceeds the label's entropy;
- two continuous variables of at most ten dimensions together: ``"ksg"``. It asks for no
  density, so that variables on curves, codes of a network's layer among them, are safe;
- more dimensions: ``"infonce"``. Neighbours are far in many dimensions and KSG falls
  short by half and more; a critic finds the few directions that matter, up to the log
  of its batch. If it comes out below zero, as one that overfits does, KSG takes its
  place. Where the variables are images or wide layers, compressing them to a few
  dimensions first (:mod:`ibjax.estimators.compression`) and then KSG does better still.
"""

import math
import re
import warnings as python_warnings
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike

from ibjax.estimators import resampling
from ibjax.estimators.choice.doubts import doubts
from ibjax.estimators.choice.methods import METHODS, Method
from ibjax.estimators.choice.variables import (
    SCALINGS,
    is_label,
    prepare,
    variable,
)
from ibjax.estimators.samples import single_labels
from ibjax.numerics import checks

__all__ = ["InformationEstimate", "mutual_information"]

_HIGH_DIM = 10
_FEWEST = 3
_FEWEST_FOR_CRITIC = 500
_GROUPS = 20
_PARTS = 10
_FEWEST_PARTS = 4
_FEWEST_IN_PART = 30
# A critic so far below zero does worse than one that says nothing, beyond its error.
_OVERFITTED = 0.1


class InformationEstimate(NamedTuple):
    """An estimate of I(X;Y), and how far to trust it.

    Attributes:
      value: In nats, a float. Not cut off at zero: it scatters about zero, on either
        side, where the variables are independent.
      standard_error: In nats, a float; NaN if not requested or not available.
        It does not see the bias, for which the warnings are there.
      method: Name of the estimator that ran, one of ``choice.METHODS``.
      warnings: What makes the value doubtful, one sentence each; often none.
    """

    value: float
    standard_error: float
    method: str
    warnings: tuple[str, ...]


def mutual_information(
    x: ArrayLike,
    y: ArrayLike,
    *,
    method: str = "auto",
    key: jax.Array | None = None,
    num_classes: int | None = None,
    discrete: bool | str | tuple[bool | str, bool | str] = "auto",
    error: str | None = "auto",
    scaling: str | None = "spread",
    **options: Any,
) -> InformationEstimate:
    r"""Information I(X;Y) of samples of any kind, in nats, with an error and warnings.

    A floating array is a continuous variable; an integer or boolean one is a label, and
    one of several columns a label for every different row. Integers that are too many
    for labels are numbers, with a warning; ``discrete`` says which it is. Information
    is symmetric, so the label may be either. Columns that are constant are left out,
    and so are samples whose label nobody shares, with a warning.

    Columns may repeat values: zeros of ReLU units, the ends of saturated ones, counts,
    rounded numbers. Neighbours take them for what they are
    (:mod:`ibjax.estimators.knn.ties`); densities and critics do not, and are warned of.

    Unlike information, most estimates depend on the units of the columns. Before a
    method looks at continuous columns they are brought to one scale:

    - ``"spread"``: each has its median taken off and is divided by the distance between
      its quartiles, which heavy tails leave alone, without values that a tenth of the
      samples have;
    - ``"ranks"``: each becomes normal, by its ranks. That leaves I(X;Y) as it is, and
      helps KSG much with heavy tails and a little or not at all elsewhere;
    - None: as they are, for columns that share a unit.

    Warned of is: a value within one nat of what N samples, or a critic's batch, can
    show; a value above the entropy of the label; a critic below zero; repeated values;
    digits that rounding took; tables with few samples to a cell; more than ten
    dimensions; dependent columns, without a density; weights of neighbours that magnify
    errors; training that diverged; an error that could not be had.

    Args:
      x: Samples of X, shape ``[num_samples]`` or ``[num_samples, dim_x]``.
      y: Samples of Y that belong to them, shape ``[num_samples]`` or ``[num_samples,
        dim_y]``.
      method: One of ``choice.METHODS``, or ``"auto"``, see the module.
      key: A typed key for critics and for resampling; ``jax.random.key(0)`` if not
        given, so that the same call gives the same answer.
      num_classes: Number of classes of a label, whose values are then whole numbers in
        ``[0, num_classes)``; if not given, as many as are seen, whatever their values.
      discrete: Whether X and Y are labels: True, False or ``"auto"``, which goes by the
        dtypes, or a pair of those.
      error: Where the standard error comes from: ``"subsampling"`` or ``"jackknife"``
        (:mod:`ibjax.estimators.resampling`); ``"auto"`` for their own of critics and
        densities, the jackknife for ``"discrete"``, ``"gaussian"`` and ``"copula"``,
        and subsampling for the others; None for none. Subsampling takes 40 estimates
        from a tenth of the samples, the jackknife 20 from nearly all.
      scaling: ``"spread"``, ``"ranks"`` or None.
      **options: Passed on to the estimator, e.g. ``k=5`` for neighbours, ``shrinkage``,
        ``num_steps``.

    Returns:
      The estimate. Zero, with a warning, if a variable is constant altogether.

    Raises:
      ValueError: If shapes or lengths do not match, there are too few samples, a sample
        is not finite, a label is not in range, a name is unknown, a method does not fit
        the variables, or the estimator refuses.
      TypeError: If an array holds no numbers, or the estimator does not know an option.

    References:
      See the estimators' modules.

    Example:
      >>> x, noise = np.random.default_rng(0).normal(size=(2, 1000))
      >>> estimate = mutual_information(x, 0.8 * x + 0.6 * noise)
      >>> print(f"{estimate.method}: {estimate.value:.1f} nats, truth 0.5")
      ksg: 0.5 nats, truth 0.5
      >>> estimate.warnings
      ()
    """
    checks.one_of("method", method, ("auto", *METHODS))
    checks.one_of("error", error, (None, "auto", "subsampling", "jackknife"))
    checks.one_of("scaling", scaling, (None, *SCALINGS))
    key = jax.random.key(0) if key is None else checks.key("key", key)
    warnings: list[str] = []
    x, y = (
        variable(name, values, kind, num_classes, warnings)
        for name, values, kind in zip("xy", (x, y), _kinds(discrete), strict=True)
    )
    checks.same_length(x=x, y=y)
    if len(x) < _FEWEST:
        raise ValueError(f"x and y must have at least {_FEWEST} samples, got {len(x)}")
    # Information is symmetric: a label alone is always the second.
    if is_label(x) and not is_label(y):
        x, y = y, x
    labels = [a for a in (x, y) if is_label(a)]
    if not labels and num_classes is not None:
        raise ValueError("num_classes is for labels, got two continuous variables")
    if len(labels) == 1:
        single, left_out = single_labels(y)
        if left_out:
            warnings.append(left_out)
            x, y = x[~single], y[~single]
        if len(x) < _FEWEST:
            raise ValueError(
                f"labels must leave at least {_FEWEST} samples that share theirs, got "
                f"{len(x)}"
            )
    # A class is called what the caller calls it.
    names = None if num_classes is not None or len(labels) != 1 else np.unique(y)
    x = prepare(x, num_classes, scaling, warnings)
    y = prepare(y, num_classes, scaling, warnings)
    is_auto = method == "auto"
    if is_auto:
        method = _default(len(labels), x, y)
    chosen = METHODS[method]
    _check_fit(method, chosen, len(labels), error)
    if x is None or y is None:
        warnings.append("a variable is constant: it carries no information")
        return InformationEstimate(0.0, 0.0, method, tuple(warnings))

    if len(labels) == 2:
        num_classes = tuple(num_classes or int(np.max(a)) + 1 for a in (x, y))
    elif labels:
        num_classes = num_classes or int(np.max(y)) + 1
    run = partial(chosen.run, num_classes=num_classes, options=options)
    if chosen.trained:
        run = partial(run, key)
    try:
        result = run(x, y)
    except ValueError as error:
        if names is None:
            raise
        raise ValueError(_with_names(str(error), names)) from error
    value, own_error = _parts(result)
    if is_auto and chosen.trained and value < -_OVERFITTED:
        warnings.append(
            f"{method} gave {value:.2f} nats: information is not negative, its critic "
            "overfitted; ksg took its place"
        )
        # Options were those of the critic.
        method, options = "ksg", {}
        chosen = METHODS[method]
        run = partial(chosen.run, num_classes=None, options=options)
        result = run(x, y)
        value, own_error = _parts(result)
    cap = float(getattr(result, "cap", math.inf))
    warnings += doubts(chosen, x, y, value, cap, options)
    source = chosen.error if error == "auto" else error
    if source is None or not math.isfinite(value):
        standard_error = math.nan
    elif source == "own":
        standard_error = own_error
    else:
        # Another key than a critic's, whatever the method.
        key = jax.random.fold_in(key, 1)
        standard_error = _resampled_error(source, key, run, x, y, options, warnings)
    return InformationEstimate(value, standard_error, method, tuple(warnings))


def _with_names(refusal: str, names: np.ndarray) -> str:
    """What an estimator says of a class by its number, by its label."""
    return re.sub(
        r"class (\d+)", lambda found: f"class {names[int(found[1])]}", refusal
    )


def _kinds(discrete):
    """Kinds of X and Y: True for labels, False for numbers, or "auto", each."""
    pair = discrete if isinstance(discrete, tuple | list) else (discrete, discrete)
    if len(pair) != 2:
        raise ValueError(f"discrete must be one answer or a pair, got {discrete!r}")
    for kind in pair:
        checks.one_of("discrete", kind, ("auto", False, True))
    return tuple(kind if isinstance(kind, str) else bool(kind) for kind in pair)


def _parts(result):
    """Value and standard error of what an estimator returns."""
    if hasattr(result, "value"):
        error = getattr(result, "standard_error", math.nan)
        return float(result.value), float(error)
    return float(result), math.nan


def _check_fit(method: str, chosen: Method, num_labels: int, error: str | None):
    needs, fits = {
        "continuous": ("two continuous variables", num_labels == 0),
        "label": ("one continuous variable and one label", num_labels == 1),
        "either": ("at least one continuous variable", num_labels < 2),
        "discrete": ("two labels", num_labels == 2),
    }[chosen.variables]
    if not fits:
        raise ValueError(
            f"method {method!r} is for {needs} (floating arrays are continuous, "
            f"integer ones labels), got {num_labels} of two as labels"
        )
    if chosen.trained and error not in ("auto", None):
        raise ValueError(
            f"error must be 'auto' or None for method {method!r}, got {error!r}: "
            "resampling would train a critic anew each time"
        )


def _default(num_labels, x, y):
    if num_labels:
        return "ross" if num_labels == 1 else "discrete"
    if x is None or y is None:
        return "ksg"
    enough = len(x) >= _FEWEST_FOR_CRITIC
    return "infonce" if x.shape[1] + y.shape[1] > _HIGH_DIM and enough else "ksg"


def _resampled_error(source, key, run, x, y, options, warnings):
    def number(x, y):
        return _parts(run(x, y))[0]

    if source == "jackknife":
        num_groups = min(_GROUPS, len(x))
        return resampling.jackknife_error(key, number, x, y, num_groups=num_groups)
    # A part must have several times the neighbours that are asked for.
    fewest = max(_FEWEST_IN_PART, 4 * options.get("k", 1))
    num_parts = min(_PARTS, len(x) // fewest)
    if num_parts < _FEWEST_PARTS:
        warnings.append(f"{len(x)} samples are too few for an error from parts of them")
        return math.nan
    try:
        with python_warnings.catch_warnings():
            # Parts lack what all have, and say so; that is no news of the whole.
            python_warnings.simplefilter("ignore")
            result = resampling.subsampling_error(
                key, number, x, y, num_parts=num_parts
            )
    except ValueError as refusal:
        # A part can lack what all the samples have, e.g. enough of every class.
        warnings.append(f"no error could be had from parts of the samples: {refusal}")
        return math.nan
    if math.isnan(result):
        warnings.append("no error could be had: the estimate fails on some part")
    return result
