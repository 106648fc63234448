"""Probe of what a draw tells of known classes, against Gaussians around each."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import probes
from tests.quadrature import information_through_noise

NUM = 1000
LABELS = np.random.default_rng(0).permutation(NUM) % 2
X = jnp.asarray(2.0 * LABELS[:, None], jnp.float32)
SNAPSHOT = SimpleNamespace(
    params=jnp.float32(1.0),
    measured=SimpleNamespace(x=X),
    key=jax.random.key(1),
)


def _draw(params, x, key):
    return params * x + jax.random.normal(key, x.shape)


def test_estimates_are_of_one_draw_of_every_input():
    shuffled = np.roll(LABELS, 7)
    probe = probes.drawn_information(
        _draw, {"nuisance": LABELS, "other": shuffled}, num_steps=150
    )
    found = probe(SNAPSHOT)
    assert found.keys() == probe.variables.keys()
    expected = information_through_noise(np.array([0.0, 2.0]), 1.0)
    spread = 4 * float(found["nuisance_bound_error"])
    assert 0 < spread < 0.3
    for name in ("neighbours", "discriminator", "bound"):
        assert abs(found[f"nuisance_{name}"] - expected) < spread
        # Of a class that has nothing to do with the input.
        assert abs(found[f"other_{name}"]) < spread


def test_numbers_out_of_range():
    with pytest.raises(ValueError, match="classes must hold at least one"):
        probes.drawn_information(_draw, {})
    with pytest.raises(TypeError, match=r"classes\['nuisance'\] must be int"):
        probes.drawn_information(_draw, {"nuisance": LABELS / 2})
    with pytest.raises(ValueError, match=r"classes\['nuisance'\] must lie in \[0, 2\)"):
        probes.drawn_information(_draw, {"nuisance": LABELS - 1 + LABELS})
    with pytest.raises(ValueError, match="num_steps must be a whole number"):
        probes.drawn_information(_draw, {"nuisance": LABELS}, num_steps=0)
    probe = probes.drawn_information(_draw, {"nuisance": LABELS[1:]})
    with pytest.raises(ValueError, match=r"classes\['nuisance'\] must have shape"):
        probe(SNAPSHOT)
