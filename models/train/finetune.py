"""`python -m train.finetune`: a lab's own labelled frames make a model of its own, scored on frames it never saw."""

import argparse
import json
import sys
from pathlib import Path

from convert.contract import File, write

from . import labels as dlc
from . import quantise, report
from .__main__ import add_common, settings
from .decode import Decoder
from .export import contract, load, write_onnx
from .fit import Run
from .score import heads_of


def blocks(labels: dlc.Labels, share: float) -> tuple[dlc.Labels, dlc.Labels]:
    """Training and validation stills. Of each folder of pictures the last `share`, in name order, validates: frames that lie near in time
    look alike, so single frames drawn at random would flatter the score."""
    folders: dict[Path, list[int]] = {}
    for index, still in enumerate(labels.stills):
        folders.setdefault(still.path.parent, []).append(index)
    held: set[int] = set()
    for indices in folders.values():
        indices.sort(key=lambda index: labels.stills[index].path.name)
        held.update(indices[len(indices) - round(share * len(indices)) :])
    if not held or len(held) == len(labels.stills):
        raise SystemExit(f"got {len(labels.stills)} labelled frames; allowed: enough for {share:.0%} of a folder to be one; label more")
    learnt = [index for index in range(len(labels.stills)) if index not in held]
    return labels.part(learnt), labels.part(sorted(held))


def main() -> None:
    """Splits, trains, scores, reports, exports and quantises."""
    parser = argparse.ArgumentParser(prog="python -m train.finetune", description=__doc__)
    parser.add_argument("labels", nargs="+", metavar="PROJECT", help="DeepLabCut project folders with 50 or more labelled frames")
    parser.add_argument("--with", dest="mix", nargs="*", default=[], metavar="DIR[=SHARE]",
                        help="further labelled folders to learn from, not to score on, such as rendered stills (arenad rehearse --stills)")  # fmt: skip
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="RUN", help="folder for the model, the report and last.pt")
    parser.add_argument("--val-share", type=float, default=0.2, help="share of each folder, its end, to score on (default 0.2)")
    parser.add_argument("--name", help="the model's name (default: the run folder's)")
    parser.add_argument("--about", default="Trained on a lab's own frames.", help="one sentence for people")
    parser.add_argument("--skeleton", default="", help="lines to draw: nose-L_ear,nose-R_ear,…")
    parser.add_argument("--colours", default="", help="how identities are drawn: R=#e2333d,…")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    add_common(parser)
    parser.set_defaults(minutes=20)
    args = parser.parse_args()
    own, val = blocks(dlc.read(args.labels), args.val_share)
    data = own
    if args.mix:
        data = dlc.joined(own, dlc.read(args.mix, own.keypoints, own.identities), 0.5)
    net, _ = Run(data, val, settings(args)).train()
    finish(args, net, own, val)


def finish(args, net, own: dlc.Labels, val: dlc.Labels) -> None:
    """Model folder, report and quantised files."""
    deployed, info = load(args.out / "last.pt")
    folder, decoder = args.out / "model", Decoder(parents=tuple(info["parents"]))
    folder.mkdir(exist_ok=True)
    notes = [f"Learnt from {len(own.stills)} frames, scored on {len(val.stills)} that it never saw.", info["command"]]
    total = report.write(args.out / "report.html", args.name or args.out.name, lambda image: heads_of(deployed, image), val, decoder, notes)
    args.name = args.name or args.out.name
    args.data = f"{len(own.stills)} labelled frames"
    args.scores_on = f"{len(val.stills)} labelled frames, the last {args.val_share:.0%} of each folder"
    write_onnx(deployed, folder / "model.onnx", args.width, args.height)
    write(folder, contract(args, info, total.summary(), decoder, [File("model.onnx", "fp32", 0.0)]))
    pictures = quantise.picked([still.path for still in own.stills], 64, args.seed)
    quantise.quantise(folder, val, pictures, loss_max=0.01)
    print(json.dumps(total.summary()))
    print(f"model: {folder}\nreport: {args.out / 'report.html'}", file=sys.stderr)


if __name__ == "__main__":
    main()
