"""What is measured of autoencoders of sprites."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import probes
from ibjax import representations as rep
from ibjax.datasets.sprites import FACTORS, Sprites
from ibjax.probes.representations import layer_of_code

__all__ = ["STEPS", "measured_rate", "measured_scores", "measured_traversal"]

STEPS = np.linspace(-2.0, 2.0, 7)
"""Values of a dimension of the code in a traversal."""

# Images whose codes are held against each other, all pairs.
_COMPARED = 1500
_TRAIN_VOTES, _TEST_VOTES = 1000, 1000
# Keys of what is drawn at the last snapshot.
_DECOMPOSITION, _SAMPLES, _VOTES = 200, 201, 202


def measured_rate(model: rep.Variational) -> probes.Probe:
    """The rate as a bound on what the code tells of the input, its own label."""

    def measure(snapshot):
        rate = snapshot.objective_terms["rate"]
        return {"variational": layer_of_code(model, rate, rate)}

    return probes.Probe(
        measure, {"variational": "rate of the code, a bound"}, name="rate_of_code"
    )


def measured_scores(model: rep.Variational, data: Sprites) -> probes.Probe:
    """What the codes of all images are, by the factors and without them."""
    factors, num_values = np.asarray(data.factors), data.num_values

    def measure(snapshot):
        key = partial(jax.random.fold_in, snapshot.key)
        posterior = model.encode(snapshot.params, snapshot.task.x)
        codes, known = posterior.mean, jnp.asarray(factors)
        # In the network's own order, which is random.
        rows = snapshot.rows[:_COMPARED]
        some = rep.Posterior(*(array[rows] for array in posterior))
        found = rep.rate_decomposition(key(_DECOMPOSITION), some)
        values = {"num_values": num_values}
        return {
            "information": found.information,
            "total_correlation": found.total_correlation,
            "dimension_kl": jnp.sum(found.dimension_kl),
            "dimension_rate": jnp.mean(_by_dimension(posterior), axis=0),
            "factor_information": rep.factor_information(codes, known, **values),
            "mig": rep.mig(codes, known, **values).score,
            "sampled_mig": rep.sampled_mig(
                key(_SAMPLES), some, known[rows], **values
            ).score,
            "sap": rep.sap(codes, known).score,
            "factor_score": rep.factor_score(
                key(_VOTES),
                codes,
                known,
                num_train=_TRAIN_VOTES,
                num_test=_TEST_VOTES,
                **values,
            ),
        }

    numbers = {
        "information": ((), "nats", "I(X;Z)"),
        "total_correlation": ((), "nats", "total correlation of the code"),
        "dimension_kl": ((), "nats", "divergence of all dimensions from N(0, 1)"),
        "dimension_rate": (("dimension",), "nats", "rate of every dimension"),
        "factor_information": (
            ("dimension", "factor"),
            "nats",
            "information of every dimension's mean on every factor",
        ),
        "mig": ((), "1", "mutual information gap of means"),
        "sampled_mig": ((), "1", "mutual information gap of codes drawn"),
        "sap": ((), "1", "gap of squared correlations"),
        "factor_score": ((), "1", "FactorVAE's score"),
    }
    return probes.Probe(
        measure,
        variables={k: probes.Variable(*v, True) for k, v in numbers.items()},
        parameters={"sprite_scores": [_COMPARED, _TRAIN_VOTES, _TEST_VOTES]},
        constants={
            "factor_name": ("factor", np.array(FACTORS)),
            "factor_values": ("factor", np.array(num_values)),
        },
        last_only=True,
        usually_last=True,
    )


def _by_dimension(posterior: rep.Posterior) -> jax.Array:
    """Rate of every dimension of every code, ``[num_samples, k]``."""
    mean, scale = posterior
    return rep.gaussian_kl(mean[..., None], scale[..., None])


def measured_traversal(model: rep.Variational, data: Sprites) -> probes.Probe:
    """Images along every dimension of the code, from one image's code."""
    middle = [n // 2 for n in data.num_values]
    row = int(np.ravel_multi_index([0, *middle[1:]], data.num_values))

    def measure(snapshot):
        code = model.encode(snapshot.params, snapshot.task.x[row : row + 1]).mean[0]
        steps = jnp.asarray(STEPS, code.dtype)

        def along(dimension):
            z = jnp.broadcast_to(code[None], (len(STEPS), model.dim))
            return model.decode(snapshot.params, z.at[:, dimension].set(steps))

        pixels = jax.nn.sigmoid(jax.vmap(along)(jnp.arange(model.dim)))
        return {"traversal": pixels}

    dims = ("dimension", "step", "pixel")
    variable = probes.Variable(dims, "1", "images along a dimension", True)
    return probes.Probe(
        measure,
        variables={"traversal": variable},
        parameters={"traversal": [row, len(STEPS)]},
        last_only=True,
        usually_last=True,
    )
