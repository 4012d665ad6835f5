"""Test that every kernel set has the names and signatures of the protocol and agrees with ``reference``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import agree
from strategies import few, many, seeds

from vsmnp.errors import ConfigError
from vsmnp.kernels import NAMES, ON_HOST, load
from vsmnp.kernels.reference import activations
from vsmnp.kernels.reference import kernel_set as reference
from vsmnp.model.vae import GaussianVAE
from vsmnp.objectives import KL, M2
from vsmnp.training.fuse import step_spec
from vsmnp.training.optimizers import Adam
from vsmnp.types import ActivationName, Array, Kernels, QuadraticForm

OTHERS = [name for name in ON_HOST if name != "reference"]
ACTIVATIONS: tuple[ActivationName, ...] = tuple(activations.ACTIVATIONS)
#: Relative tolerance, against the reference in double precision on the same inputs.
TOLERANCE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 2e-6}
#: Tolerance of one value of an activation, in units of the machine epsilon.
ULPS = 6
dtypes = st.sampled_from(sorted(TOLERANCE, key=str))
small = st.integers(1, 3)
#: Lengths on both sides of a vector, a tile and a row of partial sums.
lengths = st.sampled_from((1, 2, 5, 33, 130))


@pytest.fixture(scope="module", params=OTHERS)
def k(request: pytest.FixtureRequest) -> Kernels:
    return load(request.param)


def _spread(a: Array) -> Array:
    return np.repeat(a, 2, axis=-1)[..., ::2]


def _reversed(a: Array) -> Array:
    return np.flip(np.ascontiguousarray(np.flip(a)))


def _padded(a: Array) -> Array:
    """Copy the numbers to rows of a wider matrix, as gradients lie in the flat vector."""
    wide = np.zeros((*a.shape[:1], a[0].size + 7), a.dtype)
    view = wide[:, 3 : 3 + a[0].size].reshape(a.shape)
    view[...] = a
    return view


strides = st.sampled_from((np.array, np.asfortranarray, _spread, _reversed, _padded))


class Draws:
    """Arrays of one dtype in drawn memory layouts, with floats from one seed."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw, self.dtype = draw, draw(dtypes)
        self.rng = np.random.default_rng(draw(seeds))
        self.tolerance = TOLERANCE[self.dtype]

    def size(self, strategy: st.SearchStrategy[int] = small) -> int:
        return self.draw(strategy)  # type: ignore[no-any-return]

    def maybe_one(self, n: int) -> int:
        return 1 if self.draw(st.booleans()) else n

    def layout(self, a: Array) -> Array:
        return np.asarray(self.draw(strides)(a.astype(self.dtype)))

    def normal(self, *shape: int) -> Array:
        return self.layout(self.rng.standard_normal(shape))


draws = st.composite(Draws)()


def double(x: Any) -> Any:
    """Convert the numbers to double precision, contiguous."""
    if isinstance(x, list | tuple):
        return type(x)(map(double, x))
    return np.array(x, np.float64) if isinstance(x, np.ndarray) else x


@contextmanager
def unchanged(*arrays: Any) -> Iterator[None]:
    """Check that the block does not write to ``arrays``."""
    before = [np.array(a) for a in arrays]
    yield
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(np.array(a), b)


def both(k: Kernels, function: str, *args: Any) -> tuple[Any, Any]:
    """Return the result of ``k``, its inputs unchanged, and the reference's in double precision."""
    with unchanged(*(a for a in args if isinstance(a, np.ndarray))):
        actual = getattr(k, function)(*args)
    return actual, getattr(reference, function)(*map(double, args))


def check(draws: Draws, pair: tuple[Any, Any]) -> None:
    """Check equal shapes, the drawn dtype, equal numbers."""
    actual, expected = (x if isinstance(x, tuple) else (x,) for x in pair)
    for a, b in zip(actual, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert (a.shape, a.dtype) == (b.shape, draws.dtype)
    agree(tuple(map(double, actual)), expected, 3 * draws.tolerance)


# --- data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("batch", "per_epoch", "epochs"), [(1, 1, 1), (4, 3, 1), (37, 2, 3)])
@pytest.mark.parametrize("pixels", [False, True])
def test_gather_is_exact(
    k: Kernels, pixels: bool, batch: int, per_epoch: int, epochs: int, dtype: np.dtype[Any]
) -> None:
    """Every minibatch of the stored epochs, and of one more, which replaces the first one."""
    rng, n, width = np.random.default_rng(batch), batch * per_epoch + 2, 5
    table = (
        rng.integers(0, 256, (n, width), np.uint8)
        if pixels
        else rng.standard_normal((n, width)).astype(dtype)
    )
    order = np.stack([rng.permutation(n)[: batch * per_epoch] for _ in range(epochs)]).astype(np.int32)
    divisor = 255.0 if pixels else 1.0
    for index in range((epochs + 1) * per_epoch):
        x = k.gather(table, order, index, batch, divisor, dtype)
        epoch, place = index // per_epoch % epochs, index % per_epoch * batch
        rows = table[order[epoch, place : place + batch]].astype(dtype)
        assert (x.shape, x.dtype) == ((1, 1, batch, width), dtype)
        np.testing.assert_array_equal(x[0, 0], rows / dtype.type(divisor))


# --- the protocol ---------------------------------------------------------------------------------

METHODS = [name for name, value in vars(Kernels).items() if inspect.isfunction(value) and name[0] != "_"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", METHODS)
def test_every_set_has_the_signatures_of_the_protocol(name: str, method: str) -> None:
    _, *expected = inspect.signature(getattr(Kernels, method)).parameters.values()
    signature = inspect.signature(getattr(load(name), method))
    assert list(signature.parameters.values()) == expected
    assert signature.return_annotation == inspect.signature(getattr(Kernels, method)).return_annotation


@pytest.mark.parametrize("name", NAMES)
def test_a_set_has_its_name(name: str) -> None:
    assert load(name).name == name


def test_arrays_come_and_go(k: Kernels) -> None:
    x = k.asarray([[1, 2]], np.float32)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(k.to_host(x), [[1, 2]])
    np.testing.assert_array_equal(k.to_host(k.zeros((2, 3), np.float64)), np.zeros((2, 3)))


def test_the_reference_fuses_no_step() -> None:
    spec = step_spec(GaussianVAE.mlp(2), KL(2), M2(2), Adam(), Adam(), 1, 1, "float32")
    assert spec is not None
    assert reference.fused_step(spec) is None


# --- linear algebra -------------------------------------------------------------------------------


@many
@given(draws, st.booleans(), st.booleans(), st.sampled_from(("none", "write", "accumulate")))
def test_gemm(k: Kernels, draws: Draws, ta: bool, tb: bool, mode: str) -> None:
    models, rows, inner, columns = (draws.size() for _ in range(4))
    left = (inner, rows) if ta else (rows, inner)
    right = (columns, inner) if tb else (inner, columns)
    a = draws.normal(draws.maybe_one(models), *left)
    b = draws.normal(draws.maybe_one(models), *right)
    if mode == "none":
        check(draws, both(k, "gemm", a, b, ta, tb))
        return
    out = draws.normal(max(len(a), len(b)), rows, columns)
    expected = double(out)
    accumulate = mode == "accumulate"
    with unchanged(a, b):
        assert k.gemm(a, b, ta, tb, out, accumulate) is out
    check(draws, (out, reference.gemm(double(a), double(b), ta, tb, expected, accumulate)))


@many
@given(draws)
def test_add_bias(k: Kernels, draws: Draws) -> None:
    models, width = draws.size(), draws.size(lengths)
    y = draws.normal(models, draws.size(), draws.size(), width)
    b = draws.normal(draws.maybe_one(models), width)
    expected = y + b[:, None, None, :]
    with unchanged(b):
        assert k.add_bias(y, b) is y
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("name", ON_HOST)
def test_biases_of_more_models_than_there_are_do_not_fit(name: str) -> None:
    with pytest.raises(ValueError, match="broadcast"):
        load(name).add_bias(np.zeros((1, 1, 2, 3)), np.zeros((2, 3)))


@many
@given(draws)
def test_sum_rows_of_integers_is_exact(k: Kernels, draws: Draws) -> None:
    models, width = draws.size(), draws.size(lengths)
    gy = draws.layout(draws.rng.integers(-9, 9, (models, draws.size(), draws.size(lengths), width)))
    out = draws.layout(draws.rng.integers(-9, 9, (models, width)))
    expected = double(out) + double(gy).sum((1, 2))
    with unchanged(gy):
        assert k.sum_rows(gy, out) is out
    np.testing.assert_array_equal(out, expected)


@few
@given(draws)
def test_sum_rows_has_an_order_that_depends_on_the_shape_alone(k: Kernels, draws: Draws) -> None:
    gy = draws.normal(3, draws.size(), draws.size(lengths), draws.size(lengths))
    together = k.sum_rows(gy, np.zeros((3, gy.shape[3]), draws.dtype))
    alone = [k.sum_rows(gy[r : r + 1], np.zeros((1, gy.shape[3]), draws.dtype)) for r in range(3)]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    check(draws, (together, double(gy).sum((1, 2))))


# --- pointwise ------------------------------------------------------------------------------------


def check_each(draws: Draws, pair: tuple[Array, Array]) -> None:
    """Apply ``check`` number by number."""
    actual, expected = pair
    assert (actual.shape, actual.dtype) == (expected.shape, draws.dtype)
    limits = np.finfo(draws.dtype)
    np.testing.assert_allclose(actual, expected, rtol=ULPS * limits.eps, atol=limits.tiny)


def output(draws: Draws, f: ActivationName, *shape: int) -> Array:
    """Compute ``y = f(x)``, with x on both sides of every kink and plateau."""
    x = draws.rng.standard_normal(shape) * draws.rng.choice([0.01, 1, 10], shape)
    return draws.layout(reference.activation(f, x))


@pytest.mark.parametrize("f", ACTIVATIONS)
@few
@given(draws)
def test_activation(k: Kernels, f: ActivationName, draws: Draws) -> None:
    shape = draws.size(), draws.size(), draws.size(lengths), draws.size(lengths)
    x = draws.layout(draws.rng.standard_normal(shape) * draws.rng.choice([1e-4, 0.1, 1, 10], shape))
    check_each(draws, both(k, "activation", f, x))


@pytest.mark.parametrize("f", ACTIVATIONS)
@few
@given(draws)
def test_activation_slope(k: Kernels, f: ActivationName, draws: Draws) -> None:
    models, samples, rest = draws.size(), draws.size(), (draws.size(lengths), draws.size(lengths))
    y = output(draws, f, draws.maybe_one(models), draws.maybe_one(samples), *rest)
    v = draws.normal(draws.maybe_one(models), draws.maybe_one(samples), *rest)
    check(draws, both(k, "activation_slope", f, y, v))


@pytest.mark.parametrize("f", ACTIVATIONS)
@few
@given(draws, st.booleans(), st.booleans())
def test_activation_curve(k: Kernels, f: ActivationName, draws: Draws, moves: bool, turns: bool) -> None:
    models, samples, rest = draws.size(), draws.size(), (draws.size(lengths), draws.size())

    def lead() -> tuple[int, int]:
        return draws.maybe_one(models), draws.maybe_one(samples)

    y = output(draws, f, *lead(), *rest)
    dy = draws.normal(*lead(), *rest) if moves else None
    gy = draws.normal(*lead(), *rest)
    dgy = draws.normal(*lead(), *rest) if turns else None
    check(draws, both(k, "activation_curve", f, y, dy, gy, dgy))


@pytest.mark.parametrize("f", ACTIVATIONS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_activations_at_the_ends_of_the_line(k: Kernels, f: ActivationName, dtype: np.dtype[Any]) -> None:
    limits = np.finfo(dtype)
    tiny = limits.tiny
    ends = np.array([0, tiny, tiny / 4, 1e-20, 1e-3, 80, 100, 705, 740, 1e4, np.inf], dtype)
    x = np.concatenate([ends, -ends])
    with np.errstate(over="ignore"):
        expected = reference.activation(f, x)
    y = k.activation(f, x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=ULPS * limits.eps, atol=tiny)


@pytest.mark.parametrize("name", ON_HOST)
@pytest.mark.parametrize("f", ACTIVATIONS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_nan_comes_out_of_activations(name: str, f: ActivationName, dtype: np.dtype[Any]) -> None:
    x = np.zeros((1, 1, 1, 37), dtype)  # in the middle of a vector and in the remainder
    x[..., [3, 36]] = np.nan
    y, k = np.full_like(x, 0.5), load(name)
    for out in (k.activation(f, x), k.activation_slope(f, y, x), k.activation_curve(f, y, y, y, x)):
        np.testing.assert_array_equal(np.isnan(out), np.isnan(x))


def test_read_only_inputs_are_welcome(k: Kernels) -> None:
    x = np.linspace(-1, 1, 12).reshape(1, 1, 4, 3)
    x.setflags(write=False)
    np.testing.assert_array_equal(k.activation("relu", x), np.maximum(x, 0))
    np.testing.assert_array_equal(k.activation_slope("relu", x, x), np.maximum(x, 0))


# --- Gaussian terms -------------------------------------------------------------------------------

FORMS = (
    QuadraticForm(1, 0),
    QuadraticForm(0, 1),
    QuadraticForm(1, 0, 1, 0),
    QuadraticForm(0.25, 0.75, 0, 1),
    QuadraticForm(-0.5, 1.5, 0.3, -0.7),
)


@many
@given(draws, st.sampled_from(FORMS), st.booleans(), st.booleans())
def test_residual_forms(k: Kernels, draws: Draws, form: QuadraticForm, crosses: bool, wanted: bool) -> None:
    models, samples, batch, width = draws.size(), draws.size(), draws.size(lengths), draws.size(lengths)
    x = draws.normal(draws.maybe_one(models), 1, batch, width)
    g = draws.normal(models, samples, batch, width)
    s_q = draws.normal(models, samples, batch, width) if crosses else None
    weights = draws.normal(models), draws.normal(models)
    actual, expected = both(k, "residual_forms", x, g, s_q, form, *weights, wanted)
    check(draws, (actual, expected))
    _, h, v = actual
    assert (v is not None) == wanted
    assert crosses or not h.any()


@many
@given(draws)
def test_posterior_fisher(k: Kernels, draws: Draws) -> None:
    models, samples, batch, width = draws.size(), draws.size(), draws.size(lengths), draws.size(lengths)
    mu = draws.normal(models, 1, batch, width)
    s = draws.layout(draws.rng.uniform(0.5, 2, mu.shape))
    eps, b = (draws.normal(models, samples, batch, width) for _ in range(2))
    check(draws, both(k, "posterior_fisher", mu, s, eps, b))


@many
@given(draws)
def test_sample_is_made_of_the_normals_of_its_key(k: Kernels, draws: Draws) -> None:
    models, samples, batch, width = draws.size(), draws.size(), draws.size(lengths), draws.size()
    first = draws.size()
    mu, s = (draws.normal(draws.maybe_one(models), 1, batch, width) for _ in range(2))
    key = draws.rng.integers(0, 2**63, models).astype(np.uint64), 6, 11
    with unchanged(mu, s):
        z = k.sample(mu, s, *key, samples, first)
    assert (z.shape, z.dtype) == ((models, samples, batch, width), draws.dtype)
    eps = k.normal(*key, (samples, batch, width), draws.dtype, first)
    agree(double(z), double(mu) + double(s) * double(eps), 3 * draws.tolerance)


@pytest.mark.parametrize("name", ON_HOST)
def test_nan_comes_out_of_the_terms(name: str) -> None:
    k, one = load(name), np.ones((1, 1, 3, 2))
    bad = one.copy()
    bad[0, 0, 1, 1] = np.nan
    row = [[False, True, False]]
    for x, g, s_q in ((bad, one, one), (one, bad, one), (one, one, bad)):
        a, h, v = k.residual_forms(x, g, s_q, FORMS[2], np.ones(1), np.ones(1))
        assert np.isnan(h).tolist() == row
        assert np.isnan(a).tolist() == (row if s_q is one else [[False] * 3])
        assert v is not None
        np.testing.assert_array_equal(np.isnan(v), np.isnan(bad))
    for i in range(4):
        d, loss, _, _ = k.posterior_fisher(*(bad if i == j else one for j in range(4)))
        assert np.isnan(loss).tolist() == row
        np.testing.assert_array_equal(np.isnan(d), np.isnan(bad))


@pytest.mark.parametrize("width", [63, 64, 67, 128])
@pytest.mark.parametrize(
    "form", [QuadraticForm(1.0, 0.0), QuadraticForm(-0.5, 1.5, 1.25, -0.25)], ids=["square", "cross"]
)
@pytest.mark.parametrize("wanted", [True, False])
def test_residual_forms_of_wide_data(k: Kernels, width: int, form: QuadraticForm, wanted: bool) -> None:
    rng = np.random.default_rng(width)
    x, g = k.asarray(rng.standard_normal((1, 1, 4, width))), k.asarray(rng.standard_normal((2, 3, 4, width)))
    q = k.asarray(rng.standard_normal(g.shape)) if form.crosses else None
    weights = k.asarray(np.array([1.5, 0.5])), k.asarray(np.array([-2.0, 0.25]))
    found = k.residual_forms(x, g, q, form, *weights, wanted)
    expected = reference.residual_forms(
        *(None if a is None else k.to_host(a) for a in (x, g, q)), form, *map(k.to_host, weights), wanted
    )
    for actual, truth in zip(found, expected, strict=True):
        assert (actual is None) == (truth is None)
        if truth is not None:
            np.testing.assert_allclose(k.to_host(actual), truth, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("samples", [3, 9])
def test_a_gradient_that_no_cache_holds_is_that_of_its_parts(samples: int) -> None:
    from vsmnp.kernels.cpu.terms import STREAMED_BYTES

    k, rng, width = load("cpu"), np.random.default_rng(samples), 1008
    batch = -(-STREAMED_BYTES // (8 * samples * width))
    x, (g, q) = rng.standard_normal((1, batch, width)), rng.standard_normal((2, 1, samples, batch, width))
    form, weight = QuadraticForm(-0.5, 1.5, 1.25, -0.25), np.array([1.5])
    whole = k.residual_forms(x[:, None], g, q, form, weight, weight)
    for part in np.array_split(np.arange(batch), 3):
        some = k.residual_forms(x[:, None, part], g[:, :, part], q[:, :, part], form, weight, weight)
        for got, expected in zip(whole, some, strict=True):
            assert got is not None
            np.testing.assert_array_equal(got[..., part, :] if got.ndim == 4 else got[:, part], expected)


# --- optimisers -----------------------------------------------------------------------------------


class Moving:
    """Arrays that an optimiser changes, and a copy of them for the other kernel set."""

    def __init__(self, draws: Draws) -> None:
        models, size = draws.size(), draws.size(lengths)
        self.p, self.m = draws.normal(models, size), draws.normal(models, size)
        self.v = draws.layout(draws.rng.uniform(0, 2, (models, size)))
        self.t = draws.rng.integers(0, 9, models)
        self.active = draws.rng.random(models) < 0.6
        self.before = self.copies()

    def arrays(self) -> tuple[Array, ...]:
        return self.p, self.m, self.v, self.t

    def copies(self) -> tuple[Array, ...]:
        return tuple(np.array(a) for a in self.arrays())

    def check(self, expected: tuple[Array, ...]) -> None:
        """Check equality to the last bit; members that are not active are unchanged."""
        for actual, other, old in zip(self.arrays(), expected, self.before, strict=True):
            np.testing.assert_array_equal(actual, other)
            np.testing.assert_array_equal(actual[~self.active], old[~self.active])


@many
@given(draws)
def test_adam_is_bit_equal_and_does_not_change_diverged_models(k: Kernels, draws: Draws) -> None:
    state = Moving(draws)
    p, m, v, t = state.copies()
    for _ in range(3):
        g = draws.normal(*p.shape)
        g[~state.active] = np.nan
        lr = draws.layout(draws.rng.uniform(0.001, 0.1, len(p)))
        rest = lr, 0.9, 0.999, 1e-8, state.active
        with unchanged(g, lr, state.active):
            k.adam(state.p, g, state.m, state.v, state.t, *rest)
        reference.adam(p, g, m, v, t, *rest)
    state.check((p, m, v, t))


@many
@given(draws)
def test_moments_of_zero_gradients_decay_to_zero(k: Kernels, draws: Draws) -> None:
    """A denormal number times 0.9 may round to itself, and would stay."""
    p = draws.normal(2, draws.size(lengths))
    smallest, signs = np.finfo(p.dtype).tiny, np.sign(draws.normal(*p.shape))
    before, rest = p.copy(), (0.9, 0.999, 1e-8, np.array([True, True]))
    for adam in (k.adam, reference.adam):
        m, v = signs * 1.05 * smallest, np.abs(signs) * 1.0005 * smallest
        adam(p, np.zeros_like(p), m, v, np.zeros(2, np.int64), draws.layout(np.array([0.1, 0.1])), *rest)
        assert not m.any()
        assert not v.any()
        np.testing.assert_array_equal(p, before)


@many
@given(draws)
def test_sgd_is_bit_equal_and_does_not_change_diverged_models(k: Kernels, draws: Draws) -> None:
    state = Moving(draws)
    p, m, v, t = state.copies()
    g = draws.normal(*p.shape)
    g[~state.active] = np.nan
    lr = draws.layout(draws.rng.uniform(0.001, 0.1, len(p)))
    with unchanged(g, lr, state.active):
        k.sgd(state.p, g, state.t, lr, state.active)
    reference.sgd(p, g, t, lr, state.active)
    state.check((p, m, v, t))


@many
@given(draws, st.sampled_from((np.nan, np.inf, -np.inf)))
def test_finite_flags_the_members_with_a_bad_entry(k: Kernels, draws: Draws, bad: float) -> None:
    g = draws.normal(3, draws.size(lengths), draws.size(lengths))
    g[1].flat[draws.rng.integers(g[1].size)] = bad  # .flat writes through any strides
    with unchanged(g):
        assert k.finite(g).tolist() == [True, False, True]


# --- compilation ----------------------------------------------------------------------------------


def test_a_loop_compiles_where_no_cache_can_be_kept() -> None:
    from vsmnp.kernels.cpu.compilation import compiled

    scope: dict[str, Any] = {}
    exec("def twice(x): return x + x", scope)  # a function without a file cannot have a cache
    assert compiled(scope["twice"])(1.5) == 3.0


def test_a_compiled_set_needs_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)
    load.cache_clear()
    with pytest.raises(ConfigError, match="NUMBA_DISABLE_JIT is set"):
        load("cpu")
    assert load("reference").name == "reference"
    load.cache_clear()
