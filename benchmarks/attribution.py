"""What does the information bottleneck attribution of an image cost?

A convolutional network that was not trained, on images of 32 x 32 pixels; the
bottleneck is at its second convolution, 16 x 16 x 32 features. For every image ten
steps of Adam, each on ten noisy copies, as the authors do. ibjax takes eight images at
a time, its default, on one device or on each of two, all at once, or one after another;
PyTorch takes one after another, as the authors' program does, or all at once, with the
same weights and statistics.

Checked first: the information at the start, which has no noise in it, is the same for
each image; that at the end, where the noise differs, is the same in the mean.

    python benchmarks/attribution.py --images 64 --output attribution.json

The time of the processor, of all threads together, tells more than the wall where other
programs run. With ``--degraded 1000`` so many images are degraded too, by tiles of
4 x 4 pixels in both orders, 33 points a curve.
"""

import argparse
import time

import harness
import numpy as np

NUM_COPIES, NUM_STEPS, BETA = 10, 10, 10.0
# Kernels [3, 3, in, out] of convolutions of strides 1, 2 and 2, and the output.
SHAPES = ((3, 3, 3, 16), (3, 3, 16, 32), (3, 3, 32, 64), (64, 10))
STRIDES = (1, 2, 2)
_ROUNDING = 1e-4
_STANDARD_ERRORS = 4


def make_weights() -> list[np.ndarray]:
    """Returns He-normal weights."""
    rng = np.random.default_rng(0)
    return [
        (rng.normal(size=s) * np.sqrt(2 / np.prod(s[:-1]))).astype(np.float32)
        for s in SHAPES
    ]


def make_images(num: int) -> np.ndarray:
    """Returns smooth random images, ``[num, 32, 32, 3]``."""
    coarse = np.random.default_rng(1).normal(size=(num, 8, 8, 3))
    return np.kron(coarse, np.ones((1, 4, 4, 1))).astype(np.float32)


def _ibjax(args: argparse.Namespace, batch_size: int, devices: int = 1) -> dict:
    harness.set_host_devices(devices)
    import jax
    import jax.numpy as jnp

    from ibjax import attribution, estimators

    def convolve(x, w, stride):
        return jax.lax.conv_general_dilated(
            x, w, (stride, stride), ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip

    def front(params, x):
        x = jax.nn.relu(convolve(x, params[0], STRIDES[0]))
        return jax.nn.relu(convolve(x, params[1], STRIDES[1]))

    def back(params, r):
        r = jax.nn.relu(convolve(r, params[2], STRIDES[2]))
        return jnp.mean(r, axis=(1, 2)) @ params[3]

    params = [jnp.asarray(w) for w in make_weights()]
    x = jnp.asarray(make_images(args.images))
    statistics = attribution.feature_statistics(front, params, x)
    targets = jnp.argmax(jax.jit(lambda x: back(params, front(params, x)))(x), axis=1)

    per_sample = attribution.per_sample
    if devices > 1:
        per_sample = estimators.over_devices(per_sample)

    def call():
        return per_sample(
            jax.random.key(0), front, back, params, x, targets, statistics,
            beta=BETA, num_steps=NUM_STEPS, num_copies=NUM_COPIES,
            batch_size=batch_size,
        )  # fmt: skip

    degraded = None
    if args.degraded and batch_size == _FEW:
        degraded = _degraded(args.degraded, lambda p, x: back(p, front(p, x)), params)
    information = lambda: np.asarray(call().information)  # noqa: E731
    return _result(args, information, harness.device()) | {"degraded": degraded}


def _degraded(num: int, model, params) -> float:
    """Returns the seconds that both curves of so many images take, compiled before."""
    import jax

    from ibjax import attribution

    x = make_images(num)
    heat = np.random.default_rng(2).normal(size=x.shape[:3]).astype(np.float32)

    def call():
        return attribution.degradation(
            jax.random.key(0), model, params, x, heat, 0, tile=4, num_points=33
        )

    return harness.time_calls(call, repeats=1).minimum


def _torch(args: argparse.Namespace, at_once: int) -> dict:
    torch = harness.require("torch")
    functional = torch.nn.functional
    weights = [torch.tensor(w) for w in make_weights()]
    kernels = [w.permute(3, 2, 0, 1) for w in weights[:3]]

    def front(x):
        x = functional.conv2d(x, kernels[0], stride=STRIDES[0], padding=1).relu()
        return functional.conv2d(x, kernels[1], stride=STRIDES[1], padding=1).relu()

    def back(r):
        r = functional.conv2d(r, kernels[2], stride=STRIDES[2], padding=1).relu()
        return r.mean(dim=(2, 3)) @ weights[3]

    x = torch.tensor(make_images(args.images)).permute(0, 3, 1, 2)
    with torch.no_grad():
        r = front(x)
        mean, std = r.mean(dim=0), r.std(dim=0).clamp(min=0.01)
        active = ((r != 0).float().mean(dim=0) > 0.01).float()
        targets = back(r).argmax(dim=1)
    line = torch.exp(-0.5 * torch.arange(-2.0, 3.0) ** 2)
    blur = torch.outer(line, line) / line.sum() ** 2
    blur = blur.expand(r.shape[1], 1, 5, 5)

    def passed(r, alpha):
        padded = functional.pad(torch.sigmoid(alpha), (2, 2, 2, 2), mode="reflect")
        lam = functional.conv2d(padded, blur, groups=r.shape[1]).clamp(max=1 - 1e-6)
        normal = (r - mean) / std
        capacity = lam**2 * normal**2 + (1 - lam) ** 2 - 1 - 2 * torch.log(1 - lam)
        return lam, 0.5 * capacity * active

    def explain(r, target):
        alpha = torch.full_like(r, 5.0).requires_grad_()
        optimizer = torch.optim.Adam([alpha], lr=1.0)
        label = target.repeat_interleave(NUM_COPIES)
        history = []
        for _ in range(NUM_STEPS):
            optimizer.zero_grad()
            lam, capacity = passed(r, alpha)
            noise = mean + std * torch.randn(len(r), NUM_COPIES, *r.shape[1:])
            # Inactive features are at their mean.
            z = lam[:, None] * r[:, None] + (1 - lam)[:, None] * noise
            z = torch.where(active > 0, z, mean)
            logits = back(z.reshape(-1, *r.shape[1:]))
            loss = functional.cross_entropy(logits, label, reduction="sum")
            loss = loss / NUM_COPIES + BETA * capacity.sum() / r[0].numel()
            loss.backward()
            optimizer.step()
            history.append(capacity.detach().flatten(1).sum(dim=1))
        with torch.no_grad():
            history.append(passed(r, alpha)[1].flatten(1).sum(dim=1))
        return torch.stack(history, dim=1)

    def call():
        with torch.no_grad():
            features = front(x)
        starts = range(0, len(x), at_once)
        rows = [slice(start, start + at_once) for start in starts]
        return torch.cat([explain(features[n], targets[n]) for n in rows]).numpy()

    torch.manual_seed(0)
    where = {"platform": "cpu", "device_kind": f"{torch.get_num_threads()} threads"}
    return _result(args, call, where)


def _result(args, call, device) -> dict:
    """Times of a call that returns the information after every step."""
    started, ended = [], []

    def timed():
        started.append(time.process_time())
        found = call()
        ended.append(time.process_time())
        return found

    timing = harness.time_calls(timed, repeats=args.repeats)
    processor = min(np.subtract(ended, started)[1:])
    information = call()
    return {
        "milliseconds_per_image": 1e3 * timing.minimum / args.images,
        "median": 1e3 * timing.median / args.images,
        "processor": 1e3 * processor / args.images,
        "first_call_seconds": timing.warm_up,
        "start": information[:, 0].tolist(),
        "end": information[:, -1].tolist(),
        "device": device,
    }


# Images at a time, the default of ibjax.
_FEW = 8

CASES = {
    "ibjax, eight at a time": lambda args: _ibjax(args, _FEW),
    "ibjax, eight at a time on each of two devices": lambda args: _ibjax(args, _FEW, 2),
    "ibjax, all at once": lambda args: _ibjax(args, args.images),
    "ibjax, one after another": lambda args: _ibjax(args, 1),
    "PyTorch, one after another": lambda args: _torch(args, 1),
    "PyTorch, all at once": lambda args: _torch(args, args.images),
}


def check(results: dict[str, dict]) -> None:
    """Refuses results that differ from the first by more than rounding and noise."""
    first, *others = results.values()
    for other in others:
        start = np.abs(np.divide(other["start"], first["start"]) - 1).max()
        ratio = np.log(np.divide(other["end"], first["end"]))
        error = ratio.std(ddof=1) / np.sqrt(len(ratio))
        if start > _ROUNDING or abs(ratio.mean()) > _STANDARD_ERRORS * error + 1e-6:
            raise SystemExit(
                f"information differs: by {start:.1e} at the start, and by "
                f"{ratio.mean():.3f} +- {error:.3f} of its logarithm at the end"
            )


def main() -> None:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    harness.add_arguments(parser, list(CASES), repeats=5)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--degraded", type=int, default=0)
    args = parser.parse_args()
    started = time.time()
    results = harness.run_cases(args, CASES)
    check(results)
    rows = [
        [
            name,
            r["milliseconds_per_image"],
            r["median"],
            r["processor"],
            r["first_call_seconds"],
            float(np.mean(r["end"]) / np.log(2)),
        ]
        for name, r in results.items()
    ]
    header = ["", "ms an image, min", "median", "processor", "first call, s", "bits"]
    print(harness.markdown_table(header, rows))
    for result in results.values():
        if result.get("degraded"):
            print(f"{args.degraded} images degraded in {result['degraded']:.1f} s")
    harness.write_json(args.output, results=results, seconds=time.time() - started)


if __name__ == "__main__":
    main()
