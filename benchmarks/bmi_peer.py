r"""Runs bmi's estimators with the interpreter that has bmi; the benchmarks start it.

bmi needs an older JAX than ibjax, so it lives in an environment of its own:

    python3 -m venv bmi
    bmi/bin/pip install 'jax==0.4.30' 'jaxlib==0.4.30' 'numpy<2' 'scipy<1.13' \
        'benchmark-mi==0.1.3'

Arguments: a file of arrays ``x_0``, ``y_0``, ``x_1`` and so on; the method, ``ksg``,
``ksg-unit-variance`` or ``cca``; the number of neighbours; and the timed repeats. KSG
takes the maximum norm. Prints for every pair its value, the wall and the processor
seconds of its first call, and the seconds of the repeats, as JSON.
"""

import json
import sys
import time

import numpy as np
from bmi.estimators import CCAMutualInformationEstimator, KSGEnsembleFirstEstimator


def main() -> None:
    path, method, k, repeats = *sys.argv[1:3], int(sys.argv[3]), int(sys.argv[4])
    arrays = np.load(path)
    found = []
    for number in range(len(arrays) // 2):
        x, y = arrays[f"x_{number}"], arrays[f"y_{number}"]
        if method == "cca":
            estimator = CCAMutualInformationEstimator()
        else:
            estimator = KSGEnsembleFirstEstimator(
                neighborhoods=(k,),
                standardize=method == "ksg-unit-variance",
                metric_x="chebyshev",
            )
        start = time.perf_counter(), time.process_time()
        value = float(estimator.estimate(x, y))  # Compiled now.
        first = time.perf_counter() - start[0], time.process_time() - start[1]
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            estimator.estimate(x, y)
            seconds.append(time.perf_counter() - start)
        found.append({"value": value, "first": first, "seconds": seconds})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
