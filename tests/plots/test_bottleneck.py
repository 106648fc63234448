"""Figures of information curves, what they are drawn from, and the claims of them."""

import io

import jax
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ibjax import plots
from ibjax.bottleneck import (
    InformationCurve,
    branches,
    critical_beta,
    information_curve,
)
from ibjax.experiments.bifurcations import claims
from ibjax.experiments.bifurcations.figures import _relatives, bifurcations
from ibjax.plots.files import encode_figure

I_XT, I_TY = "$I(X;T)$ (bits)", "$I(T;Y)$ (bits)"
P_XY = np.array([[0.30, 0.02], [0.10, 0.18], [0.05, 0.35]])


@pytest.fixture(scope="module")
def curve():
    with jax.enable_x64(True):
        return information_curve(P_XY, np.geomspace(1.0, 400.0, 20))


@pytest.fixture(scope="module")
def one_cluster(curve):
    """The branch with one cluster: at every beta nothing."""
    nothing = np.zeros_like(curve.beta)
    return curve._replace(
        p_t_given_x=np.ones((len(curve.beta), 3, 1)),
        i_xt=nothing,
        i_ty=nothing,
        objective=nothing,
        num_clusters=np.ones(len(curve.beta), int),
        critical_beta=np.zeros(0),
    )


@pytest.fixture(scope="module")
def two_clusters(curve):
    """As the curve up to the last critical beta, and as it was there ever after."""
    stays = np.minimum(np.arange(20), np.searchsorted(curve.beta, 13.1) - 1)
    i_xt, i_ty = curve.i_xt[stays], curve.i_ty[stays]
    return curve._replace(
        i_xt=i_xt,
        i_ty=i_ty,
        objective=i_xt - curve.beta * i_ty,
        num_clusters=curve.num_clusters[stays],
        critical_beta=curve.critical_beta[:1],
    )


def _drawn(figure):
    """Draws the figure, so that warnings of its artists are raised."""
    assert isinstance(figure, Figure)
    figure.set_layout_engine("none")
    figure.draw_without_rendering()
    return figure


def _texts(axes):
    return [text.get_text() for text in axes.texts]


def _shuffled(curve):
    order = np.random.default_rng(0).permutation(len(curve.beta))
    fields = {
        name: getattr(curve, name)[order]
        for name in curve._fields
        if name != "critical_beta"
    }
    return curve._replace(**fields)


def test_curve_is_drawn_in_bits_with_its_divisions(curve):
    figure = _drawn(plots.information_curve(curve, i_xy=0.28))
    [axes] = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == (I_XT, I_TY)
    assert figure.get_figwidth() == 3.4
    line = next(line for line in axes.lines if len(line.get_xdata()) == 20)
    np.testing.assert_allclose(line.get_ydata(), curve.i_ty / np.log(2))
    texts = _texts(axes)
    assert texts[:2] == ["$I(T;Y) = I(X;T)$", "$I(X;Y)$"]
    first, second = curve.critical_beta
    assert texts[2:] == [f"2 (β {first:.4g})", f"3 (β {second:.4g})"]
    assert "critical β" in axes.get_legend().get_texts()[0].get_text()


def test_points_are_means_with_intervals(curve):
    rng = np.random.default_rng(0)
    seeds = rng.normal(1.0, 0.1, 8), rng.normal(0.2, 0.01, 8)
    points = {"1: tanh": seeds, "exact": (0.5, 0.1), "lost": (np.nan, np.nan)}
    [axes] = _drawn(plots.information_curve(curve, points=points)).axes
    names = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert names == ["1: tanh", "exact"] and "$I(X;Y)$" not in _texts(axes)
    first = axes.containers[0]
    assert first.has_xerr and first.has_yerr
    assert not axes.containers[1].has_xerr
    x, y = (line[0] for line in first.lines[0].get_data())
    np.testing.assert_allclose([x, y], np.mean(seeds, axis=1) / np.log(2))
    # The whole interval of Student's t with 7 degrees of freedom.
    ends = first.lines[2][0].get_segments()[0][:, 0]
    half = 2.3646 * np.std(seeds[0], ddof=1) / np.sqrt(8) / np.log(2)
    np.testing.assert_allclose(ends, [x - half, x + half], rtol=1e-4)


def test_axes_of_the_caller_hold_all_legends(curve):
    figure = Figure()
    axes = figure.subplots()
    points = {"mine": (0.5, 0.1)}
    assert plots.information_curve(curve, points=points, ax=axes) is figure
    assert not figure.legends and figure.axes == [axes]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["clusters from here on (critical β)", "mine"]


@pytest.mark.parametrize("factor", [1e-3, 1.0, 30.0])
def test_nothing_of_a_curve_is_cut_off(curve, factor):
    """The ticks that are drawn, and their widths, are those of the layout."""
    scaled = curve._replace(i_xt=factor * curve.i_xt, i_ty=factor * curve.i_ty)
    png = encode_figure(plots.information_curve(scaled), pdf=False)[".png"]
    with Image.open(io.BytesIO(png)) as image:
        dark = np.asarray(image.convert("L")) < 250
    assert not dark[:, [0, -1]].any() and not dark[[0, -1]].any()


def test_unfinished_points_are_crossed(curve):
    unfinished = curve._replace(converged=np.arange(20) % 5 > 0)
    [axes] = _drawn(plots.information_curve(unfinished)).axes
    assert "not converged" in [
        text.get_text() for text in axes.get_legend().get_texts()
    ]


def test_of_many_divisions_those_far_apart_are_named(curve):
    many = curve._replace(
        num_clusters=np.arange(1, 21), critical_beta=1.001 * curve.beta[:-1]
    )
    [axes] = _drawn(plots.information_curve(many)).axes
    names = [text for text in _texts(axes) if "β" in text]
    assert 3 <= len(names) < 12 and names[0].startswith("2 (")
    above, _ = _drawn(bifurcations(P_XY, many)).axes
    assert any(" to " in text for text in _texts(above))


def test_curve_of_nothing(one_cluster):
    [axes] = _drawn(plots.information_curve(one_cluster, i_xy=0.0)).axes
    assert axes.get_legend() is None


def test_curve_of_one_point(curve):
    one = InformationCurve(*(field[:1] for field in curve))
    with pytest.raises(ValueError, match="curve must have two or more points, got 1"):
        plots.information_curve(one)


def test_transitions_lie_on_the_curve(curve):
    first, second = branches.transitions(_shuffled(curve))
    assert (first.before, first.after, second.before, second.after) == (1, 2, 2, 3)
    assert (first.i_xt, first.i_ty) == (0.0, 0.0)
    place = np.searchsorted(curve.beta, second.beta)
    for value, ends in ((second.i_xt, curve.i_xt), (second.i_ty, curve.i_ty)):
        assert ends[place - 1] <= value <= ends[place]
    chord = np.interp(second.i_xt, curve.i_xt, curve.i_ty)
    assert chord <= second.i_ty < chord + 1e-3


def test_parabola_has_the_tangent_it_is_asked_for():
    # y = x - x^2 / 2 has the slope 1 - x.
    x = np.array([0.2, 0.6])
    ends = np.stack([x, x - x**2 / 2], axis=1)
    found = branches._parabola(ends, 1 / (1 - x), 1 / (1 - 0.5))
    np.testing.assert_allclose(found, [0.5, 0.375])


def test_decoders_join_what_is_the_same():
    encoder = np.array(
        [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0, 0, 1 - 1e-9, 1e-9]]
    )
    weights, rows = branches.decoders(P_XY, encoder)
    np.testing.assert_allclose(weights, [0.68, 0.32], atol=1e-8)
    np.testing.assert_allclose(rows, [[0.15 / 0.68, 0.53 / 0.68], [0.9375, 0.0625]])


def test_relatives_join_children_and_the_childless():
    before = np.array([[0.5, 0.5], [0.1, 0.9]])
    after = np.array([[0.6, 0.4], [0.4, 0.6], [0.55, 0.45]])
    pairs = _relatives(before, after)
    assert pairs == [(0, 0), (1, 0), (1, 1), (2, 0)]


@pytest.mark.parametrize("scale", ["linear", "logit"])
def test_bifurcations_show_decoders_costs_and_branches(
    curve, one_cluster, two_clusters, scale
):
    figure = bifurcations(P_XY, curve, {2: two_clusters, 1: one_cluster}, scale=scale)
    above, below, plane = _drawn(figure).axes
    assert above.get_ylabel() == r"$p(y=1\,|\,t)$" and above.get_yscale() == scale
    assert below.get_xlabel() == r"$\beta$" and below.get_xscale() == "log"
    assert below.get_ylabel().endswith("(bits)") and below.get_yscale() == "log"
    assert (plane.get_xlabel(), plane.get_ylabel()) == (I_XT, I_TY)
    assert f"{curve.critical_beta[0]:.4g}" in _texts(above)
    names = [text.get_text() for text in below.get_legend().get_texts()]
    assert names == ["$|T|=1$", "$|T|=2$"]
    panels = [plane, *plane.child_axes]
    labels = [text for panel in panels for text in _texts(panel)]
    assert {"$|T|=1$", "$|T|=2$"} <= set(labels)
    # From nothing to the inputs' own p(y|x), and as wide as the clusters' weights.
    [lines] = above.collections
    ends = lines.get_segments()
    assert ends[0][0][1] == pytest.approx(0.55, abs=1e-9)
    assert lines.get_linewidths()[0] == pytest.approx(4.6)
    last = sorted(end[1][1] for end in ends[-3:])
    np.testing.assert_allclose(last, [0.0625, 0.642857, 0.875], atol=2e-3)


def test_bifurcations_without_branches_or_divisions(curve, one_cluster):
    above, plane = _drawn(bifurcations(P_XY, curve, label=0)).axes
    assert above.get_ylabel() == r"$p(y=0\,|\,t)$"
    assert above.get_xlabel() == r"$\beta$"
    _drawn(bifurcations(P_XY, one_cluster, {1: one_cluster}))


def test_bifurcations_of_other_tables(curve, one_cluster):
    with pytest.raises(ValueError, match=r"p_xy must have shape \[3, num_y\], got"):
        bifurcations(P_XY[:2], curve)
    with pytest.raises(ValueError, match=r"label must lie in \[0, 2\), got 2"):
        bifurcations(P_XY, curve, label=2)
    others = {1: one_cluster._replace(beta=2 * one_cluster.beta)}
    with pytest.raises(ValueError, match="the betas of the curve; 1 has not"):
        bifurcations(P_XY, curve, others)
    with pytest.raises(ValueError, match="the betas of the curve; 1 has not"):
        claims.bifurcation_claims(P_XY, curve, others)


def _by_start(found):
    return {claim.claim[:30]: claim for claim in found}


def test_claims_of_a_curve_that_is_right(curve, one_cluster, two_clusters):
    with jax.enable_x64(True):
        found = claims.bifurcation_claims(
            P_XY,
            _shuffled(curve),
            {1: _shuffled(one_cluster), 2: _shuffled(two_clusters)},
        )
    verdicts = [claim.verdict for claim in found]
    # The first division is a jump; betas far apart do not tell exactly where it is.
    assert verdicts[:2] == ["does not hold", "holds"]
    assert found[2].value == pytest.approx(1, abs=3e-4) and verdicts[3] == "holds"
    assert [verdicts[5], verdicts[7]] == ["holds", "holds"]
    assert verdicts[8:] == ["holds"] * 3
    assert found[0].value == pytest.approx(1.9141 / 2.0503, rel=1e-3)
    table = claims.curve_claims_markdown(found)
    assert len(table.strip().splitlines()) == len(found) + 2


def test_claims_of_a_curve_that_is_wrong(curve, two_clusters):
    wrong = curve._replace(
        i_ty=np.where(np.arange(20) == 10, 0.9, 1) * curve.i_ty,
        num_clusters=np.where(np.arange(20) == 15, 1, curve.num_clusters),
        gap=np.where(np.arange(20) == 10, 1e-3, curve.gap),
    )
    with jax.enable_x64(True):
        found = claims.bifurcation_claims(P_XY, wrong, {})
        guessed = curve._replace(certified=np.zeros(20, bool))
        lost = claims.bifurcation_claims(P_XY, guessed, {})
    by_start = _by_start(found)
    fewer = by_start["2. The number of clusters neve"]
    assert fewer.value == 2 and f"at beta {curve.beta[15]:.6g}" in fewer.quantity
    concave = by_start["4. The curve is concave"]
    below = 0.1 * curve.i_ty[10] / np.log(2)
    assert concave.value == pytest.approx(below, rel=0.05)
    assert f"at beta {curve.beta[10]:.6g}" in concave.quantity
    for claim in (fewer, concave, by_start["4. The curve never falls"], found[-1]):
        assert claim.verdict == "does not hold"
    assert lost[-1].verdict == "undecided"


def test_branch_that_never_leaves_is_left_out(curve):
    with jax.enable_x64(True):
        found = claims.bifurcation_claims(P_XY, curve, {3: curve})
    assert not any(claim.claim.startswith("3.") for claim in found)


def test_branches_leave_where_betas_are_close(curve, one_cluster):
    # The objective of the curve just below and above the first division.
    betas = claims.betas_around([], curve.critical_beta[:1])
    assert len(betas) == 8 and (np.diff(betas) > 0).all()
    pays = np.where(betas > curve.critical_beta[0], 1e-3, 0.0)
    near = curve._replace(
        beta=betas,
        objective=-pays,
        i_xt=pays,
        i_ty=2 * pays / betas,
        gap=0 * pays,
        num_clusters=1 + (pays > 0),
        converged=pays >= 0,
        num_steps=0 * betas,
        p_t_given_x=np.ones((8, 3, 1)),
        critical_beta=curve.critical_beta[:1],
    )
    one = one_cluster._replace(
        beta=betas,
        objective=0 * betas,
        gap=0 * betas,
        i_xt=0 * betas,
        i_ty=0 * betas,
        num_clusters=np.ones(8, int),
        p_t_given_x=np.ones((8, 3, 1)),
        converged=pays >= 0,
        num_steps=0 * betas,
    )
    with jax.enable_x64(True):
        found = [
            claim
            for claim in claims.bifurcation_claims(P_XY, near, {1: one})
            if claim.claim.startswith("3.")
        ]
    assert [claim.verdict for claim in found] == ["holds", "holds"]
    assert found[0].value == pytest.approx(1, abs=1e-6)
    assert found[1].value == pytest.approx(1e-3 / np.log(2))


def test_first_division_is_at_most_that_of_the_second_singular_value(curve):
    exact = claims.first_division(P_XY)
    with jax.enable_x64(True):
        local = float(critical_beta(P_XY))
    assert 1 < exact < 0.95 * local
    # The curve has it to the 4,096th part of the distance between two betas.
    np.testing.assert_allclose(exact, curve.critical_beta[0], rtol=3e-4)
    # Brute force over all distributions of three inputs.
    q = np.random.default_rng(0).dirichlet(np.ones(3), 200_000)
    p_x, p_y = P_XY.sum(axis=1), P_XY.sum(axis=0)
    q_y = q @ (P_XY / p_x[:, None])
    ratio = (q_y * np.log(q_y / p_y)).sum(1) / (q * np.log(q / p_x)).sum(1)
    assert 0.9995 < ratio.max() * exact <= 1 + 1e-9


def test_first_division_at_the_limits():
    assert claims.first_division([[0.1, 0.3], [0.15, 0.45]]) == np.inf
    np.testing.assert_allclose(claims.first_division([[0.4, 0.0], [0.0, 0.6]]), 1)
    with pytest.raises(ValueError, match=r"p_xy must have shape \[num_x, 2\], got"):
        claims.first_division(np.full((2, 3), 1 / 6))
