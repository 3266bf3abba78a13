"""`python -m train.report`: a page that shows how well a model does: figures and the worst pictures of labelled ones, or its answers on any."""

import argparse
import base64
import html
import tomllib
from pathlib import Path

import cv2
import numpy as np

from . import labels as dlc
from .decode import Decoder, decode
from .labels import ABSENT, SEEN, Labels
from .score import KEYPOINT_SCORE_MIN, Score, padded, score

STYLE = """body{font:15px/1.45 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .9rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}figure{margin:1.5rem 0}img{max-width:100%;border:1px solid #ccc}
figcaption{color:#555}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}td,th{border-color:#444}figcaption{color:#aaa}}"""
WORST = 12


class Worst:
    """Keeps the pictures that were scored worst."""

    def __init__(self, most: int):
        self.most, self.kept = most, []

    def __call__(self, still, poses, bad: float) -> None:
        self.kept.append((bad, str(still.path), still, poses))
        self.kept.sort(key=lambda one: (-one[0], one[1]))
        del self.kept[self.most :]


def write(page: Path, title: str, run, labels: Labels, decoder, notes: list[str]) -> Score:
    """Scores `run` (see `score`) on all of `labels` and writes the page."""
    worst = Worst(WORST)
    total = score(run, labels, decoder, each=worst)
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title><style>{STYLE}</style>"]
    parts += [f"<h1>{html.escape(title)}</h1>", *(f"<p>{html.escape(note)}</p>" for note in notes), figures(total), keypoints(total)]
    parts.append(f"<h2>The {len(worst.kept)} worst pictures</h2><p>Rings: labels (thin where covered). Crosses: the model's answer.</p>")
    for bad, path, still, poses in worst.kept:
        picture = drawn(cv2.imread(path, cv2.IMREAD_COLOR), still, poses)
        parts.append(figure(picture, f"{'/'.join(Path(path).parts[-2:])}: {bad:.1f} px"))
    page.write_text("\n".join(parts), encoding="utf-8")
    return total


def figure(picture: np.ndarray, caption: str) -> str:
    """A picture within the page."""
    data = base64.b64encode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]).decode()
    return f'<figure><img alt="" src="data:image/jpeg;base64,{data}"><figcaption>{html.escape(caption)}</figcaption></figure>'


def figures(total: Score) -> str:
    """The summary as a table."""
    rows = "".join(f"<tr><td>{name}</td><td>{value:.4g}</td></tr>" for name, value in total.summary().items())
    return f"<h2>Figures</h2><table><tr><th>figure</th><th></th></tr>{rows}</table>"


def keypoints(total: Score) -> str:
    """One row a keypoint."""
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{visible}</td><td>{100 * placed:.1f} %</td><td>{rmse:.2f}</td><td>{median:.2f}</td></tr>"
        for name, visible, placed, rmse, median in total.table()
    )
    head = "<tr><th>keypoint</th><th>in view</th><th>given a place</th><th>RMSE, px</th><th>median, px</th></tr>"
    return f"<h2>Keypoints</h2><table>{head}{rows}</table>"


def colour(k: int, count: int) -> tuple[int, int, int]:
    """A keypoint's own hue, BGR."""
    hue = np.uint8([[[180 * k // count, 220, 255]]])
    return tuple(int(v) for v in cv2.cvtColor(hue, cv2.COLOR_HSV2BGR)[0, 0])


def drawn(image: np.ndarray, still, poses, identities: list[tuple[str, str]] = ()) -> np.ndarray:
    """The picture, brightened where it is dark, at twice its size, with labels as rings and answers as crosses."""
    lift = min(3.0, 110 / max(float(image.mean()), 1))
    image = cv2.resize(cv2.convertScaleAbs(image, alpha=max(lift, 1.0)), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    count = still.state.shape[1] if still else len(poses[0].keypoints) if poses else 1
    for animal, states in zip(still.points, still.state) if still else ():
        for k, state in enumerate(states):
            if state > ABSENT:
                at = tuple(int(round(2 * v)) for v in animal[k])
                cv2.circle(image, at, 7, colour(k, count), 2 if state == SEEN else 1, cv2.LINE_AA)
    for pose in poses:
        for k, (x, y, value) in enumerate(pose.keypoints):
            if value >= KEYPOINT_SCORE_MIN and np.isfinite([x, y]).all():
                at = (int(round(2 * x)), int(round(2 * y)))
                cv2.drawMarker(image, at, colour(k, count), cv2.MARKER_TILTED_CROSS, 10, 2, cv2.LINE_AA)
        if identities:
            name, display = identities[int(np.argmax(pose.identity))]
            at = (int(2 * pose.centre[0]) + 14, int(2 * pose.centre[1]) - 14)
            bgr = [int(display[i : i + 2], 16) for i in (5, 3, 1)]
            cv2.putText(image, f"{name} {max(pose.identity):.2f}", at, cv2.FONT_HERSHEY_SIMPLEX, 0.7, bgr, 2, cv2.LINE_AA)
    return image


def answers(page: Path, title: str, run, pictures: list[Path], decoder: Decoder, identities: list[tuple[str, str]]) -> None:
    """Writes a page of pictures without labels, the model's answers drawn in."""
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title><style>{STYLE}</style>"]
    for path in pictures:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        poses = decode(*run(padded(image)), decoder)
        parts.append(figure(drawn(image, None, poses, identities), f"{path.name}: {len(poses)} animals"))
    page.write_text("\n".join(parts), encoding="utf-8")


def main() -> None:
    """Reports on a model folder."""
    from .quantise import pictures_below, runner

    parser = argparse.ArgumentParser(prog="python -m train.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="model folder")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="HTML")
    parser.add_argument("--file", default="model.onnx", help="which file of the folder (default model.onnx)")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--labels", metavar="DIR", help="DeepLabCut folder to score on")
    given.add_argument("--pictures", type=Path, metavar="DIR", help="pictures without labels")
    args = parser.parse_args()
    contract = tomllib.loads((args.folder / "model.toml").read_text(encoding="utf-8"))
    mean, scale = (np.array(contract["input"][key], np.float32) for key in ("mean", "scale"))
    run, decoder = runner(args.folder / args.file, mean, scale), Decoder.read(contract["decoder"], contract["keypoints"])
    identities = [(one["name"], one["colour"]) for one in contract["identities"]]
    if args.pictures:
        return answers(args.out, contract["name"], run, pictures_below(args.pictures), decoder, identities)
    labels = dlc.read([args.labels], contract["keypoints"], [name for name, _ in identities])
    total = write(args.out, contract["name"], run, labels, decoder, [f"{args.folder / args.file} on {args.labels}"])
    print("\n".join(f"{name} {value:.4f}" for name, value in total.summary().items()))


if __name__ == "__main__":
    main()
