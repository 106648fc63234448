r"""Nearest-neighbour estimates of entropy and information, in nats.

The distance to a sample's k-th nearest neighbour says how dense the samples are there.
Kozachenko and Leonenko (1987) turn that into an entropy, for :math:`\rho_{ki}` the
distance from sample i to its k-th neighbour among N and :math:`V_d` the volume of the
unit ball,

.. math::
    \hat h = -\psi(k) + \log(N - 1) + \log V_d + \frac dN \sum_i \log \rho_{ki} ,

and a weighted mean over k takes away the leading terms of its bias in several
dimensions (:func:`weighted_entropy`). Information is a sum of entropies, but their
biases do not cancel. Kraskov, Stögbauer and Grassberger (KSG) count instead, in each
space, how many samples are as near as the k-th neighbour in the joint space
(:func:`ksg`); Ross does so for labels (:func:`ross`), Frenzel and Pompe for information
given a third variable (:func:`conditional_mutual_information`).

What all of them share:

* Nothing is standardised: the estimates change if one variable
  is scaled and the other not. They do not change if all are scaled or any is shifted,
  beyond the rounding of the samples themselves: distances are made of differences.
* Counting is strict, on the very distances that gave the radius, so that ties are not
  counted as closer. Repeated samples are at distance zero; :func:`num_repeated` tells
  how many have their k-th neighbour there. An entropy is then minus infinity, and NaN
  is returned. Information is not: copies are counted, and numbers that were rounded to
  a fine grid are spread over its cells (:mod:`ibjax.estimators.knn.ties`).
* Squares of differences are kept in the samples' precision: in float32 a Euclidean
  distance below 1e-19 of the largest coordinate is zero.
* Estimates of zero information scatter about zero. They are not clipped.
* All are biased low where the information is large compared to log N, and in many
  dimensions (more than ten or so), because neighbours are then not near.

Cost grows with the number of pairs that come near each other, from N log N in few
dimensions to N^2 in many; memory is O(N (d + k)).
"""

from ibjax.estimators.knn.counting import conditional_mutual_information, ksg, ross
from ibjax.estimators.knn.entropies import (
    class_information,
    entropy,
    mutual_information,
    num_repeated,
    weighted_entropy,
)
from ibjax.estimators.knn.neighbour_weights import weight_norm, weights

__all__ = [
    "class_information",
    "conditional_mutual_information",
    "entropy",
    "ksg",
    "mutual_information",
    "num_repeated",
    "ross",
    "weight_norm",
    "weighted_entropy",
    "weights",
]
