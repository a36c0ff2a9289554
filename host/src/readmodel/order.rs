//! JSON values as bytes that sort as the values do: null < false < true < numbers < texts < everything else.
//!
//! An encoding is never a prefix of another one, so several can stand after one another. Numbers are compared as
//! 64-bit floats, texts by their first [`TEXT_BYTES`] bytes: where two values differ beyond that they stand together,
//! ordered by key. Whoever filters looks at the row itself.

use serde_json::Value;

/// Bytes of a text that count for its place. Keeps entries small, whatever a projector puts into an indexed field.
const TEXT_BYTES: usize = 256;

const NULL: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const NUMBER: u8 = 4;
const TEXT: u8 = 5;
const OTHER: u8 = 6;

pub fn encode(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => bytes.push(NULL),
        Value::Bool(false) => bytes.push(FALSE),
        Value::Bool(true) => bytes.push(TRUE),
        Value::Number(number) => {
            bytes.push(NUMBER);
            bytes.extend_from_slice(&sortable(number.as_f64().unwrap_or(f64::MAX)));
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

/// The bits of a float, changed such that unsigned order is numeric order.
fn sortable(number: f64) -> [u8; 8] {
    // Adding zero makes -0.0 the same as 0.0.
    let bits = (number + 0.0).to_bits();
    let sign = 1_u64 << 63;
    (if bits & sign == 0 { bits | sign } else { !bits }).to_be_bytes()
}

/// How many bytes the next encoded value has, or `None` if there is none.
pub fn length(bytes: &[u8]) -> Option<usize> {
    match *bytes.first()? {
        NULL | FALSE | TRUE | OTHER => Some(1),
        NUMBER => (bytes.len() >= 9).then_some(9),
        TEXT => {
            let mut at = 1;
            loop {
                match (bytes.get(at)?, bytes.get(at + 1)) {
                    (0, Some(0)) => return Some(at + 2),
                    (0, Some(0xff)) => at += 2,
                    (0, _) => return None,
                    _ => at += 1,
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
            json!(u64::MAX),
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
        }
        assert_eq!(encoded(&json!(-0.0)), encoded(&json!(0)));
        assert_eq!(encoded(&json!(1.0)), encoded(&json!(1)));
    }

    #[test]
    fn values_that_follow_one_another_are_told_apart() {
        for value in [json!(null), json!(7.5), json!(""), json!("a\0b\0"), json!({"a": 1}), json!("é".repeat(300))] {
            let mut bytes = encoded(&value);
            let length_of_value = bytes.len();
            bytes.extend_from_slice(b"\0key");
            assert_eq!(length(&bytes), Some(length_of_value), "{value}");
        }
        for damaged in [&b""[..], b"\x04123", b"\x05abc", b"\x05a\0", b"\x07"] {
            assert_eq!(length(damaged), None, "{damaged:?}");
        }
    }

    #[test]
    fn a_path_names_nested_fields() {
        let row = json!({"delay": {"mean": 3}, "n": 1});
        assert_eq!((at(&row, "delay.mean"), at(&row, "n")), (&json!(3), &json!(1)));
        assert_eq!((at(&row, "delay.max"), at(&row, "n.x")), (&Value::Null, &Value::Null));
    }
}
