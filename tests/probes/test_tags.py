"""Probes of tags, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import TrainConfig, datasets, networks, probes, training
from ibjax import representations as rep
from ibjax.compilation import exact_jit
from ibjax.probes.snapshot import take_snapshot

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
NUM, NUM_TRAIN, NUM_TAGS, NUM_Y = 150, 90, 5, 3
X = RNG.normal(size=(NUM, 4)).astype(np.float32)
LABELS, SPEECH = np.arange(NUM) % NUM_Y, (X[:, 0] > 0) + 2 * (X[:, 2] > 0.5)
TASK = datasets.make_task(X, LABELS, train_rows=np.arange(NUM_TRAIN))
CONFIG = TrainConfig(batch_size=30)
PARTS = {
    "discrete": (
        networks.mlp([4, NUM_TAGS], output="linear"),
        networks.mlp([NUM_TAGS, NUM_Y]),
        networks.mlp([2, NUM_TAGS], output="linear"),
    ),
    "continuous": (
        networks.mlp([4, 6], output="linear"),
        networks.mlp([3, NUM_Y]),
        networks.mlp([2, 6], output="linear"),
    ),
}
MODELS = {
    "discrete": rep.discrete_tagger(*PARTS["discrete"], type_width=2),
    "continuous": rep.continuous_tagger(
        *PARTS["continuous"], type_width=2, dim=3, initial_std=3e-3
    ),
}


def _measured(kind):
    model = MODELS[kind]
    probe = probes.tag_bounds(model, properties={"speech": SPEECH}, num_draws=400)

    @exact_jit
    def measured(key):
        params = model.network.init(key)
        params = params._replace(encoder=jax.tree.map(lambda w: 3 * w, params.encoder))
        snapshot = take_snapshot(
            key,
            params,
            training.split_rows(key, TASK, CONFIG),
            training.measured_batches(0, TASK, CONFIG),
            TASK,
            model.network,
            CONFIG,
            objective=rep.tag_bottleneck(model),
        )
        return params, snapshot.rows, probe(snapshot)

    params, rows, found = measured(KEY)
    assert set(probe.variables) == set(found) - {"variational"}
    order = np.sort(np.asarray(rows[:NUM_TRAIN])), np.sort(np.asarray(rows[NUM_TRAIN:]))
    np.testing.assert_array_equal(order[0], np.arange(NUM_TRAIN))
    return model, params, found


def _entropy(p):
    return -np.sum(p[p > 0] * np.log(p[p > 0]))


def test_discrete_tags():
    model, params, found = _measured("discrete")
    p = np.exp(np.asarray(model.encode(params, X), np.float64))
    logits = model.decode(params, jnp.eye(NUM_TAGS))
    q = np.asarray(jax.nn.softmax(logits, axis=1), np.float64)
    hits = np.argmax(q, axis=1)[None] == LABELS[:, None]
    # Sums of 60 terms of order one in float32.
    close = {"rtol": 1e-5, "atol": 1e-5}
    for split, rows in (("train", slice(NUM_TRAIN)), ("test", slice(NUM_TRAIN, NUM))):
        terms = rep.tag_terms(
            KEY, params, TASK.batch(jnp.arange(NUM)[rows]), model=model
        )
        for name in ("rate", "type_rate", "distortion"):
            np.testing.assert_allclose(
                found[f"{split}_{name}"], getattr(terms, name), **close
            )
        one = 1 - np.mean(np.sum(p * hits, axis=1)[rows])
        np.testing.assert_allclose(found[f"{split}_error_one_draw"], one, **close)
        wrong = np.argmax(p @ q, axis=1) != LABELS
        np.testing.assert_allclose(found[f"{split}_error"], wrong[rows].mean(), **close)
    test = p[NUM_TRAIN:]
    i_xt = _entropy(test.mean(0)) - np.mean([_entropy(row) for row in test])
    np.testing.assert_allclose(found["test_i_xt"], i_xt, **close)
    np.testing.assert_allclose(
        found["test_num_tags"], np.exp(_entropy(test.mean(0))), **close
    )
    table = np.eye(4)[SPEECH[NUM_TRAIN:]].T @ test / len(test)
    of_class, of_tag = _entropy(table.sum(1)), _entropy(table.sum(0))
    information = of_class + of_tag - _entropy(table)
    h, c = information / of_class, information / of_tag
    v = 2 * h * c / (h + c)
    for name, value in (("v_measure", v), ("homogeneity", h), ("completeness", c)):
        np.testing.assert_allclose(found[f"speech_{name}"], value, **close)
    i_ty = _entropy(np.full(NUM_Y, 1 / NUM_Y)) - float(found["test_distortion"])
    place = model.network.layer_names.index(f"tag {NUM_TAGS}")
    np.testing.assert_allclose(found["variational"].i_ty[place], i_ty, **close)
    assert np.isnan(found["variational"].i_xt[0])


@pytest.mark.slow
def test_continuous_tags():
    model, params, found = _measured("continuous")
    tags = model.encode(params, X)
    rng = np.random.default_rng(1)

    def predicted(num):
        z = tags.mean[None] + tags.scale[None] * rng.normal(size=(num, NUM, 3))
        z = jnp.asarray(z.reshape(-1, 3), jnp.float32)
        p = jax.nn.softmax(model.decode(params, z), axis=1)
        return np.asarray(p).reshape(num, NUM, NUM_Y)

    p = predicted(400)
    test = slice(NUM_TRAIN, NUM)
    one = np.mean(np.argmax(p, axis=2) != LABELS[None], axis=(0,))[test]
    # Of 400 draws here and 400 there, five standard errors at most.
    error = 5 * np.sqrt(2 * np.sum(one * (1 - one)) / 400) / (NUM - NUM_TRAIN)
    np.testing.assert_allclose(
        found["test_error_one_draw"], one.mean(), atol=error + 1e-6
    )
    # Deviations are of a thousandth: draws are means but for a token near a border.
    design = np.concatenate([np.asarray(tags.mean), np.ones((NUM, 1))], axis=1)
    weights, *_ = np.linalg.lstsq(
        design[:NUM_TRAIN], np.eye(4)[SPEECH[:NUM_TRAIN]], rcond=None
    )
    wrong = np.argmax(design[test] @ weights, axis=1) != SPEECH[test]
    np.testing.assert_allclose(found["speech_error"], wrong.mean(), atol=1.5 / 60)
    assert wrong.mean() < 0.5
    assert "test_i_xt" not in found and "speech_v_measure" not in found


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"num_draws": 0}, ValueError, "num_draws must be a whole number"),
        ({"most_rows": 0}, ValueError, "most_rows must be a whole number"),
        ({"properties": {"a": X[:, 0]}}, TypeError, r"properties\['a'\] must be int"),
        ({"properties": {"a": -LABELS - 1}}, ValueError, r"properties\['a'\] must lie"),
        ({"properties": [LABELS]}, TypeError, "properties must be a Mapping"),
        (
            {"properties": {"a": LABELS, "b": LABELS[1:]}},
            ValueError,
            "a and b must have as many samples",
        ),
    ],
)
def test_bad_input(options, error, message):
    with pytest.raises(error, match=message):
        probes.tag_bounds(MODELS["discrete"], **options)
    with pytest.raises(TypeError, match="model must be a Tagger"):
        probes.tag_bounds(networks.mlp([2, 2]))
