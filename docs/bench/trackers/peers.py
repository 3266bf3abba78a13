"""The trackers that docs/bench/trackers sets beside arenad's, each as poses in, track numbers out, frame by frame.

ByteTrack, OC-SORT and BoT-SORT are those of the package `trackers`; they get a box around each pose's keypoints and its score. BoT-SORT
goes without camera motion and appearance: the camera stands still and a pose has no picture. The ellipse tracker is DeepLabCut's own
module, which gets the keypoints and, as DeepLabCut's identity-aware assembly has it, the most likely name of each pose.
"""

import importlib.util
import sys
from collections import Counter
from importlib.metadata import distribution

import numpy as np
import supervision as sv
from trackers import BoTSORTTracker, ByteTrackTracker, OCSORTTracker

# A keypoint below this is missing, as by arenad's own default.
KEYPOINT_MIN = 0.5
# Pixels that a box reaches beyond its keypoints: a mouse in line with an axis would have none to overlap with.
MARGIN_PX = 5.0


def points(pose: dict) -> np.ndarray:
    """The keypoints that are there, [n, 2]; the centre where there is none."""
    there = [point[:2] for point in pose["keypoints"] if point and point[2] >= KEYPOINT_MIN]
    return np.array(there or [pose["centre"]])


class Boxes:
    """A tracker of the package `trackers`."""

    def __init__(self, tracker):
        self.tracker = tracker

    def prepare(self, poses: list) -> sv.Detections:
        """What the tracker is given; not timed."""
        boxes = np.zeros((len(poses), 4))
        for box, pose in zip(boxes, poses):
            places = points(pose)
            box[:2], box[2:] = places.min(axis=0) - MARGIN_PX, places.max(axis=0) + MARGIN_PX
        scores = np.array([pose["score"] for pose in poses])
        return sv.Detections(xyxy=boxes, confidence=scores, data={"pose": np.arange(len(poses))})

    def step(self, detections: sv.Detections) -> dict:
        """Track numbers by pose."""
        found = self.tracker.update(detections)
        if len(found) == 0:
            return {}
        pairs = zip(found.data["pose"], found.tracker_id)
        return {int(pose): int(track) for pose, track in pairs if track >= 0}


class Ellipses:
    """DeepLabCut's ellipse tracker."""

    def __init__(self, names: int, **settings):
        self.names = names
        module = deeplabcut_tracking()
        # What numba compiles at the first call is not the tracker's time.
        module.EllipseFitter().fit(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]))
        self.tracker = module.SORTEllipse(**settings)

    def prepare(self, poses: list) -> tuple:
        """Keypoints, missing ones NaN, and the most likely name of each pose; not timed."""
        animals = [
            np.array([point[:2] if point and point[2] >= KEYPOINT_MIN else [np.nan] * 2 for point in pose["keypoints"]])
            for pose in poses
        ]
        # It numbers the ellipses that it could fit, so that poses without three keypoints must go before.
        kept = [index for index, animal in enumerate(animals) if np.isfinite(animal).all(axis=1).sum() >= 3]
        names = [[int(np.argmax(poses[index]["identity"]))] for index in kept] if self.names else None
        return kept, [animals[index] for index in kept], names

    def step(self, given: tuple) -> dict:
        """Track numbers by pose."""
        kept, animals, names = given
        rows = self.tracker.track(animals, identities=names)
        return {kept[int(row[-1])]: int(row[-2]) for row in rows if row[-1] >= 0}


def deeplabcut_tracking():
    """DeepLabCut's module of trackers alone: the package as a whole asks for networks and data that tracking does not need."""
    name = "deeplabcut_trackingutils"
    if name not in sys.modules:
        path = distribution("deeplabcut").locate_file("deeplabcut/core/trackingutils.py")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def peers(fps: float, names: int) -> dict:
    """Each peer by name, fresh. Settings that differ from the packages' defaults did better on the film they were tried on."""
    box = {"frame_rate": fps, "minimum_consecutive_frames": 1, "high_conf_det_threshold": 0.4}
    return {
        "ByteTrack": Boxes(ByteTrackTracker(track_activation_threshold=0.4, **box)),
        "OC-SORT": Boxes(OCSORTTracker(**box)),
        "BoT-SORT (motion only)": Boxes(BoTSORTTracker(frame_rate=fps, enable_cmc=False)),
        "DeepLabCut's ellipses": Ellipses(names, max_age=15, min_hits=1, iou_threshold=0.2),
    }


def votes(frames: list, tracks: list, names: list) -> list:
    """Each frame's names by pose: the most frequent most likely name of the track's poses, of the whole film.

    Where two tracks of one frame won the same name, the one with the larger share of votes keeps it.
    """
    count: dict = {}
    for frame, found in zip(frames, tracks):
        for pose, track in found.items():
            likelihoods = frame["poses"][pose]["identity"]
            if len(likelihoods) and max(likelihoods) > min(likelihoods):
                count.setdefault(track, Counter())[int(np.argmax(likelihoods))] += 1
    won = {}
    for track, counter in count.items():
        index, most = counter.most_common(1)[0]
        won[track] = (index, most / counter.total())
    named = []
    for found in tracks:
        best: dict = {}
        for pose, track in found.items():
            if track in won:
                index, share = won[track]
                if index not in best or share > best[index][0]:
                    best[index] = (share, pose)
        named.append({pose: (names[index], share) for index, (share, pose) in best.items()})
    return named
