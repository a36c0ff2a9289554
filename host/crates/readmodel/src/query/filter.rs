//! Filters on rows, in PostgREST's words: `flights=gte.100`, `origin=not.eq.EWR`, `or=(a.eq.1,b.is.null)`.
//!
//! Null is unknown, as in SQL: whatever is compared with it is neither true nor, after a `not`, true again; `is` alone
//! looks at null. Order holds between values of one kind only: a text is neither above nor below a number, so that is
//! unknown, too.

mod parse;
mod pattern;

use std::cmp::Ordering;

use serde_json::Value;

use crate::rows::order;

pub use parse::condition;
pub use pattern::Pattern;

/// The name that stands for a row's key; `key.part` for a part of a composite one.
pub const KEY: &str = "key";

/// What rows have to be.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Test(Test),
}

impl Default for Condition {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// What one field has to be.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Test {
    /// A path, such as `delay.mean`, `key`, or one through the elements of an array, such as `stops[].airport`: then one
    /// of them has to pass, and after a `not` none may.
    pub field: String,
    pub negated: bool,
    pub operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Operator {
    Equal(Value),
    Greater(Value),
    GreaterOrEqual(Value),
    Less(Value),
    LessOrEqual(Value),
    In(Vec<Value>),
    /// The very same, null included.
    Is(Value),
    Like(Pattern),
    /// An array that has all these elements, an object that has all these fields.
    Contains(Value),
}

impl Condition {
    /// The conditions that all have to hold.
    pub fn conjuncts(&self) -> &[Condition] {
        match self {
            Self::All(conditions) => conditions,
            other => std::slice::from_ref(other),
        }
    }

    pub fn and(&mut self, more: Condition) {
        match self {
            Self::All(conditions) => conditions.push(more),
            other => *other = Self::All(vec![std::mem::take(other), more]),
        }
    }

    /// All tests within.
    pub fn visit<'a>(&'a self, test: &mut impl FnMut(&'a Test)) {
        match self {
            Self::All(conditions) | Self::Any(conditions) => conditions.iter().for_each(|inner| inner.visit(test)),
            Self::Test(one) => test(one),
        }
    }

    /// The condition that holds where this one is known not to.
    fn negate(self) -> Self {
        let negate = |conditions: Vec<Self>| conditions.into_iter().map(Self::negate).collect();
        match self {
            Self::All(conditions) => Self::Any(negate(conditions)),
            Self::Any(conditions) => Self::All(negate(conditions)),
            Self::Test(test) => Self::Test(Test { negated: !test.negated, ..test }),
        }
    }
}

impl Test {
    /// Whether a value passes. What is unknown does not.
    pub fn accepts(&self, found: &Value) -> bool {
        self.operator.holds(found).is_some_and(|holds| holds != self.negated)
    }

    /// Whether one of the elements passes; after a `not`, whether none does.
    pub fn accepts_any<'a>(&self, mut elements: impl Iterator<Item = &'a Value>) -> bool {
        elements.any(|element| self.operator.holds(element) == Some(true)) != self.negated
    }
}

impl Operator {
    /// `None` where it is unknown.
    fn holds(&self, found: &Value) -> Option<bool> {
        if let Self::Is(value) = self {
            return Some(found == value);
        }
        if found.is_null() {
            return None;
        }
        let ordered = |value: &Value| compare(found, value);
        match self {
            Self::Equal(value) => Some(equal(found, value)),
            Self::Greater(value) => ordered(value).map(Ordering::is_gt),
            Self::GreaterOrEqual(value) => ordered(value).map(Ordering::is_ge),
            Self::Less(value) => ordered(value).map(Ordering::is_lt),
            Self::LessOrEqual(value) => ordered(value).map(Ordering::is_le),
            Self::In(values) => Some(values.iter().any(|value| equal(found, value))),
            Self::Is(value) => Some(found == value),
            Self::Like(pattern) => found.as_str().map(|text| pattern.matches(text)),
            Self::Contains(value) => Some(contains(found, value, true)),
        }
    }
}

/// Numbers are equal whatever their notation: `5` and `5.0`.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => order::compare(a, b).is_eq(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Some(order::compare(a, b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// As PostgreSQL's `@>` has it. An array also contains a single value that is one of its elements, at the top only.
fn contains(found: &Value, wanted: &Value, top: bool) -> bool {
    match (found, wanted) {
        (Value::Array(found), Value::Array(wanted)) => {
            wanted.iter().all(|wanted| found.iter().any(|found| contains(found, wanted, false)))
        }
        (Value::Array(found), wanted) if top => found.iter().any(|found| equal(found, wanted)),
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| found.get(name).is_some_and(|found| contains(found, wanted, false)))
        }
        _ => equal(found, wanted),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    fn accepts(filter: &str, found: Value) -> bool {
        let Condition::Test(test) = condition("field", filter).unwrap() else { panic!("{filter} is one test") };
        test.accepts(&found)
    }

    #[test]
    fn each_operator_accepts_what_it_says() {
        assert!(accepts("eq.5", json!(5.0)) && !accepts("eq.5", json!("5")) && accepts("eq.\"5\"", json!("5")));
        assert!(accepts("neq.a", json!("b")) && !accepts("neq.a", json!("a")) && accepts("neq.a", json!(1)));
        assert!(accepts("gt.1", json!(2)) && !accepts("gt.1", json!(1)) && accepts("gte.1", json!(1)));
        assert!(accepts("lt.b", json!("a")) && !accepts("lt.b", json!(1)) && accepts("lte.b", json!("b")));
        assert!(accepts("in.(a,2)", json!(2)) && accepts("in.(a,2)", json!("a")) && !accepts("in.(a,2)", json!("2")));
        assert!(accepts("is.null", json!(null)) && accepts("is.true", json!(true)) && !accepts("is.null", json!(0)));
        assert!(accepts("is.not_null", json!(0)) && !accepts("is.not_null", json!(null)));
        assert!(accepts("like.EW*", json!("EWR")) && !accepts("like.EW*", json!("JFK")));
        assert!(accepts("gt.9007199254740992", json!(9_007_199_254_740_993_u64)), "beyond what a float can tell");
        assert!(!accepts("eq.9007199254740993", json!(9_007_199_254_740_992_u64)));
    }

    #[test]
    fn null_is_neither_equal_nor_unequal_to_anything() {
        for filter in ["eq.a", "neq.a", "not.eq.a", "not.in.(a,b)", "gt.1", "not.gt.1", "not.like.a*", "not.cs.{a}"] {
            assert!(!accepts(filter, json!(null)), "{filter}");
        }
        assert!(accepts("not.is.true", json!(null)) && !accepts("not.is.null", json!(null)));
        assert!(!accepts("gt.1", json!("a")) && !accepts("not.gt.1", json!("a")), "kinds have no order");
    }

    #[test]
    fn contains_is_that_of_postgresql() {
        assert!(accepts("cs.{a,1}", json!(["b", 1, "a"])) && !accepts("cs.{a,2}", json!(["a", 1])));
        assert!(accepts("cs.[\"a,b\"]", json!(["a,b"])) && accepts("cs.{}", json!([])));
        assert!(accepts(r#"cs.{"x":{"y":1}}"#, json!({"x": {"y": 1, "z": 2}, "w": 3})));
        assert!(!accepts(r#"cs.{"x":{"y":1}}"#, json!({"x": {"y": 2}})) && !accepts("cs.{a}", json!("a")));
    }

    #[test]
    fn one_of_the_elements_has_to_pass_and_after_a_not_none_may() {
        let any = |filter: &str, elements: &[Value]| {
            let Condition::Test(test) = condition("tags[]", filter).unwrap() else { panic!("{filter} is one test") };
            test.accepts_any(elements.iter())
        };
        assert!(any("eq.a", &[json!("b"), json!("a")]) && !any("eq.a", &[json!("b")]) && !any("eq.a", &[]));
        assert!(!any("not.eq.a", &[json!("b"), json!("a")]) && any("not.eq.a", &[json!("b")]) && any("not.eq.a", &[]));
    }
}
