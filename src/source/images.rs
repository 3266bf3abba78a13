//! Folders of pictures in name order, and single pictures.

use super::error::SourceError;
use super::file::{LARGEST_UNIT, UNTIMED_STEP, Unit, unreadable, wrong};
use crate::handover::Codec;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The pictures, each read when its turn comes.
pub(super) struct Images {
    paths: Vec<PathBuf>,
    next: usize,
}

impl Images {
    /// The `.png`, `.jpg` and `.jpeg` files of a folder, hidden ones left out, in the order of the bytes of their names.
    pub(super) fn folder(folder: &Path) -> Result<Self, SourceError> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
            let path = entry.map_err(|error| unreadable(folder, &error))?.path();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && has_picture_ending(&path) && path.is_file() {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            return Err(wrong(folder, "holds no pictures", "files that end in .png, .jpg or .jpeg"));
        }
        paths.sort();
        Ok(Self { paths, next: 0 })
    }

    pub(super) fn single(path: &Path) -> Self {
        Self { paths: vec![path.to_owned()], next: 0 }
    }

    pub(super) fn len(&self) -> u64 {
        self.paths.len() as u64
    }

    pub(super) fn next(&mut self) -> Option<Result<Unit, SourceError>> {
        let path = self.paths.get(self.next)?;
        let presentation = self.next as i64 * UNTIMED_STEP;
        self.next += 1;
        Some(read(path).map(|(data, codec)| Unit { data: data.into(), codec, key: true, presentation }))
    }
}

fn has_picture_ending(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    matches!(ending.as_str(), "png" | "jpg" | "jpeg")
}

/// The whole file, and its codec by what it holds: endings lie.
fn read(path: &Path) -> Result<(Vec<u8>, Codec), SourceError> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut data = Vec::new();
    file.take(LARGEST_UNIT + 1).read_to_end(&mut data).map_err(|error| unreadable(path, &error))?;
    if data.len() as u64 > LARGEST_UNIT {
        return Err(wrong(path, "is larger than 64 MiB", "PNG and JPEG pictures of at most 64 MiB"));
    }
    if data.starts_with(&[0xff, 0xd8, 0xff]) {
        Ok((data, Codec::Jpeg))
    } else if data.starts_with(b"\x89PNG\r\n\x1a\n") {
        Ok((data, Codec::Png))
    } else {
        let got = if data.is_empty() { "is empty" } else { "is neither a PNG nor a JPEG" };
        Err(wrong(path, got, "PNG and JPEG pictures"))
    }
}
