"""Jobs of several processes: the numbers of one, and what becomes of a lost process."""

import re
import socket
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

import ibjax
from ibjax import datasets, networks, probes, training
from ibjax.estimators import binning
from ibjax.results.files import ResultsError
from ibjax.sweeps import processes

SNAPSHOTS = (0, 1, 3, 40)
PROBES = (probes.bin_edges(binning.SZT_EDGES), probes.gradients, probes.losses)

# The second process ends in the midst of the job, and as a killed one: without a word.
_JOB = """
import os, sys
import jax
jax.config.update("jax_num_cpu_devices", 1)
from ibjax.sweeps import processes
address, process, directory = sys.argv[1:]
processes.start(address, 2, int(process))
import numpy as np
import ibjax
from ibjax import datasets, networks, probes, results, training
from ibjax.estimators import binning

def fail():
    raise results.ResultsError(f"damaged, says {process}")

try:
    processes.of_first(fail)
except results.ResultsError as error:
    print(error, flush=True)

def on_progress(progress):
    if process == "1" and progress.num_snapshots_done == 3:
        sys.stdin.readline()
        os._exit(9)

def sweep(*, directory, on_progress=None):
    return ibjax.sweep(
        jax.random.key(0), datasets.szt(), networks.mlp([12, 3, 2]),
        training.TrainConfig(), num_seeds=12, snapshots=[0, 1, 3, 40],
        probes=[probes.bin_edges(binning.SZT_EDGES), probes.gradients, probes.losses],
        directory=directory, on_progress=on_progress,
    )

found = f"{directory}-{process}.npz"
np.savez(found, **sweep(directory=None))
print(found, flush=True)
try:
    sweep(directory=directory, on_progress=on_progress)
except processes.JobError as error:
    print(error, flush=True)
    os._exit(0)
"""


@pytest.fixture
def address():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listening.getsockname()[1]}"


def _said(running):
    """The next line of a process; Gloo says on the same stream whom it found."""
    line = running.stdout.readline()
    return _said(running) if line.startswith("[Gloo]") else line


def test_a_job_has_the_numbers_of_one_process(start_python, address, tmp_path):
    directory = tmp_path / "run"
    job = [start_python(_JOB, address, number, directory) for number in (0, 1)]

    def sweep(**options):
        return ibjax.sweep(
            jax.random.key(0),
            datasets.szt(),
            networks.mlp([12, 3, 2]),
            training.TrainConfig(),
            num_seeds=12,
            snapshots=SNAPSHOTS,
            probes=PROBES,
            **options,
        )

    alone = sweep()
    assert {"i_xt", "gradient_snr", "train_loss"} <= set(alone)
    for running in job:
        assert _said(running) == "damaged, says 0\n"
        with np.load(_said(running).strip()) as found:
            assert set(found) == set(alone)
            for name in found:
                np.testing.assert_array_equal(found[name], alone[name])
    job[1].stdin.write("\n")
    job[1].stdin.flush()
    assert _said(job[0]).startswith("another process of this job has ended")
    assert (job[0].wait(), job[1].wait()) == (0, 9)
    # What was saved goes on in one process.
    assert sorted(file.name for file in directory.iterdir()) == [
        "checkpoint.npz",
        "checkpoint.records",
    ]
    done = []
    resumed = sweep(
        directory=directory,
        resume=True,
        on_progress=lambda progress: done.append(progress.num_snapshots_done),
    )
    assert done[0] == 3
    assert resumed.drop_attrs().identical(alone.drop_attrs())


def test_one_process_calls_and_raises():
    def fail():
        raise ResultsError("damaged")

    assert processes.of_first(lambda: {"a": 1}) == {"a": 1}
    with pytest.raises(ResultsError, match="damaged"):
        processes.of_first(fail)


def test_errors_of_one_process_stay_what_they_are():
    with pytest.raises(jax.errors.JaxRuntimeError, match="Gloo"):
        with processes.together():
            raise jax.errors.JaxRuntimeError("UNKNOWN: Gloo all-reduce failed")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("10.0.0.1:4321",), "address, num_processes and process go together"),
        (("10.0.0.1", 2, 0), "address must be HOST:PORT, got '10.0.0.1'"),
        (("10.0.0.1:0", 2, 0), r"port of address must lie in \[1, 65535\], got 0"),
        (("10.0.0.1:70000", 2, 0), "port of address must lie in"),
        (("10.0.0.1:4321", 2, 2), r"process must lie in \[0, 1\], got 2"),
        (("10.0.0.1:4321", 0, 0), "num_processes must be"),
    ],
)
def test_a_job_that_cannot_begin_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        processes.start(*arguments)


def test_a_port_that_is_taken_is_named_before_jax_listens(monkeypatch):
    begun = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_, **__: begun.append(1))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        words = f"cannot listen at {address}: Address already in use; give all"
        with pytest.raises(processes.JobError, match=words):
            processes.start(address, 2, 0)
        assert not begun
        # Another process listens at none, and the first one may be told of another.
        processes.start(address, 2, 1)
        monkeypatch.setenv("JAX_COORDINATOR_BIND_ADDRESS", "127.0.0.1:1")
        processes.start(address, 2, 0)
    assert len(begun) == 2


@pytest.mark.parametrize(
    "error, message",
    [
        (RuntimeError("Kubernetes\nError: 403"), "cannot begin: Kubernetes Error: 403"),
        (KeyError("SLURM_PROCID"), "cannot begin: 'SLURM_PROCID'"),
        (OSError(), "cannot begin: OSError"),
    ],
)
def test_what_keeps_a_job_from_beginning_is_one_line(error, message, monkeypatch):
    def initialize(*_, **__):
        raise error

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(processes.JobError, match=message) as info:
        processes.start()
    assert info.value.__cause__ is error


def test_a_job_does_not_begin_after_jax_has():
    jax.devices()
    words = "cannot begin: .* must be called before"
    with pytest.raises(processes.JobError, match=words):
        processes.start("127.0.0.1:1", 2, 1)


def test_processes_with_other_numbers_of_devices_are_told_what_to_do(monkeypatch):
    devices = [SimpleNamespace(process_index=index) for index in (0, 0, 0, 1, 1)]
    monkeypatch.setattr(jax, "devices", lambda: devices)
    monkeypatch.setattr(jax, "local_device_count", lambda: 3)
    with pytest.raises(processes.JobError) as info:
        processes._check_alike()
    said = str(info.value)
    assert "process 0 has 3, process 1 2; on CPUs JAX_NUM_CPU_DEVICES=2 in" in said


def test_processes_with_other_versions_are_named(monkeypatch):
    def allgather(sent):
        other = sent.tobytes().decode().replace("jax 0", "jax 9")
        return np.stack([sent, np.frombuffer(other.encode(), np.uint8)])

    monkeypatch.setattr(multihost_utils, "process_allgather", allgather)
    own = re.escape(f"process 0 has ibjax {ibjax.__version__}, jax {jax.__version__}, ")
    with pytest.raises(processes.JobError, match=own + ".*, process 1 ibjax .*, jax 9"):
        processes._check_alike()
    monkeypatch.setattr(multihost_utils, "process_allgather", lambda sent: sent[None])
    processes._check_alike()
