"""A page that shows how well a model does on labelled pictures: figures, and the worst pictures with truth and answer drawn in."""

import base64
import html
from pathlib import Path

import cv2
import numpy as np

from .labels import ABSENT, SEEN, Labels
from .score import KEYPOINT_SCORE_MIN, Score, score

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
        data = base64.b64encode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]).decode()
        caption = f"{html.escape('/'.join(Path(path).parts[-2:]))}: {bad:.1f} px"
        parts.append(f'<figure><img alt="" src="data:image/jpeg;base64,{data}"><figcaption>{caption}</figcaption></figure>')
    page.write_text("\n".join(parts), encoding="utf-8")
    return total


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


def drawn(image: np.ndarray, still, poses) -> np.ndarray:
    """The picture, brightened where it is dark, at twice its size, with labels as rings and answers as crosses."""
    lift = min(3.0, 110 / max(float(image.mean()), 1))
    image = cv2.resize(cv2.convertScaleAbs(image, alpha=max(lift, 1.0)), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    count = still.state.shape[1]
    for animal, states in zip(still.points, still.state):
        for k, state in enumerate(states):
            if state > ABSENT:
                at = tuple(int(round(2 * v)) for v in animal[k])
                cv2.circle(image, at, 7, colour(k, count), 2 if state == SEEN else 1, cv2.LINE_AA)
    for pose in poses:
        for k, (x, y, value) in enumerate(pose.keypoints):
            if value >= KEYPOINT_SCORE_MIN and np.isfinite([x, y]).all():
                at = (int(round(2 * x)), int(round(2 * y)))
                cv2.drawMarker(image, at, colour(k, count), cv2.MARKER_TILTED_CROSS, 10, 2, cv2.LINE_AA)
    return image
