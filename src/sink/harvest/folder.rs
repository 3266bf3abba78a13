//! One folder of kept pictures with its two tables, whole at any moment.
//!
//! Every file is written beside its place and renamed. A picture's row stands in `harvest.csv` before the picture does and in the
//! labels after it; on removal it is the other way round. So a row with labels always has its picture, and what a crash left
//! over is exactly what `harvest.csv` lists and the labels do not.

use super::HarvestError;
use super::table::{LABELS, Layout, REASONS, Row, image_of, read_reasons, reasons};
use crate::sink::disk::Disk;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// A table larger than this is none of ours: 10,000 frames of 8 animals with 24 keypoints make less.
const TABLE_MAX_BYTES: u64 = 64 << 20;
/// How every PNG begins and ends.
const PNG_HEAD: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
const PNG_END: [u8; 12] = *b"\0\0\0\0IEND\xaeB`\x82";

/// A folder that this program may add to and take from.
pub(super) struct Folder {
    path: PathBuf,
    name: String,
    rows: Vec<Row>,
}

impl Folder {
    /// A folder that is not there yet.
    pub(super) fn new(root: &Path, name: String) -> Self {
        Self { path: root.join(&name), name, rows: Vec::new() }
    }

    /// Reads a folder and clears away what a crash left of a frame.
    ///
    /// # Errors
    /// Why the folder is somebody else's, and is therefore left alone.
    pub(super) fn read(disk: &dyn Disk, root: &Path, name: String, layout: &Layout) -> Result<Self, String> {
        let mut folder = Self::new(root, name);
        let names = folder.names().map_err(|error| error.to_string())?;
        if let Some(other) = names.iter().find(|name| is_foreign(name)) {
            return Err(format!("it holds {other}"));
        }
        let torn = |name: &&String| name.strip_suffix(".tmp").is_some_and(|name| name != "tmp" && is_ours(name));
        if names.iter().any(|name| name == REASONS) {
            folder.read_tables(disk, layout)?;
        } else if !names.iter().all(|name| torn(&name)) {
            return Err(format!("it holds files but no {REASONS}"));
        }
        for name in names.iter().filter(torn) {
            folder.remove_file(disk, name).map_err(|error| error.to_string())?;
        }
        Ok(folder)
    }

    fn read_tables(&mut self, disk: &dyn Disk, layout: &Layout) -> Result<(), String> {
        let text = self.text(REASONS).map_err(|error| format!("{REASONS}: {error}"))?;
        let listed = read_reasons(&text).ok_or_else(|| format!("{REASONS} is not as arenad writes it"))?;
        let labels = match self.text(LABELS) {
            // A crash in the middle of the first frame.
            Err(error) if error.kind() == ErrorKind::NotFound && listed.len() <= 1 => layout.labels(&self.name, &[]),
            text => text.map_err(|error| format!("{LABELS}: {error}"))?,
        };
        let cells = layout
            .read_labels(&self.name, &labels)
            .ok_or_else(|| format!("{LABELS} is not as arenad writes it for this model"))?;
        let mut by_image: BTreeMap<&str, &Row> = listed.iter().map(|row| (row.image.as_str(), row)).collect();
        for (image, cells) in cells {
            let row = by_image.remove(image).ok_or_else(|| format!("{LABELS} has {image}, unlike {REASONS}"))?;
            if let Some(bytes) = whole_png(&self.path.join(image)) {
                self.rows.push(Row { bytes, cells: cells.to_owned(), ..row.clone() });
            }
        }
        self.mend(disk, layout, &listed).map_err(|error| error.to_string())
    }

    /// Takes the pictures that lack labels, and the rows that lack pictures, off the disk.
    fn mend(&mut self, disk: &dyn Disk, layout: &Layout, listed: &[Row]) -> Result<(), HarvestError> {
        if listed.len() == self.rows.len() {
            return Ok(());
        }
        self.put_labels(disk, layout)?;
        let held: BTreeSet<_> = self.rows.iter().map(|row| row.image.as_str()).collect();
        for row in listed.iter().filter(|row| !held.contains(row.image.as_str())) {
            tracing::warn!("harvest: {}: {} was not whole and is dropped", self.path.display(), row.image);
            self.remove_file(disk, &row.image)?;
        }
        self.put_reasons(disk, &self.rows)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// A picture of this name is kept here.
    pub(super) fn holds(&self, image: &str) -> bool {
        self.rows.iter().any(|row| row.image == image)
    }

    /// The labels are as this program wrote them and nobody has put others beside them.
    ///
    /// # Errors
    /// The disk does not tell at present.
    pub(super) fn is_untouched(&self, layout: &Layout) -> Result<bool, HarvestError> {
        let names = match self.names() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(self.rows.is_empty()),
            Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(false),
            names => names.map_err(|source| HarvestError::Folder { folder: self.path.clone(), source })?,
        };
        if names.iter().any(|name| is_foreign(name)) {
            return Ok(false);
        }
        match self.text(LABELS) {
            Ok(text) => Ok(!self.rows.is_empty() && text == layout.labels(&self.name, &self.rows)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.rows.is_empty()),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::FileTooLarge) => Ok(false),
            Err(source) => Err(HarvestError::Folder { folder: self.path.clone(), source }),
        }
    }

    /// Keeps a picture.
    pub(super) fn add(&mut self, disk: &dyn Disk, layout: &Layout, row: Row, png: &[u8]) -> Result<(), HarvestError> {
        let failed = |source| HarvestError::Write { file: self.path.clone(), source };
        disk.make_folder(&self.path).map_err(failed)?;
        let picture = self.path.join(&row.image);
        self.rows.push(row);
        let added = self
            .put_reasons(disk, &self.rows)
            .and_then(|()| put(disk, &picture, png))
            .and_then(|()| self.put_labels(disk, layout));
        if added.is_err() {
            self.rows.pop();
            // Where this fails too, the next frame or the next start does it.
            let _ = disk.remove(&picture);
            let _ = self.put_reasons(disk, &self.rows);
        }
        added
    }

    /// Gives a picture up.
    pub(super) fn remove(&mut self, disk: &dyn Disk, layout: &Layout, image: &str) -> Result<(), HarvestError> {
        let Some(at) = self.rows.iter().position(|row| row.image == image) else { return Ok(()) };
        let row = self.rows.remove(at);
        if let Err(error) = self.put_labels(disk, layout) {
            self.rows.insert(at, row);
            return Err(error);
        }
        self.remove_file(disk, image)?;
        self.put_reasons(disk, &self.rows)
    }

    fn put_labels(&self, disk: &dyn Disk, layout: &Layout) -> Result<(), HarvestError> {
        if self.rows.is_empty() {
            return self.remove_file(disk, LABELS);
        }
        put(disk, &self.path.join(LABELS), layout.labels(&self.name, &self.rows).as_bytes())
    }

    /// Where nothing is left, the folder goes too.
    fn put_reasons(&self, disk: &dyn Disk, rows: &[Row]) -> Result<(), HarvestError> {
        if rows.is_empty() {
            self.remove_file(disk, REASONS)?;
            // Somebody else's files in it keep it.
            let _ = std::fs::remove_dir(&self.path);
            return Ok(());
        }
        put(disk, &self.path.join(REASONS), reasons(rows).as_bytes())
    }

    /// A file that is not there counts as removed.
    fn remove_file(&self, disk: &dyn Disk, name: &str) -> Result<(), HarvestError> {
        let file = self.path.join(name);
        match disk.remove(&file) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(HarvestError::Write { file, source }),
            _ => Ok(()),
        }
    }

    /// The names of everything in the folder.
    fn names(&self) -> std::io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.path)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn text(&self, name: &str) -> std::io::Result<String> {
        let mut text = String::new();
        let file = File::open(self.path.join(name))?;
        file.take(TABLE_MAX_BYTES + 1).read_to_string(&mut text)?;
        let whole = text.len() as u64 <= TABLE_MAX_BYTES;
        whole.then_some(text).ok_or_else(|| std::io::Error::from(ErrorKind::FileTooLarge))
    }
}

/// Labels that somebody else made: DeepLabCut's own form, or another scorer's.
fn is_foreign(name: &str) -> bool {
    name.starts_with("CollectedData") && name != LABELS && name.strip_suffix(".tmp") != Some(LABELS)
}

fn is_ours(name: &str) -> bool {
    let frame =
        name.strip_prefix("img").and_then(|name| name.strip_suffix(".png")).and_then(|frame| frame.parse().ok());
    name == LABELS || name == REASONS || frame.is_some_and(|frame| image_of(frame) == name)
}

/// The size of a picture that is there and not torn.
fn whole_png(file: &Path) -> Option<u64> {
    let mut file = File::open(file).ok()?;
    let (mut head, mut end) = ([0; PNG_HEAD.len()], [0; PNG_END.len()]);
    file.read_exact(&mut head).ok()?;
    file.seek(SeekFrom::End(-(PNG_END.len() as i64))).ok()?;
    file.read_exact(&mut end).ok()?;
    (head == PNG_HEAD && end == PNG_END).then(|| file.metadata().ok()).flatten().map(|about| about.len())
}

/// Writes a file whole or not at all.
fn put(disk: &dyn Disk, file: &Path, bytes: &[u8]) -> Result<(), HarvestError> {
    let mut name = file.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    // One that was left by an attempt that failed.
    let _ = disk.remove(&temporary);
    let written = disk.create(&temporary).and_then(|mut open| {
        open.write_all(bytes)?;
        open.sync()
    });
    written.and_then(|()| disk.replace(&temporary, file)).map_err(|source| {
        let _ = disk.remove(&temporary);
        HarvestError::Write { file: file.to_owned(), source }
    })
}
