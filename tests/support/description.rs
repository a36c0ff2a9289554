//! Answers checked against the description of the API: whatever a test is answered, `/openapi.json` must have said so.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// What the description says of one answer.
struct Described {
    /// By kind of content; none: it may be anything, as text is.
    content: BTreeMap<String, Option<Validator>>,
}

/// An operation: its method, the segments of its path, and its answers by status.
struct Operation {
    method: String,
    path: Vec<String>,
    answers: BTreeMap<String, Described>,
}

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let text = kinora_server::document().to_json().unwrap();
    operations(&serde_json::from_str(&text).unwrap())
});

fn operations(document: &Value) -> Vec<Operation> {
    let open = document["components"].clone();
    let mut components = open.clone();
    close(&mut components);
    let known = json!({"components": components, "open": open});
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap().iter();
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.split('/').map(str::to_owned).collect(),
                answers: answers.map(|(status, answer)| (status.clone(), described(answer, &known))).collect(),
            });
        }
    }
    operations
}

fn described(answer: &Value, known: &Value) -> Described {
    let content = answer["content"].as_object().into_iter().flatten().map(|(kind, content)| {
        let mut schema = content["schema"].clone();
        close(&mut schema);
        let is_json = kind.ends_with("json");
        let validator = is_json.then(|| {
            let mut whole = known.clone();
            whole["schema"] = schema;
            whole["$ref"] = json!("#/schema");
            jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
        });
        (kind.clone(), validator)
    });
    Described { content: content.collect() }
}

/// Members that the description does not name are mistakes here, though a client has to pass over them.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let has_members = members.get("properties").is_some_and(Value::is_object);
            let is_whole = members.get("allOf").is_some_and(Value::is_array);
            if (has_members || is_whole) && !members.contains_key("additionalProperties") {
                members.insert("unevaluatedProperties".into(), json!(false));
            }
            for (name, member) in members {
                if name == "allOf" { open_parts(member) } else { close(member) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// A part does not know the members of the others: only the whole is closed.
fn open_parts(parts: &mut Value) {
    for part in parts.as_array_mut().unwrap() {
        if let Some(reference) = part["$ref"].as_str() {
            *part = json!({"$ref": reference.replace("#/components/", "#/open/")});
        }
    }
}

/// How well a path fits: none if it does not, else the number of segments that are names.
fn fits(pattern: &[String], path: &[&str]) -> Option<usize> {
    let (last, rest) = pattern.split_last()?;
    // Only a key may have slashes.
    let same = pattern.len() == path.len() || (last == "{key}" && path.len() > pattern.len());
    let mut segments = rest.iter().chain((last != "{key}").then_some(last)).zip(path);
    let names = pattern.iter().filter(|segment| !segment.starts_with('{')).count();
    (same && segments.all(|(segment, found)| segment.starts_with('{') || segment == found)).then_some(names)
}

/// Panics unless the description has this answer: its status, its kind, and what is in it.
pub fn check(method: &str, path: &str, status: u16, kind: Option<&str>, body: &str) {
    if let Err(why) = mistake(&OPERATIONS, method, path, status, kind, body) {
        panic!("{method} {path} answered {status} {kind:?} {body:.1000}\n  which the description does not have: {why}");
    }
}

fn mistake(
    operations: &[Operation],
    method: &str,
    path: &str,
    status: u16,
    kind: Option<&str>,
    body: &str,
) -> Result<(), String> {
    let segments: Vec<&str> = path.split('/').collect();
    let of_path = operations.iter().filter_map(|operation| Some((fits(&operation.path, &segments)?, operation)));
    let best = of_path.clone().map(|(names, _)| names).max();
    let mut found =
        of_path.filter(|(names, found)| Some(*names) == best && found.method == method).map(|(_, found)| found);
    let problems = operations.iter().find_map(|operation| operation.answers.get("default"));
    let answer = match found.next() {
        Some(operation) => operation.answers.get(&status.to_string()).or(operation.answers.get("default")),
        // What there is no operation for is answered with a problem, too.
        None if matches!(status, 404 | 405) => problems,
        None => return Err("there is no such operation".into()),
    };
    let answer = answer.ok_or("there is no such status")?;
    if answer.content.is_empty() {
        return if body.is_empty() { Ok(()) } else { Err("there is to be no body".into()) };
    }
    let kind = kind.ok_or("it has no Content-Type")?.split(';').next().unwrap_or_default().trim();
    let Some(validator) = answer.content.get(kind) else {
        return Err(format!("it is none of {:?}", answer.content.keys()));
    };
    let Some(validator) = validator else { return Ok(()) };
    let documents = if kind.ends_with("ndjson") { body.lines().collect() } else { vec![body] };
    for document in documents {
        let value: Value = serde_json::from_str(document).map_err(|cause| format!("it is no JSON: {cause}"))?;
        let first = validator.iter_errors(&value).next();
        first.map_or(Ok(()), |error| Err(format!("{error} at {}", error.instance_path())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPENDED: &str =
        r#"{"first_position":0,"last_position":0,"revision":0,"duplicate":false,"durability":"sync"}"#;
    const PROBLEM: &str = r#"{"type":"https://kinora.dev/problems/unknown-stream","title":"unknown stream",
        "status":404,"detail":"there is none","more":"s"}"#;

    const MODULE: &str = r#"{"digest":"ab","state":"ready","kind":"upcaster","bytes":1,"compiling_for_ms":null,
        "compile_ms":2,"error":null,"manifest":{"kind":"upcaster","name":"u","needs":{"metadata":true,"tags":false},
        "steps":[{"from":{"type":"A","schema":1},"to":[]}]}}"#;

    #[test]
    fn answers_that_are_described_pass() {
        let json = Some("application/json");
        for (method, path, status, kind, body) in [
            ("POST", "/v1/streams/s/events", 201, json, APPENDED),
            ("GET", "/v1/streams/s/events", 404, Some("application/problem+json"), PROBLEM),
            ("GET", "/v1/events", 200, json, r#"{"events":[],"head":null,"next":null}"#),
            ("GET", "/v1/events", 200, Some("text/event-stream"), "id: 1"),
            ("GET", "/v1/events", 304, None, ""),
            ("DELETE", "/v1/modules/ab", 204, None, ""),
            ("GET", "/v1/modules/ab", 200, json, MODULE),
            ("GET", "/v1/read-models/m/t", 200, json, r#"{"rows":[],"next":null}"#),
            ("GET", "/v1/read-models/m/t", 200, json, r#"{"facets":{"a":[{"value":1,"count":2}]}}"#),
            ("GET", "/v1/read-models/m/t/a/b", 200, json, r#"{"anything": 1}"#),
            ("GET", "/v1/read-models/m/queries/q", 200, json, "null"),
            ("GET", "/v1/nothing", 404, Some("application/problem+json"), PROBLEM),
        ] {
            assert_eq!(mistake(&OPERATIONS, method, path, status, kind, body), Ok(()), "{method} {path} {body}");
        }
    }

    #[test]
    fn an_answer_that_is_not_described_is_found() {
        let json = Some("application/json");
        let appended = "/v1/streams/s/events";
        for (method, path, status, kind, body) in [
            ("POST", appended, 201, json, r#"{"first_position":0}"#.to_owned()),
            ("POST", appended, 201, json, APPENDED.replace("sync", "later")),
            ("POST", appended, 201, json, APPENDED.replace("false", "false,\"new\":1")),
            ("POST", appended, 201, json, APPENDED.replace("\"first_position\":0", "\"first_position\":-1")),
            ("POST", appended, 201, Some("text/plain"), APPENDED.to_owned()),
            ("POST", appended, 200, json, APPENDED.to_owned()),
            ("POST", appended, 201, None, APPENDED.to_owned()),
            ("PUT", appended, 201, json, APPENDED.to_owned()),
            ("GET", appended, 404, Some("application/problem+json"), PROBLEM.replace("unknown-stream", "what")),
            ("GET", appended, 404, Some("application/problem+json"), PROBLEM.replace("\"status\":404,", "")),
            ("GET", "/v1/nothing", 200, json, "{}".to_owned()),
            ("GET", "/v1/modules/ab", 200, json, MODULE.replace("\"steps\"", "\"step\"")),
            ("GET", "/v1/read-models/m/t", 200, json, r#"{"rows":[],"next":null,"total":1}"#.to_owned()),
            ("DELETE", "/v1/modules/ab", 204, None, "{}".to_owned()),
            ("GET", "/v1/projections/p/versions/1/gates", 200, json, "{}".to_owned()),
        ] {
            let found = mistake(&OPERATIONS, method, path, status, kind, &body);
            assert!(found.is_err(), "{method} {path} {body}");
        }
    }
}
