//! Tokens (JWT): who somebody is, by the word of an issuer whose public keys are in a file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use crate::pattern::Pattern;
use crate::principal::Principal;
use crate::role::Role;
use crate::scope::Scope;

/// Seconds that the issuer's clock may be ahead or behind.
const LEEWAY: u64 = 30;

/// How long a token may have left: a stolen one is of use for no longer.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// Bytes of a token, and of the names in it.
const TOKEN_BYTES: usize = 16 << 10;
const NAME_BYTES: usize = 512;

/// Whose tokens are believed.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub issuer: String,
    pub audience: String,
    /// A JSON Web Key Set.
    pub keys: PathBuf,
}

impl Tokens {
    /// Whether these bytes are a set of keys that the issuer's tokens can be checked with.
    pub fn check(&self, bytes: &[u8]) -> Result<(), TokenError> {
        Issuer::read(self, bytes).map(drop)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the issuer's keys at {}: {cause}", path.display())]
    File { path: PathBuf, cause: String },
    #[error("the issuer's keys at {}: none of them can check a signature (RSA, EC or Ed25519)", .0.display())]
    NoKeys(PathBuf),
}

/// What a token says of its owner, besides what all tokens say.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    #[serde(default)]
    kinora_roles: Vec<String>,
    #[serde(default)]
    kinora_streams: Vec<Pattern>,
    #[serde(default)]
    kinora_projections: Vec<Pattern>,
    #[serde(default)]
    kinora_tables: Vec<Pattern>,
}

/// The issuer's keys, ready to check tokens.
pub(crate) struct Issuer {
    name: String,
    /// By key id. One without an id is under none.
    keys: BTreeMap<Option<String>, (DecodingKey, Validation)>,
}

impl Issuer {
    pub(crate) fn read(tokens: &Tokens, bytes: &[u8]) -> Result<Self, TokenError> {
        let path = || tokens.keys.clone();
        let set: JwkSet = serde_json::from_slice(bytes)
            .map_err(|cause| TokenError::File { path: path(), cause: cause.to_string() })?;
        let mut keys = BTreeMap::new();
        for jwk in &set.keys {
            let Some(algorithm) = algorithm(jwk) else { continue };
            let key = DecodingKey::from_jwk(jwk)
                .map_err(|cause| TokenError::File { path: path(), cause: cause.to_string() })?;
            let mut validation = Validation::new(algorithm);
            validation.leeway = LEEWAY;
            validation.validate_nbf = true;
            validation.set_issuer(&[&tokens.issuer]);
            validation.set_audience(&[&tokens.audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            keys.insert(jwk.common.key_id.clone(), (key, validation));
        }
        if keys.is_empty() {
            return Err(TokenError::NoKeys(path()));
        }
        Ok(Self { name: tokens.issuer.clone(), keys })
    }

    /// Who shows this token, or why it is not believed.
    pub(crate) fn principal(&self, token: &str) -> Result<Principal, String> {
        if token.len() > TOKEN_BYTES {
            return Err(format!("a token has {TOKEN_BYTES} bytes at most"));
        }
        let header = decode_header(token).map_err(|_| "it is neither an API key nor a token".to_owned())?;
        let known = self.keys.get(&header.kid);
        let (key, validation) = known.ok_or("the token was signed with a key that its issuer does not publish")?;
        let claims = decode::<Claims>(token, key, validation).map_err(|cause| format!("the token: {cause}"))?.claims;
        let Claims { sub, exp, kinora_roles, kinora_streams, kinora_projections, kinora_tables } = claims;
        if sub.is_empty() || sub.len() > NAME_BYTES || sub.contains(char::is_control) {
            return Err("the token's subject is no name".into());
        }
        let expires = Timestamp::from_second(exp).map_err(|_| "the token's end is no time")?;
        if expires > Timestamp::now().saturating_add(LONGEST).unwrap_or(Timestamp::MAX) {
            return Err(format!("the token is good for longer than {} hours", LONGEST.as_hours()));
        }
        // An issuer may have roles of other programs in the same list.
        let roles: Vec<Role> = kinora_roles.iter().filter_map(|role| role.parse().ok()).collect();
        let scope = Scope { streams: kinora_streams, projections: kinora_projections, tables: kinora_tables };
        Ok(Principal::new(format!("token:{}#{sub}", self.name), roles, scope, Some(expires)))
    }
}

/// How this key signs; `None`, if it is not one that only its owner can sign with.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let said = jwk.common.key_algorithm.map(Algorithm::try_from);
    let fits = |algorithms: &[Algorithm]| match &said {
        None => algorithms.first().copied(),
        Some(said) => said.as_ref().ok().filter(|said| algorithms.contains(said)).copied(),
    };
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => fits(&[RS256, RS384, RS512, PS256, PS384, PS512]),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => fits(&[ES256]),
            EllipticCurve::P384 => fits(&[ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => fits(&[EdDSA]),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    /// The first test key of RFC 8032, as RFC 8410 writes it.
    const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn tokens() -> Tokens {
        Tokens { issuer: "https://id.example.org".into(), audience: "kinora".into(), keys: "keys.json".into() }
    }

    fn issuer() -> Issuer {
        let set = json!({"keys": [
            {"kty": "oct", "kid": "shared", "k": "c2VjcmV0", "alg": "HS256"},
            {"kty": "OKP", "crv": "Ed25519", "x": PUBLIC, "kid": "one"},
        ]});
        Issuer::read(&tokens(), set.to_string().as_bytes()).unwrap()
    }

    fn signed(claims: &Value, kid: Option<&str>) -> String {
        use base64::Engine;
        let private = base64::engine::general_purpose::STANDARD.decode(PRIVATE).unwrap();
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &EncodingKey::from_ed_der(&private)).unwrap()
    }

    fn claims() -> Value {
        let exp = Timestamp::now().as_second() + 600;
        json!({
            "iss": "https://id.example.org", "aud": "kinora", "sub": "ada", "exp": exp,
            "kinora_roles": ["writer", "of-another-program"], "kinora_streams": ["account-*"],
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    #[test]
    fn a_token_says_who_somebody_is_and_what_they_reach() {
        let principal = issuer().principal(&signed(&claims(), Some("one"))).unwrap();
        assert_eq!(principal.name, "token:https://id.example.org#ada");
        assert_eq!((principal.roles.as_slice(), principal.scope.streams.len()), ([Role::Writer].as_slice(), 1));
        assert!(!principal.is_gone());
    }

    #[test]
    fn a_token_of_another_time_issuer_audience_or_key_is_not_believed() {
        let issuer = issuer();
        let now = Timestamp::now().as_second();
        for (name, value) in [
            ("iss", json!("https://id.example.com")),
            ("iss", Value::Null),
            ("aud", json!("another")),
            ("aud", Value::Null),
            ("sub", json!("")),
            ("sub", json!("a\nb")),
            ("exp", json!(now - 60)),
            ("exp", json!(now + 90_000)),
            ("exp", Value::Null),
            ("nbf", json!(now + 60)),
            ("kinora_streams", json!(["a*b"])),
        ] {
            let mut claims = with(name, value.clone());
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            }
            assert!(issuer.principal(&signed(&claims, Some("one"))).is_err(), "{name}: {value}");
        }
        for kid in [None, Some("two"), Some("shared")] {
            assert!(issuer.principal(&signed(&claims(), kid)).is_err(), "{kid:?}");
        }
        let good = signed(&claims(), Some("one"));
        let (rest, _) = good.rsplit_once('.').unwrap();
        for bad in [format!("{rest}."), format!("{rest}.AAAA"), String::new(), "a.b.c".into(), "a".repeat(1 << 20)] {
            assert!(issuer.principal(&bad).is_err());
        }
    }

    #[test]
    fn neither_no_signature_nor_one_with_a_shared_secret_is_believed() {
        let header = Header { kid: Some("one".into()), ..Header::new(Algorithm::HS256) };
        let forged = encode(&header, &claims(), &EncodingKey::from_secret(PUBLIC.as_bytes()).unwrap()).unwrap();
        assert!(issuer().principal(&forged).is_err());
        use base64::Engine;
        let part = |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        let unsigned = format!("{}.{}.", part(json!({"alg": "none", "kid": "one"})), part(claims()));
        assert!(issuer().principal(&unsigned).is_err());
        let shared = json!({"keys": [{"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}]}).to_string();
        assert!(matches!(Issuer::read(&tokens(), shared.as_bytes()), Err(TokenError::NoKeys(_))));
    }
}
