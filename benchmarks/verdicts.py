"""How often is a verdict wrong, and how large a fall does it take to be decided?

Curves without any fall, of many kinds of jitter, against the rule that decides
compression and rules it could be: how often the lower end of the interval lies above
zero, where 2.5 % is meant. Then curves that fall: how often that is seen. At last the
coverage of the intervals of means, rare outcomes and rank correlations.

    python benchmarks/verdicts.py --figure figure.png --output verdicts.json
"""

import argparse
import itertools
import math
import pathlib
from collections.abc import Callable
from typing import Any

import harness
import numpy as np
from scipy import special, stats

from ibjax.results.compression import compression_interval, compression_verdict
from ibjax.results.intervals import mean_estimate, rank_correlation
from ibjax.results.statistics import mean_interval

SEEDS = (4, 10, 50, 1000)
SNAPSHOTS = (20, 100)
CORRELATIONS = (0.0, 0.9)
JITTER = {
    "normal": lambda z, rng: z,
    "lognormal": lambda z, rng: np.exp(z),
    "Student, 3 degrees": lambda z, rng: z / np.sqrt(rng.chisquare(3, z.shape) / 3),
    "a level of its own for each seed": lambda z, rng: (
        z * np.exp(rng.normal(size=(*z.shape[:2], 1)))
    ),
    "uniform": lambda z, rng: special.ndtr(z),
    "two-valued": lambda z, rng: np.sign(z),
    "normal, curves rise by one": lambda z, rng: z + np.linspace(0, 1, z.shape[2]),
}
FLAT = tuple(JITTER)
# Jitter of 0.1 bit, which the threshold of a verdict is.
VERDICT_BITS = 0.1

POWER_SEEDS = (4, 6, 10, 20, 50)
FALLS = (1.0, 2.0, 4.0)
PEAK = 0.3
INDEPENDENT = "independent jitter of one"
CORRELATED = "correlated jitter of one (0.9)"
DIFFERENT = "falls that differ by one, jitter of a tenth"

# Values a block of trials may hold.
_BLOCK = 2_000_000


def leave_one_out(curves: np.ndarray) -> np.ndarray:
    """Lower ends where each seed's peak is that of the others' mean curve."""
    others = np.sum(curves, axis=1, keepdims=True) - curves
    peaks = np.argmax(others, axis=2)[..., None]
    falls = np.take_along_axis(curves, peaks, axis=2)[..., 0] - curves[..., -1]
    return mean_interval(falls, axis=1).low


def quarter(curves: np.ndarray) -> np.ndarray:
    """Lower ends of the rule in use: every fourth seed chooses the peak."""
    return np.array([compression_interval(trial).low for trial in curves])


def halves(curves: np.ndarray) -> np.ndarray:
    """Lower ends where either half chooses for the other, the better at 1.25 %."""
    first, second = curves[:, ::2], curves[:, 1::2]
    ends = []
    for choosing, measured in ((first, second), (second, first)):
        peaks = np.argmax(np.mean(choosing, axis=1), axis=1)[:, None, None]
        falls = np.take_along_axis(measured, peaks, axis=2)[..., 0] - measured[..., -1]
        ends.append(mean_interval(falls, axis=1, confidence=0.975).low)
    return np.max(ends, axis=0)


def every_snapshot(curves: np.ndarray) -> np.ndarray:
    """Largest lower end over all snapshots, each at 2.5 % over their number."""
    falls = curves[..., :-1] - curves[..., -1:]
    confidence = 1 - 0.05 / falls.shape[2]
    return np.max(mean_interval(falls, axis=1, confidence=confidence).low, axis=1)


RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "others' peak": leave_one_out,
    "a quarter chooses": quarter,
    "halves choose for each other": halves,
    "every snapshot": every_snapshot,
}
OLD, NEW = "others' peak", "a quarter chooses"
LABELS = {
    OLD: "peak of the other seeds (old)",
    NEW: "a quarter of the seeds chooses (new)",
    "halves choose for each other": "halves choose for each other",
    "every snapshot": "every snapshot, Bonferroni",
}


def jittered(
    rng: np.random.Generator, shape: tuple[int, ...], kind: str, correlation: float
) -> np.ndarray:
    """Jitter, ``[num_trials, num_seeds, num_snapshots]``, of stationary correlation."""
    z = rng.normal(size=shape)
    if correlation:
        for place in range(1, shape[2]):
            new = math.sqrt(1 - correlation**2) * z[..., place]
            z[..., place] = correlation * z[..., place - 1] + new
    return JITTER[kind](z, rng)


def fall_of_one(num_snapshots: int) -> np.ndarray:
    """Curve up to a peak and down again by one."""
    x = np.linspace(0, 1, num_snapshots)
    return np.minimum(x / PEAK, (1 - x) / (1 - PEAK))


# Falls that differ from seed to seed, beside a tenth of the jitter.
JITTER[DIFFERENT] = lambda z, rng: (
    z / 10 + rng.normal(size=(*z.shape[:2], 1)) * fall_of_one(z.shape[2])
)


def shares(
    args: argparse.Namespace,
    num_seeds: int,
    num_snapshots: int,
    kind: str,
    correlation: float,
    *,
    fall: float = 0.0,
) -> dict[str, float]:
    """Share of trials whose lower end is above zero, by rule."""
    cell = f"{num_seeds} {num_snapshots} {kind} {correlation} {fall}"
    rng = np.random.default_rng(list(cell.encode()))
    many = num_seeds >= 1000
    trials = args.trials // 2 if many else args.trials
    rules = {k: rule for k, rule in RULES.items() if k in (OLD, NEW) or not many}
    block = max(1, _BLOCK // (num_seeds * num_snapshots))
    above = dict.fromkeys(rules, 0)
    for start in range(0, trials, block):
        shape = (min(block, trials - start), num_seeds, num_snapshots)
        curves = jittered(rng, shape, kind, correlation)
        curves += fall * fall_of_one(num_snapshots)
        for name, rule in rules.items():
            above[name] += int(np.sum(rule(curves) > 0))
    return {rule: count / trials for rule, count in above.items()}


def run_flat(args: argparse.Namespace) -> dict[str, Any]:
    """Measures how often curves that do not fall seem to."""
    rows = []
    for kind, correlation, snapshots in itertools.product(
        FLAT, CORRELATIONS, SNAPSHOTS
    ):
        for seeds in SEEDS:
            found = shares(args, seeds, snapshots, kind, correlation)
            rows.append(
                {
                    "jitter": kind,
                    "correlation": correlation,
                    "snapshots": snapshots,
                    "seeds": seeds,
                    "shares": found,
                }
            )
    return {
        "rows": rows,
        "differences": _differences(args),
        "verdicts": _verdicts(args),
    }


def _differences(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The rule's error to a digit more: given the choice, differences alone matter."""
    rows = []
    for kind, seeds in itertools.product(FLAT[:6], SEEDS[:3]):
        rng = np.random.default_rng(4)
        measured = seeds - max(1, seeds // 4)
        curves = jittered(rng, (100 * args.trials, measured, 2), kind, 0.0)
        low = mean_interval(curves[..., 0] - curves[..., 1], axis=1).low
        rows.append({"jitter": kind, "seeds": seeds, "share": float(np.mean(low > 0))})
    return rows


def _verdicts(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Verdicts on jitter of 0.1 bit, normal and independent, 100 snapshots."""
    rows = []
    for seeds in (4, 10, 50):
        rng = np.random.default_rng(1)
        counts: dict[str, int] = {}
        for _ in range(args.trials):
            curves = VERDICT_BITS * rng.normal(size=(seeds, 100))
            verdict = compression_verdict(compression_interval(curves))
            counts[verdict] = counts.get(verdict, 0) + 1
        own = VERDICT_BITS * rng.normal(size=(args.trials, seeds, 100))
        falls = np.max(own, axis=2) - own[..., -1]
        plain = mean_interval(falls, axis=1).low > VERDICT_BITS
        rows.append(
            {
                "seeds": seeds,
                "own_peak": float(np.mean(plain)),
                "verdicts": {k: n / args.trials for k, n in counts.items()},
            }
        )
    return rows


def run_power(args: argparse.Namespace) -> dict[str, Any]:
    """Measures how often falls of given size are seen, among 100 snapshots."""
    noise = {
        INDEPENDENT: ("normal", 0.0),
        CORRELATED: ("normal", 0.9),
        DIFFERENT: (DIFFERENT, 0.0),
    }
    rows = [
        {
            "noise": name,
            "fall": fall,
            "seeds": seeds,
            "shares": shares(args, seeds, 100, *noise[name], fall=fall),
        }
        for name, fall, seeds in itertools.product(noise, (0.0, *FALLS), POWER_SEEDS)
    ]
    return {"rows": rows}


def _covers(intervals: Any, truth: float) -> float:
    low, high = np.asarray(intervals, float).T
    return float(np.mean((low <= truth) & (truth <= high)))


def run_intervals(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the coverage of 95 % intervals of skewed, rare and ranked numbers."""
    draws = {
        "normal": (lambda rng, n: rng.normal(size=n), 0.0),
        "exponential": (lambda rng, n: rng.exponential(size=n), 1.0),
        "lognormal, 0.5": (lambda rng, n: np.exp(rng.normal(size=n) / 2), 1 / 8),
        "lognormal, 1": (lambda rng, n: np.exp(rng.normal(size=n)), 1 / 2),
        "one in ten": (lambda rng, n: rng.random(n) < 0.1, 0.1),
    }
    means, ranks = [], []
    for (name, (draw, truth)), seeds in itertools.product(
        draws.items(), (4, 6, 10, 20, 50)
    ):
        rng = np.random.default_rng(2)
        truth = math.exp(truth) if name.startswith("lognormal") else truth
        values = np.array([draw(rng, seeds) for _ in range(args.trials)])
        student = mean_interval(values, axis=1)
        means.append(
            {
                "values": name,
                "seeds": seeds,
                "student": _covers(np.stack(student[1:3], axis=1), truth),
                "ours": _covers([mean_estimate(v)[1:3] for v in values], truth),
            }
        )
    for correlation, seeds in itertools.product(
        (0.0, 0.5, 0.9, 0.95, 0.99), (5, 6, 8, 10, 20, 50)
    ):
        rng = np.random.default_rng(3)
        first, second = rng.normal(size=(2, args.trials, seeds))
        second = correlation * first + math.sqrt(1 - correlation**2) * second
        truth = 6 / math.pi * math.asin(correlation / 2)
        pairs = list(zip(first, second, strict=True))
        ranks.append(
            {
                "correlation": correlation,
                "seeds": seeds,
                "fisher": _covers([_fisher(*pair) for pair in pairs], truth),
                "ours": _covers([rank_correlation(*p)[1:3] for p in pairs], truth),
            }
        )
    return {"means": means, "ranks": ranks}


def _fisher(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Fisher's interval with Bonett and Wright's error, without steps."""
    value = float(stats.spearmanr(first, second).statistic) * (1 - 1e-12)
    half = special.ndtri(0.975) * math.sqrt((1 + value**2 / 2) / (len(first) - 3))
    return math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def print_flat(result: dict[str, Any]) -> None:
    """Prints the table of lower ends above zero, and of the verdicts on jitter."""
    found = {
        tuple(row[k] for k in ("jitter", "correlation", "snapshots", "seeds")): row
        for row in result["rows"]
    }
    rows = []
    for place in itertools.product(FLAT, CORRELATIONS, SNAPSHOTS):
        cells = [found[(*place, seeds)]["shares"] for seeds in SEEDS]
        both = [f"{_percent(c[OLD])} / {_percent(c[NEW])}" for c in cells]
        rows.append([place[0], f"{place[1]:g}", str(place[2]), *both])
    header = ["jitter", "correlation", "snapshots", *(f"{n} seeds" for n in SEEDS)]
    print(harness.markdown_table(header, rows))
    for rule, label in LABELS.items():
        worst = [row for row in result["rows"] if rule in row["shares"]]
        worst = max(worst, key=lambda row: row["shares"][rule])
        where = ", ".join(f"{k} {v}" for k, v in worst.items() if k != "shares")
        print(f"Largest of {label}: {_percent(worst['shares'][rule])} % ({where})")
    rows = [
        [kind, *(f"{100 * r['share']:.2f}" for r in cells)]
        for kind, cells in itertools.groupby(
            result["differences"], key=lambda row: row["jitter"]
        )
    ]
    header = ["differences of jitter", *(f"{n} seeds" for n in SEEDS[:3])]
    print(harness.markdown_table(header, rows))
    rows = []
    for row in result["verdicts"]:
        names = ("compresses", "undecided", "does not compress")
        verdicts = [_percent(row["verdicts"].get(name, 0.0)) for name in names]
        rows.append([str(row["seeds"]), _percent(row["own_peak"]), *verdicts])
    header = ["seeds", '"compresses" by own peaks, %', '"compresses", %']
    header += ["undecided, %", '"does not compress", %']
    print(harness.markdown_table(header, rows))


def print_power(result: dict[str, Any]) -> None:
    """Prints how often falls are seen, by rule."""
    places = dict.fromkeys((row["noise"], row["fall"]) for row in result["rows"])
    rows = []
    for noise, fall in places:
        cells = [
            r["shares"]
            for r in result["rows"]
            if (r["noise"], r["fall"]) == (noise, fall)
        ]
        found = [" / ".join(f"{100 * c[rule]:.0f}" for rule in RULES) for c in cells]
        rows.append([noise, f"{fall:g}", *found])
    header = ["noise", "fall", *(f"{n} seeds" for n in POWER_SEEDS)]
    print(harness.markdown_table(header, rows))


def print_intervals(result: dict[str, Any]) -> None:
    """Prints the coverage of the intervals."""
    for table, key, names in (
        (result["means"], "values", ("student", "ours")),
        (result["ranks"], "correlation", ("fisher", "ours")),
    ):
        seeds = sorted({row["seeds"] for row in table})
        rows = []
        for value in dict.fromkeys(row[key] for row in table):
            cells = [row for row in table if row[key] == value]
            both = [" / ".join(_percent(row[n]) for n in names) for row in cells]
            rows.append([str(value), *both])
        print(harness.markdown_table([key, *(f"{n} seeds" for n in seeds)], rows))


def draw(result: dict[str, Any], path: pathlib.Path) -> None:
    """Draws wrong and right verdicts against the number of seeds."""
    from matplotlib.figure import Figure

    from ibjax.plots import style

    colors = style.layer_colors(len(RULES))
    panels = {
        (INDEPENDENT, 0.0): ("independent jitter, no fall", "wrongly seen (%)"),
        (CORRELATED, 2.0): ("correlated jitter, fall twice as large", "seen (%)"),
        (DIFFERENT, 1.0): ("falls of 1 ± 1 over seeds", "seen (%)"),
    }
    with style.paper_style():
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        axes = figure.subplots(1, len(panels))
        for (place, (title, label)), ax in zip(panels.items(), axes, strict=True):
            rows = [r for r in result["rows"] if (r["noise"], r["fall"]) == place]
            seeds = [row["seeds"] for row in rows]
            for number, (rule, color) in enumerate(zip(RULES, colors, strict=True)):
                ax.semilogx(
                    seeds,
                    [100 * row["shares"][rule] for row in rows],
                    "osD^"[number] + ("--" if rule == OLD else "-"),
                    color=color,
                    label=LABELS[rule],
                    markersize=3.5,
                )
            ax.set_title(title)
            ax.set_xlabel("number of seeds")
            ax.set_ylabel(label)
            ax.set_xticks(seeds, [str(n) for n in seeds])
            ax.minorticks_off()
            ax.set_ylim(bottom=0)
        axes[0].axhline(2.5, color="0.5", linewidth=0.8)
        axes[0].set_ylim(0, 20)
        figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=200)


def main() -> None:
    """Runs the cases and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=pathlib.Path, help="draw the power here")
    parser.add_argument("--trials", type=int, default=4000, help="of every cell")
    cases = {"flat": run_flat, "power": run_power, "intervals": run_intervals}
    harness.add_arguments(parser, list(cases))
    args = parser.parse_args()
    results = harness.run_cases(args, cases)
    prints = {"flat": print_flat, "power": print_power, "intervals": print_intervals}
    for name, result in results.items():
        prints[name](result)
        print()
    if args.figure and "power" in results:
        draw(results["power"], args.figure)
    harness.write_json(args.output, results=results)


if __name__ == "__main__":
    main()
