"""Noise that the words of sentences bear in each layer (Guan et al., ICML 2019).

    ibjax reproduce word-information
    ibjax reproduce word-information --quick
    ibjax reproduce word-information --from ibjax-reproduce-word-information

Three kinds of networks tell whether sentences of film reviews (SST-2) are positive: a
convolutional one, an LSTM and a small Transformer, of two layers each. Every word of
sentences that they were not trained on is given as much noise as each of their layers
bears; the entropy of the noise is what the layer leaves open of the word. Negations,
words of sentiment and function words are held against the others of their sentence, and
words are deleted in the order of their noise, which no one trained for.

The sentences are looked for in ``$IBJAX_DATA/sst2`` and ``~/.cache/ibjax/sst2``, see
:func:`ibjax.datasets.sst2`; there is no download. Embeddings are learned with the rest,
of 6,919 sentences alone, so that the networks err on a fifth of the others. Guan et al.
had 67,000 phrases, and BERT too.
"""

from ibjax.experiments.experiment import Experiment
from ibjax.experiments.word_information.run import TITLE, run
from ibjax.experiments.word_information.setup import WordOptions

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="word-information",
    title=TITLE,
    summary="Noise that words bear in each layer of networks of sentences "
    "(Guan et al.).",
    setup=WordOptions(),
    run=run,
)
