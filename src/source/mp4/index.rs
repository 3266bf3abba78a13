//! Where each sample of the video track lies and when it is shown: sample tables and edit lists.

use super::Descriptions;
use super::boxes::{Bytes, Fault, short, top_boxes};
use super::fragments::Fragments;
use super::parameters::Parameters;
use std::fs::File;

/// No recording has more pictures: two weeks at 30 a second.
pub(super) const MOST_SAMPLES: u64 = 1 << 25;

/// One coded picture in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) offset: u64,
    pub(super) size: u64,
    /// Composition time, in units of the track's timescale.
    pub(super) shown: i64,
    /// Index into [`Index::parameters`].
    pub(super) parameters: usize,
}

/// The video track.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) samples: Vec<Sample>,
    pub(super) parameters: Vec<Parameters>,
    pub(super) track: Track,
}

/// What samples and fragments of the video track have in common.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) id: u32,
    timescale: u32,
    /// The composition time that the recording begins with, when an edit list says so.
    start: Option<i64>,
    /// Nothing is shown for so long at first, seconds.
    delay_s: f64,
    /// Position in the sample description to index into [`Index::parameters`].
    descriptions: Vec<Option<usize>>,
}

impl Index {
    /// Reads the index of a file of `length` bytes.
    pub(super) fn read(file: &mut File, length: u64) -> Result<Self, Fault> {
        let mut is_mp4 = false;
        let mut movie: Option<Self> = None;
        let mut defaults = Fragments::default();
        top_boxes(file, length, |found| {
            match (&found.kind, &mut movie) {
                (b"ftyp", _) => is_mp4 = true,
                (b"moov", None) => {
                    let moov = Bytes(&found.content);
                    let index = Self::from_movie(moov, length)?;
                    defaults = Fragments::from_movie(moov, index.track.id);
                    movie = Some(index);
                }
                (b"moof", Some(index)) => defaults.append(Bytes(&found.content), found.start, index, length)?,
                _ => {}
            }
            Ok(())
        })?;
        let mut index = match movie {
            Some(index) => index,
            None if is_mp4 => {
                return Err(Fault::Damaged("has no index (moov): the recording was not finished".to_owned()));
            }
            None => return Err(Fault::Damaged("is not an .mp4 file".to_owned())),
        };
        if index.samples.is_empty() {
            return Err(Fault::Damaged("holds no pictures".to_owned()));
        }
        if index.track.start.is_none() {
            index.track.start = index.samples.iter().map(|sample| sample.shown).min();
        }
        Ok(index)
    }

    /// When the sample is shown, in units of 1/90000 s from the start of the recording. Negative before an edit's start.
    pub(super) fn presentation(&self, sample: &Sample) -> i64 {
        let since = i128::from(sample.shown) - i128::from(self.track.start.unwrap_or(0));
        let ticks = since * 90_000 / i128::from(self.track.timescale.max(1));
        let delay = (self.track.delay_s * 90_000.0) as i64;
        i64::try_from(ticks).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX }).saturating_add(delay)
    }

    fn from_movie(moov: Bytes<'_>, length: u64) -> Result<Self, Fault> {
        let movie_timescale = moov.find(b"mvhd").and_then(timescale).unwrap_or(1);
        let mut refused = Vec::new();
        for trak in moov.all(b"trak") {
            let is_video = trak.find_path(&[b"mdia", b"hdlr"]).is_some_and(|hdlr| hdlr.0.get(8..12) == Some(b"vide"));
            if !is_video {
                continue;
            }
            let table = trak.find_path(&[b"mdia", b"minf", b"stbl"]).ok_or_else(|| short("video track"))?;
            let described = descriptions(table.find(b"stsd").ok_or_else(|| short("video track"))?, &mut refused);
            if described.iter().all(Option::is_none) {
                continue;
            }
            let mut parameters = Vec::new();
            let descriptions = described
                .into_iter()
                .map(|description| {
                    description.map(|description| {
                        parameters.push(description);
                        parameters.len() - 1
                    })
                })
                .collect();
            let (start, delay_s) =
                trak.find_path(&[b"edts", b"elst"]).map_or((None, 0.0), |list| edits(list, movie_timescale));
            let id = track_id(trak).ok_or_else(|| short("video track"))?;
            let timescale =
                trak.find_path(&[b"mdia", b"mdhd"]).and_then(timescale).ok_or_else(|| short("video track"))?;
            let track = Track { id, timescale, start, delay_s, descriptions };
            let samples = table_samples(table, &track, length)?;
            return Ok(Self { samples, parameters, track });
        }
        Err(Fault::Damaged(if refused.is_empty() {
            "has no video track".to_owned()
        } else {
            format!("holds video as {}", refused.join(", "))
        }))
    }
}

impl Track {
    /// Where the parameters of a sample description (counted from 1) are.
    pub(super) fn parameters(&self, description: u32) -> Result<usize, Fault> {
        let index = usize::try_from(description).ok().and_then(|number| number.checked_sub(1));
        let found = index.and_then(|index| self.descriptions.get(index).copied().flatten());
        found.ok_or_else(|| Fault::Damaged(format!("names a sample description {description} that it does not have")))
    }
}

fn track_id(trak: Bytes<'_>) -> Option<u32> {
    let mut header = trak.find(b"tkhd")?;
    let (version, _) = header.version_and_flags()?;
    header.sized(version)?;
    header.sized(version)?;
    header.u32()
}

/// Of an `mvhd` or `mdhd` box; none when it is 0.
fn timescale(mut header: Bytes<'_>) -> Option<u32> {
    let (version, _) = header.version_and_flags()?;
    header.sized(version)?;
    header.sized(version)?;
    header.u32().filter(|scale| *scale > 0)
}

/// What each sample description says; `None` for codecs that are not decoded here, whose names go to `refused`.
fn descriptions(mut stsd: Bytes<'_>, refused: &mut Vec<String>) -> Descriptions {
    // Version, flags and count; then a visual sample entry has 78 bytes before the boxes inside.
    if stsd.skip(8).is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    while let Some((kind, mut entry)) = stsd.next_box() {
        let inside = entry.skip(78).map(|()| entry);
        let parameters = match &kind {
            b"avc1" | b"avc3" => inside.and_then(|inside| inside.find(b"avcC")).and_then(Parameters::from_avcc),
            b"hvc1" | b"hev1" => inside.and_then(|inside| inside.find(b"hvcC")).and_then(Parameters::from_hvcc),
            _ => None,
        };
        if parameters.is_none() {
            refused.push(kind.escape_ascii().to_string());
        }
        found.push(parameters);
    }
    found
}

/// Where an edit list begins in the media, and how long it shows nothing at first, seconds.
///
/// Only what players agree on is followed: empty edits at the front, and the start of the first real one.
fn edits(mut elst: Bytes<'_>, movie_timescale: u32) -> (Option<i64>, f64) {
    let mut delay = 0.0;
    let mut read = || {
        let (version, _) = elst.version_and_flags()?;
        for _ in 0..elst.u32()? {
            let duration = elst.sized(version)?;
            let start = if version == 1 { elst.u64()?.cast_signed() } else { i64::from(elst.i32()?) };
            elst.skip(4)?;
            if start >= 0 {
                return Some(start);
            }
            delay += duration as f64 / f64::from(movie_timescale);
        }
        None
    };
    let start = read();
    // A recording that shows nothing for a year is a damaged one.
    (start, if delay < 366.0 * 86_400.0 { delay } else { 0.0 })
}

/// Runs of equal values: entries of `stts` and `ctts`.
struct Runs<'a> {
    entries: Bytes<'a>,
    left: u32,
    value: i64,
}

impl<'a> Runs<'a> {
    fn new(table: Option<Bytes<'a>>) -> Self {
        let mut entries = table.unwrap_or(Bytes(&[]));
        // Version, flags and count: the table ends where its bytes end.
        if entries.skip(8).is_none() {
            entries = Bytes(&[]);
        }
        Self { entries, left: 0, value: 0 }
    }

    /// The value for the next sample; the last one goes on for ever. `signed` tells how to read it.
    fn next(&mut self, signed: bool) -> i64 {
        while self.left == 0 {
            let (Some(count), Some(value)) = (self.entries.u32(), self.entries.u32()) else { return self.value };
            self.left = count;
            self.value = if signed { i64::from(value.cast_signed()) } else { i64::from(value) };
        }
        self.left -= 1;
        self.value
    }
}

/// The samples of the sample tables. Empty for a file in fragments.
fn table_samples(table: Bytes<'_>, track: &Track, length: u64) -> Result<Vec<Sample>, Fault> {
    let sizes = table.find(b"stsz").ok_or_else(|| short("table of sizes"))?;
    let mut sizes = Sizes::new(sizes, length).ok_or_else(|| short("table of sizes"))?;
    let mut durations = Runs::new(table.find(b"stts"));
    let mut offsets = Runs::new(table.find(b"ctts"));
    let mut chunks = Chunks::new(table).ok_or_else(|| short("table of chunks"))?;
    let mut samples = Vec::new();
    let mut decoded = 0i64;
    while sizes.left > 0 {
        let Some(chunk) = chunks.next() else { return Err(short("table of chunks")) };
        let parameters = track.parameters(chunk.description)?;
        let mut offset = chunk.offset;
        for _ in 0..chunk.samples.min(sizes.left) {
            let size = sizes.next().ok_or_else(|| short("table of sizes"))?;
            // Version 0 says unsigned, and yet many writers mean signed.
            let shown = decoded.saturating_add(offsets.next(true));
            samples.push(Sample { offset, size, shown, parameters });
            offset = offset.saturating_add(size);
            decoded = decoded.saturating_add(durations.next(false));
        }
    }
    Ok(samples)
}

/// The table of sizes.
struct Sizes<'a> {
    each: u64,
    table: Bytes<'a>,
    left: u32,
}

impl<'a> Sizes<'a> {
    /// `None` when the table holds less than it says, or more than the file can.
    fn new(mut stsz: Bytes<'a>, length: u64) -> Option<Self> {
        stsz.skip(4)?;
        let each = u64::from(stsz.u32()?);
        let left = stsz.u32()?;
        let fits = if each == 0 {
            stsz.0.len() as u64 >= u64::from(left) * 4
        } else {
            each.checked_mul(u64::from(left)).is_some_and(|all| all <= length)
        };
        (fits && u64::from(left) <= MOST_SAMPLES).then_some(Self { each, table: stsz, left })
    }

    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        if self.each == 0 { self.table.u32().map(u64::from) } else { Some(self.each) }
    }
}

/// One chunk: samples that lie one behind the other.
struct Chunk {
    offset: u64,
    samples: u32,
    description: u32,
}

/// The tables of chunks.
struct Chunks<'a> {
    offsets: Bytes<'a>,
    wide: bool,
    runs: Bytes<'a>,
    number: u32,
    samples: u32,
    description: u32,
    next_run: Option<u32>,
}

impl<'a> Chunks<'a> {
    fn new(table: Bytes<'a>) -> Option<Self> {
        let wide = table.find(b"stco").is_none();
        let mut offsets = table.find(b"stco").or_else(|| table.find(b"co64"))?;
        offsets.skip(8)?;
        let mut runs = table.find(b"stsc")?;
        runs.skip(8)?;
        let next_run = runs.u32();
        Some(Self { offsets, wide, runs, number: 0, samples: 0, description: 0, next_run })
    }

    fn next(&mut self) -> Option<Chunk> {
        let offset = if self.wide { self.offsets.u64()? } else { u64::from(self.offsets.u32()?) };
        self.number += 1;
        while self.next_run.is_some_and(|first| first <= self.number) {
            self.samples = self.runs.u32()?;
            self.description = self.runs.u32()?;
            self.next_run = self.runs.u32();
        }
        Some(Chunk { offset, samples: self.samples, description: self.description })
    }
}
