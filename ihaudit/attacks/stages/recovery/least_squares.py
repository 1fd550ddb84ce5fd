"""The stages of `least-squares` and `cluster-mean`, registered by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ihaudit.attacks.numerics import leastsq
from ihaudit.attacks.numerics.em import Estimate
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("similarity", "linear")
def similarity_linear(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Whitened encodings, for releases without a sign mask."""
    mass = torch.from_numpy(state.slots.mass).to(state.values.device)
    features, weight = leastsq.linear_features(state.values, mass, state.shape)
    return replace(state, features=features, weight=weight), {"dimensions": int(features.shape[1])}


@stage("assignment", "linear")
def assignment_linear(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Members by least squares in the linear model, slot by slot."""
    assert state.members is not None and state.grouping is not None
    device = state.values.device
    mass = torch.from_numpy(state.slots.mass).to(device)
    features, weight = leastsq.linear_features(state.values, mass, state.shape)
    class_of = np.concatenate([np.full(len(ids), c) for c, ids in enumerate(state.grouping.of_class)]).astype(np.int64)
    if len(class_of) == 0:
        return state, {"changed": 0.0}
    members = leastsq.reassign(
        features,
        weight,
        torch.from_numpy(state.slots.label).to(device),
        mass,
        torch.from_numpy(state.members).to(device),
        torch.from_numpy(class_of).to(device),
    )
    found = members.cpu().numpy()
    return replace(state, members=found), {"changed": float((found != state.members).any(1).mean())}


@stage("recovery", "least-squares")
def recovery_least_squares(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """All images jointly from the coefficients, by ordinary least squares."""
    rows = state.decided()
    mixing = state.mixing(rows)
    images, noise = leastsq.solve(state.values[torch.from_numpy(rows).to(state.values.device)], mixing)
    full = torch.full((len(state.values),), float(noise.mean()), device=noise.device)
    full[torch.from_numpy(rows).to(noise.device)] = noise
    return replace(state, estimate=Estimate(images, full)), {"residual_rms": float(noise.mean().sqrt())}


@stage("recovery", "mean")
def recovery_mean(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Mean of the encodings of each cluster (Carlini et al. 2021, 4.5.1), weighted by their lambdas."""
    assert state.members is not None and state.coefficients is not None
    device = state.values.device
    n = state.unknowns
    total = torch.zeros(n + 1, state.values.shape[1], device=device)
    weight = torch.zeros(n + 1, device=device)
    for slot in range(state.members.shape[1]):
        rows = np.nonzero(state.members[:, slot] >= 0)[0]
        index = torch.from_numpy(rows).to(device)
        target = torch.from_numpy(state.members[rows, slot]).to(device)
        lam = torch.from_numpy(state.coefficients[rows, slot]).to(device)
        total.index_add_(0, target, state.values[index] * lam[:, None])
        weight.index_add_(0, target, lam)
    mean = total / weight.clamp_min(1e-9)[:, None]
    noise = torch.full((len(state.values),), float((state.values**2).mean()), device=device)
    return replace(state, estimate=Estimate(mean, noise)), {"clusters": n}


@stage("restoration", "stretch")
def restoration_stretch(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Stretches each image's 1st to 99th percentile over [0, 1]: averages have the right shape but little contrast."""
    assert state.estimate is not None
    rows = state.estimate.images[:-1]
    c, h, w = state.shape
    low = torch.quantile(rows, 0.01, dim=1, keepdim=True)
    high = torch.quantile(rows, 0.99, dim=1, keepdim=True)
    flat = (high - low) < 1e-6
    unit = torch.where(flat, torch.full_like(rows, 0.5), (rows - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
    pictures = unit.view(-1, c, h, w).permute(0, 2, 3, 1).contiguous().cpu().numpy().astype(np.float32)
    return replace(state, images=pictures), {}
