//! Queries: what can be asked, and how an answer came to be.

use kinora_api::modules as api_modules;
use kinora_api::queries as api;
use kinora_readmodel::{Explanation, Statistics, StatisticsQuery};
use kinora_sandbox::NamedQuery;
use kinora_types::{IndexSpec, TableSpec};
use serde_json::{Map, Value};

pub fn table(table: TableSpec) -> api_modules::Table {
    let index = |index: IndexSpec| api_modules::Index { name: index.name, paths: index.paths, unique: index.unique };
    api_modules::Table {
        name: table.name,
        key: table.key,
        schema: table.schema.map(|schema| schema.shown()),
        indexes: table.indexes.into_iter().map(index).collect(),
        history: table.history,
    }
}

pub fn named_query(query: NamedQuery) -> api_modules::NamedQuery {
    api_modules::NamedQuery {
        name: query.name,
        description: query.description,
        arguments: query.arguments,
        answer: query.answer,
    }
}

pub fn explanation(explanation: Explanation) -> api::Explanation {
    api::Explanation {
        index: explanation.index,
        paths: explanation.paths,
        ranges: explanation.ranges as u64,
        backwards: explanation.backwards,
        filters_rows: explanation.filters_rows,
        sorts: explanation.sorts,
        entries_visited: explanation.entries_visited as u64,
        rows: explanation.rows as u64,
        budget_entries: explanation.budget_entries as u64,
        refused: explanation.refused,
        helpful_index: explanation.helpful_index,
    }
}

/// Figures over rows, as far as they were asked for.
pub fn statistics(query: &StatisticsQuery, statistics: Statistics) -> api::Statistics {
    let group = |group: kinora_readmodel::Group| {
        let mut fields: Map<String, Value> = query.group.iter().cloned().zip(group.values).collect();
        fields.extend(group.figures);
        fields
    };
    let values = |(field, values): (String, Vec<(Value, u64)>)| {
        (field, values.into_iter().map(|(value, count)| api::FacetValue { count, value }).collect())
    };
    let (groups, facets) = (statistics.groups.into_iter().map(group), statistics.facets.into_iter().map(values));
    api::Statistics {
        facets: (!query.facets.is_empty()).then(|| facets.collect()),
        groups: (!query.figures.is_empty()).then(|| groups.collect()),
        unknown_fields: statistics.absent,
    }
}
