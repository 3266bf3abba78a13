"""How well poses fit the truth: RMSE and recall of visible keypoints, animals found and rightly named."""

import cv2
import numpy as np
import torch

from .decode import Decoder, decode
from .labels import SEEN, UNASKED, Labels, Still
from .net import Deployed

# A pose whose keypoints lie further than this from the truth's on average is another animal's.
MATCH_PX = 40.0
# A keypoint further off than this was not found.
FOUND_PX = 15.0
# Keypoints below this score are missing: the tracker's default.
KEYPOINT_SCORE_MIN = 0.5


def heads_of(deployed: Deployed, image: np.ndarray) -> list[np.ndarray]:
    """Runs the network on one BGR picture; a model without identities gets an empty head."""
    batch = torch.from_numpy(np.ascontiguousarray(image[:, :, ::-1])).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        heads = [head[0].numpy() for head in deployed(batch.contiguous(memory_format=torch.channels_last))]
    return heads if len(heads) == 5 else [*heads, np.zeros((0, *heads[1].shape[1:]), np.float32)]


class Score:
    """Sums over pictures."""

    def __init__(self, keypoints: list[str], identities: int):
        self.keypoints, self.identities = keypoints, identities
        # Distances of keypoints in view that were given a place, and how many were in view, by keypoint.
        self.away: list[list[float]] = [[] for _ in keypoints]
        self.visible = [0 for _ in keypoints]
        self.animals = self.matched = self.poses = self.marked = self.named = 0

    def add(self, still: Still, poses) -> float:
        """Adds one picture and says how bad it was: mean distance in px, with MATCH_PX for each animal not found or not rightly named.

        An animal counts when a quarter of its keypoints is in view.
        """
        asked = (still.state != UNASKED).any(0).sum()
        truth = [a for a in range(len(still.state)) if (still.state[a] == SEEN).sum() * 4 >= asked]
        self.animals += len(truth)
        self.poses += len(poses)
        pairs = []
        for i, a in enumerate(truth):
            seen = still.state[a] == SEEN
            for k in np.flatnonzero(seen):
                self.visible[k] += 1
            for j, pose in enumerate(poses):
                away = np.hypot(*(pose.keypoints[seen, :2] - still.points[a][seen]).T).mean()
                pairs.append((away, i, j))
        taken_a, taken_p, bad = set(), set(), 0.0
        for away, i, j in sorted(pairs):
            if away > MATCH_PX or i in taken_a or j in taken_p:
                continue
            taken_a.add(i)
            taken_p.add(j)
            bad += away if self.match(still, truth[i], poses[j]) else MATCH_PX
        return (bad + MATCH_PX * (len(truth) - len(taken_a))) / max(len(truth), 1)

    def match(self, still, animal, pose) -> bool:
        """Adds one animal and its pose; whether its name is right, where it has one."""
        self.matched += 1
        right = True
        if animal < self.identities and len(pose.identity):
            right = int(np.argmax(pose.identity)) == animal
            self.marked += 1
            self.named += right
        for k in np.flatnonzero(still.state[animal] == SEEN):
            if pose.keypoints[k, 2] >= KEYPOINT_SCORE_MIN:
                self.away[k].append(float(np.hypot(*(pose.keypoints[k, :2] - still.points[animal, k]))))
        return right

    def summary(self) -> dict[str, float]:
        """The figures, by name.

        `rmse_px` is over every keypoint in view that was given a place; `rmse_found_px` over those found within FOUND_PX, and
        `keypoints_far` is the share of the others among those in view. `identity_accuracy` only where animals have names.
        """
        away = np.array([one for part in self.away for one in part])
        near, visible = away[away <= FOUND_PX], max(sum(self.visible), 1)
        figures = {
            "rmse_px": root_mean(away),
            "rmse_found_px": root_mean(near),
            "median_px": float(np.median(away)) if len(away) else 0.0,
            "keypoint_recall": len(near) / visible,
            "keypoints_far": (len(away) - len(near)) / visible,
            "animal_recall": self.matched / max(self.animals, 1),
            "poses_per_animal": self.poses / max(self.animals, 1),
        }
        return figures | ({"identity_accuracy": self.named / self.marked} if self.marked else {})

    def table(self) -> list[tuple[str, int, float, float, float]]:
        """By keypoint: name, how many were in view, share given a place, RMSE and median in px."""
        rows = []
        for name, away, visible in zip(self.keypoints, self.away, self.visible):
            array = np.array(away)
            median = float(np.median(array)) if away else 0.0
            rows.append((name, visible, len(away) / max(visible, 1), root_mean(array), median))
        return rows


def root_mean(away: np.ndarray) -> float:
    """Root of the mean square; 0 of nothing."""
    return float(np.sqrt(np.mean(away**2))) if len(away) else 0.0


def padded(image: np.ndarray) -> np.ndarray:
    """The picture with black below and on the right up to multiples of 32."""
    height, width = image.shape[:2]
    return cv2.copyMakeBorder(image, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)


def score(run, labels: Labels, settings: Decoder, most: int | None = None, each=None) -> Score:
    """Runs the network over the stills (all, or about `most` of them) and scores its poses.

    `run` takes a BGR picture whose sides are multiples of 32 and gives five heads. `each` is told of every picture: still, poses, badness.
    """
    total = Score(labels.keypoints, len(labels.identities))
    step = max(1, len(labels.stills) // most) if most else 1
    for still in labels.stills[::step]:
        image = cv2.imread(str(still.path), cv2.IMREAD_COLOR)
        poses = decode(*run(padded(image)), settings)
        bad = total.add(still, poses)
        if each:
            each(still, poses, bad)
    return total
