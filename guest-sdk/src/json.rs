//! Decoding JSON as most events have it: texts without escapes, numbers, booleans, null, and objects and arrays of these.
//! That takes a fraction of what decoding in general takes. Whatever is unusual or wrong is left to serde_json, which
//! begins anew: so the result, and the complaint about a mistake, is always what serde_json says.

use std::fmt::Display;

use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Objects and arrays within one another, beyond which it is unusual.
const DEPTH: u32 = 32;

/// Digits of a whole number that fits into 64 bits whatever they are.
const DIGITS: usize = 18;

pub fn from_str<'a, T: Deserialize<'a>>(text: &'a str) -> serde_json::Result<T> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    match T::deserialize(&mut reader) {
        Ok(value) if reader.is_done() => Ok(value),
        _ => serde_json::from_str(text),
    }
}

pub fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> serde_json::Result<T> {
    match std::str::from_utf8(bytes) {
        Ok(text) => from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    }
}

/// Why this is left to serde_json. It says nothing, so that it costs nothing.
#[derive(Debug)]
struct Unusual;

impl Display for Unusual {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unusual")
    }
}

impl std::error::Error for Unusual {}

impl Error for Unusual {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Reader<'a> {
    fn is_done(&mut self) -> bool {
        self.peek().is_none()
    }

    /// The next byte that is not space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            let byte = *bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn take(&mut self, expected: u8) -> Result<(), Unusual> {
        if self.peek() == Some(expected) {
            self.at += 1;
            return Ok(());
        }
        Err(Unusual)
    }

    fn word(&mut self, word: &str) -> Result<(), Unusual> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(Unusual)
    }

    /// A text without escapes.
    fn string(&mut self) -> Result<&'a str, Unusual> {
        self.take(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes().get(start..).unwrap_or_default();
        let length = plain(bytes);
        if bytes.get(length) != Some(&b'"') {
            return Err(Unusual);
        }
        self.at += length + 1;
        self.text.get(start..start + length).ok_or(Unusual)
    }

    fn number<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value, Unusual> {
        let start = self.at;
        let bytes = self.text.as_bytes().get(start..).unwrap_or_default();
        let negative = bytes.first() == Some(&b'-');
        let digits = bytes.get(usize::from(negative)..).unwrap_or_default();
        let (mut count, mut value) = (0, 0_u64);
        while let Some(digit) = digits.get(count).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            count += 1;
        }
        if matches!(digits.get(count), Some(b'.' | b'e' | b'E')) {
            let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
            let length = bytes.iter().take_while(is_part).count();
            let number = self.text.get(start..start + length).ok_or(Unusual)?;
            self.at += length;
            return visitor.visit_f64(serde_json::from_str(number).map_err(|_| Unusual)?);
        }
        // `-0` is a fraction to serde_json, and `01` is wrong.
        let odd = digits.first() == Some(&b'0') && (count > 1 || negative);
        if count == 0 || count > DIGITS || odd {
            return Err(Unusual);
        }
        self.at += count + usize::from(negative);
        // Eighteen digits fit.
        if negative { visitor.visit_i64((value as i64).wrapping_neg()) } else { visitor.visit_u64(value) }
    }

    fn nested<V>(
        &mut self,
        open: u8,
        close: u8,
        visit: impl FnOnce(&mut Items<'_, 'a>) -> Result<V, Unusual>,
    ) -> Result<V, Unusual> {
        self.take(open)?;
        if self.depth == DEPTH {
            return Err(Unusual);
        }
        self.depth += 1;
        let mut items = Items { reader: &mut *self, close, begun: false, ended: false };
        let value = visit(&mut items)?;
        let ended = items.ended;
        if !ended {
            self.take(close)?;
        }
        self.depth -= 1;
        Ok(value)
    }

    fn map<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value, Unusual> {
        self.nested(b'{', b'}', |items| visitor.visit_map(items))
    }

    fn sequence<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value, Unusual> {
        self.nested(b'[', b']', |items| visitor.visit_seq(items))
    }
}

/// How many bytes at the beginning are neither a quote, nor a backslash, nor a control character. Eight at a time.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES.wrapping_mul(u64::from(limit))) & !word & HIGH;
    let equal = |word: u64, byte: u8| below(word ^ ONES.wrapping_mul(u64::from(byte)), 1);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest mark is a true one; those above it may be not.
        let marks = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if marks != 0 {
            return index * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// The items of an object or an array.
struct Items<'r, 'a> {
    reader: &'r mut Reader<'a>,
    close: u8,
    begun: bool,
    ended: bool,
}

impl Items<'_, '_> {
    /// Whether there is one more.
    fn more(&mut self) -> Result<bool, Unusual> {
        if self.ended {
            return Ok(false);
        }
        if self.reader.peek() == Some(self.close) {
            self.reader.at += 1;
            self.ended = true;
            return Ok(false);
        }
        if self.begun {
            self.reader.take(b',')?;
        }
        self.begun = true;
        Ok(true)
    }
}

impl<'a> MapAccess<'a> for &mut Items<'_, 'a> {
    type Error = Unusual;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Unusual> {
        if !self.more()? {
            return Ok(None);
        }
        let key = self.reader.string()?;
        self.reader.take(b':')?;
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Unusual> {
        seed.deserialize(&mut *self.reader)
    }
}

impl<'a> SeqAccess<'a> for &mut Items<'_, 'a> {
    type Error = Unusual;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, Unusual> {
        if self.more()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

/// Numbers of any type are read as what they are; the visitor says whether they fit.
macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
            match self.peek() {
                Some(b'-' | b'0'..=b'9') => self.number(visitor),
                _ => Err(Unusual),
            }
        })*
    };
}

impl<'a> Deserializer<'a> for &mut Reader<'a> {
    type Error = Unusual;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
        match self.peek() {
            Some(b'"') => visitor.visit_borrowed_str(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number(visitor),
            Some(b'{') => self.map(visitor),
            Some(b'[') => self.sequence(visitor),
            Some(b't' | b'f') => self.deserialize_bool(visitor),
            _ => self.deserialize_unit(visitor),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
        if self.peek() == Some(b't') {
            self.word("true")?;
            return visitor.visit_bool(true);
        }
        self.word("false")?;
        visitor.visit_bool(false)
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.peek();
        self.word("null")?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unusual> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
        if self.peek() == Some(b'n') {
            self.word("null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
        visitor.visit_borrowed_str(self.string()?)
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.deserialize_str(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, name: &'static str, visitor: V) -> Result<V::Value, Unusual> {
        // Raw values and such.
        if name.starts_with('$') { Err(Unusual) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unusual> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.string()?))
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.sequence(visitor)
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Unusual> {
        self.sequence(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unusual> {
        self.sequence(visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.map(visitor)
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unusual> {
        self.map(visitor)
    }

    fn deserialize_bytes<V: Visitor<'a>>(self, _: V) -> Result<V::Value, Unusual> {
        Err(Unusual)
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, _: V) -> Result<V::Value, Unusual> {
        Err(Unusual)
    }

    fn deserialize_i128<V: Visitor<'a>>(self, _: V) -> Result<V::Value, Unusual> {
        Err(Unusual)
    }

    fn deserialize_u128<V: Visitor<'a>>(self, _: V) -> Result<V::Value, Unusual> {
        Err(Unusual)
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.deserialize_any(visitor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Plain<'a> {
        name: &'a str,
        cents: i64,
        rate: Option<f64>,
        kind: Kind,
        list: Vec<Inner>,
        #[serde(default)]
        flag: bool,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner(u8, String);

    #[derive(Debug, PartialEq, Deserialize)]
    enum Kind {
        Open,
        With { n: u32 },
    }

    /// Both say the same, word for word where they complain.
    fn same<'a, T: Deserialize<'a> + std::fmt::Debug + PartialEq>(text: &'a str) {
        let (ours, theirs) = (from_str::<T>(text), serde_json::from_str::<T>(text));
        assert_eq!(
            ours.as_ref().map_err(ToString::to_string),
            theirs.as_ref().map_err(ToString::to_string),
            "{text} as {}",
            std::any::type_name::<T>()
        );
    }

    const TEXTS: [&str; 44] = [
        r#"{"name":"a","cents":-5,"rate":null,"kind":"Open","list":[[1,"x"],[2,"é"]]}"#,
        r#" { "rate" : 1.5e3 , "name" : "abcdefgh" , "cents" : 0 , "kind":{"With":{"n":7}}, "list":[], "flag":true } "#,
        r#"{"name":"a\n","cents":1,"kind":"Open","list":[]}"#,
        r#"{"name":"a","cents":1,"kind":"Open","list":[],"other":{"deep":[1,2.5,{"x":null}]}}"#,
        r#"{"name":"a","name":"b","cents":1,"kind":"Open","list":[]}"#,
        r#"{"name":"a","cents":1,"kind":"Shut","list":[]}"#,
        r#"{"name":"a","cents":"1","kind":"Open","list":[]}"#,
        r#"{"name":1,"cents":1,"kind":"Open","list":[]}"#,
        r#"{"name":"a","cents":1,"kind":"Open","list":[[1]]}"#,
        r#"{"name":"a","cents":1,"kind":"Open","list":[[1,"x",2]]}"#,
        r#"{"name":"a","cents":1,"kind":"Open","list":[[256,"x"]]}"#,
        r#"["a",1,null,"Open",[],true]"#,
        r#"{"1":2,"3":4}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a" 1}"#,
        r#"{"a":1"#,
        r#"[1,2,]"#,
        "[1,2,3]",
        "[]",
        "{}",
        "true",
        "nul",
        "null",
        "null x",
        "-",
        "-0",
        "-1",
        "01",
        "0",
        "1.",
        "1.5",
        "-1e400",
        "1E5",
        "18446744073709551615",
        "-9223372036854775808",
        "123456789012345678",
        "1234567890123456789012345",
        "\"\"",
        "\"1234567\u{1}\"",
        "\"12345678\\u00e9\"",
        "\"1234567é890\"",
        "\"open",
        "",
    ];

    #[test]
    fn whatever_the_text_and_the_type_it_is_what_serde_json_says() {
        for text in TEXTS {
            same::<Plain>(text);
            same::<Kind>(text);
            same::<Value>(text);
            same::<Inner>(text);
            same::<Option<bool>>(text);
            same::<()>(text);
            same::<char>(text);
            same::<f64>(text);
            same::<u8>(text);
            same::<i64>(text);
            same::<i128>(text);
            same::<String>(text);
            same::<(u8, u8)>(text);
            same::<BTreeMap<u32, u64>>(text);
            same::<BTreeMap<String, Value>>(text);
        }
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        same::<Value>(&deep);
        let too_deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        same::<Value>(&too_deep);
    }

    #[test]
    fn a_special_byte_is_found_wherever_it_stands() {
        for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
            for length in 0..30 {
                let mut bytes = vec![b'x'; 30];
                if let Some(byte) = bytes.get_mut(length) {
                    *byte = special;
                }
                assert_eq!(plain(&bytes), length, "{special}");
            }
        }
        assert_eq!(plain("é\u{7f}ÿ ~!#[]".as_bytes()), "é\u{7f}ÿ ~!#[]".len());
    }
}
