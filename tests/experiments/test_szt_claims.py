"""The claims on SZT's networks: verdicts both ways, and what is missing."""

import json
import math

import numpy as np
import pytest
import xarray as xr

from ibjax.claims import claims_json
from ibjax.experiments.szt.claims import szt_claims
from ibjax.results.example import example_dataset

BIT = math.log(2.0)
EPOCHS = np.array([0, 1, 10, 30, 100, 300, 1000])
NUM_SEEDS = 12
NAMES = ["tanh 10", "tanh 7", "tanh 5", "tanh 4", "tanh 3", "softmax 2"]

FALLS = [4.0, 5.0, 6.0, 5.9, 4.0, 3.5, 3.0]  # Largest at 10, falls from 30 on.
RISES = [4.0, 4.5, 5.0, 5.5, 5.8, 5.9, 6.0]
TURNS = [3.0, 4.0, 2.0, 0.8, 0.5, 0.4, 0.3]  # Below one from 30 on.
STAYS = [3.0, 4.0, 2.0, 3.0, 2.0, 3.0, 2.0]


def _dataset(
    deep=FALLS, near=RISES, snr=TURNS, i_ty=(0.1, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9), kde=()
):
    """Six layers; the first three follow ``near``, the others ``deep``, in bits.

    Seeds are spread evenly around them, by 0.2 bit at the first snapshot and half as
    much later. ``kde`` adds estimators whose deep layers follow other curves.
    """
    rng = np.random.default_rng(0)
    shift = 0.2 * rng.permuted(np.linspace(-1, 1, NUM_SEEDS))
    shrink = np.where(EPOCHS == 0, 1.0, 0.5)

    def curves(deep):
        layers = np.stack([near] * 3 + [deep] * 3, axis=-1)
        return layers + (shift[:, None] * shrink)[:, :, None]

    i_xt = np.stack([curves(deep), *[curves(values) for values in kde]], axis=-1)
    i_ty = np.asarray(i_ty)[None, :, None, None] + 0 * i_xt
    i_ty = i_ty + 0.1 * (shift[:, None] * shrink)[:, :, None, None]
    ratio = np.asarray(snr)[None, :, None] * np.exp(shift)[:, None, None]
    dims = ("seed", "epoch", "layer")
    return xr.Dataset(
        {
            "i_xt": ((*dims, "estimator"), i_xt * BIT),
            "i_ty": ((*dims, "estimator"), i_ty * BIT),
            "gradient_snr": (dims, np.broadcast_to(ratio, (NUM_SEEDS, 7, 6)).copy()),
            "diverged": ("seed", np.zeros(NUM_SEEDS, bool)),
        },
        {
            "seed": np.arange(NUM_SEEDS),
            "epoch": EPOCHS,
            "layer": np.arange(1, 7),
            "layer_name": ("layer", NAMES),
            "estimator": ["binning", "kde_upper", "kde_lower"][: 1 + len(kde)],
        },
    )


def _numbered(claims, number):
    return [claim for claim in claims if claim.claim.startswith(f"{number}.")]


def _verdicts(claims, number):
    return [claim.verdict for claim in _numbered(claims, number)]


@pytest.fixture(scope="module")
def as_claimed():
    return szt_claims(_dataset(kde=(FALLS,)))


@pytest.fixture(scope="module")
def not_as_claimed():
    flat = [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    return szt_claims(_dataset(RISES, FALLS, STAYS, flat, kde=(FALLS,)))


@pytest.mark.parametrize(
    ("number", "count"),
    [(1, 1), (2, 3), (3, 2), (4, 1), (5, 10), (6, 2), (7, 1), (8, 2)],
)
def test_claims_hold_where_they_are_true(as_claimed, number, count):
    assert _verdicts(as_claimed, number) == ["holds"] * count


@pytest.mark.parametrize(("number", "count"), [(1, 1), (2, 3), (3, 2), (4, 1), (7, 1)])
def test_claims_do_not_hold_where_they_are_false(not_as_claimed, number, count):
    assert _verdicts(not_as_claimed, number) == ["does not hold"] * count


def test_snr_that_stays_above_one_is_drift_without_diffusion(not_as_claimed):
    drift, diffusion = _numbered(not_as_claimed, 5)[:2]
    assert (drift.verdict, diffusion.verdict) == ("holds", "does not hold")
    np.testing.assert_allclose(drift.value, 3.0, rtol=1e-10)
    assert diffusion.value == 0.0


def test_numbers_are_in_bits_and_name_their_layers(as_claimed):
    assert [c.claim for c in _numbered(as_claimed, 2)] == [
        "2. After fitting, layer 4 (tanh 4) compresses",
        "2. After fitting, layer 5 (tanh 3) compresses",
        "2. After fitting, layer 6 (softmax 2) compresses",
    ]
    # All seeds fall by 3 bits.
    np.testing.assert_allclose(_numbered(as_claimed, 2)[0].value, 3.0)
    np.testing.assert_allclose(_numbered(as_claimed, 1)[0].value, 0.8, atol=0.01)
    np.testing.assert_allclose(_numbered(as_claimed, 4)[0].value, 0.01)
    # The SNR falls below one, and I(X;T) starts to fall, at epoch 30.
    coincidence = _numbered(as_claimed, 6)[0]
    assert (coincidence.value, coincidence.low, coincidence.high) == (1.0, 1.0, 1.0)
    np.testing.assert_allclose(_numbered(as_claimed, 8)[0].value, 0.5)


@pytest.mark.parametrize(
    ("deep", "snr", "value"),
    [
        (FALLS, STAYS, math.inf),  # Compression without diffusion.
        (RISES, TURNS, 0.0),  # Diffusion without compression.
        ([6.0, 5, 4, 4, 4, 4, 4], TURNS, math.inf),  # Compression from the start.
        (FALLS, [0.5] * 7, 0.0),  # Diffusion from the start.
    ],
)
def test_one_event_without_the_other_does_not_coincide(deep, snr, value):
    claim = _numbered(szt_claims(_dataset(deep, snr=snr)), 6)[0]
    assert (claim.value, claim.verdict) == (value, "does not hold")
    assert claim.num_seeds == NUM_SEEDS


def test_neither_event_leaves_the_seeds_out():
    claim = _numbered(szt_claims(_dataset(RISES, snr=STAYS)), 6)[0]
    assert math.isnan(claim.value) and claim.verdict == "undecided"
    assert (claim.num_seeds, claim.num_left_out) == (0, NUM_SEEDS)


def test_seeds_that_differ_leave_claims_undecided():
    dataset = _dataset()
    rising = _dataset(RISES, snr=STAYS)
    mixed = xr.concat(
        [dataset.isel(seed=slice(0, 1)), rising.isel(seed=slice(1, NUM_SEEDS))], "seed"
    )
    assert _verdicts(szt_claims(mixed), 2) == ["undecided"] * 3
    half = xr.concat(
        [dataset.isel(seed=slice(0, 6)), rising.isel(seed=slice(6, NUM_SEEDS))], "seed"
    )
    claims = szt_claims(half)
    assert _verdicts(claims, 4) == ["undecided"]
    assert _numbered(claims, 5)[1].verdict == "undecided"


def test_one_seed_decides_nothing():
    claims = szt_claims(_dataset(kde=(FALLS,)).isel(seed=[0]))
    assert {claim.verdict for claim in claims} == {"undecided"}
    assert {claim.num_seeds for claim in claims} == {1}


def test_diverged_seeds_are_left_out_and_counted(as_claimed):
    dataset = _dataset(kde=(FALLS,))
    extra = dataset.isel(seed=[0, 1]) * np.nan
    extra["diverged"] = ("seed", [True, True])
    whole = xr.concat([dataset, extra], "seed")
    claims = szt_claims(whole)
    assert {claim.num_left_out for claim in claims} == {2}
    assert [c._replace(num_left_out=0) for c in claims] == as_claimed
    # A seed that only now and then lacks a value, and is not marked.
    dataset["i_xt"][3, 2] = np.nan
    claim = _numbered(szt_claims(dataset), 2)[0]
    assert (claim.num_seeds, claim.num_left_out) == (NUM_SEEDS - 1, 1)


def test_nothing_but_diverged_seeds_is_undecided():
    dataset = _dataset(kde=(FALLS,)) * np.nan
    claims = szt_claims(dataset.assign(diverged=("seed", np.ones(NUM_SEEDS, bool))))
    assert {claim.verdict for claim in claims} == {"undecided"}
    assert {claim.num_seeds for claim in claims} == {0}


def test_claims_without_their_data_are_left_out():
    claims = szt_claims(_dataset().drop_vars(["gradient_snr", "layer_name"]))
    assert {claim.claim[:2] for claim in claims} == {"1.", "2.", "3.", "4.", "8."}


@pytest.mark.parametrize(("num_layers", "near", "deep"), [(2, 0, 1), (3, 1, 1)])
def test_few_layers_are_never_both_near_and_deep(num_layers, near, deep):
    dataset = _dataset().isel(layer=slice(6 - num_layers, 6))
    claims = szt_claims(dataset)
    assert len(_numbered(claims, 3)) == near
    assert len(_numbered(claims, 2)) == deep + 1


@pytest.mark.parametrize("compresses", [True, False])
def test_example_dataset(compresses):
    claims = szt_claims(example_dataset(num_seeds=10, compresses=compresses))
    expected = "holds" if compresses else "does not hold"
    assert _verdicts(claims, 2)[-1] == expected
    json.dumps(claims_json(claims), allow_nan=False)


def test_estimator_can_be_chosen(as_claimed):
    dataset = _dataset(kde=(RISES,))
    claims = szt_claims(dataset, estimator="kde_upper")
    assert _verdicts(claims, 2) == ["does not hold"] * 3
    assert _verdicts(claims, 7) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars("i_ty"), "must hold i_ty"),
        (lambda d: d.isel(seed=[]), "at least one seed"),
        (lambda d: d.isel(epoch=[]), "at least one epoch"),
        (lambda d: d.isel(layer=[5]), "layers must be at least 2, got 1"),
    ],
)
def test_datasets_that_cannot_be_read(change, message):
    with pytest.raises(ValueError, match=message):
        szt_claims(change(_dataset()))


def test_unknown_estimator():
    with pytest.raises(ValueError, match="estimator must be one of .* got 'knn'"):
        szt_claims(_dataset(), estimator="knn")
