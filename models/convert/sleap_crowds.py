"""Heads of drawn crowds: many animals over each other, keypoints missing, strays and noise; harder to assemble than any picture."""

import hashlib
import re
from pathlib import Path

import numpy as np
import torch

from .sleap_samples import EDGES, HEIGHT, NODES, WIDTH

CLASSES = 2


def crowd(seed: int, classes: bool) -> dict[str, torch.Tensor]:
    """Heads by their meanings: `keypoints` and `affinities`, or `keypoints` and `identity`."""
    from sleap_nn.data.confidence_maps import generate_multiconfmaps
    from sleap_nn.data.edge_maps import generate_pafs
    from sleap_nn.data.identity import generate_class_maps

    dice = np.random.default_rng(seed)
    count = int(dice.integers(2, 7))
    middle, turn = dice.uniform((20, 20), (WIDTH - 20, HEIGHT - 20), (count, 1, 2)), dice.uniform(0, 2 * np.pi, (count, 1))
    along = np.array([22.0, 10.0, -8.0, -22.0])[None, :, None] * np.stack([np.cos(turn), np.sin(turn)], axis=2)
    points = (middle + along + dice.normal(0, 2, (count, len(NODES), 2))).astype(np.float32)
    points[dice.random((count, len(NODES))) < 0.12] = np.nan
    animals = torch.from_numpy(points)[None]
    maps = generate_multiconfmaps(animals, (HEIGHT, WIDTH), count, sigma=1.5, output_stride=2)
    strays = torch.from_numpy(dice.uniform((0, 0), (WIDTH, HEIGHT), (1, 2, len(NODES), 2)).astype(np.float32))
    maps = torch.maximum(maps, 0.4 * generate_multiconfmaps(strays, (HEIGHT, WIDTH), 2, sigma=1.5, output_stride=2))
    if classes:
        whose = torch.from_numpy(dice.integers(0, CLASSES, count).astype(np.int32))
        second = generate_class_maps(animals, (HEIGHT, WIDTH), count, whose, CLASSES, 0.2, 2.0, 4)
    else:
        edges = torch.tensor([[NODES.index(name) for name in edge] for edge in EDGES])
        second = generate_pafs(animals, (HEIGHT, WIDTH), 8.0, 4, edges, flatten_channels=True)[None]
    noise = [torch.from_numpy(dice.normal(0, 0.03, tuple(head.shape)).astype(np.float32)) for head in (maps, second)]
    return {"keypoints": (maps + noise[0]).float(), ("identity" if classes else "affinities"): (second + noise[1]).float()}


class Said(torch.nn.Module):
    """A network that says the same of every picture."""

    def __init__(self, heads):
        super().__init__()
        self.heads = torch.nn.ParameterList([torch.nn.Parameter(head, requires_grad=False) for head in heads])

    def forward(self, x):
        nothing = 0.0 * x.mean()
        return tuple(head + nothing for head in self.heads)


def folder_of(heads: dict[str, torch.Tensor], model: Path, folder: Path) -> Path:
    """A model folder that gives these heads, its contract that of an imported model with heads of these shapes."""
    folder.mkdir(parents=True, exist_ok=True)
    picture, weights = torch.zeros(1, 3, HEIGHT, WIDTH), folder / "model.onnx"
    names = {"input_names": ["image"], "output_names": list(heads)}
    torch.onnx.export(Said(heads.values()), (picture,), str(weights), **names, opset_version=17, dynamo=False)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    text = re.sub(r'sha256 = ".*"', f'sha256 = "{digest}"', (model / "model.toml").read_text())
    (folder / "model.toml").write_text(text)
    return folder
