"""What a small sweep is of, see :mod:`tests.sweeps.small`."""

import pytest

from ibjax import datasets, networks, training
from tests.sweeps.small import LIGHT, run


@pytest.fixture(scope="module")
def task():
    return datasets.szt()


@pytest.fixture(scope="module")
def network():
    return networks.mlp((12, 4, 3, 2))


@pytest.fixture(scope="module")
def config():
    return training.TrainConfig(learning_rate=1e-2)


@pytest.fixture(scope="module")
def light(task, network, config):
    return run(task, network, config, probes=LIGHT)
