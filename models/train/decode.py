"""Heads to poses in numpy: the reference that `src/pose/centre.rs` must equal. Change both or neither."""

import dataclasses

import numpy as np

from .net import BODY_STRIDE, KEYPOINT_STRIDE

MAX_ANIMALS = 8
# A heatmap cell below this is no keypoint.
PEAK_MIN = 0.1
# Score of a keypoint that only the regression knows, as a share of its animal's score.
UNSEEN_SHARE = 0.05


@dataclasses.dataclass
class Decoder:
    """The settings of `[decoder]` in model.toml."""

    score_min: float = 0.3
    separation_px: float = 12.0
    reach_px: float = 24.0


@dataclasses.dataclass
class Pose:
    """One animal, model pixels: keypoints (K, 3) as x, y, score; centre; identity likelihoods; score."""

    keypoints: np.ndarray
    centre: tuple[float, float]
    identity: np.ndarray
    score: float


def position(cell: float, stride: int) -> float:
    """Model pixel of a cell's centre."""
    return cell * stride + (stride - 1) / 2


def peaks(heat: np.ndarray, least: float) -> np.ndarray:
    """Cells (row, column), in reading order, that reach `least`, below no neighbour and equal to none before them."""
    rows, columns = heat.shape
    wide = np.pad(heat, 1, constant_values=-np.inf)
    keep = heat >= least
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            other = wide[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns]
            if (dy, dx) < (0, 0):
                keep &= heat > other
            elif (dy, dx) > (0, 0):
                keep &= heat >= other
    return np.argwhere(keep)


def refine(before: float, at: float, after: float) -> float:
    """Where between -0.5 and 0.5 the parabola through three logarithms peaks; exact for a Gaussian."""
    a, b, c = (np.log(max(v, 1e-6)) for v in (before, at, after))
    bend = a - 2 * b + c
    return float(np.clip(0.5 * (a - c) / bend, -0.5, 0.5)) if bend < -1e-6 else 0.0


def sharpen(heat: np.ndarray, y: int, x: int, stride: int) -> tuple[float, float]:
    """Model pixels of a peak, finer than a cell; at the rim the cell's own centre."""
    dx = refine(*heat[y, x - 1 : x + 2]) if 0 < x < heat.shape[1] - 1 else 0.0
    dy = refine(*heat[y - 1 : y + 2, x]) if 0 < y < heat.shape[0] - 1 else 0.0
    return position(x + dx, stride), position(y + dy, stride)


def decode(keypoints, centre, offsets, identity, settings: Decoder) -> list[Pose]:
    """Poses, best score first. Heads as the ONNX gives them, without the batch axis."""
    keypoints, centre, offsets, identity = (np.asarray(head, np.float64) for head in (keypoints, centre, offsets, identity))
    heat, count = centre[0], keypoints.shape[0]
    found = sorted((-heat[y, x], y, x) for y, x in peaks(heat, settings.score_min))
    poses: list[Pose] = []
    for minus_score, y, x in found:
        at = sharpen(heat, y, x, BODY_STRIDE)
        if len(poses) < MAX_ANIMALS and all(np.hypot(at[0] - p.centre[0], at[1] - p.centre[1]) >= settings.separation_px for p in poses):
            poses.append(vote(heat, offsets, identity, y, x, at, float(min(-minus_score, 1.0)), settings))
    claims = [pose.keypoints[:, :2].copy() for pose in poses]
    for k in range(count):
        map_k = keypoints[k]
        spots = [(map_k[y, x], *sharpen(map_k, y, x, KEYPOINT_STRIDE)) for y, x in peaks(map_k, PEAK_MIN)]
        for a, pose in enumerate(poses):
            snap(spots, [claim[k] for claim in claims], a, pose.keypoints[k], settings.reach_px)
    return poses


def vote(heat, offsets, identity, y, x, at, score, settings) -> Pose:
    """Regressed keypoints and identity: the mean of the 3x3 cells that speak of the same animal, weighted by the centre map."""
    count = offsets.shape[0] // 2

    def claim(cy, cx):
        return offsets[0::2, cy, cx] + position(cx, BODY_STRIDE), offsets[1::2, cy, cx] + position(cy, BODY_STRIDE)

    own = claim(y, x)
    middle = own[0].mean(), own[1].mean()
    total, points, likely = 0.0, np.zeros((count, 2)), np.zeros(identity.shape[0])
    for cy in range(max(y - 1, 0), min(y + 2, heat.shape[0])):
        for cx in range(max(x - 1, 0), min(x + 2, heat.shape[1])):
            xs, ys = claim(cy, cx)
            if np.hypot(xs.mean() - middle[0], ys.mean() - middle[1]) < settings.separation_px:
                weight = heat[cy, cx]
                total += weight
                points += weight * np.stack([xs, ys], 1)
                if len(likely):
                    power = np.exp(identity[:, cy, cx] - identity[:, cy, cx].max())
                    likely += weight * power / power.sum()
    scores = np.full((count, 1), UNSEEN_SHARE * score)
    return Pose(np.hstack([points / total, scores]), at, likely / total, score)


def snap(spots, claims, a, keypoint, reach) -> None:
    """Moves a regressed keypoint onto the best heatmap peak in reach that is nearer to it than to any other animal's claim."""
    (x0, y0), best = claims[a], 0.0
    for value, x, y in spots:
        away = (x - x0) ** 2 + (y - y0) ** 2
        if away > reach**2 or any((x - ox) ** 2 + (y - oy) ** 2 < away for b, (ox, oy) in enumerate(claims) if b != a):
            continue
        worth = value * (1 - 0.75 * away / reach**2)
        if worth > best:
            best = worth
            keypoint[:] = x, y, min(value, 1.0)
