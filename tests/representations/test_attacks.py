"""Attacks on linear predictors, whose nearest other class is known."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ibjax import networks
from ibjax import representations as r
from ibjax.compilation import full_precision

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
NUM, DIM, CLASSES = 16, 6, 3
WEIGHTS = RNG.normal(size=(CLASSES, DIM))
_MANY = RNG.uniform(0.35, 0.65, size=(100, DIM))
BIAS = -_MANY.mean(0) @ WEIGHTS.T
_ORDERED = np.sort(_MANY @ WEIGHTS.T + BIAS, axis=1)
# None so near to two classes that rounding decides, as far as the tests go.
X = _MANY[_ORDERED[:, 2] - _ORDERED[:, 1] > 0.1][:NUM]
LOGITS = X @ WEIGHTS.T + BIAS
LABELS = LOGITS.argmax(1)
SURE = r.Attack(
    loss="margin",
    num_steps=20,
    num_tries=CLASSES,
    num_draws=1,
    num_predicted=1,
    num_evaluations=1,
)


def _logs(weights, bias, key, x):
    del key
    return jax.nn.log_softmax(x @ weights.T + bias[None])


def _linear(scale=1.0):
    weights, bias = (jnp.asarray(scale * each, jnp.float32) for each in (WEIGHTS, BIAS))
    # One program for all weights.
    return jax.tree_util.Partial(_logs, weights, bias)


LINEAR = _linear()


def _nearest(norm):
    """Distance to every other class, least and whose, by the formula."""
    dual = {"l2": 2, "linf": 1}[norm]
    own, other = LOGITS[np.arange(NUM), LABELS], np.arange(CLASSES)
    gaps = np.linalg.norm(WEIGHTS[LABELS][:, None] - WEIGHTS[None], dual, axis=2)
    is_own = other[None] == LABELS[:, None]
    each = np.where(is_own, np.inf, (own[:, None] - LOGITS) / np.where(is_own, 1, gaps))
    return each.min(1), each.argmin(1)


def _classes(points):
    logits = full_precision(LINEAR)(KEY, jnp.asarray(points, jnp.float32))
    return np.asarray(logits.argmax(1))


@pytest.fixture(params=r.NORMS)
def sure(request):
    return dataclasses.replace(SURE, norm=request.param)


def test_the_nearest_points_are_in_the_box():
    # So that the formulas hold: the largest entry of a move is at most its length.
    for norm in r.NORMS:
        assert _nearest(norm)[0].max() < 0.35


def test_one_step_of_the_distance_reaches_the_nearest_class(sure):
    distance, nearest = _nearest(sure.norm)
    others = np.where(np.arange(CLASSES)[None] == LABELS[:, None], -np.inf, LOGITS)
    # The margin is against the most probable other class, which need not be nearest.
    same = others.argmax(1) == nearest
    assert same.sum() > NUM / 2
    for factor, expected in ((1 - 1e-4, LABELS), (1 + 1e-4, nearest)):
        points = r.fgsm(KEY, LINEAR, X, LABELS, factor * distance, attack=sure)
        np.testing.assert_array_equal(_classes(points)[same], expected[same])


def test_many_steps_find_the_nearest_class_to_a_percent(sure):
    distance, _ = _nearest(sure.norm)
    points = r.pgd(KEY, LINEAR, X, LABELS, 1.01 * distance, attack=sure)
    assert np.all(_classes(points) != LABELS)
    # Nothing is found within the distance: the ball is not left.
    points = r.pgd(KEY, LINEAR, X, LABELS, 0.999 * distance, attack=sure)
    assert np.all(_classes(points) == LABELS)


def test_points_stay_in_the_ball_and_the_box(sure):
    x = np.round(X).astype(np.float32)
    for points in (
        r.pgd(KEY, LINEAR, x, LABELS, 0.3, attack=sure),
        r.fgsm(KEY, LINEAR, x, LABELS, 0.3, attack=sure),
    ):
        change = np.asarray(points, np.float64) - x
        order = 2 if sure.norm == "l2" else np.inf
        assert np.all(np.linalg.norm(change, order, axis=1) <= 0.3 * (1 + 1e-6))
        assert points.min() >= 0 and points.max() <= 1


def test_the_smallest_perturbation_to_a_percent():
    once = {"num_draws": 1, "num_predicted": 1, "num_evaluations": 1}
    once["num_tries"] = CLASSES
    found = r.minimal_l2(KEY, LINEAR, X, LABELS, **once)
    distance, _ = _nearest("l2")
    assert found.found.all() and np.all(_classes(found.x) != LABELS)
    assert np.all(np.abs(found.distance / distance - 1) < 0.01)
    wrong = (LABELS + 1) % CLASSES
    found = r.minimal_l2(KEY, LINEAR, X, wrong, **once)
    assert found.found.all() and np.all(found.distance == 0)
    np.testing.assert_array_equal(found.x, X.astype(np.float32))
    # In the middle of the box the first point is the input, to the last bit.
    middle = np.full((NUM, DIM), 0.5, np.float32)
    found = r.minimal_l2(KEY, LINEAR, middle, _classes(middle), **once)
    assert found.found.all() and np.all(_classes(found.x) != _classes(middle))


# A linear code of two dimensions, drawn with one deviation, and a linear decoder.
_STD = 0.3
_MODEL = r.variational(
    networks.mlp([DIM, 2], output="linear"),
    networks.mlp([2, 2]),
    dim=2,
    covariance="shared",
    initial_std=_STD,
)
_PARAMS = _MODEL.network.init(jax.random.key(3))
# The border of the classes is moved to among the inputs.
((_WEIGHT, _SHIFT),) = _PARAMS.decoder
_ODDS = jnp.diff(_MODEL.network.activations(_PARAMS, jnp.asarray(X, jnp.float32))[-1])
_SHIFT = _SHIFT - jnp.array([0.0, 1.0]) * jnp.median(_ODDS)
_PARAMS = _PARAMS._replace(decoder=((_WEIGHT, _SHIFT),))
_DRAWN = r.Predictor(_PARAMS, _MODEL.network)
_MEAN = r.Predictor(_PARAMS, _MODEL.network, noise=False)
_TWO = _MEAN(KEY, jnp.asarray(X, jnp.float32)).argmax(1)


def _linear_map():
    """Log odds of the label's class are ``x @ slope + offset``, with noise of a std."""
    logs = _MEAN(KEY, jnp.concatenate([jnp.zeros((1, DIM)), jnp.eye(DIM)]))
    odds = np.asarray(logs[:, 1] - logs[:, 0], np.float64)
    at = _MODEL.decode(_PARAMS, jnp.concatenate([jnp.zeros((1, 2)), jnp.eye(2)]))
    of_code = np.asarray(at[:, 1] - at[:, 0], np.float64)
    sign = np.where(np.asarray(_TWO) == 1, 1.0, -1.0)
    slope = odds[1:] - odds[0]
    std = _STD * np.linalg.norm(of_code[1:] - of_code[0])
    return sign, X @ slope + odds[0], slope, std


def test_attacks_through_a_linear_code_are_those_without_noise():
    attack = r.Attack(norm="l2", num_draws=5)
    points = [
        r.fgsm(KEY, predictor, X, _TWO, 0.1, attack=attack)
        for predictor in (_DRAWN, _MEAN)
    ]
    # Of two classes all draws point the same way: to rounding.
    np.testing.assert_allclose(*points, atol=1e-6)


def test_gradients_of_the_mean_prediction_by_quadrature():
    sign, odds, slope, std = _linear_map()
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    each = 1 / (1 + np.exp(-(sign[:, None] * odds[:, None] + std * nodes)))
    weights = weights / weights.sum()
    ratio = (each * (1 - each)) @ weights / (each @ weights)
    expected = -(ratio * sign)[:, None] * slope
    attack = r.Attack(num_draws=200)
    keys = jax.random.split(KEY, 40)
    found = jax.vmap(
        lambda key: r.attack_gradient(key, _DRAWN, X, _TWO, attack=attack)
    )(keys)
    found = np.asarray(found, np.float64)
    error = found.std(0, ddof=1) / np.sqrt(len(found))
    # The bias of a ratio of means of 200 draws is far below its standard error.
    assert np.all(np.abs(found.mean(0) - expected) < 5 * error)
    assert np.all(error < 0.02 * np.abs(expected).max())


@pytest.mark.slow
def test_the_smallest_perturbation_through_noise():
    """Half of the predictions are wrong where the log odds without noise are zero."""
    sign, odds, slope, std = _linear_map()
    length = np.linalg.norm(slope)
    distance = sign * odds / length
    inside = distance < 0.3
    assert inside.sum() > NUM / 2
    found = r.minimal_l2(
        KEY,
        _DRAWN,
        X,
        _TWO,
        num_steps=80,
        num_searches=4,
        num_predicted=20,
        num_evaluations=10,
    )
    # The log odds of two hundred draws at the last point are off by their error.
    error = 5 * std / length / np.sqrt(20 * 10)
    off = np.abs(found.distance - distance)[inside]
    assert np.all(off < error + 0.01 * distance[inside])


def test_accuracy_is_the_share_of_inputs_beyond_the_radius():
    sure = dataclasses.replace(SURE, norm="l2")
    distance, _ = _nearest("l2")
    middle = np.sort(distance)[[3, 8, 12]]
    # Between two distances that differ by more than the percent that the attack misses.
    radii = [0.0, *(1.02 * middle), 1.0]
    expected = [(distance > radius).mean() for radius in radii]
    found = r.robust_accuracy(KEY, LINEAR, X, LABELS, radii=radii, attack=sure)
    np.testing.assert_allclose(found.accuracy, expected, atol=1e-6)
    for share, low, high in zip(found.accuracy, found.low, found.high, strict=True):
        right = round(float(share) * NUM)
        interval = stats.binomtest(right, NUM).proportion_ci(method="wilson")
        np.testing.assert_allclose((low, high), interval, atol=1e-6)


def test_gradients_of_another_predictor_find_what_masked_ones_hide():
    attack = dataclasses.replace(SURE, loss="cross-entropy", num_tries=1)
    masked = _linear(1e4)
    found = r.robust_accuracy(
        KEY, masked, X, LABELS, radii=[1.0], attack=attack, sources=[LINEAR]
    )
    assert found.accuracy[0] == 0


def test_predictions_that_choose_a_point_do_not_count():
    """The least of several noisy shares is below all of them; what is new is not."""

    attack = r.Attack(num_steps=1, num_tries=4, num_predicted=1, num_evaluations=5)
    num = 400

    def fair(key, x):
        right = jax.random.bernoulli(key, 0.7, (len(x), 1))
        high, low = jnp.log(0.9), jnp.log(0.1)
        first = jnp.where(right, high, low)
        return jnp.concatenate([first, high + low - first], axis=1) + 0 * x

    found = r.robust_accuracy(
        KEY, fair, jnp.ones((num, 2)), jnp.zeros(num, int), radii=[0.1], attack=attack
    )
    error = np.sqrt(0.7 * 0.3 / (5 * num))
    assert abs(found.accuracy[0] - 0.7) < 4 * error


def test_an_attack_that_works_passes_and_one_through_masked_gradients_fails():
    attack = dataclasses.replace(SURE, loss="cross-entropy", num_tries=1)
    passed = {
        name: r.check_attack(KEY, predictor, X, LABELS, 0.05, attack=attack)
        for name, predictor in (("plain", LINEAR), ("masked", _linear(1e4)))
    }
    assert bool(passed["plain"].passed)
    masked = passed["masked"]
    assert not bool(masked.passed)
    # Probabilities are one and zero in float32, and stay so.
    assert float(masked.gradients.value) == 1 and float(masked.unbounded.value) == 1
    assert not masked.gradients.passed and not masked.unbounded.passed
    # Random points are of another class where the gradient finds none.
    wide = r.check_attack(KEY, _linear(1e4), X, LABELS, 0.4, attack=attack)
    assert not wide.random.passed


@pytest.mark.slow
def test_the_margin_does_not_saturate():
    margin = dataclasses.replace(SURE, num_tries=1)
    found = r.check_attack(KEY, _linear(1e4), X, LABELS, 0.05, attack=margin)
    assert bool(found.passed)


def test_many_networks_at_once():
    attack = dataclasses.replace(SURE, num_tries=1)
    scales = (1.0, -0.5)
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(_linear, scales))
    together = jax.vmap(
        lambda predictor: r.fgsm(KEY, predictor, X, LABELS, 0.1, attack=attack)
    )(both)
    for scale, points in zip(scales, together, strict=True):
        alone = r.fgsm(KEY, _linear(scale), X, LABELS, 0.1, attack=attack)
        np.testing.assert_allclose(points, alone, atol=1e-6)


def _with(array, value):
    array = np.array(array)
    array.flat[0] = value
    return array


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"radius": -0.1}, "radius must not be negative or NaN, got -0.1"),
        ({"radius": np.nan}, "radius must not be negative or NaN"),
        ({"radius": np.ones(3)}, r"radius must be one number or have shape \[16\]"),
        ({"labels": LABELS[:3]}, r"labels must have shape \[16\] to match x"),
        ({"labels": _with(LABELS, 3)}, r"labels must lie in \[0, 3\)"),
        ({"labels": _with(LABELS, -1)}, r"labels must lie in \[0, 3\)"),
        ({"x": X + 0.5}, "x must lie in the box from 0 to 1, got values from"),
        ({"x": _with(X, np.nan)}, "x must be finite, got 1 NaN"),
        ({"x": X[:, 0]}, "x must have shape"),
        ({"log_probabilities": lambda key, x: x[:, 0]}, "log_probabilities of x must"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    given = {"log_probabilities": LINEAR, "x": X, "labels": LABELS, "radius": 0.1}
    with pytest.raises(ValueError, match=message):
        r.pgd(KEY, **(given | arguments))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"labels": None}, "labels must be an array of numbers"),
        ({"labels": LABELS / 1.0}, "labels must be integers"),
        ({"x": np.ones((NUM, DIM), int)}, "x must be floating"),
        ({"log_probabilities": X}, "log_probabilities must be a function"),
    ],
)
def test_arguments_of_other_types(arguments, message):
    given = {"log_probabilities": LINEAR, "x": X, "labels": LABELS, "radius": 0.1}
    with pytest.raises(TypeError, match=message):
        r.fgsm(KEY, **(given | arguments))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"norm": "l1"}, "norm must be one of linf, l2"),
        ({"loss": "dlr"}, "loss must be one of cross-entropy, margin"),
        ({"num_steps": 0}, "num_steps must be a whole number"),
        ({"step_size": 0.0}, "step_size must be one positive number"),
        ({"box": (1.0, 0.0)}, "box must be a least and a larger value"),
        ({"box": (0.0, 1.0, 2.0)}, "box must have shape"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        r.Attack(**options)


def test_other_refusals():
    with pytest.raises(ValueError, match="radii must not be negative"):
        r.robust_accuracy(KEY, LINEAR, X, LABELS, radii=[0.1, -1.0])
    with pytest.raises(ValueError, match="radius must be one positive number"):
        r.check_attack(KEY, LINEAR, X, LABELS, 0.0)
    with pytest.raises(ValueError, match="at least 2 inputs"):
        r.check_attack(KEY, LINEAR, X[:1], LABELS[:1], 0.1)
    with pytest.raises(ValueError, match="confidence must be one number from 0 on"):
        r.minimal_l2(KEY, LINEAR, X, LABELS, confidence=-1.0)
    linear = networks.mlp([DIM, 2], output="linear")
    predictor = r.Predictor(linear.init(KEY), linear)
    with pytest.raises(ValueError, match="output must be one of softmax"):
        r.pgd(KEY, predictor, X, LABELS, 0.1)
