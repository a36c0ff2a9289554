//! Parameters of lists: what is asked for, whether it goes together, and what that is for one table.

use axum::http::HeaderMap;
use kinora_api::grammar::{Figures, Filter, Order, Select, bounds};
use kinora_readmodel::{ListQuery, SelectedFields, StatisticsQuery};
use kinora_types::{Shape, TableSpec};

use crate::edge::problem::Problem;
use crate::host::wants_events;
use crate::query::common::{Common, invalid, number};
use crate::query::row_format::Format;
use crate::query::translation::{Translation, group_order, names};
use crate::read::page;

/// Rows of a page, unless the client says otherwise.
const DEFAULT_LIMIT: usize = 50;

/// The limit of a query that has none.
pub const NO_LIMIT: usize = usize::MAX;

/// What a list is asked for, before it is known which version answers.
pub struct Parameters {
    table: String,
    filters: Vec<Filter>,
    order: Option<Order>,
    select: Option<Select>,
    limit: Option<usize>,
    cursor: Option<String>,
    scan: bool,
    pub format: Format,
    pub explain: bool,
    pub count: bool,
    figures: Figures,
    group: Vec<String>,
    facets: Vec<String>,
    /// Whether rows are followed rather than looked at.
    pub follows: bool,
}

/// The same for one table.
pub struct Asked {
    pub query: ListQuery,
    pub select: Option<SelectedFields>,
    /// Figures instead of rows.
    pub statistics: Option<StatisticsQuery>,
    /// What the rows of the answer are, for a table of them.
    pub shape: Option<Shape>,
}

impl Parameters {
    pub fn read(table: String, headers: &HeaderMap, rest: &[(String, String)]) -> Result<Self, Problem> {
        let mut read = Self {
            table,
            filters: Vec::new(),
            order: None,
            select: None,
            limit: None,
            cursor: None,
            scan: false,
            format: Format::accepted(headers),
            explain: false,
            count: prefers_exact_count(headers),
            figures: Figures(Vec::new()),
            group: Vec::new(),
            facets: Vec::new(),
            follows: wants_events(headers),
        };
        let mut given = Vec::new();
        for (name, value) in rest {
            match name.as_str() {
                "limit" => read.limit = Some(number(name, value)?),
                "cursor" => read.cursor = Some(value.clone()),
                "order" => read.order = Some(value.parse()?),
                "scan" => read.scan = flag(name, value)?,
                "select" => read.select = Some(value.parse()?),
                "explain" => read.explain = flag(name, value)?,
                "aggregate" => read.figures = value.parse()?,
                "group" => read.group = names(value)?,
                "facets" => read.facets = names(value)?,
                "format" => {
                    let unknown = || invalid(format!("format={value} is none of json, ndjson and csv"));
                    read.format = Format::named(value).ok_or_else(unknown)?;
                }
                field => {
                    read.filters.push(Filter::parse(field, value)?);
                    continue;
                }
            }
            if given.contains(&name.as_str()) {
                return Err(invalid(format!("{name} is there twice, and only one of them could count")));
            }
            given.push(name);
        }
        let sizes = read.filters.iter().map(Filter::size);
        let (conditions, values) = sizes.fold((0, 0), |(all, of), (more, and)| (all + more, of + and));
        if conditions > bounds::CONDITIONS || values > bounds::VALUES {
            return Err(invalid(format!(
                "the filters have {conditions} conditions with {values} values; the most are {} with {}",
                bounds::CONDITIONS,
                bounds::VALUES
            )));
        }
        if let Some(limit) = read.limit {
            page::limit(limit).map_err(invalid)?;
        }
        match read.conflict(&given) {
            Some(why) => Err(invalid(why.to_owned())),
            None => Ok(read),
        }
    }

    /// Why these cannot be asked for together, if they cannot. Each that is given has an effect on the answer.
    fn conflict(&self, given: &[&str]) -> Option<&'static str> {
        let has = |name: &str| given.contains(&name);
        let (figures, groups) = (self.has_figures(), !self.group.is_empty());
        let ordered = has("order") || has("limit");
        Some(match () {
            () if has("aggregate") && self.figures.0.is_empty() => "aggregate names no figure",
            () if groups && self.figures.0.is_empty() => {
                "group goes with aggregate, such as aggregate=count,sum(flights)&group=carrier"
            }
            () if figures && has("select") => "select goes with rows, and figures were asked for",
            () if figures && has("cursor") => "cursor goes with rows, and figures are not paged",
            () if figures && self.explain => "explain goes with rows, and figures were asked for",
            () if figures && ordered && !groups => "order and limit go with rows and with groups; figures have neither",
            () if ordered && groups && !self.facets.is_empty() => {
                "order and limit are of groups, and facets have an order of their own: ask for these apart"
            }
            () if figures && self.format == Format::Csv && !self.facets.is_empty() => {
                "facets are no table, so there is no CSV of them"
            }
            () if figures && self.format == Format::Lines => "figures come as JSON or CSV",
            () if self.explain && self.format != Format::Json => "an explanation comes as JSON",
            () if self.follows && (figures || self.explain || has("cursor") || has("format")) => {
                "rows alone are followed, all of them: without cursor, format, explain, aggregate, group and facets"
            }
            () => return None,
        })
    }

    fn has_figures(&self) -> bool {
        !self.figures.0.is_empty() || !self.facets.is_empty()
    }

    /// Why the past cannot be asked for, if it cannot.
    pub fn only_rows_that_were(&self, common: &Common) -> Result<(), Problem> {
        match common.past.is_some() && (self.follows || self.explain) {
            true => Err(invalid(
                "what was can be neither followed nor explained: at_position and at_time read no index".into(),
            )),
            false => Ok(()),
        }
    }

    pub fn table(&self) -> &str {
        &self.table
    }

    pub fn is_continued(&self) -> bool {
        self.cursor.is_some()
    }

    /// What this is for a table: its fields are looked up there.
    pub fn of(&self, table: &TableSpec) -> Result<Asked, Problem> {
        let mut translation = Translation::new(table);
        let mut query = ListQuery { table: self.table.clone(), scan: self.scan, ..ListQuery::default() };
        // Whoever follows gets all rows, unless there is a limit.
        query.limit = self.limit.unwrap_or(if self.follows { NO_LIMIT } else { DEFAULT_LIMIT });
        query.cursor.clone_from(&self.cursor);
        for filter in &self.filters {
            query.filter.and(translation.filter(filter)?);
        }
        if self.has_figures() {
            let mut statistics = StatisticsQuery { table: self.table.clone(), scan: self.scan, ..Default::default() };
            translation.names(&self.group)?;
            translation.names(&self.facets)?;
            statistics.figures = translation.figures(&self.figures)?;
            if let Some(order) = &self.order {
                statistics.order = group_order(order, &self.group, &self.figures)?;
            }
            statistics.limit = self.limit;
            statistics.filter = query.filter.clone();
            statistics.group.clone_from(&self.group);
            statistics.facets.clone_from(&self.facets);
            statistics.undeclared = translation.into_undeclared();
            return Ok(Asked { query, select: None, statistics: Some(statistics), shape: None });
        }
        if let Some(order) = &self.order {
            query.order = translation.order(order)?;
        }
        let select = self.select.as_ref().map(|select| translation.select(select)).transpose()?;
        let shape = (self.format == Format::Csv).then(|| match &select {
            Some(select) => select.of_shape(table.shape()),
            None => table.shape().clone(),
        });
        query.undeclared = translation.into_undeclared();
        Ok(Asked { query, select, statistics: None, shape })
    }
}

fn flag(name: &str, value: &str) -> Result<bool, Problem> {
    value.parse().map_err(|_| invalid(format!("{name}={value} is neither true nor false")))
}

/// `Prefer: count=exact`, as PostgREST has it.
fn prefers_exact_count(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split([',', ';'])).any(|preference| preference.trim() == "count=exact")
}

#[cfg(test)]
mod tests {
    use kinora_api::grammar::PARAMETERS;

    use super::*;
    use crate::edge::session;

    #[test]
    fn what_the_grammar_keeps_for_parameters_is_never_a_field() {
        for name in PARAMETERS.into_iter().filter(|name| !name.ends_with("and") && !name.ends_with("or")) {
            let pairs = vec![(name.to_owned(), "eq.1".to_owned())];
            let Ok((_, rest)) = Common::take(session::Asked { pairs, seen: Ok(None) }) else { continue };
            if let Ok(read) = Parameters::read("rows".to_owned(), &HeaderMap::new(), &rest) {
                assert!(read.filters.is_empty(), "{name}");
            }
        }
    }
}
