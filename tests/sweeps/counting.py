"""A run that counts: what its numbers have to be is known beforehand."""

import jax

from ibjax.networks.network import Layer
from ibjax.sweeps.seeds import sweep_trainable
from ibjax.training.trainable import Trainable

KEY = jax.random.key(0)
SNAPSHOTS = (0, 1, 2, 3)


def counter(**configuration):
    """A number that grows by a half in every epoch, from one drawn for each seed."""
    return Trainable(
        init=lambda key, data, numbers: (jax.random.uniform(key), key),
        run_epoch=lambda state, own, data, drawn, epoch: state + 0.5,
        measure=lambda state, own, data, drawn, epoch, is_last: {"value": state},
        layers=(Layer("count", (1,)),),
        configuration=configuration,
    )


def run(directory, *, trainable=None, num_seeds=2, snapshots=SNAPSHOTS, **options):
    return sweep_trainable(
        KEY,
        trainable or counter(kind="plain"),
        num_seeds=num_seeds,
        snapshots=snapshots,
        directory=directory,
        **options,
    )


class Interrupted(Exception):
    pass


def stop_after(num_done):
    def stop(progress):
        if progress.seconds is not None and progress.num_snapshots_done >= num_done:
            raise Interrupted

    return stop
