"""`python -m train`: trains a network on DeepLabCut folders."""

import argparse
import sys
from pathlib import Path

from . import labels as dlc
from .fit import Run, Settings

SOCIALBOX = Path(__file__).parent.parent / "socialbox"


def begin(word: str) -> Path | None:
    """`--from`: a path, or `none`."""
    return None if word == "none" else Path(word)


def add_common(parser: argparse.ArgumentParser) -> None:
    """What every training can be told."""
    parser.add_argument("--minutes", type=float, default=60, help="how long to train (default 60)")
    parser.add_argument("--from", dest="begin", type=begin, default=SOCIALBOX, metavar="MODEL",
                        help="model folder or last.pt to start from, or none (default: the bundled socialbox)")  # fmt: skip
    parser.add_argument("--lr", type=float, default=2e-3, help="highest learning rate (default 0.002)")
    parser.add_argument("--crop", type=int, default=256, help="side of a crop, a multiple of 32 (default 256)")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--zoom", type=float, nargs=2, default=(0.8, 1.25), metavar=("LEAST", "MOST"),
                        help="crops are scaled between these (default 0.8 1.25)")  # fmt: skip
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)


def settings(args: argparse.Namespace) -> Settings:
    """The same as a value."""
    command = f"python -m {Path(sys.argv[0]).parent.name if sys.argv[0].endswith('__main__.py') else 'train.' + Path(sys.argv[0]).stem} "
    return Settings(
        args.out, args.begin, args.minutes, args.lr, args.crop, args.batch, args.threads, args.seed,
        command + " ".join(sys.argv[1:]), tuple(args.zoom),
    )  # fmt: skip


def main() -> None:
    """Reads the labels and trains."""
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    parser.add_argument("--labels", nargs="+", required=True, metavar="DIR[=SHARE]",
                        help="DeepLabCut project folders to learn from; with =0.3, three in ten crops come from it")  # fmt: skip
    parser.add_argument("--val", required=True, metavar="DIR", help="DeepLabCut folder to score on, never learned from")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="RUN", help="folder for last.pt and log.txt")
    add_common(parser)
    args = parser.parse_args()
    data = dlc.read(args.labels)
    val = dlc.read([args.val], data.keypoints, data.identities)
    Run(data, val, settings(args)).train()


if __name__ == "__main__":
    main()
