"""The three steps: devices, determinism, averages, textbook gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import parallel, rng
from jaxstyle.stylegan2 import losses, networks, steps
from jaxstyle.stylegan2 import state as state_lib
from tests import tiny

CONFIG = tiny.config()
GAN = CONFIG.gan
MAKERS = {
    "r1": steps.r1_step,
    "path_length": steps.path_length_step,
    "main": steps.main_step,
}
# What each step changes; everything else it must leave alone.
CHANGES = {
    "r1": {"d_params", "d_opt", "metrics"},
    "path_length": {"g_params", "g_opt", "pl_mean", "metrics"},
    "main": {
        *("step", "g_params", "g_opt", "g_ema"),
        *("d_params", "d_opt", "w_avg", "metrics"),
    },
}


@pytest.fixture(scope="module")
def one():
    """The steps on one device, by name."""
    return {name: jax.jit(make(CONFIG)) for name, make in MAKERS.items()}


@pytest.fixture(scope="module")
def fresh():
    return jax.device_get(state_lib.create(CONFIG))


@pytest.fixture(scope="module")
def warm(one, fresh):
    """A state whose Adam no longer divides noise by noise."""
    state = fresh
    for number in range(4):
        for step in one.values():
            state, _ = step(state, tiny.batch(8, number))
    return jax.device_get(state)


@pytest.fixture(scope="module")
def batch():
    """One whose halves differ."""
    strengths = np.repeat([1, 0.3], 4).astype(np.float32)
    whole = tiny.batch(8, 9)
    return whole | {"image": whole["image"] * strengths[:, None, None, None]}


def _half(batch):
    return {name: values[:4] for name, values in batch.items()}


def _fields(state, metrics):
    """Each field as one vector, of its floats where it has any."""
    fields = {}
    for name, tree in {**vars(state), "metrics": metrics}.items():
        leaves = [np.ravel(leaf) for leaf in jax.tree.leaves(tree)]
        floats = [leaf for leaf in leaves if leaf.dtype == np.float32]
        vectors = [np.float64(leaf) for leaf in floats or leaves]
        fields[name] = np.concatenate(vectors or [np.zeros(1)])
    return fields


def _difference(a, b, scale):
    return np.linalg.norm(a - b) / max(np.linalg.norm(scale), 1e-12)


@pytest.mark.parametrize("name", MAKERS)
def test_two_devices_are_one_device(one, warm, batch, name):
    two = parallel.train_step(MAKERS[name](CONFIG, parallel.AXIS))
    before = _fields(warm, {})
    whole = _fields(*one[name](warm, batch))
    # What device 0 would make of its share alone, without `pmean`.
    alone = _fields(*one[name](warm, _half(batch)))
    split = _fields(*two(parallel.replicated(warm), parallel.shard(batch)))
    assert whole.keys() == split.keys()
    for field in whole:
        change = whole[field] - (0 if field == "metrics" else before[field])
        if field not in CHANGES[name]:
            assert not np.any(change), field
            np.testing.assert_array_equal(split[field], whole[field])
            continue
        assert np.any(change), field
        assert _difference(split[field], whole[field], change) < 1e-3, field
        if field != "step":
            # A forgotten mean would show in every field.
            apart = _difference(alone[field], whole[field], change)
            assert apart > 2e-2, field


@pytest.mark.parametrize("name", MAKERS)
def test_a_step_is_a_function(one, warm, batch, name):
    first, again = (one[name](warm, batch) for _ in range(2))
    for a, b in zip(
        jax.tree.leaves(first), jax.tree.leaves(again), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["path_length", "main"])
def test_latents_follow_the_step_and_the_seed(one, warm, batch, name):
    metric = {"path_length": "path_length", "main": "loss_g"}[name]
    later = warm.replace(step=warm.step + 1)
    seeded = warm.replace(rng=state_lib.create(tiny.config(seed=1)).rng)
    values = {
        float(one[name](state, batch)[1][metric])
        for state in (warm, later, seeded)
    }
    assert len(values) == 3


def _latents(state, key):
    """Codes and noise of a batch of 8, as documented in `losses`."""
    generator = networks.generator(CONFIG)
    ids = jnp.arange(8)
    ws, w = losses.mixed_codes(
        generator, state.g_params, key, ids, GAN.z_dim, GAN.style_mixing
    )
    shapes = networks.noise_shapes(tiny.SIDE)
    return ws, w, losses.layer_noise(key, ids, shapes)


def _gradients(update):
    """Squared gradients, from how Adam's second moment has moved."""
    old, new, interval = update
    beta = 0.99 ** (interval / (interval + 1))
    return jax.tree.map(
        lambda a, b: (np.float64(b) - beta * np.float64(a)) / (1 - beta),
        old[0].nu,
        new[0].nu,
    )


def _assert_squares(actual, gradients):
    for a, b in zip(
        jax.tree.leaves(actual), jax.tree.leaves(gradients), strict=True
    ):
        square = np.square(np.float64(b))
        # Adam's moment is kept in float32.
        np.testing.assert_allclose(
            a, square, rtol=1e-2, atol=1e-3 * np.max(square) + 1e-12
        )


def test_the_main_step_takes_the_usual_two_phases_gradients(one, fresh, batch):
    generator = networks.generator(CONFIG)
    discriminator = networks.discriminator(CONFIG)
    key = jax.random.fold_in(fresh.rng, fresh.step)

    def g_loss(g_params, d_params):
        ws, _, noise = _latents(fresh.replace(g_params=g_params), key)
        fakes = generator.apply(g_params, ws, noise, method="synthesise")
        logits = discriminator.apply(d_params, fakes)[0]
        return -jnp.mean(jax.nn.log_sigmoid(logits)), fakes

    def d_loss(d_params, fakes):
        real = discriminator.apply(d_params, batch["image"])[0]
        fake = discriminator.apply(d_params, fakes)[0]
        return -jnp.mean(jax.nn.log_sigmoid(real)) - jnp.mean(
            jnp.log1p(-jax.nn.sigmoid(fake))
        )

    @jax.jit
    def phases(g_params, d_params):
        (g_value, fakes), g_grads = jax.value_and_grad(g_loss, has_aux=True)(
            g_params, d_params
        )
        d_value, d_grads = jax.value_and_grad(d_loss)(d_params, fakes)
        return g_value, g_grads, d_value, d_grads

    g_value, g_grads, d_value, d_grads = phases(fresh.g_params, fresh.d_params)
    state, metrics = one["main"](fresh, batch)
    assert float(metrics["loss_g"]) == pytest.approx(float(g_value), rel=1e-4)
    assert float(metrics["loss_d"]) == pytest.approx(float(d_value), rel=1e-4)
    g_update = fresh.g_opt, state.g_opt, GAN.g_reg_interval
    d_update = fresh.d_opt, state.d_opt, GAN.d_reg_interval
    _assert_squares(_gradients(g_update), g_grads)
    _assert_squares(_gradients(d_update), d_grads)
    # Downhill, and both networks at once.
    for name, grads in (("g_params", g_grads), ("d_params", d_grads)):
        moved = jax.tree.map(
            lambda a, b: np.asarray(a - b),
            getattr(state, name),
            getattr(fresh, name),
        )
        uphill = sum(
            float(np.vdot(a, b))
            for a, b in zip(
                jax.tree.leaves(moved), jax.tree.leaves(grads), strict=True
            )
        )
        assert uphill < 0


def test_the_r1_step_weighs_its_penalty_by_its_interval(one, fresh, batch):
    discriminator = networks.discriminator(CONFIG)

    @jax.jit
    def penalty(params):
        return jnp.mean(
            losses.r1_penalty(
                lambda x: discriminator.apply(params, x)[0], batch["image"]
            )
        )

    value, gradients = jax.value_and_grad(penalty)(fresh.d_params)
    state, metrics = one["r1"](fresh, batch)
    assert float(metrics["r1"]) == pytest.approx(float(value), rel=1e-4)
    weight = GAN.r1_weight(tiny.SIDE) / 2 * GAN.d_reg_interval
    update = fresh.d_opt, state.d_opt, GAN.d_reg_interval
    _assert_squares(
        _gradients(update), jax.tree.map(lambda g: g * weight, gradients)
    )


def test_the_path_length_step(one, fresh, batch):
    """Its average, its target, its weight and its smaller batch."""
    state = fresh.replace(pl_mean=np.float32(0.7))
    generator = networks.generator(CONFIG)
    key = jax.random.fold_in(state.rng, state.step)
    key = rng.named(key, "path_length")
    ids = jnp.arange(8 // GAN.path_length_shrink)
    shapes = networks.noise_shapes(tiny.SIDE)
    y = rng.normal(rng.named(key, "y"), ids, batch["image"].shape[1:])
    noise = losses.layer_noise(key, ids, shapes)

    def penalty(params):
        ws, _ = losses.mixed_codes(
            generator, params, key, ids, GAN.z_dim, GAN.style_mixing
        )
        lengths = losses.path_lengths(
            lambda ws: generator.apply(params, ws, noise, method="synthesise"),
            ws,
            y,
        )
        return jnp.mean((lengths - 0.7) ** 2), jnp.mean(lengths)

    (value, mean), gradients = jax.jit(
        jax.value_and_grad(penalty, has_aux=True)
    )(state.g_params)
    after, metrics = one["path_length"](state, batch)
    assert float(metrics["path_length"]) == pytest.approx(float(mean), rel=1e-4)
    target = 0.7 + GAN.path_length_decay * (float(mean) - 0.7)
    assert float(after.pl_mean) == pytest.approx(target, rel=1e-5)
    assert float(metrics["path_length_penalty"]) == pytest.approx(
        float(value), rel=1e-3
    )
    weight = GAN.path_length_weight * GAN.g_reg_interval
    update = state.g_opt, after.g_opt, GAN.g_reg_interval
    _assert_squares(
        _gradients(update), jax.tree.map(lambda g: g * weight, gradients)
    )


# A half-life of 80 images; a twentieth of what was seen is less until 1600.
@pytest.mark.parametrize(
    ("step", "half_life"), [(0, 0.4), (99, 40.0), (199, 80.0), (10**6, 80.0)]
)
def test_the_moving_average_has_its_half_life(
    one, warm, batch, step, half_life
):
    state = warm.replace(step=np.int32(step))
    after, _ = one["main"](state, batch)
    keep = 0.5 ** (8 / half_life)
    for old, new, average in zip(
        jax.tree.leaves(state.g_ema),
        jax.tree.leaves(after.g_params),
        jax.tree.leaves(after.g_ema),
        strict=True,
    ):
        expected = keep * np.float64(old) + (1 - keep) * np.float64(new)
        np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-6)
    assert int(after.step) == step + 1


def test_the_average_of_w_takes_the_unmixed_codes(one, warm, batch):
    key = jax.random.fold_in(warm.rng, warm.step)
    _, w, _ = _latents(warm, key)
    after, _ = one["main"](warm, batch)
    decay = GAN.w_avg_decay
    expected = decay * warm.w_avg + (1 - decay) * np.mean(w, axis=0)
    np.testing.assert_allclose(after.w_avg, expected, atol=1e-6)


def test_the_sign_of_real_logits_is_told(one, warm, batch):
    logits = networks.discriminator(CONFIG).apply(
        warm.d_params, batch["image"]
    )[0]
    _, metrics = one["main"](warm, batch)
    expected = np.mean(np.sign(logits))
    assert float(metrics["sign_real"]) == pytest.approx(expected)
