"""Truths of variables read through normal noise, by quadrature in float64."""

import math

import numpy as np
from scipy import integrate, stats


def noise_entropy(dim, std):
    """Entropy of normal noise, in nats."""
    return dim / 2 * math.log(2 * math.pi * math.e * std**2)


def information_through_noise(centres, std):
    """I(S; S + Z) in nats of centres on a line, by adaptive quadrature."""
    centres = np.asarray(centres, np.float64)

    def integrand(t):
        p = np.mean(stats.norm.pdf(t, centres, std))
        return -p * np.log(p) if p > 0 else 0.0

    low, high = centres.min() - 12 * std, centres.max() + 12 * std
    points = np.unique(centres)
    h = integrate.quad(integrand, low, high, points=points, limit=2000, epsabs=1e-10)[0]
    return h - noise_entropy(1, std)
