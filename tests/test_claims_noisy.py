"""Claims of noisy networks on made-up grids, and figures drawn from them."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from ibjax.claims.noisy import noisy_claims, rank_correlations
from ibjax.claims.noisy_authors import authors_run
from ibjax.grid import combine
from ibjax.noisy_probes import binned_entropy_name
from ibjax.plots import noisy as plots

BIT = math.log(2.0)
EPOCHS = np.array([0, 10, 100, 509, 1874, 10_000])
NUM_SEEDS, WIDTHS = 8, (0.0005, 0.05)
NAMES = ["tanh 5", "tanh 4", "tanh 3", "softmax 2"]
FALLS = np.array([8.0, 8.5, 9.0, 8.2, 6.0, 4.0])
STAYS = np.array([8.0, 8.5, 9.0, 9.3, 9.35, 9.4])
DIMS = ("seed", "epoch", "layer")


def _cell(curve, orthonormal, *, clusters=None, entropy=None, fine=12.0, bias=0.2):
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
    samples = rng.uniform(-1, 1, (NUM_SEEDS, len(EPOCHS), 20, 3))
    dims = ("seed", "epoch", "layer_samples_0", "layer_samples_1")
    configuration = {
        "noise_std": 0.005,
        "orthonormal": orthonormal,
        "bin_widths": list(WIDTHS),
    }
    return dataset.assign(layer_samples=(dims, samples)).assign_attrs(
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
    with pytest.raises(ValueError, match=r"hidden one of \[1, 2, 3\], got 4"):
        plots.noisy_bins(as_claimed, layer=4)


def test_clusters_are_drawn_by_class(as_claimed):
    labels = np.arange(20) % 2
    figure = _drawn(plots.noisy_clusters(as_claimed, labels, epochs=[0, 1874]))
    assert len(figure.axes) == 4
    assert figure.axes[1].get_title() == "epoch 1874\n$I(X;T)$ = 5.8 bits"
    points = figure.axes[0].collections[-1]
    assert len(points.get_offsets()) == 20
    assert len(np.unique(points.get_facecolors(), axis=0)) == 2
    flat = as_claimed.isel(layer_samples_1=slice(0, 2))
    axes = _drawn(plots.noisy_clusters(flat, labels)).axes[0]
    samples = flat["layer_samples"].values[0, 0, 0]
    np.testing.assert_allclose(axes.collections[-1].get_offsets(), samples)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"epochs": [0, 7]}, r"epochs must be among .* got \[7\]"),
        ({"layer_samples_1": [0]}, {}, "two or three units, got 1"),
        ({"layer_samples_0": [0]}, {}, r"labels must have shape \(1,\), got \(20,\)"),
    ],
)
def test_clusters_that_cannot_be_drawn(as_claimed, change, options, message):
    with pytest.raises(ValueError, match=message):
        plots.noisy_clusters(as_claimed.isel(change), np.arange(20) % 2, **options)
