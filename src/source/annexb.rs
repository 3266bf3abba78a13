//! H.264 and H.265 byte streams: finding NAL units, key pictures and parameter sets. Knows headers only, no pixels.

use crate::handover::Codec;

/// The start code that this house writes.
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// What a NAL unit is, as far as cutting and seeking need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NalKind {
    /// A slice of a picture at which decoding can start: IDR, and in H.265 also CRA and BLA.
    KeySlice,
    /// A slice of any other picture.
    Slice,
    /// A parameter set: VPS, SPS or PPS.
    ParameterSet,
    /// An access unit delimiter.
    Delimiter,
    /// Something that comes before the picture it belongs to: prefix SEI and the reserved like.
    Prefix,
    /// Something that belongs to the picture before it, or to no picture.
    Other,
}

/// What `nal` (without start code) is. `None` for an empty one and for codecs without NAL units.
pub fn kind(codec: Codec, nal: &[u8]) -> Option<NalKind> {
    let header = *nal.first()?;
    Some(match codec {
        Codec::H264 => match header & 0x1f {
            5 => NalKind::KeySlice,
            1..=4 => NalKind::Slice,
            7 | 8 | 15 => NalKind::ParameterSet,
            9 => NalKind::Delimiter,
            6 | 14 | 16..=18 => NalKind::Prefix,
            _ => NalKind::Other,
        },
        Codec::H265 => match (header >> 1) & 0x3f {
            16..=23 => NalKind::KeySlice,
            0..=15 | 24..=31 => NalKind::Slice,
            32..=34 => NalKind::ParameterSet,
            35 => NalKind::Delimiter,
            39 | 41..=44 | 48..=55 => NalKind::Prefix,
            _ => NalKind::Other,
        },
        Codec::Jpeg | Codec::Png | Codec::Raw(_) => return None,
    })
}

/// Whether decoding can start at this access unit. A JPEG or PNG always is a key picture.
pub fn is_key(codec: Codec, unit: &[u8]) -> bool {
    match codec {
        Codec::Jpeg | Codec::Png | Codec::Raw(_) => true,
        Codec::H264 | Codec::H265 => nals(unit).any(|nal| kind(codec, nal) == Some(NalKind::KeySlice)),
    }
}

/// Whether the access unit brings a parameter set before its first slice.
pub fn has_parameter_sets(codec: Codec, unit: &[u8]) -> bool {
    nals(unit)
        .map(|nal| kind(codec, nal))
        .take_while(|kind| !matches!(kind, Some(NalKind::KeySlice | NalKind::Slice)))
        .any(|kind| kind == Some(NalKind::ParameterSet))
}

/// The NAL units of an Annex B byte stream, without start codes and trailing zeros. Bytes before the first start code are skipped.
pub fn nals(stream: &[u8]) -> Nals<'_> {
    Nals { stream, at: after_start_code(stream, 0) }
}

/// See [`nals`].
#[derive(Clone, Debug)]
pub struct Nals<'a> {
    stream: &'a [u8],
    at: Option<usize>,
}

impl<'a> Iterator for Nals<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let start = self.at?;
            self.at = after_start_code(self.stream, start);
            let end = self.at.map_or(self.stream.len(), |next| next - 3);
            let nal = self.stream.get(start..end).unwrap_or_default();
            let kept = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if kept > 0 {
                return Some(&nal[..kept]);
            }
        }
    }
}

/// Index just behind the first `00 00 01` that lies wholly at or behind `from`.
pub(super) fn after_start_code(stream: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(window) = stream.get(at..at + 3) {
        // The third byte decides how far the next start code can be.
        match window {
            [0, 0, 1] => return Some(at + 3),
            [_, _, 0] => at += 1,
            [_, _, 1] => at += 3,
            _ => at += 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_start_codes_and_trailing_zeros_are_understood() {
        let stream = [9, 9, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 0, 0, 1, 0x65, 7, 0, 0];
        let found: Vec<&[u8]> = nals(&stream).collect();
        assert_eq!(found, [&[0x67, 1][..], &[0x68], &[0x65, 7]]);
    }

    #[test]
    fn every_picture_at_which_h265_can_start_is_key() {
        for (nal_type, key) in [(1, false), (9, false), (16, true), (19, true), (20, true), (21, true), (32, false)] {
            let unit = [0, 0, 0, 1, (nal_type << 1) as u8, 1, 0xaa];
            assert_eq!(is_key(Codec::H265, &unit), key, "NAL type {nal_type}");
        }
    }

    #[test]
    fn h264_starts_at_idr_pictures_only() {
        assert!(is_key(Codec::H264, &[0, 0, 1, 0x09, 0xf0, 0, 0, 1, 0x65, 1]));
        assert!(!is_key(Codec::H264, &[0, 0, 1, 0x41, 1]));
    }

    #[test]
    fn parameter_sets_count_only_before_the_picture() {
        assert!(has_parameter_sets(Codec::H264, &[0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 1]));
        assert!(!has_parameter_sets(Codec::H264, &[0, 0, 1, 0x65, 1, 0, 0, 1, 0x67, 1]));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_cut_without_a_panic(bytes in proptest::collection::vec(0u8..4, 0..200)) {
            let found: usize = nals(&bytes).map(<[u8]>::len).sum();
            proptest::prop_assert!(found <= bytes.len());
        }
    }
}
