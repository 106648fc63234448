"""Claims of Achille and Soatto about random labels and the price of information."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide_mean
from ibjax.experiments.corrupted_labels import (
    Run,
    critical_betas,
    fitted_information,
    jump_betas,
    label_entropy,
    runs_of,
    share_text,
)

__all__ = ["corruption_claims"]

_PAPERS_NATS = 3.0


def corruption_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims about random labels, at the last snapshot, for every prior.

    The critical price is the one beyond which guessing, for no information, has a lower
    Lagrangian than any network that was found; with the log-uniform prior, whose nats
    have an arbitrary zero, the middle of the jump of the training error stands in for
    it. In order, of the largest training set unless another is named:

    1. Random labels are given up at beta = 1: the middle of the jump, and the critical
       price, are within a factor of two of it.
    2. The training error of random labels jumps: from a tenth of the error of guessing
       to four fifths of it within half a decade.
    3. The critical price of random labels does not depend on the number of images, from
       the smallest to the largest set.
    4. True labels are fitted at higher prices than random ones, by a factor of two in
       their critical prices.
    5. Information rises with the share of random labels, from one to the next, each at
       the largest price at which labels are fitted.
    6. Random labels take about three nats an image more than true ones: two to four.
    7. (Ours.) Nothing is had for less than it is worth: loss plus information of random
       labels is at least log of the number of classes. It is so on average over labels
       for every prior that is fixed, and for one that the data choose up to its cost.
    8. (Ours, by the decomposition of the cross-entropy.) The cross-entropy is the
       entropy of labels given the true classes, plus what weights lack of these, plus
       what the network does not make of them, less the labels learned by heart. So the
       latter are at least the entropy less the cross-entropy: above zero at the least
       price and not at beta = 1, for the middle share of random labels. They are at
       most the information, for any share and price.

    Statements 6 to 8 are of the Gaussian prior alone. Without labels all of which are
    random there are statements 5 and 8 alone, and without true ones neither 4 nor 6.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.corruption.setup.CorruptionSetup`.

    Returns:
      The claims.

    Raises:
      ValueError: If it is no such dataset.

    References:
      Achille and Soatto, `Emergence of invariance and disentanglement in deep
      representations`, JMLR 19, 2018.
    """
    runs = runs_of(dataset)
    claims = []
    for prior in dict.fromkeys(run.prior for run in runs):
        own = sorted((r for r in runs if r.prior == prior), key=lambda r: r.num_train)
        claims += _claims_of(own)
    return claims


def _claims_of(runs: list[Run]) -> list[Claim]:
    last = runs[-1]
    most, least = max(last.shares), min(last.shares)
    classes, random, true = last.num_classes, last.shares[most], last.shares[least]
    prior, gaussian = f"{last.prior} prior", last.prior == "gaussian"

    def claim(text, quantity, values, **limits):
        number, _, text = text.partition(" ")
        return decide_mean(f"{number} {prior}: {text}", quantity, values, **limits)

    def log_jump(labels):
        return np.log10(jump_betas(labels, classes)).mean(axis=0)

    def log_critical(labels):
        if not gaussian:
            return log_jump(labels)
        return np.log10(critical_betas(labels, classes))

    near = {"above": -math.log10(2), "below": math.log10(2)}
    are_random, are_true = most == 1, least == 0
    claims = []
    if are_random:
        claims.append(
            claim(
                f"1. the training error of random labels jumps at beta = 1, "
                f"{last.num_train} images",
                "log10 of the middle of the jump",
                log_jump(random),
                **near,
            )
        )
        if gaussian:
            claims.append(
                claim(
                    f"1. random labels are worth beta = 1, {last.num_train} images",
                    "log10 of the critical price",
                    log_critical(random),
                    **near,
                )
            )
        fitted, given_up = jump_betas(random, classes)
        claims.append(
            claim(
                "2. the training error of random labels jumps within half a decade",
                "decades from labels fitted to labels given up",
                np.log10(given_up / fitted),
                below=0.5 + 1e-9,
            )
        )
        if len(runs) > 1:
            first = runs[0]
            claims.append(
                claim(
                    f"3. {first.num_train} images have the same critical price as "
                    f"{last.num_train}",
                    "log10 of the ratio of critical prices",
                    log_critical(random) - log_critical(first.shares[most]),
                    above=-math.log10(1.5),
                    below=math.log10(1.5),
                )
            )
        if are_true:
            claims.append(
                claim(
                    "4. true labels are worth a higher price than random ones",
                    "log10 of the ratio of critical prices, true over random",
                    log_critical(true) - log_critical(random),
                    above=math.log10(2),
                )
            )
    shares = sorted(last.shares)
    needed = {s: fitted_information(last.shares[s], classes) for s in shares}
    for lower, higher in zip(shares, shares[1:], strict=False):
        claims.append(
            claim(
                f"5. {100 * higher:g} % random labels take more than {100 * lower:g} %",
                "difference of the information, nats an image",
                needed[higher] - needed[lower],
                above=0.0,
            )
        )
    if not gaussian:
        return claims
    if are_random and are_true:
        claims.append(
            claim(
                "6. random labels take about three nats an image more than true ones",
                "difference of the information, nats an image",
                needed[most] - needed[least],
                above=_PAPERS_NATS - 1,
                below=_PAPERS_NATS + 1,
            )
        )
    if are_random:
        excess = random.loss + random.information - math.log(classes)
        claims.append(
            claim(
                "7. random labels are not had for less than they are worth",
                "loss plus information less log classes, the least over prices, nats "
                "an image",
                np.min(excess, axis=0),
                above=-0.05,
            )
        )
    return claims + _decomposition(last, claim)


def _decomposition(run: Run, claim: Callable[..., Claim]) -> list[Claim]:
    """Labels learned by heart: their least number, and what was paid for them."""
    by_heart = {
        share: label_entropy(share, run.num_classes) - labels.loss
        for share, labels in run.shares.items()
    }
    partly = sorted(share for share in run.shares if 0 < share < 1)
    claims = []
    if partly:
        share = partly[len(partly) // 2]
        labels = run.shares[share]
        least, quantity = labels.betas[0], "entropy less cross-entropy, nats an image"
        claims.append(
            claim(
                f"8. labels are learned by heart at beta = {least:g}, "
                f"{share_text(share)}",
                quantity,
                by_heart[share][0],
                above=0.0,
                added=True,
            )
        )
        if 1.0 in labels.betas:
            claims.append(
                claim(
                    "8. more is lacking of the law than is learned by heart at beta = "
                    f"1, {share_text(share)}",
                    quantity,
                    by_heart[share][list(labels.betas).index(1.0)],
                    below=0.0,
                    added=True,
                )
            )
    lacking = [run.shares[s].information - by_heart[s] for s in sorted(run.shares)]
    claims.append(
        claim(
            "8. what is learned by heart is paid for",
            "information less entropy plus cross-entropy, the least over prices and "
            "shares, nats an image",
            np.min(lacking, axis=(0, 1)),
            above=-0.05,
            added=True,
        )
    )
    return claims
