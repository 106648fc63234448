import jax
import jax.numpy as jnp
import numpy as np

from ibjax import compilation


@compilation.jit(static_argnames="power")
def _sum_of_powers(x, power):
    return jnp.sum(x**power)


def test_function_gives_the_same_wherever_it_is_compiled():
    x = np.arange(1.0, 5.0, dtype=np.float32)
    alone = _sum_of_powers(x, power=2)
    inside = jax.jit(lambda x: _sum_of_powers(x, power=2))(x)
    constant = jax.jit(lambda: _sum_of_powers(x, power=2))()
    many = jax.vmap(lambda x: _sum_of_powers(x, power=2))(x[None])
    # Sums of small whole numbers are exact.
    assert alone == inside == constant == many[0] == 30


def test_derivatives_pass_through():
    x = np.arange(1.0, 5.0, dtype=np.float32)
    gradient = jax.grad(lambda x: _sum_of_powers(x, power=2))(x)
    np.testing.assert_array_equal(gradient, 2 * x)
    _, tangent = jax.jvp(lambda x: _sum_of_powers(x, power=2), (x,), (x,))
    assert tangent == 60


def test_function_is_traced_once_for_calls_alike():
    num_traces = 0

    @compilation.jit()
    def double(x):
        nonlocal num_traces
        num_traces += 1
        return 2 * x

    assert double(jnp.ones(3))[0] == double(jnp.zeros(3))[0] + 2
    assert num_traces == 1


def test_no_trace_for_one_platform_serves_another():
    platform = jax.default_backend()
    other = "gpu" if platform == "cpu" else "cpu"
    num_traces = 0

    @jax.jit
    def chosen(x):
        nonlocal num_traces
        num_traces += 1
        return x + compilation.on_cpu()

    def of_three():
        with compilation.compiling_for(other):
            elsewhere = jax.jit(lambda x: chosen(x))(0)
        with compilation.compiling_for(platform):
            here = chosen(0)
        return int(chosen(0)), int(here), int(elsewhere)

    on_cpu = int(platform == "cpu")
    assert of_three() == of_three() == (on_cpu, on_cpu, 1 - on_cpu)
    # One of them untold, which leaves the choice of by_platform open.
    assert num_traces == 3


def test_choice_is_made_when_told_or_when_lowered():
    @jax.jit
    def chosen(x):
        return compilation.by_platform(x, cpu=jnp.sin, default=jnp.cos)

    def has(text):
        return "sine" in text.replace("cosine", ""), "cosine" in text

    traced = chosen.trace(0.0)
    assert has(traced.lower(lowering_platforms=("cpu",)).as_text()) == (True, False)
    assert has(traced.lower(lowering_platforms=("cuda",)).as_text()) == (False, True)
    for platform, value in (("cpu", 0.0), ("gpu", 1.0)):
        with compilation.compiling_for(platform):
            assert chosen(0.0) == value
            assert "platform_index" not in str(chosen.trace(0.0).jaxpr)


def test_options_reach_programs_of_their_own_only(monkeypatch):
    seen = []
    jit = jax.jit

    def watching(function, **options):
        compiled = jit(function, **options)

        def call(*args):
            seen.append(options.get("compiler_options"))
            return compiled(*args)

        return call

    monkeypatch.setattr(jax, "jit", watching)
    double = compilation.jit()(lambda x: 2 * x)
    double(1.0)
    jit(double)(1.0)
    on_cpu = jax.default_backend() == "cpu"
    assert seen == [compilation.CPU_OPTIONS if on_cpu else None, None]


def test_one_after_another_is_side_by_side():
    x, y = np.arange(6.0).reshape(3, 2), np.arange(3)
    added = compilation.for_each(lambda x, y: {"sum": x + y, "first": x[0]})
    expected = {"sum": x + y[:, None], "first": x[:, 0]}
    for platform in ("cpu", "gpu"):
        with compilation.compiling_for(platform):
            jax.tree.map(np.testing.assert_array_equal, added(x, y), expected)
            program = jax.make_jaxpr(added)(x, y)
        assert ("scan" in str(program)) == (platform == "cpu")
