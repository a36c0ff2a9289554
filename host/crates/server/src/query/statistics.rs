//! Figures over rows, as JSON.

use serde_json::{Map, Value, json};

use kinora_readmodel::{Statistics, StatisticsQuery};

/// `{"groups": [{"carrier": "UA", "count": 3}], "facets": {"carrier": [{"value": "UA", "count": 3}]}}`: each as far as
/// it was asked for.
pub fn body(query: &StatisticsQuery, statistics: Statistics) -> Value {
    let mut body = Map::new();
    if !query.figures.is_empty() {
        let group = |group: kinora_readmodel::Group| {
            let mut fields: Map<String, Value> = query.group.iter().cloned().zip(group.values).collect();
            fields.extend(group.figures);
            Value::Object(fields)
        };
        body.insert("groups".into(), statistics.groups.into_iter().map(group).collect());
    }
    if !query.facets.is_empty() {
        let values = |(field, values): (String, Vec<(Value, u64)>)| {
            let values = values.into_iter().map(|(value, count)| json!({"value": value, "count": count}));
            (field, values.collect::<Value>())
        };
        body.insert("facets".into(), Value::Object(statistics.facets.into_iter().map(values).collect()));
    }
    Value::Object(body)
}
