//! What can be read of an H.264 access unit without decoding it: parameter sets, the first slice's header, the recovery point.

use super::super::bits::{Bits, nals};
use super::super::sps::Sps;
use super::{DecodeError, NAME};

/// Most parameter sets of each kind, as the standard has it.
const MOST_SPS: u32 = 32;
const MOST_PPS: u32 = 256;

/// An access unit's picture as its headers describe it.
pub(in crate::decode) struct Head {
    /// First macroblock of the first slice; not 0 when slices before it are missing.
    pub(in crate::decode) first_mb: u32,
    /// Slices in the access unit.
    pub(in crate::decode) slices: u32,
    pub(in crate::decode) idr: bool,
    /// Other pictures may refer to it.
    pub(in crate::decode) reference: bool,
    pub(in crate::decode) intra: bool,
    pub(in crate::decode) b_frame: bool,
    pub(in crate::decode) frame_num: u32,
    /// Decoding may start here and is right after so many further values of `frame_num`.
    pub(in crate::decode) recovery: Option<u32>,
    pub(in crate::decode) sps: Sps,
}

impl Head {
    /// `frame_num` counts modulo this.
    pub(in crate::decode) fn max_frame_num(&self) -> u32 {
        1 << self.sps.log2_max_frame_num
    }
}

/// The parameter sets seen so far.
#[derive(Default)]
pub(in crate::decode) struct ParameterSets {
    sps: Vec<Sps>,
    /// Which sequence parameter set each picture parameter set names.
    pps: Vec<(u32, u32)>,
    /// The last sequence parameter set is of a kind that is not decoded.
    refused: Option<DecodeError>,
}

impl ParameterSets {
    /// Takes up an access unit's parameter sets and describes its picture; `None` when a parameter set that it needs was never
    /// seen.
    pub(in crate::decode) fn read(&mut self, data: &[u8]) -> Result<Option<Head>, DecodeError> {
        let (mut first, mut slices, mut recovery) = (None, 0, None);
        for nal in nals(data) {
            let payload = &nal[1..];
            match nal[0] & 0x1f {
                7 => self.take_sps(payload),
                8 => self.take_pps(payload),
                6 => recovery = recovery.or_else(|| recovery_point(payload)),
                1 | 5 => {
                    first = first.or(Some(nal));
                    slices += 1;
                }
                2 => return Err(DecodeError::corrupt(NAME, "it is split into data partitions")),
                _ => {}
            }
        }
        if let Some(refused) = &self.refused {
            return Err(refused.clone());
        }
        let nal = first.ok_or_else(|| DecodeError::corrupt(NAME, "there is no picture in it"))?;
        let mut bits = Bits::new(&nal[1..]);
        let damaged = || DecodeError::corrupt(NAME, "its slice header ends too early");
        let (first_mb, kind, pps) = read_three(&mut bits).ok_or_else(damaged)?;
        let Some(sps) = self.sps_of(pps) else { return Ok(None) };
        let sps = sps.clone();
        let frame_num = bits.bits(sps.log2_max_frame_num).ok_or_else(damaged)?;
        if !sps.frames_only && bits.flag().ok_or_else(damaged)? {
            return Err(DecodeError::interlaced(NAME));
        }
        let b_frame = kind % 5 == 1;
        if b_frame && sps.poc_type == 1 {
            return Err(DecodeError::Unsupported {
                codec: NAME,
                got: "b-frames with picture order count type 1".into(),
                allowed: "type 0 is decoded",
                remedy: "switch b-frames off in the camera",
            });
        }
        let idr = nal[0] & 0x1f == 5;
        let (reference, intra) = (nal[0] >> 5 & 3 != 0, kind % 5 == 2);
        Ok(Some(Head { first_mb, slices, idr, reference, intra, b_frame, frame_num, recovery, sps }))
    }

    fn sps_of(&self, pps: u32) -> Option<&Sps> {
        let (_, id) = self.pps.iter().find(|(known, _)| *known == pps)?;
        self.sps.iter().find(|sps| sps.id == *id)
    }

    fn take_sps(&mut self, payload: &[u8]) {
        match Sps::parse(payload) {
            Ok(sps) if sps.id < MOST_SPS => {
                self.refused = None;
                match self.sps.iter_mut().find(|known| known.id == sps.id) {
                    Some(known) => *known = sps,
                    None => self.sps.push(sps),
                }
            }
            Err(refused @ DecodeError::Unsupported { .. }) => self.refused = Some(refused),
            // A damaged one changes nothing: the picture that needs it will fail.
            _ => {}
        }
    }

    fn take_pps(&mut self, payload: &[u8]) {
        let mut bits = Bits::new(payload);
        let Some((id, sps)) = bits.ue().zip(bits.ue()).filter(|(id, _)| *id < MOST_PPS) else { return };
        match self.pps.iter_mut().find(|(known, _)| *known == id) {
            Some(known) => known.1 = sps,
            None => self.pps.push((id, sps)),
        }
    }
}

fn read_three(bits: &mut Bits) -> Option<(u32, u32, u32)> {
    Some((bits.ue()?, bits.ue()?, bits.ue()?))
}

/// `recovery_frame_cnt` of the recovery point message, where the SEI holds one.
fn recovery_point(payload: &[u8]) -> Option<u32> {
    const RECOVERY_POINT: u32 = 6;
    let mut bits = Bits::new(payload);
    loop {
        let kind = read_long(&mut bits)?;
        let size = read_long(&mut bits)?;
        if kind == RECOVERY_POINT {
            return bits.clone().ue().filter(|count| *count < 1 << 16);
        }
        bits.skip(size.checked_mul(8)?)?;
    }
}

/// A number coded in bytes of which 255 means "and more".
fn read_long(bits: &mut Bits) -> Option<u32> {
    let mut value = 0u32;
    loop {
        let byte = bits.bits(8)?;
        value = value.checked_add(byte)?;
        if byte != 255 {
            return Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recovery_point_is_found_behind_other_messages() {
        assert_eq!(recovery_point(&[5, 2, 0xaa, 0xbb, 6, 1, 0b0010_0100, 0x80]), Some(3));
        assert_eq!(recovery_point(&[5, 200, 1]), None);
    }

    #[test]
    fn a_picture_without_parameter_sets_is_not_described() {
        let mut sets = ParameterSets::default();
        assert!(matches!(sets.read(&[0, 0, 1, 0x65, 0x88, 0x80]), Ok(None)));
    }

    #[test]
    fn an_access_unit_without_a_picture_says_so() {
        let error = ParameterSets::default().read(&[0, 0, 1, 9, 0x10]).err().map(|error| error.to_string());
        let words = "h264: a picture could not be decoded: there is no picture in it; it is counted and left out";
        assert_eq!(error.as_deref(), Some(words));
    }
}
