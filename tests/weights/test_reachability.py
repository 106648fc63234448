"""Transition densities of Ornstein and Uhlenbeck, times of passage, and simulations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate
from scipy.stats import norm

from ibjax import weights

# A spring of stiffness 1.3 at temperature 0.4; what is published of it is at 0.7.
STIFFNESS, HEAT, TIME = 1.3, 0.4, 0.7
SPACING = 0.05
GRID = np.arange(-60, 61) * SPACING


def _double_well(w):
    return (w**2 - 1) ** 2 / 4 + 0.1 * w


def test_the_density_of_a_spring_is_the_known_one():
    u = STIFFNESS * GRID**2 / 2
    found = weights.reachability(u, spacing=SPACING, temperature=HEAT, time=TIME)
    a, b = np.argmin(np.abs(GRID - 0.9)), np.argmin(np.abs(GRID + 0.6))
    decay = np.exp(-STIFFNESS * TIME)
    std = np.sqrt(HEAT / STIFFNESS * (1 - decay**2))
    for row, column in ((a, b), (b, a)):
        exact = norm.pdf(GRID[column], GRID[row] * decay, std)
        # Second order in the spacing, about h^2 / (12 std^2) of a Gaussian.
        np.testing.assert_allclose(found.density[row, column], exact, rtol=1.6e-2)
        np.testing.assert_allclose(
            found.dynamic[row, column], 0.0904925549, rtol=1.6e-2
        )
    ratio = found.density[a, b] / found.density[b, a]
    np.testing.assert_allclose(ratio, 2.0776760801, rtol=1e-9)


def test_halving_the_spacing_quarters_the_error():
    exact, errors = 0.0904925549, []
    for spacing in (0.1, 0.05):
        grid = np.arange(-round(3 / spacing), round(3 / spacing) + 1) * spacing
        found = weights.reachability(
            STIFFNESS * grid**2 / 2, spacing=spacing, temperature=HEAT, time=TIME
        )
        a, b = np.argmin(np.abs(grid - 0.9)), np.argmin(np.abs(grid + 0.6))
        errors.append(found.dynamic[a, b] - exact)
    np.testing.assert_allclose(errors[0] / errors[1], 4, rtol=0.1)


@pytest.mark.parametrize("time", [1e-3, 1.0, 100.0])
def test_densities_are_normalised_and_balanced_at_every_time(time):
    u = _double_well(GRID)
    found = weights.reachability(u, spacing=SPACING, temperature=0.2, time=time)
    np.testing.assert_allclose(found.density.sum(axis=1) * SPACING, 1, rtol=1e-9)
    np.testing.assert_array_equal(found.dynamic, found.dynamic.T)
    flow = np.exp(-u / 0.2)[:, None] * found.density
    # To the rounding of some thirty products of matrices of 121 places.
    np.testing.assert_allclose(flow, flow.T, rtol=1e-9, atol=0)


def test_a_fall_of_many_temperatures_leaves_the_paths_finite():
    # Falls of 1,600 temperatures from the walls: the way up is below any number.
    u = 64 * (GRID / 3) ** 2
    found = weights.reachability(u, spacing=SPACING, temperature=0.08 / 2, time=TIME)
    assert np.isinf(found.static[0, 60])
    assert np.all(np.isfinite(found.dynamic))
    np.testing.assert_array_equal(found.dynamic, found.dynamic.T)
    down = found.density[80, 60] * np.exp((u[60] - u[80]) / 0.08)
    np.testing.assert_allclose(found.dynamic[60, 80], down, rtol=1e-14)


@pytest.mark.parametrize("toward", [1, -1])
def test_a_wall_behind_the_start_adds_nothing(toward):
    num, length, heat = 100, 2.0, 0.5
    spacing = length / num
    # Ten thousand temperatures on three places, and a plain.
    u = np.concatenate([np.full(3, 5e3), np.zeros(num + 1)])[::toward]
    start, target = (3, num + 3) if toward == 1 else (num, 0)
    found = weights.passage_time(
        u, spacing=spacing, temperature=heat, start=start, target=target
    )
    # The trapezoid rule gives half a place to the foot of the wall, and is exact else.
    exact = length * (length + spacing) / (2 * heat)
    # Logarithms below 10 of sums of a hundred places.
    np.testing.assert_allclose(found, exact, rtol=100 * 10 * 2.0**-52)


# At the lower heat the walls are 800 temperatures high, more than an exponential holds.
@pytest.mark.parametrize("heat", [0.03, 0.02])
def test_times_of_passage_follow_their_integral_and_kramers(heat):
    grid = np.linspace(-3, 3, 1201)
    start, target = np.argmin(np.abs(grid - 1)), np.argmin(np.abs(grid + 1))
    options = {"spacing": grid[1] - grid[0], "temperature": heat}

    def found(a, b):
        return weights.passage_time(_double_well(grid), start=a, target=b, **options)

    def inner(y):
        return integrate.quad(lambda z: np.exp(-_double_well(z) / heat), y, 3)[0]

    exact = integrate.quad(
        lambda y: np.exp(_double_well(y) / heat) * inner(y) / heat, -1, 1
    )[0]
    # The trapezoid rule, of functions as wide as sqrt(heat).
    np.testing.assert_allclose(found(start, target), exact, rtol=1e-3)
    roots = np.sort(np.roots([1, 0, -1, 0.1]))
    curvature = 3 * roots**2 - 1
    for a, b, well in ((start, target, 2), (target, start, 0)):
        kramers = weights.kramers_time(
            barrier=_double_well(roots[1]) - _double_well(roots[well]),
            well_curvature=curvature[well],
            saddle_curvature=-curvature[1],
            temperature=heat,
        )
        # The next term is of the order of the heat over the barrier, 0.15 and 0.35.
        np.testing.assert_allclose(found(a, b) / kramers, 1, atol=2 * heat / 0.15)
    with pytest.raises(ValueError, match="must change by less than .* got 5e"):
        weights.reachability([0.0, 5e5], spacing=1.0, temperature=0.1, time=1.0)
    curvatures = {"well_curvature": 1.0, "saddle_curvature": 1.0}
    assert weights.kramers_time(barrier=2**40, temperature=1.0, **curvatures) == np.inf


def test_a_sum_of_potentials_of_two_axes_has_the_product_of_their_kernels():
    first, second = np.arange(-9, 10) * 0.2, np.arange(-5, 7) * 0.3
    options = {"temperature": 0.3, "time": 0.9}
    parts = [
        weights.reachability(_double_well(first), spacing=0.2, **options),
        weights.reachability(STIFFNESS * second**2 / 2, spacing=0.3, **options),
    ]
    found = weights.reachability(
        _double_well(first)[:, None] + STIFFNESS * second**2 / 2,
        spacing=(0.2, 0.3),
        **options,
    )
    for own, one, other in zip(found, *parts, strict=True):
        product = np.einsum("ik,jl->ijkl", one, other)
        # To the rounding of some thirty products of matrices of 228 places.
        np.testing.assert_allclose(own, product, rtol=1e-10)


def test_the_density_of_a_spring_that_is_askew_is_the_known_one():
    # Two stiffnesses, along (0.6, 0.8) and across it, where the ends are at one height.
    across, start, end = 0.8, (0.3, 0.9), (-0.6, -0.3)
    decay = np.exp(-across * TIME)
    std = np.sqrt(HEAT / across * (1 - decay**2))
    exact = 0.0904925549 * norm.pdf(0.3, 0.3 * decay, std)
    found = []
    for spacing in (0.3, 0.15):
        axis = np.arange(-round(2.4 / spacing), round(2.4 / spacing) + 1) * spacing
        w, v = np.meshgrid(axis, axis, indexing="ij")
        u = STIFFNESS * (0.6 * w + 0.8 * v) ** 2 / 2
        u += across * (0.6 * v - 0.8 * w) ** 2 / 2
        law = weights.reachability(u, spacing=spacing, temperature=HEAT, time=TIME)
        a, b = (tuple(np.argmin(np.abs(axis - x)) for x in p) for p in (start, end))
        ratio = law.density[a + b] / law.density[b + a]
        np.testing.assert_allclose(ratio, 2.0776760801, rtol=1e-9)
        found.append(law.dynamic[a + b])
    # Errors of second order, 8 % and 2 %. Without it those of fourth are left, of the
    # size of their squares.
    np.testing.assert_allclose(found[1], exact, rtol=0.025)
    np.testing.assert_allclose((4 * found[1] - found[0]) / 3, exact, rtol=0.025**2)


@pytest.mark.parametrize("time", [1e-3, 1.0, 100.0])
def test_densities_of_two_axes_are_normalised_and_balanced(time):
    w, v = np.meshgrid(np.linspace(-2, 2, 17), np.linspace(-1, 2, 11), indexing="ij")
    u = _double_well(w) + (v - w**2 / 2) ** 2
    options = {"spacing": [0.25, 0.3], "temperature": 0.2, "time": time}
    found = weights.reachability(u, **options)
    assert found.density.shape == found.static.shape == (17, 11, 17, 11)
    total = found.density.sum(axis=(2, 3)) * 0.25 * 0.3
    np.testing.assert_allclose(total, 1, rtol=1e-9)
    there_and_back = np.transpose(found.dynamic, (2, 3, 0, 1))
    np.testing.assert_array_equal(found.dynamic, there_and_back)
    flow = np.exp(-u / 0.2)[..., None, None] * found.density
    np.testing.assert_allclose(flow, np.transpose(flow, (2, 3, 0, 1)), rtol=1e-9)
    np.testing.assert_allclose(
        found.static * found.dynamic, found.density, rtol=1e-9, atol=0
    )


def test_simulated_paths_have_the_density():
    step, num = 0.01, 4000
    paths = jax.jit(
        lambda key: weights.langevin_paths(
            key,
            lambda w: STIFFNESS * w,
            jnp.full(num, 0.9),
            temperature=HEAT,
            step=step,
            num_steps=70,
        )[-1]
    )(jax.random.key(0))
    # Steps shrink by 1 - step stiffness each: their law is known exactly.
    decay = (1 - step * STIFFNESS) ** 70
    shrink = (1 - step * STIFFNESS) ** 2
    variance = 2 * HEAT * step * (1 - decay**2) / (1 - shrink)
    assert abs(paths.mean() - 0.9 * decay) < 4 * np.sqrt(variance / num)
    assert abs(paths.var() / variance - 1) < 4 * np.sqrt(2 / num)


def _shares_of_cells(axes, center, radius, spacing, parts=8):
    """Share of every cell of a grid that lies in a ball, by points in it."""
    inside = (np.arange(parts) + 0.5) / parts - 0.5
    fine = [
        (axis[:, None] + spacing * inside).ravel() - middle
        for axis, middle in zip(axes, center, strict=True)
    ]
    squares = sum(np.square(np.meshgrid(*fine, indexing="ij")))
    cells = [n for axis in axes for n in (len(axis), parts)]
    within = (squares <= radius**2).reshape(cells)
    return within.mean(tuple(range(1, len(cells), 2)))


def _reached_on_a_grid(losses, axes, starts, goal, radius, options):
    """Chances to end in a ball around a goal, from every start."""
    spacing = axes[0][1] - axes[0][0]
    law = weights.reachability(losses, spacing=spacing, **options).density
    cells = _shares_of_cells(axes, goal, radius, spacing) * spacing ** len(axes)
    places = [
        tuple(np.argmin(np.abs(axis - x)) for axis, x in zip(axes, start, strict=True))
        for start in starts
    ]
    return [np.sum(law[place] * cells) for place in places]


def test_simulations_between_two_regressions_agree_with_the_grid():
    inputs = np.array([[2.0, 0.4], [1.2, -2.0], [-0.8, 2.4], [-2.4, -1.0]])
    signs = np.array([[1, 1, -1, -1], [1, -1, 1, -1]])

    # Logistic regressions of two weights, with decay.
    def loss(w, sign, np=np):
        rises = np.logaddexp(0, -(w @ inputs.T) * sign).mean(-1)
        return rises + 0.05 * (w**2).sum(-1)

    axes = [np.arange(-9, 19) * 0.2, np.arange(-12, 16) * 0.2]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    tables = [loss(places, sign) for sign in signs]
    minima = np.stack([places.reshape(-1, 2)[table.argmin()] for table in tables])
    heat, num_paths = 0.1, 500
    grid = np.transpose(
        [
            _reached_on_a_grid(
                *(table, axes, minima, goal, 0.5), {"temperature": heat, "time": 2.0}
            )
            for table, goal in zip(tables, minima, strict=True)
        ]
    )
    found = weights.task_reachability(
        jax.random.key(0),
        [lambda w, sign=sign: loss(w, sign, jnp) for sign in signs],
        minima,
        **{"radius": 0.5, "temperature": heat, "step": 0.02, "num_steps": 100},
        num_paths=num_paths,
    )
    # Binomial, from 0.017 on. A grid of half the spacing moves the chances by 0.011 at
    # most, and steps of half the length by 0.004.
    error = np.sqrt(grid * (1 - grid) / num_paths)
    assert np.all((grid > 0.17) & (grid < 0.45))
    assert np.all(np.abs(found - grid) < 4 * error)


def _three_layers(w, target):
    """Loss of a product of three layers of one weight, and its decay."""
    return (w**3 - target) ** 2 / 2 + w**2 / 2


def test_a_complex_task_is_easily_forgotten_and_hard_to_learn():
    # The minimum of the simple task, zero, is one of the complex task too, behind a
    # barrier of two temperatures.
    spacing, heat, time, num_paths = 0.02, 0.01, 20.0, 500
    axis = np.arange(-50, 81) * spacing
    simple, complicated = (_three_layers(axis, target) for target in (0.0, 1.0))
    right = np.where(axis < 0.5, np.inf, complicated)
    minima = np.array([[0.0], [axis[right.argmin()]]])
    options = {"temperature": heat, "time": time}
    grid = np.transpose(
        [
            _reached_on_a_grid(u, [axis], minima, goal, 0.25, options)
            for u, goal in zip((simple, complicated), minima, strict=True)
        ]
    )
    found = weights.task_reachability(
        jax.random.key(1),
        [lambda w, s=s: _three_layers(w[0], s) for s in (0.0, 1.0)],
        minima,
        **{"radius": 0.25, "temperature": heat, "step": 0.02, "num_steps": 1000},
        num_paths=num_paths,
    )
    # Binomial, from 0.002 on where nearly all arrive. A quarter of the steps' length
    # moves the chance of the others, of an error of 0.02, by 0.005.
    error = np.sqrt(grid * (1 - grid) / num_paths)
    assert np.all(np.abs(found - grid) < 4 * error)
    to_learn, to_forget = grid[0, 1], grid[1, 0]
    assert to_learn < 0.3 < 0.95 < to_forget

    # To forget is a way downhill: a few times the decay's time, which is one.
    places = [np.argmin(np.abs(axis - w)) for w in minima[:, 0]]
    passage = {"spacing": spacing, "temperature": heat}
    down = weights.passage_time(simple, start=places[1], target=places[0], **passage)
    assert down < 5
    # To learn, on the complex loss, is a matter of the barrier: of Kramers' rate, but
    # for what is of the size of the temperature over the barrier.
    low, high = places
    up = weights.passage_time(complicated, start=low, target=high, **passage)
    saddle = low + complicated[low:high].argmax()
    bends = np.gradient(np.gradient(complicated, spacing), spacing)
    barrier = complicated[saddle] - complicated[low]
    kramers = weights.kramers_time(
        barrier=barrier,
        well_curvature=bends[low],
        saddle_curvature=-bends[saddle],
        temperature=heat,
    )
    assert abs(up / kramers - 1) < heat / barrier
    law = weights.reachability(complicated, spacing=spacing, **options)
    beyond = law.density[low, saddle + 1 :].sum() * spacing
    np.testing.assert_allclose(beyond, 1 - np.exp(-time / up), rtol=0.01)
    # And on one loss the two ways differ by the losses at their ends, at any time.
    ratio = law.density[low, high] / law.density[high, low]
    fall = complicated[low] - complicated[high]
    np.testing.assert_allclose(ratio, np.exp(fall / heat), rtol=1e-9)


# Two wells of one depth that meet in a point, one four times as sharp as the other.
SHARP, FLAT, BARRIER = 4.0, 1.0, 0.5


@pytest.mark.parametrize("heat", [0.1, 0.2, 0.4])
def test_isotropic_noise_prefers_a_flat_well_by_its_width_at_every_temperature(heat):
    spacing = 0.025
    # No place where they meet, which would be of both.
    grid = (np.arange(-120, 200) + 0.5) * spacing
    bend = np.where(grid < 0, SHARP, FLAT)
    bottom = np.sign(grid) * np.sqrt(2 * BARRIER / bend)
    u = bend * (grid - bottom) ** 2 / 2
    # From both wells, for a hundred times what an escape takes.
    time = 100 * 2 * np.pi / FLAT * np.exp(BARRIER / heat)
    law = weights.reachability(u, spacing=spacing, temperature=heat, time=time).density
    sharp = law[:, grid < 0].sum(axis=1) * spacing
    # Both wells end at one height, so many of their widths away, and the ratio is that
    # of the widths. A sum for an integral errs by h^2 / 24 of the slope where it ends,
    # here 5e-5; the walls are six widths away.
    expected = np.sqrt(FLAT / SHARP)
    np.testing.assert_allclose(sharp / (1 - sharp), expected, rtol=1e-4)


def test_noise_in_proportion_to_curvature_prefers_a_flat_well_by_far():
    # Two wells of no loss at -1 and 1, smooth, of curvatures of three to one.
    tilt, scale, heat = 0.35, 0.8, 0.25

    def slope(w, np=jnp):
        ramp = 1 - tilt * np.tanh(w)
        ramp_slope = -tilt * (1 - np.tanh(w) ** 2)
        root = scale * (w**2 - 1) * ramp
        return root * scale * (2 * w * ramp + (w**2 - 1) * ramp_slope)

    # At the two minima this is the second derivative of the loss, root^2 / 2.
    def curvature(w, np=jnp):
        return (2 * scale * (1 - tilt * np.tanh(w))) ** 2

    both = curvature(np.array([-1.0, 1.0]), np)
    typical = np.sqrt(both.prod())
    noises = {
        "isotropic": lambda w, np=jnp: heat * np.ones_like(w),
        "curved": lambda w, np=jnp: heat * curvature(w, np) / typical,
    }
    # Half from each well, for six times what it takes to forget which.
    num, start = 3000, np.repeat([-1.0, 1.0], 1500)
    shares = {}
    for name, noise in noises.items():
        # Of Ito's law, e^-(integral of U' / D) / D.
        grid = np.linspace(-3, 3, 2001)
        log_law = -integrate.cumulative_trapezoid(
            slope(grid, np) / noise(grid, np), grid, initial=0
        )
        law = np.exp(log_law) / noise(grid, np)
        shares[name] = law[grid < 0].sum() / law.sum()
        ends = jax.jit(
            lambda key, noise=noise: weights.langevin_paths(
                key, slope, start, temperature=noise, step=0.02, num_steps=2000
            )[-1]
        )(jax.random.key(2))
        error = np.sqrt(shares[name] * (1 - shares[name]) / num)
        # Of 0.007 and 0.009. The law of these steps, on a grid, is off by 0.002.
        assert abs(np.mean(ends < 0) - shares[name]) < 4 * error
    # The one is near the ratio of widths, 0.58, its limit at low temperature. The other
    # is below that of curvatures, and zero is its limit.
    odds = {name: share / (1 - share) for name, share in shares.items()}
    widths = np.sqrt(both[1] / both[0])
    assert widths < odds["isotropic"] < 1.25 * widths
    assert odds["curved"] < widths**2


def test_steps_too_long_for_a_loss_leave_no_share():
    found = weights.task_reachability(
        jax.random.key(0),
        [lambda w: (w**2).sum(), lambda w: (w**4).sum()],
        np.zeros((2, 1)),
        **{"radius": 1.0, "temperature": 0.5, "step": 0.9, "num_steps": 20},
        num_paths=50,
    )
    np.testing.assert_array_equal(np.isnan(found), [[False, True], [False, True]])


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"radius": 0.0}, ValueError, "radius must be one positive number"),
        ({"num_paths": 0}, ValueError, "num_paths must be a whole number, at least 1"),
        ({"minima": [[0.0]]}, ValueError, r"\[2, num_weights\] to match losses"),
        ({"minima": [[0.0], [np.nan]]}, ValueError, "minima must be finite"),
        ({"losses": []}, ValueError, "losses must hold at least one function"),
        ({"losses": [None, None]}, TypeError, "losses must be a function, got None"),
        ({"losses": jnp.sum}, TypeError, "losses must be a list or a tuple"),
        ({"key": 0}, TypeError, "key must be a key"),
    ],
)
def test_bad_tasks(options, error, message):
    chosen = {"key": jax.random.key(0), "losses": [jnp.sum, jnp.sum]}
    chosen |= {"minima": np.zeros((2, 1)), "radius": 0.1, "temperature": 0.1}
    chosen |= {"step": 0.1, "num_steps": 1, "num_paths": 1, **options}
    with pytest.raises(error, match=message):
        weights.task_reachability(**chosen)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"spacing": 0.0}, "spacing must be one positive number"),
        ({"temperature": -1.0}, "temperature must be one positive number"),
        ({"target": 5}, r"target must lie in \[0, 2\]"),
        ({"potential": [0.0, np.nan]}, "potential must be finite"),
        ({"potential": [0.0]}, "potential must have at least two places"),
    ],
)
def test_bad_arguments(options, message):
    chosen = {"potential": np.zeros(3), "spacing": 0.1, "temperature": 1.0}
    with pytest.raises(ValueError, match=message):
        weights.passage_time(**{**chosen, "start": 0, "target": 1, **options})


@pytest.mark.parametrize(
    "options, message",
    [
        ({"potential": np.zeros((3, 1))}, "two places along each axis, got 1"),
        ({"potential": np.zeros((2, 2, 2))}, r"\[num_places_1, num_places_2\], got"),
        ({"potential": np.zeros((65, 64))}, "at most 4096 places.* got 4160; take"),
        ({"spacing": (0.1, 0.1, 0.1)}, r"spacing must have shape \[2\]"),
        ({"spacing": (0.1, 0.0)}, "spacing must be one positive number"),
        ({"potential": [[0.0, 0.0], [0.0, 500.0]]}, "1,400 .* got 5000"),
        ({"time": 0.0}, "time must be one positive number"),
    ],
)
def test_bad_grids(options, message):
    chosen = {"potential": np.zeros((3, 3)), "spacing": 0.1, "temperature": 0.1}
    with pytest.raises(ValueError, match=message):
        weights.reachability(**{**chosen, "time": 1.0, **options})
