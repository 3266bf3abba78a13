//! Annex B and the bits inside: finds NAL units and reads header fields through the escape bytes, without copying.

/// The NAL units of an Annex B byte string, without start codes and trailing zero bytes.
pub(super) fn nals(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(data);
    std::iter::from_fn(move || {
        loop {
            let from = rest?;
            let (nal, next) = match start_code(from) {
                Some(at) => (&from[..at], Some(&from[at + 3..])),
                None => (from, None),
            };
            rest = next;
            let end = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if end > 0 {
                return Some(&nal[..end]);
            }
        }
    })
}

fn after_start_code(data: &[u8]) -> Option<&[u8]> {
    start_code(data).map(|at| &data[at + 3..])
}

/// Where the next `00 00 01` begins. Steps by the third byte, as most bytes rule out three places at once.
fn start_code(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(&[a, b, c]) = data.get(at..at + 3) {
        match c {
            0 => at += 1,
            1 if a == 0 && b == 0 => return Some(at),
            _ => at += 3,
        }
    }
    None
}

/// Reads bits of a NAL unit's payload, skipping the escape bytes (`00 00 03`). `None` means that the bytes ran out.
#[derive(Clone)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    zeros: u8,
    current: u8,
    left: u8,
}

impl<'a> Bits<'a> {
    /// Bits from the first of `data`, which stands after the NAL unit's header.
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, zeros: 0, current: 0, left: 0 }
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = *self.data.get(self.at)?;
        self.at += 1;
        if self.zeros >= 2 && byte == 3 {
            self.zeros = 0;
            byte = *self.data.get(self.at)?;
            self.at += 1;
        }
        self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        Some(byte)
    }

    /// One bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.current = self.byte()?;
            self.left = 8;
        }
        self.left -= 1;
        Some((self.current >> self.left) & 1 == 1)
    }

    /// `count` bits, at most 32, as an unsigned number.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0u64;
        for _ in 0..count {
            value = value << 1 | u64::from(self.flag()?);
        }
        u32::try_from(value).ok()
    }

    /// Exponential-Golomb, unsigned (`ue(v)`).
    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some(self.bits(zeros)? + ((1u32 << zeros) - 1))
    }

    /// Exponential-Golomb, signed (`se(v)`).
    pub(super) fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        i32::try_from(if code % 2 == 1 { code / 2 + 1 } else { -(code / 2) }).ok()
    }

    /// Reads past `count` bits.
    pub(super) fn skip(&mut self, count: u32) -> Option<()> {
        (0..count).try_for_each(|_| self.flag().map(|_| ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nal_units_are_found_between_long_and_short_start_codes() {
        let data = [9, 0, 0, 0, 1, 0x67, 5, 0, 0, 1, 0x68, 0, 6, 0, 0, 0, 0, 1, 0, 0, 1, 0x65];
        let found: Vec<_> = nals(&data).collect();
        assert_eq!(found, [&[0x67u8, 5][..], &[0x68, 0, 6], &[0x65]]);
        assert_eq!(nals(&[1, 2, 3]).count() + nals(&[]).count() + nals(&[0, 0, 1]).count(), 0);
    }

    #[test]
    fn numbers_are_read_through_escape_bytes() {
        let mut bits = Bits::new(&[0, 0, 3, 1, 0b1010_0110, 0b0100_0000]);
        assert_eq!(bits.bits(24), Some(1));
        assert_eq!((bits.ue(), bits.ue(), bits.se()), (Some(0), Some(1), Some(-1)));
        assert_eq!(bits.bits(32), None);
    }
}
