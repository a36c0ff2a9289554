//! Spans of bytes that the values of one field have to lie in, as a filter says.

use kinora_types::{Column, TableSpec};
use serde_json::Value;

use crate::layout::keys;
use crate::layout::order::{self, END, FALSE, NUMBER, TEXT, TRUE};
use crate::query::filter::{KEY, Operator, RowFilter, RowTest};

/// After every key: text is UTF-8, which has no such byte.
const AFTER_KEYS: u8 = 0xff;

/// Values from `lower` on and before `upper`, as [`order`] encodes them; keys and their parts as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub lower: Vec<u8>,
    pub upper: Vec<u8>,
    /// One value.
    pub point: bool,
}

/// Spans in order, without overlaps. A row whose value lies in none of them does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans {
    pub spans: Vec<Span>,
    /// Whether a row whose value lies in one of them does pass.
    pub exact: bool,
}

/// A part of an entry, by what stands there.
#[derive(Clone, Debug)]
pub enum EntryPart {
    Field(Column),
    Key,
    /// A part of a composite key: its number, and whether it is the last one.
    KeyPart {
        name: String,
        last: bool,
    },
}

impl EntryPart {
    /// Whether values stand there as they are.
    fn is_raw(&self) -> bool {
        !matches!(self, Self::Field(_))
    }

    fn is_of(&self, test: &RowTest) -> bool {
        match self {
            Self::Key => test.field == KEY,
            Self::KeyPart { name, .. } => test.field.strip_prefix("key.") == Some(name.as_str()),
            Self::Field(column) if column.array.is_some() => self.has_element(test),
            Self::Field(column) => test.field == column.path,
        }
    }

    /// Whether a test asks for one element of an array: only then a row stands once where it is looked for.
    fn has_element(&self, test: &RowTest) -> bool {
        let Self::Field(column) = self else { return false };
        match &test.operator {
            _ if test.negated => false,
            Operator::Equal(_) => test.field == column.path,
            Operator::Contains(_) => format!("{}[]", test.field) == column.path,
            _ => false,
        }
    }

    /// Whether an order by this field is served here.
    pub fn is_ordered_by(&self, field: &str) -> bool {
        match self {
            Self::Key => field == KEY,
            // A part ends with a slash, and some characters sort before that.
            Self::KeyPart { .. } => false,
            Self::Field(column) => column.array.is_none() && field == column.path,
        }
    }
}

/// The parts of the keys of a table, if they are composite.
pub fn key_parts(table: &TableSpec) -> Vec<EntryPart> {
    let names: Vec<_> = table.parts().collect();
    let last = names.len().saturating_sub(1);
    let part = |(number, name): (usize, &&str)| EntryPart::KeyPart { name: (*name).to_owned(), last: number == last };
    names.iter().enumerate().map(part).collect()
}

/// `None` if the filter says nothing about what stands there.
pub fn spans(filter: &RowFilter, part: &EntryPart) -> Option<Spans> {
    match filter {
        RowFilter::Test(test) => {
            if part.is_of(test) {
                test_spans(test, part.is_raw())
            } else {
                None
            }
        }
        RowFilter::All(filters) => {
            let known: Vec<_> = filters.iter().filter_map(|filter| spans(filter, part)).collect();
            let all = known.len() == filters.len();
            let met = known.into_iter().reduce(|met, more| met.also(more, part))?;
            Some(Spans { exact: met.exact && all, ..met })
        }
        RowFilter::Any(filters) => {
            let known: Option<Vec<_>> = filters.iter().map(|filter| spans(filter, part)).collect();
            Some(Spans::united(known?))
        }
    }
}

impl Spans {
    fn one(lower: Vec<u8>, upper: Vec<u8>, exact: bool) -> Self {
        Self { spans: vec![Span { lower, upper, point: false }], exact }
    }

    /// What lies in both. Two elements of an array may well be two values, so there one has to do.
    pub fn also(self, other: Self, part: &EntryPart) -> Self {
        if matches!(part, EntryPart::Field(column) if column.array.is_some()) {
            return Self { exact: false, ..self };
        }
        let mut met = Vec::new();
        // Both are in order: of two spans the one that ends first meets nothing that comes later.
        let (mut ours, mut theirs) = (self.spans.iter().peekable(), other.spans.iter().peekable());
        while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
            let (lower, upper) = ((&a.lower).max(&b.lower), (&a.upper).min(&b.upper));
            if lower < upper {
                met.push(Span { lower: lower.clone(), upper: upper.clone(), point: a.point || b.point });
            }
            if a.upper <= b.upper {
                ours.next()
            } else {
                theirs.next()
            };
        }
        Self { spans: met, exact: self.exact && other.exact }
    }

    /// What lies in one of them.
    fn united(all: impl IntoIterator<Item = Self>) -> Self {
        let (mut spans, mut exact) = (Vec::new(), true);
        for one in all {
            spans.extend(one.spans);
            exact &= one.exact;
        }
        spans.sort_by(|a: &Span, b| a.lower.cmp(&b.lower));
        let mut united: Vec<Span> = Vec::new();
        for span in spans {
            match united.last_mut() {
                Some(last) if *last == span => {}
                Some(last) if span.lower < last.upper => {
                    last.upper = span.upper.max(std::mem::take(&mut last.upper));
                    last.point = false;
                }
                _ => united.push(span),
            }
        }
        Self { spans: united, exact }
    }
}

/// How values are written where a test looks for them.
#[derive(Clone, Copy)]
struct Encoding {
    raw: bool,
}

impl Encoding {
    fn encode(self, value: &Value) -> Vec<u8> {
        match value {
            Value::String(text) if self.raw => text.as_bytes().to_vec(),
            _ => {
                let mut bytes = Vec::new();
                order::encode(value, &mut bytes);
                bytes
            }
        }
    }

    /// The first bytes after all entries of a value.
    fn after(self, value: &Value) -> Vec<u8> {
        let mut bytes = self.encode(value);
        if self.raw {
            bytes.push(0);
            return bytes;
        }
        keys::after(&bytes)
    }

    /// Whether no other value is written the same way.
    fn is_exact(self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.raw || text.len() < order::WHOLE_TEXT_BYTES,
            Value::Array(_) | Value::Object(_) => false,
            _ => true,
        }
    }

    fn point(self, value: &Value) -> Span {
        Span { lower: self.encode(value), upper: self.after(value), point: true }
    }

    /// Around all values of the kind of this one.
    fn kind(self, value: &Value) -> (Vec<u8>, Vec<u8>) {
        match value {
            _ if self.raw => (Vec::new(), vec![AFTER_KEYS]),
            Value::Bool(_) => (vec![FALSE], vec![TRUE + 1]),
            Value::Number(_) => (vec![NUMBER], vec![NUMBER + 1]),
            _ => (vec![TEXT], vec![TEXT + 1]),
        }
    }
}

fn test_spans(test: &RowTest, raw: bool) -> Option<Spans> {
    let encoding = Encoding { raw };
    match (&test.operator, test.negated) {
        (Operator::Equal(value), false) => {
            Some(Spans { spans: vec![encoding.point(value)], exact: encoding.is_exact(value) })
        }
        (Operator::In(values), false) => {
            let point = |value| Spans { spans: vec![encoding.point(value)], exact: encoding.is_exact(value) };
            Some(Spans::united(values.iter().map(point)))
        }
        (Operator::Is(value), negated) if !raw => Some(if negated {
            // Null stands first, so what is something stands behind it. Whatever else is excluded is not worth two
            // spans.
            value.is_null().then(|| Spans::one(vec![FALSE], vec![END], true))?
        } else {
            Spans { spans: vec![encoding.point(value)], exact: true }
        }),
        (Operator::Greater(value), false) | (Operator::LessOrEqual(value), true) => Some(above(encoding, value, false)),
        (Operator::GreaterOrEqual(value), false) | (Operator::Less(value), true) => Some(above(encoding, value, true)),
        (Operator::Less(value), false) | (Operator::GreaterOrEqual(value), true) => Some(below(encoding, value, false)),
        (Operator::LessOrEqual(value), false) | (Operator::Greater(value), true) => Some(below(encoding, value, true)),
        (Operator::Like(pattern), false) => starting(encoding, &pattern.prefix()),
        (Operator::Contains(value), false) => {
            let element = match value {
                Value::Array(elements) => elements.first().filter(|first| !first.is_array() && !first.is_object())?,
                _ => return None,
            };
            let alone = value.as_array().is_some_and(|elements| elements.len() == 1);
            let exact = alone && encoding.is_exact(element);
            Some(Spans { spans: vec![encoding.point(element)], exact })
        }
        _ => None,
    }
}

fn above(encoding: Encoding, value: &Value, inclusive: bool) -> Spans {
    let exact = encoding.is_exact(value);
    let lower = if inclusive || !exact { encoding.encode(value) } else { encoding.after(value) };
    Spans::one(lower, encoding.kind(value).1, exact)
}

fn below(encoding: Encoding, value: &Value, inclusive: bool) -> Spans {
    let exact = encoding.is_exact(value);
    let upper = if inclusive || !exact { encoding.after(value) } else { encoding.encode(value) };
    Spans::one(encoding.kind(value).0, upper, exact)
}

fn starting(encoding: Encoding, (prefix, all): &(String, bool)) -> Option<Spans> {
    if prefix.is_empty() {
        return None;
    }
    if encoding.raw {
        return Some(Spans::one(prefix.as_bytes().to_vec(), keys::after(prefix.as_bytes()), *all));
    }
    let whole = prefix.len() < order::WHOLE_TEXT_BYTES;
    let mut lower = encoding.encode(&Value::String(prefix.clone()));
    // Without its end.
    lower.truncate(lower.len().saturating_sub(2));
    let upper = if whole { keys::after(&lower) } else { vec![TEXT + 1] };
    Some(Spans::one(lower, upper, *all && whole))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Operator::{Contains, Equal, Greater, GreaterOrEqual, In, Is, Less, LessOrEqual, Like};
    use super::*;
    use crate::query::filter::pattern::Pattern;
    use serde_json::json;

    fn test(field: &str, operator: Operator) -> RowFilter {
        RowFilter::test(field, operator).unwrap()
    }

    fn found(filter: &RowFilter, field: &str) -> Option<Spans> {
        spans(filter, &EntryPart::Field(Column::new(field)))
    }

    fn covers(spans: &Spans, value: &Value) -> bool {
        let bytes = Encoding { raw: false }.encode(value);
        spans.spans.iter().any(|span| span.lower <= bytes && bytes < span.upper)
    }

    #[test]
    fn exact_spans_hold_just_what_the_filter_accepts() {
        let values =
            json!([null, true, false, -1, 0.5, 2, u64::MAX, "", "a", "ab", "b", [1]]).as_array().cloned().unwrap();
        let f = |operator: Operator| test("f", operator);
        for filter in [
            f(Equal(json!(2))),
            f(Greater(json!(0))),
            f(Greater(json!(0))).negate(),
            f(GreaterOrEqual(json!(2))),
            f(Less(json!("b"))),
            f(LessOrEqual(json!("a"))),
            f(In(vec![json!("a"), json!(2), json!("a")])),
            f(Is(json!(null))),
            f(Is(json!(null))).negate(),
            f(Is(json!(true))),
            f(Like(Pattern::new("a*", false))),
            RowFilter::Any(vec![f(Equal(json!(2))), f(Greater(json!("a")))]),
            RowFilter::All(vec![f(GreaterOrEqual(json!(0))), f(Less(json!(2)))]),
            RowFilter::All(vec![f(Equal(json!(1))), f(Equal(json!(2)))]),
        ] {
            let spans = found(&filter, "f").unwrap();
            assert!(spans.exact, "{filter:?}");
            for value in &values {
                assert_eq!(covers(&spans, value), accepts(&filter, value), "{filter:?} {value}");
            }
        }
    }

    fn accepts(filter: &RowFilter, value: &Value) -> bool {
        match filter {
            RowFilter::All(all) => all.iter().all(|one| accepts(one, value)),
            RowFilter::Any(any) => any.iter().any(|one| accepts(one, value)),
            RowFilter::Test(test) => test.accepts(value),
        }
    }

    #[test]
    fn what_is_said_of_other_fields_says_nothing() {
        let both = || vec![test("f", Equal(json!(1))), test("g", Equal(json!(1)))];
        assert_eq!(found(&test("g", Equal(json!(1))), "f"), None);
        assert_eq!(found(&RowFilter::Any(both()), "f"), None);
        assert!(!found(&RowFilter::All(both()), "f").unwrap().exact);
    }

    #[test]
    fn an_array_is_looked_up_by_one_element() {
        let is_exact = |filter: &RowFilter| found(filter, "tags[]").unwrap().exact;
        assert!(is_exact(&test("tags", Contains(json!(["a"])))));
        assert!(!is_exact(&test("tags", Contains(json!(["a", "b"])))));
        assert!(is_exact(&test("tags[]", Equal(json!("a")))));
        let both = vec![test("tags[]", Equal(json!("a"))), test("tags", Contains(json!(["b"])))];
        let both = found(&RowFilter::All(both), "tags[]").unwrap();
        assert!(!both.exact && both.spans.len() == 1, "a row can have both");
        let either = In(vec![json!("a"), json!("b")]);
        assert_eq!(found(&test("tags[]", either), "tags[]"), None, "a row could be found twice");
        assert_eq!(found(&test("tags[]", Greater(json!("a"))), "tags[]"), None);
    }
}
