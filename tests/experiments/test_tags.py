"""Tags of words: corpora, claims and figures."""

import dataclasses
import itertools
import json

import jax
import numpy as np
import pytest
import xarray as xr

from ibjax.datasets.tagged_corpus import tagged_corpus
from ibjax.experiments.setup import Context
from ibjax.experiments.tags import corpora
from ibjax.experiments.tags.claims import points_of, tags_claims
from ibjax.experiments.tags.figures import tags_figures
from ibjax.experiments.tags.setup import TagsSetup
from ibjax.sweeps import sweep_grid

BETAS, GAMMAS, NUM_SEEDS = (1e-3, 0.01, 0.03, 0.1, 0.8), (0.0, 0.1, 1.0), 3
KNOWN = {
    name: getattr(tagged_corpus(jax.random.key(0), 2), name)
    for name in ("i_word_tag", "i_input_tag", "best_error", "best_type_error")
}


def _dataset(numbers, known=KNOWN, kinds=("discrete", "continuous")):
    """A dataset of taggers with the numbers of a function of kind, beta and gamma."""
    names = ("test_rate", "test_type_rate", "test_error_one_draw", "i_ty")
    speech = ("part_of_speech_error", "part_of_speech_v_measure")
    axes = {"kind": list(kinds), "beta": list(BETAS), "gamma": list(GAMMAS)}
    places = list(itertools.product(*axes.values()))
    values = np.array([numbers(*place) for place in places])
    jitter = 1e-3 * np.linspace(-1, 1, NUM_SEEDS)
    shape = (len(kinds), len(BETAS), len(GAMMAS), NUM_SEEDS, 1)
    dims = (*axes, "seed", "epoch")
    variables = {
        name: (dims, (values[:, n, None] * (1 + jitter)).reshape(shape))
        for n, name in enumerate((*names[:3], *speech))
    }
    told = (values[:, 5, None] * (1 + jitter)).reshape(*shape, 1, 1)
    variables["i_ty"] = ((*dims, "layer", "estimator"), told)
    configuration = {
        "known": known,
        "grid": axes,
        "cells": [{} for _ in places],
    }
    return xr.Dataset(
        variables,
        {
            **axes,
            "seed": range(NUM_SEEDS),
            "epoch": [3],
            "layer": [0],
            "estimator": ["variational"],
            "layer_name": ((*axes, "layer"), np.full((*shape[:3], 1), "tag 4")),
            "layer_width": ((*axes, "layer"), np.full((*shape[:3], 1), 4)),
        },
        {"configuration": json.dumps(configuration), "h_y": np.log(4)},
    )


def _as_claimed(kind, beta, gamma):
    rate = {1e-3: 10.0, 0.01: 8.0, 0.03: 3.0, 0.1: 2.0, 0.8: 0.1}[beta]
    from_context = {0.0: 0.6, 0.1: 0.2, 1.0: 0.01}[gamma]
    error = {0.0: 0.15, 0.1: 0.152, 1.0: 0.37}[gamma] + 0.4 * (beta == 0.8)
    told = KNOWN["i_input_tag" if gamma < 1 else "i_word_tag"] - 0.02
    return rate, from_context, error, error, 0.6 + 0.1 * (beta == 0.1), told


def _opposite(kind, beta, gamma):
    error = 0.3 - 0.1 * gamma - 0.1 * (beta == 0.8) + 0.1 * (beta == 0.03)
    return 3.0, 0.6, error + 0.1 * (gamma == 0.1), error, 0.9 - beta, 1.2


def _verdicts(found, verdict):
    return "".join(c.claim[0] for c in tags_claims(found) if c.verdict == verdict)


def test_claims_follow_the_numbers():
    found = _dataset(_as_claimed)
    points = points_of(found)["discrete"]
    assert [(p.gamma, p.beta) for p in points] == list(itertools.product(GAMMAS, BETAS))
    both = "112334456" + "66"
    assert _verdicts({"tags": found}, "holds") == "".join(sorted(2 * both))
    # Nothing is known of a treebank.
    words = _dataset(_as_claimed, known={}, kinds=("discrete",))
    assert _verdicts({"tags-ewt": words}, "holds") == "11233445"
    found = {"tags": _dataset(_opposite, kinds=("discrete",))}
    assert _verdicts(found, "does not hold") == both
    (first, *_) = tags_claims(found)
    assert first.claim.startswith("1. drawn corpus, discrete: beta 0.03 leaves")


def test_figures_show_the_limits():
    found = {
        "tags": _dataset(_as_claimed),
        "tags-ewt": _dataset(_as_claimed, known={}, kinds=("discrete",)),
    }
    figures = tags_figures(found)
    assert list(figures) == ["tags_errors", "tags_prices"]
    drawn, *_, words, _ = figures["tags_errors"].axes
    heights = {
        line.get_ydata()[0] for line in drawn.lines if len(line.get_xdata()) == 2
    }
    assert heights == {100 * KNOWN["best_error"], 100 * KNOWN["best_type_error"]}
    assert words.get_title(loc="left") == "Treebank, discrete tags"


def test_other_datasets_are_refused():
    with pytest.raises(ValueError, match="dataset must be of taggers"):
        points_of(xr.Dataset())


def test_neighbours_stay_in_the_sentence():
    values = np.arange(1.0, 6.0)[:, None]
    sentences = np.array([0, 0, 0, 1, 1])
    before, after = (corpora._shifted(values, sentences, step) for step in (1, -1))
    np.testing.assert_array_equal(before[:, 0], [0, 1, 2, 0, 4])
    np.testing.assert_array_equal(after[:, 0], [2, 3, 0, 5, 0])


@pytest.mark.slow
def test_the_treebank_is_trained_on_its_dev_part(real_data):
    real_data("ud_ewt")
    found = corpora.ewt_corpus()
    assert found.task.x.shape == (50_241, 150) and found.task.num_classes == 36
    assert len(found.task.train_rows) == 25_147
    assert found.part_of_speech.max() == 16
    # The neighbour's vector is the neighbour's own.
    x = np.asarray(found.task.x[:5])
    np.testing.assert_array_equal(x[1:, 50:100], x[:-1, :50])


@pytest.mark.slow
def test_what_is_known_is_found():
    setup = TagsSetup(kind=("discrete",), beta=(0.01, 0.8), gamma=(0.0, 1.0))
    context = Context(snapshots=[0, 15])
    found = sweep_grid(jax.random.key(0), setup.cells(context), num_seeds=2)
    last = found.isel(epoch=-1).mean("seed")
    drawn = corpora.drawn_corpus()
    # The error of the best tagger on these tokens, by five standard errors.
    error = 5 * np.sqrt(0.25 / len(drawn.task.test_rows))
    with_context, without = (
        float(last.test_error_one_draw.sel(beta=0.01, gamma=gamma))
        for gamma in (0.0, 1.0)
    )
    assert abs(with_context - drawn.known["best_error"]) < error + 0.02
    assert abs(without - drawn.known["best_type_error"]) < error + 0.02
    assert float(last.test_type_rate.sel(beta=0.01, gamma=1.0)) < 0.05


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beta": (-1.0,)}, "beta must be one number from 0 on"),
        ({"gamma": (np.inf,)}, "gamma must be one number from 0 on"),
        ({"kind": ("other",)}, "kind must be one of discrete, continuous"),
        ({"num_tags": 0}, "num-tags must be a whole number"),
        ({"initial_std": 0.0}, "initial-std must be one positive number"),
        ({"hidden": "a"}, "hidden must be numbers of units"),
    ],
)
def test_options_out_of_range(options, message, monkeypatch):
    small = corpora.drawn_corpus(600)
    monkeypatch.setattr("ibjax.experiments.tags.setup.corpus", lambda name: small)
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TagsSetup(), **options).cells(Context(snapshots=[0, 1]))
