"""Claims of noisy networks on made-up grids, and figures drawn from them."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from ibjax.experiments.noisy import figures as plots
from ibjax.experiments.noisy.authors import authors_run
from ibjax.experiments.noisy.claims import noisy_claims, rank_correlations
from ibjax.experiments.noisy.setup import NoisySetup
from ibjax.experiments.setup import Context
from ibjax.probes.noisy import binned_entropy_name, layer_samples_name
from ibjax.results.cells import combine

BIT = math.log(2.0)
EPOCHS = np.array([0, 10, 100, 509, 1874, 10_000])
NUM_SEEDS, WIDTHS = 8, (0.0005, 0.05)
NAMES = ["tanh 5", "tanh 4", "tanh 3", "softmax 2"]
FALLS = np.array([8.0, 8.5, 9.0, 8.2, 6.0, 4.0])
STAYS = np.array([8.0, 8.5, 9.0, 9.3, 9.35, 9.4])
DIMS = ("seed", "epoch", "layer")


def _cell(
    curve,
    orthonormal,
    *,
    noise_std=0.005,
    clusters=None,
    entropy=None,
    fine=12.0,
    bias=0.2,
):
    """All hidden layers follow ``curve``, in bits, each seed a little off it."""
    shift = np.linspace(-0.2, 0.2, NUM_SEEDS)[:, None, None]
    hidden = np.array([1.0, 1.0, 1.0, np.nan])

    def spread(values):
        return (np.asarray(values)[None, :, None] + shift) * hidden

    i_xt = spread(curve)
    clusters = curve if clusters is None else clusters
    entropy = curve if entropy is None else entropy
    ones = np.ones_like(i_xt)
    variables = {
        "propagation_i_xt_held_out": (i_xt - bias) * BIT,
        "propagation_i_xt_error": 0.05 * BIT * ones,
        "num_clusters": spread(clusters),
        "distance_within": spread(clusters),
        "distance_between": 2.0 * ones,
        binned_entropy_name(WIDTHS[0]): fine * BIT * ones,
        binned_entropy_name(WIDTHS[1]): spread(entropy) * BIT,
    }
    dataset = xr.Dataset(
        {name: (DIMS, values) for name, values in variables.items()}
        | {
            name: ((*DIMS, "estimator"), values[..., None])
            for name, values in (
                ("i_xt", i_xt * BIT),
                ("i_ty", 0.9 * BIT * hidden * ones),
            )
        }
        | {"diverged": ("seed", np.zeros(NUM_SEEDS, bool))},
        {
            "seed": np.arange(NUM_SEEDS),
            "epoch": EPOCHS,
            "layer": np.arange(1, 5),
            "layer_name": ("layer", NAMES),
            "layer_width": ("layer", [5, 4, 3, 2]),
            "estimator": ["propagation"],
        },
    )
    rng = np.random.default_rng(0)
    samples = {}
    for layer, units in ((2, 4), (3, 3)):
        name = layer_samples_name(layer)
        drawn = rng.uniform(-1, 1, (NUM_SEEDS, len(EPOCHS), 20, units))
        samples[name] = (("seed", "epoch", f"{name}_0", f"{name}_1"), drawn)
    configuration = {
        "noise_std": noise_std,
        "orthonormal": orthonormal,
        "bin_widths": list(WIDTHS),
    }
    return dataset.assign(samples).assign_attrs(
        num_samples=4096,
        configuration=json.dumps(configuration),
        wall_seconds=1.0,
        compile_seconds=1.0,
    )


def _grid(plain, penalised):
    weights = [0.0, 0.01]
    return combine([{"orthonormal": w} for w in weights], [plain, penalised])


def _verdicts(claims, number):
    return [c.verdict for c in claims if c.claim.startswith(f"{number}.")]


def _numbered(claims, number):
    return [c for c in claims if c.claim.startswith(f"{number}.")]


@pytest.fixture(scope="module")
def as_claimed():
    return _grid(_cell(FALLS, 0.0), _cell(STAYS, 0.01))


@pytest.mark.parametrize(
    ("number", "count"), [(1, 2), (2, 2), (3, 4), (4, 4), (5, 2), (6, 1), (7, 1)]
)
def test_claims_hold_where_they_are_true(as_claimed, number, count):
    assert _verdicts(noisy_claims(as_claimed), number) == ["holds"] * count


@pytest.mark.parametrize(
    ("number", "count"), [(1, 2), (2, 2), (3, 4), (4, 4), (6, 1), (7, 1)]
)
def test_claims_do_not_hold_where_they_are_false(number, count):
    plain = _cell(STAYS, 0.0, clusters=-STAYS + 20, entropy=-STAYS + 20, fine=11.0)
    claims = noisy_claims(_grid(plain, _cell(FALLS, 0.01)))
    assert _verdicts(claims, number) == ["does not hold"] * count


def test_numbers_are_in_bits_of_the_layers_they_name(as_claimed):
    claims = noisy_claims(as_claimed)
    assert [c.claim for c in _numbered(claims, 1)] == [
        "1. At noise 0.005, layer 2 (tanh 4) compresses",
        "1. At noise 0.005, layer 3 (tanh 3) compresses",
    ]
    np.testing.assert_allclose(_numbered(claims, 1)[0].value, 5.0)
    less, _, ends, _ = _numbered(claims, 4)
    np.testing.assert_allclose(less.value, 5.0)
    np.testing.assert_allclose(ends.value, 5.4)
    np.testing.assert_allclose(_numbered(claims, 6)[0].value, 1.0)
    np.testing.assert_allclose(_numbered(claims, 7)[0].value, 0.0, atol=1e-12)


@pytest.mark.parametrize(("bias", "fraction"), [(4.5, 1.0), (4.8, 0.0)])
def test_falls_within_the_errors_do_not_count(bias, fraction):
    """Five bits, less the bias, less 3 * 0.05 * sqrt(2) = 0.21, against 0.1."""
    claims = noisy_claims(_cell(FALLS, 0.0, bias=bias))
    assert {c.value for c in _numbered(claims, 2)} == {fraction}


@pytest.mark.parametrize(
    ("curve", "ratio", "verdict"),
    [
        (STAYS, 100.0, "holds"),  # Not at all: as at the last epoch.
        ([8.0, 8.5, 9.0, 9.0, 6.0, 4.0], 5.09, "holds"),
        ([8.0, 9.0, 8.5, 8.2, 6.0, 4.0], 0.1, "does not hold"),
        ([9.0, 8.8, 8.5, 8.2, 6.0, 4.0], 0.01, "does not hold"),
    ],
)
def test_onsets_are_compared_seed_by_seed(curve, ratio, verdict):
    """Without the penalty I(X;T) falls from epoch 100 on; epoch 0 counts as 1."""
    found = _numbered(noisy_claims(_grid(_cell(FALLS, 0.0), _cell(curve, 0.01))), 5)
    assert {(claim.value, claim.verdict) for claim in found} == {(ratio, verdict)}


def test_without_a_penalty_nothing_is_said_of_it():
    claims = noisy_claims(_cell(FALLS, 0.0))
    assert _verdicts(claims, 4) == _verdicts(claims, 5) == []


def test_networks_without_a_penalty_are_needed():
    with pytest.raises(ValueError, match=r"\(orthonormal 0\), got .* \[0.01\]"):
        noisy_claims(_cell(FALLS, 0.01))
    with pytest.raises(ValueError, match=r"\(orthonormal 0\), got none"):
        authors_run(_cell(FALLS, 0.01))


def test_a_diverged_seed_is_left_out_and_counted(as_claimed):
    dataset = as_claimed.copy(deep=True)
    dataset["i_xt"][1, 3] = np.nan
    claims = noisy_claims(dataset)
    assert {c.num_left_out for c in _numbered(claims, 4)} == {1}
    assert {c.num_left_out for c in _numbered(claims, 1)} == {0}


@pytest.mark.parametrize(
    ("name", "number"),
    [("propagation_i_xt_error", 2), ("num_clusters", 3), ("distance_within", 3)],
)
def test_a_seed_without_a_number_somewhere_is_left_out(as_claimed, name, number):
    dataset = as_claimed.copy(deep=True)
    dataset[name] = dataset[name].where((dataset.seed != 2) | (dataset.epoch != 0))
    if name.endswith("error"):
        dataset[name] = as_claimed[name].where(dataset.seed != 2)
    left_out = {c.num_left_out for c in _numbered(noisy_claims(dataset), number)}
    assert left_out == ({1} if number == 2 else {0, 1})


def test_rank_correlations_agree_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (2, 6, 12))
    expected = [stats.spearmanr(*pair)[0] for pair in zip(first, second, strict=True)]
    np.testing.assert_allclose(rank_correlations(first, second), expected)
    assert np.isnan(rank_correlations(np.ones((1, 5)), np.arange(5.0)[None]))


def test_the_authors_numbers_stand_beside_ours(as_claimed):
    """Epoch 10,000 stands for their 9,999; of three layers they give no peaks."""
    rows = authors_run(as_claimed)
    assert [(row["layer"], row["authors"]) for row in rows] == [
        (1, 7.752),
        (2, 7.874),
        (3, 7.859),
        (1, 7.755),
        (2, 7.903),
        (3, 7.854),
    ]
    np.testing.assert_allclose(rows[0]["mean"], 6.0 * BIT)
    np.testing.assert_allclose(rows[-1]["largest"], 4.2 * BIT)
    json.dumps(rows, allow_nan=False)


def _noises(smaller, larger):
    cells = [_cell(smaller, 0.0), _cell(larger, 0.0, noise_std=0.05)]
    return combine([{"noise_std": std} for std in (0.005, 0.05)], cells)


@pytest.mark.parametrize(
    ("larger", "verdict", "values"),
    [
        # From 9 at epoch 100 to 4, against from 7 at epoch 10 to 6.
        ([6.5, 7.0, 6.8, 6.5, 6.2, 6.0], "holds", [2.0, 0.1, 4.0]),
        ([9.0, 9.0, 9.5, 10.0, 5.0, 4.0], "does not hold", [-1.0, 5.09, -1.0]),
    ],
)
def test_noises_are_compared_without_a_penalty(larger, verdict, values):
    claims = noisy_claims(_noises(FALLS, larger))
    assert [_verdicts(claims, number) for number in (8, 9, 10)] == [[verdict] * 2] * 3
    found = [_numbered(claims, number)[0].value for number in (8, 9, 10)]
    np.testing.assert_allclose(found, values)
    assert _numbered(claims, 8)[0].claim == (
        "8. At noise 0.05, layer 2 (tanh 4) at most keeps less of X than at noise 0.005"
    )
    # Every noise has its own claims, and one alone is not compared.
    assert len(_numbered(claims, 1)) == 4
    assert _numbered(noisy_claims(_cell(FALLS, 0.0)), 8) == []


def test_a_layer_that_never_falls_at_the_smaller_noise_falls_later():
    claims = noisy_claims(_noises(STAYS, FALLS))
    assert [c.value for c in _numbered(claims, 9)] == [0.0, 0.0]
    assert _verdicts(claims, 9) == ["holds"] * 2


def test_the_authors_noise_is_found_among_others():
    both = _noises(FALLS, STAYS)
    assert authors_run(both) == authors_run(_cell(FALLS, 0.0))
    assert authors_run(_cell(FALLS, 0.0, noise_std=0.1)) == []


def test_two_axes_are_rows_and_columns():
    places, cells = [], []
    for std in (0.005, 0.05):
        for weight in (0.0, 0.01):
            places.append({"noise_std": std, "orthonormal": weight})
            cells.append(_cell(FALLS, weight, noise_std=std))
    dataset = combine(places, cells)
    figure = _drawn(plots.noisy_information(dataset))
    grid = {axes.get_subplotspec().get_geometry()[:2] for axes in figure.axes}
    assert grid == {(2, 2)}
    assert figure.axes[2].get_title() == "no penalty, noise 0.05"
    assert len(noisy_claims(dataset)) == 2 * 16 + 6


def _drawn(figure):
    """Draws the figure, so that warnings of its artists are raised."""
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    return figure


def test_information_has_a_panel_per_cell_and_a_line_per_hidden_layer(as_claimed):
    figure = _drawn(plots.noisy_information(as_claimed))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        "no penalty, noise 0.005",
        "orthonormal weights (0.01), noise 0.005",
    ]
    limit, *lines = figure.axes[0].get_lines()
    assert limit.get_ydata()[0] == 12 and len(lines) == 3
    np.testing.assert_allclose(lines[0].get_ydata(), FALLS)
    with pytest.raises(ValueError, match="estimator must be one of .* got 'kde'"):
        plots.noisy_information(as_claimed, estimator="kde")


def test_bins_that_never_change_are_not_stretched(as_claimed):
    figure = _drawn(plots.noisy_bins(as_claimed))
    left, right = figure.axes[:2]
    assert len(left.get_lines()) == 4  # The limit, I(X;T), and two widths.
    information, entropy = right.get_lines()
    np.testing.assert_allclose(information.get_ydata(), (FALLS - 4) / 5)
    np.testing.assert_allclose(entropy.get_ydata(), (FALLS - 4) / 5)
    with pytest.raises(ValueError, match=r"layer must be one of 1, 2, 3, got 4"):
        plots.noisy_bins(as_claimed, layer=4)


def test_clusters_are_drawn_by_class(as_claimed):
    labels = np.arange(20) % 2
    figure = _drawn(plots.noisy_clusters(as_claimed, labels, epochs=[0, 1874]))
    assert len(figure.axes) == 4
    assert figure.axes[1].get_title() == "epoch 1874\n$I(X;T)$ = 5.8 bits"
    points = figure.axes[0].collections[-1]
    assert len(points.get_offsets()) == 20
    assert len(np.unique(points.get_facecolors(), axis=0)) == 2
    flat = as_claimed.isel(samples_of_layer_3_1=slice(0, 2))
    axes = _drawn(plots.noisy_clusters(flat, labels)).axes[0]
    samples = flat["samples_of_layer_3"].values[0, 0, 0]
    np.testing.assert_allclose(axes.collections[-1].get_offsets(), samples)


def test_layers_of_many_units_are_drawn_by_principal_components(as_claimed):
    assert plots.sampled_layers(as_claimed) == [2, 3]
    labels = np.arange(20) % 2
    options = {"layer": 2, "epochs": [0, 509]}
    figure = _drawn(plots.noisy_clusters(as_claimed, labels, **options))
    samples = as_claimed["samples_of_layer_2"].values[0, 0][[0, 3]]
    rows = samples.reshape(-1, 4) - samples.reshape(-1, 4).mean(axis=0)
    variances, axes = np.linalg.eigh(rows.T @ rows)
    share = variances[2:].sum() / variances.sum()
    assert f"{100 * share:.0f} % of the variance" in figure.axes[0].texts[0].get_text()
    offsets = [axes.collections[-1].get_offsets() for axes in figure.axes[:2]]
    expected = np.abs(rows @ axes[:, :1:-1])
    np.testing.assert_allclose(np.abs(np.concatenate(offsets)), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"epochs": [0, 7]}, r"epochs must be one of .* got 7"),
        ({"samples_of_layer_3_1": [0]}, {}, "units must be at least 2, got 1"),
        ({"samples_of_layer_3_0": [0]}, {}, r"labels must have shape \[1\], got \(20"),
        ({}, {"layer": 1}, r"layer must be one of 2, 3, got 1"),
    ],
)
def test_clusters_that_cannot_be_drawn(as_claimed, change, options, message):
    with pytest.raises(ValueError, match=message):
        plots.noisy_clusters(as_claimed.isel(change), np.arange(20) % 2, **options)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"noise_std": ()}, "noise-std must hold at least one"),
        ({"noise_std": (0.1, 0.0)}, "noise-std must be one positive number, got 0"),
        ({"orthonormal": (0.0, 0.0)}, "orthonormal must name each value once"),
        ({"bin_widths": (0.1, -1.0)}, "bin-widths must be one positive number"),
        ({"hidden": (3, 0)}, "hidden must be one positive number, got 0"),
    ],
)
def test_bad_noisy_setups_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NoisySetup(**options).cells(Context([0, 1]))
