//! Filters on rows, in PostgREST's words: `flights=gte.100`, `origin=eq.EWR`, `key=like.EWR-*`.
//!
//! A value is a number, `true`, `false` or `null` where it reads as one, and a text otherwise; quotes make it a text
//! (`eq."10"`). Order comparisons hold between values of one kind only: a text is neither above nor below a number.

use std::cmp::Ordering;

use serde_json::Value;

use super::error::Error;

#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// The path of a field, or [`Filter::KEY`].
    pub field: String,
    pub operator: Operator,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    Equal(Value),
    NotEqual(Value),
    Greater(Value),
    GreaterOrEqual(Value),
    Less(Value),
    LessOrEqual(Value),
    In(Vec<Value>),
    /// A text that begins so.
    StartsWith(String),
}

const OPERATORS: &str = "eq, neq, gt, gte, lt, lte, in.(a,b), is.null, like.text*";

impl Filter {
    /// The name that stands for the row's key.
    pub const KEY: &str = "key";

    /// Reads `operator.value`.
    pub fn parse(field: &str, text: &str) -> Result<Self, Error> {
        let invalid = |why: String| Error::InvalidFilter { filter: format!("{field}={text}"), why };
        let Some((name, text)) = text.split_once('.') else {
            return Err(invalid(format!(
                "it takes an operator and a value, such as {field}=eq.{text}; operators: {OPERATORS}"
            )));
        };
        let one = || value(field, text);
        let operator = match name {
            "eq" | "is" => Operator::Equal(one()),
            "neq" => Operator::NotEqual(one()),
            "gt" => Operator::Greater(one()),
            "gte" => Operator::GreaterOrEqual(one()),
            "lt" => Operator::Less(one()),
            "lte" => Operator::LessOrEqual(one()),
            "in" => {
                let list = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
                let list = list.ok_or_else(|| invalid("in takes a list in parentheses: in.(a,b)".into()))?;
                Operator::In(list.split(',').map(|text| value(field, text)).collect())
            }
            "like" => match text.strip_suffix('*') {
                Some(start) if !start.contains(['*', '%']) => Operator::StartsWith(start.to_owned()),
                _ => return Err(invalid("like takes a text with one * at its end".into())),
            },
            _ => return Err(invalid(format!("there is no operator {name:?}; operators: {OPERATORS}"))),
        };
        Ok(Self { field: field.to_owned(), operator })
    }

    pub fn accepts(&self, found: &Value) -> bool {
        let ordered = |value: &Value| compare(found, value);
        match &self.operator {
            Operator::Equal(value) => equal(found, value),
            Operator::NotEqual(value) => !equal(found, value),
            Operator::Greater(value) => ordered(value).is_some_and(Ordering::is_gt),
            Operator::GreaterOrEqual(value) => ordered(value).is_some_and(Ordering::is_ge),
            Operator::Less(value) => ordered(value).is_some_and(Ordering::is_lt),
            Operator::LessOrEqual(value) => ordered(value).is_some_and(Ordering::is_le),
            Operator::In(values) => values.iter().any(|value| equal(found, value)),
            Operator::StartsWith(start) => found.as_str().is_some_and(|text| text.starts_with(start.as_str())),
        }
    }
}

fn value(field: &str, text: &str) -> Value {
    if let Some(quoted) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return Value::String(quoted.to_owned());
    }
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) if field != Filter::KEY => value,
        _ => Value::String(text.to_owned()),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => compare(a, b) == Some(Ordering::Equal),
        _ => a == b,
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn accepts(filter: &str, found: Value) -> bool {
        Filter::parse("field", filter).unwrap().accepts(&found)
    }

    #[test]
    fn each_operator_accepts_what_it_says() {
        assert!(accepts("eq.5", json!(5.0)) && !accepts("eq.5", json!("5")) && accepts("eq.\"5\"", json!("5")));
        assert!(accepts("neq.a", json!("b")) && accepts("neq.a", json!(null)) && !accepts("neq.a", json!("a")));
        assert!(accepts("gt.1", json!(2)) && !accepts("gt.1", json!(1)) && accepts("gte.1", json!(1)));
        assert!(accepts("lt.b", json!("a")) && !accepts("lt.b", json!(1)) && accepts("lte.b", json!("b")));
        assert!(accepts("in.(a,2)", json!(2)) && accepts("in.(a,2)", json!("a")) && !accepts("in.(a,2)", json!("2")));
        assert!(accepts("is.null", json!(null)) && accepts("is.true", json!(true)) && !accepts("is.null", json!(0)));
        assert!(accepts("like.EW*", json!("EWR")) && !accepts("like.EW*", json!("JFK")));
        assert!(accepts("gt.9007199254740992", json!(9_007_199_254_740_993_u64)), "beyond what a float can tell");
    }

    #[test]
    fn keys_are_texts_whatever_they_look_like() {
        assert_eq!(Filter::parse("key", "eq.10").unwrap().operator, Operator::Equal(json!("10")));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_could_be() {
        for (text, words) in
            [("5", "eq.5"), ("near.5", "operators: eq"), ("in.a", "parentheses"), ("like.*a", "at its end")]
        {
            let error = Filter::parse("flights", text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
