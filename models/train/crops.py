"""Random crops of labelled stills, changed in every way that a camera may and a coat's colour may not."""

import queue
import threading

import cv2
import numpy as np
import torch

from .labels import COVERED, Labels
from .targets import centre_index, draw


def matrix(rng: np.random.Generator, around: np.ndarray, size: int, zoom: tuple[float, float]) -> tuple[np.ndarray, bool]:
    """The 2x3 map from still to crop that brings `around` near the middle, and whether it mirrors."""
    scale = np.exp(rng.uniform(*np.log(zoom)))
    angle = rng.integers(4) * np.pi / 2 + (rng.uniform(-0.3, 0.3) if rng.random() < 0.5 else 0.0)
    mirror = bool(rng.random() < 0.5)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirror:
        turn = turn @ np.diag([-1.0, 1.0])
    return np.hstack([turn, (size / 2 - turn @ around)[:, None]]), mirror


def light(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Exposure, slight white balance, gamma, haze, blur, noise and JPEG; the hue of a coat stays what it is."""
    gain = np.exp(rng.uniform(-0.45, 0.35)) * np.exp(rng.uniform(-0.06, 0.06, 3))
    gamma, haze = np.exp(rng.uniform(-0.25, 0.25)), rng.uniform(0, 0.05)
    ramp = np.arange(256)[:, None] / 255
    table = np.clip((ramp**gamma * gain + haze) * 255, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, table[:, None].reshape(256, 1, 3))
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.5:
        noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(1, 7)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))])[1]
        image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return image


def specks(rng: np.random.Generator, image: np.ndarray, points: np.ndarray) -> None:
    """Dirt and dark marks on the bodies."""
    for x, y in points[rng.random(len(points)) < 0.3] + rng.uniform(-12, 12, (1, 2)):
        shade = rng.integers(0, 60, 3) if rng.random() < 0.7 else rng.integers(100, 255, 3)
        cv2.circle(image, (int(x), int(y)), int(rng.integers(1, 5)), [int(v) for v in shade], -1)


class Crops:
    """Endless batches. One thread prepares them: OpenCV works outside Python's lock."""

    def __init__(self, labels: Labels, swaps: list[tuple[int, int]], parents: list[int], settings):
        self.labels, self.size, self.batch, self.zoom = labels, settings.crop, settings.batch, settings.zoom
        self.order = np.arange(len(labels.keypoints))
        for left, right in swaps:
            self.order[[left, right]] = right, left
        self.centre = centre_index(labels.keypoints)
        self.parents = parents
        self.drawn = np.cumsum(labels.weights)[:-1]
        self.rng = np.random.default_rng(settings.seed)
        self.ready: queue.Queue = queue.Queue(4)
        threading.Thread(target=self.prepare, daemon=True, name="crops").start()

    def prepare(self):
        """Fills the queue for ever."""
        while True:
            self.ready.put(collate([self.one() for _ in range(self.batch)]))

    def one(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """One crop and its targets."""
        rng = self.rng
        still = self.labels.stills[int(np.searchsorted(self.drawn, rng.random(), side="right"))]
        image = cv2.imread(str(still.path), cv2.IMREAD_COLOR)
        height, width = image.shape[:2]
        there = np.flatnonzero((still.state >= COVERED).any(1))
        if len(there) and rng.random() < 0.9:
            animal = rng.choice(there)
            around = still.points[animal][still.state[animal] >= COVERED].mean(0) + rng.uniform(-90, 90, 2)
        else:
            around = rng.uniform(0, 1, 2) * (width, height)
        to_crop, mirror = matrix(rng, around, self.size, self.zoom)
        points = still.points @ to_crop[:, :2].T + to_crop[:, 2]
        state = still.state.copy()
        outside = (still.points < -0.5).any(2) | (still.points >= np.array([width, height]) - 0.5).any(2)
        state[(state >= COVERED) & outside] = COVERED
        if mirror:
            points, state = points[:, self.order], state[:, self.order]
        image = cv2.warpAffine(image, to_crop, (self.size, self.size), flags=cv2.INTER_LINEAR)
        if rng.random() < 0.3:
            specks(rng, image, points[state >= COVERED])
        image = light(rng, image)
        return image[:, :, ::-1], draw(points.astype(np.float32), state, self.size, self.centre, len(self.labels.identities), self.parents)

    def next(self) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The next batch: pictures (N, 3, size, size) 0 to 1 RGB, and targets."""
        return self.ready.get()


def collate(ones):
    """Single crops as one batch of tensors."""
    images = torch.from_numpy(np.stack([image for image, _ in ones])).permute(0, 3, 1, 2)
    targets = {name: torch.from_numpy(np.stack([want[name] for _, want in ones])) for name in ones[0][1]}
    return images.to(torch.float32).div_(255), targets
