//! Parameters of queries, two by two: each of both has its effect, or they are refused together.

use kinora_tests::{Api, Host, module};
use serde_json::{Value, json};

async fn append(api: &Api, stream: &str, data: Value) {
    let answer = api.post(&format!("streams/{stream}/events"), json!({"type": "Seen", "data": data})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Four rows, all of which were something else up to position 3.
async fn things(dir: &std::path::Path) -> (Host, Api) {
    let host = Host::start(dir);
    let api = host.api();
    for code in ["o", "p"] {
        for (number, (stream, n)) in (1..).zip([("a", 5), ("b", 112), ("c", 1000), ("d", 2000)]) {
            let tags = if number == 2 { json!(["x", "y"]) } else { json!(["x"]) };
            append(&api, stream, json!({"n": n, "code": format!("{code}{number}"), "resources": tags})).await;
        }
    }
    let digest = api.upload(module("shapes")).await;
    api.deploy_live("shapes", &digest).await;
    (host, api)
}

const LIST: &str = "read-models/shapes/things";

type Parameters = Vec<(&'static str, String)>;

/// What is answered, without the address of the next page, which names the parameters.
async fn ask(api: &Api, parameters: &Parameters) -> (u16, String) {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut answer = api.get_with(LIST, &parameters).await;
    if let Some(members) = answer.body.as_object_mut() {
        members.remove("next");
    }
    (answer.status, answer.body.to_string())
}

/// The parameters that are refused together, by the names that the walk gives them.
const REFUSED: [(&str, &[&str]); 6] = [
    ("aggregate", &["select", "order", "limit", "cursor", "explain"]),
    ("group", &["select", "cursor", "explain"]),
    ("facets", &["select", "order", "limit", "cursor", "explain", "format"]),
    ("explain", &["format", "at_position", "at_time"]),
    ("at_position", &["at_time"]),
    // These would be figures twice.
    ("aggregate", &["group"]),
];

/// Those that change nothing in what is answered here: how much may be read, who answers, and when.
const WITHOUT_EFFECT: [&str; 5] = ["scan", "version", "min_position", "timeout", "stale"];

/// All parameters of lists, each with an effect of its own on these rows.
async fn all(api: &Api) -> Vec<(&'static str, Parameters)> {
    let time = api.get("events?from=3&limit=1").await.body["events"][0]["time"].as_str().unwrap().to_owned();
    let one = |name: &'static str, value: &str| (name, vec![(name, value.to_owned())]);
    vec![
        one("n", "in.(112,1000)"),
        one("or", "(n.eq.1000,n.eq.2000)"),
        one("order", "-code"),
        one("select", "code"),
        one("limit", "1"),
        ("cursor", Vec::new()),
        one("format", "csv"),
        one("aggregate", "count,max(code)"),
        ("group", vec![("aggregate", "max(code)".to_owned()), ("group", "code".to_owned())]),
        one("facets", "code"),
        one("explain", "true"),
        one("at_position", "3"),
        one("at_time", &time),
        one("scan", "true"),
        one("version", "1"),
        one("min_position", "0"),
        one("timeout", "1"),
        one("stale", "true"),
    ]
}

#[tokio::test]
async fn any_two_parameters_both_have_their_effect_or_are_refused_together() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api) = things(dir.path()).await;
    let all = all(&api).await;
    // The place behind the first row of a list with these parameters.
    let cursor = async |others: &Parameters| {
        let mut page: Vec<_> = others.iter().map(|(name, value)| (*name, value.as_str())).collect();
        page.retain(|(name, _)| !["format", "limit", "explain"].contains(name));
        page.push(("limit", "1"));
        let next = api.get_with(LIST, &page).await.body["next"].as_str().map(str::to_owned);
        next.map_or("00".to_owned(), |next| next.rsplit_once("cursor=").unwrap().1.to_owned())
    };
    for (at, (name, parameters)) in all.iter().enumerate() {
        for (other, more) in &all[at + 1..] {
            let (mut alone, mut others) = (parameters.clone(), more.clone());
            if *name == "cursor" {
                alone.push(("cursor", cursor(&others).await));
            }
            if *other == "cursor" {
                others.push(("cursor", cursor(&alone).await));
            }
            let both: Parameters = alone.iter().chain(&others).cloned().collect();
            let (status, answer) = ask(&api, &both).await;
            let among =
                |one: &str, other: &str| REFUSED.iter().any(|(name, with)| *name == one && with.contains(&other));
            let refused = among(name, other) || among(other, name);
            assert_eq!(status, if refused { 400 } else { 200 }, "{both:?} {answer}");
            if refused || [name, other].iter().any(|name| WITHOUT_EFFECT.contains(name)) {
                continue;
            }
            // An explanation is of how rows are found, not of what is taken from them.
            let explained = (*name, *other) == ("select", "explain");
            for (name, without) in [(other, &alone), (name, &others)] {
                if ["cursor"].contains(name) || (explained && *name == "select") {
                    continue;
                }
                // A cursor is one of these parameters only.
                let without: Parameters = without.iter().filter(|(name, _)| *name != "cursor").cloned().collect();
                assert_ne!(ask(&api, &without).await.1, answer, "{name} changes nothing in {both:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_parameter_that_is_there_twice_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api) = things(dir.path()).await;
    let all = all(&api).await;
    for (_, parameters) in all.iter().filter(|(_, parameters)| parameters.len() == 1) {
        if ["n", "or"].contains(&parameters[0].0) {
            continue;
        }
        let twice: Parameters = parameters.iter().chain(parameters).cloned().collect();
        let (status, answer) = ask(&api, &twice).await;
        assert_eq!(status, 400, "{twice:?} {answer}");
    }
    for path in [
        "read-models/shapes/things/a?versions=1&at_position=3",
        "read-models/shapes/things/a?versions=1&versions=2",
        "read-models/shapes/queries/of-code?arguments={}&arguments={}",
    ] {
        assert_eq!(api.get(path).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn groups_come_in_the_order_that_is_asked_for_and_as_csv() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api) = things(dir.path()).await;
    append(&api, "e", json!({"n": 7, "code": "p1", "open": true, "resources": ["x"]})).await;
    append(&api, "f", json!({"n": 8, "code": "p,2", "size": 1, "resources": []})).await;
    api.until_caught_up("shapes", 1).await;
    let groups = async |order: &str| {
        let query =
            [("aggregate", "count,m:max(n),percentile(n,50)"), ("group", "code"), ("order", order), ("limit", "2")];
        let answer = api.get_with(LIST, &query).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let groups = answer.body["groups"].as_array().unwrap().clone();
        groups.iter().map(|group| group["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(groups("-code").await, ["p4", "p3"]);
    assert_eq!(groups("code").await, ["p,2", "p1"]);
    // Of equal ones the group decides.
    assert_eq!(groups("count.desc").await, ["p1", "p,2"]);
    assert_eq!(groups("count").await, ["p,2", "p2"]);
    assert_eq!(groups("m.desc").await, ["p4", "p3"]);
    assert_eq!(groups("percentile(n,50),code").await, ["p1", "p,2"]);
    let refused = api.get(&format!("{LIST}?aggregate=count&group=code&order=n")).await;
    assert_eq!((refused.status, refused.body["title"].as_str()), (400, Some("invalid order")));
    assert!(refused.body["hint"].as_str().unwrap().contains("code, count"), "{refused:?}");

    let csv = async |query: &str, accept: Option<&str>| {
        let request = api.client.get(api.at(&format!("{LIST}?{query}")));
        let request = if let Some(accept) = accept { request.header("accept", accept) } else { request };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/csv", "{query}");
        assert!(answer.headers().contains_key("kinora-position"));
        answer.text().await.unwrap()
    };
    let query = "aggregate=count,max(n),max(size)&group=code,open&order=count.desc,code&limit=3";
    let expected = "code,open,count,max(n),max(size)\n\"p,2\",false,1,8,1.0\np1,false,1,5,\np1,true,1,7,\n";
    assert_eq!(csv(&format!("{query}&format=csv"), None).await, expected);
    assert_eq!(csv("aggregate=count,sum(n)", Some("text/csv")).await, "count,sum(n)\n6,3132\n");
}

#[tokio::test]
async fn an_array_makes_one_group_and_its_elements_count_in_facets() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api) = things(dir.path()).await;
    let counted = api.get(&format!("{LIST}?aggregate=count&group=resources[]&facets=resources,resources[]")).await.body;
    // A row is in one group, that of its whole array.
    let groups = counted["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "{counted}");
    assert!(groups.contains(&json!({"resources[]": ["x"], "count": 3})), "{counted}");
    assert!(groups.contains(&json!({"resources[]": ["x", "y"], "count": 1})), "{counted}");
    let whole = json!([{"value": ["x"], "count": 3}, {"value": ["x", "y"], "count": 1}]);
    assert_eq!(counted["facets"]["resources"], whole);
    // A row counts for each of its elements.
    assert_eq!(counted["facets"]["resources[]"], json!([{"value": "x", "count": 4}, {"value": "y", "count": 1}]));
}

#[tokio::test]
async fn a_quote_mark_in_a_value_is_found_and_what_is_not_closed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api) = things(dir.path()).await;
    append(&api, "q", json!({"n": 1, "code": "x\"y", "resources": ["a\"b", "c\\d,e"]})).await;
    api.until_caught_up("shapes", 1).await;
    for (name, value) in [
        ("code", r#"in.("x\"y",b)"#),
        ("code", r#"in.(x"y,b)"#),
        ("code", r#"eq.x"y"#),
        ("code", r#"eq."x\"y""#),
        ("or", r#"(code.eq.x"y,n.eq.77)"#),
        ("or", r#"(code.eq."x\"y",n.eq.77)"#),
        ("resources", r#"cs.{"a\"b","c\\d,e"}"#),
        ("resources", r#"cs.["a\"b"]"#),
        ("or", r#"(resources[].eq."c\\d,e",n.eq.77)"#),
    ] {
        let answer = api.get_with(LIST, &[(name, value)]).await;
        assert_eq!(answer.body["rows"][0]["key"], "q", "{name}={value} {answer:?}");
    }
    for (name, value) in [
        ("code", r#"in.("x"y",b)"#),
        ("code", r#"in.("x,b)"#),
        ("code", r#"eq."x"#),
        ("or", r#"(code.eq."x,n.eq.1)"#),
        ("or", r#"(code.eq.(x,n.eq.1)"#),
        ("or", r#"(code.eq.x),n.eq.1)"#),
    ] {
        let answer = api.get_with(LIST, &[(name, value)]).await;
        assert_eq!((answer.status, answer.body["title"].as_str()), (400, Some("invalid filter")), "{name}={value}");
    }
}

#[tokio::test]
async fn columns_are_those_that_are_declared_and_no_name_stands_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api) = things(dir.path()).await;
    append(&api, "z", json!({"n": 3, "code": "z", "day": "2026-01-01", "colour": "red", "size": "L"})).await;
    api.until_caught_up("shapes", 1).await;
    let csv = async |query: &str| {
        let answer = api.client.get(api.at(&format!("{LIST}?format=csv&{query}"))).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let (first, last) = (csv("limit=1").await, csv("key=eq.z").await);
    let head = "key,n,code,size,open,resources,stops,by_day,delays.count,delays.min,delays.p50,delays.p90,delays.p99,\
                delays.max,visitors.estimate,kind,colour";
    assert_eq!((first.lines().next(), last.lines().next()), (Some(head), Some(head)));
    assert!(last.contains("z,3,z,L,false,[],[],\"{\"\"2026-01-01\"\":1}\",0,"), "{last}");
    assert_eq!(csv("key=eq.nothing").await, format!("{head}\n"));
    let selected = csv("select=code,worst:delays.max,visitors,delays.p50&limit=1").await;
    assert_eq!(selected, "key,code,worst,visitors.estimate,delays.p50\na,p1,,0,\n");
    for (query, title) in [
        ("select=n,n", "invalid select"),
        ("select=n,m:code,m:size", "invalid select"),
        ("select=delays,delays.p50", "invalid select"),
        ("aggregate=count,count", "invalid aggregate"),
        ("aggregate=m:min(n),m:max(n)", "invalid aggregate"),
        ("aggregate=count&group=code,code", "invalid parameter"),
        ("facets=code,code", "invalid parameter"),
        ("at_position=3&at_time=2026-01-01T00:00:00Z", "invalid parameter"),
    ] {
        let answer = api.get(&format!("{LIST}?{query}")).await;
        assert_eq!((answer.status, answer.body["title"].as_str()), (400, Some(title)), "{query}");
    }
}
