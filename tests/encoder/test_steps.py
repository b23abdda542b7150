"""The training steps: losses, devices, seeds and what they learn from."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxstyle import parallel
from jaxstyle.classifier import networks as classifier_networks
from jaxstyle.config import ClassifierConfig, PredictorConfig
from jaxstyle.encoder import losses, networks, steps
from jaxstyle.encoder import state as state_lib
from jaxstyle.stylegan2 import exports
from jaxstyle.stylegan2 import networks as gan_networks
from jaxstyle.stylegan2 import state as gan_state
from tests import made_run, tiny

SGD = optax.sgd(0.05)


def _settings(**encoder):
    return made_run.settings("unused.npz", **encoder)


def _gan(config):
    return exports.exported(gan_state.create(config))


@pytest.fixture(scope="module")
def gan():
    return _gan(_settings())


def _state(config, gan, adam=SGD):
    return state_lib.create(config, gan, adam)


@pytest.mark.parametrize(
    "adapt, space, refinements", [(False, "w", 0), (True, "w_plus", 1)]
)
def test_two_devices_are_one(adapt, space, refinements, gan):
    """Plain gradient descent, in which the gradient can be read off."""
    config = _settings(space=space, refinements=refinements)
    alone = _state(config, gan)
    first = jax.device_get(alone.params)
    # The step may take this one's buffers for its own.
    both = parallel.replicated(jax.device_get(alone))
    one = jax.jit(steps.train_step(config, SGD, adapt))
    two = parallel.train_step(
        steps.train_step(config, SGD, adapt, parallel.AXIS)
    )
    for n in range(2):
        images = tiny.images(8, seed=n) * np.float32(1 + n)
        alone, expected = one(alone, jnp.asarray(images))
        both, metrics = two(both, parallel.shard(images))
        assert metrics.keys() == expected.keys()
        for name in metrics:
            np.testing.assert_allclose(
                metrics[name], expected[name], rtol=1e-4, err_msg=name
            )
    assert int(both.step) == int(alone.step) == 2
    whole, parts = jax.device_get((alone.params, both.params))
    moves = jax.tree.map(lambda a, b: np.abs(a - b).max(), whole, first)
    largest = max(jax.tree.leaves(moves))
    assert largest > 1e-3
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4 * largest),
        parts,
        whole,
    )


def _encode(config, state, images, shown, codes):
    return networks.encoder(config).apply(
        state.params, images, shown, codes, state.fixed.w_spread
    )


def test_the_loss_is_the_weighted_sum(gan):
    """Each term again, from the networks and outside of the step.

    A second pass counts as much as the first.
    """
    config = _settings(
        **{"latent_weight": 3.0, "image_weight": 5.0, "feature_weight": 7.0},
        refinements=1,
    )
    still = optax.sgd(0.0)
    state = _state(config, gan, still)
    real = jnp.asarray(tiny.images(8))
    step = jax.jit(steps.train_step(config, still, True))
    after, metrics = step(state, real)
    jax.tree.map(np.testing.assert_array_equal, after.params, state.params)

    fixed = state.fixed
    generator = gan_networks.generator(config)
    discriminator = gan_networks.discriminator(config)

    def render(codes):
        return generator.apply(
            fixed.g_params, codes, fixed.noise, method="render"
        )

    @jax.jit
    def again(images, shown, codes):
        codes = _encode(config, state, images, shown, codes)
        rendered = render(codes)
        feature = losses.feature_loss(
            discriminator.apply(fixed.d_params, rendered)[1],
            discriminator.apply(fixed.d_params, images)[1],
        )
        return codes, rendered, feature

    mean = jnp.broadcast_to(fixed.w_mean[None, None], (8, 1, 8))
    codes, rendered, feature = again(real, jax.jit(render)(mean), mean)
    _, mended, mended_feature = again(real, rendered, codes)
    np.testing.assert_allclose(
        metrics["real_feature"], (feature + mended_feature) / 2, rtol=1e-4
    )
    np.testing.assert_allclose(
        metrics["real_image"],
        (np.abs(rendered - real).mean() + np.abs(mended - real).mean()) / 2,
        rtol=1e-4,
    )
    assert float(np.abs(mended - rendered).mean()) > 1e-4
    expected = (
        3 * metrics["latent"]
        + 5 * (metrics["image"] + metrics["real_image"])
        + 7 * (metrics["feature"] + metrics["real_feature"])
    )
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)


def test_pairs_are_new_at_each_step_and_untouched_by_real_images(gan):
    config = _settings()
    still = optax.sgd(0.0)
    step = jax.jit(steps.train_step(config, still, False))
    state = _state(config, gan, still)
    after, first = step(state, jnp.asarray(tiny.images(8, seed=0)))
    _, other_images = step(state, jnp.asarray(tiny.images(8, seed=1)))
    _, second = step(after, jnp.asarray(tiny.images(8, seed=0)))
    assert first.keys() == {"latent", "image", "feature", "loss"}
    for name in first:
        assert float(first[name]) == float(other_images[name])
        assert float(first[name]) != float(second[name])


def test_truncation_draws_the_pairs_towards_the_average(gan):
    """At psi = 0 every pair is G's average, whose loss is known."""
    config = _settings(synthetic_psi=0.0)
    state = _state(config, gan)
    step = jax.jit(steps.train_step(config, SGD, False))
    _, metrics = step(state, jnp.asarray(tiny.images(8)))
    fixed = state.fixed

    @jax.jit
    def code_of_average():
        average, mean = (
            gan_networks.generator(config).apply(
                fixed.g_params, w[None], fixed.noise, method="render"
            )
            for w in (fixed.w_avg, fixed.w_mean)
        )
        start = fixed.w_mean[None, None]
        return _encode(config, state, average, mean, start)

    code = code_of_average()
    expected = np.mean(((code[0, 0] - fixed.w_avg) / fixed.w_spread) ** 2)
    np.testing.assert_allclose(metrics["latent"], expected, rtol=1e-4)


def test_the_seed_changes_the_weights_and_the_pairs(gan):
    config = _settings()
    states = []
    for seed in (0, 0, 1):
        config.seed = seed
        states.append(_state(config, gan))
    kernels = [np.asarray(s.params["params"]["head"]["kernel"]) for s in states]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).mean() > 1e-3
    np.testing.assert_array_equal(states[0].rng, states[1].rng)
    assert np.any(np.asarray(states[0].rng) != np.asarray(states[2].rng))


def test_the_learning_rate_falls_twice():
    config = _settings(learning_rate=1e-2, adapt_learning_rate=1e-3)
    adam = state_lib.optimiser(config, 10, 5)
    params = {"x": jnp.zeros(())}
    state, sizes = adam.init(params), []
    with jax.numpy_dtype_promotion("standard"):
        for _ in range(15):
            # Under a constant gradient Adam moves by the learning rate.
            updates, state = adam.update({"x": jnp.ones(())}, state, params)
            sizes.append(-float(updates["x"]))

    def cosine(peak, steps):
        share = np.arange(steps) / steps
        return peak * (0.1 + 0.9 * (1 + np.cos(np.pi * share)) / 2)

    expected = np.concatenate([cosine(1e-2, 10), cosine(1e-3, 5)])
    np.testing.assert_allclose(sizes, expected, rtol=1e-3)


def test_held_out_error_of_the_mean_and_of_the_truth(gan, monkeypatch):
    """1 for an encoder that answers the mean, 0 for one that knows."""
    config = _settings()
    state = _state(config, gan)
    blind = state.replace(params=jax.tree.map(jnp.zeros_like, state.params))
    numbers = jax.jit(lambda s: steps.held_out_error(config, s, 400))(blind)
    # w_mean and w_spread are those of 4096 codes.
    np.testing.assert_allclose(numbers["latent_mse"], 1, rtol=0.1)
    assert abs(float(numbers["latent_cosine"])) < 0.05
    assert float(numbers["image_l1"]) > 0.05

    class Knowing:
        """Remembers the codes that were rendered first."""

        rows = 1

        def apply(self, params, images, shown, codes, w_spread):
            return seen[0][:, None]

    seen = []
    render = steps._Frozen.render

    def remembering(self, fixed, codes):
        seen.append(codes)
        return render(self, fixed, codes)

    monkeypatch.setattr(steps._Frozen, "render", remembering)
    monkeypatch.setattr(steps.networks, "encoder", lambda _: Knowing())
    numbers = jax.jit(lambda s: steps.held_out_error(config, s, 16))(state)
    np.testing.assert_allclose(numbers["latent_mse"], 0, atol=1e-6)
    np.testing.assert_allclose(numbers["image_l1"], 0, atol=1e-6)
    np.testing.assert_allclose(numbers["latent_cosine"], 1, rtol=1e-4)


def test_f_draws_the_reconstruction_to_its_own_answer():
    """Nothing but f's term: its value, and that steps lower it."""
    config = _settings(latent_weight=0.0, image_weight=0.0, feature_weight=0.0)
    config.predictor = PredictorConfig()
    config.classifier = ClassifierConfig(widths=(8,))
    config.encoder.predictor_weight = 2.0
    classifier = classifier_networks.create(config)
    images = jnp.asarray(tiny.images(8))
    f = {
        "network": classifier.init(jax.random.PRNGKey(3), images),
        "temperature": jnp.float32(0.05),
    }
    adam = optax.adam(1e-2)
    state = state_lib.create(config, _gan(config), adam, f)
    step = jax.jit(steps.train_step(config, adam, True))
    told = []
    for _ in range(15):
        state, metrics = step(state, images)
        told.append(metrics)
    np.testing.assert_allclose(
        told[0]["loss"],
        2 * (told[0]["predictor"] + told[0]["real_predictor"]),
        rtol=1e-5,
    )
    assert told[-1]["real_predictor"] < told[0]["real_predictor"] / 2
