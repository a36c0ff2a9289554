//! Figures over rows: `count,sum(delay),late:percentile(delay,90)`.

use std::fmt;
use std::str::FromStr;

use crate::grammar::bounds;
use crate::grammar::error::Error;

/// In the order in which they are wanted, each under a name of its own; there may be none.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures(pub Vec<Figure>);

/// One figure, and what it is called in the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    name: String,
    kind: FigureKind,
    field: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FigureKind {
    /// Of rows, or of those that have the field.
    Count,
    Sum,
    Mean,
    Least,
    Greatest,
    /// By nearest rank, from 0 to 100.
    Percentile(f64),
}

impl Figure {
    /// A figure that is called as it is written: `sum(delay)`.
    ///
    /// # Errors
    /// As [`Figure::named`].
    pub fn new(kind: FigureKind, field: Option<String>) -> Result<Self, Error> {
        let name = Call { kind, field: field.as_deref() }.to_string();
        Self::named(name, kind, field)
    }

    /// # Errors
    /// No name, no field where the kind takes one, a path through an array, a percentile beyond 100, and names or
    /// fields with signs that the grammar needs itself.
    pub fn named(name: impl Into<String>, kind: FigureKind, field: Option<String>) -> Result<Self, Error> {
        let figure = Self { name: name.into(), kind, field };
        let text = figure.to_string();
        // With another one behind it: a parenthesis in a name may reach beyond its figure.
        let other = match figure.name.as_str() {
            "sum(a)" => Self { name: "sum(b)".to_owned(), kind: FigureKind::Sum, field: Some("b".to_owned()) },
            _ => Self { name: "sum(a)".to_owned(), kind: FigureKind::Sum, field: Some("a".to_owned()) },
        };
        let both = Figures(vec![figure.clone(), other]);
        match both.to_string().parse::<Figures>() {
            Ok(read) if read == both => Ok(figure),
            _ => Err(Error::InvalidFigure { figure: text }),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> FigureKind {
        self.kind
    }

    /// None for a count of rows.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    fn read(text: &str) -> Option<Self> {
        let (name, figure) = text.split_once(':').unwrap_or((text, text));
        let (kind, arguments) = match figure.split_once('(') {
            Some((kind, arguments)) => (kind, arguments.strip_suffix(')')?),
            None => (figure, ""),
        };
        let (field, percent) = arguments.split_once(',').map_or((arguments, None), |(field, p)| (field, Some(p)));
        let kind = match (kind, percent) {
            ("count", None) => FigureKind::Count,
            ("sum", None) => FigureKind::Sum,
            ("avg", None) => FigureKind::Mean,
            ("min", None) => FigureKind::Least,
            ("max", None) => FigureKind::Greatest,
            ("percentile", Some(percent)) => {
                FigureKind::Percentile(percent.parse().ok().filter(|percent| (0.0..=100.0).contains(percent))?)
            }
            _ => return None,
        };
        let field = (!field.is_empty()).then(|| field.to_owned());
        let complete = field.as_ref().map_or(kind == FigureKind::Count, |field| !field.contains("[]"));
        (complete && !name.is_empty()).then(|| Self { name: name.to_owned(), kind, field })
    }
}

impl FromStr for Figures {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut figures = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            // A comma within parentheses belongs to its figure.
            let closed = rest.find('(').filter(|open| rest.find(',').is_none_or(|comma| *open < comma));
            let end = match closed.and_then(|open| Some(open + rest.get(open..)?.find(')')?)) {
                Some(close) => close + 1,
                None => rest.find(',').unwrap_or(rest.len()),
            };
            let (one, more) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let figure = Figure::read(one).ok_or_else(|| Error::InvalidFigure { figure: one.to_owned() })?;
            let fits = bounds::number("figures", figures.len() + 1, bounds::FIGURES)
                .and_then(|()| bounds::name(&figure.name))
                .and_then(|()| bounds::path(figure.field().unwrap_or_default()));
            fits.map_err(|why| Error::InvalidFigures { why })?;
            figures.push(figure);
            rest = match more.strip_prefix(',') {
                Some(more) if !more.is_empty() => more,
                None if more.is_empty() => more,
                _ => return Err(Error::InvalidFigure { figure: text.to_owned() }),
            };
        }
        let mut names: Vec<&str> = figures.iter().map(Figure::name).collect();
        names.sort_unstable();
        match names
            .windows(2)
            .find_map(|pair| if let [one, other] = pair { (one == other).then_some(*one) } else { None })
        {
            Some(name) => Err(Error::TwiceNamed { name: name.to_owned() }),
            None => Ok(Self(figures)),
        }
    }
}

/// A figure without its name.
struct Call<'a> {
    kind: FigureKind,
    field: Option<&'a str>,
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.unwrap_or_default();
        match self.kind {
            FigureKind::Count if self.field.is_none() => formatter.write_str("count"),
            FigureKind::Count => write!(formatter, "count({field})"),
            FigureKind::Sum => write!(formatter, "sum({field})"),
            FigureKind::Mean => write!(formatter, "avg({field})"),
            FigureKind::Least => write!(formatter, "min({field})"),
            FigureKind::Greatest => write!(formatter, "max({field})"),
            FigureKind::Percentile(percent) => write!(formatter, "percentile({field},{percent})"),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name that says it all, be it in other digits: percentile(delay,9e1).
        if Self::read(&self.name).as_ref() == Some(self) {
            return formatter.write_str(&self.name);
        }
        write!(formatter, "{}:{}", self.name, Call { kind: self.kind, field: self.field.as_deref() })?;
        // What a name opens has to be closed before the next figure.
        if self.field.is_none() && self.name.contains('(') { formatter.write_str("()") } else { Ok(()) }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, figure) in self.0.iter().enumerate() {
            write!(formatter, "{}{figure}", if index == 0 { "" } else { "," })?;
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
    fn figures_are_read_as_they_are_written() {
        let read: Figures = "count,sum(a.b),late:percentile(a.b,99.5),count(c)".parse().unwrap();
        let of = |kind, field: Option<&str>| Figure::new(kind, field.map(Into::into)).unwrap();
        let expected = [
            of(FigureKind::Count, None),
            of(FigureKind::Sum, Some("a.b")),
            Figure::named("late", FigureKind::Percentile(99.5), Some("a.b".into())).unwrap(),
            of(FigureKind::Count, Some("c")),
        ];
        assert_eq!(read, Figures(expected.to_vec()));
        for text in
            ["sum", "median(a)", "percentile(a)", "percentile(a,101)", "sum(a", "count,,count", "count,", "sum(a[])"]
        {
            assert!(text.parse::<Figures>().is_err(), "{text}");
        }
        for text in ["count,count", "n:sum(a),n:sum(b)", "sum(a),max(b),sum(a)"] {
            assert!(matches!(text.parse::<Figures>(), Err(Error::TwiceNamed { .. })), "{text}");
        }
    }

    #[test]
    fn a_name_that_opens_a_parenthesis_has_it_closed() {
        for text in ["(,:count()", "a(:count(),sum(b)", "a(:count,b:count"] {
            let figures: Figures = text.parse().unwrap();
            assert_eq!(figures.to_string().parse(), Ok(figures), "{text}");
        }
    }

    #[test]
    fn what_could_not_be_read_back_is_refused() {
        let named = |name: &str, kind, field: Option<&str>| Figure::named(name, kind, field.map(Into::into));
        for refused in [
            named("", FigureKind::Count, None),
            named("a,b", FigureKind::Count, None),
            named("a()", FigureKind::Count, None),
            named("sum(b)", FigureKind::Sum, Some("a")),
            named("n", FigureKind::Sum, None),
            named("n", FigureKind::Sum, Some("a)b")),
            named("n", FigureKind::Percentile(100.5), Some("a")),
        ] {
            assert!(matches!(refused, Err(Error::InvalidFigure { .. })), "{refused:?}");
        }
    }

    fn figure() -> impl Strategy<Value = Option<Figure>> {
        let kind = prop_oneof![
            prop::sample::select(vec![
                FigureKind::Count,
                FigureKind::Sum,
                FigureKind::Mean,
                FigureKind::Least,
                FigureKind::Greatest
            ]),
            (0.0..=100.0).prop_map(FigureKind::Percentile),
        ];
        let name = prop::option::of("([a-c :(,]|sum\\(a\\)){0,3}");
        (name, kind, prop::option::of("[a-c.:()é]{0,3}")).prop_map(|(name, kind, field)| match name {
            Some(name) => Figure::named(name, kind, field).ok(),
            None => Figure::new(kind, field).ok(),
        })
    }

    const PARTS: [&str; 10] = ["count", "sum", "(", ")", "a", ":", ",", "percentile(a,9e1)", "max(b)", "()"];

    proptest! {
        #[test]
        fn what_is_written_reads_back(figures in prop::collection::vec(figure(), 0..4)) {
            let mut figures = Figures(figures.into_iter().flatten().collect());
            let mut names = std::collections::BTreeSet::new();
            figures.0.retain(|figure| names.insert(figure.name().to_owned()));
            prop_assert_eq!(figures.to_string().parse(), Ok(figures));
        }

        #[test]
        fn what_was_read_is_written_so_that_it_reads_the_same(
            parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..8)
        ) {
            if let Ok(figures) = parts.concat().parse::<Figures>() {
                prop_assert_eq!(figures.to_string().parse(), Ok(figures));
            }
        }
    }
}
