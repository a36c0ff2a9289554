//! Orders: `flights.desc,origin`, or `-flights`; of groups by figures, too: `sum(flights).desc`.

use std::fmt;
use std::str::FromStr;

use crate::grammar::bounds;
use crate::grammar::error::{Error, UNWRITABLE};

/// What other systems call directions. A field that is called so is ordered by with `.asc` behind it.
const OTHER_DIRECTIONS: [&str; 6] = ["asc", "desc", "ascending", "descending", "nullsfirst", "nullslast"];

/// By the first term, where that is the same by the second one, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order(pub Vec<OrderTerm>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderTerm {
    field: String,
    descending: bool,
}

impl OrderTerm {
    /// # Errors
    /// A field without a name, a path through an array, and what cannot be told from something else as text: a comma,
    /// and unless it is descending a minus sign at the beginning.
    pub fn new(field: impl Into<String>, descending: bool) -> Result<Self, Error> {
        let order = Order(vec![Self { field: field.into(), descending }]);
        let text = order.to_string();
        match text.parse::<Order>()? {
            read if read == order => {}
            _ => return Err(Error::InvalidOrder { order: text, why: UNWRITABLE.to_owned() }),
        }
        order.0.into_iter().next().ok_or(Error::InvalidOrder { order: text, why: UNWRITABLE.to_owned() })
    }

    /// The path of a field, or [`KEY`](super::KEY).
    pub fn field(&self) -> &str {
        &self.field
    }

    pub fn is_descending(&self) -> bool {
        self.descending
    }

    fn read(term: &str) -> Result<Self, String> {
        let (field, descending) = match (term.strip_prefix('-'), term.strip_suffix(".desc"), term.strip_suffix(".asc"))
        {
            (Some(field), ..) | (_, Some(field), _) => (field, true),
            (.., Some(field)) => (field, false),
            // Nobody has a field of this name, but many a tool another word for it.
            _ if ends_with_direction(term) => {
                return Err("a direction is .asc or .desc; null comes first, with .desc last".to_owned());
            }
            _ => (term, false),
        };
        bounds::path(field)?;
        match field {
            "" => Err("it takes fields, such as order=flights.desc,origin".to_owned()),
            field if field.contains("[]") => Err("an array has no place in an order".to_owned()),
            _ => Ok(Self { field: field.to_owned(), descending }),
        }
    }
}

fn ends_with_direction(term: &str) -> bool {
    term.rsplit_once('.').is_some_and(|(_, last)| OTHER_DIRECTIONS.contains(&&*last.to_lowercase()))
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |why: String| Error::InvalidOrder { order: text.to_owned(), why };
        let terms = terms(text);
        bounds::number("terms", terms.len(), bounds::TERMS).map_err(invalid)?;
        let terms = terms.into_iter().map(|term| OrderTerm::read(term).map_err(invalid));
        terms.collect::<Result<_, _>>().map(Self)
    }
}

/// Splits at commas, but not at those of a figure: `percentile(delay,90)`.
fn terms(text: &str) -> Vec<&str> {
    let (mut terms, mut start, mut within) = (Vec::new(), 0, false);
    let last_closed = text.rfind(')');
    for (at, sign) in text.char_indices() {
        match sign {
            '(' => within = last_closed.is_some_and(|closed| closed > at),
            ')' => within = false,
            ',' if !within => {
                terms.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(text.get(start..).unwrap_or_default());
    terms
}

impl fmt::Display for OrderTerm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match self.descending {
            true => write!(formatter, "-{field}"),
            false if ends_with_direction(field) => write!(formatter, "{field}.asc"),
            false => formatter.write_str(field),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.0.iter().enumerate() {
            write!(formatter, "{}{term}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_direction_stands_before_a_field_or_behind_it() {
        let read = |text: &str| text.parse::<Order>().map(|order| order.to_string());
        assert_eq!(read("flights.desc,origin"), Ok("-flights,origin".into()));
        assert_eq!(read("-flights,a.asc"), Ok("-flights,a".into()));
        assert_eq!(read("percentile(a.b,99.5).desc,-sum(c),a"), Ok("-percentile(a.b,99.5),-sum(c),a".into()));
        assert_eq!(read("by.desc.asc,-by.asc"), Ok("by.desc.asc,-by.asc".into()));
    }

    #[test]
    fn what_has_no_place_is_refused_with_what_could_be_said() {
        for (text, words) in
            [("", "flights.desc"), ("a,", "flights.desc"), ("a.DESCENDING", ".asc or .desc"), ("a[].b", "an array")]
        {
            let error = text.parse::<Order>().unwrap_err().to_string();
            assert!(
                error.contains(words) && error.starts_with(&format!("the order {text:?} is not valid: ")),
                "{error}"
            );
        }
        assert!(OrderTerm::new("a,b", false).is_err() && OrderTerm::new("-a", false).is_err());
        assert!(OrderTerm::new("", true).is_err() && OrderTerm::new("a[]", true).is_err());
    }

    fn term() -> impl Strategy<Value = OrderTerm> {
        let field = "[a.-]{0,3}(a|key|asc|desc|NullsLast)";
        let can_be_said = |(field, descending)| OrderTerm::new(field, descending).ok();
        (field, any::<bool>()).prop_filter_map("no minus before what ascends", can_be_said)
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(terms in prop::collection::vec(term(), 1..4)) {
            let order = Order(terms);
            prop_assert_eq!(order.to_string().parse(), Ok(order));
        }

        #[test]
        fn what_was_read_is_written_so_that_it_reads_the_same(text in "([-a.,()]|asc|desc|\\.desc){1,6}") {
            if let Ok(order) = text.parse::<Order>() {
                prop_assert_eq!(order.to_string().parse(), Ok(order));
            }
        }
    }
}
