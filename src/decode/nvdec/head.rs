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
    pub(super) colour: Colour,
    /// The first slice is there.
    pub(super) first: bool,
    pub(super) slices: u32,
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
        Codec::H265 => Some((H265_CODES, Box::new(H265Reader { colour: None, refused: None }))),
        Codec::Jpeg | Codec::Png => None,
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
            Head { begins, leading: false, colour: head.sps.colour, first: head.first_mb == 0, slices: head.slices }
        }))
    }
}

struct H265Reader {
    colour: Option<Colour>,
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
                        Ok(colour) => (self.colour, self.refused) = (Some(colour), None),
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
        Ok(self.colour.map(|colour| Head { begins, leading: kind.is_rasl(), colour, first, slices }))
    }
}

/// Access units of which only the source knows anything.
pub(super) struct Unread;

impl Reader for Unread {
    fn read(&mut self, _data: &[u8], key: bool) -> Result<Option<Head>, DecodeError> {
        let begins = if key { Begins::Clean } else { Begins::No };
        Ok(Some(Head { begins, leading: false, colour: Colour::default(), first: true, slices: 1 }))
    }
}
