//! Figures: what is made of the values of a field, one after the other.

use std::borrow::Cow;

use serde_json::{Number, Value};

use crate::error::Error;
use crate::layout::order;

/// One figure, and what it is called in the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub(crate) name: String,
    pub(crate) kind: FigureKind,
    /// None for a count of rows.
    pub(crate) field: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FigureKind {
    Count,
    Sum,
    Mean,
    Least,
    Greatest,
    /// By nearest rank: the value that this percentage of all is not above.
    Percentile(f64),
}

impl Figure {
    /// # Errors
    /// No name, no field where the kind takes one, a path through an array, or a percentile beyond 100.
    pub fn new(name: impl Into<String>, kind: FigureKind, field: Option<String>) -> Result<Self, Error> {
        let invalid = |why: &str| Err(Error::InvalidQuery(format!("a figure {why}")));
        let name = name.into();
        match (kind, field.as_deref()) {
            _ if name.is_empty() => invalid("has a name"),
            (FigureKind::Percentile(percent), _) if !(0.0..=100.0).contains(&percent) => {
                invalid("is a percentile from 0 to 100")
            }
            (_, Some("")) => invalid("takes fields that have names"),
            (_, Some(field)) if field.contains("[]") => invalid("takes one value of a row"),
            (kind, None) if kind != FigureKind::Count => invalid("other than a count takes a field"),
            _ => Ok(Self { name, kind, field }),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What has been seen of one group for one figure.
pub enum Seen {
    Count(u64),
    Sum(Sum),
    Extreme(Option<Value>),
    Numbers(Vec<Number>),
}

/// Integers exactly, others with compensation for what rounding takes away (Neumaier).
#[derive(Default)]
pub struct Sum {
    count: u64,
    integers: i128,
    others: f64,
    lost: f64,
    any_other: bool,
}

impl Sum {
    fn add(&mut self, number: &Number) {
        self.count += 1;
        if let Some(integer) = number.as_i128() {
            self.integers += integer;
            return;
        }
        let number = number.as_f64().unwrap_or(0.0);
        let sum = self.others + number;
        let (large, small) =
            if self.others.abs() >= number.abs() { (self.others, number) } else { (number, self.others) };
        self.lost += (large - sum) + small;
        self.others = sum;
        self.any_other = true;
    }

    fn total(&self) -> f64 {
        self.integers as f64 + (self.others + self.lost)
    }

    fn value(&self) -> Value {
        if self.count == 0 {
            return Value::Null;
        }
        let exact = (!self.any_other).then(|| Number::from_i128(self.integers)).flatten();
        exact.map_or_else(|| float(self.total()), Value::Number)
    }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

impl Seen {
    pub fn new(kind: FigureKind) -> Self {
        match kind {
            FigureKind::Count => Self::Count(0),
            FigureKind::Sum | FigureKind::Mean => Self::Sum(Sum::default()),
            FigureKind::Least | FigureKind::Greatest => Self::Extreme(None),
            FigureKind::Percentile(_) => Self::Numbers(Vec::new()),
        }
    }

    /// Null counts for nothing, and only numbers are added up. Says how many bytes of memory more that takes.
    pub fn add(&mut self, kind: FigureKind, value: Option<Cow<'_, Value>>) -> usize {
        let Some(value) = value else {
            if let Self::Count(count) = self {
                *count += 1;
            }
            return 0;
        };
        match (self, &*value) {
            (_, Value::Null) => {}
            (Self::Count(count), _) => *count += 1,
            (Self::Sum(sum), Value::Number(number)) => sum.add(number),
            (Self::Numbers(numbers), Value::Number(number)) => {
                let before = numbers.capacity();
                numbers.push(number.clone());
                return (numbers.capacity() - before) * size_of::<Number>();
            }
            (Self::Extreme(known), _) => {
                let better = known.as_ref().is_none_or(|known| {
                    let (new, old) = (bytes(&value), bytes(known));
                    if kind == FigureKind::Least { new < old } else { new > old }
                });
                if better {
                    let before = known.as_ref().map_or(0, value_bytes);
                    let value = value.into_owned();
                    let more = value_bytes(&value).saturating_sub(before);
                    *known = Some(value);
                    return more;
                }
            }
            (Self::Sum(_) | Self::Numbers(_), _) => {}
        }
        0
    }

    pub fn finish(self, kind: FigureKind) -> Value {
        match (self, kind) {
            (Self::Count(count), _) => Value::from(count),
            (Self::Sum(sum), FigureKind::Mean) if sum.count > 0 => float(sum.total() / sum.count as f64),
            (Self::Sum(sum), _) => sum.value(),
            (Self::Extreme(value), _) => value.unwrap_or_default(),
            (Self::Numbers(mut numbers), FigureKind::Percentile(percent)) => {
                let rank = (numbers.len() as f64 * percent / 100.0).ceil().max(1.0) as usize - 1;
                if rank >= numbers.len() {
                    return Value::Null;
                }
                let (_, number, _) = numbers.select_nth_unstable_by(rank, order::compare);
                Value::Number(number.clone())
            }
            (Self::Numbers(_), _) => Value::Null,
        }
    }
}

/// About how many bytes of memory a value takes.
pub fn value_bytes(value: &Value) -> usize {
    let within = match value {
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(value_bytes).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + value_bytes(value)).sum(),
        _ => 0,
    };
    size_of::<Value>() + within
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    order::encode(value, &mut bytes);
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sums_of_integers_are_exact_and_those_of_others_nearly() {
        let sum = |numbers: &[Value]| {
            let mut sum = Sum::default();
            numbers.iter().for_each(|number| sum.add(number.as_number().unwrap()));
            sum.value()
        };
        assert_eq!(sum(&[json!(9_007_199_254_740_993_u64), json!(1), json!(-1)]), json!(9_007_199_254_740_993_u64));
        assert_eq!(sum(&[json!(1e100), json!(1.0), json!(-1e100)]), json!(1.0));
        assert_eq!(sum(&vec![json!(0.1); 10]), json!(1.0));
        assert_eq!(sum(&[json!(u64::MAX), json!(u64::MAX)]), json!(2.0 * u64::MAX as f64));
        assert_eq!(sum(&[]), json!(null));
    }
}
