//! The fields of a protobuf message, one after the other: varints, fixed words and bytes; nothing is copied.

/// The file breaks off, or is not protobuf.
pub(super) const CUT_SHORT: &str = "the file is cut short or damaged; export the model again";

/// One field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Number(u64),
    Word([u8; 4]),
    Double([u8; 8]),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], String> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(CUT_SHORT.to_owned()),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, String> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a name is not UTF-8; allowed: UTF-8 text".to_owned())
    }

    pub(super) fn number(self) -> Result<u64, String> {
        match self {
            Self::Number(number) => Ok(number),
            _ => Err(CUT_SHORT.to_owned()),
        }
    }

    /// Numbers of a repeated field, alone or packed: how many there are; `into` takes them while it holds fewer than `most`.
    pub(super) fn numbers(self, into: &mut Vec<i64>, most: usize) -> Result<usize, String> {
        let mut count = 0;
        let mut take = |number: u64| {
            count += 1;
            if into.len() < most {
                into.push(number as i64);
            }
        };
        match self {
            Self::Number(number) => take(number),
            Self::Bytes(mut packed) => {
                while !packed.is_empty() {
                    take(varint(&mut packed)?);
                }
            }
            _ => return Err(CUT_SHORT.to_owned()),
        }
        Ok(count)
    }

    /// The same for float32.
    pub(super) fn floats(self, into: &mut Vec<f32>, most: usize) -> Result<usize, String> {
        let one;
        let words = match self {
            Self::Word(word) => {
                one = [word];
                &one
            }
            Self::Bytes(packed) => match packed.as_chunks::<4>() {
                (words, []) => words,
                _ => return Err(CUT_SHORT.to_owned()),
            },
            _ => return Err(CUT_SHORT.to_owned()),
        };
        let room = most.saturating_sub(into.len());
        into.extend(words.iter().take(room).map(|word| f32::from_le_bytes(*word)));
        Ok(words.len())
    }
}

/// The fields of `message` as number and value.
pub(super) fn fields(mut message: &[u8]) -> impl Iterator<Item = Result<(u64, Value<'_>), String>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let read = field(&mut message);
        if read.is_err() {
            message = &[];
        }
        Some(read)
    })
}

fn field<'a>(rest: &mut &'a [u8]) -> Result<(u64, Value<'a>), String> {
    let key = varint(rest)?;
    let value = match key & 7 {
        0 => Value::Number(varint(rest)?),
        1 => Value::Double(take(rest, 8)?.try_into().map_err(|_| CUT_SHORT)?),
        2 => {
            let length = usize::try_from(varint(rest)?).map_err(|_| CUT_SHORT)?;
            Value::Bytes(take(rest, length)?)
        }
        5 => Value::Word(take(rest, 4)?.try_into().map_err(|_| CUT_SHORT)?),
        _ => return Err(CUT_SHORT.to_owned()),
    };
    Ok((key >> 3, value))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (taken, after) = rest.split_at_checked(length).ok_or(CUT_SHORT)?;
    *rest = after;
    Ok(taken)
}

fn varint(rest: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0;
    for (place, byte) in rest.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            *rest = &rest[place + 1..];
            return Ok(number);
        }
    }
    Err(CUT_SHORT.to_owned())
}
