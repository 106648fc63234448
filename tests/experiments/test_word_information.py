"""Noise of words: networks of sentences, claims on made-up numbers, a small run."""

import dataclasses
import gzip

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from ibjax import cli, results
from ibjax.datasets.sentences import encode_sentences
from ibjax.experiments.word_information.claims import (
    deletion_scores,
    group_entropies,
    word_claims,
)
from ibjax.experiments.word_information.figures import word_figures
from ibjax.experiments.word_information.groups import GROUPS, group_numbers
from ibjax.experiments.word_information.networks import (
    KINDS,
    LAYERS,
    SentenceNetwork,
)
from ibjax.experiments.word_information.setup import WordOptions

SEEDS = 3


def _dataset(first, last, slopes):
    """Entropies of a group's words in both layers; curves that fall so fast."""
    group = np.array([[0, 1, 2, 3], [1, 0, 3, -1]])
    jitter = 1e-3 * np.arange(SEEDS)
    entropy = np.empty((SEEDS, 2, 2, 4))
    for layer, values in enumerate((first, last)):
        # What is not there is NaN, as word_noise has it.
        entropy[:, layer] = np.append(values, np.nan)[group]
    entropy *= 1 + jitter[:, None, None, None]
    fraction = np.linspace(0, 1, 3)
    curves = 1 - np.array(slopes)[:, :, None, None] * np.tile(fraction, (2, 1))
    deletion = curves[None] * (1 + jitter[:, None, None, None, None])
    words = np.array([["a", "b", "c", "d"], ["e", "f", "g", ""]])
    dataset = xr.Dataset(
        {
            "entropy": (("seed", "layer", "sentence", "word"), entropy),
            "deletion": (
                ("seed", "order", "direction", "sentence", "fraction"),
                deletion,
            ),
            "group": (("sentence", "word"), group),
            "drawn_word": (("drawn", "word"), words),
        },
        coords={
            "seed": range(SEEDS),
            "epoch": [1],
            "layer": ["layer 1", "pooled"],
            "order": ["noise", "gradient × input", "random"],
            "direction": ["most", "least"],
            "fraction": fraction,
        },
    )
    dataset.attrs = {"configuration": "{}", "versions": "{}", "command": "made up"}
    return dataset


PUBLISHED = _dataset(
    [1, 1.2, 0.9, 0.8], [2, 3, 1, 0.5], [[0.5, 0.1], [0.4, 0.2], [0.3, 0.3]]
)
OPPOSITE = _dataset(
    [2, 3, 1, 0.5], [0.5, 0.1, 0.9, 1], [[0.1, 0.5], [0.2, 0.4], [0.3, 0.3]]
)


@pytest.mark.parametrize(
    "dataset, verdict", [(PUBLISHED, "holds"), (OPPOSITE, "does not hold")]
)
def test_claims_follow_the_numbers(dataset, verdict):
    found = word_claims({"cnn": dataset, "lstm": dataset})
    assert "".join(claim.claim[0] for claim in found) == "11223344556677"
    assert {claim.verdict for claim in found} == {verdict}
    with pytest.raises(ValueError, match="dataset must hold"):
        word_claims({"cnn": dataset.drop_vars("group")})


def test_groups_are_held_against_their_sentence():
    found = group_entropies(PUBLISHED)[:, 0, 1]
    # Sentences of 2, 3, 1, 0.5 and of 3, 2, 0.5.
    means = 6.5 / 4, 5.5 / 3
    expected = [4 - sum(means), 6 - sum(means), 2 * (1 - means[0]), 1 - sum(means)]
    np.testing.assert_allclose(2 * found, expected, rtol=1e-6)


def test_areas_between_deletion_curves():
    found = deletion_scores(PUBLISHED)[:, 0]
    # Lines: half the difference of their slopes.
    np.testing.assert_allclose(found, [0.2, 0.1, 0.0], atol=1e-7)


def test_figures_show_every_kind():
    figures = word_figures({"cnn": PUBLISHED})
    assert list(figures) == ["word_sentences_cnn", "word_groups", "word_deletion"]
    assert len(figures["word_sentences_cnn"].figure.axes) == 3
    lines = figures["word_groups"].figure.axes[0].lines[: len(GROUPS)]
    for line, values in zip(lines, group_entropies(PUBLISHED), strict=True):
        np.testing.assert_allclose(line.get_ydata(), values.mean(axis=0))


def test_words_have_sentiment_by_their_sentences():
    lines = [(["fine", "the", "film"], 1)] * 20 + [(["dull", "film", "not"], 0)] * 20
    lines += [(["rare", "film"], 1)] * 4
    sentences = encode_sentences(lines, num_measured=2, max_words=4, num_words=9)
    groups = dict(zip(sentences.vocabulary, group_numbers(sentences), strict=True))
    found = {word: GROUPS[number] for word, number in groups.items()}
    assert found == {
        **{"fine": "sentiment", "dull": "sentiment", "not": "negation"},
        **{"the": "function", "film": "other", "rare": "other", "": "other"},
        "<?>": "other",
    }


# Attention is where words that are not there could be heard.
@pytest.mark.parametrize(
    "kind",
    [
        "transformer",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[:2]),
    ],
)
def test_what_fills_a_sentence_up_changes_nothing(kind):
    module = SentenceNetwork(kind, 6, 3, 4)
    short = jnp.array([[2.0, 5.0, 1.0], [3.0, 2.0, 0.0]])
    long = jnp.pad(short, ((0, 0), (0, 2)))

    def both(key):
        params = module.init(key, short)
        return [module.apply(params, x) for x in (short, long)]

    first, second = jax.jit(both)(jax.random.key(0))
    assert len(first) == len(LAYERS) + 1
    np.testing.assert_allclose(first[-1], second[-1], atol=1e-5)
    # And the layers are the same where there are words, and zero elsewhere.
    for a, b in zip(first[:-2], second[:-2], strict=True):
        np.testing.assert_allclose(a, b[:, :3], atol=1e-5)
        assert not np.any(b[:, 3:]) and not np.any(a[1, 2:])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"units": 6}, "units must be a multiple of 4"),
        ({"kinds": ()}, "kinds must hold at least one"),
        ({"steps": 1}, "steps must be a whole number"),
        ({"rate": 0.0}, "rate must be one positive number"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(WordOptions(), **options).check()


@pytest.mark.slow
def test_a_small_run(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    words = ["fine", "dull", "not", "the", *"abcdefgh"]
    for name, num in (("train", 80), ("dev", 6)):
        lines = [" ".join(rng.choice(words, 5)) for _ in range(num)]
        text = "".join(f"{line}\t{int('fine' in line)}\n" for line in lines)
        path = tmp_path / "sst2" / f"{name}.tsv.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))
    monkeypatch.setenv("IBJAX_DATA", str(tmp_path))
    # In another order than by default, or the quick run would choose.
    options = ["--quick", "--epochs", "1", "--steps", "4", "--kinds", *KINDS[::-1]]
    options += ["--units", "8", "--dim", "4", "--max-words", "6"]
    output = tmp_path / "out"
    cli.main(["reproduce", "word-information", *options, "--output", str(output)])
    for kind in KINDS:
        dataset = results.open_dataset(output / kind)
        assert dataset.sizes["sentence"] == 6 and dataset.sizes["seed"] == 3
        present = dataset.group >= 0
        assert (dataset.entropy.notnull() == present).all()
        assert dataset.deletion.notnull().all()
    again = ["--from", str(output), "--output", str(tmp_path / "again")]
    cli.main(["reproduce", "word-information", *again])
    assert (tmp_path / "again" / "word_groups.png").exists()
