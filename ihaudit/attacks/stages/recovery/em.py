"""`recovery=em`: multi-image phase retrieval by folded-normal EM."""

from __future__ import annotations

from typing import Any

import torch

from ihaudit.attacks.numerics import em
from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.restarts import restart_pixels
from ihaudit.attacks.numerics.spectral import resynchronise, spectral_start
from ihaudit.attacks.stages.state import Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("recovery", "em")
def recovery_em(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Spectral start (first time), annealed EM, then EM with masks inferred from their surroundings."""
    rows, values, mixing = state.decided_part()
    observed, before = state.observed, state.find(Recovered)
    if before is None:
        noise = em.noise_start(values, mixing)
        if observed.image_range[0] >= 0:
            # mixtures of non-negative images are non-negative: the mask hides nothing
            start = torch.full((mixing.unknowns + 1, values.shape[1]), float(values.mean()), device=values.device)
        else:
            weight = 1 / (noise + 0.3 * noise.mean()) ** 2
            generator = torch.Generator().manual_seed(ctx.seed % 2**31)
            start = spectral_start(values, mixing, weight, observed.shape, generator=generator)
        estimate = Reconstruction(start, noise)
        temperatures = [1 + 2 * max(0.0, 1 - i / 20) for i in range(28)]
        estimate = em.folded_em(values, mixing, estimate, temperatures=temperatures, reestimate_after=20)
    else:
        estimate = Reconstruction(before.estimate.images, before.estimate.noise[rows])
        temperatures = [1 + max(0.0, 1 - i / 6) for i in range(8)]
        estimate = em.folded_em(values, mixing, estimate, temperatures=temperatures)
    turned = moved = 0.0
    if observed.image_range[0] < 0:
        for _ in range(4 if before is None else 2):
            images, turned = resynchronise(estimate.images, observed.shape)
            estimate, moved = restart_pixels(values, mixing, Reconstruction(images, estimate.noise), observed.shape)
            if moved < 0.1:
                break
        estimate = em.folded_em(values, mixing, estimate, temperatures=[1.0] * 2)
    estimate, signs = em.coupled_em(values, mixing, estimate, observed.shape, steps=10)
    diagnostics = {
        "encodings_used": len(rows),
        "values_turned": turned,
        "values_restarted": moved,
        "residual_rms": estimate.residual_rms,
        "mean_sign_certainty": float(signs[:: max(1, len(signs) // 200)].abs().mean()),
    }
    return state.recovered(rows, estimate, signs if len(rows) == len(observed.values) else None), diagnostics
