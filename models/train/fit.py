"""The training itself: crops in, better weights out, until the time is up."""

import copy
import dataclasses
import json
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from . import start
from .crops import Crops
from .decode import Decoder
from .labels import Labels
from .net import WIDTHS, Deployed, Net
from .score import heads_of, score
from .targets import loss, tree

SIDES = (("L_", "R_"), ("left", "right"), ("Left", "Right"), ("l_", "r_"))


@dataclasses.dataclass
class Settings:
    """How to train. `begin` is a checkpoint or model folder to start from, None for nothing learnt."""

    out: Path
    begin: Path | None
    minutes: float
    lr: float = 2e-3
    crop: int = 256
    batch: int = 8
    threads: int = 2
    seed: int = 1
    command: str = ""
    zoom: tuple[float, float] = (0.8, 1.25)


def mirrored(keypoints: list[str]) -> list[tuple[int, int]]:
    """Pairs of keypoints whose names differ only by side."""
    pairs = []
    for left, right in SIDES:
        for i, name in enumerate(keypoints):
            other = name.replace(left, right)
            if other != name and other in keypoints:
                pairs.append((i, keypoints.index(other)))
    return pairs


class Mean:
    """A running mean of the weights, which scores better than the weights themselves."""

    def __init__(self, net: Net):
        self.net, self.steps = copy.deepcopy(net).eval(), 0

    def add(self, net: Net) -> None:
        """Takes one step's weights in."""
        self.steps += 1
        keep = min(0.998, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for mine, new in zip(self.net.state_dict().values(), net.state_dict().values()):
                if mine.dtype.is_floating_point:
                    mine.lerp_(new, 1 - keep)
                else:
                    mine.copy_(new)


def rate(done: float, highest: float) -> float:
    """One cycle: up over the first 5 %, then down along a cosine. `done` is the share of the time gone."""
    if done < 0.05:
        return highest * (0.1 + 0.9 * done / 0.05)
    return highest * (0.005 + 0.995 * 0.5 * (1 + np.cos(np.pi * min(1, (done - 0.05) / 0.95))))


def begin(data: Labels, settings: Settings) -> Net:
    """The network to train, with what `settings.begin` knows of these keypoints and identities."""
    keypoints, identities = data.keypoints, data.identities
    if settings.begin is None:
        return Net(len(keypoints), len(identities), WIDTHS, norm=True)
    weights, info = start.read(settings.begin)
    net = Net(len(keypoints), len(identities), tuple(info.get("widths", WIDTHS)), norm=info.get("norm", False))
    start.fill(net, weights, (info["keypoints"], info["identities"]) == (keypoints, identities))
    return net


def optimiser_of(net: Net, lr: float) -> torch.optim.AdamW:
    """AdamW that lets only kernels decay."""
    kernels = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    return torch.optim.AdamW([{"params": kernels, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}], lr=lr)


class Run:
    """One training and what it leaves in its folder: `last.pt` and `log.txt`."""

    def __init__(self, data: Labels, val: Labels, settings: Settings):
        self.data, self.val, self.settings, self.parents = data, val, settings, tree(data)
        settings.out.mkdir(parents=True, exist_ok=True)
        self.log = open(settings.out / "log.txt", "a", buffering=1)

    def say(self, line: str) -> None:
        """To the terminal above the progress bar, and to the log."""
        tqdm.write(line)
        self.log.write(line + "\n")

    def save(self, net: Net, scores: dict) -> None:
        """Writes `last.pt` so that it is whole at any moment."""
        info = {"keypoints": self.data.keypoints, "identities": self.data.identities, "widths": list(net.widths)}
        info |= {"norm": net.norm, "scores": scores, "command": self.settings.command, "seed": self.settings.seed}
        info |= {"stills": len(self.data.stills), "parents": self.parents}
        part = self.settings.out / "last.part"
        torch.save({"net": net.state_dict(), "info": json.dumps(info)}, part)
        part.replace(self.settings.out / "last.pt")

    def train(self) -> tuple[Net, dict]:
        """Trains until the time is up; the mean of the weights and its scores on the validation stills."""
        settings = self.settings
        cv2.setNumThreads(1)
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        net = begin(self.data, settings).to(memory_format=torch.channels_last).train()
        mean, optimiser = Mean(net), optimiser_of(net, settings.lr)
        crops = Crops(self.data, mirrored(self.data.keypoints), self.parents, settings)
        size = sum(p.numel() for p in net.parameters())
        self.say(f"{len(self.data.stills)} stills, {len(self.val.stills)} for scores, {size} parameters")
        began = saved = time.monotonic()
        limit, step, sums, gone = settings.minutes * 60, 0, {}, 0.0
        bar = tqdm(total=round(limit), unit="s", desc="training", disable=None)
        while gone < limit:
            for group in optimiser.param_groups:
                group["lr"] = rate(gone / limit, settings.lr)
            parts = self.step(net, optimiser, crops)
            mean.add(net)
            step += 1
            for name, part in parts.items():
                sums[name] = sums.get(name, 0.0) + part
            gone = time.monotonic() - began
            bar.update(min(round(gone), round(limit)) - bar.n)
            if step % 100 == 0:
                words = " ".join(f"{name} {value / 100:.4f}" for name, value in sums.items())
                self.say(f"{gone:6.0f} s  step {step}  {step * settings.batch / gone:.1f} crops/s  {words}")
                sums = {}
            if time.monotonic() - saved > 120:
                self.save(mean.net, {})
                saved = time.monotonic()
        bar.close()
        deployed = Deployed(mean.net).eval()
        decoder = Decoder(parents=tuple(self.parents))
        scores = score(lambda image: heads_of(deployed, image), self.val, decoder, most=600).summary()
        self.say(json.dumps(scores))
        self.save(mean.net, scores)
        return mean.net, scores

    def step(self, net: Net, optimiser: torch.optim.AdamW, crops: Crops) -> dict[str, float]:
        """One batch; the parts of its loss."""
        images, want = crops.next()
        with torch.autocast("cpu", torch.bfloat16):
            raw = net(images.contiguous(memory_format=torch.channels_last))
        parts = loss(raw, want)
        optimiser.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        return {name: float(part.detach()) for name, part in parts.items()}
