//! Filters on rows: what each test of a field accepts, and how tests go together.
//!
//! Null is unknown, as in SQL: whatever is compared with it is neither true nor, after a `not`, true again; `is` alone
//! looks at null. Order holds between values of one kind only: a text is neither above nor below a number, so that is
//! unknown, too.

pub(crate) mod pattern;

use std::cmp::Ordering;

use serde_json::Value;

use crate::error::Error;
use crate::layout::order;
use crate::query::filter::pattern::Pattern;

/// The name that stands for a row's key; `key.part` for a part of a composite one.
pub const KEY: &str = "key";

/// What rows have to be.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum RowFilter {
    All(Vec<RowFilter>),
    Any(Vec<RowFilter>),
    Test(RowTest),
}

impl Default for RowFilter {
    /// Takes every row.
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// What one field has to be; see [`RowFilter::test`].
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct RowTest {
    pub(crate) field: String,
    pub(crate) negated: bool,
    pub(crate) operator: Operator,
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

impl RowFilter {
    /// A test of one field: a path, such as `delay.mean`, `key`, `key.part`, or one through the elements of an array,
    /// such as `stops[].airport`. Of those one has to pass, and after [`RowFilter::negate`] none may.
    ///
    /// # Errors
    /// A comparison with null, which never holds: [`Operator::Is`] asks for it. Contents that are neither array nor
    /// object.
    pub fn test(field: impl Into<String>, operator: Operator) -> Result<Self, Error> {
        let fits = match &operator {
            Operator::Equal(value)
            | Operator::Greater(value)
            | Operator::GreaterOrEqual(value)
            | Operator::Less(value)
            | Operator::LessOrEqual(value) => !value.is_null(),
            Operator::In(values) => !values.iter().any(Value::is_null),
            Operator::Contains(value) => value.is_array() || value.is_object(),
            Operator::Is(_) | Operator::Like(_) => true,
        };
        let field = field.into();
        if !fits {
            return Err(Error::InvalidQuery(format!("no value of {field:?} passes {operator:?}")));
        }
        Ok(Self::Test(RowTest { field, negated: false, operator }))
    }

    /// The rows with these keys.
    pub fn keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        let operator = Operator::In(keys.into_iter().map(Value::from).collect());
        Self::Test(RowTest { field: KEY.to_owned(), negated: false, operator })
    }

    /// The filters that all have to hold.
    pub fn conjuncts(&self) -> &[Self] {
        match self {
            Self::All(filters) => filters,
            other => std::slice::from_ref(other),
        }
    }

    pub fn and(&mut self, more: Self) {
        match self {
            Self::All(filters) => filters.push(more),
            other => *other = Self::All(vec![std::mem::take(other), more]),
        }
    }

    /// The filter that holds where this one is known not to.
    pub fn negate(self) -> Self {
        let negate = |filters: Vec<Self>| filters.into_iter().map(Self::negate).collect();
        match self {
            Self::All(filters) => Self::Any(negate(filters)),
            Self::Any(filters) => Self::All(negate(filters)),
            Self::Test(test) => Self::Test(RowTest { negated: !test.negated, ..test }),
        }
    }

    /// All tests within.
    pub fn visit<'a>(&'a self, test: &mut impl FnMut(&'a RowTest)) {
        match self {
            Self::All(filters) | Self::Any(filters) => filters.iter().for_each(|inner| inner.visit(test)),
            Self::Test(one) => test(one),
        }
    }
}

impl RowTest {
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
    use super::Operator::{Contains, Equal, Greater, GreaterOrEqual, In, Is, Less, LessOrEqual, Like};
    use super::*;
    use serde_json::json;

    fn test(operator: Operator) -> RowTest {
        let RowFilter::Test(test) = RowFilter::test("field", operator).unwrap() else { panic!("it is one test") };
        test
    }

    fn not(operator: Operator) -> RowTest {
        RowTest { negated: true, ..test(operator) }
    }

    fn accepts(operator: Operator, found: Value) -> bool {
        test(operator).accepts(&found)
    }

    fn like(text: &str) -> Operator {
        Like(Pattern::new(text, false))
    }

    #[test]
    fn each_operator_accepts_what_it_says() {
        assert!(accepts(Equal(json!(5)), json!(5.0)) && !accepts(Equal(json!(5)), json!("5")));
        assert!(accepts(Equal(json!("5")), json!("5")));
        assert!(not(Equal(json!("a"))).accepts(&json!("b")) && !not(Equal(json!("a"))).accepts(&json!("a")));
        assert!(not(Equal(json!("a"))).accepts(&json!(1)));
        assert!(accepts(Greater(json!(1)), json!(2)) && !accepts(Greater(json!(1)), json!(1)));
        assert!(accepts(GreaterOrEqual(json!(1)), json!(1)));
        assert!(accepts(Less(json!("b")), json!("a")) && !accepts(Less(json!("b")), json!(1)));
        assert!(accepts(LessOrEqual(json!("b")), json!("b")));
        let either = || In(vec![json!("a"), json!(2)]);
        assert!(accepts(either(), json!(2)) && accepts(either(), json!("a")) && !accepts(either(), json!("2")));
        assert!(accepts(Is(json!(null)), json!(null)) && !accepts(Is(json!(null)), json!(0)));
        assert!(accepts(Is(json!(true)), json!(true)));
        assert!(not(Is(json!(null))).accepts(&json!(0)) && !not(Is(json!(null))).accepts(&json!(null)));
        assert!(accepts(like("EW*"), json!("EWR")) && !accepts(like("EW*"), json!("JFK")));
        let large = 9_007_199_254_740_992_u64;
        assert!(accepts(Greater(json!(large)), json!(large + 1)), "beyond what a float can tell");
        assert!(!accepts(Equal(json!(large + 1)), json!(large)));
    }

    #[test]
    fn null_is_neither_equal_nor_unequal_to_anything() {
        let operators = [Equal(json!("a")), In(vec![json!("a"), json!("b")]), Greater(json!(1)), like("a*")];
        for operator in operators.into_iter().chain([Contains(json!(["a"]))]) {
            assert!(!test(operator.clone()).accepts(&json!(null)), "{operator:?}");
            assert!(!not(operator.clone()).accepts(&json!(null)), "not {operator:?}");
        }
        assert!(not(Is(json!(true))).accepts(&json!(null)) && !not(Is(json!(null))).accepts(&json!(null)));
        let above = Greater(json!(1));
        assert!(!accepts(above.clone(), json!("a")) && !not(above).accepts(&json!("a")), "kinds have no order");
    }

    #[test]
    fn contains_is_that_of_postgresql() {
        assert!(accepts(Contains(json!(["a", 1])), json!(["b", 1, "a"])));
        assert!(!accepts(Contains(json!(["a", 2])), json!(["a", 1])));
        assert!(accepts(Contains(json!(["a,b"])), json!(["a,b"])) && accepts(Contains(json!([])), json!([])));
        let nested = || Contains(json!({"x": {"y": 1}}));
        assert!(accepts(nested(), json!({"x": {"y": 1, "z": 2}, "w": 3})));
        assert!(!accepts(nested(), json!({"x": {"y": 2}})) && !accepts(Contains(json!(["a"])), json!("a")));
    }

    #[test]
    fn one_of_the_elements_has_to_pass_and_after_a_not_none_may() {
        let any = |elements: &[Value]| test(Equal(json!("a"))).accepts_any(elements.iter());
        let none = |elements: &[Value]| not(Equal(json!("a"))).accepts_any(elements.iter());
        assert!(any(&[json!("b"), json!("a")]) && !any(&[json!("b")]) && !any(&[]));
        assert!(!none(&[json!("b"), json!("a")]) && none(&[json!("b")]) && none(&[]));
    }

    #[test]
    fn what_no_value_can_pass_is_refused() {
        for operator in [Equal(json!(null)), Less(json!(null)), In(vec![json!(1), json!(null)]), Contains(json!(1))] {
            assert!(RowFilter::test("field", operator.clone()).is_err(), "{operator:?}");
        }
    }
}
