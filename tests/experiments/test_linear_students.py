"""Linear students: training against numpy, limits, claims both ways, figures."""

import json

import jax
import numpy as np
import pytest

from ibjax.datasets.teacher_student import generalization_error
from ibjax.experiments.deep_linear import students as linear_students
from ibjax.experiments.deep_linear.claims import deep_linear_claims, largest_falls
from ibjax.experiments.deep_linear.figures import gradient_step, relevance, students
from ibjax.experiments.deep_linear.students import StudentConfig, student
from ibjax.networks.deep_linear import init_weights, products
from ibjax.results.files import ResultsError, open_dataset, save_dataset
from ibjax.sweeps.program import seed_key
from ibjax.sweeps.seeds import sweep_trainable

CONFIG = StudentConfig(
    hidden=(5,),
    num_samples=12,
    num_inputs=6,
    num_relevant=2,
    batch_size=4,
    learning_rate=0.2,
    init_scale=0.5,
)
SNAPSHOTS = [0, 1, 10, 100]


def train_students(key, config, *, noise_variances=(1.0,), **options):
    return sweep_trainable(
        key, student(config, noise_variances=noise_variances), **options
    )


def first_states(key, config, num_seeds):
    """Weights of every seed before any step, and its problem."""
    trainable = student(config)
    found = [
        trainable.init(seed_key(key, n), trainable.data, {}) for n in range(num_seeds)
    ]
    return [(state.params, own[0]) for state, own in found]


@pytest.fixture(scope="module")
def dataset():
    return train_students(
        jax.random.key(0),
        CONFIG,
        num_seeds=7,
        snapshots=SNAPSHOTS,
        noise_variances=(1.0, 0.01),
    )


def test_products_of_weights():
    weights = init_weights(jax.random.key(0), [4, 3, 5, 2])
    first, second, third = (np.asarray(w, np.float64) for w in weights)
    found = products(weights)
    np.testing.assert_allclose(found[1], second @ first, rtol=1e-5)
    np.testing.assert_allclose(found[2], third @ second @ first, rtol=1e-5)


def test_initial_weights_keep_the_norm_on_average():
    (w,) = init_weights(jax.random.key(0), [50, 400], scale=0.5)
    variance, count = 0.25 / 50, w.size
    assert abs(np.var(w) - variance) < 4 * variance * (2 / count) ** 0.5


@pytest.mark.parametrize("widths", [[3], [3, 0]])
def test_no_network_is_refused(widths):
    with pytest.raises(ValueError, match="widths must be 2 or more positive"):
        init_weights(jax.random.key(0), widths)


def test_a_step_by_numpy():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 4)), rng.normal(size=(9, 2))
    first, second = rng.normal(size=(3, 4)), rng.normal(size=(2, 3))
    rest = 2 / 9 * (x @ first.T @ second.T - y)
    expected = second.T @ rest.T @ x, rest.T @ x @ first.T
    arrays = [a.astype(np.float32) for a in (first, second, x, y)]
    found = jax.grad(linear_students._loss)(tuple(arrays[:2]), *arrays[2:])
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_shallow_student_ends_at_least_squares():
    # One convex problem with more samples than inputs.
    config = StudentConfig(
        hidden=(), num_samples=40, num_inputs=4, learning_rate=1.0, init_scale=0.1
    )
    found = train_students(jax.random.key(1), config, num_seeds=1, snapshots=[2000])
    ((_, problem),) = first_states(jax.random.key(1), config, 1)
    w = np.linalg.lstsq(np.asarray(problem.x, np.float64), problem.y)[0].T
    expected = generalization_error(problem, w)
    np.testing.assert_allclose(found.test_loss.item(), expected, rtol=1e-4)


def test_dataset_is_whole(dataset, tmp_path):
    assert dict(dataset.i_xt.sizes) == {
        "seed": 7,
        "epoch": 4,
        "layer": 2,
        "estimator": 2,
    }
    assert not dataset.diverged.any()
    save_dataset(dataset, tmp_path / "results.nc")
    again = open_dataset(tmp_path / "results.nc")
    assert again.identical(dataset)
    assert json.loads(again.attrs["configuration"])["batch_size"] == 4


def test_information_is_in_order(dataset):
    # T of the output is a function of the hidden layer without its noise, so no
    # inequality binds the two; these hold for each by itself.
    rounding = 1e-4
    assert (dataset.i_ty <= dataset.i_xt + rounding).all()
    assert (dataset.i_xt.diff("estimator") > 0).all()  # Less noise, more information.
    parts = dataset.i_relevant + dataset.i_irrelevant
    assert (parts <= dataset.i_xt + rounding).all()


def test_the_output_by_its_closed_form(dataset):
    # One unit that sees 1 + w S w' / s^2; S is the identity over 6.
    norm = np.expm1(2 * dataset.i_xt.sel(layer=2, estimator="noise_1")) * 6
    finer = np.expm1(2 * dataset.i_xt.sel(layer=2, estimator="noise_0.01")) * 6
    # exp of float32: relative to one, which is large beside an untrained student's.
    np.testing.assert_allclose(finer * 0.01, norm, rtol=1e-3, atol=1e-5)


def test_a_seed_is_the_same_among_others(dataset):
    fewer = train_students(jax.random.key(0), CONFIG, num_seeds=2, snapshots=SNAPSHOTS)
    for name in ("test_loss", "weight_norm", "gradient_snr", "best_loss"):
        np.testing.assert_array_equal(fewer[name], dataset[name].isel(seed=slice(2)))


class _Crash(Exception):
    pass


def test_a_resumed_run_ends_with_the_same_numbers(dataset, tmp_path):
    def crash(progress):
        if progress.num_snapshots_done == 2:
            raise _Crash

    options = {"num_seeds": 7, "snapshots": SNAPSHOTS, "noise_variances": (1.0, 0.01)}
    arguments = jax.random.key(0), CONFIG
    with pytest.raises(_Crash):
        train_students(*arguments, directory=tmp_path, on_progress=crash, **options)
    assert not (tmp_path / "results.nc").exists()
    with pytest.raises(ResultsError, match="already holds an unfinished run"):
        train_students(*arguments, directory=tmp_path, **options)
    seen = []
    options |= {"directory": tmp_path, "resume": True}
    resumed = train_students(*arguments, on_progress=seen.append, **options)
    done = [progress.num_snapshots_done for progress in seen]
    assert (done, seen[-1].stage) == ([2, 2, 3, 4, 4], "done")
    for name in dataset.data_vars:
        np.testing.assert_array_equal(resumed[name], dataset[name], err_msg=name)
    assert train_students(*arguments, **options).identical(open_dataset(tmp_path))
    with pytest.raises(ResultsError, match="another run, which differs in num_seeds"):
        train_students(*arguments, **(options | {"num_seeds": 6}))


def test_divergence_is_marked():
    config = StudentConfig(
        hidden=(5,), num_samples=12, num_inputs=6, learning_rate=100.0, init_scale=1.0
    )
    found = train_students(jax.random.key(0), config, num_seeds=2, snapshots=[0, 200])
    assert found.diverged.all()


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"num_seeds": 0}, "num_seeds must be a whole number, at least 1"),
        ({"snapshots": [3, 2]}, "snapshots must be increasing"),
        ({"noise_variances": (0.0,)}, "noise_variances must be different positive"),
        ({"noise_variances": (1.0, 1 + 1e-8)}, "noise_variances must be different"),
    ],
)
def test_what_is_refused(wrong, message):
    options = {"num_seeds": 1, "snapshots": [0]} | wrong
    with pytest.raises(ValueError, match=message):
        train_students(jax.random.key(0), CONFIG, **options)


def test_batches_must_come_out_even():
    with pytest.raises(ValueError, match="batch_size must divide num_samples, 12"):
        StudentConfig(num_samples=12, batch_size=5)
    with pytest.raises(ValueError, match="learning_rate must be one positive"):
        StudentConfig(learning_rate=0.0)


def test_largest_falls_by_brute_force():
    curves = np.random.default_rng(0).normal(size=(3, 9))
    pairs = [[c[i] - c[j] for i in range(9) for j in range(i, 9)] for c in curves]
    np.testing.assert_allclose(largest_falls(curves), np.max(pairs, axis=1))


def _with(dataset, **curves):
    """The dataset with every seed's curve over the epochs replaced."""
    new = {}
    for name, curve in curves.items():
        shape = (1, 4) + (1,) * (dataset[name].ndim - 2)
        new[name] = 0 * dataset[name] + np.reshape(curve, shape)
    return dataset.assign(new)


def _verdicts(claims):
    return [claim.verdict for claim in claims]


def test_claims_on_generalization(dataset):
    dataset = _with(dataset, i_xt=[0.0, 1.0, 2.0, 3.0], test_loss=[2.0, 1.1, 1.1, 3.0])
    dataset = dataset.assign(
        null_loss=0 * dataset.null_loss + 2, best_loss=0 * dataset.best_loss + 1.05
    )
    found = deep_linear_claims({"generalization_x": dataset})
    assert _verdicts(found) == ["holds"] * 3
    # Of a gain of 0.95 that can be had, 0.9 was.
    assert found[0].value == pytest.approx(0.9 / 0.95)
    falls = _with(dataset, i_xt=[0.0, 1.0, 0.5, 3.0], test_loss=[2.0, 1.9, 1.9, 1.9])
    found = deep_linear_claims({"generalization": falls})
    assert _verdicts(found) == ["does not hold"] * 3
    assert found[1].value == pytest.approx(0.5 / np.log(2))


def test_claims_on_overtraining(dataset):
    yes = _with(
        dataset,
        test_loss=[2.0, 1.0, 2.0, 4.0],
        i_xt=[0.0, 1.0, 2.0, 3.0],
        i_ty=[0.0, 0.2, 0.1, 0.1],
    )
    found = deep_linear_claims({"overtraining": yes})
    assert _verdicts(found) == ["holds"] * 5
    assert [found[0].value, found[3].value] == pytest.approx([4.0, 0.5])
    no = _with(
        dataset,
        test_loss=[2.0, 1.0, 1.0, 1.1],
        i_xt=[0.0, 1.0, 2.0, 0.3],
        i_ty=[0.0, 0.2, 0.3, 0.3],
    )
    assert _verdicts(deep_linear_claims({"overtraining": no})) == ["does not hold"] * 5


def test_claims_on_relevance(dataset):
    yes = _with(
        dataset,
        train_loss=[2.0, 1.0, 0.5, 0.5],
        i_xt=[0.0, 1.0, 2.0, 3.0],
        i_relevant=[0.0, 1.0, 2.0, 2.5],
        i_irrelevant=[0.0, 0.5, 0.3, 0.25],
    )
    found = deep_linear_claims({"relevance": yes})
    assert _verdicts(found) == ["holds"] * 8
    # From 0.5 to 0.25; by the third snapshot, where fitting ends, 0.2 of that.
    values = [found[0].value, found[1].value * np.log(2), found[2].value]
    assert values == pytest.approx([0.5, 1.5, 0.8])
    no = _with(
        dataset,
        train_loss=[2.0, 0.5, 0.5, 0.5],
        i_xt=[0.0, 3.0, 2.0, 1.0],
        i_relevant=[0.0, 2.5, 2.0, 1.0],
        i_irrelevant=[0.0, 0.5, 0.49, 0.48],
    )
    assert _verdicts(deep_linear_claims({"relevance": no})) == ["does not hold"] * 8
    assert _verdicts(deep_linear_claims({"low_snr": no})) == ["holds"] * 2
    assert _verdicts(deep_linear_claims({"low_snr": yes})) == ["does not hold"] * 2


def test_one_unit_has_one_ratio_in_both_layers():
    """Each layer's gradient is the other's weight times one number of the batch."""
    config = StudentConfig(
        hidden=(1,), num_samples=40, num_inputs=1, batch_size=10, init_scale=0.5
    )
    found = train_students(jax.random.key(0), config, num_seeds=3, snapshots=[0, 5])
    hidden, output = found.gradient_snr.transpose("layer", "seed", "epoch").values
    # Sums of ten float32 terms; near the end they nearly cancel.
    np.testing.assert_allclose(hidden, output, rtol=1e-3)
    for n, (weights, problem) in enumerate(first_states(jax.random.key(0), config, 3)):
        x, y = (np.float64(v)[:, 0].reshape(4, 10) for v in (problem.x, problem.y))
        total = float(weights[0][0, 0]) * float(weights[1][0, 0])
        gradients = np.mean(2 * (total * x - y) * x, axis=1)
        expected = np.abs(gradients.mean()) / gradients.std()
        np.testing.assert_allclose(hidden[n, 0], expected, rtol=1e-4)


def test_claims_on_the_step_of_the_gradient(dataset):
    yes = _with(dataset, gradient_snr=[3.0, 2.0, 0.5, 0.1], i_xt=[0.0, 1.0, 2.0, 3.0])
    late = yes.isel(epoch=[0, 1, 2, 3, 3, 3]).assign_coords(
        epoch=[0, 1, 10, 100, 200, 300]
    )
    found = deep_linear_claims({"gradient_snr": late})
    assert _verdicts(found) == ["holds"] * 5
    assert [claim.value for claim in found[:3]] == pytest.approx([3.0, 0.1, 1.0])
    no = _with(dataset, gradient_snr=[0.5, 0.9, 0.5, 0.1], i_xt=[0.0, 1.0, 2.0, 1.0])
    late = no.isel(epoch=[0, 1, 2, 3, 3, 3]).assign_coords(epoch=late.epoch)
    expected = ["does not hold", "holds", "does not hold"] + ["does not hold"] * 2
    assert _verdicts(deep_linear_claims({"gradient_snr": late})) == expected
    with pytest.raises(ValueError, match="of students trained in minibatches"):
        deep_linear_claims({"gradient_snr": dataset.drop_vars("gradient_snr")})


def test_claims_need_their_datasets(dataset):
    with pytest.raises(ValueError, match="datasets must hold generalization"):
        deep_linear_claims({"other": dataset})
    with pytest.raises(ValueError, match="must hold i_irrelevant of students with"):
        deep_linear_claims({"relevance": dataset.drop_vars("i_irrelevant")})


def test_figures_show_what_they_say(dataset):
    errors, plane, _ = students({"A": dataset}).axes
    test = dataset.test_loss.mean("seed")
    np.testing.assert_allclose(errors.lines[1].get_ydata(), test, rtol=1e-5)
    bits = dataset.i_xt.sel(estimator="noise_1", layer=1).mean("seed") / np.log(2)
    np.testing.assert_allclose(plane.lines[0].get_ydata(), bits, rtol=1e-5)
    figure = relevance({"A": dataset}, estimator="noise_0.01")
    figure.draw_without_rendering()
    _, parts, irrelevant = figure.axes
    bits = dataset.i_irrelevant.sel(estimator="noise_0.01", layer=2).mean("seed")
    for axes, line in ((parts, 2), (irrelevant, 0)):
        found = axes.lines[line].get_ydata()
        np.testing.assert_allclose(found, bits / np.log(2), rtol=1e-5)


def test_the_ratio_is_drawn_as_a_median(dataset):
    configuration = json.loads(dataset.attrs["configuration"])
    rows, batch = configuration["num_samples"], configuration["batch_size"]
    errors, ratios, plane = gradient_step({"A": dataset}).axes
    median = dataset.gradient_snr.sel(layer=1).median("seed")
    np.testing.assert_allclose(ratios.lines[0].get_ydata(), median, rtol=1e-5)
    bits = dataset.i_xt.sel(estimator="noise_1", layer=1).mean("seed") / np.log(2)
    np.testing.assert_allclose(plane.lines[0].get_ydata(), bits, rtol=1e-5)
    # In steps, of which an epoch has one for every batch.
    steps = dataset.epoch.values * rows // batch
    for axes in (errors, ratios, plane):
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), steps)


def test_the_same_course_is_drawn_broad_and_thin(dataset):
    figure = gradient_step({"A": dataset, "B": dataset})
    errors, _, plane = figure.axes
    broad, thin = errors.lines
    np.testing.assert_array_equal(broad.get_ydata(), thin.get_ydata())
    assert broad.get_linewidth() > 2 * thin.get_linewidth()
    assert broad.get_color() != thin.get_color()
    num_layers = dataset.sizes["layer"]
    assert len(plane.lines) == 2 * num_layers
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[:2] == ["A", "B"] and len(texts) == 2 + num_layers


def test_figures_need_their_datasets(dataset):
    with pytest.raises(ValueError, match="of students trained in minibatches"):
        gradient_step({"A": dataset.drop_vars("gradient_snr")})
    with pytest.raises(ValueError, match="at least one dataset"):
        students({})
    with pytest.raises(ValueError, match="must hold i_irrelevant of students with"):
        relevance({"A": dataset.drop_vars("i_irrelevant")})
