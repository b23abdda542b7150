"""The encoder's two training steps: synthetic pairs, and adaptation.

Schutte et al. 2021 (arXiv:2101.07563, section 2) train E on pairs
(w, G(w)); images, and the features of the f-independent discriminator, keep
what the latent error alone would blur. The adaptation closes the gap to
real images, which have no known code, by the image terms only, while pairs
keep the codes inside W. Where f is differentiable and asked for, its answers
to image and reconstruction are drawn together, too. All passes of the
refinement weigh the same.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxstyle import optimisation, parallel, predictors, rng
from jaxstyle.config import Config
from jaxstyle.encoder import losses, networks, refinement
from jaxstyle.encoder.state import EncoderState, Fixed
from jaxstyle.stylegan2 import networks as gan_networks

Step = Callable[
    [EncoderState, jax.Array], tuple[EncoderState, dict[str, jax.Array]]
]


def train_step(
    config: Config,
    adam: optax.GradientTransformation,
    adapt: bool,
    axis_name: str | None = None,
) -> Step:
    """One update of E.

    Args:
      config: weights of the losses.
      adam: the optimiser.
      adapt: add the image terms on the real images of the batch; without
        it the batch only tells how many pairs to make.
      axis_name: devices to average over.

    Returns:
      `step(state, images [B, R, R, C]) -> state, metrics`.
    """
    weights = config.encoder
    model = _Frozen(config)
    terms = {
        "latent": weights.latent_weight,
        "image": weights.image_weight,
        "feature": weights.feature_weight,
        "predictor": weights.predictor_weight,
    }

    def image_terms(
        rendered: jax.Array, images: jax.Array, fixed: Fixed
    ) -> dict[str, jax.Array]:
        found = {
            "image": losses.image_loss(rendered, images),
            "feature": losses.feature_loss(
                model.features(fixed, rendered), model.features(fixed, images)
            ),
        }
        if weights.predictor_weight:
            found["predictor"] = losses.predictor_loss(
                model.judge(fixed, rendered), model.judge(fixed, images)
            )
        return found

    def step(state: EncoderState, real: jax.Array) -> tuple[EncoderState, Any]:
        fixed = state.fixed
        key = jax.random.fold_in(state.rng, state.step)
        ids = parallel.sample_ids(len(real), axis_name)
        z = rng.normal(rng.named(key, "z"), ids, (config.gan.z_dim,))
        labels = gan_networks.random_labels(key, ids, config.gan.classes)
        w = model.map(fixed, z, labels)
        pairs = model.render(fixed, w)

        def loss(params: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
            metrics = _means(
                {"latent": losses.latent_loss(codes, w, fixed.w_spread)}
                | image_terms(rendered, pairs, fixed)
                for codes, rendered in model.invert(fixed, params, pairs)
            )
            if adapt:
                real_terms = _means(
                    image_terms(rendered, real, fixed)
                    for _, rendered in model.invert(fixed, params, real)
                )
                metrics |= {f"real_{k}": v for k, v in real_terms.items()}
            total = jnp.zeros(())
            for name, value in metrics.items():
                total += terms[name.removeprefix("real_")] * value
            return total, metrics | {"loss": total}

        grads, metrics = jax.grad(loss, has_aux=True)(state.params)
        grads, metrics = parallel.pmean((grads, metrics), axis_name)
        params, opt = optimisation.update(adam, grads, state.opt, state.params)
        return state.replace(  # type: ignore[attr-defined]
            step=state.step + 1, params=params, opt=opt
        ), metrics

    return step


def _means(passes: Iterable[dict[str, jax.Array]]) -> dict[str, jax.Array]:
    """Each term's mean over the passes of the refinement."""
    found = list(passes)
    return {
        name: jnp.mean(jnp.stack([one[name] for one in found]))
        for name in found[0]
    }


class _Frozen:
    """All networks as functions of the state's fixed part."""

    def __init__(self, config: Config) -> None:
        self._encoder = networks.encoder(config)
        self._passes = 1 + config.encoder.refinements
        self._predictor = predictors.network(config)
        self._generator = gan_networks.generator(config)
        self._discriminator = networks.feature_network(config)
        self._psi = config.encoder.synthetic_psi

    def map(
        self, fixed: Fixed, z: jax.Array, labels: jax.Array | None
    ) -> jax.Array:
        w = self._generator.apply(fixed.g_params, z, labels, method="map")
        return gan_networks.truncate(w, fixed.w_avg, self._psi)  # type: ignore[arg-type]

    def render(self, fixed: Fixed, codes: jax.Array) -> jax.Array:
        return self._generator.apply(  # type: ignore[return-value]
            fixed.g_params, codes, fixed.noise, method="render"
        )

    def invert(
        self, fixed: Fixed, params: Any, images: jax.Array
    ) -> list[tuple[jax.Array, jax.Array]]:
        """Codes and renderings after each pass of E."""
        return refinement.passes(
            lambda *present: self._encoder.apply(  # type: ignore[arg-type,return-value]
                params, *present, fixed.w_spread
            ),
            lambda codes: self.render(fixed, codes),
            images,
            fixed.w_mean,
            self._encoder.rows,
            self._passes,
        )

    def judge(self, fixed: Fixed, images: jax.Array) -> jax.Array:
        """f's logits [B]."""
        return self._predictor(fixed.f, images)

    def features(self, fixed: Fixed, images: jax.Array) -> list[jax.Array]:
        judged: Any = self._discriminator.apply(fixed.d_params, images)
        return judged[1]


def held_out_error(
    config: Config, state: EncoderState, count: int
) -> dict[str, jax.Array]:
    """Latent and image error of E on `count` pairs it was not trained on.

    `latent_mse` is in units of W's variance (1 = no better than the mean);
    `latent_cosine` is between codes relative to W's mean.
    """
    model, fixed = _Frozen(config), state.fixed
    key = rng.named(state.rng, "held_out")
    z = jax.random.normal(key, (count, config.gan.z_dim))
    labels = gan_networks.random_labels(
        key, jnp.arange(count), config.gan.classes
    )
    w = model.map(fixed, z, labels)
    images = model.render(fixed, w)
    codes, rendered = model.invert(fixed, state.params, images)[-1]
    error = losses.latent_loss(codes, w, fixed.w_spread)
    offset = jnp.mean(codes, axis=1) - fixed.w_mean[None]
    truth = w - fixed.w_mean[None]
    cosine = jnp.sum(offset * truth, axis=1) / (
        jnp.linalg.norm(offset, axis=1) * jnp.linalg.norm(truth, axis=1) + 1e-8
    )
    return {
        "latent_mse": error,
        "latent_cosine": jnp.mean(cosine),
        "image_l1": losses.image_loss(rendered, images),
    }
