"""Autoencoders of sprites: objectives, set-ups, claims and figures."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import networks
from ibjax import representations as rep
from ibjax.datasets.task import Batch
from ibjax.experiments.setup import Context
from ibjax.experiments.vae.claims import settings_of, vae_claims
from ibjax.experiments.vae.figures import vae_figures
from ibjax.experiments.vae.setup import CapacitySetup, VaeSetup, priced
from ibjax.results.cells import cells_of, combine
from ibjax.results.example import example_dataset
from ibjax.sweeps import sweep_grid

SMALL = {
    "code": 3,
    "hidden": "8",
    "orientations": 2,
    "positions": 2,
    "batch_size": 36,
}
SETUP = VaeSetup(method=("beta",), beta=(1.0, 4.0), **SMALL)
CAPACITY = CapacitySetup(capacity=(2.0, 5.0), weight=7.0, **SMALL)
METHODS = ("beta", "annealed", "info")
KEY = jax.random.key(0)


def _numbers_of(rng):
    """Variables of two networks at two epochs, as the probes name them."""
    scalars = "mig sampled_mig sap factor_score information total_correlation"
    found = {name: rng.uniform(size=2) for name in [*scalars.split(), "dimension_kl"]}
    variables = {name: ("seed", values) for name, values in found.items()}
    for name in ("rate", "distortion"):
        variables[name] = ("seed", "epoch"), rng.uniform(size=(2, 2))
    for name, dims in (
        ("dimension_rate", {"dimension": 3}),
        ("factor_information", {"dimension": 3, "factor": 5}),
        ("traversal", {"dimension": 3, "step": 7, "pixel": 256}),
    ):
        values = rng.uniform(size=(2, *dims.values()))
        variables[name] = ("seed", *dims), values
    variables["factor_name"] = "factor", list("abcde")
    variables["factor_values"] = "factor", [3, 3, 2, 2, 1]
    return variables


@pytest.fixture(scope="module")
def datasets():
    """Both datasets of the experiment, without the networks."""
    rng = np.random.default_rng(0)
    example = example_dataset(num_seeds=2, num_epochs=2).isel(epoch=slice(2))

    def cell():
        return example[["i_xt"]].assign(_numbers_of(rng))

    places = [{"method": m, "beta": b} for m in METHODS for b in (1.0, 4.0)]
    led = [{"capacity": c} for c in (2.0, 5.0)]
    return {
        "vae": combine(places, [cell() for _ in places]),
        "vae-capacity": combine(led, [cell() for _ in led]),
    }


@pytest.mark.slow
def test_codes_are_measured_at_the_end():
    cells = SETUP.cells(Context(snapshots=[0, 2]))
    found = sweep_grid(KEY, cells, num_seeds=2)
    assert found.factor_information.dims == ("beta", "seed", "dimension", "factor")
    for name in ("mig", "sampled_mig", "sap", "factor_score"):
        assert ((found[name] >= 0) & (found[name] <= 1)).all()
    # All 72 images are compared, so that the terms are the rate but for one draw.
    last = found.isel(epoch=-1)
    terms = found.information + found.total_correlation + found.dimension_kl
    np.testing.assert_allclose(terms, last.rate, atol=0.5)
    by_dimension = found.dimension_rate.sum("dimension")
    np.testing.assert_allclose(by_dimension, last.rate, rtol=1e-4)
    assert ((found.traversal > 0) & (found.traversal < 1)).all()
    # They have all that claims and figures are tested with.
    assert set(_numbers_of(np.random.default_rng(0))) <= set(found.data_vars)


ENCODER = networks.mlp([4, 4], "relu", output="linear")
MODEL = rep.variational(ENCODER, networks.mlp([2, 4], output="linear"), dim=2)
BATCH = Batch(jnp.linspace(0, 1, 24).reshape(6, 4), None, jnp.ones(6))


PARAMS = MODEL.network.init(KEY)


def _loss(objective, **numbers):
    loss, terms = jax.jit(objective)(PARAMS, BATCH, KEY, **numbers)
    assert list(terms) == ["distortion", "rate"]
    return float(loss), float(terms["distortion"]), float(terms["rate"])


def test_a_price_falls_by_one_factor_an_epoch():
    setup = dataclasses.replace(SETUP, start=32.0)
    falling = setup.objective(MODEL, {"method": "annealed", "beta": 2.0}, 8)
    for epoch, price in ((0, 32), (1, 16), (3, 4), (4, 2), (9, 2)):
        loss, distortion, rate = _loss(falling, epoch=epoch, beta=2.0)
        np.testing.assert_allclose(loss, distortion + price * rate, rtol=1e-5)


def test_a_priced_discrepancy_is_infovaes():
    loss, distortion, rate = _loss(priced(MODEL, beta=3.0, discrepancy=0.0))
    np.testing.assert_allclose(loss, distortion + 3 * rate, rtol=1e-5)
    info = rep.info_vae(MODEL, bandwidth=np.sqrt(2), likelihood="bernoulli")
    found = jax.jit(info)(PARAMS, BATCH, KEY, alpha=-2.0, lam=53.0)
    loss, *_ = _loss(priced(MODEL, beta=3.0, discrepancy=50.0))
    np.testing.assert_allclose(loss, found[0], rtol=1e-6)


def test_a_rate_is_led_to_its_capacity():
    led = CAPACITY.objective(MODEL, {"capacity": 5.0}, 8)
    for epoch, reached in ((0, 0.0), (2, 2.5), (4, 5.0), (7, 5.0)):
        loss, distortion, rate = _loss(led, epoch=epoch)
        expected = distortion + 7 * abs(rate - reached)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_ways_of_training_are_cells():
    cells = VaeSetup(**SMALL).cells(Context(snapshots=[0, 10]))
    assert [cell.place["method"] for cell in cells] == list(METHODS)
    names = [cell.objective.name for cell in cells]
    assert "beta from 30 in epochs 0 to 5" in names[1]
    assert "discrepancy 500" in names[2]
    assert len({cell.network.description for cell in cells}) == 1
    (cell,) = CAPACITY.cells(Context(snapshots=[0, 10]))
    assert cell.vary == {"capacity": (2.0, 5.0)}


def test_one_price_of_one_way_is_drawn(datasets):
    (place, one), *_ = cells_of(datasets["vae"])
    # As a sweep of one price of one way says it.
    configuration = json.loads(one.attrs["configuration"]) | place
    one.attrs["configuration"] = json.dumps(configuration)
    assert list(vae_figures({"vae": one})) == list(vae_figures(datasets))


def test_figures_show_all_ways(datasets):
    figures = vae_figures(datasets)
    assert list(figures) == ["vae_curves", "vae_factors", "vae_traversals"]
    legend = figures["vae_curves"].axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "β held",
        "β falling",
        "InfoVAE",
        "capacity",
    ]
    titles = [ax.get_title(loc="left") for ax in figures["vae_traversals"].axes]
    assert titles == [
        "β = 1",
        "β = 4",
        "falling β = 1",
        "InfoVAE β = 1",
        "capacity C = 5",
    ]


# For beta 1 and 4, of each way of training.
_HELD = {
    "rate": (12, 6),
    "distortion": (10, 20),
    "mig": (0.1, 0.4),
    "sampled_mig": (0.05, 0.1),
    "sap": (0.1, 0.3),
    "factor_score": (0.5, 0.8),
    "total_correlation": (2.0, 0.5),
    "dimension_kl": (1.0, 1.0),
}
_INFO = _HELD | {"total_correlation": (1.0, 0.2), "dimension_kl": (0.5, 0.5)}


def _changed(datasets, ways):
    """Datasets whose networks have these numbers, but for a jitter."""
    jitter = 1 + 1e-3 * np.array([-1, 1])
    changed = {name: dataset.copy(deep=True) for name, dataset in datasets.items()}
    for way, numbers in ways.items():
        dataset = changed["vae-capacity" if way == "capacity" else "vae"]
        for place in range(2):
            where = {"capacity": place} if way == "capacity" else {"beta": place}
            if way != "capacity":
                where["method"] = METHODS.index(way)
            for name, values in numbers.items():
                number = values[place] * jitter
                if "epoch" in dataset[name].dims:
                    number = number[:, None]
                shape = dataset[name][where].shape
                dataset[name][where] = np.broadcast_to(number, shape)
    return changed


def _letters(datasets, verdict):
    return "".join(c.claim[0] for c in vae_claims(datasets) if c.verdict == verdict)


def test_claims_follow_the_numbers(datasets):
    fallen = _HELD | {"mig": (0.3, 0.4)}
    led = {"rate": (2.2, 5.3), "mig": (0.4, 0.4)}
    ways = {"beta": _HELD, "annealed": fallen, "info": _INFO, "capacity": led}
    published = _changed(datasets, ways)
    assert _letters(published, "holds") == "11222345667"
    turned = {name: values[::-1] for name, values in _HELD.items()}
    ways = {
        "beta": turned | {"sampled_mig": (0.9, 0.9)},
        "annealed": _HELD,
        "info": _HELD | {"total_correlation": (3.0, 3.0)},
        "capacity": {"rate": (2.2, 9.0), "mig": (0.0, 0.0)},
    }
    opposite = _changed(datasets, ways)
    assert _letters(opposite, "does not hold") == "11222345667"


def test_a_network_that_diverged_or_one_price_alone(datasets):
    led = {"rate": (2.2, 5.3), "mig": (0.4, 0.4)}
    ways = {"beta": _HELD, "annealed": _HELD, "info": _INFO, "capacity": led}
    changed = _changed(datasets, ways)
    for name in ("rate", "mig"):
        changed["vae"][name].loc[{"method": "beta", "beta": 4.0, "seed": 0}] = np.nan
    # The capacity beside is still the one that is near the others' rate.
    assert any("A capacity of 5 nats" in c.claim for c in vae_claims(changed))
    cells = [(p, c) for p, c in cells_of(datasets["vae"]) if p["beta"] == 1]
    one = datasets | {"vae": combine(*zip(*cells, strict=True))}
    assert "".join(claim.claim[0] for claim in vae_claims(one)) == "45667"


def test_other_datasets_are_refused(datasets):
    with pytest.raises(ValueError, match="vae must be of autoencoders of sprites"):
        settings_of({"vae": example_dataset(num_seeds=2, num_epochs=3)})
    with pytest.raises(ValueError, match=r"got none by \['capacity'\]"):
        vae_claims({"vae": datasets["vae"]})


@pytest.mark.parametrize(
    "setup, options, message",
    [
        (SETUP, {"beta": (0.0,)}, "beta must be one positive number"),
        (SETUP, {"method": ("none",)}, "method must be one of beta, annealed, info"),
        (SETUP, {"start": 0.0}, "start must be one positive number"),
        (SETUP, {"code": 0}, "code must be a whole number, at least 1"),
        (SETUP, {"positions": 0}, "positions must be a whole number, at least 1"),
        (SETUP, {"hidden": "a"}, "hidden must be numbers of units"),
        (CAPACITY, {"capacity": (-1.0,)}, "capacity must be one number from 0 on"),
        (CAPACITY, {"weight": 0.0}, "weight must be one positive number"),
    ],
)
def test_options_out_of_range(setup, options, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(setup, **options).cells(Context(snapshots=[0, 1]))
