"""Options that decide the numbers of a run: none is resumed with another one."""

import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax import datasets, networks, probes, representations, training
from ibjax.results.files import ResultsError
from ibjax.sweeps.networks import network_trainable
from ibjax.sweeps.seeds import sweep

X = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(int)
TASK = datasets.make_task(X, LABELS)
NETWORK = networks.mlp([3, 2])
CONFIG = training.TrainConfig(batch_size=None)
ROWS = np.arange(10)
CODES = representations.variational(
    networks.mlp([3, 4], output="linear"), networks.mlp([2, 2]), dim=2
)


def _configuration(task=TASK, config=CONFIG, probe=probes.losses, varied=()):
    made = network_trainable(task, NETWORK, config, probes=[probe], varied=varied)
    return json.loads(json.dumps(made.configuration))


def _told(probe):
    return json.loads(json.dumps(probe.configuration))


def test_rows_to_train_on_are_none_to_measure_on():
    given = (
        {},
        {"train_rows": ROWS},
        {"measured_rows": ROWS},
        {"train_rows": ROWS, "test_rows": ROWS + 10},
        {"train_rows": ROWS, "measured_rows": ROWS + 10},
        {"train_rows": np.arange(20)},
    )
    tasks = [datasets.make_task(X, LABELS, **rows) for rows in given]
    digests = [_configuration(task)["task_sha256"] for task in tasks]
    assert len(set(digests)) == len(given)


def test_a_task_without_rows_is_told_as_it_always_was():
    arrays = TASK.x, TASK.labels, TASK.p_y_given_x
    content = b"".join(np.asarray(array).tobytes() for array in arrays)
    expected = hashlib.sha256(content).hexdigest()
    assert _configuration()["task_sha256"] == expected


def _by_table(rates):
    rates = np.asarray(rates, np.float32)
    return optax.sgd(lambda step: jnp.asarray(rates)[jnp.minimum(step, 1)])


def _by_inner_table(rates):
    rates = np.asarray(rates, np.float32)
    return optax.sgd(jax.jit(lambda step: jnp.asarray(rates)[jnp.minimum(step, 1)]))


def _of_a_branch(rates):
    rates = np.asarray(rates, np.float32)

    def rate(step):
        return jax.lax.cond(step > 1, lambda: jnp.max(rates * step), lambda: 0.1)

    return optax.sgd(rate)


def _by_a_key(rates):
    noise = jax.random.normal(jax.random.key(int(100 * rates[0])), ())
    return optax.sgd(noise)


@pytest.mark.parametrize(
    "make",
    [_by_table, _by_inner_table, _of_a_branch, _by_a_key],
    ids=lambda f: f.__name__,
)
def test_arrays_of_an_optimizer_are_compared(make):
    def told(rates):
        config = training.TrainConfig(optimizer=make(rates))
        return _configuration(config=config)["optimizer"]

    assert told([0.01, 0.01]) == told([0.01, 0.01])
    assert told([0.01, 0.01]) != told([5.0, 5.0])


def test_an_optimizer_of_varied_numbers_is_told_without_them():
    def config(rate):
        return training.TrainConfig(optimizer=optax.sgd(rate))

    first, second = (
        _configuration(config=config, varied=("rate",))["optimizer"] for _ in range(2)
    )
    assert first == second


def _draw(params, x, key):
    return NETWORK.activations(params, x)[0]


def _drawn(classes, **options):
    return probes.drawn_information(_draw, classes, num_steps=1, **options)


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: _drawn({"a": LABELS}, **o),
        lambda **o: probes.code_mixture(CODES, **o),
        lambda **o: probes.accuracy_under_attack([0.1], **o),
        lambda **o: probes.attack_checks(0.1, **o),
    ],
)
def test_snapshots_that_a_probe_measures_are_compared(make):
    # What every run of an earlier version has, whose default it was.
    assert _told(make()) == _told(make(last_only=True)) == make().parameters
    assert _told(make(last_only=False)) == {
        "probe": make().parameters,
        "last_only": False,
    }


def test_probes_of_ones_own_are_compared_likewise():
    def sizes(snapshot):
        return {"size": jnp.float32(snapshot.num_train)}

    for told in ({"name": "sizes"}, {"parameters": {"sizes": 1}}):
        always, last = (
            probes.Probe(sizes, last_only=last_only, **told)
            for last_only in (False, True)
        )
        assert _told(always) == next(iter(told.values()))
        assert _told(last) == {"probe": _told(always), "last_only": True}


def test_probes_that_are_always_of_the_last_snapshot_need_not_say_so():
    for probe in (probes.optimality(TASK), probes.gibbs_errors(3)):
        assert probe.last_only
        assert _told(probe) == probe.parameters


def test_classes_of_one_mean_are_others():
    one = np.arange(24) % 2
    other = 1 - one
    assert one.mean() == other.mean()
    assert _told(_drawn({"a": one})) != _told(_drawn({"a": other}))
    assert _told(_drawn({"a": one})) == _told(_drawn({"a": one.astype(np.int64)}))
    # A discriminator draws by its number.
    both = {"a": one, "b": other}
    assert _told(_drawn(both)) != _told(_drawn(dict(reversed(both.items()))))


def test_regions_of_one_size_are_others():
    model = representations.with_information_dropout(networks.mlp([12, 5, 2], "relu"))
    left = np.zeros((24, 2, 4), bool)
    left[:, :, :2] = True

    def told(**regions):
        return _told(probes.dropout_information(model, regions=regions))

    assert told(a=left) != told(a=~left)
    assert told(a=left) != told(a=left.reshape(24, 4, 2))
    assert told(a=left, b=~left) != told(b=~left, a=left)
    assert told()["dropout_information"]["regions"] == {}


def test_properties_of_one_name_are_others():
    model = representations.discrete_tagger(
        networks.mlp([12, 4], output="linear"),
        networks.mlp([4, 2]),
        networks.mlp([3, 4], output="linear"),
        type_width=3,
    )

    def told(**properties):
        return _told(probes.tag_bounds(model, properties=properties))

    assert told(a=LABELS) != told(a=1 - LABELS)
    assert told(a=LABELS) == told(a=LABELS.astype(np.uint8))
    assert told()["tag_bounds"]["properties"] == []


def test_a_run_measured_at_its_end_is_not_taken_for_one_of_all_snapshots(tmp_path):
    def saved(last_only, **options):
        probe = probes.Probe(
            lambda snapshot: {"size": jnp.mean(snapshot.logits)},
            last_only=last_only,
            name="size",
        )
        return sweep(
            jax.random.key(0),
            TASK,
            NETWORK,
            CONFIG,
            num_seeds=1,
            snapshots=[0, 1],
            probes=[probe],
            directory=tmp_path,
            **options,
        )

    saved(True)
    assert np.isnan(saved(True, resume=True)["size"][0, 0])
    with pytest.raises(ResultsError, match="another run, which differs in probes"):
        saved(False, resume=True)
