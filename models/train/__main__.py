"""`python -m train`: trains a network on DeepLabCut folders."""

import argparse
import copy
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from . import labels as dlc
from .crops import Crops
from .decode import Decoder
from .net import WIDTHS, Deployed, Net
from .score import score
from .targets import loss

SIDES = (("L_", "R_"), ("left", "right"), ("Left", "Right"), ("l_", "r_"))


def mirrored(keypoints: list[str]) -> list[tuple[int, int]]:
    """Pairs of keypoints whose names differ only by side."""
    pairs = []
    for left, right in SIDES:
        for i, name in enumerate(keypoints):
            other = name.replace(left, right)
            if other != name and other in keypoints:
                pairs.append((i, keypoints.index(other)))
    return pairs


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    parser.add_argument("--labels", type=Path, nargs="+", required=True, metavar="DIR", help="DeepLabCut folders to learn from")
    parser.add_argument("--val", type=Path, required=True, metavar="DIR", help="DeepLabCut folder to score on, never learned from")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="RUN", help="folder for last.pt and log.txt")
    parser.add_argument("--minutes", type=float, default=60, help="how long to train (default 60)")
    parser.add_argument("--init", type=Path, metavar="CKPT", help="start from this checkpoint")
    parser.add_argument("--lr", type=float, default=3e-3, help="highest learning rate (default 0.003)")
    parser.add_argument("--crop", type=int, default=256, help="side of a crop, a multiple of 32 (default 256)")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


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


def main() -> None:
    """Trains until the time is up; writes `last.pt` every two minutes."""
    args = arguments()
    cv2.setNumThreads(1)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    data, val = dlc.read(args.labels), dlc.read([args.val])
    if (data.keypoints, data.identities) != (val.keypoints, val.identities):
        sys.exit(f"{args.val}: keypoints {val.keypoints} of {val.identities}; --labels have {data.keypoints} of {data.identities}")
    net = Net(len(data.keypoints), len(data.identities), WIDTHS)
    if args.init:
        net.load_state_dict(torch.load(args.init, weights_only=True)["net"])
    net = net.to(memory_format=torch.channels_last).train()
    mean = Mean(net)
    crops = Crops(data, mirrored(data.keypoints), args.crop, args.batch, args.seed)
    decays = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decays, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.lr)
    args.out.mkdir(parents=True, exist_ok=True)
    log = open(args.out / "log.txt", "a", buffering=1)

    def say(line: str) -> None:
        print(line, flush=True)
        log.write(line + "\n")

    def save(scores: dict) -> None:
        info = {"keypoints": data.keypoints, "identities": data.identities, "widths": list(WIDTHS), "scores": scores}
        info |= {"command": "python -m train " + " ".join(sys.argv[1:]), "seed": args.seed, "stills": len(data.stills)}
        part = args.out / "last.part"
        torch.save({"net": mean.net.state_dict(), "info": json.dumps(info)}, part)
        part.replace(args.out / "last.pt")

    say(f"{len(data.stills)} stills, {len(val.stills)} for scores, {sum(p.numel() for p in net.parameters())} parameters")
    start = saved = time.monotonic()
    limit, step, sums = args.minutes * 60, 0, {}
    while (gone := time.monotonic() - start) < limit:
        for group in optimiser.param_groups:
            group["lr"] = rate(gone / limit, args.lr)
        images, want = crops.next()
        with torch.autocast("cpu", torch.bfloat16):
            raw = net(images.contiguous(memory_format=torch.channels_last))
        parts = loss(raw, want)
        optimiser.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        mean.add(net)
        step += 1
        for name, part in parts.items():
            sums[name] = sums.get(name, 0.0) + float(part.detach())
        if step % 50 == 0:
            words = " ".join(f"{name} {value / 50:.4f}" for name, value in sums.items())
            say(f"{gone:6.0f} s  step {step}  {step * args.batch / gone:.1f} crops/s  {words}")
            sums = {}
        if time.monotonic() - saved > 120:
            save({})
            saved = time.monotonic()
    scores = score(Deployed(mean.net).eval(), val, Decoder())
    say(json.dumps(scores))
    save(scores)


if __name__ == "__main__":
    main()
