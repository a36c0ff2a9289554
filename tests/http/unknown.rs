//! Members and parameters that a host does not know: they are refused, wherever they stand. Every operation of the
//! description is asked, so that none can be forgotten.

use kinora_tests::{Answer, Api, Host};
use reqwest::Method;
use serde_json::{Map, Value, json};

const UNKNOWN: &str = "nonsense";

/// An operation of the description, at a path whose names are made up.
struct Operation {
    method: Method,
    path: String,
    described: Value,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let names = [("{version}", "1"), ("{digest}", &"0".repeat(64)), ("{query}", "q"), ("{table}", "t")];
        let path = names.into_iter().fold(path.clone(), |path, (name, value)| path.replace(name, value));
        let path = path.split('/').map(|segment| if segment.starts_with('{') { "x" } else { segment });
        let path = path.collect::<Vec<_>>().join("/");
        for (method, described) in methods.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            found.push(Operation { method, path: path.clone(), described: described.clone() });
        }
    }
    found
}

async fn send(api: &Api, operation: &Operation, query: &str, body: Option<&Value>) -> Answer {
    let url = format!("{}{}{query}", api.url, operation.path);
    let request = api.client.request(operation.method.clone(), url);
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request,
    };
    api.send(request).await
}

/// A document that a schema allows, with every member that it names.
fn example(schema: &Value, document: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return example(document.pointer(&name[1..]).unwrap(), document);
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(variants) = schema[several].as_array() {
            let variant = variants.iter().find(|variant| variant["type"] != "null").unwrap();
            return example(variant, document);
        }
    }
    if let Some(value) = schema["enum"].get(0) {
        return value.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("object") => {
            let mut members = Map::new();
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                members.insert(name.clone(), example(schema, document));
            }
            if schema["additionalProperties"].is_object() {
                members.insert("t".into(), example(&schema["additionalProperties"], document));
            }
            Value::Object(members)
        }
        Some("array") => json!([example(&schema["items"], document)]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("string") => match schema["format"].as_str() {
            Some("uuid") => json!("0d1f4a9c-7a0e-5c8e-9b53-6f0c5f0a3b11"),
            Some("date-time") => json!("2026-01-01T00:00:00Z"),
            _ => json!("0".repeat(64)),
        },
        _ => json!({}),
    }
}

/// The objects of an example whose members the host knows: all but those in which anything may stand.
fn places(example: &Value, schema: &Value, document: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        return places(example, document.pointer(&name[1..]).unwrap(), document, at, found);
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(variants) = schema[several].as_array() {
            let variant = variants.iter().find(|variant| variant["type"] != "null").unwrap();
            return places(example, variant, document, at, found);
        }
    }
    match example {
        Value::Object(members) => {
            let named = schema["properties"].as_object();
            let others = &schema["additionalProperties"];
            if named.is_some() || others == &json!(false) {
                assert_eq!(others, &json!(false), "{at}: unknown members of {schema} are passed over");
                found.push(at.to_owned());
            }
            for (name, member) in members {
                let schema = named.and_then(|named| named.get(name)).unwrap_or(others);
                places(member, schema, document, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &schema["items"], document, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn no_operation_passes_over_a_parameter_that_it_does_not_know() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let document: Value = serde_json::from_str(&kinora_server::document().to_json().unwrap()).unwrap();
    let operations = operations(&document);
    assert!(operations.len() > 40);
    for operation in &operations {
        let (method, path) = (&operation.method, &operation.path);
        let refused = send(&api, operation, &format!("?{UNKNOWN}=1"), None).await;
        assert_eq!(refused.status, 400, "{method} {path}: {refused:?}");
        let kind = refused.body["title"].as_str().unwrap();
        assert!(["invalid parameter", "invalid filter"].contains(&kind), "{method} {path}: {refused:?}");
        assert!(refused.body["detail"].as_str().unwrap().contains(UNKNOWN), "{method} {path}: {refused:?}");
    }
}

#[tokio::test]
async fn no_operation_passes_over_a_member_that_it_does_not_know_at_any_depth() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let document: Value = serde_json::from_str(&kinora_server::document().to_json().unwrap()).unwrap();
    let commands = [json!("command"), json!("command_reproduction")];
    let mut asked = 0;
    for operation in &operations(&document) {
        let (method, path) = (&operation.method, &operation.path);
        let content = &operation.described["requestBody"]["content"]["application/json"]["schema"];
        // What a command takes is for its decider to say.
        if content.is_null() || commands.contains(&operation.described["operationId"]) {
            // A body that nobody asks for is no body to pass over.
            let refused = send(&api, operation, "", Some(&json!({UNKNOWN: 1}))).await;
            let takes_others = operation.described["requestBody"].is_object();
            assert!(takes_others || refused.status == 400, "{method} {path}: {refused:?}");
            continue;
        }
        let body = example(content, &document);
        let mut objects = Vec::new();
        places(&body, content, &document, "", &mut objects);
        assert!(!objects.is_empty(), "{method} {path}: {body}");
        for at in objects {
            let mut body = body.clone();
            body.pointer_mut(&at).unwrap()[UNKNOWN] = json!(1);
            let refused = send(&api, operation, "", Some(&body)).await;
            assert_eq!(refused.status, 400, "{method} {path} {body}: {refused:?}");
            assert!(refused.body["detail"].as_str().unwrap().contains(UNKNOWN), "{method} {path} {body}: {refused:?}");
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
}
