"""Rate, distortion and errors of networks through a code, at a snapshot."""

import jax
import jax.numpy as jnp
from jax import lax

from ibjax.estimators import LayerInformation
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.representations.distortion import rate_distortion
from ibjax.representations.information import (
    code_information,
    code_information_bounds,
)
from ibjax.representations.variational import Variational, predict_each
from ibjax.training.trainable import Variable

__all__ = ["code_bounds", "code_mixture", "layer_of_code"]

# One key for each: what one draws tells nothing of what another draws.
_BOUNDS, _MIXTURE = 100, 101
_ROWS_AT_ONCE = 1000
_VALUES = (
    "rate",
    "rate_error",
    "distortion",
    "distortion_error",
    "error_one_draw",
    "error_one_draw_std",
    "error",
)


def code_bounds(
    model: Variational, *, num_draws: int = 12, most_rows: int = 10_000
) -> Probe:
    r"""What the code of a classifier costs and tells, on training and on test rows.

    For each split, ``train_`` and ``test_``: ``rate``, an upper bound on I(X;Z), and
    ``distortion`` in nats, with one draw of every code, and their standard errors over
    rows, ``rate_error`` and ``distortion_error``; ``error_one_draw``, the share of
    inputs whose class one draw misses, the mean of several draws, and
    ``error_one_draw_std``, its standard deviation over draws of all rows: the noise of
    the code, where seeds are that of training; ``error``, that of the mean of the
    draws' probabilities. As the estimator ``variational`` it returns the rate and H(Y)
    less the distortion, a lower bound on I(Z;Y), of the test rows, for the layer of the
    code; other layers are NaN. H(Y) is that of the test rows.

    With a prior for every class there is ``residual`` in place of ``rate``, a bound on
    I(X;Z|Y), and I(X;Z) is at most H(Y) more.

    Args:
      model: The network, whose output is logits.
      num_draws: Draws that ``error`` is of; Alemi et al. take 12.
      most_rows: Rows of each split to measure on at most, the first ones in the
        network's order.

    Returns:
      The probe.

    Raises:
      ValueError: If a number is not positive, or the model's output is no logits.

    Example:
      >>> from ibjax import networks
      >>> from ibjax.representations import variational
      >>> encoder = networks.mlp([12, 4], output="linear")
      >>> model = variational(encoder, networks.mlp([2, 2]), dim=2)
      >>> code_bounds(model).labels
      {'variational': 'rate and H(Y) less the distortion of the code'}
    """
    checks.instance("model", model, Variational)
    checks.count("num_draws", num_draws)
    checks.count("most_rows", most_rows)
    checks.one_of("the model's output", model.network.output, ["softmax"])
    of_classes = model.prior.needs_targets
    cost = "residual" if of_classes else "rate"
    bound = "residual and H(Y)," if of_classes else "rate"

    def measure(snapshot):
        key = jax.random.fold_in(snapshot.key, _BOUNDS)
        num_train, num_test = snapshot.num_train, snapshot.num_test
        found = {}
        for number, (split, start, size) in enumerate(
            (("train", 0, num_train), ("test", num_train, num_test))
        ):
            rows = snapshot.rows[start : start + min(size, most_rows)]
            values = _of_rows(
                jax.random.fold_in(key, number), snapshot, rows, model, num_draws
            )
            for name in ("rate", "rate_error"):
                values[name.replace("rate", cost)] = values.pop(name)
            found |= {f"{split}_{name}": value for name, value in values.items()}
        h_y = _entropy_of_rows(snapshot, num_train, min(num_test, most_rows))
        i_xt = found[f"test_{cost}"] + (h_y if of_classes else 0.0)
        found["variational"] = layer_of_code(
            model, i_xt, h_y - found["test_distortion"]
        )
        return found

    split_variables = {
        f"{split}_{name}": Variable((), units, f"{words} of {split} rows")
        for split in ("train", "test")
        for name, units, words in (
            (cost, "nats", f"{cost} of the code"),
            (f"{cost}_error", "nats", f"standard error of the {cost} of the code"),
            ("distortion", "nats", "distortion of the code"),
            ("distortion_error", "nats", "standard error of the distortion"),
            ("error_one_draw", "1", "share of wrong classes, one draw of the code,"),
            (
                "error_one_draw_std",
                "1",
                "standard deviation over draws of the share of wrong classes",
            ),
            ("error", "1", f"share of wrong classes, mean of {num_draws} draws,"),
        )
    }
    return Probe(
        measure,
        {"variational": f"{bound} and H(Y) less the distortion of the code"},
        {"code_bounds": {"draws": num_draws, "rows": most_rows, "errors": True}},
        split_variables,
    )


def code_mixture(
    model: Variational, *, num_samples: int = 2000, last_only: bool = True
) -> Probe:
    """I(X;Z) and I(Z;Y) of the code without a prior, as the estimator ``mixture``.

    See :func:`ibjax.representations.code_information`; the first measured inputs are
    taken. Standard errors are ``mixture_i_xt_error`` and ``mixture_i_ty_error``. Of the
    same inputs and without a draw are the estimators ``kernel_lower`` and
    ``kernel_upper``, see :func:`ibjax.representations.code_information_bounds`.

    Args:
      model: The network.
      num_samples: Inputs to take; all pairs are held against each other.
      last_only: Whether to measure at the last snapshot only.

    Returns:
      The probe.

    Raises:
      ValueError: If ``num_samples`` is not positive.

    Example:
      >>> from ibjax import networks
      >>> from ibjax.representations import variational
      >>> encoder = networks.mlp([12, 4], output="linear")
      >>> model = variational(encoder, networks.mlp([2, 2]), dim=2)
      >>> list(code_mixture(model).labels)
      ['mixture', 'kernel_lower', 'kernel_upper']
    """
    checks.instance("model", model, Variational)
    checks.count("num_samples", num_samples)
    checks.flag("last_only", last_only)

    def measure(snapshot):
        task = snapshot.measured
        codes = model.encode(snapshot.params, task.x[:num_samples])
        labels, num_classes = task.labels[:num_samples], task.num_classes
        key = jax.random.fold_in(snapshot.key, _MIXTURE)
        found = code_information(key, codes, labels, num_classes=num_classes)
        bounds = code_information_bounds(codes, labels, num_classes=num_classes)
        return {
            "mixture": layer_of_code(model, found.i_xz, found.i_zy),
            "kernel_lower": layer_of_code(model, bounds.i_xz_lower, bounds.i_zy_lower),
            "kernel_upper": layer_of_code(model, bounds.i_xz_upper, bounds.i_zy_upper),
            "mixture_i_xt_error": found.i_xz_error,
            "mixture_i_ty_error": found.i_zy_error,
        }

    return Probe(
        measure,
        {
            "mixture": f"codes as a mixture of {num_samples} Gaussians",
            "kernel_lower": f"Bhattacharyya distances of {num_samples} Gaussians",
            "kernel_upper": f"KL distances of {num_samples} Gaussians",
        },
        {"code_mixture": num_samples, "kernel_bounds": True},
        {
            f"mixture_{name}_error": Variable((), "nats", f"standard error of {words}")
            for name, words in (("i_xt", "I(X;Z)"), ("i_ty", "I(Z;Y)"))
        },
        last_only=last_only,
        usually_last=True,
    )


def _of_rows(key, snapshot: Snapshot, rows, model, num_draws):
    """Means over rows and their standard errors, a part of the rows at a time."""
    size = min(_ROWS_AT_ONCE, len(rows))
    if not size:
        return dict.fromkeys(_VALUES, jnp.float32(jnp.nan))
    num_parts = -(-len(rows) // size)
    places = jnp.arange(num_parts * size).reshape(num_parts, size)

    def one_part(part):
        number, places = part
        weights = (places < len(rows)).astype(jnp.float32)
        batch = snapshot.task.batch(rows[jnp.minimum(places, len(rows) - 1)], weights)
        key_bounds, key_draws = jax.random.split(jax.random.fold_in(key, number))
        bounds = rate_distortion(key_bounds, snapshot.params, batch, model=model)
        found = predict_each(
            key_draws, snapshot.params, batch.x, model=model, num_samples=num_draws
        )
        label = jnp.argmax(batch.targets, axis=1)
        wrong = jnp.argmax(found.probabilities, axis=1) != label
        wrong_once = found.classes != label[None]
        each = jnp.stack([bounds.rates, bounds.distortions, wrong])
        each = jnp.concatenate([each, wrong_once.astype(each.dtype)])
        mean = each @ weights / jnp.sum(weights)
        squares = (each - mean[:, None]) ** 2 @ weights
        return jnp.sum(weights), mean, squares

    sizes, means, squares = lax.map(one_part, (jnp.arange(num_parts), places))
    mean = sizes @ means / len(rows)
    # Within parts and between them: of sums of squares little would be left.
    squares = jnp.sum(squares, axis=0) + sizes @ (means - mean[None]) ** 2
    errors = jnp.sqrt(squares / max(len(rows) - 1, 1) / len(rows))
    once = mean[3:]
    spread = jnp.std(once, ddof=1) if num_draws > 1 else jnp.nan
    found = (mean[0], errors[0], mean[1], errors[1], jnp.mean(once), spread, mean[2])
    return {n: jnp.asarray(v, jnp.float32) for n, v in zip(_VALUES, found, strict=True)}


def _entropy_of_rows(snapshot: Snapshot, start: int, size: int) -> jax.Array:
    rows = snapshot.rows[start : start + size]
    p = jnp.mean(snapshot.task.batch(rows).targets, axis=0)
    return -jnp.sum(jax.scipy.special.xlogy(p, p))


def layer_of_code(
    model: Variational, i_xt: jax.Array, i_ty: jax.Array
) -> LayerInformation:
    """Information of the code, NaN for all other layers.

    Args:
      model: The network.
      i_xt: I(X;Z) in nats, shape ``[]``.
      i_ty: I(Z;Y) in nats, shape ``[]``.

    Returns:
      Both, ``[num_layers]`` each.

    Example:
      >>> from ibjax import networks
      >>> from ibjax.representations import variational
      >>> encoder = networks.mlp([12, 4], output="linear")
      >>> model = variational(encoder, networks.mlp([2, 2]), dim=2)
      >>> print(layer_of_code(model, jnp.float32(2), jnp.float32(1)).i_xt)
      [nan  2. nan]
    """
    names = model.network.layer_names
    is_code = jnp.array([name == f"code {model.dim}" for name in names])
    return LayerInformation(
        jnp.where(is_code, i_xt, jnp.nan), jnp.where(is_code, i_ty, jnp.nan)
    )
