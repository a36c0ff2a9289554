//! Reading conditions: `operator.value` of one field, and `and`, `or`, `not` of several.
//!
//! A value is a number, `true` or `false` where it reads as one, and a text otherwise; quotes make it a text (`eq."10"`).
//! The key is always a text.

use serde_json::Value;

use crate::error::Error;

use crate::query::filter::{Condition, KEY, Operator, Pattern, Test};

const OPERATORS: &str =
    "eq, neq, gt, gte, lt, lte, in.(a,b), is.null, like.te*t, ilike.te*t, cs.{a,b}, each also after not.";

/// How deep `and` and `or` stand within one another.
const MAX_DEPTH: usize = 16;

/// Reads one parameter: `or=(a.eq.1,b.eq.2)`, `not.and=(...)` or `field=operator.value`.
pub fn condition(name: &str, text: &str) -> Result<Condition, Error> {
    let reader = Reader { whole: format!("{name}={text}") };
    let (negated, plain) = match name.strip_prefix("not.") {
        Some(rest @ ("and" | "or")) => (true, rest),
        _ => (false, name),
    };
    let condition = match plain {
        "and" | "or" => reader.group(plain, text, 0)?,
        _ => return reader.test(name, text),
    };
    Ok(if negated { condition.negate() } else { condition })
}

/// Splits `delay.mean.gt.5`: the field ends where the first operator begins. Quotes keep a field together.
fn field_and_rest(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (field, rest) = quoted.split_once('"')?;
        return Some((field, rest.strip_prefix('.')?));
    }
    let is_operator = |word: &str| {
        matches!(word, "not" | "eq" | "neq" | "gt" | "gte" | "lt" | "lte" | "in" | "is" | "like" | "ilike" | "cs")
    };
    let mut at = 0;
    loop {
        at += text.get(at..)?.find('.')? + 1;
        let rest = text.get(at..)?;
        if rest.split_once('.').is_some_and(|(word, _)| is_operator(word)) {
            return Some((text.get(..at - 1)?, rest));
        }
    }
}

struct Reader {
    whole: String,
}

impl Reader {
    fn invalid<T>(&self, why: impl Into<String>) -> Result<T, Error> {
        Err(Error::InvalidFilter { filter: self.whole.clone(), why: why.into() })
    }

    /// `(one,two,...)` after `and` or `or`.
    fn group(&self, joined_by: &str, text: &str, depth: usize) -> Result<Condition, Error> {
        let Some(list) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
            return self.invalid(format!("{joined_by} takes conditions in parentheses: {joined_by}=(a.eq.1,b.gt.2)"));
        };
        if depth == MAX_DEPTH {
            return self.invalid(format!("conditions stand within one another more than {MAX_DEPTH} times"));
        }
        let conditions = split(list).into_iter().map(|term| self.term(term, depth + 1)).collect::<Result<_, _>>()?;
        Ok(if joined_by == "or" { Condition::Any(conditions) } else { Condition::All(conditions) })
    }

    /// One of a group: `a.eq.1`, `and(...)`, `not.or(...)`.
    fn term(&self, text: &str, depth: usize) -> Result<Condition, Error> {
        for joined_by in ["and", "or"] {
            if let Some(list) = text.strip_prefix(joined_by).filter(|rest| rest.starts_with('(')) {
                return self.group(joined_by, list, depth);
            }
            let negated = text.strip_prefix("not.").and_then(|text| text.strip_prefix(joined_by));
            if let Some(list) = negated.filter(|rest| rest.starts_with('(')) {
                return Ok(self.group(joined_by, list, depth)?.negate());
            }
        }
        match field_and_rest(text) {
            Some((field, rest)) if !field.is_empty() => self.test(field, rest),
            _ => self.invalid(format!("{text:?} is not a field, an operator and a value, such as a.eq.1")),
        }
    }

    fn test(&self, field: &str, text: &str) -> Result<Condition, Error> {
        let (negated, text) = text.strip_prefix("not.").map_or((false, text), |text| (true, text));
        let Some((name, text)) = text.split_once('.') else {
            return self.invalid(format!(
                "it takes an operator and a value, such as {field}=eq.{text}; operators: {OPERATORS}"
            ));
        };
        let is_key = field == KEY || field.starts_with("key.");
        let one = || {
            let value = value(is_key, text);
            if value.is_null() { self.invalid("nothing compares with null; is.null asks for it") } else { Ok(value) }
        };
        let operator = match name {
            "eq" | "neq" => Operator::Equal(one()?),
            "gt" => Operator::Greater(one()?),
            "gte" => Operator::GreaterOrEqual(one()?),
            "lt" => Operator::Less(one()?),
            "lte" => Operator::LessOrEqual(one()?),
            "in" => Operator::In(self.list(is_key, text)?),
            "is" => match text {
                "null" | "not_null" => Operator::Is(Value::Null),
                "true" => Operator::Is(Value::Bool(true)),
                "false" => Operator::Is(Value::Bool(false)),
                _ => return self.invalid("is takes null, not_null, true or false"),
            },
            "like" | "ilike" => Operator::Like(Pattern::new(unquoted(text), name == "ilike")),
            "cs" => Operator::Contains(self.contained(text)?),
            _ => return self.invalid(format!("there is no operator {name:?}; operators: {OPERATORS}")),
        };
        let negated = negated != (name == "neq" || (name == "is" && text == "not_null"));
        Ok(Condition::Test(Test { field: field.to_owned(), negated, operator }))
    }

    fn list(&self, is_key: bool, text: &str) -> Result<Vec<Value>, Error> {
        let Some(list) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
            return self.invalid("in takes a list in parentheses: in.(a,b)");
        };
        let values: Vec<_> = split(list).into_iter().map(|text| value(is_key, text)).collect();
        if values.iter().any(Value::is_null) {
            return self.invalid("nothing compares with null; or=(field.in.(a,b),field.is.null) takes it in");
        }
        Ok(values)
    }

    /// `{a,b}` as PostgreSQL writes an array, or JSON.
    fn contained(&self, text: &str) -> Result<Value, Error> {
        if let Ok(value @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text)
            && text != "{}"
        {
            return Ok(value);
        }
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(list) => Ok(Value::Array(split(list).into_iter().map(|text| value(false, text)).collect())),
            None => self.invalid("cs takes {a,b}, a JSON array or a JSON object"),
        }
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn value(is_key: bool, text: &str) -> Value {
    if text.len() >= 2 && unquoted(text).len() < text.len() {
        return Value::String(unquoted(text).to_owned());
    }
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) if !is_key => value,
        _ => Value::String(text.to_owned()),
    }
}

/// Splits at commas that stand in no brackets and no quotes.
fn split(list: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_usize, false);
    for (at, character) in list.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(list.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !list.is_empty() {
        parts.push(list.get(start..).unwrap_or_default());
    }
    parts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn test(field: &str, negated: bool, operator: Operator) -> Condition {
        Condition::Test(Test { field: field.into(), negated, operator })
    }

    #[test]
    fn groups_stand_within_one_another() {
        let read = condition("or", r#"(a.b.eq.1,and(c.not.gt.2,d.in.("x,y",z)),not.or(e.is.null,"f.in".neq.5))"#);
        let expected = Condition::Any(vec![
            test("a.b", false, Operator::Equal(json!(1))),
            Condition::All(vec![
                test("c", true, Operator::Greater(json!(2))),
                test("d", false, Operator::In(vec![json!("x,y"), json!("z")])),
            ]),
            Condition::All(vec![
                test("e", true, Operator::Is(Value::Null)),
                test("f.in", false, Operator::Equal(json!(5))),
            ]),
        ]);
        assert_eq!(read.unwrap(), expected);
        let read = condition("not.and", "(a.eq.1,b.eq.x)").unwrap();
        let parts = [test("a", true, Operator::Equal(json!(1))), test("b", true, Operator::Equal(json!("x")))];
        assert_eq!(read, Condition::Any(parts.to_vec()));
    }

    #[test]
    fn keys_are_texts_whatever_they_look_like() {
        assert_eq!(condition("key", "eq.10").unwrap(), test("key", false, Operator::Equal(json!("10"))));
        assert_eq!(condition("key.day", "in.(1)").unwrap(), test("key.day", false, Operator::In(vec![json!("1")])));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_could_be() {
        for (name, text, words) in [
            ("flights", "5", "eq.5"),
            ("flights", "near.5", "operators: eq"),
            ("flights", "in.a", "parentheses"),
            ("flights", "eq.null", "is.null"),
            ("flights", "in.(1,null)", "is.null"),
            ("flights", "is.5", "not_null"),
            ("flights", "cs.a", "JSON array"),
            ("or", "a.eq.1", "parentheses"),
            ("or", "(a)", "a.eq.1"),
        ] {
            let error = condition(name, text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let deep = format!("{}a.eq.1{}", "(and".repeat(40), ")".repeat(40));
        assert!(condition("and", &deep).is_err());
    }
}
