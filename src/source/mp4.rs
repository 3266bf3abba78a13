//! `.mp4` recordings: the first video track's samples, in decoding order, as Annex B with their composition times.
//!
//! An own reader, because the pictures of a night may come from anywhere: the reader crates at hand index tables by numbers
//! in the file and allocate by counts in it, so a damaged file ends the process.

mod boxes;
mod fragments;
mod index;
mod parameters;

use super::annexb;
use super::error::SourceError;
use super::file::{LARGEST_UNIT, Unit, unreadable, wrong};
use boxes::Fault;
use index::{Index, Sample};
use parameters::Parameters;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const ALLOWED: &str = "whole .mp4 files with an H.264 or H.265 video track";

/// A recording whose index is read.
pub(super) struct Mp4 {
    path: PathBuf,
    file: File,
    length: u64,
    index: Index,
    next: usize,
}

impl Mp4 {
    pub(super) fn open(path: &Path, length: u64) -> Result<Self, SourceError> {
        let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let index = Index::read(&mut file, length).map_err(|fault| told(path, fault))?;
        Ok(Self { path: path.to_owned(), file, length, index, next: 0 })
    }

    pub(super) fn len(&self) -> u64 {
        self.index.samples.len() as u64
    }

    pub(super) fn next(&mut self) -> Option<Result<Unit, SourceError>> {
        let sample = *self.index.samples.get(self.next)?;
        self.next += 1;
        Some(self.unit(sample).map_err(|fault| told(&self.path, fault)))
    }

    fn unit(&mut self, sample: Sample) -> Result<Unit, Fault> {
        let number = self.next;
        if sample.offset.checked_add(sample.size).is_none_or(|end| end > self.length) {
            let all = self.index.samples.len();
            return Err(Fault::Damaged(format!("is cut off: picture {number} of {all} lies behind its end")));
        }
        if sample.size > LARGEST_UNIT {
            return Err(Fault::Damaged(format!("says that picture {number} has {} bytes", sample.size)));
        }
        let mut coded = vec![0; usize::try_from(sample.size).unwrap_or(0)];
        self.file.seek(SeekFrom::Start(sample.offset)).map_err(Fault::Read)?;
        self.file.read_exact(&mut coded).map_err(Fault::Read)?;
        let parameters = &self.index.parameters[sample.parameters];
        let data = parameters.annex_b(&coded);
        let codec = parameters.codec;
        let key = annexb::is_key(codec, &data);
        let data = if key && !annexb::has_parameter_sets(codec, &data) {
            [parameters.sets.as_slice(), &data].concat()
        } else {
            data
        };
        Ok(Unit { data: data.into(), codec, key, presentation: self.index.presentation(&sample) })
    }
}

fn told(path: &Path, fault: Fault) -> SourceError {
    match fault {
        Fault::Read(error) => unreadable(path, &error),
        Fault::Damaged(got) => wrong(path, &got, ALLOWED),
    }
}

/// What a box's samples are coded with, by position in the sample description.
type Descriptions = Vec<Option<Parameters>>;
