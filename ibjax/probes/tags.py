"""What tags cost and tell, and which properties of tokens they hold, at a snapshot."""

from collections.abc import Mapping
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.estimators import LayerInformation
from ibjax.numerics import checks
from ibjax.numerics.digests import array_digest
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.representations.agreement import v_measure
from ibjax.representations.tag_objectives import tag_terms
from ibjax.representations.tags import Tagger
from ibjax.training.trainable import Variable

__all__ = ["tag_bounds"]

# What one draws here tells nothing of what other probes draw.
_TAGS = 102
_ROWS_AT_ONCE = 1000
# Of the mean square of a regressor: what keeps a tag that never occurs from counting.
_RIDGE = 1e-4
_MOST_CLASSES = 10_000
_NOTHING: Mapping[str, ArrayLike] = MappingProxyType({})


def tag_bounds(
    model: Tagger,
    *,
    properties: Mapping[str, ArrayLike] = _NOTHING,
    num_draws: int = 12,
    most_rows: int = 50_000,
) -> Probe:
    r"""What tags cost and tell, on tokens to train and to test on.

    For each split, ``train_`` and ``test_``: ``rate`` and ``type_rate``, upper bounds
    on I(X;T) and I(T;X|type), ``distortion``, all in nats; ``error_one_draw``, how
    often one draw of the tag misses the label, and ``error``, how often the mean of the
    probabilities over tags does. Both are exact for discrete tags, and of several draws
    for continuous ones. The mean tells more than a tag: it depends on all of p(t|x).

    As the estimator ``variational`` it returns the rate and H(Y) less the distortion, a
    lower bound on I(T;Y), of the test rows, for the layer of the tag; others are NaN.

    Of discrete tags it also returns ``test_i_xt`` and ``test_num_tags``: I(X;T) of the
    test rows with their own marginal, for rows that are all distinct, and the effective
    number of tags, the exponential of the entropy of that marginal.

    For every property, such as a part of speech: ``NAME_error``, the share of test rows
    that a linear classifier misses which sees one draw of each tag, fitted by least
    squares to one draw for every row to train on; and for discrete tags
    ``NAME_v_measure``, ``NAME_homogeneity`` and ``NAME_completeness`` of the test rows,
    of the expected table of classes and drawn tags.

    Args:
      model: The tagger, whose output is logits.
      properties: Class of every row of the task by name, ``[num_samples]``, integers
        from 0 on. They are not trained on.
      num_draws: Draws that the errors of continuous tags are of.
      most_rows: Rows of each split to measure on at most, the first ones in the
        network's order.

    Returns:
      The probe.

    Raises:
      ValueError: If a number is out of range, a property no row of classes, the
        model's output is no logits, or (when called) the task has no rows to test on or
        other than the properties.
      TypeError: If a property is no integers.

    Example:
      >>> from ibjax import networks
      >>> from ibjax.representations import discrete_tagger
      >>> model = discrete_tagger(
      ...     networks.mlp([12, 4], output="linear"),
      ...     networks.mlp([4, 2]),
      ...     networks.mlp([3, 4], output="linear"),
      ...     type_width=3,
      ... )
      >>> tag_bounds(model).labels
      {'variational': 'rate and H(Y) less the distortion of the tag'}
    """
    checks.instance("model", model, Tagger)
    checks.count("num_draws", num_draws)
    checks.count("most_rows", most_rows)
    checks.one_of("the model's output", model.network.output, ["softmax"])
    known = _check_properties(properties)
    num_draws = 1 if model.discrete else num_draws

    def measure(snapshot):
        key = jax.random.fold_in(snapshot.key, _TAGS)
        num_train, num_test = snapshot.num_train, snapshot.num_test
        if not num_test:
            raise ValueError("task must have rows to test on, got none")
        for name, values in known.items():
            full = f"properties[{name!r}]"
            num_samples = snapshot.task.num_samples
            checks.shape(full, values, (num_samples,), why="to match the task")
        found, sums = {}, {}
        for number, (split, start, size) in enumerate(
            (("train", 0, num_train), ("test", num_train, num_test))
        ):
            rows = snapshot.rows[start : start + min(size, most_rows)]
            sums[split] = _sums(
                jax.random.fold_in(key, number), snapshot, rows, model, known, num_draws
            )
            found |= {
                f"{split}_{name}": total / len(rows)
                for name, total in sums[split]["terms"].items()
            }
        test = sums["test"]
        num_rows = min(num_test, most_rows)
        h_y = _entropy(test["labels"] / num_rows)
        found["variational"] = _layer_of_tag(
            model, found["test_rate"], h_y - found["test_distortion"]
        )
        if model.discrete:
            h_t = _entropy(test["marginal"] / num_rows)
            found["test_i_xt"] = h_t - test["entropy"] / num_rows
            found["test_num_tags"] = jnp.exp(h_t)
        for name in known:
            weights = _least_squares(
                sums["train"]["gram"], sums["train"][f"{name}_of_draws"]
            )
            rows = snapshot.rows[num_train : num_train + num_rows]
            found[f"{name}_error"] = _linear_error(
                jax.random.fold_in(key, 1), snapshot, rows, model, known[name], weights
            )
            if model.discrete:
                agreement = v_measure(test[f"{name}_of_tags"])
                found |= {
                    f"{name}_v_measure": agreement.value,
                    f"{name}_homogeneity": agreement.homogeneity,
                    f"{name}_completeness": agreement.completeness,
                }
        return found

    # None are told as they always were.
    digests = {name: array_digest(own.astype(np.int32)) for name, own in known.items()}
    return Probe(
        measure,
        {"variational": "rate and H(Y) less the distortion of the tag"},
        {
            "tag_bounds": {
                "draws": num_draws,
                "rows": most_rows,
                "properties": digests or [],
            }
        },
        _variables(model, known, num_draws),
    )


def _sums(key, snapshot: Snapshot, rows, model, properties, num_draws):
    """Sums over rows, a part of them at a time."""
    classes = {name: int(values.max()) + 1 for name, values in properties.items()}

    def one_part(key, batch, chosen):
        key_terms, key_error, key_draw = jax.random.split(key, 3)
        params, weights = snapshot.params, batch.weights
        terms = tag_terms(key_terms, params, batch, model=model)
        label = jnp.argmax(batch.targets, axis=1)
        mean, missed = _predicted(key_error, params, batch.x, model, num_draws, label)
        wrong = jnp.argmax(mean, axis=1) != label
        size = jnp.sum(weights)
        own = {name: value * size for name, value in terms._asdict().items()}
        own["error_one_draw"] = jnp.sum(missed * weights)
        own["error"] = jnp.sum(wrong * weights)
        found = {"terms": own, "labels": batch.targets.T @ weights}
        tags = model.encode(params, batch.x)
        drawn = _with_one(_draw(key_draw, tags, model)) * weights[:, None]
        if model.discrete:
            p = jnp.exp(tags) * weights[:, None]
            found["marginal"] = jnp.sum(p, axis=0)
            found["entropy"] = -jnp.sum(p * tags)
        if properties:
            found["gram"] = drawn.T @ drawn
        for name, number in classes.items():
            one_hot = jax.nn.one_hot(jnp.asarray(properties[name])[chosen], number)
            found[f"{name}_of_draws"] = drawn.T @ one_hot
            if model.discrete:
                found[f"{name}_of_tags"] = one_hot.T @ p
        return found

    return _over_parts(key, snapshot, rows, one_part)


def _linear_error(key, snapshot: Snapshot, rows, model, values, weights):
    """Share of rows whose class a linear classifier of drawn tags misses."""

    def one_part(key, batch, chosen):
        # The draw of the sums' part: each tag is drawn once.
        key_draw = jax.random.split(key, 3)[2]
        tags = model.encode(snapshot.params, batch.x)
        scores = _with_one(_draw(key_draw, tags, model)) @ weights
        wrong = jnp.argmax(scores, axis=1) != jnp.asarray(values)[chosen]
        return jnp.sum(wrong * batch.weights)

    return _over_parts(key, snapshot, rows, one_part) / len(rows)


def _over_parts(key, snapshot: Snapshot, rows, one_part):
    size = min(_ROWS_AT_ONCE, len(rows))
    num_parts = -(-len(rows) // size)
    places = jnp.arange(num_parts * size).reshape(num_parts, size)

    def part(numbered):
        number, places = numbered
        weights = (places < len(rows)).astype(jnp.float32)
        chosen = rows[jnp.minimum(places, len(rows) - 1)]
        batch = snapshot.task.batch(chosen, weights)
        return one_part(jax.random.fold_in(key, number), batch, chosen)

    parts = lax.map(part, (jnp.arange(num_parts), places))
    return jax.tree.map(lambda values: jnp.sum(values, axis=0), parts)


def _predicted(key, params, x, model, num_draws, label):
    """Mean probabilities of the classes, and how often one tag misses the label."""
    tags = model.encode(params, x)

    if model.discrete:
        every = jnp.eye(model.dim, dtype=tags.dtype)
        q = jax.nn.softmax(model.decode(params, every), axis=1)
        hits = jnp.argmax(q, axis=1)[None] == label[:, None]
        return jnp.exp(tags) @ q, 1 - jnp.sum(jnp.exp(tags) * hits, axis=1)

    def one_draw(key):
        return jax.nn.softmax(model.decode(params, tags.sample(key)), axis=1)

    def add(sums, key):
        p = one_draw(key)
        return jax.tree.map(jnp.add, sums, (p, jnp.argmax(p, axis=1) != label)), None

    zeros = jnp.zeros(jax.eval_shape(one_draw, key).shape), jnp.zeros(len(x))
    sums, _ = lax.scan(add, zeros, jax.random.split(key, num_draws))
    return jax.tree.map(lambda total: total / num_draws, sums)


def _draw(key, tags, model):
    """One draw of every tag, one-hot where it is one of a few."""
    if not model.discrete:
        return tags.sample(key)
    return jax.nn.one_hot(jax.random.categorical(key, tags, axis=1), model.dim)


def _with_one(features):
    return jnp.concatenate([features, jnp.ones((len(features), 1))], axis=1)


def _least_squares(gram, of_classes):
    """Weights ``[num_features, num_classes]``, with a small penalty."""
    penalty = _RIDGE * jnp.trace(gram) / len(gram)
    factor = jax.scipy.linalg.cho_factor(gram + penalty * jnp.eye(len(gram)))
    return jax.scipy.linalg.cho_solve(factor, of_classes)


def _entropy(p):
    return -jnp.sum(jax.scipy.special.xlogy(p, p))


def _layer_of_tag(model, i_xt, i_ty) -> LayerInformation:
    names = model.network.layer_names
    is_tag = jnp.array([name == f"tag {model.dim}" for name in names])
    return LayerInformation(
        jnp.where(is_tag, i_xt, jnp.nan), jnp.where(is_tag, i_ty, jnp.nan)
    )


def _check_properties(properties) -> dict[str, np.ndarray]:
    checks.instance("properties", properties, Mapping)
    known = {}
    for name, values in properties.items():
        checks.instance("each name of properties", name, str)
        full = f"properties[{name!r}]"
        values = checks.integers(full, checks.array(full, values, np.array))
        checks.shape(full, values, ("num_samples",))
        checks.indices(full, values, _MOST_CLASSES)
        known[name] = np.asarray(values)
    checks.same_length(**known)
    return known


def _variables(model, properties, num_draws) -> dict[str, Variable]:
    averaged = "all tags" if model.discrete else f"{num_draws} draws"
    found = {
        f"{split}_{name}": Variable((), units, f"{words} of {split} rows")
        for split in ("train", "test")
        for name, units, words in (
            ("rate", "nats", "rate of the tag"),
            ("type_rate", "nats", "rate of the tag given the type"),
            ("distortion", "nats", "distortion of the tag"),
            ("error_one_draw", "1", "share of wrong classes, by one tag,"),
            ("error", "1", f"share of wrong classes, mean over {averaged},"),
        )
    }
    if model.discrete:
        found["test_i_xt"] = Variable((), "nats", "I(X;T) with its own marginal")
        found["test_num_tags"] = Variable((), "1", "effective number of tags")
    for name in properties:
        found[f"{name}_error"] = Variable((), "1", f"share of wrong {name} of one draw")
        if model.discrete:
            for score in ("v_measure", "homogeneity", "completeness"):
                words = score.replace("_", "-")
                found[f"{name}_{score}"] = Variable((), "1", f"{words} of {name}")
    return found
