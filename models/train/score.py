"""How well poses fit the truth: RMSE and recall of visible keypoints, animals found and rightly named."""

import cv2
import numpy as np
import torch

from .decode import Decoder, decode
from .labels import SEEN, Labels, Still
from .net import Deployed

# A pose whose keypoints lie further than this from the truth's on average is another animal's.
MATCH_PX = 40.0
# A keypoint further off than this was not found.
FOUND_PX = 15.0
# Keypoints below this score are missing: the tracker's default.
KEYPOINT_SCORE_MIN = 0.2


def heads_of(deployed: Deployed, image: np.ndarray) -> list[np.ndarray]:
    """Runs the network on one BGR picture; a model without identities gets an empty head."""
    batch = torch.from_numpy(np.ascontiguousarray(image[:, :, ::-1])).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        heads = [head[0].numpy() for head in deployed(batch.contiguous(memory_format=torch.channels_last))]
    return heads if len(heads) == 4 else [*heads, np.zeros((0, *heads[1].shape[1:]), np.float32)]


class Score:
    """Sums over pictures."""

    def __init__(self):
        self.squares, self.found, self.visible = 0.0, 0, 0
        self.animals, self.matched, self.named, self.poses, self.far = 0, 0, 0, 0, 0

    def add(self, still: Still, poses) -> None:
        """Adds one picture. An animal counts when a quarter of its keypoints is in view."""
        truth = [a for a in range(len(still.state)) if (still.state[a] == SEEN).sum() * 4 >= still.state.shape[1]]
        self.animals += len(truth)
        self.poses += len(poses)
        pairs = []
        for i, a in enumerate(truth):
            seen = still.state[a] == SEEN
            self.visible += int(seen.sum())
            for j, pose in enumerate(poses):
                away = np.hypot(*(pose.keypoints[seen, :2] - still.points[a][seen]).T).mean()
                pairs.append((away, i, j))
        taken_a, taken_p = set(), set()
        for away, i, j in sorted(pairs):
            if away > MATCH_PX or i in taken_a or j in taken_p:
                continue
            taken_a.add(i)
            taken_p.add(j)
            self.match(still, truth[i], poses[j])

    def match(self, still, animal, pose):
        """Adds one animal and its pose."""
        self.matched += 1
        self.named += len(pose.identity) == 0 or int(np.argmax(pose.identity)) == animal
        for k in np.flatnonzero(still.state[animal] == SEEN):
            if pose.keypoints[k, 2] < KEYPOINT_SCORE_MIN:
                continue
            away = float(np.hypot(*(pose.keypoints[k, :2] - still.points[animal, k])))
            if away <= FOUND_PX:
                self.squares += away * away
                self.found += 1
            else:
                self.far += 1

    def summary(self) -> dict[str, float]:
        """The figures, by name. `rmse_px` is over keypoints that were found; `keypoints_far` are the others that got a place."""
        return {
            "rmse_px": float(np.sqrt(self.squares / max(self.found, 1))),
            "keypoint_recall": self.found / max(self.visible, 1),
            "keypoints_far": self.far / max(self.visible, 1),
            "animal_recall": self.matched / max(self.animals, 1),
            "poses_per_animal": self.poses / max(self.animals, 1),
            "identity_accuracy": self.named / max(self.matched, 1),
        }


def score(deployed: Deployed, labels: Labels, settings: Decoder, most: int | None = None) -> dict[str, float]:
    """Runs the network over the stills (padded to multiples of 32) and scores its poses."""
    total = Score()
    step = max(1, len(labels.stills) // most) if most else 1
    for still in labels.stills[::step]:
        image = cv2.imread(str(still.path), cv2.IMREAD_COLOR)
        height, width = image.shape[:2]
        image = cv2.copyMakeBorder(image, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)
        total.add(still, decode(*heads_of(deployed, image), settings))
    return total.summary()


