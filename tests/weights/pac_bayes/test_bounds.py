"""Seven bounds: numbers, identities between them, and how often they fail."""

import numpy as np
import pytest
from scipy import optimize, special

from ibjax.weights import pac_bayes

# A network of Dziugaite and Roy's size.
ERROR, KL, SAMPLES, DELTA = 0.028, 5000.0, 60_000, 0.025
C1 = (KL + np.log(1 / DELTA)) / SAMPLES
C2 = (KL + np.log(2 * np.sqrt(SAMPLES) / DELTA)) / SAMPLES
CASE = (ERROR, KL, SAMPLES)
UNIFORM = {
    bound.__name__: bound
    for bound in (
        pac_bayes.maurer,
        pac_bayes.langford_seeger,
        pac_bayes.pinsker,
        pac_bayes.quad,
        pac_bayes.thiemann,
    )
}


def _least(bound, low, high):
    """Least value of a bound over its constant, and where it is."""
    found = optimize.minimize_scalar(
        bound, bounds=(low, high), method="bounded", options={"xatol": 1e-10}
    )
    return found.fun, found.x


@pytest.mark.parametrize(
    "name, expected",
    [
        ("maurer", 0.15013584),
        ("langford_seeger", 0.15022100),
        ("pinsker", 0.23232578),
        ("quad", 0.21942310),
        ("thiemann", 0.21942310),
    ],
)
def test_numbers_of_a_known_case(name, expected):
    found = UNIFORM[name](*CASE, delta=DELTA)
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-9)


def test_quad_is_the_best_lambda():
    best, lam = _least(
        lambda lam: pac_bayes.thiemann(*CASE, delta=DELTA, lam=lam), 1e-3, 1.999
    )
    np.testing.assert_allclose(lam, 0.8724, atol=5e-5)
    for found in (pac_bayes.thiemann(*CASE, delta=DELTA), best):
        quad = pac_bayes.quad(*CASE, delta=DELTA)
        np.testing.assert_allclose(found, quad, rtol=1e-14)


def test_the_best_constant_of_catoni_inverts_the_divergence():
    best, _ = _least(lambda c: pac_bayes.catoni(*CASE, delta=DELTA, c=c), 0.01, 20)
    np.testing.assert_allclose(best, pac_bayes.kl_inverse(ERROR, C1), rtol=1e-14)
    np.testing.assert_allclose(best, 0.15002797, rtol=0, atol=5e-9)


def test_the_best_beta_of_mcallester_is_quad_without_its_root():
    best, _ = _least(
        lambda beta: pac_bayes.mcallester(*CASE, delta=DELTA, beta=beta), 0.51, 50
    )
    expected = (np.sqrt(ERROR + C1 / 2) + np.sqrt(C1 / 2)) ** 2
    np.testing.assert_allclose(best, expected, rtol=1e-14)
    np.testing.assert_allclose(best, 0.21921320, rtol=0, atol=5e-9)


def test_mcallester_is_thiemann_at_the_inverse_with_another_logarithm():
    lam = np.array([0.1, 0.87, 1.9])
    # The KL that makes up for the logarithm of 2 sqrt(n).
    less = KL - np.log(2 * np.sqrt(SAMPLES))
    found = pac_bayes.thiemann(ERROR, less, SAMPLES, delta=DELTA, lam=lam)
    expected = pac_bayes.mcallester(*CASE, delta=DELTA, beta=1 / lam)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_a_loss_of_any_range_is_one_in_other_units():
    most = np.log(10)
    unit = pac_bayes.mcallester(*CASE, delta=DELTA, beta=0.8)
    found = pac_bayes.mcallester(
        most * ERROR, KL, SAMPLES, delta=DELTA, beta=0.8, max_loss=most
    )
    np.testing.assert_allclose(found, most * unit, rtol=1e-14)


def test_bounds_are_ordered_and_broadcast():
    errors = np.array([0.0, 0.01, 0.3])[:, None]
    kls = np.array([0.0, 100.0, 20_000.0])
    kl, older, classic, quadratic, _ = (
        bound(errors, kls, SAMPLES, delta=DELTA) for bound in UNIFORM.values()
    )
    assert kl.shape == (3, 3)
    assert np.all(errors < kl) and np.all(kl <= older)
    assert np.all(kl <= classic) and np.all(kl <= quadratic)
    # Thiemann without an error: 2 c2 at lambda one, as the quadratic bound.
    np.testing.assert_allclose(quadratic[0], 2 * (kls + C2 * SAMPLES - KL) / SAMPLES)


def _failures(posteriors, risks, seed):
    """Share of data sets on which each bound fails, for a posterior of each."""
    num_sets, num_samples = 2000, 40
    rng = np.random.default_rng(seed)
    losses = rng.binomial(num_samples, risks, (num_sets, len(risks))) / num_samples
    q = posteriors(losses)
    error, risk = np.sum(q * losses, axis=1), q @ risks
    kl = np.sum(special.xlogy(q, q * len(risks)), axis=1)
    found = {
        name: bound(error, kl, num_samples, delta=0.2)
        for name, bound in UNIFORM.items()
    }
    found["catoni"] = pac_bayes.catoni(error, kl, num_samples, delta=0.2, c=1.5)
    found["mcallester"] = pac_bayes.mcallester(
        error, kl, num_samples, delta=0.2, beta=1.5
    )
    found["unpaid"] = pac_bayes.maurer(error, 0.0, num_samples, delta=0.2)
    return {name: np.mean(bound < risk) for name, bound in found.items()}


def test_bounds_fail_no_more_often_than_they_may():
    # Three standard errors of a share of 0.2 among 2000.
    most = 0.2 + 3 * np.sqrt(0.2 * 0.8 / 2000)
    risks = np.linspace(0.3, 0.4, 1000)

    def best(losses):
        q = losses == losses.min(axis=1, keepdims=True)
        return q / q.sum(axis=1, keepdims=True)

    def gibbs(losses):
        return special.softmax(-60 * losses, axis=1)

    for posterior in (best, gibbs):
        found = _failures(posterior, risks, 1)
        # The test can fail: without the KL more are false than may be.
        assert found.pop("unpaid") > 1.5 * most
        assert max(found.values()) <= most, found


def test_bounds_of_a_single_hypothesis_do_fail_but_no_more_than_they_may():
    found = _failures(np.ones_like, np.array([0.2]), 3)
    most = 0.2 + 3 * np.sqrt(0.2 * 0.8 / 2000)
    assert max(found.values()) <= most
    assert found["catoni"] > 0.01


@pytest.mark.parametrize("name", [*UNIFORM, "catoni", "mcallester"])
def test_bad_arguments_are_refused(name):
    extra = {"catoni": {"c": 1.0}, "mcallester": {"beta": 1.0}}.get(name, {})
    bound = getattr(pac_bayes, name)
    good = {"error": 0.1, "kl": 1.0, "num_samples": 100, "delta": 0.05} | extra
    assert bound(**good) > 0.1
    bad = {
        "error": [-0.1, 1.1, np.nan],
        "kl": [-1.0, np.nan],
        "num_samples": [0, np.nan, np.inf],
        "delta": [0.0, 1.0, np.nan],
    }
    for argument, values in bad.items():
        for value in values:
            with pytest.raises(ValueError, match=f"^{argument}.* must lie in"):
                bound(**good | {argument: value})


def test_constants_out_of_range_are_refused():
    for lam in (0.0, 2.0, np.nan):
        with pytest.raises(ValueError, match=r"lam must lie in \(0, 2\)"):
            pac_bayes.thiemann(*CASE, delta=DELTA, lam=lam)
    with pytest.raises(ValueError, match=r"c must lie in \(0, inf\)"):
        pac_bayes.catoni(*CASE, delta=DELTA, c=0.0)
    with pytest.raises(ValueError, match=r"beta must lie in \(0.5, inf\)"):
        pac_bayes.mcallester(*CASE, delta=DELTA, beta=0.5)
    with pytest.raises(ValueError, match=r"error / max_loss must lie in \[0, 1\]"):
        pac_bayes.mcallester(3.0, KL, SAMPLES, delta=DELTA, beta=1.0, max_loss=2.3)
    with pytest.raises(ValueError, match=r"num_samples must lie in \[8, inf\), got 7"):
        pac_bayes.maurer(0.1, 1.0, 7, delta=0.05)
    with pytest.raises(ValueError, match=r"num_samples must lie in \[2, inf\), got 1"):
        pac_bayes.langford_seeger(0.1, 1.0, 1, delta=0.05)
