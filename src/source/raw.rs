//! Raw H.264 and H.265 byte streams cut into access units, with a bounded amount of it in memory.

use super::annexb::{self, NalKind, START_CODE};
use super::error::SourceError;
use super::file::{LARGEST_UNIT, UNTIMED_STEP, Unit, unreadable, wrong};
use crate::handover::Codec;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes read at a time.
const CHUNK: u64 = 1 << 16;

/// A raw stream in a file.
pub(super) struct Raw {
    path: PathBuf,
    codec: Codec,
    cutter: Cutter<File>,
    index: i64,
}

impl Raw {
    pub(super) fn open(path: &Path, codec: Codec) -> Result<Self, SourceError> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let mut cutter = Cutter::new(file, codec);
        let first = cutter.peek_nal().map_err(|fault| fault.told(path))?.map(<[u8]>::to_vec);
        let (word, allowed) = match codec {
            Codec::H265 => ("is not an H.265 stream", "H.265 streams with start codes (Annex B)"),
            _ => ("is not an H.264 stream", "H.264 streams with start codes (Annex B)"),
        };
        if !first.is_some_and(|nal| may_start(codec, &nal)) {
            return Err(wrong(path, word, allowed));
        }
        Ok(Self { path: path.to_owned(), codec, cutter, index: 0 })
    }

    pub(super) fn next(&mut self) -> Option<Result<Unit, SourceError>> {
        let data = match self.cutter.next_unit() {
            Ok(data) => data?,
            Err(fault) => return Some(Err(fault.told(&self.path))),
        };
        let presentation = self.index * UNTIMED_STEP;
        self.index += 1;
        let key = annexb::is_key(self.codec, &data);
        Some(Ok(Unit { data: data.into(), codec: self.codec, key, presentation }))
    }
}

/// Whether a stream of this codec may begin with this NAL unit.
fn may_start(codec: Codec, nal: &[u8]) -> bool {
    match (codec, nal) {
        (_, [header, ..]) if header & 0x80 != 0 => false,
        (Codec::H264, [header, ..]) => matches!(header & 0x1f, 1..=9),
        (Codec::H265, [header, layer, ..]) => {
            matches!((header >> 1) & 0x3f, 0..=9 | 16..=21 | 32..=35 | 39) && layer & 0x07 != 0
        }
        _ => false,
    }
}

/// What ends a stream before its end.
#[derive(Debug)]
enum Fault {
    Read(std::io::Error),
    TooLarge,
}

impl Fault {
    fn told(&self, path: &Path) -> SourceError {
        match self {
            Self::Read(error) => unreadable(path, error),
            Self::TooLarge => wrong(path, "holds an access unit of more than 64 MiB", "access units of at most 64 MiB"),
        }
    }
}

/// Cuts whatever `R` yields.
struct Cutter<R> {
    from: R,
    codec: Codec,
    /// Bytes read; those before `at` are given out.
    buffer: Vec<u8>,
    /// Behind a start code, once one was found.
    at: usize,
    found_first: bool,
    /// Behind the last byte of the NAL unit at `at`, and behind the start code that follows it.
    head: Option<(usize, usize)>,
    at_end: bool,
    /// The newest parameter sets, for key pictures that come without: a decoder must be able to start at each.
    parameter_sets: Vec<u8>,
}

impl<R: Read> Cutter<R> {
    fn new(from: R, codec: Codec) -> Self {
        let (buffer, parameter_sets) = (Vec::new(), Vec::new());
        Self { from, codec, buffer, at: 0, found_first: false, head: None, at_end: false, parameter_sets }
    }

    /// The next NAL unit, which stays where it is; `None` at the end of the stream.
    fn peek_nal(&mut self) -> Result<Option<&[u8]>, Fault> {
        let mut scanned = self.at;
        while self.head.is_none() {
            match annexb::after_start_code(&self.buffer, scanned) {
                Some(behind) if !self.found_first => {
                    (self.at, scanned) = (behind, behind);
                    self.found_first = true;
                }
                Some(behind) => self.head = Some((behind - 3, behind)),
                None if self.at_end && (!self.found_first || self.at == self.buffer.len()) => return Ok(None),
                None if self.at_end => self.head = Some((self.buffer.len(), self.buffer.len())),
                None => {
                    scanned = self.read_more()?;
                }
            }
        }
        let end = self.head.map_or(self.at, |(end, _)| end);
        Ok(Some(without_trailing_zeros(&self.buffer[self.at..end])))
    }

    /// Forgets what is given out and reads a chunk. Returns where to go on looking for a start code.
    fn read_more(&mut self) -> Result<usize, Fault> {
        self.buffer.drain(..self.at);
        self.at = 0;
        // A start code may lie across the end of what was there.
        let scanned = self.buffer.len().saturating_sub(2);
        if self.buffer.len() as u64 > LARGEST_UNIT {
            return Err(Fault::TooLarge);
        }
        let read = Read::by_ref(&mut self.from).take(CHUNK).read_to_end(&mut self.buffer);
        self.at_end = read.map_err(Fault::Read)? == 0;
        Ok(scanned)
    }

    fn drop_nal(&mut self) {
        if let Some((_, behind)) = self.head.take() {
            self.at = behind;
        }
    }

    /// The next access unit with start codes of four bytes; `None` at the end of the stream.
    fn next_unit(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let codec = self.codec;
        let mut unit = Vec::new();
        let mut sets = Vec::new();
        let (mut has_slice, mut is_key) = (false, false);
        while let Some(nal) = self.peek_nal()? {
            if let Some(kind) = annexb::kind(codec, nal) {
                if has_slice && starts_unit(codec, kind, nal) {
                    break;
                }
                has_slice |= matches!(kind, NalKind::Slice | NalKind::KeySlice);
                is_key |= kind == NalKind::KeySlice;
                for bytes in [&START_CODE, nal] {
                    unit.extend_from_slice(bytes);
                    if kind == NalKind::ParameterSet {
                        sets.extend_from_slice(bytes);
                    }
                }
                if unit.len() as u64 > LARGEST_UNIT {
                    return Err(Fault::TooLarge);
                }
            }
            self.drop_nal();
        }
        if !sets.is_empty() {
            self.parameter_sets = sets;
        } else if is_key {
            unit.splice(0..0, self.parameter_sets.iter().copied());
        }
        Ok((!unit.is_empty()).then_some(unit))
    }
}

/// Whether this NAL unit, coming after a slice, belongs to the next picture.
fn starts_unit(codec: Codec, kind: NalKind, nal: &[u8]) -> bool {
    match kind {
        NalKind::Delimiter | NalKind::ParameterSet | NalKind::Prefix => true,
        // The first slice of a picture says so: first_mb_in_slice is 0, written as a single 1 bit; partitions B and C never are first.
        NalKind::Slice | NalKind::KeySlice if codec == Codec::H264 => {
            !matches!(nal[0] & 0x1f, 3 | 4) && nal.get(1).is_some_and(|byte| byte & 0x80 != 0)
        }
        // first_slice_segment_in_pic_flag.
        NalKind::Slice | NalKind::KeySlice => nal.get(2).is_some_and(|byte| byte & 0x80 != 0),
        NalKind::Other => false,
    }
}

fn without_trailing_zeros(nal: &[u8]) -> &[u8] {
    let kept = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &nal[..kept]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(codec: Codec, stream: &[u8]) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::new(stream, codec);
        std::iter::from_fn(|| cutter.next_unit().unwrap()).collect()
    }

    fn stream(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter().flat_map(|nal| [&START_CODE, *nal].concat()).collect()
    }

    #[test]
    fn h264_pictures_of_many_slices_stay_whole() {
        let (sps, pps): (&[u8], &[u8]) = (&[0x67, 1], &[0x68, 2]);
        let (idr, idr_more): (&[u8], &[u8]) = (&[0x65, 0x88], &[0x65, 0x40, 1]);
        let (p, p_more, sei): (&[u8], &[u8], &[u8]) = (&[0x41, 0x9a], &[0x41, 0x20, 1], &[0x06, 5]);
        let units = cut(Codec::H264, &stream(&[sps, pps, idr, idr_more, p, p_more, sei, p]));
        assert_eq!(units, [stream(&[sps, pps, idr, idr_more]), stream(&[p, p_more]), stream(&[sei, p])]);
    }

    #[test]
    fn h265_pictures_of_many_slices_stay_whole() {
        let (first, more, suffix): (&[u8], &[u8], &[u8]) = (&[2, 1, 0x80], &[2, 1, 0x20], &[80, 1, 9]);
        let delimiter: &[u8] = &[70, 1, 0x50];
        let units = cut(Codec::H265, &stream(&[delimiter, first, more, suffix, first, delimiter, first]));
        assert_eq!(units, [stream(&[delimiter, first, more, suffix]), stream(&[first]), stream(&[delimiter, first])]);
    }

    #[test]
    fn every_key_picture_has_parameter_sets() {
        let (sps, pps, idr): (&[u8], &[u8], &[u8]) = (&[0x67, 1], &[0x68, 2], &[0x65, 0x88]);
        let units = cut(Codec::H264, &stream(&[sps, pps, idr, &[0x41, 0x9a], idr]));
        assert_eq!(units[2], stream(&[sps, pps, idr]));
    }

    #[test]
    fn a_stream_without_start_codes_ends_in_bounded_memory() {
        let mut cutter = Cutter::new(std::io::repeat(0xff), Codec::H264);
        assert!(matches!(cutter.next_unit(), Err(Fault::TooLarge)));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_cut_without_loss_of_nal_units(bytes in proptest::collection::vec(proptest::prelude::prop_oneof![0u8..3, proptest::prelude::any::<u8>()], 0..300)) {
            for codec in [Codec::H264, Codec::H265] {
                let mut cutter = Cutter::new(bytes.as_slice(), codec);
                let mut sets = 0;
                let mut nals = 0;
                while let Some(unit) = cutter.next_unit().unwrap() {
                    nals += annexb::nals(&unit).count();
                    sets += 1;
                }
                proptest::prop_assert!(nals >= annexb::nals(&bytes).count());
                proptest::prop_assert!(sets <= bytes.len());
            }
        }
    }
}
