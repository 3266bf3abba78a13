//! The sequence parameter set of H.264: what the room needs to know of a stream before a picture is decoded.

use super::bits::Bits;
use super::{DecodeError, Stream, check_size};
use crate::handover::{Colour, PictureSize};

/// How pictures of a stream come to their display order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reorder {
    /// Display order is decoding order.
    None,
    /// The stream says how many pictures may wait for an earlier one.
    Stated(usize),
    /// The stream does not say.
    Unstated,
}

/// What the room needs of a sequence parameter set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sps {
    pub(super) id: u32,
    pub(super) log2_max_frame_num: u32,
    pub(super) poc_type: u32,
    /// How many pictures a picture may refer to.
    pub(super) references: u32,
    pub(super) gaps_allowed: bool,
    pub(super) frames_only: bool,
    /// Coded rows and columns left out of the picture on the left and at the top, pixels.
    pub(super) crop: (usize, usize),
    /// After cropping.
    pub(super) size: PictureSize,
    pub(super) colour: Colour,
    pub(super) reorder: Reorder,
}

const H264: &str = "h264";

impl Sps {
    /// From a NAL unit's payload, header byte taken off. `Err` when it is damaged or of a kind that the room does not decode.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, DecodeError> {
        let damaged = || DecodeError::corrupt(H264, "the sequence parameter set ends too early");
        Self::read(&mut Bits::new(payload)).ok_or_else(damaged)?
    }

    /// `None` when the bits run out.
    fn read(bits: &mut Bits) -> Option<Result<Self, DecodeError>> {
        let profile = bits.bits(8)?;
        bits.skip(16)?;
        let id = bits.ue()?;
        if let Err(refused) = read_sampling(bits, profile)? {
            return Some(Err(refused));
        }
        let log2_max_frame_num = bits.ue()?.checked_add(4)?;
        let poc_type = bits.ue()?;
        skip_order(bits, poc_type)?;
        let references = bits.ue()?;
        let gaps_allowed = bits.flag()?;
        let (columns, map_units) = (bits.ue()?.checked_add(1)?, bits.ue()?.checked_add(1)?);
        let frames_only = bits.flag()?;
        if !frames_only && bits.flag()? {
            return Some(Err(DecodeError::interlaced(H264)));
        }
        bits.flag()?;
        let (crop, size) = match read_size(bits, columns, map_units, frames_only)? {
            Ok(read) => read,
            Err(refused) => return Some(Err(refused)),
        };
        // What follows only describes; a camera that writes it wrongly is still decoded.
        let vui = if bits.flag().unwrap_or(false) { Vui::read(bits) } else { Vui::default() };
        let reorder = match (poc_type, profile, vui.reorder) {
            (1 | 2, _, _) | (_, 66, _) => Reorder::None,
            (_, _, Some(depth)) => Reorder::Stated(depth.min(16) as usize),
            (_, _, None) => Reorder::Unstated,
        };
        let colour = Stream { matrix: vui.matrix, full_range: vui.full_range }.colour(size);
        if log2_max_frame_num > 16 {
            return Some(Err(DecodeError::corrupt(H264, "a field of the sequence parameter set is out of range")));
        }
        Some(Ok(Self {
            id,
            log2_max_frame_num,
            poc_type,
            references,
            gaps_allowed,
            frames_only,
            crop,
            size,
            colour,
            reorder,
        }))
    }
}

/// Chroma format, bit depth and scaling lists, in the profiles that state them.
fn read_sampling(bits: &mut Bits, profile: u32) -> Option<Result<(), DecodeError>> {
    if !matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        return Some(Ok(()));
    }
    let chroma = bits.ue()?;
    if chroma == 3 {
        bits.flag()?;
    }
    let (luma_depth, chroma_depth) = (bits.ue()?.checked_add(8)?, bits.ue()?.checked_add(8)?);
    if let Err(refused) = super::check_sampling(H264, chroma, luma_depth.max(chroma_depth)) {
        return Some(Err(refused));
    }
    bits.flag()?;
    if bits.flag()? {
        for list in 0..8 {
            if bits.flag()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(Ok(()))
}

fn skip_scaling_list(bits: &mut Bits, size: usize) -> Option<()> {
    let mut last = 8i64;
    for _ in 0..size {
        let next = (last + i64::from(bits.se()?)).rem_euclid(256);
        if next == 0 {
            return Some(());
        }
        last = next;
    }
    Some(())
}

fn skip_order(bits: &mut Bits, poc_type: u32) -> Option<()> {
    match poc_type {
        0 => {
            bits.ue()?;
        }
        1 => {
            bits.flag()?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue()?.min(255) {
                bits.se()?;
            }
        }
        _ => {}
    }
    Some(())
}

type Window = ((usize, usize), PictureSize);

fn read_size(bits: &mut Bits, columns: u32, map_units: u32, frames_only: bool) -> Option<Result<Window, DecodeError>> {
    let coded = (u64::from(columns) * 16, u64::from(map_units) * if frames_only { 16 } else { 32 });
    let unit = (2, if frames_only { 2 } else { 4 });
    let mut crop = [0u64; 4];
    if bits.flag()? {
        for (index, side) in crop.iter_mut().enumerate() {
            *side = u64::from(bits.ue()?) * if index < 2 { unit.0 } else { unit.1 };
        }
    }
    let [left, right, top, bottom] = crop;
    let size = (coded.0.saturating_sub(left + right), coded.1.saturating_sub(top + bottom));
    Some(check_size(H264, size.0, size.1).and_then(|size| {
        check_size(H264, coded.0, coded.1.saturating_sub(15))?;
        Ok(((left as usize, top as usize), size))
    }))
}

/// The descriptive part that matters here.
#[derive(Default)]
struct Vui {
    matrix: Option<u8>,
    full_range: bool,
    reorder: Option<u32>,
}

impl Vui {
    /// What could be read; the rest keeps its default.
    fn read(bits: &mut Bits) -> Self {
        let mut vui = Self::default();
        let _ends_early = vui.fill(bits);
        vui
    }

    fn fill(&mut self, bits: &mut Bits) -> Option<()> {
        if bits.flag()? && bits.bits(8)? == 255 {
            bits.skip(32)?;
        }
        if bits.flag()? {
            bits.flag()?;
        }
        if bits.flag()? {
            bits.skip(3)?;
            self.full_range = bits.flag()?;
            if bits.flag()? {
                bits.skip(16)?;
                self.matrix = u8::try_from(bits.bits(8)?).ok();
            }
        }
        if bits.flag()? {
            bits.ue()?;
            bits.ue()?;
        }
        if bits.flag()? {
            bits.skip(65)?;
        }
        let mut timed = false;
        for _ in 0..2 {
            if bits.flag()? {
                timed = true;
                skip_hrd(bits)?;
            }
        }
        if timed {
            bits.flag()?;
        }
        bits.flag()?;
        if bits.flag()? {
            bits.flag()?;
            for _ in 0..4 {
                bits.ue()?;
            }
            self.reorder = Some(bits.ue()?);
        }
        Some(())
    }
}

fn skip_hrd(bits: &mut Bits) -> Option<()> {
    let buffers = bits.ue()?.min(31) + 1;
    bits.skip(8)?;
    for _ in 0..buffers {
        bits.ue()?;
        bits.ue()?;
        bits.flag()?;
    }
    bits.skip(20)
}
