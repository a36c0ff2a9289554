//! The rules of a decider, as it declares them.

use super::scope::Scope;

/// What a decider is called, what its aggregates are, and what it claims. It is built in `describe`; commands and
/// events are not named here, because their enums say which there are.
///
/// ```
/// use kinora_sdk::Rules;
///
/// let rules = Rules::new("accounts")
///     .category("account")
///     .event("Deposited", 2)
///     .ignores("StatementSent")
///     .claim("iban", "iban_taken", "another account has this IBAN");
/// # let _ = rules;
/// ```
#[derive(Clone, Debug)]
pub struct Rules {
    /// What the decider calls itself; for people.
    pub name: &'static str,
    /// Which scope an aggregate has.
    pub own: Own,
    /// Types and schemas of events that are not of schema 1.
    pub schemas: Vec<(&'static str, u32)>,
    /// Types of the events that are passed over.
    pub ignores: Vec<&'static str>,
    /// What may be claimed.
    pub claims: Vec<ClaimEntry>,
}

/// Which scope an aggregate has, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// The stream `CATEGORY-ID`.
    Category(&'static str),
    /// The tag `PREFIX:ID`, in whichever stream; without one an event goes to `PREFIX-ID`.
    Tag(&'static str),
}

/// A claim as it was declared.
#[derive(Clone, Copy, Debug)]
pub struct ClaimEntry {
    /// What the values are, such as `email`.
    pub scope: &'static str,
    /// What a command is rejected with if another holds the value.
    pub code: &'static str,
    /// The same for people.
    pub message: &'static str,
}

impl Rules {
    /// Rules of aggregates that are streams `NAME-ID`, unless [`Rules::category`] or [`Rules::tag`] says otherwise.
    pub fn new(name: &'static str) -> Self {
        let own = Own::Category(name);
        Self { name, own, schemas: Vec::new(), ignores: Vec::new(), claims: Vec::new() }
    }

    /// An aggregate is the stream `CATEGORY-ID`.
    pub fn category(mut self, category: &'static str) -> Self {
        self.own = Own::Category(category);
        self
    }

    /// An aggregate is all events with the tag `PREFIX:ID`, whatever their stream. What it decides has this tag, and
    /// goes to the stream `PREFIX-ID` unless [`Decider::stream`](crate::Decider::stream) names another.
    pub fn tag(mut self, prefix: &'static str) -> Self {
        self.own = Own::Tag(prefix);
        self
    }

    /// Says of which schema the events of a type are. The others are of schema 1.
    pub fn event(mut self, kind: &'static str, schema: u32) -> Self {
        self.schemas.push((kind, schema));
        self
    }

    /// Events of this type are passed over where states are folded, whatever their schema. `*` stands for all that are
    /// no variant of the decider's events. What is neither of the two stops the decider: rules that do not know all
    /// that has happened must not decide.
    pub fn ignores(mut self, kind: &'static str) -> Self {
        self.ignores.push(kind);
        self
    }

    /// Declares values that one stream at a time may hold, and what a command is rejected with if another holds its
    /// value.
    pub fn claim(mut self, scope: &'static str, code: &'static str, message: &'static str) -> Self {
        self.claims.push(ClaimEntry { scope, code, message });
        self
    }
}

impl Own {
    /// The stream that events of an aggregate go to unless they name another.
    pub(crate) fn stream(self, id: &str) -> String {
        let (Self::Category(name) | Self::Tag(name)) = self;
        format!("{name}-{id}")
    }

    /// The tag of everything that an aggregate decides.
    pub(crate) fn tag(self, id: &str) -> Option<String> {
        match self {
            Self::Category(_) => None,
            Self::Tag(prefix) => Some(format!("{prefix}:{id}")),
        }
    }

    pub(crate) fn scope(self, id: &str) -> Scope {
        self.tag(id).map_or_else(|| Scope::stream(self.stream(id)), |tag| Scope::tags([tag]))
    }
}
