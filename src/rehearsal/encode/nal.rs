//! NAL units of an Annex B byte stream, and the video usability information that a camera writes into its parameter sets.

use super::FrameRate;

/// Number of the sequence parameter set among the NAL unit types.
pub const SPS: u8 = 7;
/// Number of the picture parameter set among the NAL unit types.
pub const PPS: u8 = 8;

/// The type of a NAL unit, 0 for an empty one.
pub fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 0x1f)
}

/// The NAL units of `annexb`, without start codes and trailing zeros, in order.
pub fn units(annexb: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start(annexb).map(|(_, after)| &annexb[after..]);
    std::iter::from_fn(move || {
        let here = rest?;
        let (unit, next) = match start(here) {
            Some((end, after)) => (&here[..end], Some(&here[after..])),
            None => (here, None),
        };
        rest = next;
        let used = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Some(&unit[..used])
    })
    .filter(|unit| !unit.is_empty())
}

/// Where the first start code begins and where it ends.
fn start(bytes: &[u8]) -> Option<(usize, usize)> {
    let at = bytes.windows(3).position(|three| three == [0, 0, 1])?;
    Some((at, at + 3))
}

/// `sps` (a whole NAL unit whose parameters end with "no usability information", as the encoder writes it) with square
/// pixels, BT.601 limited range, the frame rate and "no re-ordering" added; players need the last one to show pictures
/// at once. A unit that visibly is not of this kind comes back as it was.
pub fn with_usability(sps: &[u8], rate: FrameRate) -> Vec<u8> {
    let raw = unescaped(sps);
    let Some(stop) = raw.iter().rposition(|byte| *byte != 0) else { return sps.to_vec() };
    // The stop bit ends the parameters; the bit before it is `vui_parameters_present_flag`.
    let stop_bit = stop * 8 + 7 - raw[stop].trailing_zeros() as usize;
    if kind(sps) != SPS || stop_bit < 33 || bit(&raw, stop_bit - 1) {
        return sps.to_vec();
    }
    let mut out = Bits::default();
    for index in 0..stop_bit - 1 {
        out.put(u32::from(bit(&raw, index)), 1);
    }
    out.put(1, 1); // usability information follows
    out.put(1, 1); // aspect ratio follows:
    out.put(1, 8); // square pixels
    out.put(0, 1); // nothing said about overscan
    out.put(1, 1); // signal type follows:
    out.put(5, 3); // unspecified format
    out.put(0, 1); // limited range
    out.put(1, 1); // colour description follows:
    out.put(6, 8); // primaries of SMPTE 170M
    out.put(6, 8); // its transfer
    out.put(6, 8); // BT.601 matrix
    out.put(0, 1); // nothing said about chroma location
    out.put(1, 1); // timing follows, in fields:
    out.put(rate.seconds, 32);
    out.put(rate.frames.saturating_mul(2), 32);
    out.put(1, 1); // fixed frame rate
    out.put(0, 1); // no NAL buffering model
    out.put(0, 1); // no VCL buffering model
    out.put(0, 1); // no picture structure
    out.put(1, 1); // restrictions follow:
    out.put(1, 1); // motion may point outside the picture
    out.golomb(0); // no limit of bytes a picture
    out.golomb(0); // no limit of bits a macroblock
    out.golomb(15); // motion vectors within the syntax's range, horizontally
    out.golomb(15); // and vertically
    out.golomb(0); // no picture is re-ordered
    out.golomb(1); // one reference picture is held
    out.put(1, 1);
    escaped(&out.bytes)
}

fn bit(bytes: &[u8], index: usize) -> bool {
    bytes.get(index / 8).is_some_and(|byte| byte >> (7 - index % 8) & 1 == 1)
}

/// Bits written from the highest down.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn put(&mut self, value: u32, count: usize) {
        for shift in (0..count).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> shift & 1) as u8) << (7 - self.used % 8);
            }
            self.used += 1;
        }
    }

    /// Unsigned exponential Golomb code.
    fn golomb(&mut self, value: u16) {
        let code = u32::from(value) + 1;
        let bits = 32 - code.leading_zeros() as usize;
        self.put(0, bits - 1);
        self.put(code, bits);
    }
}

/// Without emulation prevention bytes.
fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for byte in unit {
        if zeros == 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

/// With emulation prevention bytes.
fn escaped(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + 4);
    let mut zeros = 0;
    for byte in raw {
        if zeros == 2 && *byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_lie_between_start_codes_of_either_length() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 0, 0, 3, 1];
        let found: Vec<&[u8]> = units(&stream).collect();
        assert_eq!(found, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 0, 0, 3, 1]]);
    }

    #[test]
    fn bytes_without_a_start_code_hold_no_unit() {
        assert_eq!(units(&[1, 2, 3]).count() + units(&[]).count() + units(&[0, 0, 1]).count(), 0);
    }

    #[test]
    fn emulation_prevention_survives_the_round_trip() {
        let raw = [0x67, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 0, 3, 9];
        let safe = escaped(&raw);
        assert!(!safe.windows(3).any(|three| three[..2] == [0, 0] && three[2] < 3));
        assert_eq!(unescaped(&safe), raw);
    }

    #[test]
    fn usability_is_added_to_a_bare_sequence_parameter_set_and_to_nothing_else() {
        let bare = [0x67, 66, 0x40, 30, 0b1111_0100];
        let full = with_usability(&bare, FrameRate::THIRTY);
        assert_eq!(full[..4], bare[..4]);
        assert!(full.len() > bare.len() + 15, "{full:02x?}");
        for other in [&[0x68, 1, 2, 3, 4, 5][..], &[0x67, 66, 0x40, 30, 0b1111_1100], &[0x67, 0x80], &[]] {
            assert_eq!(with_usability(other, FrameRate::THIRTY), other);
        }
    }
}
