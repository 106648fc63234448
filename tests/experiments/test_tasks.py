"""Distances between tasks: their images and labels, claims on made-up distances."""

import json

import numpy as np
import pytest

from ibjax import cli
from ibjax.datasets.images import image_task
from ibjax.experiments.corruption.setup import small_images
from ibjax.experiments.tasks.claims import information_distances, tasks_claims
from ibjax.experiments.tasks.figures import tasks_figures
from ibjax.experiments.tasks.images import LABELLINGS, labelled, rotated
from ibjax.experiments.tasks.measure import TasksOptions

NAMES = ["digits", "other digits", "parity", "random", "15°", "90°", "half", "permuted"]
#         nats of a task, and what every pair takes besides the larger of the two
ALONE = np.array([50.0, 50.0, 30.0, 200.0, 50.0, 50.0, 40.0, 50.0])
MORE = np.array(
    [
        [10, 15, 12, 40, 20, 45, 5, 30],
        [15, 10, 12, 40, 22, 45, 15, 30],
        [12, 12, 10, 20, 20, 30, 12, 30],
        [40, 40, 20, 150, 40, 40, 40, 40],
        [20, 22, 20, 40, 10, 40, 20, 40],
        [45, 45, 30, 40, 40, 10, 45, 45],
        [5, 15, 12, 40, 20, 45, 10, 30],
        [30, 30, 30, 40, 40, 45, 30, 10],
    ],
    float,
)


def _found(sign=1.0):
    jitter = 1 + 1e-3 * np.arange(3)
    joint = np.maximum(ALONE[:, None], ALONE[None]) + sign * MORE
    names = ["0 or 1", "0 or 3", "5 or 8", "0°", "15°", "90°"]
    apart = np.array(
        [
            [1, 3, 5, 6, 7, 8],
            [3, 1, 5, 6, 7, 8],
            [5, 5, 1, 6, 7, 8],
            [6, 6, 6, 1, 2, 4],
            [7, 7, 7, 2, 1, 4],
            [8, 8, 8, 4, 4, 1],
        ]
    )
    apart = apart / 10 if sign > 0 else 1 - apart / 10
    norms = np.array([1.0, 1, 1, 3, 3, 3]) ** sign
    near, far = (0.2, 0.6) if sign > 0 else (0.6, 0.2)
    of_kinds = [[near if (a - b) % 2 == 0 else far for b in range(4)] for a in range(4)]
    of_kinds = np.array(of_kinds) - sign * 0.1 * np.eye(4)
    task2vec = {
        "tasks": names,
        "pairs": {"0 or 1": [0, 1], "0 or 3": [0, 3], "5 or 8": [5, 8]},
        "distances": [(apart * j).tolist() for j in jitter],
        "norms": [(norms * j).tolist() for j in jitter],
        "trivial": [(norms / 10 * j).tolist() for j in jitter],
    }
    # Ordered as those of the other form, or the other way round.
    ordered = sign * np.asarray(task2vec["distances"]) ** 2
    return {
        "information": {
            "tasks": NAMES,
            "information": [(ALONE * j).tolist() for j in jitter],
            "joint": [(joint * j).tolist() for j in jitter],
        },
        "task2vec": task2vec
        | {"variational": task2vec | {"distances": ordered.tolist()}},
        "photographs": {
            "tasks": ["bird", "ship", "cat", "truck"],
            "distances": [(np.array(of_kinds) * j).tolist() for j in jitter],
        },
    }


def test_claims_follow_the_numbers():
    found = tasks_claims(_found())
    numbers = [claim.claim.partition(".")[0] for claim in found]
    expected = "1 2 3 3 3 4 5 13 14 6 7 8 9 9 6 7 8 9 9 15 10 11 12"
    assert numbers == expected.split()
    assert {claim.verdict for claim in found} == {"holds"}
    opposite = tasks_claims(_found(-1.0))
    others = {c.claim.partition(".")[0] for c in opposite if c.verdict != "holds"}
    # The third is of what tasks hold alone, which is the same.
    assert others >= {*"2456789", "10", "11", "12", "13", "14", "15"}


def test_distances_are_differences_of_information():
    d = information_distances(_found()["information"])
    assert d.shape == (3, 8, 8)
    np.testing.assert_allclose(d[0, 0, 3], 240 - 50)
    np.testing.assert_allclose(d[0, 3, 0], 240 - 200)


def test_figures_are_drawn():
    assert list(tasks_figures(_found())) == [
        "tasks_information",
        "tasks_task2vec",
        "tasks_forms",
        "tasks_photographs",
        "tasks_maps",
    ]


def test_a_seed_that_diverged_is_left_out():
    found, expected = _found(), _found()
    forms = found["task2vec"]["variational"]
    for own in (*found.values(), forms):
        for values in own.values():
            if isinstance(values, list) and isinstance(values[0], list):
                values[1] = np.full_like(values[1], np.nan).tolist()
    # As JSON has it.
    found = json.loads(json.dumps(found).replace("NaN", "null"))
    verdicts = [c.verdict for c in tasks_claims(expected)]
    claims = tasks_claims(found)
    assert [c.num_left_out for c in claims] == [1] * len(claims)
    assert [c.verdict for c in claims] == verdicts
    assert len(tasks_figures(found)) == 5


def test_tasks_are_of_the_same_images_but_one():
    pytest.importorskip("sklearn")
    task = small_images(image_task("digits"), side=4)
    rng = np.random.default_rng(0)
    tasks = {name: labelled(rng, name, task, 300) for name in (*LABELLINGS, "90°")}
    x, labels = tasks["digits"]
    np.testing.assert_array_equal(tasks["other digits"][0], task.x[300:600])
    np.testing.assert_array_equal(tasks["permuted"][1], (labels + 1) % 10)
    np.testing.assert_array_equal(tasks["random"][0], x)
    np.testing.assert_array_equal(tasks["half"][0], np.repeat(x[:150], 2, axis=0))
    np.testing.assert_array_equal(tasks["half"][1], np.repeat(labels[:150], 2))
    of_few, few = tasks["0 to 4"]
    assert len(of_few) == 300 and set(few.tolist()) == set(range(5))
    own = x[labels < 5]
    np.testing.assert_array_equal(of_few, own[np.arange(300) % len(own)])
    with pytest.raises(ValueError, match="samples must be at most half of 1797"):
        labelled(rng, "digits", task, 899)
    # By chance a tenth of them is right: 30 with a deviation of 5.2.
    assert abs(np.sum(tasks["random"][1] == labels) - 30) < 4 * 5.2
    turned = np.rot90(x.reshape(-1, 4, 4), axes=(1, 2)).reshape(300, 16)
    np.testing.assert_allclose(tasks["90°"][0], turned, atol=1e-5)
    np.testing.assert_allclose(rotated(rotated(x, 90, 4), -90, 4), x, atol=1e-5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"seeds": 0}, "seeds must be a whole number"),
        ({"beta": 0.0}, "beta must be one positive number"),
        ({"digits": (1,)}, "digits must be at least two"),
        ({"labellings": ()}, "labellings must hold at least one"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        TasksOptions(**options).check()


@pytest.mark.slow
def test_a_small_run_from_the_command_line(tmp_path, capsys):
    options = "--samples 20 --probe-samples 20 --seeds 2 --epochs 3 --hidden 5"
    options += " --photographs 0"
    where = ["--output", str(tmp_path / "a")]
    command = ["reproduce", "tasks", "--quick", "--data", "digits", *options.split()]
    cli.main([*command, *where])
    content = json.loads((tmp_path / "a" / "distances.json").read_text())
    assert content["configuration"]["samples"] == 20
    names = content["distances"]["information"]["tasks"]
    assert len(names) == 6 and "90°" in names
    assert (tmp_path / "a" / "tasks_task2vec.png").exists()
    again = ["--from", str(tmp_path / "a"), "--output", str(tmp_path / "b")]
    cli.main(["reproduce", "tasks", *again])
    tables = [(tmp_path / d / "claims.md").read_text() for d in "ab"]
    assert tables[0].splitlines()[2:] == tables[1].splitlines()[2:]
    capsys.readouterr()
