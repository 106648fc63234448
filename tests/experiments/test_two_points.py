"""Autoencoders of two points: exact numbers, set-up, claims and figures."""

import dataclasses
import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from ibjax import representations as rep
from ibjax.datasets.task import Batch
from ibjax.experiments.setup import Context
from ibjax.experiments.two_points import mixtures
from ibjax.experiments.two_points.claims import NUMBERS, two_points_claims
from ibjax.experiments.two_points.figures import two_points_figures
from ibjax.experiments.two_points.setup import POINTS, TwoPointsSetup, _numbers
from ibjax.probes.snapshot import Snapshot
from ibjax.results.cells import combine
from ibjax.results.example import example_dataset
from ibjax.sweeps import sweep_grid

SETUP = TwoPointsSetup(lam=(1.0, 100.0), rows=16, hidden="4", min_std=0.3)
CODES = [((-0.8, 0.7), (0.3, 0.6)), ((-2.0, 2.0), (0.05, 0.05))]


def _exact(mean, std):
    """Divergence and discrepancy."""
    return (
        mixtures.code_divergence(mean, std),
        mixtures.code_discrepancy(mean, std, 0.5),
    )


def _numbers_of(rng):
    """Variables of two networks at two epochs, as the probes name them."""
    names = NUMBERS + ("distortion", "rate", "discrepancy", "code_discrepancy")
    found = {n: (("seed", "epoch"), rng.uniform(size=(2, 2))) for n in names}
    found["sample_distance"] = "seed", rng.uniform(size=2)
    for name, dims in (
        ("code_density", {"point": 2, "z": 301}),
        ("reconstruction_density", {"point": 2, "x": 801}),
        ("sample_density", {"x": 801}),
    ):
        found[name] = ("seed", *dims), rng.uniform(size=(2, *dims.values()))
    found["z_grid"] = "z", np.linspace(-3, 3, 301)
    found["x_grid"] = "x", np.linspace(-4, 4, 801)
    return found


@pytest.fixture(scope="module")
def dataset():
    """A dataset of the experiment, without the networks."""
    rng = np.random.default_rng(0)
    example = example_dataset(num_seeds=2, num_epochs=2).isel(epoch=slice(2))
    places = [{"alpha": a, "lam": lam} for a in (0.0, 1.0) for lam in (1.0, 100.0)]
    cells = [example[["i_xt"]].assign(_numbers_of(rng)) for _ in places]
    return combine(places, cells)


def _of_one_lam(dataset):
    configuration = json.loads(dataset.attrs["configuration"])
    configuration["lam"] = configuration["grid"].pop("lam")[0]
    configuration["cells"] = configuration["cells"][::2]
    changed = dataset.isel(lam=0, drop=True)
    return changed.assign_attrs(configuration=json.dumps(configuration))


def _mixture(mean, std):
    def density(z):
        return np.mean(
            [stats.norm.pdf(z, m, s) for m, s in zip(mean, std, strict=True)], axis=0
        )

    return density


@pytest.mark.parametrize("mean, std", CODES)
def test_the_divergence_is_that_of_adaptive_quadrature(mean, std):
    density = _mixture(mean, std)

    def integrand(z):
        q = density(z)
        return q * (np.log(q) - stats.norm.logpdf(z)) if q > 0 else 0.0

    points = [
        m + k * s for m, s in zip(mean, std, strict=True) for k in (-8, -1, 0, 1, 8)
    ]
    expected = integrate.quad(integrand, -8, 8, points=points, limit=500)[0]
    found, _ = _exact(jnp.array(mean), jnp.array(std))
    # Sums of 2,001 numbers of float32.
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("mean, std", CODES)
def test_the_discrepancy_is_that_of_its_definition(mean, std):
    z = np.linspace(-7, 7, 2801)
    step = z[1] - z[0]
    # E k(x, x') + E k(y, y') - 2 E k(x, y) is one quadratic form of the difference.
    apart = _mixture(mean, std)(z) - stats.norm.pdf(z)
    kernel = np.exp(-((z[:, None] - z[None]) ** 2) / (2 * 0.5**2))
    expected = apart @ kernel @ apart * step**2
    _, found = _exact(jnp.array(mean), jnp.array(std))
    # A difference of numbers near one half in float32.
    np.testing.assert_allclose(found, expected, atol=3e-7)


def test_one_code_is_a_gaussian():
    mean, std = jnp.full(2, 0.7), jnp.full(2, 0.4)
    divergence, discrepancy = _exact(mean, std)
    expected = rep.gaussian_kl(mean[:1], std[:1])
    np.testing.assert_allclose(divergence, expected, rtol=1e-5)
    expected = rep.gaussian_mmd(mean[:1], std[0] ** 2, bandwidth=0.5)
    np.testing.assert_allclose(discrepancy, expected, atol=3e-7)


def test_numbers_are_those_of_draws():
    model = SETUP._model()
    params = model.network.init(jax.random.key(3))

    @jax.jit
    def measured(params):
        # All that the probe looks at.
        snapshot = Snapshot(**(dict.fromkeys(Snapshot._fields) | {"params": params}))
        return _numbers(model, 0.5)(snapshot)

    found = measured(params)
    x = jnp.resize(jnp.array(POINTS), 20_000)[:, None]
    batch = Batch(x, None, jnp.ones(len(x)))
    options = {"model": model, "likelihood": "heteroscedastic"}
    drawn = jax.jit(partial(rep.rate_distortion, **options))(
        jax.random.key(0), params, batch
    )
    np.testing.assert_allclose(found["exact_rate"], drawn.rate, rtol=1e-5)
    output = np.asarray(model.decode(params, drawn.z), np.float64)
    each = -stats.norm.logpdf(x[:, 0], output[:, 0], np.exp(output[:, 1]))
    error = np.std(each) / np.sqrt(len(x))
    assert abs(found["exact_distortion"] - each.mean()) < 4 * error
    assert np.exp(output[:, 1]).min() > SETUP.min_std
    # The evidence by draws from the prior, and what the bound loses of it.
    z = jax.random.normal(jax.random.key(1), (20_000, 1))
    output = np.asarray(model.decode(params, z), np.float64)
    densities = [stats.norm.pdf(p, output[:, 0], np.exp(output[:, 1])) for p in POINTS]
    evidence = np.mean([np.log(d.mean()) for d in densities])
    error = max(np.std(d) / d.mean() for d in densities) / np.sqrt(len(z))
    assert abs(found["log_evidence"] - evidence) < 4 * error
    bound = -found["exact_rate"] - found["exact_distortion"]
    np.testing.assert_allclose(
        found["posterior_gap"], found["log_evidence"] - bound, atol=1e-5
    )
    assert found["posterior_gap"] > 0
    # I(X;Z) of the code, which is the fourth layer, by draws.
    posterior = model.encode(params, jnp.array(POINTS)[:, None])
    many = rep.Posterior(*(jnp.resize(array, (2000, 1)) for array in posterior))
    by_draws = rep.code_information(
        jax.random.key(2), many, jnp.zeros(2000, int), num_classes=1
    )
    information = found["exact"].i_xt
    assert np.isfinite(information).sum() == 1
    error = abs(np.nansum(information) - by_draws.i_xz)
    assert error < 4 * by_draws.i_xz_error


@pytest.mark.slow
def test_settings_are_trained_side_by_side():
    cells = SETUP.cells(Context(snapshots=[0, 10]))
    found = sweep_grid(jax.random.key(0), cells, num_seeds=2)
    sizes = {"alpha": 2, "lam": 2, "seed": 2, "epoch": 2}
    assert dict(found.posterior_gap.sizes) == sizes
    # Densities of everything that is decoded add up to one, but for the tails of
    # networks that have learned little.
    step = float(found.x_grid.isel(alpha=0, lam=0, x=slice(2)).diff("x")[0])
    for name in ("sample_density", "reconstruction_density"):
        total = found[name].sum("x") * step
        assert (total < 1 + 1e-5).all() and (total > 0.98).all()
    assert (found.sample_distance >= 0).all() and (found.sample_distance <= 1).all()
    # They have all that claims and figures are tested with.
    assert set(_numbers_of(np.random.default_rng(0))) <= set(found.data_vars)


def test_figures_show_both(dataset):
    figures = two_points_figures(dataset)
    assert list(figures) == ["two_points", "two_points_lam"]
    titles = [ax.get_title(loc="left") for ax in figures["two_points"].axes[:2]]
    assert titles == ["evidence bound (λ = 1)", "InfoVAE (λ = 100)"]
    assert len(figures["two_points_lam"].axes) == 4
    assert len(figures["two_points"].axes) == 4
    one = two_points_figures(_of_one_lam(dataset))
    assert list(one) == ["two_points"] and len(one["two_points"].axes) == 2


def _verdicts(dataset, bound, info, free):
    """First letters of claims with a verdict, for numbers by lam and alpha."""
    changed = dataset.copy(deep=True)
    jitter = 1 + 1e-3 * np.array([-1, 1])
    for name in bound:
        for alpha, lam, value in (
            (0.0, 1.0, bound[name]),
            (0.0, 100.0, info[name]),
            (1.0, 1.0, 0.0),
            (1.0, 100.0, free),
        ):
            place = {"alpha": alpha, "lam": lam}
            values = changed[name].sel(place).values
            values[:] = (value * jitter).reshape(-1, *[1] * (values.ndim - 1))
            changed[name].loc[place] = values
    claims = two_points_claims(changed)
    return {
        verdict: "".join(c.claim[0] for c in claims if c.verdict == verdict)
        for verdict in ("holds", "does not hold")
    }


def test_claims_follow_the_numbers(dataset):
    names = (
        "density_at_zero code_divergence sample_distance posterior_gap log_evidence "
        "exact_distortion"
    ).split()
    bound = dict(zip(names, (0.05, 0.4, 0.3, 0.4, -1.0, -2.0), strict=True))
    info = dict(zip(names, (0.9, 0.02, 0.1, 0.1, -0.5, 0.3), strict=True))
    assert _verdicts(dataset, bound, info, 0.8) == {
        "holds": "1122234567",
        "does not hold": "",
    }
    assert _verdicts(dataset, info, bound, 0.2) == {
        "holds": "",
        "does not hold": "1122234567",
    }


@pytest.mark.parametrize(
    "options, message",
    [
        ({"lam": (-1.0,)}, "lam must be one number from 0 on"),
        ({"bandwidth": 0.0}, "bandwidth must be one positive number"),
        ({"min_std": 0.001}, "min-std must be at least 0.02"),
        ({"rows": 2}, "rows must be a whole number, at least 4"),
        ({"hidden": "a"}, "hidden must be numbers of units"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SETUP, **options).cells(Context(snapshots=[0, 1]))


def test_other_datasets_are_refused(dataset):
    with pytest.raises(ValueError, match="dataset must be of autoencoders of two"):
        two_points_claims(example_dataset(num_seeds=2, num_epochs=3))
    with pytest.raises(ValueError, match="must hold alpha 0 and several lam"):
        two_points_claims(_of_one_lam(dataset))
