"""Taggers: tables of the bottleneck's solver, rates by brute force, Gaussians."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax import TrainConfig, bottleneck, datasets, networks, probes, sweep
from ibjax import representations as rep
from ibjax.networks.network import NetworkState

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
NUM_TYPES, NUM_CONTEXTS, NUM_TAGS, NUM_Y = 3, 2, 4, 3
NUM_X = NUM_TYPES * NUM_CONTEXTS
# Every type in every context, one-hot.
TYPES, CONTEXTS = np.divmod(np.arange(NUM_X), NUM_CONTEXTS)
X = np.concatenate([np.eye(NUM_TYPES)[TYPES], np.eye(NUM_CONTEXTS)[CONTEXTS]], axis=1)
P_Y = RNG.dirichlet(np.full(NUM_Y, 0.3), NUM_X).astype(np.float32)
TASK = datasets.make_task(X, p_y_given_x=P_Y, train_rows=np.arange(NUM_X))
BATCH = TASK.batch(jnp.arange(NUM_X))


def _discrete(num_inputs=X.shape[1], type_width=NUM_TYPES, num_y=NUM_Y):
    return rep.discrete_tagger(
        networks.mlp([num_inputs, NUM_TAGS], output="linear"),
        networks.mlp([NUM_TAGS, num_y]),
        networks.mlp([type_width, NUM_TAGS], output="linear"),
        type_width=type_width,
    )


def _continuous(**options):
    return rep.continuous_tagger(
        networks.mlp([X.shape[1], 4], output="linear"),
        networks.mlp([2, NUM_Y]),
        networks.mlp([NUM_TYPES, 4], output="linear"),
        **({"dim": 2, "type_width": NUM_TYPES} | options),
    )


DISCRETE, CONTINUOUS = _discrete(), _continuous()


def _information(p):
    p = np.asarray(p, np.float64)
    independent = p.sum(0, keepdims=True) * p.sum(1, keepdims=True)
    return np.sum(p[p > 0] * np.log(p[p > 0] / independent[p > 0]))


def _exact_params():
    """A tagger whose marginal, types and decoder are those of its own table."""
    params = DISCRETE.network.init(KEY)
    params = params._replace(encoder=jax.tree.map(lambda w: 3 * w, params.encoder))
    p = np.exp(np.asarray(DISCRETE.encode(params, X), np.float64))
    of_type = np.stack([p[TYPES == n].mean(0) for n in range(NUM_TYPES)])
    of_label = p.T @ P_Y / p.sum(0)[:, None]
    layer = [
        (jnp.asarray(np.log(table).T, jnp.float32), jnp.zeros(table.shape[1]))
        for table in (of_type, of_label)
    ]
    return p, params._replace(
        prior=jnp.asarray(np.log(p.mean(0)), jnp.float32),
        type_encoder=(layer[0],),
        decoder=(layer[1],),
    )


def test_trained_tags_are_the_solution_of_the_table():
    num_epochs, prices = 3000, (0.1, 0.3, 0.6)
    task = datasets.make_task(
        np.eye(NUM_X), p_y_given_x=P_Y, train_rows=np.arange(NUM_X)
    )
    model = _discrete(NUM_X, NUM_X)
    rate = optax.cosine_decay_schedule(0.1, num_epochs)
    dataset = sweep(
        KEY,
        task,
        model.network,
        TrainConfig(optimizer=optax.adam(rate), batch_size=None),
        objective=rep.tag_bottleneck(model),
        vary={"beta": prices},
        num_seeds=1,
        snapshots=[num_epochs],
        probes=[probes.objective_terms],
    )
    h_y = float(task.h_y)
    found = dataset.isel(epoch=-1, seed=0)
    for number, beta in enumerate(prices):
        solved = bottleneck.blahut_arimoto(jnp.asarray(P_Y / NUM_X), 1 / beta)
        objective = float(solved.objective) * beta + h_y
        one = found.isel(beta=number)
        # A thousandth of a nat.
        np.testing.assert_allclose(one.objective, objective, atol=1e-3)
        np.testing.assert_allclose(one.rate, solved.i_xt, atol=1e-3)
        np.testing.assert_allclose(h_y - one.distortion, solved.i_ty, atol=1e-3)
    # Not one point: a price has all the table tells, some of it, and nothing.
    rates = found.rate.values
    assert rates[0] > rates[1] + 0.1 and rates[1] > 0.5 and rates[2] < 1e-3


def test_rates_with_the_best_marginals_are_the_informations_of_the_table():
    p, params = _exact_params()
    found = rep.tag_terms(KEY, params, BATCH, model=DISCRETE)
    given_type = [_information(p[TYPES == n] / NUM_CONTEXTS) for n in range(NUM_TYPES)]
    told = _information(p.T @ P_Y / NUM_X)
    h_y = _information(np.diag(P_Y.mean(0)))
    # Sums of 24 terms of order one in float32.
    np.testing.assert_allclose(found.rate, _information(p / NUM_X), atol=3e-6)
    np.testing.assert_allclose(found.type_rate, np.mean(given_type), atol=3e-6)
    np.testing.assert_allclose(found.distortion, h_y - told, atol=3e-6)
    # Any other marginal, and any other encoder of types, costs more.
    for name in ("prior", "type_encoder"):
        other = params._replace(
            **{
                name: jax.tree.map(
                    lambda leaf: leaf + X[0, 0] * 0.3 * leaf**2, getattr(params, name)
                )
            }
        )
        more = rep.tag_terms(KEY, other, BATCH, model=DISCRETE)
        rate = "rate" if name == "prior" else "type_rate"
        assert getattr(more, rate) > getattr(found, rate) + 1e-4


def test_relaxed_draws_become_those_of_the_tags():
    _, params = _exact_params()
    num = 4000
    keys = jax.random.split(KEY, num)
    drawn = jax.vmap(
        lambda key: (
            rep.tag_terms(
                key, params, BATCH, model=DISCRETE, temperature=1e-3
            ).distortion
        )
    )(keys)
    exact = rep.tag_terms(KEY, params, BATCH, model=DISCRETE).distortion
    # Five standard errors of the mean.
    error = 5 * float(jnp.std(drawn)) / np.sqrt(num)
    assert error < 0.05
    np.testing.assert_allclose(jnp.mean(drawn), exact, atol=error)


@pytest.mark.parametrize("model", [DISCRETE, CONTINUOUS], ids=["discrete", "gaussian"])
def test_prices_weigh_the_terms_and_bounds_follow_without_them(model):
    params = model.network.init(KEY)
    objective = rep.tag_bottleneck(model)

    @jax.jit
    def found(params, beta, gamma):
        return jax.value_and_grad(objective, has_aux=True)(
            params, BATCH, KEY, beta=beta, gamma=gamma, epoch=0
        )

    (loss, terms), paid = found(params, 0.3, 0.7)
    expected = terms["distortion"] + 0.3 * terms["rate"] + 0.7 * terms["type_rate"]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    _, free = found(params, 0.0, 0.0)
    # The bounds' own parameters move alike whatever is paid; the encoder does not.
    for name in ("prior", "type_encoder"):
        for a, b in zip(
            *map(jax.tree.leaves, (getattr(paid, name), getattr(free, name))),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
            assert float(jnp.max(jnp.abs(a))) > 1e-3
    w_paid, w_free = paid.encoder[0][0], free.encoder[0][0]
    assert float(jnp.max(jnp.abs(w_paid - w_free))) > 1e-3


def test_soft_tags_are_paid_for_at_first():
    p, params = _exact_params()
    soft = rep.tag_bottleneck(DISCRETE, softness=0.4, soft_epochs=8)
    hard = rep.tag_bottleneck(DISCRETE)
    values = jax.jit(
        lambda epoch: [
            objective(params, BATCH, KEY, epoch=epoch)[0] for objective in (soft, hard)
        ]
    )
    entropy = -np.mean(np.sum(p * np.log(p), axis=1))
    for epoch, price in ((0, 0.4), (2, 0.3), (8, 0.0), (20, 0.0)):
        paid, free = values(epoch)
        np.testing.assert_allclose(free - paid, price * entropy, atol=3e-6)


def test_gaussian_tags_have_the_rates_of_gaussians():
    params = CONTINUOUS.network.init(KEY)
    tags = CONTINUOUS.encode(params, X)
    of_type = CONTINUOUS.encode_type(params, X)
    mean, log_std = params.prior
    rates = {
        "rate": CONTINUOUS.rate(params, tags),
        "type_rate": CONTINUOUS.type_rate(params, tags, X),
    }
    for name, (m, s) in {
        "rate": (mean[None], np.exp(log_std)[None]),
        "type_rate": of_type,
    }.items():
        m1, s1, m, s = (np.asarray(a, np.float64) for a in (*tags, m, s))
        divergence = np.log(s / s1) + (s1**2 + (m1 - m) ** 2) / (2 * s**2) - 0.5
        np.testing.assert_allclose(rates[name], divergence.sum(1), rtol=1e-5)
    # A type is the same in both contexts, a token is not.
    np.testing.assert_array_equal(of_type.mean[0], of_type.mean[1])
    assert np.abs(tags.mean[0] - tags.mean[1]).max() > 1e-2


def test_a_tag_is_drawn_with_a_key_and_the_likeliest_without():
    _, params = _exact_params()
    x = jnp.repeat(jnp.asarray(X[:1]), 2000, axis=0)
    *_, logits, tag, _ = DISCRETE.network.activations(params, x)
    assert (jnp.argmax(tag, axis=1) == jnp.argmax(logits, axis=1)).all()
    *_, drawn, _ = DISCRETE.network.activations(params, x, key=KEY)
    p = np.exp(DISCRETE.encode(params, x[:1])[0])
    np.testing.assert_array_equal(drawn.sum(1), 1)
    # Five standard errors of a share.
    np.testing.assert_allclose(drawn.mean(0), p, atol=5 * np.sqrt(0.25 / len(x)))


def _taggers(**changed):
    parts = {
        "encoder": networks.mlp([5, 4], output="linear"),
        "decoder": networks.mlp([4, 3]),
        "type_encoder": networks.mlp([3, 4], output="linear"),
        "type_width": 3,
    }
    return rep.discrete_tagger(**(parts | changed))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: _taggers(encoder=networks.mlp([5, 4])), "encoder must have a linear"),
        (
            lambda: _taggers(type_encoder=networks.mlp([3, 5], output="linear")),
            "type_encoder must have a linear output of 4 units, got 5",
        ),
        (lambda: _taggers(decoder=networks.mlp([5, 3])), "decoder must take 4"),
        (lambda: _taggers(type_width=2), "type_encoder must take 2 numbers"),
        (lambda: _taggers(type_width=0), "type_width must be a whole number"),
        (
            lambda: _taggers(
                decoder=networks.mlp([4, 3])._replace(
                    state=NetworkState(None, None, None)
                )
            ),
            "decoder must be without statistics",
        ),
        (lambda: _continuous(dim=3), "encoder must have a linear output of 6 units"),
        (lambda: rep.tag_bottleneck(DISCRETE, beta=-1.0), "beta must be one number"),
        (lambda: rep.tag_bottleneck(DISCRETE, gamma=np.inf), "gamma must be one"),
        (lambda: rep.tag_bottleneck(DISCRETE, temperature=0.0), "temperature must be"),
        (
            lambda: rep.tag_bottleneck(CONTINUOUS, temperature=1.0),
            "temperature must be None for continuous tags",
        ),
        (lambda: rep.tag_bottleneck(DISCRETE, soft_epochs=0), "soft_epochs must be"),
        (
            lambda: rep.tag_bottleneck(CONTINUOUS, softness=0.1),
            "softness must be 0 for continuous tags, got 0.1",
        ),
        (
            lambda: rep.tag_terms(
                KEY,
                jax.eval_shape(_discrete(num_y=2).network.init, KEY),
                BATCH,
                model=_discrete(num_y=2),
            ),
            r"the decoder's output must have shape \[4, 3\] to match the classes",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
