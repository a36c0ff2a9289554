//! Writer of filters: the parameter that reads as a filter, with quotes where something would be taken for something
//! else.

use std::fmt;

use serde_json::Value;

use crate::grammar::error::{Error, UNWRITABLE};
use crate::grammar::filter::read::{field_and_rest, scalar, split, unquoted};
use crate::grammar::filter::{Filter, Operator, PARAMETERS, Scalar, Test};

impl Filter {
    /// The name and the value of the parameter, not yet encoded for a URL.
    ///
    /// # Errors
    /// What the grammar has no words for: a number as a key, more groups within one another than are read, and tests
    /// that are refused, such as those for what contains a number.
    pub fn parameter(&self) -> Result<(String, String), Error> {
        let (name, value) = self.written();
        let read = Self::parse(&name, &value)?;
        if read.conjuncts() != self.conjuncts() {
            return Err(Error::InvalidFilter { filter: format!("{name}={value}"), why: UNWRITABLE.to_owned() });
        }
        Ok((name, value))
    }

    fn written(&self) -> (String, String) {
        match self {
            Self::All(filters) => ("and".to_owned(), group(filters)),
            Self::Any(filters) => ("or".to_owned(), group(filters)),
            Self::Test(test) if PARAMETERS.contains(&test.field.as_str()) => {
                ("and".to_owned(), group(std::slice::from_ref(self)))
            }
            Self::Test(test) => (test.field.clone(), test.rest(Context::Alone)),
        }
    }

    /// As one of a group.
    fn term(&self) -> String {
        match self {
            Self::All(filters) => format!("and{}", group(filters)),
            Self::Any(filters) => format!("or{}", group(filters)),
            Self::Test(test) => {
                let rest = test.rest(Context::Group);
                format!("{}.{rest}", field(&test.field, &rest))
            }
        }
    }
}

/// For people, whether it can be read back or not; see [`Filter::parameter`].
impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = self.written();
        write!(formatter, "{name}={value}")
    }
}

fn group(filters: &[Filter]) -> String {
    let terms: Vec<_> = filters.iter().map(Filter::term).collect();
    format!("({})", terms.join(","))
}

/// Where a value stands: what ends it there has to be told from what belongs to it.
#[derive(Clone, Copy, PartialEq)]
enum Context {
    /// As the end of a parameter.
    Alone,
    /// Among others in parentheses.
    Group,
    /// Among others in the list of an `in`, where nothing is not a value.
    List,
}

impl Test {
    /// `operator.value`.
    fn rest(&self, context: Context) -> String {
        let is_key = Self::is_of_key(&self.field);
        let one = |value: &Scalar| value.written(is_key, context);
        let (name, value) = match &self.operator {
            Operator::Equal(value) if self.negated => return format!("neq.{}", one(value)),
            Operator::Is(None) if self.negated => return "is.not_null".to_owned(),
            Operator::Equal(value) => ("eq", one(value)),
            Operator::Greater(value) => ("gt", one(value)),
            Operator::GreaterOrEqual(value) => ("gte", one(value)),
            Operator::Less(value) => ("lt", one(value)),
            Operator::LessOrEqual(value) => ("lte", one(value)),
            Operator::In(values) => {
                let values: Vec<_> = values.iter().map(|value| value.written(is_key, Context::List)).collect();
                ("in", format!("({})", values.join(",")))
            }
            Operator::Is(None) => ("is", "null".to_owned()),
            Operator::Is(Some(bool)) => ("is", bool.to_string()),
            Operator::Like { pattern, ignores_case } => {
                let pattern = quoted_if(unquoted(pattern).ok().as_deref() != Some(pattern), pattern, context);
                (if *ignores_case { "ilike" } else { "like" }, pattern)
            }
            Operator::Contains(value) => ("cs", json(value)),
            Operator::HasAll(elements) => {
                let one = |value: &Option<Scalar>| {
                    value.as_ref().map_or_else(|| "null".to_owned(), |value| value.written(false, Context::List))
                };
                let elements: Vec<_> = elements.iter().map(one).collect();
                ("cs", format!("{{{}}}", elements.join(",")))
            }
        };
        format!("{}{name}.{value}", if self.negated { "not." } else { "" })
    }
}

impl Scalar {
    fn written(&self, is_key: bool, context: Context) -> String {
        match self {
            Self::Number(numeral) => numeral.written().to_owned(),
            Self::Bool(bool) => bool.to_string(),
            Self::Text(text) => quoted_if(scalar(is_key, text).ok().flatten().as_ref() != Some(self), text, context),
        }
    }
}

fn quoted_if(needed: bool, text: &str, context: Context) -> String {
    let needed = needed
        || match context {
            Context::Alone => false,
            Context::Group => !is_whole(text),
            // A list of blanks alone would be an empty object.
            Context::List => text.trim().is_empty() || !is_whole(text),
        };
    if needed { quoted(text) } else { text.to_owned() }
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// A field before its operator, as one of a group.
fn field(field: &str, rest: &str) -> String {
    let plain = format!("{field}.{rest}");
    let is_group = ["and(", "or(", "not.and(", "not.or("].iter().any(|group| field.starts_with(group));
    if !is_group && is_whole(field) && field_and_rest(&plain) == Some((field.into(), rest)) {
        return field.to_owned();
    }
    quoted(field)
}

/// Whether it stays together between commas: no comma, quote or parenthesis of it does anything to what stands beside
/// it.
fn is_whole(text: &str) -> bool {
    split(text).is_ok_and(|parts| matches!(parts.as_slice(), [] | [_]))
}

/// JSON, of which `{}` would be an array of PostgreSQL without the space.
fn json(value: &Value) -> String {
    match value.to_string() {
        text if text == "{}" => "{ }".to_owned(),
        text => text,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn written(filter: &Filter) -> String {
        filter.parameter().unwrap();
        filter.to_string()
    }

    #[test]
    fn a_filter_is_written_as_somebody_would_write_it() {
        let test = |field: &str, operator| Filter::test(field, operator);
        let many = Operator::GreaterOrEqual(100.into());
        assert_eq!(written(&test("flights", many.clone())), "flights=gte.100");
        assert_eq!(written(&test("origin", Operator::Equal("EWR".into())).negate()), "origin=neq.EWR");
        assert_eq!(written(&test("origin", Operator::Equal("10".into()))), "origin=eq.\"10\"");
        assert_eq!(written(&test("key", Operator::Equal("10".into()))), "key=eq.10");
        assert_eq!(written(&test("a", Operator::In(vec!["x,y".into(), 1.into(), "".into()]))), "a=in.(\"x,y\",1,\"\")");
        let several = Filter::Any(vec![
            test("a.eq", Operator::Is(None)).negate(),
            Filter::All(vec![test("stops[].at", Operator::Less("b,".into())), test("t", many.clone()).negate()]),
        ]);
        assert_eq!(written(&several), "or=(\"a.eq\".is.not_null,and(stops[].at.lt.\"b,\",t.not.gte.100))");
        assert_eq!(written(&test("limit", many)), "and=(limit.gte.100)");
        let contents = test("a", Operator::Contains(json!(["x\"y\\", {"n": 1}])));
        assert_eq!(written(&contents), r#"a=cs.["x\"y\\",{"n":1}]"#);
        let elements = vec![Some("x\"y,".into()), Some(1.into()), None, Some("null".into()), Some("".into())];
        assert_eq!(written(&test("a", Operator::HasAll(elements))), r#"a=cs.{"x\"y,",1,null,"null",""}"#);
    }

    #[test]
    fn what_has_no_words_is_refused() {
        let quote = || Filter::test("a", Operator::Equal("x\"y".into()));
        assert!(Filter::Any(vec![quote(), quote()]).parameter().is_ok());
        for filter in [
            Filter::test("key", Operator::Equal(10.into())),
            Filter::test("a", Operator::Contains(json!(1))),
            (0..17).fold(quote(), |inner, _| Filter::Any(vec![inner])),
        ] {
            assert!(filter.parameter().is_err(), "{filter}");
        }
    }

    fn text() -> impl Strategy<Value = String> {
        let words = prop::sample::select(vec!["null", "true", "12", "a.eq.1", "and(x)", "{}", "eq", "", " 5", "key.a"]);
        prop_oneof!["[a.,()\\[\\]{}*%\\\\\" é0-9:=\n'-]{0,5}", words.prop_map(str::to_owned)]
    }

    fn scalar() -> impl Strategy<Value = Scalar> {
        prop_oneof![
            any::<i64>().prop_map(Scalar::from),
            any::<f64>().prop_filter_map("JSON has only finite ones", |number| {
                serde_json::Number::from_f64(number).map(Scalar::from)
            }),
            any::<bool>().prop_map(Scalar::from),
            text().prop_map(Scalar::Text),
        ]
    }

    fn contents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            "[a\"\\\\,{}\n]{0,3}".prop_map(Value::from)
        ];
        let nested = leaf.prop_recursive(2, 6, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a\",]{0,2}", inner, 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        });
        nested.prop_filter("only these have contents", |value| value.is_array() || value.is_object())
    }

    fn operator() -> impl Strategy<Value = Operator> {
        prop_oneof![
            scalar().prop_map(Operator::Equal),
            scalar().prop_map(Operator::Greater),
            scalar().prop_map(Operator::GreaterOrEqual),
            scalar().prop_map(Operator::Less),
            scalar().prop_map(Operator::LessOrEqual),
            prop::collection::vec(scalar(), 0..4).prop_map(Operator::In),
            any::<Option<bool>>().prop_map(Operator::Is),
            (text(), any::<bool>()).prop_map(|(pattern, ignores_case)| Operator::Like { pattern, ignores_case }),
            contents().prop_map(Operator::Contains),
            prop::collection::vec(prop::option::of(scalar()), 0..4).prop_map(Operator::HasAll),
        ]
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let field = prop_oneof![text(), prop::sample::select(&PARAMETERS[..]).prop_map(str::to_owned)];
        let field = field.prop_filter("a field has a name, and keys are texts", |field| {
            !field.is_empty() && !Test::is_of_key(field)
        });
        let of_field = (field, operator());
        let texts = prop::collection::vec(text().prop_map(Scalar::Text), 0..3).prop_map(Operator::In);
        let of_key = (prop::sample::select(vec!["key", "key.a"]).prop_map(str::to_owned), texts);
        let test = (prop_oneof![4 => of_field, 1 => of_key], any::<bool>())
            .prop_map(|((field, operator), negated)| Filter::Test(Test { field, negated, operator }));
        test.prop_recursive(3, 8, 3, |inner| {
            let several = prop::collection::vec(inner, 0..4);
            prop_oneof![several.clone().prop_map(Filter::All), several.prop_map(Filter::Any)]
        })
    }

    const PARTS: [&str; 27] = [
        "a", "b.", "eq.", "gt.", "in.", "cs.", "like.", "is.null", "not.", "and", "or", "(", ")", "(a.eq.", "{", "}",
        "[", "]", ",", ".", "1", "null", " ", "\"x\"", "\"", "\\", "1e2",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_reads_back(filter in filter()) {
            let (name, value) = filter.parameter().map_err(|error| TestCaseError::fail(error.to_string()))?;
            let read = Filter::parse(&name, &value).unwrap();
            prop_assert_eq!(read.conjuncts(), filter.conjuncts());
        }

        #[test]
        fn what_was_read_can_be_written(
            name in prop::sample::select(vec!["a", "key", "and", "or", "not.or"]),
            parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..12),
        ) {
            if let Ok(filter) = Filter::parse(name, &parts.concat()) {
                prop_assert!(filter.parameter().is_ok(), "{}", filter);
            }
        }
    }
}
