//! Fields of rows: what is declared, what is not, and what readers are not shown.

use eventsource_stream::Eventsource;
use futures::StreamExt;
use kinora_tests::{Api, Handwritten, Host, module};
use serde_json::{Value, json};

async fn append(api: &Api, stream: &str, kind: &str, data: Value) -> u64 {
    let answer = api.post(&format!("streams/{stream}/events"), json!({"type": kind, "data": data})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["last_position"].as_u64().unwrap()
}

/// Rows with fields of all kinds, and rows of which nothing is declared; live.
async fn shapes(dir: &std::path::Path) -> (Host, Api) {
    let host = Host::start(dir);
    let api = host.api();
    for (stream, data) in [
        (
            "a",
            json!({
                "n": 5, "code": "112", "size": 112, "open": true, "resources": ["112", "7"], "day": "2026-01-01",
                "stops": [{"airport": "EWR", "delay": 3}, {"airport": "IAH", "delay": null}],
                "delays": [1.0, 2.0, 30.0], "visitors": ["x", "y"],
            }),
        ),
        ("b", json!({"n": 112, "code": "1e3", "size": "112", "resources": ["12"], "colour": "red"})),
        ("c", json!({"n": 1000, "code": "true", "size": 3.5, "visitors": ["x"], "delays": [5.0]})),
    ] {
        append(&api, stream, "Seen", data).await;
    }
    append(&api, "l1", "Loose", json!({"flights": 5, "delay": {"mean": null}, "stops": [{"at": 1}]})).await;
    append(&api, "l2", "Loose", json!({"flights": "many", "by": "x"})).await;
    let digest = api.upload(module("shapes")).await;
    api.deploy_live("shapes", &digest).await;
    (host, api)
}

fn keys(body: &Value) -> Vec<&str> {
    body["rows"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_field_that_rows_do_not_have_is_refused_wherever_it_stands_and_the_nearest_ones_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api) = shapes(dir.path()).await;
    for (name, value, nearest) in [
        ("cod", "eq.112", Some("code")),
        ("cod", "is.null", Some("code")),
        ("cod", "not.in.(1)", Some("code")),
        ("Code", "like.1*", Some("code")),
        ("or", "(n.eq.1,and(cod.gt.1,n.lt.5))", Some("code")),
        ("not.and", "(n.eq.1,resource[].eq.x)", Some("resources[]")),
        ("stops[].airprt", "eq.EWR", Some("stops[].airport")),
        ("airport", "eq.EWR", Some("stops[].airport")),
        ("delays.p91", "gt.5", Some("delays.p90")),
        ("delays.sketch", "is.null", None),
        ("delays", "cs.{\"sketch\":1}", None),
        ("delays", "cs.{\"p91\":1}", Some("delays.p90")),
        ("code.x", "eq.1", None),
        ("zzzzzz", "eq.1", None),
        ("stops[].airport[].x", "eq.1", None),
        ("order", "-cod", Some("code")),
        ("order", "n,delays.sketch", None),
        ("select", "n,worst:delays.mx", Some("delays.max")),
        ("select", "visitors.sketch", None),
        ("facets", "resourcs[]", Some("resources[]")),
        ("aggregate", "sum(m)", None),
        ("aggregate", "count,late:percentile(delays.p98,90)", Some("delays.p99")),
    ] {
        let figures = ["aggregate", "facets"].contains(&name);
        for more in [None, Some(("at_position", "2")), Some(("explain", "true")), Some(("limit", "1"))] {
            if figures && more.is_some_and(|(name, _)| name != "at_position") {
                continue;
            }
            let query: Vec<_> = [(name, value)].into_iter().chain(more).collect();
            let answer = api.get_with("read-models/shapes/things", &query).await;
            assert_eq!((answer.status, answer.body["title"].as_str()), (400, Some("unknown field")), "{query:?}");
            let found = answer.body["nearest"].as_array().unwrap();
            assert!(!answer.body["nearest"].to_string().contains("sketch"), "{query:?}: {found:?}");
            assert!(nearest.is_none_or(|nearest| found.contains(&json!(nearest))), "{query:?}: {found:?}");
        }
    }
    let grouped = api.get("read-models/shapes/things?aggregate=count&group=cod").await;
    assert_eq!(grouped.body["title"], "unknown field");
    let followed = api.client.get(api.at("read-models/shapes/things?cod=eq.1")).header("accept", "text/event-stream");
    assert_eq!(followed.send().await.unwrap().status(), 400);
    // What is declared is found, however deep it stands, in a map, or for some rows only.
    for (query, found) in [
        ("stops[].airport=eq.EWR", vec!["a"]),
        ("by_day.2026-01-01=eq.1", vec!["a"]),
        ("colour=eq.red", vec!["b"]),
        ("kind=eq.plain&order=-n", vec!["c", "a"]),
        ("delays.max=gte.4&order=-delays.max", vec!["a", "c"]),
    ] {
        assert_eq!(keys(&api.get(&format!("read-models/shapes/things?{query}")).await.body), found, "{query}");
    }
}

#[tokio::test]
async fn where_nothing_is_declared_the_answer_says_which_fields_no_row_had() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api) = shapes(dir.path()).await;
    let list = "read-models/shapes/loose";
    for (query, unknown) in [
        ("flihgts=gt.1", json!(["flihgts"])),
        ("flihgts=is.null", json!(["flihgts"])),
        ("or=(flights.gt.1,bye.eq.x)", json!(["bye"])),
        ("order=-flihgts", json!(["flihgts"])),
        ("select=flights,delay.max,mean:delay.mean", json!(["delay.max"])),
        ("stops[].to=eq.1", json!(["stops[].to"])),
        ("aggregate=count,sum(flihgts),max(flights)", json!(["flihgts"])),
        ("aggregate=count&group=bye", json!(["bye"])),
        ("facets=bye,by", json!(["bye"])),
        ("flihgts=is.null&limit=1&order=flights", json!(["flihgts"])),
        // Each of these is in one row at least.
        ("flights=gt.1&by=is.null&select=delay.mean&order=stops", json!(null)),
        ("stops[].at=eq.1", json!(null)),
        ("aggregate=sum(flights)&group=by&facets=stops[].at", json!(null)),
        ("key=like.zz*&flihgts=eq.1", json!(null)),
    ] {
        let answer = api.client.get(api.at(&format!("{list}?{query}"))).send().await.unwrap();
        let header = answer.headers().get("kinora-unknown-fields").map(|names| names.to_str().unwrap().to_owned());
        let body = api.get(&format!("{list}?{query}")).await.body;
        assert_eq!(body.get("unknown_fields").unwrap_or(&json!(null)), &unknown, "{query}: {body}");
        assert_eq!(header.is_some(), unknown.is_array(), "{query}");
    }
    for format in ["csv", "ndjson"] {
        let answer = api.client.get(api.at(&format!("{list}?select=by,b%20y&format={format}"))).send().await.unwrap();
        assert_eq!(answer.headers()["kinora-unknown-fields"], "b+y", "{format}");
    }
    let followed = api.client.get(api.at(&format!("{list}?select=bye"))).header("accept", "text/event-stream");
    let mut events = Box::pin(followed.send().await.unwrap().bytes_stream().eventsource());
    let reset: Value = serde_json::from_str(&events.next().await.unwrap().unwrap().data).unwrap();
    assert_eq!(reset, json!({"version": 1, "unknown_fields": ["bye"]}));
}

#[tokio::test]
async fn what_a_row_hides_is_kept_for_its_projector_and_shown_to_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api) = shapes(dir.path()).await;
    let position =
        append(&api, "a", "Seen", json!({"n": 5, "resources": ["7"], "delays": [90.0], "visitors": ["x", "z"]})).await;
    let digest = api.get("projections/shapes/versions/1").await.body["module"].as_str().unwrap().to_owned();
    assert_eq!(api.deploy("shapes", &digest, &[]).await, 2);
    api.until_caught_up("shapes", 2).await;
    let row = api.get(&format!("read-models/shapes/things/a?min_position={position}")).await.body;
    // What was added to the sketch before is in it still.
    assert_eq!((row["delays"]["count"].clone(), row["visitors"].clone()), (json!(4), json!({"estimate": 3})));
    let text = async |path: &str, accept: &str| {
        let response = api.client.get(api.at(path)).header("accept", accept).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    };
    for (path, accept) in [
        ("read-models/shapes/things/a", "application/json"),
        ("read-models/shapes/things/a?at_position=0", "application/json"),
        ("read-models/shapes/things/a?versions=5", "application/json"),
        ("read-models/shapes/things", "application/json"),
        ("read-models/shapes/things", "text/csv"),
        ("read-models/shapes/things", "application/x-ndjson"),
        ("read-models/shapes/things?select=delays,v:visitors", "application/json"),
        ("read-models/shapes/things?order=code&n=gt.1", "application/json"),
        ("read-models/shapes/things?at_position=2", "application/json"),
        ("read-models/shapes/things?resources[]=eq.7", "application/json"),
        ("read-models/shapes/things?aggregate=max(delays)&facets=visitors", "application/json"),
        ("projections/shapes/diff?from=1&to=2", "application/json"),
        ("projections/shapes/diff/events?from=1&to=2&table=things&key=a", "application/json"),
        ("read-models/shapes", "application/json"),
        (&format!("modules/{digest}"), "application/json"),
    ] {
        let text = text(path, accept).await;
        assert!(text.contains("delays") || path.contains("from=1&to=2"), "{path}: {text}");
        assert!(!text.contains("sketch") && !text.contains("bins"), "{path}: {text}");
    }
    let followed = api.client.get(api.at("read-models/shapes/things")).header("accept", "text/event-stream");
    let mut events = Box::pin(followed.send().await.unwrap().bytes_stream().eventsource());
    loop {
        let event = events.next().await.unwrap().unwrap();
        assert!(!event.data.contains("sketch"), "{event:?}");
        if event.event == "position" {
            break;
        }
    }
    let model = api.get("read-models/shapes").await.body;
    let schema = &model["tables"][0]["schema"];
    assert_eq!(schema["properties"]["delays"]["required"], json!(["count", "min", "p50", "p90", "p99", "max"]));
    assert_eq!(schema["properties"]["n"]["type"], "integer");
    assert!(model["tables"][1].get("schema").is_none(), "nothing is declared: {model}");
}

#[tokio::test]
async fn versions_whose_hidden_state_alone_differs_show_no_difference() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    append(&api, "s", "Count", json!({"n": 1})).await;
    let writes = "(call $put (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 1024) (i32.const TEXT))";
    let schema = r#"{"type":"object","properties":{"n":{"type":"integer"},"state":{"writeOnly":true}}}"#;
    for (version, texts) in [(1, r#"{"n":1,"state":[1]}"#), (2, r#"{"n":1,"state":[2]}"#)] {
        let apply: &'static str = writes.replace("TEXT", &texts.len().to_string()).leak();
        let guest = Handwritten { apply, texts: texts.as_bytes(), schema, ..Handwritten::default() };
        let digest = api.upload(guest.module()).await;
        assert_eq!(api.deploy("same", &digest, &[]).await, version);
        api.until_caught_up("same", version).await;
    }
    let diff = api.get("projections/same/diff?from=1&to=2").await.body;
    assert_eq!((&diff["tables"][0]["changed"], &diff["tables"][0]["unchanged"]), (&json!(0), &json!(1)), "{diff}");
    let events = api.get("projections/same/diff/events?from=1&to=2&table=rows&key=k").await.body;
    assert_eq!(events["to"]["events"][0]["row"], json!({"n": 1}));
}

#[tokio::test]
async fn a_value_takes_the_type_of_its_field_and_one_that_cannot_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api) = shapes(dir.path()).await;
    for (name, value, found) in [
        ("resources[]", "eq.112", vec!["a"]),
        ("resources[]", "in.(7,12)", vec!["a", "b"]),
        ("resources[]", "neq.112", vec!["b", "c"]),
        ("resources", "cs.{112}", vec!["a"]),
        ("resources", "cs.{112,7}", vec!["a"]),
        ("resources", "not.cs.{112}", vec!["b", "c"]),
        ("code", "eq.112", vec!["a"]),
        ("code", "eq.1e3", vec!["b"]),
        ("code", "eq.true", vec!["c"]),
        ("code", "gt.1", vec!["a", "b", "c"]),
        ("or", "(code.eq.112,n.eq.1000)", vec!["a", "c"]),
        ("n", "eq.112", vec!["b"]),
        ("n", "eq.1e3", vec!["c"]),
        ("size", "eq.112", vec!["a", "b"]),
        ("size", "in.(112,3.5)", vec!["a", "b", "c"]),
        ("size", "neq.112", vec!["c"]),
        ("size", "gt.10", vec!["a", "b"]),
        ("size", "not.gt.10", vec!["c"]),
        ("size", "eq.\"112\"", vec!["b"]),
        ("open", "is.true", vec!["a"]),
        ("open", "eq.false", vec!["b", "c"]),
        ("stops[].delay", "eq.3", vec!["a"]),
        ("key", "gt.a", vec!["b", "c"]),
    ] {
        let answer = api.get_with("read-models/shapes/things", &[(name, value)]).await;
        assert_eq!(answer.status, 200, "{name}={value} {answer:?}");
        assert_eq!(keys(&answer.body), found, "{name}={value}");
    }
    for (name, value, words) in [
        ("n", "gt.abc", "n is a number"),
        ("n", "eq.\"5\"", "n is a number"),
        ("n", "in.(1,x)", "n is a number"),
        ("n", "like.1*", "like asks for a text"),
        ("n", "is.true", "a boolean"),
        ("n", "cs.{1}", "cs asks for an array"),
        ("open", "eq.1", "open is a boolean"),
        ("resources", "eq.112", "field[]=eq.x"),
        ("resources", "cs.[112]", "resources[] is a text"),
        ("stops", "cs.[{\"delay\":\"x\"}]", "stops[].delay is null or a number"),
        ("or", "(code.eq.1,n.gt.abc)", "n is a number"),
    ] {
        let answer = api.get_with("read-models/shapes/things", &[(name, value)]).await;
        assert_eq!((answer.status, answer.body["title"].as_str()), (400, Some("invalid filter")), "{name}={value}");
        assert!(answer.body["detail"].as_str().unwrap().contains(words), "{name}={value} {answer:?}");
    }
    let figure = api.get("read-models/shapes/things?aggregate=sum(code)").await;
    assert_eq!((figure.status, figure.body["title"].as_str()), (400, Some("invalid aggregate")), "{figure:?}");
    // Where nothing is declared a value is what it reads as.
    assert_eq!(keys(&api.get("read-models/shapes/loose?flights=eq.5").await.body), ["l1"]);
    assert_eq!(keys(&api.get("read-models/shapes/loose?flights=gt.a").await.body), ["l2"]);
}

#[tokio::test]
async fn rows_and_indexes_that_are_not_what_the_schema_says_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    append(&api, "s", "Count", json!({"n": 1})).await;
    // It writes {"n": 1} under the key k.
    let apply = "(call $put (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 64) (i32.const 7))";
    let fits = r#"{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}"#;
    for (schema, words) in [
        (r#"{"type":"object","properties":{"m":{}},"additionalProperties":false}"#, "n is not declared"),
        (r#"{"type":"object","properties":{"n":{"type":"string"}}}"#, "n is a number, not a text"),
        (r#"{"type":"object","properties":{"n":{"minimum":2}}}"#, "/n: value is less than the minimum of 2"),
        (r#"{"type":"object","properties":{"n":{}},"required":["m"]}"#, "\"m\" is a required property"),
        (fits, ""),
    ] {
        let digest = api.upload(Handwritten { apply, schema, ..Handwritten::default() }.module()).await;
        let version = api.deploy("rows", &digest, &[]).await;
        if words.is_empty() {
            api.until_state("rows", version, "ready").await;
            continue;
        }
        let fault = api.until_state("rows", version, "faulted").await["fault"].clone();
        let message = fault["message"].as_str().unwrap();
        assert!(message.contains("row \"k\" of table \"rows\"") && message.contains(words), "{fault}");
    }
    for (schema, index, words) in [
        (fits, "m", "rows have no field \"m\" for readers"),
        (fits, "-n.x", "rows have no field \"n.x\""),
        (
            r#"{"properties":{"count":{},"s":{"writeOnly":true}},"additionalProperties":false}"#,
            "-coutn",
            "nearest are count",
        ),
        (r#"{"properties":{"count":{},"s":{"writeOnly":true}}}"#, "s", "rows have no field \"s\""),
        (r#"{"type":"strin"}"#, "", "is not a type"),
        (r#"{"type":"array"}"#, "", "a row is an object"),
        (r#"{"$ref":"https://example.org/x"}"#, "", "not within it"),
        ("{", "", "is not JSON"),
    ] {
        let wasm = Handwritten { schema, index, ..Handwritten::default() }.module();
        let uploaded = api.send(api.client.post(api.at("modules")).body(wasm)).await;
        let digest = uploaded.body["digest"].as_str().unwrap();
        let refused = api.until(&format!("modules/{digest}"), |module| module["state"] == "refused").await;
        assert!(refused.to_string().contains(&words.replace('"', "\\\"")), "{schema} {index}: {refused}");
    }
    let uploaded = api.upload(Handwritten { schema: fits, index: "-n", ..Handwritten::default() }.module()).await;
    assert_eq!(uploaded.len(), 64);
}
