"""`python -m train.verify`: exit code 0 when a folder's ONNX answers as its checkpoint does in PyTorch."""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from .export import load


def main() -> None:
    """Runs both on random pictures and prints the largest difference of each head."""
    parser = argparse.ArgumentParser(prog="python -m train.verify", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=float, default=1e-3, help="largest difference allowed (offsets: in pixels, 30 times this)")
    args = parser.parse_args()
    deployed, _ = load(args.checkpoint)
    session = onnxruntime.InferenceSession(str(args.folder / "model.onnx"), providers=["CPUExecutionProvider"])
    entry, rng, worst = session.get_inputs()[0], np.random.default_rng(1), {}
    for trial in range(3):
        # Blocks, not noise: maps that are nearly all zero would agree without effort.
        small = rng.random((1, 3, entry.shape[2] // 32, entry.shape[3] // 32), np.float32)
        image = np.repeat(np.repeat(small, 32, 2), 32, 3) ** (trial + 1)
        with torch.no_grad():
            wanted = deployed(torch.from_numpy(image))
        for output, got, want in zip(session.get_outputs(), session.run(None, {entry.name: image}), wanted):
            worst[output.name] = max(worst.get(output.name, 0.0), float(np.abs(got - want.numpy()).max()))
    failed = False
    for name, difference in worst.items():
        allowed = args.most * (30 if name == "offsets" else 1)
        failed |= difference > allowed
        print(f"{name}: largest difference {difference:.2e}, allowed {allowed:.0e}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
