//! Filters on rows: `flights=gte.100`, `origin=not.eq.EWR`, `or=(a.eq.1,b.is.null)`.

mod read;
mod write;

use serde_json::{Number, Value};

/// The name that stands for a row's key; `key.part` for a part of a composite one.
pub const KEY: &str = "key";

/// Parameters of lists that are no fields. A filter on a field that is called so stands in an `and`.
pub const PARAMETERS: [&str; 20] = [
    "and",
    "or",
    "not.and",
    "not.or",
    "version",
    "min_position",
    "timeout",
    "stale",
    "at_position",
    "at_time",
    "select",
    "order",
    "limit",
    "cursor",
    "scan",
    "explain",
    "format",
    "aggregate",
    "group",
    "facets",
];

/// What rows have to be. A `not` before several is that of each of them: what is read has it at the tests alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Test(Test),
}

/// What one field has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// A path, such as `delay.mean`, [`KEY`], or one through the elements of an array, such as `stops[].airport`.
    pub field: String,
    pub negated: bool,
    pub operator: Operator,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// `eq`; `neq` where it is negated.
    Equal(Scalar),
    /// `gt`.
    Greater(Scalar),
    /// `gte`.
    GreaterOrEqual(Scalar),
    /// `lt`.
    Less(Scalar),
    /// `lte`.
    LessOrEqual(Scalar),
    /// `in`.
    In(Vec<Scalar>),
    /// `is`: true, false, or null.
    Is(Option<bool>),
    /// `like` and `ilike`: `*` or `%` for any characters, `_` for one.
    Like { pattern: String, ignores_case: bool },
    /// `cs`: an array whose elements, or an object whose fields, the value has to have.
    Contains(Value),
    /// `cs` as PostgreSQL writes an array, `{a,b}`: elements that an array has to have; none for null.
    HasAll(Vec<Option<Scalar>>),
}

/// A value that can be compared with. A key, and a part of one, is always a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Number(Numeral),
    Bool(bool),
    Text(String),
}

/// A number, and how it is written: where a field has texts, that is the text which is meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Numeral {
    number: Number,
    written: String,
}

impl Numeral {
    pub fn number(&self) -> &Number {
        &self.number
    }

    pub fn written(&self) -> &str {
        &self.written
    }
}

impl Filter {
    /// A test of one field.
    pub fn test(field: impl Into<String>, operator: Operator) -> Self {
        Self::Test(Test { field: field.into(), negated: false, operator })
    }

    /// The filter that holds where this one is known not to.
    pub fn negate(self) -> Self {
        let negate = |filters: Vec<Self>| filters.into_iter().map(Self::negate).collect();
        match self {
            Self::All(filters) => Self::Any(negate(filters)),
            Self::Any(filters) => Self::All(negate(filters)),
            Self::Test(test) => Self::Test(Test { negated: !test.negated, ..test }),
        }
    }

    /// How many conditions it has, and how many values these compare with.
    pub fn size(&self) -> (usize, usize) {
        match self {
            Self::All(filters) | Self::Any(filters) => {
                let sizes = filters.iter().map(Self::size);
                sizes.fold((0, 0), |(conditions, values), (more, and)| (conditions + more, values + and))
            }
            Self::Test(test) => match &test.operator {
                Operator::In(values) => (1, values.len()),
                Operator::HasAll(elements) => (1, elements.len()),
                _ => (1, 1),
            },
        }
    }

    /// The filters that all have to hold.
    pub fn conjuncts(&self) -> &[Self] {
        match self {
            Self::All(filters) => filters,
            other => std::slice::from_ref(other),
        }
    }
}

impl Test {
    /// Whether it is of the key, or of a part of it: those are texts, whatever they look like.
    fn is_of_key(field: &str) -> bool {
        field == KEY || field.starts_with("key.")
    }
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Number(numeral) => Self::Number(numeral.number),
            Scalar::Bool(bool) => Self::Bool(bool),
            Scalar::Text(text) => Self::String(text),
        }
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<bool> for Scalar {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<Number> for Scalar {
    fn from(number: Number) -> Self {
        Self::Number(Numeral { written: number.to_string(), number })
    }
}

impl From<i64> for Scalar {
    fn from(number: i64) -> Self {
        Number::from(number).into()
    }
}
