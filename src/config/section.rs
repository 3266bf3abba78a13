//! Reads one TOML table key by key, remembers what was asked for and complains about everything else.

use super::{Complaint, Setting};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::{Table, Value};

/// One table of the file. Each reader takes its key; `finish` complains about the keys that nobody took.
pub(super) struct Section<'c> {
    path: String,
    table: Table,
    asked: Vec<&'static str>,
    complaints: &'c mut Vec<Complaint>,
}

impl<'c> Section<'c> {
    pub(super) fn new(path: impl Into<String>, table: Table, complaints: &'c mut Vec<Complaint>) -> Self {
        Self { path: path.into(), table, asked: Vec::new(), complaints }
    }

    fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes a complaint about `key`.
    pub(super) fn complain(&mut self, key: &str, what: impl Into<String>) {
        let at = self.key_path(key);
        self.complaints.push(Complaint { key: at, what: what.into() });
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.table.remove(key)
    }

    /// Text, or nothing where the key is absent.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) if !text.is_empty() => Some(text),
            Value::String(_) => {
                self.complain(key, "is empty; write a value or leave the key out");
                None
            }
            other => {
                self.complain(key, format!("got {}; allowed: text in quotes", describe(&other)));
                None
            }
        }
    }

    /// Text that must be there.
    pub(super) fn required_text(&mut self, key: &'static str, example: &str) -> Option<String> {
        if !self.table.contains_key(key) {
            self.asked.push(key);
            self.complain(key, format!("is missing; write for example {key} = {example}"));
            return None;
        }
        self.text(key)
    }

    /// A path, or nothing.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    /// True or false.
    pub(super) fn truth(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some(Value::Boolean(truth)) => truth,
            Some(other) => {
                self.complain(key, format!("got {}; allowed: true or false", describe(&other)));
                default
            }
        }
    }

    /// A whole number within a range.
    pub(super) fn whole(&mut self, key: &'static str, default: u64, allowed: RangeInclusive<u64>) -> u64 {
        let Some(value) = self.take(key) else { return default };
        let number = match &value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        match number {
            Some(number) if allowed.contains(&number) => number,
            _ => {
                let range = format!("a whole number from {} to {}", allowed.start(), allowed.end());
                self.complain(key, format!("got {}; allowed: {range}", describe(&value)));
                default
            }
        }
    }

    /// A whole number within a range, or nothing where the key is absent.
    pub(super) fn some_whole(&mut self, key: &'static str, allowed: RangeInclusive<u64>) -> Option<u64> {
        let there = self.table.contains_key(key);
        let number = self.whole(key, *allowed.start(), allowed);
        there.then_some(number)
    }

    /// A whole number from 0 to `most`, or else text; it must be there.
    pub(super) fn number_or_text(
        &mut self,
        key: &'static str,
        example: &str,
        most: u64,
    ) -> Option<Result<u64, String>> {
        match self.take(key) {
            None => {
                self.complain(key, format!("is missing; write for example {key} = {example}"));
                None
            }
            Some(Value::Integer(number)) if u64::try_from(number).is_ok_and(|number| number <= most) => {
                Some(Ok(number.unsigned_abs()))
            }
            Some(Value::String(text)) if !text.is_empty() => Some(Err(text)),
            Some(other) => {
                let allowed = format!("a whole number from 0 to {most}, or a name in quotes");
                self.complain(key, format!("got {}; allowed: {allowed}", describe(&other)));
                None
            }
        }
    }

    /// A list of texts, or nothing where the key is absent.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.take(key)?;
        let text = |item: &Value| item.as_str().map(str::to_owned);
        let texts = value.as_array().and_then(|items| items.iter().map(text).collect());
        if texts.is_none() {
            self.complain(key, format!("got {}; allowed: a list of names in quotes", describe(&value)));
        }
        texts
    }

    /// Two whole numbers within a range.
    pub(super) fn pair(&mut self, key: &'static str, default: (u32, u32), allowed: RangeInclusive<u64>) -> (u32, u32) {
        let Some(value) = self.take(key) else { return default };
        let side = |value: &Value| {
            let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
            number.filter(|number| allowed.contains(number)).and_then(|number| u32::try_from(number).ok())
        };
        let read = match value.as_array().map(Vec::as_slice) {
            Some([width, height]) => side(width).zip(side(height)),
            _ => None,
        };
        read.unwrap_or_else(|| {
            let range = format!("each a whole number from {} to {}", allowed.start(), allowed.end());
            self.complain(key, format!("got {}; allowed: [width, height], {range}", describe(&value)));
            default
        })
    }

    /// A control of a camera: a whole number within a range, or left to it by the word `auto`.
    pub(super) fn setting(&mut self, key: &'static str, allowed: RangeInclusive<u32>) -> Setting {
        let Some(value) = self.take(key) else { return Setting::AsItIs };
        let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
        match number {
            Some(number) if allowed.contains(&number) => return Setting::Fixed(number),
            None if value.as_str() == Some("auto") => return Setting::Automatic,
            _ => {}
        }
        let range = format!("a whole number from {} to {}, or \"auto\"", allowed.start(), allowed.end());
        self.complain(key, format!("got {}; allowed: {range}", describe(&value)));
        Setting::AsItIs
    }

    /// A length of time in milliseconds.
    pub(super) fn millis(&mut self, key: &'static str, default: u64, allowed: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.whole(key, default, allowed))
    }

    /// A share, 0 to 1.
    pub(super) fn share(&mut self, key: &'static str, default: f32) -> f32 {
        self.decimal(key, default, 0.0..=1.0)
    }

    /// A number within a range.
    pub(super) fn decimal(&mut self, key: &'static str, default: f32, allowed: RangeInclusive<f32>) -> f32 {
        let Some(value) = self.take(key) else { return default };
        match number(&value) {
            Some(number) if allowed.contains(&number) => number,
            _ => {
                let range = format!("{} to {}", allowed.start(), allowed.end());
                self.complain(key, format!("got {}; allowed: {range}", describe(&value)));
                default
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, default: T, allowed: &[(&str, T)]) -> T {
        let Some(value) = self.take(key) else { return default };
        let found = value.as_str().and_then(|word| allowed.iter().find(|(name, _)| *name == word));
        if let Some((_, chosen)) = found {
            return *chosen;
        }
        let words: Vec<_> = allowed.iter().map(|(name, _)| format!("{name:?}")).collect();
        self.complain(key, format!("got {}; allowed: {}", describe(&value), words.join(", ")));
        default
    }

    /// Corners of a polygon in camera pixels.
    pub(super) fn corners(&mut self, key: &'static str) -> Vec<(f32, f32)> {
        const ALLOWED: &str = "at least three corners [x, y] in pixels, 64 at most";
        let Some(value) = self.take(key) else {
            self.complain(key, format!("is missing; write {ALLOWED}"));
            return Vec::new();
        };
        let corners: Option<Vec<_>> = value.as_array().and_then(|list| list.iter().map(corner).collect());
        match corners {
            Some(corners) if (3..=64).contains(&corners.len()) => corners,
            _ => {
                self.complain(key, format!("got {}; allowed: {ALLOWED}", describe(&value)));
                Vec::new()
            }
        }
    }

    /// A sub-table, read by `read`; nothing where the key is absent.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(Section<'_>) -> T) -> Option<T> {
        match self.take(key)? {
            Value::Table(table) => {
                let path = self.key_path(key);
                Some(read(Section::new(path, table, self.complaints)))
            }
            other => {
                self.complain(key, format!("got {}; allowed: a table [{key}]", describe(&other)));
                None
            }
        }
    }

    /// A list of tables, each read by `read`.
    pub(super) fn list<T>(&mut self, key: &'static str, most: usize, mut read: impl FnMut(Section<'_>) -> T) -> Vec<T> {
        let items = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.complain(key, format!("got {}; allowed: tables [[{key}]]", describe(&other)));
                return Vec::new();
            }
        };
        if items.len() > most {
            self.complain(key, format!("got {} of them; allowed: at most {most}", items.len()));
            return Vec::new();
        }
        let mut made = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{}[{index}]", self.key_path(key));
            match item {
                Value::Table(table) => made.push(read(Section::new(path, table, self.complaints))),
                other => self.complain(key, format!("got {}; allowed: tables [[{key}]]", describe(&other))),
            }
        }
        made
    }

    /// Complains about every key that no reader took.
    pub(super) fn finish(mut self) {
        let unknown: Vec<String> = self.table.keys().cloned().collect();
        for key in unknown {
            let allowed = self.asked.join(", ");
            self.complain(&key, format!("is not a key here; allowed: {allowed}"));
        }
    }
}

fn number(value: &Value) -> Option<f32> {
    match value {
        Value::Float(number) if number.is_finite() => Some(*number as f32),
        Value::Integer(number) => Some(*number as f32),
        _ => None,
    }
}

fn corner(value: &Value) -> Option<(f32, f32)> {
    match value.as_array()?.as_slice() {
        [x, y] => Some((number(x)?, number(y)?)),
        _ => None,
    }
}

/// What was got, short enough for one line.
fn describe(value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        other => other.to_string(),
    }
}
