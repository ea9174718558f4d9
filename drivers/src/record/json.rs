//! Records as JSON, written by code that is as small as what it writes.
//!
//! Records are structures of numbers, texts, lists and counts, and memory takes whatever is written: nothing can
//! fail. So the error here has no value, and the images have no code that passes one on after each field, which
//! in two dozen kinds of records is more than all of this.

use alloc::string::String;
use core::fmt::{self, Display, Write};

use serde::ser::{self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple};

/// What cannot happen.
#[derive(Debug)]
pub(super) enum Never {}

impl Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl core::error::Error for Never {}

impl ser::Error for Never {
    fn custom<T: Display>(_: T) -> Self {
        not_plain()
    }
}

/// Out of the way of all kinds of records.
#[cold]
#[inline(never)]
fn not_plain() -> ! {
    panic!("records are structures of plain fields")
}

/// Writes one character as the inside of a JSON string.
pub(super) fn write_escaped(out: &mut dyn Write, c: char) -> fmt::Result {
    match c {
        '\n' => return out.write_str("\\n"),
        '"' | '\\' => out.write_char('\\')?,
        c if c < ' ' => return write!(out, "\\u{:04x}", u32::from(c)),
        _ => {}
    }
    out.write_char(c)
}

/// Writes values behind what is there.
pub(super) struct Json<'a> {
    out: &'a mut String,
    /// Whether an object has begun, which the fields of the next structure belong to.
    is_inside: bool,
}

impl<'a> Json<'a> {
    /// For a value of its own.
    pub(super) fn new(out: &'a mut String) -> Self {
        Self {
            out,
            is_inside: false,
        }
    }

    /// For a structure whose fields go on with an object; it ends with them.
    pub(super) fn inside(out: &'a mut String) -> Self {
        Self {
            out,
            is_inside: true,
        }
    }

    #[inline(never)]
    fn text(self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            // A string takes everything.
            let _ = write_escaped(self.out, c);
        }
        self.out.push('"');
    }

    #[inline(never)]
    fn number(self, number: u64) {
        let _ = write!(self.out, "{number}");
    }

    #[inline(never)]
    fn word(self, word: &str) -> Result<(), Never> {
        self.out.push_str(word);
        Ok(())
    }
}

/// A list, or an object, that has begun.
pub(super) struct Items<'a> {
    out: &'a mut String,
    is_first: bool,
    end: char,
}

impl<'a> Items<'a> {
    #[inline(never)]
    fn begin(json: Json<'a>, begin: char, end: char) -> Self {
        if !json.is_inside {
            json.out.push(begin);
        }
        Self {
            is_first: !json.is_inside,
            out: json.out,
            end,
        }
    }

    #[inline(never)]
    fn next(&mut self) -> Json<'_> {
        if !self.is_first {
            self.out.push(',');
        }
        self.is_first = false;
        Json::new(self.out)
    }

    /// The name of the next field; its value comes behind it.
    #[inline(never)]
    fn field(&mut self, name: &str) -> Json<'_> {
        self.next().text(name);
        self.value()
    }

    fn value(&mut self) -> Json<'_> {
        self.out.push(':');
        Json::new(self.out)
    }

    #[inline(never)]
    fn close(self) -> Result<(), Never> {
        self.out.push(self.end);
        Ok(())
    }
}

impl SerializeStruct for Items<'_> {
    type Ok = ();
    type Error = Never;

    #[inline(never)]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        value.serialize(self.field(name))
    }

    fn end(self) -> Result<(), Never> {
        self.close()
    }
}

impl SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = Never;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        value.serialize(self.next())
    }

    fn end(self) -> Result<(), Never> {
        self.close()
    }
}

impl SerializeTuple for Items<'_> {
    type Ok = ();
    type Error = Never;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        value.serialize(self.next())
    }

    fn end(self) -> Result<(), Never> {
        self.close()
    }
}

impl SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Never;

    /// A number as a key stands in quotes as well.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Never> {
        let mut text = String::new();
        key.serialize(Json::new(&mut text))?;
        let json = self.next();
        if text.starts_with('"') {
            json.word(&text)
        } else {
            json.text(&text);
            Ok(())
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        value.serialize(self.value())
    }

    fn end(self) -> Result<(), Never> {
        self.close()
    }
}

/// What no record has.
macro_rules! never {
    ($($name:ident($($type:ty),*))*) => {$(
        fn $name(self, $(_: $type),*) -> Result<(), Never> {
            not_plain()
        }
    )*};
}

impl<'a> ser::Serializer for Json<'a> {
    type Ok = ();
    type Error = Never;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = ser::Impossible<(), Never>;
    type SerializeTupleVariant = ser::Impossible<(), Never>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = ser::Impossible<(), Never>;

    never! {
        serialize_i8(i8)
        serialize_i16(i16)
        serialize_i32(i32)
        serialize_i64(i64)
        serialize_f32(f32)
        serialize_f64(f64)
        serialize_bytes(&[u8])
        serialize_unit_struct(&'static str)
    }

    fn serialize_bool(self, value: bool) -> Result<(), Never> {
        self.word(if value { "true" } else { "false" })
    }

    fn serialize_u8(self, value: u8) -> Result<(), Never> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Never> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Never> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Never> {
        self.number(value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Never> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Never> {
        self.text(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Never> {
        self.word("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Never> {
        self.serialize_none()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Never> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Never> {
        not_plain()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Never> {
        Ok(Items::begin(self, '[', ']'))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, Never> {
        Ok(Items::begin(self, '[', ']'))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Never> {
        not_plain()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Never> {
        not_plain()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Items<'a>, Never> {
        Ok(Items::begin(self, '{', '}'))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, Never> {
        Ok(Items::begin(self, '{', '}'))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Never> {
        not_plain()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Inner {
        flag: bool,
        none: Option<u8>,
    }

    #[derive(Serialize)]
    enum Word {
        Plain,
    }

    #[derive(Serialize)]
    struct All<'a> {
        text: &'a str,
        some: Option<&'a str>,
        numbers: [u64; 2],
        list: Vec<Inner>,
        empty: &'a [u8],
        word: Word,
        letter: char,
        counts: crate::record::Counts<usize>,
        words: crate::record::Counts<&'a str>,
    }

    #[test]
    fn it_is_what_others_write() {
        let value = All {
            text: "a \"quoted\" \\ \n \u{1} ä",
            some: Some(""),
            numbers: [0, u64::MAX],
            list: [true, false].map(|flag| Inner { flag, none: None }).into(),
            empty: &[],
            word: Word::Plain,
            letter: 'x',
            counts: [(1, 5), (6, 2)].into_iter().collect(),
            words: [("a", 5)].into_iter().collect(),
        };
        let mut text = String::new();
        let Ok(()) = value.serialize(Json::new(&mut text));
        assert_eq!(text, serde_json::to_string(&value).unwrap());
    }

    #[test]
    #[should_panic(expected = "plain")]
    fn what_is_not_plain_is_a_mistake() {
        let Ok(()) = 1.5.serialize(Json::new(&mut String::new()));
    }
}
