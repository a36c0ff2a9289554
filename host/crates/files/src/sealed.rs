//! Sealed JSON: a document with a checksum of its own, so that a bit which a disk has turned over is not taken for what
//! was written.

use std::io;

use kinora_types::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The member that the checksum is in.
const CHECKSUM: &str = "checksum";

/// The text of an object, with its checksum.
///
/// # Errors
/// It has no JSON, or is no object.
pub fn seal(content: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut document = serde_json::to_value(content)?;
    let checksum = checksum(&document)?;
    let Value::Object(members) = &mut document else { return Err(io::Error::other("it is no JSON object")) };
    members.insert(CHECKSUM.to_owned(), checksum.into());
    Ok(serde_json::to_vec_pretty(&document)?)
}

/// What was sealed. A document without a checksum is one of an older program, or of somebody who has taken it out.
///
/// # Errors
/// It is not what was written, or not what is expected there.
pub fn unseal<T: DeserializeOwned>(text: &[u8]) -> io::Result<T> {
    let mut document: Value = serde_json::from_slice(text)?;
    let written = document.as_object_mut().and_then(|members| members.remove(CHECKSUM));
    if let Some(written) = written
        && written != checksum(&document)?
    {
        return Err(io::Error::other(
            "its checksum does not fit: the disk has damaged it, or somebody has changed it (who knows that it is \
             right takes the member \"checksum\" out)",
        ));
    }
    Ok(serde_json::from_value(document)?)
}

/// Of what the document says, however it is written.
fn checksum(document: &Value) -> io::Result<String> {
    let mut document = document.clone();
    document.sort_all_objects();
    Ok(Digest::of(&serde_json::to_vec(&document)?).to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_sealed_comes_back_and_any_other_bit_is_refused_or_does_not_matter() {
        let content = json!({"format": 1, "keys": {"b": [1.5, "é", null], "a": {"live": 3}}});
        let text = seal(&content).unwrap();
        assert_eq!(unseal::<Value>(&text).unwrap(), content);
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            *flipped.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
            if let Ok(read) = unseal::<Value>(&flipped) {
                let is_without = read.as_object().unwrap().len() == 3;
                assert!(read == content || is_without, "bit {bit}: {read}");
            }
        }
        // By hand, and by programs that knew no checksum.
        assert_eq!(unseal::<Value>(content.to_string().as_bytes()).unwrap(), content);
        assert!(seal(&json!([1])).is_err());
    }
}
