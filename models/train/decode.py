"""Heads to poses in numpy: the reference that `src/pose/centre.rs` must equal. Change both or neither."""

import dataclasses

import numpy as np

from .net import BODY_STRIDE, KEYPOINT_STRIDE

MAX_ANIMALS = 8
# A heatmap cell below this is no keypoint.
PEAK_MIN = 0.1
# Peaks of one heatmap that are looked at, best first.
SPOTS_MAX = 32
# How many reaches a peak may lie from its claim, and its way to the parent may end from the parent, when the other agrees fully.
CLAIM_REACH = 3.0
PARENT_REACH = 1.0
# Score of a keypoint that only the regression knows, as a share of its animal's score.
UNSEEN_SHARE = 0.05


@dataclasses.dataclass
class Decoder:
    """The settings of `[decoder]` in model.toml."""

    score_min: float = 0.3
    separation_px: float = 12.0
    reach_px: float = 24.0
    # Each keypoint's parent in the body's tree; the root's is itself.
    parents: tuple[int, ...] = ()

    def written(self, keypoints: list[str]) -> dict:
        """The same as model.toml has it, parents by name."""
        limits = {"score_min": self.score_min, "separation_px": self.separation_px, "reach_px": self.reach_px}
        return limits | {"parents": [keypoints[parent] for parent in self.parents]}

    @staticmethod
    def read(table: dict, keypoints: list[str]) -> "Decoder":
        """From `[decoder]` of model.toml."""
        limits = {key: table[key] for key in ("score_min", "separation_px", "reach_px")}
        return Decoder(**limits, parents=tuple(keypoints.index(name) for name in table["parents"]))


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


def decode(keypoints, centre, offsets, parents, identity, settings: Decoder) -> list[Pose]:
    """Poses, best score first. Heads as the ONNX gives them, without the batch axis."""
    heads = (np.asarray(head, np.float64) for head in (keypoints, centre, offsets, parents, identity))
    keypoints, centre, offsets, parents, identity = heads
    heat = centre[0]
    found = sorted((-heat[y, x], y, x) for y, x in peaks(heat, settings.score_min))
    poses: list[Pose] = []
    for minus_score, y, x in found:
        at = sharpen(heat, y, x, BODY_STRIDE)
        if len(poses) < MAX_ANIMALS and all(np.hypot(at[0] - p.centre[0], at[1] - p.centre[1]) >= settings.separation_px for p in poses):
            poses.append(vote(heat, offsets, identity, y, x, at, float(min(-minus_score, 1.0)), settings))
    for k in from_root(settings.parents):
        place(keypoints[k], parents[2 * k : 2 * k + 2], poses, k, settings)
    return poses


def from_root(parents: tuple[int, ...]) -> list[int]:
    """Keypoints in an order in which each comes after its parent."""
    order = [k for k, parent in enumerate(parents) if parent == k]
    while len(order) < len(parents):
        order += [k for k, parent in enumerate(parents) if parent in order and k not in order]
    return order


def place(heat, ways, poses: list[Pose], k: int, settings: Decoder) -> None:
    """Moves keypoint `k` of each animal from where its centre claims it to a peak of the heatmap: best pairs first, no peak twice.

    Its score is the peak's, less what disagrees.
    """
    pairs = []
    for index, (y, x) in enumerate(spots(heat)):
        at = sharpen(heat, y, x, KEYPOINT_STRIDE)
        to_parent = parent_of(ways, at)
        for a, pose in enumerate(poses):
            worth = float(min(heat[y, x], 1.0)) * fit(at, to_parent, pose, k, settings)
            if worth > 0:
                pairs.append((-worth, index, a, at))
    taken, given = set(), set()
    for minus_worth, index, a, at in sorted(pairs, key=lambda pair: pair[:3]):
        if index not in taken and a not in given:
            taken.add(index)
            given.add(a)
            poses[a].keypoints[k] = *at, -minus_worth


def spots(heat) -> list[tuple[int, int]]:
    """The best peaks of a heatmap, best first, ties in reading order."""
    found = sorted((-heat[y, x], y, x) for y, x in peaks(heat, PEAK_MIN))
    return [(y, x) for _, y, x in found[:SPOTS_MAX]]


def parent_of(ways, at: tuple[float, float]) -> tuple[float, float]:
    """Where a keypoint at `at` says that its parent is, model pixels: its own cell's answer."""
    x, y = (int(np.clip(np.floor(v / BODY_STRIDE + 0.5 / BODY_STRIDE), 0, most - 1)) for v, most in zip(at, ways.shape[:0:-1]))
    return position(x, BODY_STRIDE) + ways[0, y, x], position(y, BODY_STRIDE) + ways[1, y, x]


def fit(at, to_parent, pose: Pose, k: int, settings: Decoder) -> float:
    """How well a peak agrees with an animal, 0 to 1: with where its centre claims the keypoint, and with where its parent was placed."""
    reach, parent = settings.reach_px, settings.parents[k]
    from_claim = np.hypot(at[0] - pose.keypoints[k, 0], at[1] - pose.keypoints[k, 1]) / reach
    if parent == k:
        return max(0.0, 1 - from_claim**2)
    placed = pose.keypoints[parent]
    from_parent = np.hypot(to_parent[0] - placed[0], to_parent[1] - placed[1]) / reach
    return max(0.0, 1 - (from_claim / CLAIM_REACH) ** 2 - (from_parent / PARENT_REACH) ** 2)


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
