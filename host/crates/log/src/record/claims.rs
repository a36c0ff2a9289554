//! Claims: values that only one stream may hold, such as an e-mail address or a seat.
//!
//! A claim is taken and released by an append, and stands in the record of the append's first event. So the claims that
//! are held follow from the log, and can be checked against it.

use std::str::FromStr;

use kinora_types::{InvalidName, Position, StreamName, Tag};

/// What is claimed: a value, such as `ann@example.org`, among those of a scope, such as `email`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey {
    pub scope: String,
    pub value: String,
}

impl ClaimKey {
    /// Scopes and values are names like tags: no control characters, and at most 256 bytes.
    pub fn new(scope: &str, value: &str) -> Result<Self, InvalidName> {
        let check = |what, name: &str| Tag::from_str(name).map_err(|error| InvalidName { what, ..error });
        check("claim scope", scope)?;
        check("claim value", value)?;
        Ok(Self { scope: scope.to_owned(), value: value.to_owned() })
    }
}

/// A stream that takes a claim, or gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub key: ClaimKey,
    pub owner: StreamName,
}

/// The claims of an append. Those to be released go first, so that a value can be handed over in one append.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    pub release: Vec<Claim>,
    pub take: Vec<Claim>,
}

/// A claim as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldClaim {
    pub owner: StreamName,
    /// The first event of the append that took it.
    pub since: Position,
}

impl Claims {
    pub fn len(&self) -> usize {
        self.release.len() + self.take.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As it stands in a record: a line for each, its fields separated by tabs. None of them can have either.
    pub fn to_text(&self) -> String {
        let line =
            |sign: char, claim: &Claim| format!("{sign}\t{}\t{}\t{}", claim.key.scope, claim.key.value, claim.owner);
        let released = self.release.iter().map(|claim| line('-', claim));
        let taken = self.take.iter().map(|claim| line('+', claim));
        released.chain(taken).collect::<Vec<_>>().join("\n")
    }

    /// `None` if this is not what [`Self::to_text`] made.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut claims = Self::default();
        for line in text.lines() {
            let mut fields = line.split('\t');
            let (sign, scope, value, owner) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            let claim = Claim { key: ClaimKey::new(scope, value).ok()?, owner: owner.parse().ok()? };
            match (sign, fields.next()) {
                ("-", None) => claims.release.push(claim),
                ("+", None) => claims.take.push(claim),
                _ => return None,
            }
        }
        Some(claims)
    }
}

pub fn encode(held: &HeldClaim) -> Vec<u8> {
    [&held.since.0.to_be_bytes()[..], held.owner.as_str().as_bytes()].concat()
}

pub fn decode(value: &[u8]) -> Option<HeldClaim> {
    let (since, owner) = value.split_first_chunk::<8>()?;
    let owner = std::str::from_utf8(owner).ok()?.parse().ok()?;
    Some(HeldClaim { owner, since: Position(u64::from_be_bytes(*since)) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn claim(value: &str) -> Claim {
        Claim { key: ClaimKey::new("email", value).unwrap(), owner: "user-1".parse().unwrap() }
    }

    #[test]
    fn claims_survive_the_round_trip() {
        let claims = Claims { release: vec![claim("a")], take: vec![claim("b c"), claim("é")] };
        assert_eq!(claims.to_text(), "-\temail\ta\tuser-1\n+\temail\tb c\tuser-1\n+\temail\té\tuser-1");
        assert_eq!(Claims::from_text(&claims.to_text()), Some(claims));
        assert_eq!(Claims::from_text(""), Some(Claims::default()));
        for bad in ["+", "+\temail\ta", "*\temail\ta\tuser-1", "+\temail\ta\tuser-1\tmore"] {
            assert_eq!(Claims::from_text(bad), None, "{bad:?}");
        }
        let held = HeldClaim { owner: "user-1".parse().unwrap(), since: Position(258) };
        assert_eq!(encode(&held), b"\0\0\0\0\0\0\x01\x02user-1");
        assert_eq!(decode(&encode(&held)), Some(held));
    }
}
