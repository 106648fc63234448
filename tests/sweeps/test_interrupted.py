"""Sweeps that crash or are killed, and directories that hold others."""

import numpy as np
import pytest

from ibjax import networks, probes
from ibjax.results.files import ResultsError, open_dataset
from ibjax.sweeps.checkpoint import CHECKPOINT_FILE
from tests.sweeps import counting
from tests.sweeps.small import LIGHT, run


class Crash(Exception):
    pass


def crash_after(count):
    def on_progress(progress):
        if progress.num_snapshots_done == count:
            raise Crash

    return on_progress


def test_resumed_sweep_ends_with_the_same_numbers(
    light, task, network, config, tmp_path
):
    with pytest.raises(Crash):
        run(
            task,
            network,
            config,
            probes=LIGHT,
            directory=tmp_path,
            on_progress=crash_after(2),
        )
    assert (tmp_path / CHECKPOINT_FILE).exists()
    seen = []
    resumed = run(
        task,
        network,
        config,
        directory=tmp_path,
        probes=LIGHT,
        resume=True,
        on_progress=seen.append,
    )
    assert seen[0].num_snapshots_done == 2
    assert not (tmp_path / CHECKPOINT_FILE).exists()
    for name in light.data_vars:
        np.testing.assert_array_equal(resumed[name], light[name], err_msg=name)
    np.testing.assert_array_equal(open_dataset(tmp_path).i_xt, light.i_xt)


SCRIPT = """
import sys, time
import jax
jax.config.update("jax_num_cpu_devices", 2)
from ibjax import datasets, networks, probes, sweep, training
from ibjax.estimators import binning

def on_progress(progress):
    print(progress.num_snapshots_done, flush=True)
    time.sleep(0.5 * progress.num_snapshots_done)

sweep(
    jax.random.key(3), datasets.szt(), networks.mlp((12, 4, 3, 2)),
    training.TrainConfig(learning_rate=1e-2), num_seeds=5, snapshots=(0, 1, 3),
    probes=(probes.bin_edges(binning.SZT_EDGES), probes.losses),
    directory=sys.argv[1], on_progress=on_progress,
)
"""


def test_killed_sweep_is_resumed(light, task, network, config, tmp_path, start_python):
    process = start_python(SCRIPT, tmp_path)
    while process.stdout.readline() != "1\n":
        assert process.poll() is None
    process.kill()
    process.wait()
    assert not (tmp_path / "results.nc").exists()
    resumed = run(task, network, config, probes=LIGHT, directory=tmp_path, resume=True)
    for name in light.data_vars:
        np.testing.assert_array_equal(resumed[name], light[name], err_msg=name)


def test_directory_of_another_run_is_refused(tmp_path):
    counting.run(tmp_path)
    before = (tmp_path / "results.nc").read_bytes()
    with pytest.raises(ResultsError, match="already holds the results"):
        counting.run(tmp_path)
    with pytest.raises(ResultsError, match="another run, which differs in num_seeds"):
        counting.run(tmp_path, num_seeds=5, resume=True)
    again = counting.run(tmp_path, resume=True)
    assert again.sizes["seed"] == 2
    assert (tmp_path / "results.nc").read_bytes() == before


@pytest.fixture
def begun(tmp_path):
    with pytest.raises(counting.Interrupted):
        counting.run(tmp_path, on_progress=counting.stop_after(1))
    return tmp_path


def test_damaged_checkpoint_is_refused(begun):
    path = begun / CHECKPOINT_FILE
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ResultsError, match="checkpoint.npz is damaged"):
        counting.run(begun, resume=True)


def test_unfinished_run_is_not_overwritten(begun):
    with pytest.raises(ResultsError, match="already holds an unfinished run"):
        counting.run(begun)


def test_another_network_of_the_same_layers_is_not_resumed(task, config, tmp_path):
    options = {"probes": [probes.losses], "directory": tmp_path, "num_seeds": 1}
    run(task, networks.mlp((12, 2)), config, **options)
    other = networks.mlp((12, 2), init="fan-out")
    with pytest.raises(ResultsError, match="differs in network"):
        run(task, other, config, **options, resume=True)
    again = run(task, networks.mlp((12, 2)), config, **options, resume=True)
    assert again.sizes["seed"] == 1
