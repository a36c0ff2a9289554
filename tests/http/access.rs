//! Access: what somebody may do with keys, with tokens, and without any.

use kinora_access::{KeyFile, NewKey, Options, Role, Scope, Tokens};
use kinora_server::serve::{Doors, Error, Options as Serve};
use kinora_tests::tokens::{AUDIENCE, ISSUER, key_set, token};
use kinora_tests::{Api, Host, module};
use reqwest::Method;
use serde_json::{Value, json};

struct Guarded {
    host: Host,
    keys: KeyFile,
    _dir: tempfile::TempDir,
}

impl Guarded {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyFile::new(dir.path().join("access").join("keys.json"));
        // A host that nobody has a key for does not start.
        key(&keys, "first", Role::Admin, [&[], &[], &[]]);
        let access = Options { keys: Some(keys.path().to_owned()), tokens: None };
        let doors = Doors { access, ..Doors::default() };
        let host = Host::run(Serve { doors, ..Host::options(&dir.path().join("data")) });
        Self { host, keys, _dir: dir }
    }

    /// What somebody has with a role, and what they reach.
    async fn api(&self, name: &str, role: Role, scope: [&[&str]; 3]) -> Api {
        let key = key(&self.keys, name, role, scope);
        let api = self.host.api().with_key(&key);
        kinora_tests::until("the key is known", async || api.get("limits").await.status != 401).await;
        api
    }
}

fn key(keys: &KeyFile, name: &str, role: Role, [streams, projections, tables]: [&[&str]; 3]) -> String {
    let patterns = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    let scope = Scope { streams: patterns(streams), projections: patterns(projections), tables: patterns(tables) };
    keys.create(NewKey { name: name.to_owned(), roles: vec![role], scope, expires: None }).unwrap().reveal()
}

fn kind(answer: &kinora_tests::Answer) -> (u16, &str) {
    let kind = answer.body["type"].as_str().unwrap_or_default();
    (answer.status, kind.rsplit('/').next().unwrap_or_default())
}

#[tokio::test]
async fn without_a_key_nothing_is_answered_but_whether_the_host_is_there() {
    let guarded = Guarded::start();
    let nobody = guarded.host.api();
    let health = nobody.client.get(format!("{}/healthz", nobody.url)).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let document: Value =
        serde_json::from_str(&std::fs::read_to_string("../host/crates/server/openapi.json").unwrap()).unwrap();
    let mut refused = 0;
    for (path, item) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| *path != "/healthz") {
        let path =
            path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/");
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let methods =
                if method == Method::GET { vec![method, Method::HEAD, Method::OPTIONS] } else { vec![method] };
            for method in methods {
                let encoded = path.replacen("v1", "%76%31", 1);
                for path in [&path, &encoded, &format!("{path}/"), &format!("//v1{path}")] {
                    let request =
                        nobody.client.request(method.clone(), format!("{}{path}", nobody.url)).json(&json!({}));
                    let answer = request.send().await.unwrap();
                    assert_eq!(answer.status(), 401, "{method} {path}");
                    assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"kinora\"");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 200, "{refused}");
    for shown in ["", "Bearer", "Bearer x", "Basic a2V5Og==", "bearer kinora_000000000000_00"] {
        let answer = nobody.client.get(nobody.at("log")).header("authorization", shown).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{shown}");
    }
}

#[tokio::test]
async fn a_role_and_a_scope_are_all_that_somebody_can_do() {
    let guarded = Guarded::start();
    let writer = guarded.api("bank", Role::Writer, [&["account-*"], &[], &[]]).await;
    let event = json!({"type": "Opened", "data": {}});
    assert_eq!(writer.post("streams/account-1/events", event.clone()).await.status, 201);
    assert_eq!(writer.get("streams/account-1/events").await.status, 200);
    // By the way past the routes, through them (a name that is encoded, a parameter), and in a body.
    for path in
        ["streams/order-1/events", "streams/%6Frder-1/events", "streams/order-1/events?x=1", "streams/accounts/events"]
    {
        assert_eq!(kind(&writer.post(path, event.clone()).await), (403, "forbidden"), "{path}");
    }
    let two = |second: &str| {
        let of = |stream: &str| json!({"stream": stream, "events": [event]});
        json!({"appends": [of("account-1"), of(second)]})
    };
    assert_eq!(writer.post("transactions", two("account-2")).await.status, 201);
    assert_eq!(kind(&writer.post("transactions", two("order-1")).await), (403, "forbidden"));
    let checked = json!({"appends": [{"stream": "order-1", "events": [], "expected_revision": "no_stream"}]});
    assert_eq!(kind(&writer.post("transactions", checked).await), (403, "forbidden"), "it would tell what is there");
    let claim = json!({"appends": [{"stream": "account-1", "events": [event]}],
        "claims": {"take": [{"scope": "email", "value": "a@example.org", "owner": "account-1"}]}});
    assert_eq!(kind(&writer.post("transactions", claim).await), (403, "forbidden"), "claims are of no stream");
    for path in
        ["events", "claims/email/a", "streams/order-1/events", "read-models/counts", "projections/counts", "backups"]
    {
        assert_eq!(kind(&writer.get(path).await), (403, "forbidden"), "{path}");
    }
    for path in ["projections/counts/rollback", "upcasters/follow"] {
        assert_eq!(kind(&writer.post(path, json!({})).await), (403, "forbidden"), "{path}");
    }
    assert_eq!(writer.get("limits").await.status, 200);
}

#[tokio::test]
async fn a_reader_of_a_table_reads_that_table() {
    let guarded = Guarded::start();
    let reader = guarded.api("shop", Role::Reader, [&[], &["club"], &["members"]]).await;
    // What they may read is not there. By the way past the routes, and through them (a name that is encoded).
    for path in ["club/members", "club/members/m1", "%63lub/members", "%63lub/members/m1", "club/members?limit=1"] {
        assert_eq!(reader.get(&format!("read-models/{path}")).await.status, 404, "{path}");
    }
    for path in
        ["club/visits", "club/visits/m1", "club/%76isits", "club/%76isits/m1", "other/members", "other/members/1"]
    {
        assert_eq!(kind(&reader.get(&format!("read-models/{path}")).await), (403, "forbidden"), "{path}");
    }
}

#[tokio::test]
async fn who_changes_a_projection_is_who_they_are_and_not_who_they_say() {
    let guarded = Guarded::start();
    let admin = guarded.api("ada", Role::Admin, [&[], &[], &[]]).await;
    let digest = admin.upload(module("hostile")).await;
    let deployer = guarded.api("ci", Role::Deployer, [&[], &["counts", "other"], &[]]).await;
    let deploy = |api: &Api, name: &str| {
        let request = api.client.post(api.at(&format!("projections/{name}/versions")));
        request.header("kinora-actor", "the boss").json(&json!({"module": digest}))
    };
    assert_eq!(deployer.send(deploy(&deployer, "counts")).await.status, 202);
    assert_eq!(kind(&deployer.send(deploy(&deployer, "payroll")).await), (403, "forbidden"));
    let operator = guarded.api("night", Role::Operator, [&[], &["counts"], &[]]).await;
    operator.until_state("counts", 1, "ready").await;
    assert_eq!(kind(&operator.post("projections/counts/versions/1/promote", json!({})).await), (403, "forbidden"));
    assert_eq!(deployer.post("projections/counts/versions/1/promote", json!({})).await.status, 200);
    assert_eq!(operator.post("projections/counts/versions/1/pause", json!({})).await.status, 200);
    let history = deployer.get("projections/counts/history").await.body;
    let entries = history["events"].as_array().unwrap();
    let by: Vec<_> = entries.iter().map(|entry| (&entry["data"]["who"], &entry["data"]["said"])).collect();
    assert_eq!(by[0], (&json!("key:ci"), &json!("the boss")), "{history}");
    assert!(by.contains(&(&json!("key:night"), &Value::Null)), "{history}");

    let reader = guarded.api("chart", Role::Reader, [&[], &["counts"], &["counts"]]).await;
    assert_eq!(reader.get("read-models/counts/counts?stale=true").await.status, 200);
    assert_eq!(kind(&reader.get("read-models/counts/others?stale=true").await), (403, "forbidden"));
    assert_eq!(kind(&reader.get("read-models/other/counts").await), (403, "forbidden"));
    assert_eq!(kind(&reader.get("projections/counts/versions/1/reproduction").await), (403, "forbidden"));
}

#[tokio::test]
async fn who_wanted_to_change_what_they_may_not_is_in_the_log() {
    let guarded = Guarded::start();
    let reader = guarded.api("curious", Role::Reader, [&[], &["sales"], &[]]).await;
    let admin = guarded.api("ada", Role::Admin, [&[], &[], &[]]).await;
    for _ in 0..3 {
        assert_eq!(kind(&reader.post("projections/sales/versions/1/promote", json!({})).await), (403, "forbidden"));
    }
    // To look is nothing that others rely on.
    assert_eq!(reader.get("projections/other").await.status, 403);
    assert_eq!(kind(&reader.post("backups", json!({})).await), (403, "forbidden"));
    let page = admin.until("streams/$kinora%2Frefusals/events", |page| page["events"].as_array().unwrap().len() >= 2);
    let told = page.await["events"].clone();
    let asked = |event: &Value| event["data"]["asked"].as_str().unwrap().to_owned();
    let all: Vec<_> = told.as_array().unwrap().iter().map(asked).collect();
    assert_eq!(all, ["POST /v1/projections/sales/versions/1/promote", "POST /v1/backups"], "{told}");
    assert_eq!(told[0]["data"]["who"], "key:curious");
    assert_eq!(told[0]["data"]["why"], "this needs the role deployer; key:curious has reader");
}

#[tokio::test]
async fn a_key_that_is_revoked_opens_nothing_and_its_followers_end() {
    let guarded = Guarded::start();
    let key = key(&guarded.keys, "ci", Role::Admin, [&[], &[], &[]]);
    let api = guarded.host.api().with_key(&key);
    kinora_tests::until("the key is known", async || api.get("limits").await.status == 200).await;
    let mut follower = api.client.get(api.at("events")).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(follower.status(), 200);
    guarded.keys.revoke(key.split('_').nth(1).unwrap()).unwrap();
    kinora_tests::until("it is revoked", async || api.get("limits").await.status == 401).await;
    let ended = async { while let Ok(Some(_)) = follower.chunk().await {} };
    tokio::time::timeout(std::time::Duration::from_secs(30), ended).await.expect("it ends with its key");
}

#[tokio::test]
async fn a_token_of_the_issuer_is_as_good_as_a_key_for_as_long_as_its_key_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let published = dir.path().join("published.json");
    std::fs::write(&published, key_set("one")).unwrap();
    let tokens = Tokens { issuer: ISSUER.into(), audience: AUDIENCE.into(), keys: published.clone() };
    let access = Options { keys: None, tokens: Some(tokens) };
    let doors = Doors { access, ..Doors::default() };
    let host = Host::run(Serve { doors, ..Host::options(&dir.path().join("data")) });
    let with = |key_id: &str, role: &str, more: Value| host.api().with_key(&token(key_id, "ada", role, &more));
    let event = json!({"type": "Count", "data": {"n": 1}});

    let writer = with("one", "writer", json!({"kinora_streams": ["account-*"]}));
    assert_eq!(writer.post("streams/account-1/events", event.clone()).await.status, 201);
    assert_eq!(kind(&writer.post("streams/order-1/events", event).await), (403, "forbidden"));
    for other in [
        with("two", "writer", json!({})),
        with("one", "writer", json!({"aud": "another"})),
        with("one", "writer", json!({"iss": "https://id.example.com"})),
        with("one", "writer", json!({"exp": 1_000_000_000})),
    ] {
        assert_eq!(kind(&other.get("limits").await), (401, "unauthenticated"));
    }
    assert_eq!(kind(&with("one", "of-another-program", json!({})).get("events").await), (403, "forbidden"));

    let deployer = with("one", "deployer", json!({}));
    let digest = deployer.upload(module("hostile")).await;
    assert_eq!(deployer.post("projections/counts/versions", json!({"module": digest})).await.status, 202);
    let history = deployer.get("projections/counts/history").await.body;
    assert_eq!(history["events"][0]["data"]["who"], json!(format!("token:{ISSUER}#ada")), "{history}");

    std::fs::write(&published, "{").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(writer.get("limits").await.status, 200, "a file that is no set of keys changes nothing");
    std::fs::write(&published, key_set("two")).unwrap();
    kinora_tests::until("the old key counts no more", async || writer.get("limits").await.status == 401).await;
    assert_eq!(with("two", "reader", json!({})).get("limits").await.status, 200);
}

#[tokio::test]
async fn without_keys_pages_of_other_sites_get_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let own = host.url.clone();
    let get = |name: &'static str, value: String| api.client.get(api.at("log")).header(name, value);
    for (name, value, status) in [
        ("host", "evil.example.org".to_owned(), 403),
        ("origin", "https://evil.example.org".to_owned(), 403),
        ("origin", "null".to_owned(), 403),
        ("sec-fetch-site", "cross-site".to_owned(), 403),
        ("origin", own, 200),
    ] {
        let answer = api.send(get(name, value.clone())).await;
        assert_eq!(answer.status, status, "{name}: {value}");
    }
    let post = |kind: Option<&str>| {
        let request = api.client.post(api.at("streams/a/events")).body(r#"{"type":"T","data":{}}"#);
        kind.iter().fold(request, |request, kind| request.header("content-type", *kind))
    };
    for kind in [Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let answer = api.send(post(kind)).await;
        assert_eq!((answer.status, self::kind(&answer).1), (415, "unknown-content-type"), "{kind:?}");
    }
    for kind in [None, Some("application/json")] {
        assert_eq!(api.send(post(kind)).await.status, 201, "{kind:?}");
    }
}

#[test]
fn a_host_is_not_open_to_other_machines_by_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let start = |doors: Doors| {
        let listen = "0.0.0.0:0".parse().unwrap();
        Host::try_run(Serve { listen, doors, ..Host::options(&dir.path().join("data")) }).map(Host::stop)
    };
    assert!(matches!(start(Doors::default()), Err(Error::OpenToAll(_))));
    let keys = KeyFile::new(dir.path().join("access").join("keys.json"));
    let access = Options { keys: Some(keys.path().to_owned()), tokens: None };
    let known = Doors { access, ..Doors::default() };
    assert!(matches!(start(known.clone()), Err(Error::Readable(_))));
    assert!(matches!(start(Doors { plain_http: true, ..known.clone() }), Err(Error::NoKeys)));
    key(&keys, "first", Role::Admin, [&[], &[], &[]]);
    start(Doors { plain_http: true, ..known }).unwrap();
    start(Doors { insecure: true, ..Doors::default() }).unwrap();
}

#[tokio::test]
async fn a_key_of_one_client_is_nobody_elses() {
    let guarded = Guarded::start();
    let ann = guarded.api("ann", Role::Writer, [&[], &[], &[]]).await;
    let bob = guarded.api("bob", Role::Writer, [&[], &[], &[]]).await;
    let append = async |api: &Api, n: u64| {
        let event = json!({"type": "Counted", "data": {"n": n}});
        let request = api.client.post(api.at("streams/counter-1/events")).json(&event);
        api.send(request.header("Idempotency-Key", "k-1")).await
    };
    let first = append(&ann, 1).await;
    assert_eq!(first.status, 201, "{first:?}");
    // Neither does bob learn that ann has used it, nor can he use it up.
    let other = append(&bob, 2).await;
    assert_eq!((other.status, &other.body["duplicate"]), (201, &json!(false)), "{other:?}");
    let again = append(&ann, 1).await;
    assert_eq!((again.status, &again.body["duplicate"]), (201, &json!(true)), "{again:?}");
    assert_eq!(append(&ann, 3).await.status, 422);
}
