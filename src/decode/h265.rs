//! H.265 by `rusty_h265`: the library orders pictures for display and knows from each one's reference picture set what it rests on.
//!
//! Decoding starts at an IRAP picture (IDR, BLA or CRA); the RASL pictures after a CRA that it starts at are left out. When a
//! picture refers to one that is missing, or is itself damaged, what waits is shown and the next IRAP picture is waited for.

use super::bits::{Bits, nals};
use super::{DecodeError, Decoder, Outcome, Picture, Planes, Stream, check_sampling, check_size, guarded};
use crate::handover::{AccessUnit, Colour, GapReason, PixelFormat};
use rusty_h265::nal::{NalHeader, NalType, unescape};
use rusty_h265::ps::{Sps, parse_sps};

const NAME: &str = "h265";

/// The library ends a picture only when the next one begins. This slice begins one, and names a picture parameter set that cannot
/// exist (255, of at most 63), so that it ends the picture before it and is then refused itself.
const END_OF_PICTURE: [u8; 5] = [0x02, 0x01, 0x80, 0x40, 0x00];

/// With so many packets lost the picture order count may have come round, and references no longer mean what they say.
const MOST_LOST: u32 = 8;

/// The H.265 decoder.
pub(super) struct H265 {
    library: rusty_h265::Decoder,
    open: bool,
    colour: Colour,
    /// Nothing refers to pictures marked so (there are no temporal sub-layers above them).
    one_layer: bool,
    refused: Option<DecodeError>,
    /// Slice segments of every picture so far, where all have the same number.
    segments: Option<u32>,
    segments_vary: bool,
    /// Access units that were told lost although the library holds a picture of them.
    wrong: Vec<u64>,
}

/// An access unit's picture as its headers describe it.
struct Head {
    kind: NalType,
    segments: u32,
    /// The first slice segment is there.
    begins: bool,
    /// The sequence ends with it: the next picture refers to nothing before.
    ends: bool,
}

impl H265 {
    pub(super) fn new() -> Self {
        Self {
            library: rusty_h265::Decoder::new(),
            open: false,
            colour: Colour::default(),
            one_layer: false,
            refused: None,
            segments: None,
            segments_vary: false,
            wrong: Vec::with_capacity(32),
        }
    }

    fn read(&mut self, data: &[u8]) -> Result<Head, DecodeError> {
        let mut head: Option<Head> = None;
        let mut ends = false;
        for nal in nals(data) {
            let Some(header) = NalHeader::parse(nal).filter(|header| header.layer_id == 0) else { continue };
            let payload = nal.get(2..).unwrap_or(&[]);
            if header.nal_type == NalType::Sps {
                self.take_sps(payload);
            } else if matches!(header.nal_type, NalType::Eos | NalType::Eob) {
                ends = true;
            } else if header.nal_type.is_vcl() {
                let begins = Bits::new(payload).flag().unwrap_or(false);
                match &mut head {
                    Some(head) => head.segments += 1,
                    None => head = Some(Head { kind: header.nal_type, segments: 1, begins, ends: false }),
                }
            }
        }
        match &self.refused {
            Some(refused) => Err(refused.clone()),
            None => match head {
                Some(head) => Ok(Head { ends, ..head }),
                None => Err(DecodeError::corrupt(NAME, "there is no picture in it")),
            },
        }
    }

    fn take_sps(&mut self, payload: &[u8]) {
        // A damaged one changes nothing: the picture that needs it will fail.
        let Some(Ok(sps)) = guarded(|| parse_sps(&unescape(payload).data)) else { return };
        match check(&sps) {
            Ok(colour) => {
                self.refused = None;
                self.colour = colour;
                self.one_layer = sps.max_sub_layers_minus1 == 0;
            }
            Err(refused) => self.refused = Some(refused),
        }
    }

    /// Whether every slice segment is there, as far as can be told after a loss.
    fn is_whole(&self, head: &Head, lost: u32) -> bool {
        let usual = !self.segments_vary && self.segments == Some(head.segments);
        head.begins && (lost == 0 || head.segments == 1 || usual)
    }

    /// Shows what waits and waits for the next IRAP picture.
    fn close(&mut self, out: &mut dyn FnMut(Outcome<'_>)) {
        self.open = false;
        self.empty(out);
    }

    /// Shows what waits. What follows refers to nothing before.
    fn empty(&mut self, out: &mut dyn FnMut(Outcome<'_>)) {
        if guarded(|| self.library.flush()).is_none() {
            self.library = rusty_h265::Decoder::new();
        }
        self.give_out(out);
        self.wrong.clear();
    }

    /// Hands a whole access unit to the library.
    fn run(&mut self, unit: &AccessUnit) -> Result<(), DecodeError> {
        let stamp = i64::try_from(unit.stamp.frame).ok();
        let mut first_error = None;
        for nal in nals(&unit.data) {
            let vcl = NalHeader::parse(nal).is_some_and(|header| header.nal_type.is_vcl());
            match guarded(|| self.library.push_nal(nal, stamp.filter(|_| vcl))) {
                Some(Err(error)) if vcl => first_error = first_error.or(Some(error.to_string())),
                Some(_) => {}
                None => {
                    self.library = rusty_h265::Decoder::new();
                    self.open = false;
                    return Err(DecodeError::corrupt(NAME, "the decoder gave up on it and starts anew"));
                }
            }
        }
        // The refusal is what it is for.
        let _refused = guarded(|| self.library.push_nal(&END_OF_PICTURE, None));
        first_error.map_or(Ok(()), |what| Err(DecodeError::corrupt(NAME, what)))
    }

    /// The picture of an access unit waits for its turn in the library.
    fn waits(&self, unit: u64) -> bool {
        let stamp = i64::try_from(unit).ok();
        self.library.dpb().iter().any(|entry| entry.pts == stamp && entry.needed_for_output)
    }

    /// Gives out what is due after an access unit; whether its own picture is out or waits. A wrong one is never given out.
    fn settle(&mut self, unit: u64, wrong: bool, out: &mut dyn FnMut(Outcome<'_>)) -> bool {
        if wrong {
            self.wrong.push(unit);
        }
        let mut given = false;
        self.give_out(&mut |outcome| {
            given |= matches!(outcome, Outcome::Shown(picture) if picture.unit == unit);
            out(outcome);
        });
        let waits = self.waits(unit);
        if wrong && !waits {
            self.wrong.retain(|other| *other != unit);
        }
        given || waits
    }

    /// Gives out the pictures whose turn it is.
    fn give_out(&mut self, out: &mut dyn FnMut(Outcome<'_>)) {
        while let Ok(frame) = self.library.next_frame() {
            let Some(unit) = frame.pts.and_then(|stamp| u64::try_from(stamp).ok()) else { continue };
            if let Some(at) = self.wrong.iter().position(|wrong| *wrong == unit) {
                self.wrong.swap_remove(at);
                continue;
            }
            let (left, top, width, height) = frame.picture.crop;
            let Ok(size) = check_size(NAME, width as u64, height as u64) else {
                out(Outcome::Lost { unit, reason: GapReason::Corrupt });
                continue;
            };
            let planes = [0, 1, 2].map(|index| {
                let plane = &frame.picture.planes[index];
                let at = if index == 0 { top * plane.stride + left } else { top / 2 * plane.stride + left / 2 };
                (plane.data.get(at..).unwrap_or(&[]), plane.stride)
            });
            let picture =
                Picture { unit, format: PixelFormat::I420, size, colour: self.colour, planes: Planes::Words(planes) };
            out(Outcome::Shown(&picture));
        }
    }
}

impl Decoder for H265 {
    fn name(&self) -> &'static str {
        "rusty_h265"
    }

    fn decode(&mut self, unit: &AccessUnit, lost: u32, out: &mut dyn FnMut(Outcome<'_>)) -> Result<(), DecodeError> {
        let number = unit.stamp.frame;
        let head = match self.read(&unit.data) {
            Ok(head) => head,
            Err(error) => {
                if !matches!(error, DecodeError::Corrupt { .. }) {
                    self.close(out);
                }
                return Err(error);
            }
        };
        let droppable = head.kind.is_sub_layer_non_ref() && self.one_layer;
        if !self.is_whole(&head, lost) {
            if !droppable {
                self.close(out);
            }
            return Err(DecodeError::corrupt(NAME, "packets of it were lost"));
        }
        if self.open && lost >= MOST_LOST {
            self.close(out);
        }
        if !self.open && !head.kind.is_irap() {
            out(Outcome::Lost { unit: number, reason: GapReason::NoReference });
            return Ok(());
        }
        if head.kind.is_idr() || head.kind.is_bla() {
            self.empty(out);
        }
        self.open = true;
        let generated = self.library.stats.generated_refs;
        let result = self.run(unit);
        // The library puts grey pictures in the place of missing ones; others could go on to refer to those.
        let missing = self.library.stats.generated_refs > generated;
        let wrong = missing || result.is_err();
        let shown = self.settle(number, wrong, out);
        if result.is_ok() && (wrong || !shown) {
            out(Outcome::Lost { unit: number, reason: GapReason::NoReference });
        }
        if result.is_ok() && lost == 0 {
            self.segments_vary |= self.segments.is_some_and(|known| known != head.segments);
            self.segments = Some(head.segments);
        }
        if missing || wrong && !droppable {
            self.close(out);
        } else if head.ends {
            self.empty(out);
        }
        result
    }

    fn flush(&mut self, out: &mut dyn FnMut(Outcome<'_>)) {
        self.close(out);
    }
}

/// Whether the room decodes such a stream, and its colours.
pub(super) fn check(sps: &Sps) -> Result<Colour, DecodeError> {
    if sps.ptl.interlaced_source_flag && !sps.ptl.progressive_source_flag {
        return Err(DecodeError::interlaced(NAME));
    }
    check_sampling(NAME, sps.chroma_format_idc.into(), sps.bit_depth_luma.max(sps.bit_depth_chroma).into())?;
    check_size(NAME, sps.width.into(), sps.height.saturating_sub(63).into())?;
    let (width, height) = sps.output_size();
    let size = check_size(NAME, width.into(), height.into())?;
    let (matrix, full_range) =
        sps.vui.as_ref().map_or((None, false), |vui| (Some(vui.matrix_coeffs), vui.video_full_range_flag));
    Ok(Stream { matrix, full_range }.colour(size))
}
