//! Translation of queries as a client writes them into those that a read model answers.

use kinora_api::grammar;
use kinora_api::grammar::{Filter, Scalar, Test};
use kinora_readmodel as readmodel;
use kinora_readmodel::{Error, Operator, Pattern, RowFilter, SelectedFields};
use serde_json::Value;

pub fn filter(filter: Filter) -> Result<RowFilter, Error> {
    let all = |filters: Vec<Filter>| filters.into_iter().map(self::filter).collect::<Result<_, _>>();
    match filter {
        Filter::All(filters) => all(filters).map(RowFilter::All),
        Filter::Any(filters) => all(filters).map(RowFilter::Any),
        Filter::Test(Test { field, negated, operator }) => {
            let test = RowFilter::test(field, self::operator(operator))?;
            Ok(if negated { test.negate() } else { test })
        }
    }
}

fn operator(operator: grammar::Operator) -> Operator {
    use grammar::Operator as Written;
    match operator {
        Written::Equal(value) => Operator::Equal(value.into()),
        Written::Greater(value) => Operator::Greater(value.into()),
        Written::GreaterOrEqual(value) => Operator::GreaterOrEqual(value.into()),
        Written::Less(value) => Operator::Less(value.into()),
        Written::LessOrEqual(value) => Operator::LessOrEqual(value.into()),
        Written::In(values) => Operator::In(values.into_iter().map(Scalar::into).collect()),
        Written::Is(value) => Operator::Is(value.map_or(Value::Null, Value::Bool)),
        Written::Like { pattern, ignores_case } => Operator::Like(Pattern::new(&pattern, ignores_case)),
        Written::Contains(value) => Operator::Contains(value),
    }
}

pub fn order(order: &grammar::Order) -> Result<Vec<readmodel::Order>, Error> {
    let term = |term: &grammar::OrderTerm| match term.is_descending() {
        true => readmodel::Order::descending(term.field()),
        false => readmodel::Order::ascending(term.field()),
    };
    order.0.iter().map(term).collect()
}

pub fn select(select: &grammar::Select) -> Result<SelectedFields, Error> {
    SelectedFields::of(select.0.iter().map(|term| (term.name(), term.path())))
}

pub fn figures(figures: &grammar::Figures) -> Result<Vec<readmodel::Figure>, Error> {
    use grammar::FigureKind as Written;
    use readmodel::FigureKind;
    let figure = |figure: &grammar::Figure| {
        let kind = match figure.kind() {
            Written::Count => FigureKind::Count,
            Written::Sum => FigureKind::Sum,
            Written::Mean => FigureKind::Mean,
            Written::Least => FigureKind::Least,
            Written::Greatest => FigureKind::Greatest,
            Written::Percentile(percent) => FigureKind::Percentile(percent),
        };
        readmodel::Figure::new(figure.name(), kind, figure.field().map(str::to_owned))
    };
    figures.0.iter().map(figure).collect()
}
