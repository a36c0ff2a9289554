//! JSON values as bytes that sort as the values do: null < false < true < numbers < texts < everything else.
//!
//! An encoding is never a prefix of another one, so several can stand after one another, and the complement of an
//! encoding sorts the other way round. Numbers are exact. Texts are compared by their first [`TEXT_BYTES`] bytes: where
//! two differ beyond that they stand together, ordered by key. Whoever filters looks at the row itself.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Bytes of a text that count for its place. Keeps entries small, whatever a projector puts into an indexed field.
const TEXT_BYTES: usize = 256;

/// Texts below this length are never cut, and never share an encoding with another one: a character has up to 4 bytes.
pub const WHOLE_TEXT_BYTES: usize = TEXT_BYTES - 4;

/// From here on not every integer is a 64-bit float.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

pub const NULL: u8 = 1;
pub const FALSE: u8 = 2;
pub const TRUE: u8 = 3;
pub const NUMBER: u8 = 4;
pub const TEXT: u8 = 5;
const OTHER: u8 = 6;

/// After every value.
pub const END: u8 = OTHER + 1;

pub fn encode(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => bytes.push(NULL),
        Value::Bool(false) => bytes.push(FALSE),
        Value::Bool(true) => bytes.push(TRUE),
        Value::Number(number) => {
            let (float, rest) = exact(number);
            bytes.push(NUMBER);
            bytes.extend_from_slice(&sortable(float));
            if float.abs() >= EXACT_FLOAT {
                bytes.extend_from_slice(&(rest as u16 ^ 0x8000).to_be_bytes());
            }
        }
        Value::String(text) => {
            bytes.push(TEXT);
            let text = text.get(..text.floor_char_boundary(TEXT_BYTES)).unwrap_or_default();
            for byte in text.bytes() {
                // Zero ends a text, so one within it is escaped by what sorts right after the end.
                bytes.push(byte);
                if byte == 0 {
                    bytes.push(0xff);
                }
            }
            bytes.extend_from_slice(&[0, 0]);
        }
        Value::Array(_) | Value::Object(_) => bytes.push(OTHER),
    }
}

/// Bytes of an encoded value, about; more only for texts with zeros in them.
pub fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => 1,
        Value::Number(_) => 11,
        Value::String(text) => text.len().min(TEXT_BYTES) + 3,
    }
}

/// The bits of a float, changed such that unsigned order is numeric order.
fn sortable(number: f64) -> [u8; 8] {
    // Adding zero makes -0.0 the same as 0.0.
    let bits = (number + 0.0).to_bits();
    let sign = 1_u64 << 63;
    (if bits & sign == 0 { bits | sign } else { !bits }).to_be_bytes()
}

fn unsortable(bytes: [u8; 8]) -> f64 {
    let (bits, sign) = (u64::from_be_bytes(bytes), 1_u64 << 63);
    f64::from_bits(if bits & sign == 0 { !bits } else { bits & !sign })
}

/// A number as the float next to it, and what that is short of an integer.
fn exact(number: &Number) -> (f64, i16) {
    let float = number.as_f64().unwrap_or(f64::MAX) + 0.0;
    let rest = number.as_i128().filter(|_| float.abs() >= EXACT_FLOAT).map_or(0, |integer| integer - float as i128);
    // Floats of 64-bit integers are at most 2,048 apart.
    (float, i16::try_from(rest).unwrap_or(0))
}

/// Which of two numbers is greater, exactly.
pub fn compare(a: &Number, b: &Number) -> Ordering {
    let ((a, rest_of_a), (b, rest_of_b)) = (exact(a), exact(b));
    a.total_cmp(&b).then(rest_of_a.cmp(&rest_of_b))
}

/// Encodes such that greater values stand first, if they are to.
pub fn encode_directed(value: &Value, descending: bool, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    encode(value, bytes);
    if descending {
        bytes.iter_mut().skip(start).for_each(|byte| *byte = !*byte);
    }
}

/// How many bytes the next encoded value has, or `None` if there is none.
pub fn length(bytes: &[u8], descending: bool) -> Option<usize> {
    let at = |index: usize| bytes.get(index).map(|byte| if descending { !byte } else { *byte });
    match at(0)? {
        NULL | FALSE | TRUE | OTHER => Some(1),
        NUMBER => {
            let mut float = [0; 8];
            for (index, byte) in float.iter_mut().enumerate() {
                *byte = at(index + 1)?;
            }
            let large = unsortable(float).abs() >= EXACT_FLOAT;
            let length = if large { 11 } else { 9 };
            (bytes.len() >= length).then_some(length)
        }
        TEXT => {
            let mut index = 1;
            loop {
                match (at(index)?, at(index + 1)) {
                    (0, Some(0)) => return Some(index + 2),
                    (0, Some(0xff)) => index += 2,
                    (0, _) => return None,
                    _ => index += 1,
                }
            }
        }
        _ => None,
    }
}

/// The value at a path of a row, nested fields with dots; null where there is none.
pub fn at<'a>(row: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(row, |value, field| value.get(field)).unwrap_or(&Value::Null)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use serde_json::json;

    fn encoded(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(value, &mut bytes);
        bytes
    }

    #[test]
    fn bytes_sort_as_the_values_do() {
        let sorted = [
            json!(null),
            json!(false),
            json!(true),
            json!(-1e300),
            json!(-2.5),
            json!(-2),
            json!(0),
            json!(1e-9),
            json!(1),
            json!(1.5),
            json!(10),
            json!(9_007_199_254_740_992_u64),
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_994_u64),
            json!(u64::MAX - 1),
            json!(u64::MAX),
            json!(1.9e19),
            json!(""),
            json!("\0"),
            json!("\0a"),
            json!("a"),
            json!("a\0"),
            json!("aa"),
            json!("b"),
            json!("é"),
            json!([1]),
        ];
        for pair in sorted.windows(2) {
            assert!(encoded(&pair[0]) < encoded(&pair[1]), "{} < {}", pair[0], pair[1]);
            let [mut low, mut high] = [Vec::new(), Vec::new()];
            encode_directed(&pair[0], true, &mut low);
            encode_directed(&pair[1], true, &mut high);
            assert!(low > high, "{} after {}, descending", pair[0], pair[1]);
        }
        assert_eq!(encoded(&json!(-0.0)), encoded(&json!(0)));
        assert_eq!(encoded(&json!(1.0)), encoded(&json!(1)));
    }

    #[test]
    fn values_that_follow_one_another_are_told_apart() {
        for value in [
            json!(null),
            json!(7.5),
            json!(""),
            json!("a\0b\0"),
            json!({"a": 1}),
            json!("é".repeat(300)),
            json!(u64::MAX),
        ] {
            for descending in [false, true] {
                let mut bytes = Vec::new();
                encode_directed(&value, descending, &mut bytes);
                let length_of_value = bytes.len();
                bytes.extend_from_slice(b"\0key");
                assert_eq!(length(&bytes, descending), Some(length_of_value), "{value}");
            }
        }
        for damaged in [&b""[..], b"\x04123", b"\x05abc", b"\x05a\0", b"\x07"] {
            assert_eq!(length(damaged, false), None, "{damaged:?}");
        }
    }

    #[test]
    fn a_path_names_nested_fields() {
        let row = json!({"delay": {"mean": 3}, "n": 1});
        assert_eq!((at(&row, "delay.mean"), at(&row, "n")), (&json!(3), &json!(1)));
        assert_eq!((at(&row, "delay.max"), at(&row, "n.x")), (&Value::Null, &Value::Null));
    }
}
