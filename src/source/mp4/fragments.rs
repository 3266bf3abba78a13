//! Movie fragments: samples of recordings that are written piece by piece.

use super::boxes::{Bytes, Fault, short};
use super::index::{Index, MOST_SAMPLES, Sample};

/// Movie fragments: what they inherit and how far they have come.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    description: u32,
    duration: u32,
    size: u32,
    /// Decoding time of the next sample.
    decoded: i64,
}

impl Fragments {
    pub(super) fn from_movie(moov: Bytes<'_>, track: u32) -> Self {
        let read = |mut trex: Bytes<'_>| {
            trex.skip(4)?;
            let id = trex.u32()?;
            let (description, duration, size) = (trex.u32()?, trex.u32()?, trex.u32()?);
            (id == track).then_some(Self { description, duration, size, decoded: 0 })
        };
        let defaults = moov.find(b"mvex").and_then(|mvex| mvex.all(b"trex").find_map(read));
        defaults.unwrap_or(Self { description: 1, ..Self::default() })
    }

    /// Adds the samples of one `moof` box that starts at `start`.
    pub(super) fn append(&mut self, moof: Bytes<'_>, start: u64, index: &mut Index, length: u64) -> Result<(), Fault> {
        for traf in moof.all(b"traf") {
            let mut header = traf.find(b"tfhd").ok_or_else(|| short("fragment"))?;
            let mut read = || {
                let (_, flags) = header.version_and_flags()?;
                let id = header.u32()?;
                let mut optional = |flag: u32| if flags & flag != 0 { header.u32().map(Some) } else { Some(None) };
                let base = match (optional(1)?, flags & 1) {
                    (Some(high), 1) => Some((u64::from(high) << 32) | u64::from(optional(1)??)),
                    _ => None,
                };
                Some((id, base, optional(2)?, optional(8)?, optional(16)?))
            };
            let (id, base, description, duration, size) = read().ok_or_else(|| short("fragment"))?;
            if id != index.track.id {
                continue;
            }
            if let Some(mut time) = traf.find(b"tfdt")
                && let Some((version, _)) = time.version_and_flags()
                && let Some(decoded) = time.sized(version)
            {
                self.decoded = decoded.cast_signed();
            }
            let run = Run {
                base: base.unwrap_or(start),
                parameters: index.track.parameters(description.unwrap_or(self.description))?,
                duration: duration.unwrap_or(self.duration),
                size: size.unwrap_or(self.size),
            };
            let mut offset = run.base;
            for trun in traf.all(b"trun") {
                offset = self.append_run(trun, &run, offset, index, length).ok_or_else(|| short("fragment"))?;
            }
        }
        Ok(())
    }

    /// Adds one run; returns where the next one starts if it does not say. `None` when the run holds less than it says.
    fn append_run(
        &mut self,
        mut trun: Bytes<'_>,
        run: &Run,
        follows: u64,
        index: &mut Index,
        length: u64,
    ) -> Option<u64> {
        let (_, flags) = trun.version_and_flags()?;
        let count = trun.u32()?;
        let mut offset = follows;
        if flags & 0x1 != 0 {
            offset = run.base.saturating_add_signed(i64::from(trun.i32()?));
        }
        if flags & 0x4 != 0 {
            trun.u32()?;
        }
        for _ in 0..count {
            let mut field = |flag: u32| if flags & flag != 0 { trun.u32().map(Some) } else { Some(None) };
            let duration = field(0x100)?.unwrap_or(run.duration);
            let size = u64::from(field(0x200)?.unwrap_or(run.size));
            field(0x400)?;
            let later = field(0x800)?.unwrap_or(0).cast_signed();
            // Without a table a run may claim any number of samples, but not of nothing, nor more than a file can hold.
            if size == 0 || index.samples.len() as u64 >= length.min(MOST_SAMPLES) {
                return None;
            }
            let shown = self.decoded.saturating_add(i64::from(later));
            index.samples.push(Sample { offset, size, shown, parameters: run.parameters });
            offset = offset.saturating_add(size);
            self.decoded = self.decoded.saturating_add(i64::from(duration));
        }
        Some(offset)
    }
}

/// What the samples of one track fragment have in common.
struct Run {
    base: u64,
    parameters: usize,
    duration: u32,
    size: u32,
}
