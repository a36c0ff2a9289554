//! Rejections: a business "no".

use serde_json::{Map, Value};

/// Why a command is not carried out, for programs and for people.
///
/// ```
/// use kinora_sdk::Rejection;
///
/// fn subtract(balance: u64, cents: u64) -> Result<u64, Rejection> {
///     balance.checked_sub(cents).ok_or_else(|| {
///         Rejection::new("insufficient_funds", "there is not enough on the account").detail("balance", balance)
///     })
/// }
///
/// /// A code and a message become one with `?`.
/// fn add(balance: u64, cents: u64) -> Result<u64, Rejection> {
///     Ok(balance.checked_add(cents).ok_or(("balance_too_large", "nobody has as much as that"))?)
/// }
///
/// assert_eq!(subtract(5, 7).unwrap_err().code(), "insufficient_funds");
/// assert_eq!(add(1, u64::MAX).unwrap_err().code(), "balance_too_large");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection(Why);

#[derive(Clone, Debug, PartialEq)]
enum Why {
    No {
        code: &'static str,
        message: String,
        details: Map<String, Value>,
    },
    /// A state is not there yet: the command comes again with it. Which one, the context knows.
    Wanting,
}

impl Rejection {
    /// A rejection with a code in `snake_case` for programs, and a sentence for people.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self(Why::No { code, message: message.into(), details: Map::new() })
    }

    /// Says more about it: a member of the details.
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        if let Why::No { details, .. } = &mut self.0 {
            details.insert(name.into(), value.into());
        }
        self
    }

    /// What it is, for programs. Empty where a state is not there yet.
    pub fn code(&self) -> &'static str {
        match &self.0 {
            Why::No { code, .. } => code,
            Why::Wanting => "",
        }
    }

    /// What it is, for people.
    pub fn message(&self) -> &str {
        match &self.0 {
            Why::No { message, .. } => message,
            Why::Wanting => "a state is not there yet: pass this on with `?`",
        }
    }

    /// More about it, by name.
    pub fn details(&self) -> Option<&Map<String, Value>> {
        match &self.0 {
            Why::No { details, .. } => Some(details).filter(|details| !details.is_empty()),
            Why::Wanting => None,
        }
    }

    /// The details as a JSON object, or empty.
    pub(crate) fn details_text(&self) -> String {
        self.details().and_then(|details| serde_json::to_string(details).ok()).unwrap_or_default()
    }

    pub(crate) fn wanting() -> Self {
        Self(Why::Wanting)
    }

    /// Whether its code is one: lower-case words, joined by underscores.
    pub(crate) fn has_a_code(&self) -> bool {
        let of_a_code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        self.code().starts_with(|first: char| first.is_ascii_lowercase()) && self.code().bytes().all(of_a_code)
    }
}

impl<M: Into<String>> From<(&'static str, M)> for Rejection {
    fn from((code, message): (&'static str, M)) -> Self {
        Self::new(code, message)
    }
}
