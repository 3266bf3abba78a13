"""What the network shall answer for one crop, and how wrong its answer is."""

import numpy as np
import torch
from torch.nn import functional as F

from .labels import COVERED, SEEN, UNASKED, Labels
from .net import BODY_STRIDE, KEYPOINT_STRIDE, OFFSET_UNIT

KEYPOINT_SIGMA_PX = 1.2 * KEYPOINT_STRIDE
# Narrow: two mice side by side are 17 px apart, and each needs a peak of its own.
CENTRE_SIGMA_PX = 5.0
# Cells about this near to a keypoint know the way to its parent.
LINK_SIGMA_PX = 6.0
# Cells this near to a centre answer for its animal.
BODY_RADIUS_PX = 16.0
# An animal of no identity: the answer shall be that it may be anyone.
NOBODY = -1
CENTRE_NAMES = ("cntr", "centre", "center", "body_center", "bodycenter", "spine2", "mid_body")


def centre_index(keypoints: list[str]) -> int | None:
    """The keypoint that stands for the body's centre, if one is named so."""
    return next((i for i, name in enumerate(keypoints) if name.lower() in CENTRE_NAMES), None)


def grid(size: int, stride: int) -> np.ndarray:
    """Pixel coordinates of the cells' centres along one axis."""
    return np.arange(size // stride, dtype=np.float32) * stride + (stride - 1) / 2


def bump(xs, ys, x, y, sigma):
    """A Gaussian of height 1 at (x, y) over cells."""
    return np.exp(-((ys - y) ** 2) / (2 * sigma**2))[:, None] * np.exp(-((xs - x) ** 2) / (2 * sigma**2))[None]


def tree(labels: Labels) -> list[int]:
    """Each keypoint's parent: the tree of shortest links between keypoints (Prim), from the centre, or the first, whose parent is itself."""
    count = len(labels.keypoints)
    total, pairs = np.zeros((count, count)), np.zeros((count, count))
    for still in labels.stills[:: max(1, len(labels.stills) // 2000)]:
        for points, state in zip(still.points, still.state):
            known = np.flatnonzero(state >= COVERED)
            apart = np.hypot(*(points[known, None] - points[None, known]).transpose(2, 0, 1))
            total[np.ix_(known, known)] += apart
            pairs[np.ix_(known, known)] += 1
    far = np.where(pairs > 0, total / np.maximum(pairs, 1), np.inf)
    root = centre_index(labels.keypoints) or 0
    parents, inside = [root] * count, [root]
    while len(inside) < count:
        outside = [k for k in range(count) if k not in inside]
        a, b = min(((a, b) for a in inside for b in outside), key=lambda pair: (far[pair], pair))
        parents[b] = a
        inside.append(b)
    return parents


def draw(points: np.ndarray, state: np.ndarray, size: int, centre: int | None, identities: int, parents: list[int]) -> dict:
    """Targets of a square crop whose animals have `points` (A, K, 2) in crop pixels and `state` (A, K); the first `identities` have names."""
    animals, count = state.shape
    ks, bs = grid(size, KEYPOINT_STRIDE), grid(size, BODY_STRIDE)
    cells = len(bs)
    keypoints = np.zeros((count, len(ks), len(ks)), np.float32)
    heat, heat_weight = np.zeros((cells, cells), np.float32), np.ones((cells, cells), np.float32)
    offsets, offset_weight = np.zeros((2 * count, cells, cells), np.float32), np.zeros((count, cells, cells), np.float32)
    who, who_weight = np.zeros((cells, cells), np.int64), np.zeros((cells, cells), np.float32)
    nearest = np.full((cells, cells), np.inf, np.float32)
    links, link_weight = np.zeros((2 * count, cells, cells), np.float32), np.zeros((count, cells, cells), np.float32)
    for a in range(animals):
        known = state[a] >= COVERED
        seen = (state[a] == SEEN) & (points[a] >= -0.5).all(1) & (points[a] < size - 0.5).all(1)
        if not seen.any():
            continue
        for k in np.flatnonzero(seen):
            np.maximum(keypoints[k], bump(ks, ks, *points[a, k], KEYPOINT_SIGMA_PX), out=keypoints[k])
            if known[parents[k]]:
                link(links[2 * k : 2 * k + 2], link_weight[k], bs, points[a, k], points[a, parents[k]])
        middle = points[a, centre] if centre is not None and known[centre] else points[a][known].mean(0)
        blob = bump(bs, bs, *middle, CENTRE_SIGMA_PX).astype(np.float32)
        if seen.sum() * 4 < (state[a] != UNASKED).sum():
            # A tail alone: neither an animal nor none.
            heat_weight = np.minimum(heat_weight, 1 - blob)
            continue
        np.maximum(heat, blob, out=heat)
        away = np.hypot(bs[None] - middle[0], bs[:, None] - middle[1])
        mine = (away < BODY_RADIUS_PX) & (away < nearest)
        nearest[mine] = away[mine]
        who[mine], who_weight[mine] = (a if a < identities else NOBODY), blob[mine]
        for k in range(count):
            offset_weight[k][mine] = blob[mine] * known[k]
            offsets[2 * k][mine] = (points[a, k, 0] - np.broadcast_to(bs[None], (cells, cells))[mine]) / OFFSET_UNIT
            offsets[2 * k + 1][mine] = (points[a, k, 1] - np.broadcast_to(bs[:, None], (cells, cells))[mine]) / OFFSET_UNIT
    return dict(
        keypoints=keypoints, centre=heat[None], centre_weight=heat_weight[None], offsets=offsets,
        offset_weight=offset_weight, identity=who, identity_weight=who_weight,
        parents=links, parent_weight=link_weight,
        keypoint_weight=(state != UNASKED).any(0).astype(np.float32)[:, None, None],
    )  # fmt: skip


def link(field, weight, bs, at, parent) -> None:
    """Writes the way to the parent into the cells near a keypoint, where this animal's keypoint is the nearest."""
    near = bump(bs, bs, *at, LINK_SIGMA_PX)
    mine = (near > 0.2) & (near > weight)
    weight[mine] = near[mine]
    field[0][mine] = (parent[0] - np.broadcast_to(bs[None], near.shape)[mine]) / OFFSET_UNIT
    field[1][mine] = (parent[1] - np.broadcast_to(bs[:, None], near.shape)[mine]) / OFFSET_UNIT


def cells_of(sigma: float) -> float:
    """Sum of a Gaussian of height 1 over cells; sigma in cells."""
    return 2 * np.pi * sigma**2


def loss(raw: dict, want: dict) -> dict[str, torch.Tensor]:
    """The parts of the loss, already weighted against each other."""

    def maps(logits, target, weight, per):
        # Quality focal loss: least where the map equals the target, and cells that are right already count little.
        wrong = (torch.sigmoid(logits) - target).abs().square()
        each = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * wrong
        return (each * weight).sum() / per.clamp(min=1)

    raw = {name: value.float() for name, value in raw.items()}
    animals = want["centre"].sum() / cells_of(CENTRE_SIGMA_PX / BODY_STRIDE)
    points = want["keypoints"].sum() / cells_of(KEYPOINT_SIGMA_PX / KEYPOINT_STRIDE)
    # Thin parts, such as a tail's end, would else be answered too timidly to be found.
    bold = (1 + 4 * want["keypoints"]) * want["keypoint_weight"]
    parts = {
        "keypoints": maps(raw["keypoints"], want["keypoints"], bold, points),
        "centre": maps(raw["centre"], want["centre"], want["centre_weight"], animals),
    }
    weight = want["offset_weight"].repeat_interleave(2, 1)
    miss = F.smooth_l1_loss(raw["offsets"], want["offsets"], reduction="none", beta=1 / 16)
    parts["offsets"] = 4 * (miss * weight).sum() / weight.sum().clamp(min=1)
    weight = want["parent_weight"].repeat_interleave(2, 1)
    miss = F.smooth_l1_loss(raw["parents"], want["parents"], reduction="none", beta=1 / 16)
    parts["parents"] = 4 * (miss * weight).sum() / weight.sum().clamp(min=1)
    if raw["identity"].shape[1]:
        likely = F.log_softmax(raw["identity"], 1)
        own = -likely.gather(1, want["identity"].clamp(min=0)[:, None])[:, 0]
        each = torch.where(want["identity"] == NOBODY, -likely.mean(1), own)
        parts["identity"] = 0.5 * (each * want["identity_weight"]).sum() / want["identity_weight"].sum().clamp(min=1)
    return parts
