"""Flax modules as networks: state, named layers, kernels, against flax's own calls."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

from ibjax import TrainConfig, datasets, training
from ibjax.experiments.word_information.networks import SentenceNetwork
from ibjax.networks import from_flax
from tests.networks.compiled import compiled

X = np.random.default_rng(0).normal(size=(7, 12)).astype(np.float32)
LABELS = np.array([0, 1, 1, 0, 1, 0, 1])
CONFIG = TrainConfig(
    learning_rate=0.1, optimizer="sgd", batch_size=3, train_fraction=1.0
)


class Block(linen.Module):
    @linen.compact
    def __call__(self, x, training):
        x = linen.BatchNorm(use_running_average=not training, momentum=0.8)(x)
        x = linen.Dropout(0.3, deterministic=not training)(x)
        return linen.Dense(3)(jnp.tanh(x))


class _Linen(linen.Module):
    @linen.compact
    def __call__(self, x, training):
        x = Block()(linen.Dense(4)(x), training)
        self.sow("intermediates", "bent", jnp.tanh(x))
        return linen.Dense(2)(jnp.tanh(x))


class _Twice(linen.Module):
    @linen.compact
    def __call__(self, x):
        dense = linen.Dense(12, name="shared")
        return linen.Dense(2)(dense(dense(x)))


class _Nnx(nnx.Module):
    def __init__(self, rngs):
        self.linear = nnx.Linear(12, 4, rngs=rngs)
        self.norm = nnx.BatchNorm(4, momentum=0.8, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.head = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return self.head(jnp.tanh(self.dropout(self.norm(self.linear(x)))))


class _Attending(nnx.Module):
    def __init__(self, rngs):
        self.attention = nnx.MultiHeadAttention(
            num_heads=2, in_features=4, decode=False, rngs=rngs
        )
        self.linear = nnx.Linear(4, 4, use_bias=False, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)

    def __call__(self, t):
        t = t + self.dropout(self.attention(t))
        self.sow(nnx.Intermediate, "bent", jnp.tanh(t))
        return self.linear(jnp.tanh(t))


class _Transformer(nnx.Module):
    """Two blocks of attention over three tokens of four features."""

    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.blocks = nnx.List([_Attending(rngs) for _ in range(2)])
        self.head = nnx.Linear(12, 2, rngs=rngs)

    def __call__(self, x):
        t = self.norm(x.reshape(len(x), 3, 4))
        for block in self.blocks:
            t = block(t)
        return self.head(t.reshape(len(x), -1))


@pytest.fixture(autouse=True)
def promotion():
    """Flax adds biases of fewer axes; what it gives is not to be rounded."""
    with jax.numpy_rank_promotion("allow"), jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="module")
def task():
    return datasets.make_task(X, LABELS)


def _batches(key, task, num_epochs):
    """Rows of every batch of a training, and the key of its step."""
    rows = np.asarray(training.split_rows(key, task, CONFIG))
    for epoch in range(num_epochs):
        places = np.asarray(training.epoch_batches(epoch, task, CONFIG))
        for number, chosen in enumerate(places):
            step = jax.random.fold_in(training.epoch_key(key, epoch), number)
            yield rows[chosen[chosen >= 0]], step


def _cross_entropy(logits, rows):
    return optax.softmax_cross_entropy_with_integer_labels(
        logits, jnp.asarray(LABELS)[rows]
    ).mean()


def _assert_close(found, expected):
    """The same steps by another program: six of size 0.1, of sums of 12 terms."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-6)


def test_a_linen_module_trains_as_in_flaxs_own_loop(task, key):
    module = _Linen()
    network = from_flax(module, X[:1], layers=["Dense_0"], state="batch_stats")
    found = training.train(key, task, network, CONFIG, num_epochs=2)

    @jax.jit
    def step(variables, rows, key):
        def loss(params):
            logits, changed = module.apply(
                {**variables, "params": params},
                jnp.asarray(X)[rows],
                training=True,
                rngs={"dropout": jax.random.fold_in(key, 0)},
                mutable=["batch_stats"],
            )
            return _cross_entropy(logits, rows), changed

        gradient, changed = jax.grad(loss, has_aux=True)(variables["params"])
        params = jax.tree.map(lambda p, g: p - 0.1 * g, variables["params"], gradient)
        return {"params": params, **changed}

    start = network.init(jax.random.split(key)[0])
    variables = start
    for rows, draws in _batches(key, task, 2):
        variables = step(variables, jnp.asarray(rows), draws)
    _assert_close(found, variables)
    moved = jax.tree.map(lambda a, b: np.max(np.abs(a - b)), found, start)
    assert min(jax.tree.leaves(moved["batch_stats"])) > 1e-2
    # Dropout took part: another key makes another step.
    rows, draws = next(_batches(key, task, 1))
    first, other = (step(start, rows, own) for own in (draws, jax.random.key(7)))
    first, other = (found["params"]["Dense_0"]["kernel"] for found in (first, other))
    assert np.max(np.abs(first - other)) > 1e-3


def test_an_nnx_module_trains_as_in_flaxs_own_loop(task, key):
    network = from_flax(_Nnx, X[:1], layers=["norm"], state=nnx.BatchStat)
    found = training.train(key, task, network, CONFIG, num_epochs=2)
    model = _Nnx(nnx.Rngs(jax.random.split(key)[0]))
    model.train()
    optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, rows, key):
        nnx.reseed(model, default=key)
        gradient = nnx.grad(
            lambda model: _cross_entropy(model(jnp.asarray(X)[rows]), rows)
        )(model)
        optimizer.update(model, gradient)

    for rows, draws in _batches(key, task, 2):
        step(model, optimizer, jnp.asarray(rows), draws)
    trained, statistics = found
    _assert_close(
        nnx.to_pure_dict(trained), nnx.to_pure_dict(nnx.state(model, nnx.Param))
    )
    _assert_close(
        nnx.to_pure_dict(statistics), nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))
    )


@pytest.mark.parametrize(
    ("module", "state"), [(_Linen(), "batch_stats"), (_Nnx, nnx.BatchStat)]
)
def test_it_is_measured_by_its_running_averages(module, state, key):
    layer = "Block_0/BatchNorm_0" if state == "batch_stats" else "norm"
    network = from_flax(module, X[:1], layers=[layer], state=state)
    params = network.init(key)
    trainable, kept = network.split(params)
    shifted = network.merge(trainable, jax.tree.map(lambda leaf: leaf + 1.0, kept))
    plain, other = (network.activations(p, X)[0] for p in (params, shifted))
    # A mean and a variance of 0 and 1, then of 1 and 2; flax adds 1e-5 to a variance.
    expected = (plain * np.sqrt(1 + 1e-5) - 1) / np.sqrt(2 + 1e-5)
    np.testing.assert_allclose(other, expected, rtol=1e-4, atol=1e-5)
    for t, two in zip(
        *(network.activations(params, x) for x in (X, X[:2])), strict=True
    ):
        np.testing.assert_allclose(t[:2], two, rtol=1e-5, atol=1e-6)
    # In training a batch has mean zero, whatever the averages say.
    trained = network.activations(shifted, X, key=key, training=True)[0]
    np.testing.assert_allclose(np.mean(trained, axis=0), 0, atol=1e-5)


def test_undeclared_state_is_refused_by_name():
    with pytest.raises(ValueError, match="keeps collections batch_stats beside its"):
        from_flax(_Linen(), X[:1], layers=[])
    with pytest.raises(ValueError, match="variables of the types BatchStat beside its"):
        from_flax(_Nnx, X[:1], layers=[])
    with pytest.raises(
        ValueError, match="collections of the module, batch_stats; got cache"
    ):
        from_flax(_Linen(), X[:1], layers=[], state=["batch_stats", "cache"])


def test_linen_layers_by_path_and_by_what_is_sown(key):
    names = ["Block_0/BatchNorm_0", "Dense_0", "Block_0/Dense_0", "Block_0", "bent"]
    network = from_flax(_Linen(), X[:1], layers=names, state="batch_stats")
    params = network.init(key)
    found = dict(zip([*names, "output"], network.activations(params, X), strict=True))
    p = params["params"]
    first = X @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"]
    np.testing.assert_array_equal(found["Dense_0"], first)
    normed = first / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(found["Block_0/BatchNorm_0"], normed, rtol=1e-5)
    dense = p["Block_0"]["Dense_0"]
    second = np.tanh(normed) @ dense["kernel"] + dense["bias"]
    np.testing.assert_allclose(found["Block_0/Dense_0"], second, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found["Block_0"], found["Block_0/Dense_0"])
    np.testing.assert_array_equal(found["bent"], jnp.tanh(found["Block_0"]))
    output = found["bent"] @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]
    np.testing.assert_array_equal(found["output"], output)
    assert network.layer_names[:2] == ("Block_0/BatchNorm_0 (4)", "Dense_0 (4)")


def test_a_module_called_twice_has_two_layers(key):
    network = from_flax(_Twice(), X[:1], layers=["shared:1", "shared:0"])
    params = network.init(key)
    second, first, _ = network.activations(params, X)
    shared = params["params"]["shared"]
    np.testing.assert_array_equal(first, X @ shared["kernel"] + shared["bias"])
    np.testing.assert_array_equal(second, first @ shared["kernel"] + shared["bias"])


def test_unknown_layers_are_refused_with_the_names_there_are():
    match = "Block_0, Block_0/BatchNorm_0, .* Dense_1, bent; got Dense_7, Conv_0"
    with pytest.raises(ValueError, match=match):
        names = ["Dense_7", "Dense_0", "Conv_0"]
        from_flax(_Linen(), X[:1], layers=names, state="batch_stats")
    with pytest.raises(ValueError, match="dropout, head, linear, norm; got dense"):
        from_flax(_Nnx, X[:1], layers=["dense"], state=nnx.BatchStat)


TRANSFORMER_LAYERS = ["norm", "blocks.0.attention", "blocks.0.bent", "blocks.1"]


@pytest.fixture(scope="module")
def transformer():
    with jax.numpy_rank_promotion("allow"):
        return compiled(
            from_flax(
                _Transformer, X[:1], layers=TRANSFORMER_LAYERS, state=nnx.BatchStat
            )
        )


def test_nnx_layers_in_lists_by_path_and_by_what_is_sown(transformer, key):
    found = transformer.activations(transformer.init(key), X)
    model = _Transformer(nnx.Rngs(key))
    model.eval()
    normed = model.norm(X.reshape(7, 3, 4))
    attended = model.blocks[0].attention(normed)
    bent = jnp.tanh(normed + attended)
    first = model.blocks[0].linear(bent)
    last = jnp.tanh(first + model.blocks[1].attention(first))
    last = model.blocks[1].linear(last)
    expected = (normed, attended, bent, last, model.head(last.reshape(7, -1)))
    for t, truth in zip(found, expected, strict=True):
        np.testing.assert_allclose(t, truth.reshape(7, -1), rtol=1e-5, atol=1e-6)
    shapes = [layer.shape for layer in transformer.layers]
    assert shapes == [(3, 4)] * 4 + [(2,)]
    assert transformer.layer_names[1] == "blocks.0.attention (12)"


def test_weights_belong_to_the_first_layer_that_depends_on_them(transformer, key):
    params = transformer.init(key)
    norm, attention, bent, block, head = transformer.kernels(params)
    trained = nnx.to_pure_dict(params[0])
    first, second = (trained["blocks"][n] for n in (0, 1))

    def weights_of(attention):
        return [attention[name]["kernel"] for name in ("key", "out", "query", "value")]

    # A norm has none; the sum that is sown adds none to the attention's.
    assert norm == () and bent == ()
    jax.tree.map(
        np.testing.assert_array_equal, list(attention), weights_of(first["attention"])
    )
    rest = [first["linear"]["kernel"], *weights_of(second["attention"])]
    rest.append(second["linear"]["kernel"])
    assert sorted(w.shape for w in block) == sorted(w.shape for w in rest)
    for w in rest:
        assert any(np.array_equal(w, found) for found in block)
    np.testing.assert_array_equal(head, trained["head"]["kernel"])


class _Spectral(linen.Module):
    @linen.compact
    def __call__(self, x, training):
        dense = linen.Dense(4, name="unbiased")
        hidden = jnp.tanh(linen.SpectralNorm(dense)(x, update_stats=training))
        return hidden, linen.Dense(2)(hidden)


class _Unbiased(nnx.Module):
    def __init__(self, rngs):
        self.unbiased = nnx.Linear(12, 4, rngs=rngs)
        self.statistics = nnx.BatchStat(jnp.ones((4, 4)))
        self.head_bias = nnx.Param(jnp.ones((1, 2)))
        self.head = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        hidden = jnp.tanh(self.unbiased(x)) @ self.statistics[...]
        return hidden, self.head(hidden) + self.head_bias[...]


@pytest.mark.parametrize(
    "module, state, names",
    [
        (_Spectral(), "batch_stats", ["unbiased", "Dense_0"]),
        (_Unbiased, nnx.BatchStat, ["unbiased", "head"]),
    ],
)
def test_weights_are_neither_state_nor_biases_whatever_modules_are_called(
    module, state, names, key
):
    network = from_flax(module, jnp.zeros((1, 12)), state=state)
    params = network.init(key)
    trained, kept = network.split(params)
    assert any(leaf.ndim >= 2 for leaf in jax.tree.leaves(kept))
    trained = trained["params"] if state == "batch_stats" else nnx.to_pure_dict(trained)
    weights = tuple(trained[name]["kernel"] for name in names)
    jax.tree.map(np.testing.assert_array_equal, network.kernels(params), weights)


def test_dropout_draws_from_the_key_of_the_step_and_only_in_training(transformer, key):
    params = transformer.init(key)
    run = jax.jit(
        lambda seed: transformer.activations(
            params, X, key=jax.random.key(seed), training=True
        )[-1]
    )
    first, again, other = run(1), run(1), run(2)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    quiet = [
        transformer.activations(params, X, key=jax.random.key(seed)) for seed in (1, 2)
    ]
    jax.tree.map(np.testing.assert_array_equal, *quiet)
    # What was recorded leaves no trace in the classes.
    assert not hasattr(nnx.Linear.__call__, "__wrapped__")
    assert "recording" not in nnx.Linear.__call__.__qualname__


class _LinenBare(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.BatchNorm(False, use_bias=False, use_scale=False)(x)
        return (jnp.tanh(x),)


class _NnxBare(nnx.Module):
    def __init__(self, rngs):
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return (self.dropout(x),)


@pytest.mark.parametrize(
    ("module", "state"),
    [(_LinenBare(), "batch_stats"), (_NnxBare, ()), (linen.Dropout(0.5), ())],
)
def test_a_module_without_parameters_is_refused(module, state):
    with pytest.raises(ValueError, match="module must have parameters to train, got"):
        from_flax(module, X[:1], state=state)


def test_descriptions_are_the_same_in_another_run():
    network = from_flax(lambda rngs: nnx.Linear(12, 2, rngs=rngs), X[:1], layers=[])
    assert "<lambda>" in network.description and "0x" not in network.description


def test_modules_of_one_name_are_told_apart_by_what_they_compute():
    def dense(std):
        init = jax.nn.initializers.normal(std)
        return from_flax(linen.Dense(2, kernel_init=init), X[:1], layers=[])

    def made(scale):
        class Scaled(nnx.Module):
            def __init__(self, rngs):
                self.linear = nnx.Linear(12, 2, rngs=rngs)

            def __call__(self, x):
                return self.linear(scale * x)

        return from_flax(Scaled, X[:1], layers=[])

    for make in (dense, made):
        texts = [make(number).description for number in (1.0, 1.0, 2.0)]
        assert texts[0] == texts[1] != texts[2]


def test_a_module_of_this_package_is_told_by_its_words():
    module = SentenceNetwork("cnn", 5, 3, 4)
    words = re.sub(" at 0x[0-9a-f]+", "", repr(module))
    network = from_flax(module, np.zeros((1, 4), np.int32))
    assert network.description == f"{words} on [1, 4]"


def test_layers_returned_as_a_tuple_need_no_names(key):
    class Both(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Linear(12, 3, rngs=rngs)
            self.second = nnx.Linear(3, 2, rngs=rngs)

        def __call__(self, x):
            hidden = self.first(x)
            return hidden, self.second(hidden)

    by_tuple = from_flax(Both, X[:1], output="linear")
    assert by_tuple.output == "linear"
    assert by_tuple.layer_names == ("layer 1 (3)", "layer 2 (2)")
    with pytest.raises(TypeError, match="output must be an array .*, got a tuple"):
        from_flax(Both, X[:1], layers=["first"])
    with pytest.raises(ValueError, match="output must be one of softmax, linear, got"):
        from_flax(Both, X[:1], output="logits")


class _Unsettled(_Nnx):
    def __call__(self, x):
        return self.head(self.norm(self.linear(x), use_running_average=False))


def test_statistics_of_the_batch_at_hand_are_refused():
    with pytest.raises(ValueError, match="module must leave its statistics in eval"):
        from_flax(_Unsettled, X[:1], layers=["norm"], state=nnx.BatchStat)
