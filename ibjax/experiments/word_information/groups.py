"""Groups of words: negations, words of sentiment, and those that hold a sentence."""

import numpy as np

from ibjax.datasets.sentences import PADDING, UNKNOWN, Sentences

__all__ = ["GROUPS", "group_numbers"]

GROUPS = ("other", "function", "negation", "sentiment")
"""Names of the groups, by number."""

_NEGATIONS = frozenset(
    "not n't no never nothing none neither nor nobody without hardly barely".split()
)
_FUNCTION = frozenset(
    "a an the of to in on at by for from with as and or that this these those it its "
    "is are was were be been 's , . : ; -- ` '' `` i you he she we they his her their "
    "which who whom there has have had do does did will would can could".split()
)
# Deviations from the share of positive sentences that luck does not explain.
_LEAST_DEVIATIONS = 3.0
_LEAST_COUNT = 10


def group_numbers(sentences: Sentences) -> np.ndarray:
    """Group of every word of the vocabulary, ``[num_words]``, a place in GROUPS.

    A word has sentiment where the share of positive sentences among the training
    sentences with it differs from that of all by three standard deviations or more, if
    it is in ten at least, and neither a negation nor a function word.

    Args:
      sentences: The sentences; those that are measured on do not count.

    Returns:
      The groups.
    """
    task = sentences.task
    num_train = task.num_samples - task.num_measured
    numbers = np.asarray(task.x[:num_train], int)
    labels = np.asarray(task.labels[:num_train])
    vocabulary = sentences.vocabulary
    count, positive = np.zeros((2, len(vocabulary)))
    for row, label in zip(numbers, labels, strict=True):
        words = np.unique(row)
        count[words] += 1
        positive[words] += label
    share = np.mean(labels)
    spread = np.sqrt(np.maximum(count * share * (1 - share), 1e-9))
    deviations = np.abs(positive - count * share) / spread
    groups = np.zeros(len(vocabulary), int)
    groups[(deviations >= _LEAST_DEVIATIONS) & (count >= _LEAST_COUNT)] = 3
    for number, word in enumerate(vocabulary):
        if word in _FUNCTION or number in (PADDING, UNKNOWN):
            groups[number] = GROUPS.index("function" if word in _FUNCTION else "other")
        if word in _NEGATIONS:
            groups[number] = GROUPS.index("negation")
    return groups
