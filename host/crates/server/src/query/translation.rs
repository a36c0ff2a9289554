//! Translation of queries as a client writes them into those that a read model answers: each field is looked up in the
//! table, and each value takes the type of its field.

use kinora_api::grammar;
use kinora_api::grammar::{Filter, Scalar, Test};
use kinora_api::{Kind, grammar::FigureKind as WrittenKind};
use kinora_readmodel as readmodel;
use kinora_readmodel::{Fields, GroupOrder, GroupValue, Operator, Pattern, RowFilter, SelectedFields};
use kinora_types::{Place, Shape, TableSpec, Types};
use serde_json::Value;

use crate::edge::problem::Problem;
use crate::problems::read_models::EXAMPLES_OF_FILTERS;
use crate::query::common::invalid;

/// A translation for one table.
pub struct Translation<'a> {
    fields: Fields<'a>,
}

impl<'a> Translation<'a> {
    pub fn new(table: &'a TableSpec) -> Self {
        Self { fields: Fields::of(table) }
    }

    /// The fields that came up and that nobody has declared.
    pub fn into_undeclared(self) -> Vec<String> {
        self.fields.into_undeclared()
    }

    pub fn filter(&mut self, filter: &Filter) -> Result<RowFilter, Problem> {
        let mut all = |filters: &[Filter]| filters.iter().map(|filter| self.filter(filter)).collect::<Result<_, _>>();
        match filter {
            Filter::All(filters) => all(filters).map(RowFilter::All),
            Filter::Any(filters) => all(filters).map(RowFilter::Any),
            Filter::Test(test) => self.test(test),
        }
    }

    fn test(&mut self, test: &Test) -> Result<RowFilter, Problem> {
        use grammar::Operator as Written;
        let shape = self.fields.find(&test.field)?;
        let field = Typed { test, types: shape.map_or(Types::ALL, Shape::types) };
        match &test.operator {
            Written::Equal(value) => field.whole(match field.values(value)? {
                Values::One(value) => Operator::Equal(value),
                Values::Two(values) => Operator::In(values.into()),
            }),
            Written::Greater(value) => field.ordered(value, Operator::Greater),
            Written::GreaterOrEqual(value) => field.ordered(value, Operator::GreaterOrEqual),
            Written::Less(value) => field.ordered(value, Operator::Less),
            Written::LessOrEqual(value) => field.ordered(value, Operator::LessOrEqual),
            Written::In(values) => {
                let mut wanted = Vec::new();
                for value in values {
                    match field.values(value)? {
                        Values::One(value) => wanted.push(value),
                        Values::Two(values) => wanted.extend(values),
                    }
                }
                field.whole(Operator::In(wanted))
            }
            Written::Is(value) => {
                if value.is_some() {
                    field.needs(Types::BOOL, "is.true and is.false ask")?;
                }
                field.whole(Operator::Is(value.map_or(Value::Null, Value::Bool)))
            }
            Written::Like { pattern, ignores_case } => {
                field.needs(Types::TEXT, "like asks")?;
                field.whole(Operator::Like(Pattern::new(pattern, *ignores_case)))
            }
            Written::Contains(value) => {
                field.needs(Types::of(value), "cs asks")?;
                if let Some(shape) = shape {
                    self.contained(test, &test.field, shape, value)?;
                }
                field.whole(Operator::Contains(value.clone()))
            }
            Written::HasAll(elements) => {
                field.needs(Types::ARRAY, "cs asks")?;
                let types = shape.and_then(Shape::elements).map_or(Types::ALL, Shape::types);
                field.has_all(&Typed { test, types }, elements)
            }
        }
    }

    /// Whether what is to be contained can be there.
    fn contained(&self, test: &Test, path: &str, shape: &Shape, value: &Value) -> Result<(), Problem> {
        if !shape.types().allow(Types::of(value)) {
            return Err(unfit(test, &format!("{path} is {}, and {value} is not", shape.types())));
        }
        match value {
            Value::Object(members) => members.iter().try_for_each(|(name, value)| {
                let path = format!("{path}.{name}");
                match shape.member(name) {
                    Place::Declared(shape) => self.contained(test, &path, shape, value),
                    Place::Open => Ok(()),
                    Place::Unknown => Err(self.fields.unknown(&path).into()),
                }
            }),
            Value::Array(elements) => match shape.elements() {
                Some(shape) => {
                    elements.iter().try_for_each(|one| self.contained(test, &format!("{path}[]"), shape, one))
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    pub fn order(&mut self, order: &grammar::Order) -> Result<Vec<readmodel::Order>, Problem> {
        let mut terms = Vec::new();
        for term in &order.0 {
            self.fields.find(term.field())?;
            terms.push(match term.is_descending() {
                true => readmodel::Order::descending(term.field())?,
                false => readmodel::Order::ascending(term.field())?,
            });
        }
        Ok(terms)
    }

    pub fn select(&mut self, select: &grammar::Select) -> Result<SelectedFields, Problem> {
        for term in select.0.iter().filter(|term| term.name().is_some() || term.path() != readmodel::KEY) {
            self.fields.find_in_rows(term.path())?;
        }
        SelectedFields::of(select.0.iter().map(|term| (term.name(), term.path()))).map_err(|error| {
            Problem::new(Kind::InvalidSelect, error.to_string()).hint("each field under a name of its own")
        })
    }

    /// Fields whose values are counted, or make groups.
    pub fn names(&mut self, names: &[String]) -> Result<(), Problem> {
        names.iter().try_for_each(|name| self.fields.find(name).map(drop).map_err(Problem::from))
    }

    pub fn figures(&mut self, figures: &grammar::Figures) -> Result<Vec<readmodel::Figure>, Problem> {
        let mut found = Vec::new();
        for figure in &figures.0 {
            let types = match figure.field() {
                Some(field) => self.fields.find(field)?.map_or(Types::ALL, Shape::types),
                None => Types::ALL,
            };
            let kind = figure.kind();
            let adds_up = matches!(kind, WrittenKind::Sum | WrittenKind::Mean | WrittenKind::Percentile(_));
            if adds_up && !types.allow(Types::NUMBER) {
                let field = figure.field().unwrap_or_default();
                let detail = format!("{} is of numbers, and {field} is {types}", figure.name());
                return Err(Problem::new(Kind::InvalidAggregate, detail)
                    .hint("count(field), min(field) and max(field) go with all values"));
            }
            found.push(readmodel::Figure::new(figure.name(), figure_kind(kind), figure.field().map(str::to_owned))?);
        }
        Ok(found)
    }
}

fn figure_kind(kind: WrittenKind) -> readmodel::FigureKind {
    use readmodel::FigureKind;
    match kind {
        WrittenKind::Count => FigureKind::Count,
        WrittenKind::Sum => FigureKind::Sum,
        WrittenKind::Mean => FigureKind::Mean,
        WrittenKind::Least => FigureKind::Least,
        WrittenKind::Greatest => FigureKind::Greatest,
        WrittenKind::Percentile(percent) => FigureKind::Percentile(percent),
    }
}

/// The order of groups: by the fields that they are of, and by their figures.
pub fn group_order(
    order: &grammar::Order,
    group: &[String],
    figures: &grammar::Figures,
) -> Result<Vec<GroupOrder>, Problem> {
    let term = |term: &grammar::OrderTerm| {
        let name = term.field();
        let by = match group.iter().position(|field| field == name) {
            Some(number) => GroupValue::Field(number),
            None if figures.0.iter().any(|figure| figure.name() == name) => GroupValue::Figure(name.to_owned()),
            None => {
                let figures = figures.0.iter().map(grammar::Figure::name);
                let known: Vec<_> = group.iter().map(String::as_str).chain(figures).collect();
                let detail = format!("groups have no {name:?} to be ordered by");
                return Err(Problem::new(Kind::InvalidOrder, detail).hint(format!("they have {}", known.join(", "))));
            }
        };
        Ok(GroupOrder { by, descending: term.is_descending() })
    };
    order.0.iter().map(term).collect()
}

/// Values that a text may stand for: where a field has numbers and texts, it may be both.
enum Values {
    One(Value),
    Two([Value; 2]),
}

/// A test of a field with these types.
struct Typed<'t> {
    test: &'t Test,
    types: Types,
}

impl Typed<'_> {
    fn whole(&self, operator: Operator) -> Result<RowFilter, Problem> {
        let test = RowFilter::test(&self.test.field, operator)?;
        Ok(if self.test.negated { test.negate() } else { test })
    }

    /// Of a value that may be a number or a text only the comparison of its own type is known, so that one counts,
    /// after a `not`, too. Of elements none may pass, of whatever type.
    fn ordered(&self, value: &Scalar, operator: impl Fn(Value) -> Operator) -> Result<RowFilter, Problem> {
        match self.values(value)? {
            Values::One(value) => self.whole(operator(value)),
            Values::Two(values) => {
                let tests = values.into_iter().map(|value| self.whole(operator(value)));
                let tests = tests.collect::<Result<Vec<_>, _>>()?;
                let all = self.test.negated && self.test.field.contains("[]");
                Ok(if all { RowFilter::All(tests) } else { RowFilter::Any(tests) })
            }
        }
    }

    fn has_all(&self, element: &Typed<'_>, elements: &[Option<Scalar>]) -> Result<RowFilter, Problem> {
        let has = |value: Value| RowFilter::test(&self.test.field, Operator::Contains(Value::Array(vec![value])));
        let (mut plain, mut more) = (Vec::new(), Vec::new());
        for wanted in elements {
            match wanted.as_ref().map(|wanted| element.values(wanted)).transpose()? {
                None => plain.push(Value::Null),
                Some(Values::One(value)) => plain.push(value),
                Some(Values::Two([one, other])) => more.push(RowFilter::Any(vec![has(one)?, has(other)?])),
            }
        }
        let mut filter = RowFilter::test(&self.test.field, Operator::Contains(Value::Array(plain)))?;
        more.into_iter().for_each(|one| filter.and(one));
        Ok(if self.test.negated { filter.negate() } else { filter })
    }

    /// What a value is in this field.
    fn values(&self, value: &Scalar) -> Result<Values, Problem> {
        let text = || Value::from(written(value));
        let own = match value {
            Scalar::Number(_) => Types::NUMBER,
            Scalar::Bool(_) => Types::BOOL,
            Scalar::Text(_) => Types::TEXT,
        };
        // Nothing is known of a field that may have everything: a value is then what it reads as.
        match (self.types.allow(own), self.types.allow(Types::TEXT)) {
            (true, true) if own != Types::TEXT && self.types != Types::ALL => {
                Ok(Values::Two([value.clone().into(), text()]))
            }
            (true, _) => Ok(Values::One(value.clone().into())),
            (false, true) => Ok(Values::One(text())),
            (false, false) => {
                let hint = if self.types.allow(Types::ARRAY) {
                    "; field[]=eq.x and field=cs.{x} ask for elements"
                } else {
                    ""
                };
                Err(self.unfit(&format!("{:?} is not{hint}", written(value))))
            }
        }
    }

    fn needs(&self, types: Types, what: &str) -> Result<(), Problem> {
        if self.types.allow(types) { Ok(()) } else { Err(self.unfit(&format!("{what} for {types}"))) }
    }

    fn unfit(&self, why: &str) -> Problem {
        unfit(self.test, &format!("{} is {}, and {why}", self.test.field, self.types))
    }
}

fn written(value: &Scalar) -> String {
    match value {
        Scalar::Number(number) => number.written().to_owned(),
        Scalar::Bool(bool) => bool.to_string(),
        Scalar::Text(text) => text.clone(),
    }
}

fn unfit(test: &Test, why: &str) -> Problem {
    let filter = Filter::Test(test.clone()).to_string();
    Problem::from(grammar::Error::InvalidFilter { filter, why: why.to_owned() }).hint(EXAMPLES_OF_FILTERS)
}

/// Names of fields as `group` and `facets` have them.
pub fn names(list: &str) -> Result<Vec<String>, Problem> {
    list.parse().map(grammar::Names::into_inner).map_err(|error| invalid(error.to_string()))
}
