//! Answers checked against the description of the API: whatever a test is answered, `/openapi.json` must have said so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jsonschema::Validator;
use kinora_api::Kind;
use serde_json::{Value, json};

/// What the description says of one answer: what is in it, by kind of content.
type Described = BTreeMap<String, Content>;

/// Content of one kind.
struct Content {
    /// None: it may be anything, as text is. Of lines and messages, what each is.
    schema: Option<Validator>,
    /// The types that a problem can have; none: it is no problem.
    problems: BTreeSet<String>,
}

/// Followed streams, and problems.
const MESSAGES: &str = "text/event-stream";
const PROBLEM: &str = "application/problem+json";

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

/// What is answered where there is no operation.
static OTHERWISE: LazyLock<BTreeMap<u16, Described>> = LazyLock::new(|| {
    let text = kinora_server::document().to_json().unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let known = known(&document);
    let answer = |kind: Kind| {
        let content = json!({"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {kind.slug(): {}}});
        (kind.status(), described(&json!({"content": {PROBLEM: content}}), &known))
    };
    [Kind::UnknownRoute, Kind::WrongMethod].map(answer).into()
});

/// All that schemas refer to.
fn known(document: &Value) -> Value {
    let open = document["components"].clone();
    let mut components = open.clone();
    close(&mut components);
    json!({"components": components, "open": open})
}

fn operations(document: &Value) -> Vec<Operation> {
    let known = known(document);
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
        let is_json = kind.ends_with("json") || kind == MESSAGES;
        let schema = is_json.then(|| {
            let mut whole = known.clone();
            whole["schema"] = schema;
            whole["$ref"] = json!("#/schema");
            jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
        });
        let examples = content["examples"].as_object().filter(|_| kind == PROBLEM);
        let problems = examples.into_iter().flatten().map(|(name, _)| Kind::named(name).unwrap().uri());
        (kind.clone(), Content { schema, problems: problems.collect() })
    });
    content.collect()
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

/// An answer, as the description is asked about it.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub status: u16,
    /// Its `Content-Type`.
    pub kind: Option<&'a str>,
}

impl Answered<'_> {
    /// Panics unless the description has this answer: its status, its kind, and what is in it.
    pub fn check(self, body: &str) {
        let checked = self.mistake(body);
        checked.unwrap_or_else(|why| panic!("{self:?} {body:.1000}\n  is not as the description has it: {why}"));
    }

    /// Panics unless the description has this message of a stream that is followed.
    pub fn check_message(self, event: &str, data: &str) {
        let checked = self.message_mistake(event, data);
        checked
            .unwrap_or_else(|why| panic!("{self:?} {event} {data:.1000}\n  is not as the description has it: {why}"));
    }

    /// The content that the description has for this answer; none: there is to be no body.
    fn described(self) -> Result<Option<&'static Content>, String> {
        let segments: Vec<&str> = self.path.split('/').collect();
        let of_path = OPERATIONS.iter().filter_map(|operation| Some((fits(&operation.path, &segments)?, operation)));
        let best = of_path.clone().map(|(names, _)| names).max();
        let mut found = of_path
            .filter(|(names, found)| Some(*names) == best && found.method == self.method)
            .map(|(_, found)| found);
        let answer = match found.next() {
            Some(operation) => operation.answers.get(&self.status.to_string()).or(operation.answers.get("default")),
            None => OTHERWISE.get(&self.status),
        };
        let answer = answer.ok_or("there is no such operation")?;
        if answer.is_empty() {
            return Ok(None);
        }
        let kind = self.kind.ok_or("it has no Content-Type")?.split(';').next().unwrap_or_default().trim();
        answer.get(kind).map(Some).ok_or_else(|| format!("it is none of {:?}", answer.keys()))
    }

    fn mistake(self, body: &str) -> Result<(), String> {
        let Some(content) = self.described()? else {
            return if body.is_empty() { Ok(()) } else { Err("there is to be no body".into()) };
        };
        match self.kind.unwrap_or_default() {
            kind if kind.starts_with(MESSAGES) => Err("it is followed, not read".into()),
            kind if kind.contains("ndjson") => body.lines().try_for_each(|line| content.mistake(line, self.status)),
            _ => content.mistake(body, self.status),
        }
    }

    fn message_mistake(self, event: &str, data: &str) -> Result<(), String> {
        let content = self.described()?.ok_or("there are to be no messages")?;
        let data: Value = serde_json::from_str(data).map_err(|cause| format!("it is no JSON: {cause}"))?;
        content.mistake(&json!({"event": event, "data": data}).to_string(), self.status)
    }
}

impl Content {
    /// What is wrong with a document, a line or a message.
    fn mistake(&self, document: &str, status: u16) -> Result<(), String> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let value: Value = serde_json::from_str(document).map_err(|cause| format!("it is no JSON: {cause}"))?;
        let first = schema.iter_errors(&value).next();
        first.map_or(Ok(()), |error| Err(format!("{error} at {}", error.instance_path())))?;
        if self.problems.is_empty() {
            return Ok(());
        }
        if value["status"] != status {
            return Err("its status is another".into());
        }
        let listed = value["type"].as_str().is_some_and(|kind| self.problems.contains(kind));
        if listed { Ok(()) } else { Err(format!("its type is none of {:?}", self.problems)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPENDED: &str =
        r#"{"first_position":0,"last_position":0,"revision":0,"duplicate":false,"durability":"sync"}"#;
    fn problem(slug: &str, status: u16) -> String {
        let kind = format!("https://kinora.dev/problems/{slug}");
        json!({"type": kind, "title": "it", "status": status, "detail": "there is none", "more": "s"}).to_string()
    }

    const MODULE: &str = r#"{"digest":"ab","state":"ready","kind":"upcaster","bytes":1,"compiling_for_ms":null,
        "compile_ms":2,"error":null,"manifest":{"kind":"upcaster","name":"u","needs":{"metadata":true,"tags":false},
        "steps":[{"from":{"type":"A","schema":1},"to":[]}]}}"#;

    #[test]
    fn answers_that_are_described_pass() {
        let json = Some("application/json");
        let unknown = [problem("unknown-stream", 404), problem("unknown-route", 404), problem("log-failed", 500)];
        for (method, path, status, kind, body) in [
            ("POST", "/v1/streams/s/events", 201, json, APPENDED),
            ("GET", "/v1/streams/s/events", 404, Some(PROBLEM), &unknown[0]),
            ("GET", "/v1/streams/s/events", 500, Some(PROBLEM), &unknown[2]),
            ("GET", "/v1/read-models/m/queries/q", 500, Some(PROBLEM), &unknown[2]),
            ("GET", "/v1/events", 200, json, r#"{"events":[],"head":null,"next":null}"#),
            ("GET", "/v1/events", 304, None, ""),
            ("DELETE", "/v1/modules/ab", 204, None, ""),
            ("GET", "/v1/modules/ab", 200, json, MODULE),
            ("GET", "/v1/read-models/m/t", 200, json, r#"{"rows":[],"next":null}"#),
            ("GET", "/v1/read-models/m/t", 200, json, r#"{"facets":{"a":[{"value":1,"count":2}]}}"#),
            ("GET", "/v1/read-models/m/t/a/b", 200, json, r#"{"anything": 1}"#),
            ("GET", "/v1/read-models/m/queries/q", 200, json, "null"),
            ("GET", "/v1/nothing", 404, Some(PROBLEM), &unknown[1]),
        ] {
            let answered = Answered { method, path, status, kind };
            assert_eq!(answered.mistake(body), Ok(()), "{answered:?} {body}");
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
            ("GET", appended, 404, Some(PROBLEM), problem("what", 404)),
            ("GET", appended, 404, Some(PROBLEM), problem("unknown-stream", 404).replace("\"status\":404,", "")),
            ("GET", appended, 404, Some(PROBLEM), problem("unknown-row", 404)),
            ("GET", appended, 409, Some(PROBLEM), problem("id-reused", 409)),
            ("GET", appended, 404, Some(PROBLEM), problem("unknown-stream", 400)),
            ("GET", appended, 404, Some(PROBLEM), problem("unknown-route", 404)),
            ("GET", "/v1/nothing", 404, Some(PROBLEM), problem("unknown-stream", 404)),
            ("GET", "/v1/nothing", 200, json, "{}".to_owned()),
            ("GET", "/v1/modules/ab", 200, json, MODULE.replace("\"steps\"", "\"step\"")),
            ("GET", "/v1/read-models/m/t", 200, json, r#"{"rows":[],"next":null,"total":1}"#.to_owned()),
            ("DELETE", "/v1/modules/ab", 204, None, "{}".to_owned()),
            ("GET", "/v1/projections/p/versions/1/gates", 200, json, "{}".to_owned()),
        ] {
            let answered = Answered { method, path, status, kind };
            assert!(answered.mistake(&body).is_err(), "{answered:?} {body}");
        }
    }

    #[test]
    fn a_message_is_what_the_description_says_that_comes() {
        let state = r#"{"head":1,"position":1}"#;
        let kind = Some("text/event-stream");
        for (path, event, data, passes) in [
            ("/v1/events", "caught-up", state, true),
            ("/v1/streams/s/events", "caught-up", state, true),
            ("/v1/events", "caught-up", "{}", false),
            ("/v1/events", "caught-down", state, false),
            ("/v1/events", "event", state, false),
            ("/v1/events", "caught-up", "id: 1", false),
            ("/v1/read-models/m/t", "removed", r#"{"key":"a"}"#, true),
            ("/v1/read-models/m/t", "removed", r#"{"key":1}"#, false),
            ("/v1/log", "caught-up", state, false),
        ] {
            let answered = Answered { method: "GET", path, status: 200, kind };
            assert_eq!(answered.message_mistake(event, data).is_ok(), passes, "{answered:?} {event} {data}");
        }
    }

    #[test]
    fn each_line_is_looked_at() {
        let head = r#"{"comparison":"00000000-0000-0000-0000-000000000001","from":1,"to":2,"position":7}"#;
        let path = "/v1/projections/p/diff/rows";
        let answered = Answered { method: "GET", path, status: 200, kind: Some("application/x-ndjson") };
        assert_eq!(answered.mistake(&format!("{head}\n{{\"complete\":true,\"rows\":0}}\n")), Ok(()));
        assert!(answered.mistake(&format!("{head}\n{{\"complete\":true,\"lines\":0}}\n")).is_err());
    }
}
