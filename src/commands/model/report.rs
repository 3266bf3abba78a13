//! What `arenad model verify` says: the table, the same as JSON, and what is not allowed.

use super::pictures::Origin;
use arenad::model::Precision;
use serde_json::{Value, json};

/// How far one output of one file lies from FP32's.
#[derive(Clone, Debug, Default)]
pub(super) struct Difference {
    largest: f64,
    sum: f64,
    count: u64,
}

impl Difference {
    /// Adds one picture. A value that is no number makes the difference endless.
    pub(super) fn add(&mut self, got: &[f32], fp32: &[f32]) {
        for (got, fp32) in got.iter().zip(fp32) {
            let away = f64::from((got - fp32).abs());
            let away = if away.is_nan() { f64::INFINITY } else { away };
            self.largest = self.largest.max(away);
            self.sum += away;
            self.count += 1;
        }
    }

    fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

/// How well one file does against the truth. `None`: nothing to measure it by.
#[derive(Clone, Debug, Default)]
pub(super) struct Scores {
    pub(super) oks_map: Option<f64>,
    pub(super) identity_accuracy: Option<f64>,
    pub(super) rmse_px: Option<f64>,
    pub(super) found_rmse_px: Option<f64>,
    /// By keypoint.
    pub(super) keypoint_rmse_px: Vec<Option<f64>>,
    pub(super) keypoint_recall: Option<f64>,
    pub(super) animal_recall: Option<f64>,
}

/// Reads one figure of a file's scores; `None` where it was not measured.
type Figure = fn(&Scores) -> Option<f64>;

/// The figures whose loss is bounded.
const BOUNDED: [(&str, Figure); 2] =
    [("OKS mAP", |scores| scores.oks_map), ("identity accuracy", |scores| scores.identity_accuracy)];
/// Those that are only told.
const TOLD: [(&str, Figure); 4] = [
    ("RMSE px", |scores| scores.rmse_px),
    ("RMSE px within 15 px", |scores| scores.found_rmse_px),
    ("keypoint recall", |scores| scores.keypoint_recall),
    ("animal recall", |scores| scores.animal_recall),
];

/// One file.
pub(super) struct Row {
    pub(super) precision: Precision,
    pub(super) file: String,
    /// Relative loss that it may have.
    pub(super) loss_max: f64,
    /// By output.
    pub(super) differences: Vec<Difference>,
    /// By origin.
    pub(super) scores: [Scores; 2],
}

/// Everything that was found; the first row is FP32.
pub(super) struct Report {
    pub(super) engine: &'static str,
    pub(super) golden: String,
    pub(super) heads: Vec<String>,
    pub(super) keypoints: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// The share of `fp32` that is lost; below 0 where more was found. `None` where there is nothing to lose.
fn loss(fp32: Option<f64>, got: Option<f64>) -> Option<f64> {
    let fp32 = fp32.filter(|fp32| *fp32 > 0.0)?;
    Some((fp32 - got.unwrap_or(0.0)) / fp32)
}

impl Report {
    fn fp32(&self, origin: Origin) -> Option<&Scores> {
        self.rows.first().map(|row| &row.scores[origin as usize])
    }

    /// What is not allowed, one sentence each.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for row in self.rows.iter().skip(1) {
            let Row { file, precision, loss_max, .. } = row;
            let mut measured = false;
            for origin in Origin::ALL {
                let Some(fp32) = self.fp32(origin) else { continue };
                for (figure, of) in BOUNDED {
                    let (before, after) = (of(fp32), of(&row.scores[origin as usize]));
                    let Some(lost) = loss(before, after) else { continue };
                    measured = true;
                    if lost > *loss_max {
                        complaints.push(format!(
                            "model {file}: {figure} on {} frames: {precision} has {:.4}, {:.2} % less than fp32 ({:.4}); allowed: \
                             {:.2} % (files.loss_max); calibrate it on more pictures, fine-tune it, or state another loss_max",
                            origin.word(),
                            after.unwrap_or(0.0),
                            100.0 * lost,
                            before.unwrap_or(0.0),
                            100.0 * loss_max,
                        ));
                    }
                }
            }
            if !measured {
                complaints.push(format!(
                    "model {file}: files.loss_max: fp32 finds nothing in these frames that is known, so no loss of {precision} can be \
                     measured; give labelled pictures of its keypoints with --labels"
                ));
            }
            for (head, difference) in self.heads.iter().zip(&row.differences) {
                if !difference.largest.is_finite() {
                    complaints
                        .push(format!("model {file}: output {head}: got a value that is no number; allowed: numbers"));
                }
            }
        }
        complaints
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut lines =
            vec![format!("golden picture: {}", self.golden), format!("engine: {}", self.engine), String::new()];
        let mut line = |head: &str, cells: &mut dyn Iterator<Item = String>| {
            let cells: String = cells.map(|cell| format!("{cell:>22}")).collect();
            lines.push(format!("{head:<34}{cells}").trim_end().to_owned());
        };
        line("", &mut self.rows.iter().map(|row| row.precision.to_string()));
        for origin in Origin::ALL {
            for (figure, of) in BOUNDED {
                let Some(fp32) = self.fp32(origin).and_then(of) else { continue };
                let cell = |row: &Row| {
                    let got = of(&row.scores[origin as usize]);
                    let lost = loss(Some(fp32), got).filter(|_| row.precision != Precision::Fp32);
                    let lost = lost.map_or(String::new(), |lost| format!(" (loss {:.2} %)", 100.0 * lost));
                    format!("{:.4}{lost}", got.unwrap_or(0.0))
                };
                line(&format!("{figure}, {}", origin.word()), &mut self.rows.iter().map(cell));
            }
            for (figure, of) in TOLD {
                self.fp32(origin).and_then(of).inspect(|_| {
                    let cell =
                        |row: &Row| of(&row.scores[origin as usize]).map_or("-".to_owned(), |v| format!("{v:.4}"));
                    line(&format!("{figure}, {}", origin.word()), &mut self.rows.iter().map(cell));
                });
            }
            for (k, keypoint) in self.keypoints.iter().enumerate() {
                let of = |row: &Row| row.scores[origin as usize].keypoint_rmse_px.get(k).copied().flatten();
                let cell = |row: &Row| of(row).map_or("-".to_owned(), |v| format!("{v:.2}"));
                if self.rows.first().and_then(of).is_some() {
                    line(&format!("RMSE px of {keypoint}, {}", origin.word()), &mut self.rows.iter().map(cell));
                }
            }
        }
        for (index, head) in self.heads.iter().enumerate().filter(|_| self.rows.len() > 1) {
            let cell = |row: &Row| match (row.precision, row.differences.get(index)) {
                (Precision::Fp32, _) | (_, None) => "-".to_owned(),
                (_, Some(difference)) => format!("{:.4} / {:.5}", difference.largest, difference.mean()),
            };
            line(&format!("{head}: largest / mean difference"), &mut self.rows.iter().map(cell));
        }
        line(
            "loss allowed",
            &mut self.rows.iter().map(|row| match row.precision {
                Precision::Fp32 => "-".to_owned(),
                _ => format!("{:.2} %", 100.0 * row.loss_max),
            }),
        );
        lines.join("\n")
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let file = |row: &Row| {
            let scores = |origin: Origin| {
                let scores = &row.scores[origin as usize];
                let lost = |of: Figure| loss(self.fp32(origin).and_then(of), of(scores));
                json!({
                    "oks_map": scores.oks_map, "oks_map_loss": lost(BOUNDED[0].1),
                    "identity_accuracy": scores.identity_accuracy, "identity_accuracy_loss": lost(BOUNDED[1].1),
                    "rmse_px": scores.rmse_px, "found_rmse_px": scores.found_rmse_px,
                    "keypoint_rmse_px": scores.keypoint_rmse_px, "keypoint_recall": scores.keypoint_recall,
                    "animal_recall": scores.animal_recall,
                })
            };
            let differences = self.heads.iter().zip(&row.differences);
            let differences: serde_json::Map<_, _> = differences
                .map(|(head, one)| (head.clone(), json!({"largest": one.largest, "mean": one.mean()})))
                .collect();
            json!({
                "precision": row.precision.word(), "file": row.file, "loss_max": row.loss_max, "differences": differences,
                "rendered": scores(Origin::Rendered), "labelled": scores(Origin::Labelled),
            })
        };
        json!({
            "engine": self.engine, "golden": self.golden, "files": self.rows.iter().map(file).collect::<Vec<_>>(),
            "complaints": self.complaints(),
        })
    }
}
