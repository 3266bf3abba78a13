//! The two tables of a harvest folder as text: DeepLabCut's labels, and `harvest.csv` with why each frame was kept.

use super::doubt::{Doubt, Reason};
use crate::handover::{Animal, Keypoint, Scene, State};
use crate::stamp::WallTime;
use std::fmt::Write as _;

/// The name in the `scorer` row, and in the name of the file with the labels.
pub const SCORER: &str = "arenad";
/// The file with the labels.
pub const LABELS: &str = "CollectedData_arenad.csv";
/// The file with the reasons.
pub const REASONS: &str = "harvest.csv";
/// First line of `REASONS`.
const REASONS_HEAD: &str = "image,frame,captured,reason,value,doubt\n";
/// The folder that holds the folders of a DeepLabCut project's pictures.
pub const LABELED: &str = "labeled-data";

/// The names of a model, and how its labels are laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    keypoints: usize,
    /// One for a model without identities: its only animal.
    animals: usize,
    named: bool,
    head: String,
}

/// One kept frame, as the two tables have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name of the picture's file.
    pub image: String,
    /// Frame number.
    pub frame: u64,
    /// When it was captured, to the microsecond.
    pub captured: WallTime,
    /// Why it is kept.
    pub doubt: Doubt,
    /// Size of the picture's file.
    pub bytes: u64,
    /// The cells with the labels, each with its comma before it.
    pub cells: String,
}

impl Layout {
    /// DeepLabCut's multi-animal layout with the identities as individuals; without identities its single-animal layout. The
    /// index has three columns, as DeepLabCut 3 writes it.
    pub fn new(keypoints: &[String], identities: &[String]) -> Self {
        let named = !identities.is_empty();
        let mut rows = ["scorer", "individuals", "bodyparts", "coords"].map(|name| format!("{name},,"));
        let only = [String::new()];
        for identity in if named { identities } else { &only } {
            for keypoint in keypoints {
                for coord in ["x", "y"] {
                    for (row, name) in rows.iter_mut().zip([SCORER, identity, keypoint, coord]) {
                        row.push(',');
                        row.push_str(&quoted(name));
                    }
                }
            }
        }
        let rows: Vec<_> =
            rows.into_iter().enumerate().filter(|(row, _)| named || *row != 1).map(|(_, row)| row).collect();
        let animals = if named { identities.len() } else { 1 };
        Self { keypoints: keypoints.len(), animals, named, head: rows.join("\n") + "\n" }
    }

    /// The cells of one scene: seen keypoints of seen, named animals with at least this score; empty where there is none.
    ///
    /// A wholly empty row has `NaN` in its first cell: of several header rows pandas, and with it DeepLabCut, takes a wholly
    /// empty row after them as the index's name.
    pub fn cells(&self, scene: &Scene, score_min: f32) -> String {
        let mut cells = String::new();
        for animal in 0..self.animals {
            let animal = self.animal(scene, animal);
            for keypoint in 0..self.keypoints {
                let keypoint = animal
                    .filter(|animal| !animal.predicted.contains(keypoint))
                    .and_then(|animal| *animal.keypoints.get(keypoint)?);
                match keypoint.filter(|keypoint| is_label(keypoint, score_min)) {
                    Some(Keypoint { at, .. }) => {
                        let _ = write!(cells, ",{:.2},{:.2}", hundredth(at.x), hundredth(at.y));
                    }
                    None => cells.push_str(",,"),
                }
            }
        }
        if cells.bytes().all(|byte| byte == b',') && !cells.is_empty() {
            cells.insert_str(1, "NaN");
        }
        cells
    }

    fn animal<'a>(&self, scene: &'a Scene, index: usize) -> Option<&'a Animal> {
        scene.animals.iter().filter(|animal| animal.state == State::Seen).find(|animal| match animal.identity {
            Some(identity) => usize::from(identity.0) == index,
            None => !self.named,
        })
    }

    /// The text of `LABELS` in the folder of this name.
    pub fn labels(&self, folder: &str, rows: &[Row]) -> String {
        let mut text = self.head.clone();
        for row in rows {
            let _ = writeln!(text, "{LABELED},{folder},{}{}", row.image, row.cells);
        }
        text
    }

    /// The picture and the cells of each row of that text; `None` when this program did not write it so for this model.
    pub fn read_labels<'t>(&self, folder: &str, text: &'t str) -> Option<Vec<(&'t str, &'t str)>> {
        let start = format!("{LABELED},{folder},");
        let columns = self.animals * self.keypoints * 2;
        let row = |line: &'t str| {
            let (image, _) = line.strip_prefix(&start)?.split_once(',')?;
            let cells = &line[start.len() + image.len()..];
            let sound = is_image(image) && cells.split(',').count() == columns + 1 && cells.split(',').all(is_cell);
            sound.then_some((image, cells))
        };
        lines(text.strip_prefix(&self.head)?)?.map(row).collect()
    }
}

/// Rounded as in `poses.csv`, and never minus zero.
fn hundredth(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0 + 0.0
}

fn is_label(keypoint: &Keypoint, score_min: f32) -> bool {
    keypoint.score >= score_min && keypoint.at.x.is_finite() && keypoint.at.y.is_finite()
}

/// Nothing, `NaN`, or a number with two decimals: what another program writes looks different nearly always.
fn is_cell(cell: &str) -> bool {
    let number = |cell: &str| {
        let (whole, part) = cell.strip_prefix('-').unwrap_or(cell).split_once('.')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        Some(digits(whole) && (1..=10).contains(&whole.len()) && digits(part) && part.len() == 2)
    };
    cell.is_empty() || cell == "NaN" || number(cell) == Some(true)
}

/// The name of a frame's picture.
pub fn image_of(frame: u64) -> String {
    format!("img{frame:08}.png")
}

fn is_image(name: &str) -> bool {
    frame_of(name).is_some()
}

fn frame_of(image: &str) -> Option<u64> {
    let frame = image.strip_prefix("img")?.strip_suffix(".png")?.parse().ok()?;
    (image_of(frame) == image).then_some(frame)
}

/// The text of `REASONS`.
pub fn reasons(rows: &[Row]) -> String {
    let mut text = REASONS_HEAD.to_owned();
    for Row { image, frame, captured, doubt, .. } in rows {
        let Doubt { reason, value, weight } = doubt;
        let _ = writeln!(text, "{image},{frame},{},{},{value:.3},{weight:.4}", captured.rfc3339(), reason.word());
    }
    text
}

/// The rows of that text, without labels and sizes; `None` when this program did not write it so.
pub fn read_reasons(text: &str) -> Option<Vec<Row>> {
    lines(text.strip_prefix(REASONS_HEAD)?)?.map(read_reason).collect()
}

fn read_reason(line: &str) -> Option<Row> {
    let [image, frame, captured, reason, value, weight] = line.split(',').collect::<Vec<_>>().try_into().ok()?;
    let reason = Reason::ALL.into_iter().find(|known| known.word() == reason)?;
    let captured = WallTime::from_system(humantime::parse_rfc3339(captured).ok()?);
    let number = |text: &str| text.parse::<f32>().ok().filter(|number| number.is_finite());
    let weight = number(weight).filter(|weight| (0.0..=1.0).contains(weight))?;
    let frame = frame.parse().ok().filter(|frame| frame_of(image) == Some(*frame))?;
    let doubt = Doubt { reason, value: number(value)?, weight };
    Some(Row { image: image.to_owned(), frame, captured, doubt, bytes: 0, cells: String::new() })
}

/// Whole lines; `None` when the last is torn.
fn lines(text: &str) -> Option<impl Iterator<Item = &str>> {
    (text.is_empty() || text.ends_with('\n')).then(|| text.split_terminator('\n'))
}

/// A name as a cell.
fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}
