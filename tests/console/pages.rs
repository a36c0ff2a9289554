//! Pages without a browser: what each shows, its policy, its JSON, and that nothing which others wrote runs in it.

use kinora_tests::{Host, module};
use serde_json::{Value, json};

use crate::stage::{HOSTILE, Visitor, count, escaped, set};

/// Every page, with words that are on it once something is there.
fn pages() -> Vec<(String, &'static str)> {
    let hostile = escaped(HOSTILE);
    let plain = [
        ("/console/", "counts"),
        ("/console/?q=nothing-is-called-so", "No projection is called like that"),
        ("/console/find?q=counts", "read model"),
        ("/console/deploy?name=counts", "Upcasters"),
        ("/console/events", "Count"),
        ("/console/events?types=Count&tags=kind:a&direction=forwards", "Count"),
        ("/console/events/0", "revision 0"),
        ("/console/read-models", "counts"),
        ("/console/read-models/counts", "by_n"),
        ("/console/read-models/counts?version=2&query=enough&arguments=%7B%22at_least%22%3A1%7D", "true"),
        ("/console/read-models/counts/counts", "s03"),
        ("/console/read-models/counts/counts?field=n&operator=gt&value=5&scan=true&order=n.desc", "s11"),
        ("/console/read-models/counts/counts?facets=n", "Values of n"),
        ("/console/read-models/counts/counts?aggregate=count,sum(n)&group=n&scan=true", "share of the largest"),
        (
            "/console/read-models/counts/counts?field=n&operator=gt&value=5&field=key&operator=neq&value=s11&scan=true",
            "s10",
        ),
        ("/console/read-models/counts/counts/row?key=s03", "filler"),
        ("/console/commands", "bank"),
        ("/console/commands/bank?id=1", "State of 1"),
        ("/console/commands/bank/versions/1", "Made of"),
        ("/console/commands/bank/versions/1/promote", "This cannot be done: it is live"),
        ("/console/deploy?kind=decider", "nobody else appends"),
        ("/console/modules", "hostile"),
        ("/console/system", "Durability"),
        ("/console/projections/counts", "Version 2"),
        ("/console/projections/counts/versions/2", "Gates"),
        ("/console/projections/counts/versions/2/promote", "live then"),
        ("/console/projections/counts/versions/2/abort", "Ends this version"),
        ("/console/projections/counts/difference", "filler"),
        ("/console/projections/counts/difference?from=1&to=2&change=added", "~all"),
        ("/console/projections/counts/difference/row?from=1&to=2&table=counts&key=s03", "Version 2"),
    ];
    let mut pages: Vec<_> = plain.into_iter().map(|(path, words)| (path.to_owned(), words)).collect();
    pages.push((format!("/console/events?stream={hostile}"), "&lt;script&gt;"));
    pages.push((format!("/console/read-models/counts/counts/row?key={hostile}"), "&lt;script&gt;"));
    pages.push((format!("/console/find?q={hostile}"), "&lt;script&gt;"));
    pages
}

#[tokio::test]
async fn every_page_shows_what_it_is_for_under_a_strict_policy_with_its_json_and_escapes_what_others_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    set(&host.api()).await;
    let visitor = Visitor::of(&host.api());
    let mut twins = std::collections::BTreeSet::new();
    for (path, words) in pages() {
        let page = visitor.sees(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        page.shows(words);
        assert!(!page.text.contains("<script>"), "{path}: what others wrote is not escaped:\n{}", page.text);
        assert!(!page.text.contains(" style=") && !page.text.contains(" onclick="), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("cache-control"), "no-store");
        let links = page.text.split("href=\"/console/api").skip(1).map(|rest| rest.split('"').next().unwrap());
        twins.extend(links.map(|link| link.replace("&amp;", "&")));
    }
    assert!(twins.len() > 20, "{twins:?}");
    for twin in twins {
        let answer = visitor.sees(&format!("/console/api{twin}")).await;
        let is_no_backup = twin == "/v1/backups" && answer.status == 409;
        assert!(answer.status == 200 || is_no_backup, "{twin}: {} {}", answer.status, answer.text);
        assert!(answer.header("content-security-policy").contains("sandbox"), "{twin}");
    }
}

#[tokio::test]
async fn an_empty_host_says_what_to_do_first() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let visitor = Visitor::of(&host.api());
    assert_eq!(visitor.sees("/").await.header("location"), "/console/");
    for (path, words) in [
        ("/console/", "No projection yet"),
        ("/console/events", "The log is empty"),
        ("/console/read-models", "No read model yet"),
        ("/console/commands", "No decider yet"),
        ("/console/modules", "No module yet"),
        ("/console/deploy", "There is none yet"),
        ("/console/system", "has no keys"),
    ] {
        visitor.sees(path).await.shows(words);
    }
    for (path, status) in [
        ("/console/projections/none", 404),
        ("/console/nothing", 404),
        ("/console/events/7", 404),
        ("/console/events/x", 400),
        ("/console/events?from=x", 400),
        ("/console/modules/x", 400),
        ("/console/read-models/none", 404),
        ("/console/assets/none.js", 404),
    ] {
        assert_eq!(visitor.sees(path).await.status, status, "{path}");
    }
    let answer = host.api().client.get(format!("{}/", host.url)).send().await.unwrap();
    assert_eq!(answer.status(), 404, "a client that is no browser is answered as before");
}

#[tokio::test]
async fn a_version_is_promoted_and_rolled_back_by_forms_that_say_who_is_live_and_are_done_once() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    set(&api).await;
    let visitor = Visitor::of(&api);
    let live = || async { api.get("projections/counts").await.body["live"].clone() };
    let path = "/console/projections/counts/versions/2/promote";
    let page = visitor.sees(path).await;
    let fields = ["token", "key", "expected_live"].map(|name| page.field(name));
    let [token, key, expected] = fields.each_ref().map(String::as_str);
    let form = [("token", token), ("key", key), ("expected_live", expected), ("reason", "it is right")];
    let forged = visitor.sends(path, &[("token", "x"), ("key", key), ("expected_live", expected)]).await;
    assert_eq!((forged.status, live().await), (403, json!(1)));
    let foreign = visitor.sent(visitor.form(path, &form).header("origin", "http://example.org")).await;
    assert_eq!((foreign.status, live().await), (403, json!(1)));
    for _ in 0..2 {
        let done = visitor.sends(path, &form).await;
        assert_eq!((done.status, done.header("location")), (303, "/console/projections/counts?done=promote"));
        assert_eq!(live().await, 2);
    }
    let history = api.get("projections/counts/history").await.body;
    let promoted = history["events"].as_array().unwrap().last().unwrap();
    assert_eq!((&promoted["data"]["why"], &promoted["data"]["who"]), (&json!("it is right"), &json!("console")));
    visitor.sees("/console/projections/counts?done=promote").await.shows("It is live.");
    let form = [("token", token), ("expected_live", "1")];
    let late = visitor.sends("/console/projections/counts/versions/2/rollback", &form).await;
    assert_eq!(late.status, 409);
    late.shows("other-live");
    let back = [("token", token), ("expected_live", "2")];
    assert_eq!(visitor.sends("/console/projections/counts/versions/2/rollback", &back).await.status, 303);
    assert_eq!(live().await, 1);
}

#[tokio::test]
async fn a_fault_is_on_top_with_its_event_and_what_to_do_and_a_skip_needs_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1]).await;
    let digest = api.upload(module("hostile")).await;
    api.deploy_live("counts", &digest).await;
    let data = json!({"words": HOSTILE});
    assert_eq!(api.post("streams/a/events", json!({"type": "Panic", "data": data})).await.status, 201);
    api.until_state("counts", 1, "faulted").await;
    let visitor = Visitor::of(&api);
    let overview = visitor.sees("/console/").await;
    overview.shows("needs you");
    overview.shows("/console/projections/counts/versions/1/fault");
    let fault = visitor.sees("/console/projections/counts/versions/1/fault").await;
    for words in ["Backtrace", "Panic", "&lt;script&gt;", "reproduction", "Pass over the event"] {
        fault.shows(words);
    }
    let path = "/console/projections/counts/versions/1/skip";
    let form = visitor.sees(path).await;
    let (token, position) = (form.field("token"), form.field("position"));
    let without = [("token", token.as_str()), ("position", &position), ("expected_live", "1")];
    assert_eq!(visitor.sends(path, &without).await.status, 400);
    let with = [&without[..], &[("reason", "it is a test")]].concat();
    assert_eq!(visitor.sends(path, &with).await.status, 303);
    api.until_state("counts", 1, "live").await;
    visitor.sees("/console/").await.shows("All is well");
}

#[tokio::test]
async fn a_command_is_decided_dry_and_for_good_and_a_rejection_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live("bank", module("accounts")).await;
    let visitor = Visitor::of(&api);
    let token = visitor.sees("/console/commands/bank").await.field("token");
    let send = async |command: &str, data: &str, dry: &str| {
        let form = [("token", token.as_str()), ("id", "7"), ("command", command), ("data", data), ("dry", dry)];
        visitor.sends("/console/commands/bank", &form).await
    };
    let rejected = send("Deposit", r#"{"cents": 5}"#, "").await;
    assert_eq!(rejected.status, 422);
    rejected.shows("The rules say no");
    let wrong = send("Deposit", "{", "").await;
    assert_eq!(wrong.status, 400);
    wrong.shows("the data is not JSON");
    let open = r#"{"customer": "ann", "iban": "DE0001"}"#;
    send("Open", open, "true").await.shows("Nothing was appended");
    assert_eq!(api.get("streams/account-7/events").await.status, 404);
    send("Open", open, "").await.shows("Accepted");
    let events = api.get("streams/account-7/events").await.body;
    assert_eq!(events["events"].as_array().map(Vec::len), Some(1));
    let position = &events["events"][0]["position"];
    visitor.sees(&format!("/console/events/{position}")).await.shows("The command <strong>Open</strong>");
}

#[tokio::test]
async fn filters_hold_together_and_figures_are_of_what_they_find() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    set(&host.api()).await;
    let visitor = Visitor::of(&host.api());
    let both = "field=n&operator=gt&value=5&field=key&operator=neq&value=s11&scan=true";
    let page = visitor.sees(&format!("/console/read-models/counts/counts?{both}&aggregate=count,max(n)")).await;
    for (row, is_there) in [("s10", true), ("s11", false), ("s03", false)] {
        let link = format!("/console/read-models/counts/counts/row?key={row}\"");
        assert_eq!(page.text.contains(&link), is_there, "{row}: {}", page.text);
    }
    // Of s05 to s10, and the stream with a hostile name.
    let figures = page.text.split_once("id=\"figures\"").unwrap().1;
    assert!(figures.contains(">7<") && figures.contains(">11<"), "{figures}");
}

#[tokio::test]
async fn a_wide_event_is_cut_in_a_list() {
    let rows: Value = (0..500).map(|nth| (format!("field{nth}"), json!(nth))).collect::<serde_json::Map<_, _>>().into();
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let answer = api.post("streams/wide/events", json!({"type": "Wide", "data": rows})).await;
    assert_eq!(answer.status, 201);
    let page = Visitor::of(&api).sees("/console/events").await;
    assert!(page.text.len() < 20_000, "{} bytes", page.text.len());
}

#[tokio::test]
async fn a_link_from_elsewhere_leads_to_a_page_and_to_nothing_that_a_page_asks_or_does() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let visitor = Visitor::of(&host.api());
    let followed = async |path: &str, site: &str| {
        let request = visitor.request(reqwest::Method::GET, path).header("sec-fetch-site", site);
        let page = visitor.sent(request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document"));
        page.await.status
    };
    assert_eq!(followed("/console/", "cross-site").await, 200);
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)] {
        assert_eq!(followed("/console/api/v1/log", site).await, status, "{site}");
    }
    let form = visitor.form("/console/deploy", &[("name", "x")]).header("sec-fetch-site", "cross-site");
    assert_eq!(visitor.sent(form).await.status, 403);
}
