//! Tokens (JWT) of an issuer that is a key and nothing else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://id.example.org";
pub const AUDIENCE: &str = "kinora";

/// The first test key of RFC 8032, as RFC 8410 writes it.
const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// What the issuer publishes: its public key under this id.
pub fn key_set(id: &str) -> String {
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": PUBLIC, "kid": id}]}).to_string()
}

/// A token for somebody with a role, good for ten minutes; what `more` says comes on top.
pub fn token(key_id: &str, subject: &str, role: &str, more: &Value) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": now + 600, "kinora_roles": [role]});
    claims.as_object_mut().unwrap().extend(more.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
    let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::EdDSA) };
    encode(&header, &claims, &EncodingKey::from_ed_der(&STANDARD.decode(PRIVATE).unwrap())).unwrap()
}
