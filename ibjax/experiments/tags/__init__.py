"""Tags of words by information bottleneck (Li and Eisner, EMNLP 2019).

    ibjax reproduce tags
    ibjax reproduce tags --quick
    ibjax sweep tags-ewt --beta 0.01 0.1 --gamma 0

The code of a token, its tag, is made for one purpose: here to tell the token's relation
to its head. It pays beta for a nat about the input, I(X;T), and gamma for a nat that it
takes from the context, I(T;X|type); both are swept, with five networks each, in one
program for discrete tags and one for continuous ones. What is left of the parts of
speech in the tags, which nobody trained on, is measured by a linear classifier and by
the V-measure.

There are two corpora. One is drawn and its entropies are known: how much of the label
the word tells by itself, and how much with its neighbours. The other is the English Web
Treebank of Universal Dependencies, of which the dev part is trained on and the test
part measured, 25,000 tokens each.

It is much less than published. There is no parser: the loss is that of a token's
relation, given its own tag alone, not of a whole tree given all tags. There is no ELMo:
vectors of types are made from the words of both parts themselves (no labels), by
co-occurrence, rare words taken together by shape and ending; the input is the token's
vector and those of the words before and after it. One language, 32 tags in place of 128
and 8 dimensions in place of 256. Sums over discrete tags are exact, so there is no
temperature to fall; in its place the entropy H(T|X) is paid for in the first half of
the epochs, without which most tags die out early. All rates are means over tokens, for
both kinds of tags.

The treebank is looked for in the folder ``ud_ewt`` of ``$IBJAX_DATA`` and
``~/.cache/ibjax``; see :func:`ibjax.datasets.ud_ewt`.
"""

import dataclasses

from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.experiments.tags.claims import tags_claims
from ibjax.experiments.tags.figures import tags_figures
from ibjax.experiments.tags.setup import TagsSetup

__all__ = ["EXPERIMENT"]

_QUICK_PRICES = {"beta": (1e-3, 0.03, 0.8), "gamma": (0.0, 1.0)}
_DRAWN = TagsSetup(corpus="drawn")
_EWT = TagsSetup(corpus="ewt")

EXPERIMENT = Experiment(
    name="tags",
    title="Tags of words by information bottleneck (Li and Eisner, EMNLP 2019)",
    summary="Tags that are made for a purpose, and pay for what they tell "
    "(Li and Eisner).",
    parts={
        "tags": Part(
            _DRAWN,
            Scale(5, 20, 5),
            Scale(2, 12, 3),
            "Tags of a drawn corpus whose entropies are known (Li and Eisner).",
            quick_setup=dataclasses.replace(_DRAWN, **_QUICK_PRICES),
            figures=lambda dataset: tags_figures({"tags": dataset}),
        ),
        "tags-ewt": Part(
            _EWT,
            Scale(5, 15, 5),
            Scale(2, 6, 3),
            "Tags of the English Web Treebank, for prices of information (Li and "
            "Eisner).",
            quick_setup=dataclasses.replace(_EWT, **_QUICK_PRICES),
            figures=lambda dataset: tags_figures({"tags-ewt": dataset}),
        ),
    },
    claims=tags_claims,
    figures=tags_figures,
)
