//! `avcC` and `hvcC`: parameter sets, the width of NAL lengths, and samples turned into Annex B.

use super::boxes::Bytes;
use crate::handover::Codec;
use crate::source::annexb::START_CODE;

/// How one kind of sample is coded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) codec: Codec,
    /// VPS, SPS and PPS with start codes.
    pub(super) sets: Vec<u8>,
    /// Bytes of each NAL unit's length, 1 to 4.
    pub(super) length_size: usize,
}

impl Parameters {
    /// From the content of an `avcC` box.
    pub(super) fn from_avcc(mut avcc: Bytes<'_>) -> Option<Self> {
        avcc.skip(4)?;
        let length_size = usize::from(avcc.u8()? & 3) + 1;
        let mut sets = Vec::new();
        let sps = avcc.u8()? & 0x1f;
        nals(&mut avcc, u16::from(sps), &mut sets)?;
        let pps = avcc.u8()?;
        nals(&mut avcc, u16::from(pps), &mut sets)?;
        Some(Self { codec: Codec::H264, sets, length_size })
    }

    /// From the content of an `hvcC` box.
    pub(super) fn from_hvcc(mut hvcc: Bytes<'_>) -> Option<Self> {
        hvcc.skip(21)?;
        let length_size = usize::from(hvcc.u8()? & 3) + 1;
        let mut sets = Vec::new();
        for _ in 0..hvcc.u8()? {
            let kind = hvcc.u8()? & 0x3f;
            let count = hvcc.u16()?;
            let mut found = Vec::new();
            nals(&mut hvcc, count, &mut found)?;
            if matches!(kind, 32..=34) {
                sets.append(&mut found);
            }
        }
        Some(Self { codec: Codec::H265, sets, length_size })
    }

    /// A sample with start codes in place of lengths. What does not fit into the sample is left out.
    pub(super) fn annex_b(&self, sample: &[u8]) -> Vec<u8> {
        let mut data = Vec::with_capacity(sample.len() + 16);
        let mut rest = Bytes(sample);
        while let Some(length) = rest.take(self.length_size) {
            let length = length.iter().fold(0usize, |length, byte| (length << 8) | usize::from(*byte));
            let Some(nal) = rest.take(length.min(rest.0.len())) else { break };
            if !nal.is_empty() {
                data.extend_from_slice(&START_CODE);
                data.extend_from_slice(nal);
            }
        }
        data
    }
}

/// Appends `count` NAL units, each behind a length of two bytes.
fn nals(bytes: &mut Bytes<'_>, count: u16, sets: &mut Vec<u8>) -> Option<()> {
    for _ in 0..count {
        let length = usize::from(bytes.u16()?);
        sets.extend_from_slice(&START_CODE);
        sets.extend_from_slice(bytes.take(length)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avcc_gives_parameter_sets_and_the_width_of_lengths() {
        let avcc = [1, 66, 0, 10, 0xff, 0xe1, 0, 2, 0x67, 1, 1, 0, 1, 0x68];
        let parameters = Parameters::from_avcc(Bytes(&avcc)).unwrap();
        assert_eq!(parameters.sets, [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68]);
        assert_eq!(parameters.length_size, 4);
    }

    #[test]
    fn a_nal_unit_longer_than_its_sample_is_cut() {
        let parameters = Parameters { codec: Codec::H264, sets: Vec::new(), length_size: 2 };
        assert_eq!(parameters.annex_b(&[0, 1, 9, 0xff, 0xff, 7, 8]), [0, 0, 0, 1, 9, 0, 0, 0, 1, 7, 8]);
    }
}
