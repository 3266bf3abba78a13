//! The CSV files of an export: written under other names, and given their own when all is done.

use super::{ExportError, PosesCsv, SCORER, write_error};
use crate::handover::Keypoint;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// One CSV for each run, since every run counts its frames anew: `poses.csv`, `poses-2.csv`, …
pub(super) struct Pieces<'a> {
    out: &'a Path,
    force: bool,
    keypoints: &'a [String],
    identities: &'a [String],
    open: Option<PosesCsv<BufWriter<File>>>,
    next: Option<u64>,
    /// Where each piece is written and where it goes. Those still here when this is dropped are removed.
    parts: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(
        out: &'a Path,
        force: bool,
        keypoints: &'a [String],
        identities: &'a [String],
    ) -> Result<Self, ExportError> {
        let mut pieces = Self { out, force, keypoints, identities, open: None, next: None, parts: Vec::new() };
        pieces.begin()?;
        Ok(pieces)
    }

    /// The frame number that the next row should have; `None` when the piece is empty.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    /// How many identities have columns.
    pub(super) fn identities(&self) -> usize {
        self.identities.len()
    }

    /// Ends the piece and begins the next, unless it is empty.
    pub(super) fn begin(&mut self) -> Result<(), ExportError> {
        if self.open.is_some() && self.next.is_none() {
            return Ok(());
        }
        self.end()?;
        let path = piece(self.out, self.parts.len() + 1);
        if !self.force && path.exists() {
            return Err(ExportError::Exists { path });
        }
        let part = part(&path);
        let file = File::create(&part).map_err(write_error(&part))?;
        self.parts.push((part, path));
        let csv = PosesCsv::new(BufWriter::with_capacity(1 << 16, file), SCORER, self.keypoints, self.identities);
        self.open = Some(csv.map_err(write_error(self.out))?);
        self.next = None;
        Ok(())
    }

    /// Writes one row, see [`PosesCsv::write_points`].
    pub(super) fn write(&mut self, frame: u64, points: &[Option<Keypoint>]) -> Result<(), ExportError> {
        if let Some(csv) = &mut self.open {
            csv.write_points(frame, points).map_err(write_error(self.out))?;
            self.next = Some(frame.saturating_add(1));
        }
        Ok(())
    }

    /// Gives every piece its name.
    pub(super) fn commit(mut self) -> Result<Vec<PathBuf>, ExportError> {
        self.end()?;
        let mut named = Vec::with_capacity(self.parts.len());
        while !self.parts.is_empty() {
            let (part, path) = &self.parts[0];
            fs::rename(part, path).map_err(write_error(path))?;
            named.push(self.parts.remove(0).1);
        }
        Ok(named)
    }

    fn end(&mut self) -> Result<(), ExportError> {
        let Some(csv) = self.open.take() else { return Ok(()) };
        let to_disk = |csv: PosesCsv<BufWriter<File>>| csv.finish()?.into_inner()?.sync_all();
        to_disk(csv).map_err(|error: io::Error| write_error(self.out)(error))
    }
}

impl Drop for Pieces<'_> {
    fn drop(&mut self) {
        for (part, _) in &self.parts {
            // What cannot be removed is left: the failure that brought us here is told already.
            let _ = fs::remove_file(part);
        }
    }
}

fn piece(out: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return out.to_owned();
    }
    let mut name = out.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = out.extension() {
        name.push(".");
        name.push(extension);
    }
    out.with_file_name(name)
}

fn part(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".part");
    path.with_file_name(name)
}
