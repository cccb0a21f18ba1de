//! JSON Lines: one object a line, with named fields.
//!
//! Each line stands for itself, so a line that is broken is dropped and the next one is read.

use std::{borrow::Cow, fmt, io::Read};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    ChatName, DropReason, Fault, Item, Options,
    feed::{Line, Lines},
    table::{Column, Fields, Table, missing_columns},
};

/// Reads line by line.
pub(super) struct Jsonl<R> {
    lines: Lines<R>,
    table: Table,
    /// Whether the names of the first object were looked at.
    is_checked: bool,
    rows: u64,
}

impl<R: Read> Jsonl<R> {
    pub fn new(input: R, file: &ChatName, options: &Options) -> Self {
        Jsonl { lines: Lines::new(input), table: Table::new(file, options), is_checked: false, rows: 0 }
    }

    fn step(&mut self) -> Result<Option<Item>, Fault> {
        if let Some(item) = self.table.waiting() {
            return Ok(Some(item));
        }
        while let Some((number, line)) = self.lines.next()? {
            let line = match line {
                Line::Text(line) if line.trim().is_empty() => continue,
                Line::Text(line) => line,
                Line::TooLong => return Ok(Some(self.dropped(number, DropReason::TooLong))),
            };
            if !self.is_checked {
                check_names(line)?;
                self.is_checked = true;
            }
            let is_unfinished = match serde_json::from_str::<Object<'_>>(line) {
                Ok(object) => {
                    self.rows += 1;
                    return Ok(Some(self.table.read(number, &object.fields)));
                }
                Err(error) => error.is_eof(),
            };
            if is_unfinished && self.lines.is_at_end()? {
                return Err(Fault::CutOff { line: number, rows: self.rows });
            }
            return Ok(Some(self.dropped(number, DropReason::Malformed)));
        }
        Ok(None)
    }

    fn dropped(&mut self, line_or_index: u64, reason: DropReason) -> Item {
        self.rows += 1;
        Item::Dropped { line_or_index, reason }
    }
}

impl<R: Read> Iterator for Jsonl<R> {
    type Item = Result<Item, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Tells by the first object that is whole whether the names are any that are known.
fn check_names(line: &str) -> Result<(), Fault> {
    let Ok(Names(names)) = serde_json::from_str(line) else { return Ok(()) };
    missing_columns(&names).map_or(Ok(()), Err)
}

struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = std::collections::BTreeMap::<String, IgnoredAny>::deserialize(deserializer)?;
        Ok(Names(object.into_keys().collect()))
    }
}

/// The known fields of an object.
#[derive(Debug)]
struct Object<'a> {
    fields: Fields<'a>,
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object<'de>, A::Error> {
        let mut fields = Fields::default();
        let mut ranks = [usize::MAX; 8];
        while let Some(name) = members.next_key::<Scalar<'_>>()? {
            let known = name.0.as_deref().and_then(Column::named);
            match known.filter(|&(column, rank)| rank <= ranks[column as usize]) {
                Some((column, rank)) => {
                    if let Scalar(Some(value)) = members.next_value()? {
                        ranks[column as usize] = rank;
                        fields.set(column, value);
                    }
                }
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Object { fields })
    }
}

/// A string or a number, as text; None for anything else.
struct Scalar<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor).map(Scalar)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(text.into()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned().into()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string().into()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string().into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string().into()))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// Whether the first line is a whole object by itself.
pub(super) fn is_object(line: &str) -> bool {
    serde_json::from_str::<Names>(line).is_ok()
}
