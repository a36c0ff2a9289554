//! Reader of filters: `operator.value` of one field, and `and`, `or`, `not` of several.
//!
//! A value is a number, `true` or `false` where it reads as one, and a text otherwise; quotes make it a text
//! (`eq."10"`), in which a backslash stands before a quote and before another backslash. The key is always a text.

use std::borrow::Cow;
use std::cell::Cell;

use serde_json::Value;

use crate::grammar::bounds;
use crate::grammar::error::Error;
use crate::grammar::filter::{Filter, Numeral, Operator, Scalar, Test};

const OPERATORS: &str =
    "eq, neq, gt, gte, lt, lte, in.(a,b), is.null, like.te*t, ilike.te*t, cs.{a,b}, each also after not.";

impl Filter {
    /// Reads one parameter: `or=(a.eq.1,b.eq.2)`, `not.and=(...)` or `field=operator.value`.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let reader = Reader::new(format!("{name}={text}"));
        let (negated, plain) = match name.strip_prefix("not.") {
            Some(rest @ ("and" | "or")) => (true, rest),
            _ => (false, name),
        };
        let filter = match plain {
            "and" | "or" => reader.group(plain, text, 0)?,
            _ => return reader.test(name, text),
        };
        Ok(if negated { filter.negate() } else { filter })
    }
}

/// Splits `delay.mean.gt.5`: the field ends where the first operator begins. Quotes keep a field together.
pub(super) fn field_and_rest(text: &str) -> Option<(Cow<'_, str>, &str)> {
    if text.starts_with('"') {
        let (field, rest) = quoted(text)?;
        return Some((Cow::Owned(field), rest.strip_prefix('.')?));
    }
    let is_operator = |word: &str| {
        matches!(word, "not" | "eq" | "neq" | "gt" | "gte" | "lt" | "lte" | "in" | "is" | "like" | "ilike" | "cs")
    };
    let mut at = 0;
    loop {
        at += text.get(at..)?.find('.')? + 1;
        let rest = text.get(at..)?;
        if rest.split_once('.').is_some_and(|(word, _)| is_operator(word)) {
            return Some((Cow::Borrowed(text.get(..at - 1)?), rest));
        }
    }
}

struct Reader {
    whole: String,
    /// What was read so far.
    conditions: Cell<usize>,
    values: Cell<usize>,
}

impl Reader {
    fn new(whole: String) -> Self {
        Self { whole, conditions: Cell::new(0), values: Cell::new(0) }
    }

    fn fits(&self, fits: Result<(), String>) -> Result<(), Error> {
        fits.or_else(|why| self.invalid(why))
    }

    /// Counts conditions, or values, of the whole filter.
    fn count(&self, what: &str, counted: &Cell<usize>, more: usize, most: usize) -> Result<(), Error> {
        counted.set(counted.get().saturating_add(more));
        self.fits(bounds::number(what, counted.get(), most))
    }

    fn invalid<T>(&self, why: impl Into<String>) -> Result<T, Error> {
        Err(Error::InvalidFilter { filter: self.whole.clone(), why: why.into() })
    }

    /// `(one,two,...)` after `and` or `or`.
    fn group(&self, joined_by: &str, text: &str, depth: usize) -> Result<Filter, Error> {
        let Some(list) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
            return self.invalid(format!("{joined_by} takes conditions in parentheses: {joined_by}=(a.eq.1,b.gt.2)"));
        };
        if depth == bounds::DEPTH {
            let most = bounds::DEPTH;
            return self.invalid(format!("conditions stand within one another more than {most} times"));
        }
        let terms = self.split(list)?;
        self.count("conditions", &self.conditions, terms.len(), bounds::CONDITIONS)?;
        let filters = terms.into_iter().map(|term| self.term(term, depth + 1)).collect::<Result<_, _>>()?;
        Ok(if joined_by == "or" { Filter::Any(filters) } else { Filter::All(filters) })
    }

    /// One of a group: `a.eq.1`, `and(...)`, `not.or(...)`.
    fn term(&self, text: &str, depth: usize) -> Result<Filter, Error> {
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
            Some((field, rest)) if !field.is_empty() => self.test(&field, rest),
            _ => self.invalid(format!("{text:?} is not a field, an operator and a value, such as a.eq.1")),
        }
    }

    fn test(&self, field: &str, text: &str) -> Result<Filter, Error> {
        self.fits(bounds::path(field))?;
        self.count("values", &self.values, 1, bounds::VALUES)?;
        let (negated, text) = text.strip_prefix("not.").map_or((false, text), |text| (true, text));
        let Some((name, text)) = text.split_once('.') else {
            return self.invalid(format!(
                "it takes an operator and a value, such as {field}=eq.{text}; operators: {OPERATORS}"
            ));
        };
        let is_key = Test::is_of_key(field);
        let one = || match self.scalar(is_key, text)? {
            Some(value) => Ok(value),
            None => self.invalid("nothing compares with null; is.null asks for it"),
        };
        let operator = match name {
            "eq" | "neq" => Operator::Equal(one()?),
            "gt" => Operator::Greater(one()?),
            "gte" => Operator::GreaterOrEqual(one()?),
            "lt" => Operator::Less(one()?),
            "lte" => Operator::LessOrEqual(one()?),
            "in" => Operator::In(self.list(is_key, text)?),
            "is" => match text {
                "null" | "not_null" => Operator::Is(None),
                "true" => Operator::Is(Some(true)),
                "false" => Operator::Is(Some(false)),
                _ => return self.invalid("is takes null, not_null, true or false"),
            },
            "like" | "ilike" => Operator::Like { pattern: self.pattern(text)?, ignores_case: name == "ilike" },
            "cs" => self.contained(text)?,
            _ => return self.invalid(format!("there is no operator {name:?}; operators: {OPERATORS}")),
        };
        let negated = negated != (name == "neq" || (name == "is" && text == "not_null"));
        Ok(Filter::Test(Test { field: field.to_owned(), negated, operator }))
    }

    fn list(&self, is_key: bool, text: &str) -> Result<Vec<Scalar>, Error> {
        let Some(list) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
            return self.invalid("in takes a list in parentheses: in.(a,b)");
        };
        let values = self.split(list)?;
        self.count("values", &self.values, values.len(), bounds::VALUES)?;
        let values = values.into_iter().map(|text| self.scalar(is_key, text));
        match values.collect::<Result<Option<Vec<_>>, _>>()? {
            Some(values) => Ok(values),
            None => self.invalid("nothing compares with null; or=(field.in.(a,b),field.is.null) takes it in"),
        }
    }

    /// `{a,b}` as PostgreSQL writes an array, or JSON.
    fn contained(&self, text: &str) -> Result<Operator, Error> {
        if let Ok(value @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text)
            && text != "{}"
        {
            self.fits(bounds::number("values", values_within(&value), bounds::CONTAINED))?;
            return Ok(Operator::Contains(value));
        }
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(list) => {
                let elements = self.split(list)?;
                self.fits(bounds::number("values", elements.len(), bounds::CONTAINED))?;
                let elements = elements.into_iter().map(|text| self.scalar(false, text));
                Ok(Operator::HasAll(elements.collect::<Result<_, _>>()?))
            }
            None => self.invalid("cs takes {a,b}, a JSON array or a JSON object"),
        }
    }

    fn split<'t>(&self, list: &'t str) -> Result<Vec<&'t str>, Error> {
        split(list).or_else(|why| self.invalid(why))
    }

    fn scalar(&self, is_key: bool, text: &str) -> Result<Option<Scalar>, Error> {
        scalar(is_key, text).or_else(|why| self.invalid(why))
    }

    fn pattern(&self, text: &str) -> Result<String, Error> {
        let pattern = unquoted(text).or_else(|why| self.invalid(why))?.into_owned();
        self.fits(bounds::number("characters", pattern.chars().count(), bounds::PATTERN_CHARACTERS))?;
        Ok(pattern)
    }
}

/// All values of a JSON value, itself included. It is as deep as the parser lets it be.
fn values_within(value: &Value) -> usize {
    match value {
        Value::Array(elements) => elements.iter().map(values_within).fold(1, usize::saturating_add),
        Value::Object(members) => members.values().map(values_within).fold(1, usize::saturating_add),
        _ => 1,
    }
}

/// What stands between quotes at the beginning of a text, where a backslash makes the sign after it one of the text;
/// and what comes behind.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut signs = text.strip_prefix('"')?.chars();
    loop {
        match signs.next()? {
            '"' => return Some((value, signs.as_str())),
            '\\' => value.push(signs.next()?),
            sign => value.push(sign),
        }
    }
}

/// A value without its quotes, if it begins with one.
pub(super) fn unquoted(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if !text.starts_with('"') {
        return Ok(Cow::Borrowed(text));
    }
    match quoted(text) {
        Some((value, "")) => Ok(Cow::Owned(value)),
        Some(_) => Err(BEHIND_QUOTE),
        None => Err(UNCLOSED),
    }
}

const UNCLOSED: &str = r#"a quote or a bracket is not closed; a value with such signs stands in quotes: "x\"y""#;
const UNOPENED: &str = r#"a bracket closes that was not opened; a value with such signs stands in quotes: "a)""#;
const BEHIND_QUOTE: &str = r#"something stands behind a closing quote; within quotes a quote is \""#;

/// None for null.
pub(super) fn scalar(is_key: bool, text: &str) -> Result<Option<Scalar>, &'static str> {
    if text.starts_with('"') {
        return Ok(Some(Scalar::Text(unquoted(text)?.into_owned())));
    }
    Ok(match serde_json::from_str(text) {
        Ok(Value::Number(number)) if !is_key => Some(Scalar::Number(Numeral { number, written: text.to_owned() })),
        Ok(Value::Bool(bool)) if !is_key => Some(Scalar::Bool(bool)),
        Ok(Value::Null) if !is_key => None,
        _ => Some(Scalar::Text(text.to_owned())),
    })
}

/// Splits at commas that stand in no brackets and no quotes. A quote opens where something begins, so one within a text
/// (`5" pipe`) is a sign like others.
pub(super) fn split(list: &str) -> Result<Vec<&str>, &'static str> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, Vec::new());
    let mut signs = list.char_indices();
    let mut before = ',';
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' if matches!(before, ',' | '.' | ':' | '(' | '[' | '{' | ' ') => {
                let (_, rest) = quoted(list.get(at..).unwrap_or_default()).ok_or(UNCLOSED)?;
                if !(rest.is_empty() || rest.starts_with([',', '.', ':', ')', ']', '}', ' '])) {
                    return Err(BEHIND_QUOTE);
                }
                while signs.clone().next().is_some_and(|(at, _)| at < list.len() - rest.len()) {
                    signs.next();
                }
            }
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' => match open.pop() {
                Some(closing) if closing == sign => {}
                _ => return Err(UNOPENED),
            },
            ',' if open.is_empty() => {
                parts.push(list.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
        before = sign;
    }
    if !open.is_empty() {
        return Err(UNCLOSED);
    }
    if !list.is_empty() {
        parts.push(list.get(start..).unwrap_or_default());
    }
    Ok(parts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn test(field: &str, negated: bool, operator: Operator) -> Filter {
        Filter::Test(Test { field: field.into(), negated, operator })
    }

    #[test]
    fn groups_stand_within_one_another() {
        let read = Filter::parse("or", r#"(a.b.eq.1,and(c.not.gt.2,d.in.("x,y",z)),not.or(e.is.null,"f.in".neq.5))"#);
        let expected = Filter::Any(vec![
            test("a.b", false, Operator::Equal(1.into())),
            Filter::All(vec![
                test("c", true, Operator::Greater(2.into())),
                test("d", false, Operator::In(vec!["x,y".into(), "z".into()])),
            ]),
            Filter::All(vec![test("e", true, Operator::Is(None)), test("f.in", false, Operator::Equal(5.into()))]),
        ]);
        assert_eq!(read.unwrap(), expected);
        let read = Filter::parse("not.and", "(a.eq.1,b.eq.x)").unwrap();
        let parts = [test("a", true, Operator::Equal(1.into())), test("b", true, Operator::Equal("x".into()))];
        assert_eq!(read, Filter::Any(parts.to_vec()));
    }

    #[test]
    fn each_operator_reads_its_values() {
        let read = |text: &str| Filter::parse("f", text).unwrap();
        assert_eq!(read("eq.\"5\""), test("f", false, Operator::Equal("5".into())));
        assert_eq!(read("neq.true"), test("f", true, Operator::Equal(true.into())));
        assert_eq!(read("not.neq.a"), test("f", false, Operator::Equal("a".into())));
        assert_eq!(read("is.not_null"), test("f", true, Operator::Is(None)));
        assert_eq!(read("is.false"), test("f", false, Operator::Is(Some(false))));
        let like = |pattern: &str, ignores_case| Operator::Like { pattern: pattern.into(), ignores_case };
        assert_eq!(read("ilike.\"a b*\""), test("f", false, like("a b*", true)));
        assert_eq!(read("not.like.EW*"), test("f", true, like("EW*", false)));
        let several = vec![Some("a".into()), Some(1.into()), None];
        assert_eq!(read("cs.{a,1,null}"), test("f", false, Operator::HasAll(several)));
        assert_eq!(read("cs.[\"a,b\"]"), test("f", false, Operator::Contains(json!(["a,b"]))));
        assert_eq!(read("cs.{}"), test("f", false, Operator::HasAll(Vec::new())));
        assert_eq!(read(r#"cs.{"x":{"y":1}}"#), test("f", false, Operator::Contains(json!({"x": {"y": 1}}))));
    }

    #[test]
    fn quotes_take_any_signs_and_what_is_not_closed_is_refused() {
        let read = |name: &str, text: &str| Filter::parse(name, text);
        let texts = |texts: &[&str]| Operator::In(texts.iter().map(|text| (*text).into()).collect());
        assert_eq!(
            read("f", r#"in.("x\"y",b,"c\\","d,e)")"#),
            Ok(test("f", false, texts(&["x\"y", "b", "c\\", "d,e)"])))
        );
        assert_eq!(read("f", r#"in.(5" pipe,b)"#), Ok(test("f", false, texts(&["5\" pipe", "b"]))));
        assert_eq!(read("f", r#"eq.x"y"#), Ok(test("f", false, Operator::Equal("x\"y".into()))));
        let group = |one: &str| {
            Ok(Filter::Any(vec![test("t", false, Operator::Equal(one.into())), test("f", false, texts(&["a"]))]))
        };
        assert_eq!(read("or", r#"(t.eq.x"y,f.in.(a))"#), group("x\"y"));
        assert_eq!(read("or", r#"(t.eq."x\"y,",f.in.(a))"#), group("x\"y,"));
        assert_eq!(
            read("and", r#"("a\"b.eq.".is.null)"#),
            Ok(Filter::All(vec![test("a\"b.eq.", false, Operator::Is(None))]))
        );
        for (name, text) in [
            ("f", r#"eq."x"#),
            ("f", r#"eq.""#),
            ("f", r#"eq."x"y"#),
            ("f", r#"eq."x\""#),
            ("f", r#"like."x"#),
            ("f", r#"in.("x,b)"#),
            ("f", r#"in.("x"y,b)"#),
            ("f", r#"cs.{"x}"#),
            ("or", r#"(t.eq."x,f.eq.1)"#),
            ("or", r#"(t.eq.a(b,f.eq.1)"#),
            ("or", r#"(t.eq.a)b,f.eq.1)"#),
            ("or", r#"(t.eq.[a},f.eq.1)"#),
        ] {
            let error = read(name, text).unwrap_err().to_string();
            assert!(error.contains("quote"), "{text}: {error}");
        }
    }

    #[test]
    fn a_number_keeps_how_it_is_written() {
        let Filter::Test(Test { operator: Operator::Equal(Scalar::Number(read)), .. }) =
            Filter::parse("f", "eq.1e3").unwrap()
        else {
            unreachable!("it reads as a number")
        };
        assert_eq!((read.number().as_f64(), read.written()), (Some(1000.0), "1e3"));
    }

    #[test]
    fn keys_are_texts_whatever_they_look_like() {
        let read = |name: &str, text: &str| Filter::parse(name, text).unwrap();
        assert_eq!(read("key", "eq.10"), test("key", false, Operator::Equal("10".into())));
        assert_eq!(read("key.day", "in.(1)"), test("key.day", false, Operator::In(vec!["1".into()])));
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
            let error = Filter::parse(name, text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let deep = format!("{}a.eq.1{}", "(and".repeat(40), ")".repeat(40));
        assert!(Filter::parse("and", &deep).is_err());
    }
}
