//! What must be known of an access unit before a device gets it: whether decoding may begin there, and the stream's colours.

use super::super::bits::nals;
use super::super::h264::head::ParameterSets;
use super::super::{DecodeError, guarded, h265};
use super::device::fourcc;
use crate::handover::{Codec, Colour};
use rusty_h265::nal::{NalHeader, NalType, unescape};
use rusty_h265::ps::parse_sps;

/// Whether decoding may begin at an access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// It refers to pictures before it.
    No,
    /// It refers to nothing, nor does anything after it refer to what was before.
    Clean,
    /// It refers to nothing; pictures that follow but are shown before it may refer to what was before.
    Open,
}

/// An access unit as its headers describe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) begins: Begins,
    /// Its picture is not decodable when decoding began at the last open beginning.
    pub(super) leading: bool,
    /// Others may refer to its picture.
    pub(super) referred: bool,
    pub(super) colour: Colour,
    /// The first slice is there.
    pub(super) first: bool,
    pub(super) slices: u32,
    /// No picture refers to more than one other, so that none is shown out of the order of decoding.
    pub(super) one_reference: bool,
}

/// Reads access units of one codec.
pub(super) trait Reader: Send {
    /// `None`: its parameter sets were never seen.
    fn read(&mut self, data: &[u8], key: bool) -> Result<Option<Head>, DecodeError>;
}

/// The codings by which devices know a codec, and its reader; `None` where no device decodes it.
pub(super) fn coding(codec: Codec) -> Option<(&'static [u32], Box<dyn Reader>)> {
    // NVIDIA's own name stands beside the kernel's.
    const H264_CODES: &[u32] = &[fourcc(b"H264")];
    const H265_CODES: &[u32] = &[fourcc(b"HEVC"), fourcc(b"H265")];
    match codec {
        Codec::H264 => Some((H264_CODES, Box::new(H264(ParameterSets::default())))),
        Codec::H265 => Some((H265_CODES, Box::new(H265Reader { colour: None, one_layer: false, refused: None }))),
        Codec::Jpeg | Codec::Png | Codec::Raw(_) => None,
    }
}

struct H264(ParameterSets);

impl Reader for H264 {
    fn read(&mut self, data: &[u8], _key: bool) -> Result<Option<Head>, DecodeError> {
        Ok(self.0.read(data)?.map(|head| {
            // A refresh in steps is not followed: what a device makes of the pictures in between is not known.
            let begins = match head.recovery {
                _ if head.idr => Begins::Clean,
                Some(0) if head.intra => Begins::Open,
                _ => Begins::No,
            };
            Head {
                begins,
                leading: false,
                referred: head.reference,
                colour: head.sps.colour,
                first: head.first_mb == 0,
                slices: head.slices,
                one_reference: head.sps.references <= 1,
            }
        }))
    }
}

struct H265Reader {
    colour: Option<Colour>,
    /// Nothing refers to pictures marked so (there are no temporal sub-layers above them).
    one_layer: bool,
    refused: Option<DecodeError>,
}

impl Reader for H265Reader {
    fn read(&mut self, data: &[u8], _key: bool) -> Result<Option<Head>, DecodeError> {
        let mut picture: Option<(NalType, bool, u32)> = None;
        for nal in nals(data) {
            let Some(header) = NalHeader::parse(nal).filter(|header| header.layer_id == 0) else { continue };
            let payload = nal.get(2..).unwrap_or(&[]);
            if header.nal_type == NalType::Sps {
                // A damaged one changes nothing: the picture that needs it will fail.
                if let Some(Ok(sps)) = guarded(|| parse_sps(&unescape(payload).data)) {
                    match h265::check(&sps) {
                        Ok(colour) => {
                            (self.colour, self.refused) = (Some(colour), None);
                            self.one_layer = sps.max_sub_layers_minus1 == 0;
                        }
                        Err(refused) => self.refused = Some(refused),
                    }
                }
            } else if header.nal_type.is_vcl() {
                match &mut picture {
                    Some((.., slices)) => *slices += 1,
                    None => {
                        picture = Some((header.nal_type, payload.first().is_some_and(|byte| byte & 0x80 != 0), 1));
                    }
                }
            }
        }
        if let Some(refused) = &self.refused {
            return Err(refused.clone());
        }
        let (kind, first, slices) = picture.ok_or_else(|| DecodeError::corrupt("h265", "there is no picture in it"))?;
        let begins = match kind {
            kind if kind.is_idr() => Begins::Clean,
            kind if kind.is_irap() => Begins::Open,
            _ => Begins::No,
        };
        let (leading, referred) = (kind.is_rasl(), !(self.one_layer && kind.is_sub_layer_non_ref()));
        // Every stream states how many pictures wait for earlier ones, and devices go by it.
        let one_reference = false;
        Ok(self.colour.map(|colour| Head { begins, leading, referred, colour, first, slices, one_reference }))
    }
}

/// Access units of which only the source knows anything.
pub(super) struct Unread;

impl Reader for Unread {
    fn read(&mut self, _data: &[u8], key: bool) -> Result<Option<Head>, DecodeError> {
        let begins = if key { Begins::Clean } else { Begins::No };
        Ok(Some(Head {
            begins,
            leading: false,
            referred: true,
            colour: Colour::default(),
            first: true,
            slices: 1,
            one_reference: false,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/decode/");

    /// A clip's access units, split before the first slice of each picture, as the reader of its codec sees them.
    fn heads(name: &str, codec: Codec) -> Vec<Head> {
        let clip = std::fs::read(format!("{DATA}{name}")).expect("a clip");
        let (_, mut reader) = coding(codec).expect("a reader");
        let mut units: Vec<Vec<u8>> = vec![Vec::new()];
        let mut pictured = false;
        for nal in nals(&clip) {
            let (slice, first) = match codec {
                Codec::H264 => (matches!(nal[0] & 31, 1 | 5), nal.get(1).is_some_and(|byte| byte & 0x80 != 0)),
                _ => (nal[0] >> 1 & 63 < 32, nal.get(2).is_some_and(|byte| byte & 0x80 != 0)),
            };
            if pictured && (first || !slice) {
                units.push(Vec::new());
                pictured = false;
            }
            pictured |= slice;
            let unit = units.last_mut().expect("one at least");
            unit.extend([0, 0, 1]);
            unit.extend(nal);
        }
        let read = |unit: Vec<u8>| reader.read(&unit, false).expect("readable").expect("with parameter sets");
        units.into_iter().filter(|unit| !unit.is_empty()).map(read).collect()
    }

    #[test]
    fn where_decoding_may_begin_is_read() {
        for (name, codec) in [("baseline.h264", Codec::H264), ("slices.h264", Codec::H264), ("p.h265", Codec::H265)] {
            let heads = heads(name, codec);
            assert_eq!(
                (heads[0].begins, heads[1].begins, heads[1].leading),
                (Begins::Clean, Begins::No, false),
                "{name}"
            );
            assert!(heads.iter().all(|head| head.first && head.slices > 0), "{name}");
        }
        let slices = heads("slices.h264", Codec::H264);
        assert!(slices[0].slices > 1, "{:?}", slices[0]);
    }

    #[test]
    fn open_beginnings_and_what_they_leave_out_are_read() {
        for (name, codec) in [("open_gop.h264", Codec::H264), ("open_gop.h265", Codec::H265)] {
            let heads = heads(name, codec);
            assert!(heads.iter().any(|head| head.begins == Begins::Open), "{name}");
            assert_eq!(heads.iter().any(|head| head.leading), codec == Codec::H265, "{name}: only H.265 marks them");
        }
    }

    #[test]
    fn pictures_that_nothing_refers_to_are_told_apart() {
        let heads = heads("b.h264", Codec::H264);
        assert!(heads.iter().any(|head| head.referred) && heads.iter().any(|head| !head.referred));
    }

    #[test]
    fn a_refresh_in_steps_is_no_beginning() {
        let heads = heads("refresh.h264", Codec::H264);
        assert!(heads[1..].iter().all(|head| head.begins == Begins::No));
    }

    #[test]
    fn streams_of_one_reference_are_told_apart() {
        let one = |name: &str| heads(name, Codec::H264)[0].one_reference;
        assert_eq!((one("p_refs4.h264"), one("b.h264"), one("refresh.h264")), (false, false, true));
    }

    #[test]
    fn stills_have_no_coding() {
        assert!(coding(Codec::Jpeg).is_none() && coding(Codec::Png).is_none());
    }
}
