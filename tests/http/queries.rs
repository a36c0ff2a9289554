//! Queries over HTTP: what lists, figures and formats look like, how a query is followed, and what is refused.

use kinora_tests::{Api, Followed, Host, module};
use serde_json::{Value, json};

async fn append(api: &Api, stream: &str, kind: &str, data: Value) -> u64 {
    let answer = api.post(&format!("streams/{stream}/events"), json!({"type": kind, "data": data})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["last_position"].as_u64().unwrap()
}

/// A host with a club of three, live.
async fn club(dir: &std::path::Path) -> (Host, Api, String) {
    let host = Host::start(dir);
    let api = host.api();
    for (stream, name, mail, tags) in [
        ("m1", "Ada", json!("ada@example.org"), json!(["chess", "maths"])),
        ("m2", "Bob", json!(null), json!(["chess"])),
        ("m3", "Cleo", json!("cleo@example.org"), json!([])),
    ] {
        append(&api, stream, "Joined", json!({"name": name, "mail": mail, "tags": tags})).await;
    }
    for (stream, day) in [("m1", "2026-01-01"), ("m1", "2026-01-01"), ("m2", "2026-01-01"), ("m1", "2026-01-02")] {
        append(&api, stream, "Visited", json!({"day": day})).await;
    }
    let digest = api.upload(module("members")).await;
    assert_eq!(api.deploy("club", &digest, &[]).await, 1);
    api.until_state("club", 1, "ready").await;
    assert_eq!(api.post("projections/club/versions/1/promote", json!({})).await.status, 200);
    // The promotion is an event, too: until it is applied, the position of answers moves on.
    api.until_caught_up("club", 1).await;
    (host, api, digest)
}

fn names(body: &Value) -> Vec<String> {
    body["rows"].as_array().unwrap().iter().map(|row| row["row"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lists_take_filters_orders_selections_counts_and_formats() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api, _) = club(dir.path()).await;
    let list = async |parameters: &[(&str, &str)]| {
        let answer = api.get_with("read-models/club/members", parameters).await;
        assert_eq!(answer.status, 200, "{parameters:?} {answer:?}");
        answer.body
    };
    assert_eq!(names(&list(&[("tags", "cs.{chess}"), ("order", "name.desc")]).await), ["Bob", "Ada"]);
    assert_eq!(names(&list(&[("or", "(mail.is.null,name.ilike.c*)"), ("order", "name")]).await), ["Bob", "Cleo"]);
    assert_eq!(names(&list(&[("order", "-visits,-name")]).await), ["Ada", "Bob", "Cleo"]);
    let selected = list(&[("select", "name,who:mail"), ("key", "eq.m2")]).await;
    assert_eq!(selected["rows"], json!([{"key": "m2", "row": {"name": "Bob", "who": null}}]));
    let visits = api.get_with("read-models/club/visits", &[("key.day", "eq.2026-01-01")]).await.body;
    assert_eq!(visits["rows"][0], json!({"key": "2026-01-01/m1", "row": {"times": 2}}));

    let explained = list(&[("tags", "cs.{chess}"), ("order", "name"), ("explain", "true")]).await;
    assert_eq!((explained["index"].clone(), explained["sorts"].clone()), (json!("by_tag"), json!(false)));
    let figures = list(&[("aggregate", "count,sum(visits),most:max(visits)"), ("facets", "tags[]")]).await;
    assert_eq!(figures["groups"], json!([{"count": 3, "sum(visits)": 4, "most": 3}]));
    assert_eq!(figures["facets"]["tags[]"][0], json!({"value": "chess", "count": 2}));

    let request = api.client.get(api.at("read-models/club/members?limit=2&order=name&select=name,visits"));
    let page = api.text(request.header("prefer", "count=exact").header("accept", "text/csv")).await;
    assert_eq!((page.header("preference-applied"), page.header("content-range")), ("count=exact", "0-1/3"));
    assert_eq!(page.text, "key,name,visits\nm1,Ada,3\nm2,Bob,1\n");
    let next = page.header("link").trim_start_matches('<').split('>').next().unwrap();
    let rest = api.client.get(format!("{}{next}", api.url)).header("accept", "application/x-ndjson");
    assert_eq!(api.text(rest).await.text, "{\"key\":\"m3\",\"row\":{\"name\":\"Cleo\",\"visits\":0}}\n");
}

/// Rows and lists at plainly written addresses have a way of their own past the routes; encoded ones go through them.
#[tokio::test]
async fn a_read_is_answered_the_same_on_every_way() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api, _) = club(dir.path()).await;
    let ask = async |path: String| {
        let request = api.client.get(api.at(&path)).header("if-none-match", "W/\"another\"");
        let answer = request.send().await.unwrap();
        let (status, mut headers) = (answer.status().as_u16(), answer.headers().clone());
        headers.remove("date");
        // The address of the next page is longer where it is encoded.
        headers.remove("content-length");
        let said = format!("{status} {headers:?} {}", answer.text().await.unwrap());
        (status, said.replace("%63lub", "club"))
    };
    let cases = [
        ("members/m1", 200),
        ("members/m1?stale=true", 200),
        ("members/m1?versions=2", 200),
        ("members/m1?x=1", 400),
        ("members/m9", 404),
        ("members/m1/x", 404),
        ("nothing/m1", 404),
        ("visits/2026-01-01/m1", 200),
        ("members", 200),
        ("members?order=name&limit=1", 200),
        ("members?limit=0", 400),
        ("members?name=eq.%FF", 400),
        ("members?name=eq.A%64a", 200),
        ("nothing", 404),
        ("queries/nothing", 404),
        ("members/", 404),
    ];
    for (path, status) in cases {
        let plain = ask(format!("read-models/club/{path}")).await;
        let encoded = ask(format!("read-models/%63lub/{path}")).await;
        assert_eq!(plain.0, status, "{plain:?}");
        assert_eq!(plain, encoded);
    }
    let metrics = api.metrics().await;
    for (route, status, count) in [("{*key}", 200, 8), ("{*key}", 400, 2), ("{*key}", 404, 6)] {
        let labels = format!(r#"route="/v1/read-models/{{name}}/{{table}}/{route}",method="GET",status="{status}""#);
        let line = format!("kinora_http_requests_total{{{labels}}} {count}");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
}

#[tokio::test]
async fn an_answer_that_the_client_has_is_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api, _) = club(dir.path()).await;
    for path in ["read-models/club/members/m1", "read-models/club/members?order=name"] {
        let first = api.text(api.client.get(api.at(path))).await;
        let tag = first.header("etag");
        let ask = async |tag: &str, more: &str| {
            api.text(api.client.get(format!("{}{more}", api.at(path))).header("if-none-match", tag)).await.status
        };
        assert_eq!(ask(tag, "").await, 304, "{path}");
        let position = append(&api, "m3", "Visited", json!({"day": "2026-01-03"})).await;
        let more = format!("{}min_position={position}", if path.contains('?') { '&' } else { '?' });
        assert_eq!(ask(tag, &more).await, 200, "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_what_can() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api, _) = club(dir.path()).await;
    for (parameters, title) in [
        ("name=near.x", "invalid filter"),
        ("visits=eq.null", "invalid filter"),
        ("or=(name.eq.x", "invalid filter"),
        ("order=tags[]", "invalid order"),
        ("order=name.descending", "invalid order"),
        ("select=a,,b", "invalid select"),
        ("aggregate=median(visits)", "invalid aggregate"),
        ("group=name", "invalid parameter"),
        ("key.day=eq.x", "unknown key part"),
        ("limit=0", "invalid parameter"),
        ("cursor=00", "invalid cursor"),
        ("format=xml", "invalid parameter"),
        ("explain=perhaps", "invalid parameter"),
    ] {
        let answer = api.get(&format!("read-models/club/members?{parameters}")).await;
        assert_eq!((answer.status, answer.body["title"].as_str()), (400, Some(title)), "{parameters}");
        assert!(answer.body["hint"].is_string(), "{parameters}");
    }
    let cursor = api.get("read-models/club/members?limit=1&order=name").await.body["next"].as_str().unwrap().to_owned();
    let other = api.get(&cursor.replace("order=name", "order=visits")[4..]).await;
    assert_eq!((other.status, other.body["title"].as_str()), (400, Some("invalid cursor")));
}

#[tokio::test]
async fn a_second_row_with_what_must_be_unique_and_a_key_of_other_parts_are_faults() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api, digest) = club(dir.path()).await;
    let position = append(&api, "m4", "Joined", json!({"name": "Dan", "mail": "ada@example.org"})).await;
    let faulted = api.until_state("club", 1, "faulted").await;
    assert_eq!(
        (faulted["fault"]["position"].as_u64(), faulted["fault"]["category"].as_str()),
        (Some(position), Some("contract"))
    );
    let message = faulted["fault"]["message"].as_str().unwrap();
    assert!(message.contains("by_mail") && message.contains("\"m1\"") && message.contains("\"m4\""), "{message}");
    assert_eq!(faulted["checkpoint"].as_u64(), Some(position - 1), "what was before it is there");

    // A replay stops at the same event as a version that was live.
    assert_eq!(api.deploy("club", &digest, &[]).await, 2);
    let replayed = api.until_state("club", 2, "faulted").await;
    assert_eq!(replayed["fault"]["position"].as_u64(), Some(position));

    let dir = tempfile::tempdir().unwrap();
    let (_host, api, _) = club(dir.path()).await;
    append(&api, "m1", "Misfiled", json!({})).await;
    let faulted = api.until_state("club", 1, "faulted").await;
    assert!(faulted["fault"]["message"].as_str().unwrap().contains("day/member"), "{faulted}");
}

#[tokio::test]
async fn rows_are_answered_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api, _) = club(dir.path()).await;
    let time = api.get("events?from=4&limit=1").await.body["events"][0]["time"].as_str().unwrap().to_owned();
    let later = append(&api, "m1", "Left", json!({})).await;
    assert_eq!(api.get(&format!("read-models/club/members/m1?min_position={later}")).await.status, 404);
    let was = api.get("read-models/club/members/m1?at_position=3").await;
    assert_eq!((was.status, was.position, was.body["visits"].clone()), (200, Some(3), json!(1)));
    let was = api.get_with("read-models/club/members/m1", &[("at_time", time.as_str())]).await;
    assert_eq!((was.position, was.body["visits"].clone()), (Some(4), json!(2)));
    let listed = api.get("read-models/club/members?at_position=4&order=-visits&limit=2&select=name,visits").await;
    assert_eq!(
        listed.body["rows"],
        json!([{"key": "m1", "row": {"name": "Ada", "visits": 2}}, {"key": "m2", "row": {"name": "Bob", "visits": 0}}])
    );
    let next = listed.body["next"].as_str().unwrap().to_owned();
    assert_eq!(names(&api.get(&next[4..]).await.body), ["Cleo"]);
    let figures = api.get("read-models/club/members?at_position=4&aggregate=count,sum(visits)&facets=tags[]").await;
    assert_eq!((figures.position, figures.body["groups"].clone()), (Some(4), json!([{"count": 3, "sum(visits)": 2}])));
    assert_eq!(figures.body["facets"]["tags[]"][0], json!({"value": "chess", "count": 2}));
    let counted = api.client.get(api.at("read-models/club/members?at_position=4&visits=gt.0&limit=1"));
    let counted = api.text(counted.header("prefer", "count=exact")).await;
    assert_eq!(counted.header("content-range"), "0-0/1");
    let versions = api.get("read-models/club/members/m1?versions=10").await.body["versions"].clone();
    let visits: Vec<_> =
        versions.as_array().unwrap().iter().map(|v| (v["position"].clone(), v["row"]["visits"].clone())).collect();
    let expected = [(later, json!(null)), (6, json!(3)), (4, json!(2)), (3, json!(1)), (0, json!(0))];
    assert_eq!(visits, expected.map(|(position, visits)| (json!(position), visits)));
    for (path, status, title) in [
        ("read-models/club/visits?at_position=3", 400, "no history"),
        ("read-models/club/members?at_position=3&explain=true", 400, "invalid parameter"),
        ("read-models/club/members/m1?at_position=99&timeout=0.01", 503, "not there yet"),
        ("read-models/club?at_position=3", 400, "invalid parameter"),
    ] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.body["title"].as_str()), (status, Some(title)), "{path}");
    }
}

#[tokio::test]
async fn a_named_query_takes_and_answers_what_it_declares() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api, _) = club(dir.path()).await;
    let model = api.get("read-models/club").await.body;
    assert_eq!(model["queries"][0]["arguments"]["required"], json!(["day"]));
    assert_eq!(model["tables"][0]["indexes"][0], json!({"name": "by_mail", "paths": ["mail"], "unique": true}));
    let ask = async |arguments: Value| {
        api.get_with("read-models/club/queries/visitors", &[("arguments", &arguments.to_string())]).await
    };
    assert_eq!(ask(json!({"day": "2026-01-01"})).await.body, json!({"visitors": 2}));
    for (arguments, words) in [
        (json!({"day": "today"}), "/day"),
        (json!({}), "\"day\" is a required property"),
        (json!({"day": "2026-01-01", "to": 1}), "to"),
    ] {
        let refused = ask(arguments).await;
        assert_eq!((refused.status, refused.body["title"].as_str()), (400, Some("invalid arguments")));
        assert!(refused.body["detail"].as_str().unwrap().contains(words), "{refused:?}");
    }
    let mut last = 0;
    for stream in ["m1", "m2", "m3", "m4"] {
        last = append(&api, stream, "Visited", json!({"day": "2026-02-01"})).await;
    }
    api.get(&format!("read-models/club/members?min_position={last}")).await;
    let unfit = ask(json!({"day": "2026-02-01"})).await;
    assert_eq!((unfit.status, unfit.body["title"].as_str()), (500, Some("query failed")));
    assert!(unfit.body["detail"].as_str().unwrap().contains("/visitors"), "{unfit:?}");
}

/// Messages up to one of this kind, as (kind, data); the id of the last one.
async fn until(followed: &mut Followed, is_last: impl Fn(&str, &Value) -> bool) -> (Vec<(String, Value)>, String) {
    let found = followed.until(|message| is_last(&message.kind, &message.data)).await;
    let id = found.last().unwrap().id.clone();
    let of_rows = found.into_iter().filter(|message| message.kind != "position");
    (of_rows.map(|message| (message.kind, message.data)).collect(), id)
}

async fn follow(api: &Api, parameters: &str, last_id: Option<&str>) -> Followed {
    let request = api.client.get(api.at(&format!("read-models/club/members?{parameters}")));
    api.follow(last_id.iter().fold(request, |request, id| request.header("last-event-id", *id))).await
}

/// Until the rows stand for this position.
fn at(position: u64) -> impl Fn(&str, &Value) -> bool {
    move |kind, data| kind == "position" && data["position"].as_u64() >= Some(position)
}

fn row(key: &str, name: &str, visits: u64) -> (String, Value) {
    ("row".into(), json!({"key": key, "row": {"name": name, "visits": visits}}))
}

fn removed(key: &str) -> (String, Value) {
    ("removed".into(), json!({"key": key}))
}

#[tokio::test]
async fn a_query_is_followed_from_its_rows_on_and_again_from_where_the_client_was() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api, digest) = club(dir.path()).await;
    let parameters = "visits=gte.1&select=name,visits";
    let mut events = follow(&api, parameters, None).await;
    let (rows, _) = until(&mut events, at(6)).await;
    assert_eq!(rows, [("reset".into(), json!({"version": 1})), row("m1", "Ada", 3), row("m2", "Bob", 1)]);

    let position = append(&api, "m3", "Visited", json!({"day": "2026-01-03"})).await;
    assert_eq!(until(&mut events, at(position)).await.0, [row("m3", "Cleo", 1)]);
    let position = append(&api, "m1", "Left", json!({})).await;
    let (rows, id) = until(&mut events, at(position)).await;
    assert_eq!(rows, [removed("m1")]);
    drop(events);

    append(&api, "m4", "Joined", json!({"name": "Dan", "mail": null})).await;
    append(&api, "m2", "Left", json!({})).await;
    let position = append(&api, "m4", "Visited", json!({"day": "2026-01-04"})).await;
    api.get(&format!("read-models/club/members?min_position={position}")).await;
    let mut events = follow(&api, parameters, Some(&id)).await;
    let (rows, _) = until(&mut events, at(position)).await;
    assert_eq!(rows, [removed("m2"), row("m4", "Dan", 1)], "only what has changed");

    assert_eq!(api.deploy("club", &digest, &[]).await, 2);
    api.until_state("club", 2, "ready").await;
    assert_eq!(api.post("projections/club/versions/2/promote", json!({})).await.status, 200);
    let (rows, _) = until(&mut events, |kind, data| kind == "position" && data["version"] == 2).await;
    assert_eq!(rows[0], ("reset".into(), json!({"version": 2})), "another version, from its rows on");
    assert_eq!(rows[1..], [row("m3", "Cleo", 1), row("m4", "Dan", 1)]);
}

#[tokio::test]
async fn the_first_rows_of_an_order_are_followed_as_they_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let (_host, api, _) = club(dir.path()).await;
    let mut events = follow(&api, "order=-visits,name&limit=2&select=name,visits", None).await;
    let (rows, _) = until(&mut events, at(6)).await;
    assert_eq!(rows[1..], [row("m1", "Ada", 3), row("m2", "Bob", 1)]);
    for _ in 0..2 {
        append(&api, "m3", "Visited", json!({"day": "2026-01-03"})).await;
    }
    let position = append(&api, "m3", "Visited", json!({"day": "2026-01-04"})).await;
    let (changes, _) = until(&mut events, at(position)).await;
    let mut rows = std::collections::BTreeMap::from([("m1".to_owned(), 3), ("m2".to_owned(), 1)]);
    for (kind, data) in changes {
        let key = data["key"].as_str().unwrap().to_owned();
        match kind.as_str() {
            "removed" => drop(rows.remove(&key)),
            _ => drop(rows.insert(key, data["row"]["visits"].as_u64().unwrap())),
        }
    }
    assert_eq!(rows, std::collections::BTreeMap::from([("m1".to_owned(), 3), ("m3".to_owned(), 3)]));
    let refused = api.client.get(api.at("read-models/club/members?order=a[]")).header("accept", "text/event-stream");
    assert_eq!(api.send(refused).await.status, 400);
}

#[tokio::test]
async fn scans_wait_for_their_turn_and_one_too_many_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let limits = ["queries.scans_at_once=1", "queries.scans_waiting=1"];
    let host = Host::start_with_limits(dir.path(), &limits);
    let api = host.api();
    let rows = 3_000;
    let appends =
        (0..rows).map(|n| json!({"stream": format!("s{n}"), "events": [{"type": "Count", "data": {"n": n}}]}));
    let transaction = json!({"appends": appends.collect::<Vec<_>>()});
    assert_eq!(api.post("transactions", transaction).await.status, 201);
    let digest = api.upload(module("hostile")).await;
    api.deploy("counts", &digest, &[]).await;
    api.until_state("counts", 1, "ready").await;
    let path = "read-models/counts/counts?version=1&n=gte.1000&aggregate=count,sum(n)";
    let answers = futures::future::join_all((0..32).map(|_| api.get(path))).await;
    let sum = (1_000..rows).sum::<i32>().to_string();
    let mut refused = 0;
    for answer in &answers {
        match answer.status {
            200 => assert!(answer.body.to_string().contains(&sum), "{answer:?}"),
            503 => {
                refused += 1;
                assert_eq!(answer.body["title"], "busy");
                assert!(answer.body["detail"].as_str().unwrap().contains("queries.scans_waiting"), "{answer:?}");
            }
            _ => panic!("{answer:?}"),
        }
    }
    assert!((1..answers.len()).contains(&refused), "{refused} of {} were refused", answers.len());
    // Rows by key and short lists do not wait for them.
    assert_eq!(api.get("read-models/counts/counts/s1?version=1").await.status, 200);
    assert_eq!(api.get(path).await.status, 200, "there is room again");

    // Whoever follows all rows begins with a scan.
    let follow = || {
        let request = api.client.get(api.at("read-models/counts/counts?version=1"));
        api.try_follow(request)
    };
    let followed = futures::future::join_all((0..32).map(|_| follow())).await;
    let refused: Vec<u16> = followed.iter().filter_map(|followed| Some(followed.as_ref().err()?.status)).collect();
    assert!(refused.iter().all(|status| *status == 503), "{refused:?}");
    assert!((1..followed.len()).contains(&refused.len()), "{refused:?}");
}
