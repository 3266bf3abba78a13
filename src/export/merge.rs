//! From many rolling files to DeepLabCut's layout, one run after the other.

use super::found::rolling_files;
use super::pieces::Pieces;
use super::rolling::{About, Columns, Damage, Rolling, Row, Sight, Stop};
use super::{ExportError, read_error};
use crate::handover::Keypoint;
use std::path::{Path, PathBuf};

/// A hole longer than this is not filled with empty rows: a new CSV begins after it. At 30 frames/s it is nine hours.
const LONGEST_HOLE: u64 = 1_000_000;

/// What was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The CSV files, one for each run of the daemon, in the order of time.
    pub outputs: Vec<PathBuf>,
    /// Rolling files read.
    pub files: usize,
    /// Frames that became rows of a scene.
    pub frames: u64,
    /// Empty rows for frames that the files tell as missing.
    pub missing: u64,
    /// Empty rows for frames of which the files tell nothing: a file is damaged or not there.
    pub unrecorded: u64,
    /// Seen animals that were left out since their name is withheld.
    pub unnamed: u64,
    /// Streams that end in the middle of a batch: still being written, or their daemon died.
    pub unfinished: usize,
    /// Files that could not be read, or not to their end.
    pub damaged: Vec<Damage>,
}

/// Writes the poses of rolling files as DeepLabCut's multi-animal CSV (see [`PosesCsv`](super::PosesCsv)) to `out`.
///
/// `inputs` are files or folders, such as `<data>/<arena>`; they are read in the order of their time, a few thousand rows at once. Every run
/// of the daemon counts its frames anew, so each has a CSV of its own: `poses.csv`, `poses-2.csv`, …; a hole of more than a million
/// frames begins a new one too. `out` appears when all is written; what stands there is replaced only with `force`. `progress` is
/// told the bytes done and the bytes in all.
///
/// A damaged file is told in [`Summary::damaged`] and does not keep the others from being exported.
///
/// # Errors
/// [`ExportError`]; then nothing was written.
pub fn dlc_csv(
    inputs: &[PathBuf],
    out: &Path,
    force: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Summary, ExportError> {
    let files = rolling_files(inputs)?;
    let Survey { about, first, total } = survey(&files)?;
    if about.identities.is_empty() {
        return Err(ExportError::NoIdentities { path: first });
    }
    let pieces = Pieces::new(out, force, &about.keypoints, &about.identities)?;
    let points = vec![None; about.keypoints.len() * about.identities.len()];
    let mut merge = Merge { pieces, run: about.run.clone(), open: None, points, summary: Summary::default() };
    let mut done = 0;
    for path in &files {
        let size = path.metadata().map_or(0, |metadata| metadata.len());
        merge.file(path, &mut |share| progress(done + (size as f64 * share) as u64, total))?;
        done += size;
        progress(done, total);
    }
    merge.write_open()?;
    let Merge { pieces, mut summary, .. } = merge;
    summary.outputs = pieces.commit()?;
    Ok(summary)
}

/// What all files have in common.
struct Survey {
    about: About,
    /// The file that says so.
    first: PathBuf,
    /// Bytes of all files.
    total: u64,
}

/// Opens every file once, so that files which do not belong together are told before anything is written.
fn survey(files: &[PathBuf]) -> Result<Survey, ExportError> {
    let (mut common, mut damaged, mut total) = (None, None, 0);
    for path in files {
        total += path.metadata().map_err(read_error(path))?.len();
        let opened = match Rolling::open(path) {
            Ok(opened) => opened,
            Err(stop) => {
                damaged.get_or_insert_with(|| damage(path, &stop, None));
                continue;
            }
        };
        let (about, first) = common.get_or_insert_with(|| (opened.about().clone(), path.clone()));
        must_agree(about, first, opened.about(), path)?;
    }
    match (common, damaged) {
        (Some((about, first)), _) => Ok(Survey { about, first, total }),
        (None, Some(damage)) => Err(ExportError::AllDamaged(damage)),
        (None, None) => Err(ExportError::Nothing { path: PathBuf::new() }),
    }
}

fn must_agree(expected: &About, before: &Path, got: &About, path: &Path) -> Result<(), ExportError> {
    let pairs = [
        ("arena", got.arena.clone(), expected.arena.clone()),
        ("model", got.model.clone(), expected.model.clone()),
        ("list of keypoints", got.keypoints.join(" "), expected.keypoints.join(" ")),
        ("list of identities", got.identities.join(" "), expected.identities.join(" ")),
    ];
    match pairs.into_iter().find(|(_, got, expected)| got != expected) {
        None => Ok(()),
        Some((what, got, expected)) => {
            Err(ExportError::Different { path: path.to_owned(), before: before.to_owned(), what, got, expected })
        }
    }
}

fn damage(path: &Path, stop: &Stop, read_to: Option<u64>) -> Damage {
    let what = match stop {
        Stop::Unfinished => "ends before its first batch".to_owned(),
        Stop::Damaged(what) => what.clone(),
    };
    Damage { path: path.to_owned(), what, read_to }
}

struct Merge<'a> {
    pieces: Pieces<'a>,
    run: String,
    /// The frame whose rows are being gathered: they may straddle batches.
    open: Option<u64>,
    points: Vec<Option<Keypoint>>,
    summary: Summary,
}

impl Merge<'_> {
    /// Takes over one file; what is wrong with it is noted. `share` is told how much of it is done, 0 to 1.
    fn file(&mut self, path: &Path, share: &mut dyn FnMut(f64)) -> Result<(), ExportError> {
        let mut file = match Rolling::open(path) {
            Ok(file) => file,
            Err(stop) => {
                self.note(path, &stop, None);
                return Ok(());
            }
        };
        self.summary.files += 1;
        if file.about().run != self.run {
            self.write_open()?;
            self.pieces.begin()?;
            self.run.clone_from(&file.about().run);
        }
        let (mut read, mut read_to, mut out_of_order) = (0_u64, None, None);
        while let Some(columns) = file.next() {
            let columns = match columns {
                Ok(columns) => columns,
                Err(stop) => {
                    self.note(path, &stop, read_to);
                    break;
                }
            };
            for (index, row) in columns.rows() {
                match self.row(&columns, index, row)? {
                    Placed::Yes(frame) => read_to = Some(frame),
                    Placed::OutOfOrder { frame, next } => out_of_order = out_of_order.or(Some((frame, next))),
                }
                read += 1;
            }
            if let Some(rows) = file.rows() {
                share(read as f64 / rows.max(1) as f64);
            }
        }
        if let Some((frame, next)) = out_of_order {
            let what = format!("frame {frame} stands after frame {}; rows out of order were left out", next - 1);
            self.note(path, &Stop::Damaged(what), read_to);
        }
        Ok(())
    }

    fn note(&mut self, path: &Path, stop: &Stop, read_to: Option<u64>) {
        match stop {
            Stop::Unfinished => self.summary.unfinished += 1,
            Stop::Damaged(_) => self.summary.damaged.push(damage(path, stop, read_to)),
        }
    }

    fn row(&mut self, columns: &Columns, index: usize, row: Row) -> Result<Placed, ExportError> {
        match row {
            Row::Gap { first, last } => {
                self.write_open()?;
                self.gap(first, last)?;
                Ok(Placed::Yes(last))
            }
            Row::Animal { frame, sight } => {
                if self.open != Some(frame) {
                    self.write_open()?;
                    if let Some(next) = self.pieces.next().filter(|next| frame < *next) {
                        return Ok(Placed::OutOfOrder { frame, next });
                    }
                    self.open = Some(frame);
                }
                match sight {
                    Sight::Seen(identity) => {
                        let keypoints = columns.points(index);
                        let first = identity * (self.points.len() / self.pieces.identities().max(1));
                        for (cell, keypoint) in self.points.iter_mut().skip(first).zip(keypoints) {
                            *cell = keypoint;
                        }
                    }
                    Sight::Unnamed => self.summary.unnamed += 1,
                    Sight::Unseen => {}
                }
                Ok(Placed::Yes(frame))
            }
        }
    }

    /// Writes the frame whose rows were gathered.
    fn write_open(&mut self) -> Result<(), ExportError> {
        let Some(frame) = self.open.take() else { return Ok(()) };
        self.leap(frame)?;
        self.pieces.write(frame, &self.points)?;
        self.points.fill(None);
        self.summary.frames += 1;
        Ok(())
    }

    /// Writes empty rows. Of a gap that lies partly behind, only what lies ahead: the files may tell several gaps as one.
    fn gap(&mut self, first: u64, last: u64) -> Result<(), ExportError> {
        let first = first.max(self.pieces.next().unwrap_or(0));
        if first > last {
            return Ok(());
        }
        if last - first >= LONGEST_HOLE {
            return self.pieces.begin();
        }
        self.leap(first)?;
        for frame in first..=last {
            self.pieces.write(frame, &[])?;
            self.summary.missing += 1;
        }
        Ok(())
    }

    /// Frames before `frame` that nothing tells of become empty rows, or end the piece when they are too many.
    fn leap(&mut self, frame: u64) -> Result<(), ExportError> {
        match self.pieces.next().map_or(0, |next| frame.saturating_sub(next)) {
            hole if hole > LONGEST_HOLE => self.pieces.begin(),
            hole => {
                self.summary.unrecorded += hole;
                Ok(())
            }
        }
    }
}

/// Whether a row found its place.
enum Placed {
    /// Yes; the last frame that it speaks of.
    Yes(u64),
    /// Its frame is behind the one that should come.
    OutOfOrder { frame: u64, next: u64 },
}
