//! Questions that are dear to answer: lists of values, depths, limits, and comparisons that nobody waits for.

use std::time::Duration;

use futures::future::join_all;
use kinora_tests::Handwritten;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::target::{CLIENT, Target};

const CLIENTS: usize = 16;

/// Those who leave before they are answered.
const LEAVING: usize = 32;

const ROWS: &str = "/v1/read-models/things/things";

const PAUSE: Duration = Duration::from_millis(20);

/// Filters with thousands of values: as many as there may be, and more.
pub async fn many_values(target: Target) {
    // Short ones: an address has no room for more.
    let values = |count: usize| (0..count).map(|n| format!("k{n}")).collect::<Vec<_>>().join(",");
    let filters = [6_500, 1_000, 1_000].map(|count| vec![("key", format!("in.({})", values(count)))]);
    let more = (0..4).map(|n| ("resources[]", format!("in.(r{n},{})", values(200)))).collect();
    ask(&target, ROWS, filters.into_iter().chain([more]).collect()).await;
}

/// As much of everything as can be asked for.
pub async fn huge_limits(target: Target) {
    let lists = [
        vec![("limit", "18446744073709551615".to_owned())],
        vec![("limit", "1000".to_owned()), ("scan", "true".to_owned()), ("order", "code.desc,n".to_owned())],
        vec![("facets", "code,n,size,open,resources[]".to_owned()), ("scan", "true".to_owned())],
        vec![("aggregate", "count,p:percentile(n,99)".to_owned()), ("group", "code,n".to_owned())],
    ];
    let events = [
        vec![("limit", "1000".to_owned())],
        vec![("limit", "1000".to_owned()), ("types", "Noted".to_owned()), ("direction", "backwards".to_owned())],
    ];
    futures::join!(ask(&target, ROWS, lists.to_vec()), ask(&target, "/v1/events", events.to_vec()));
}

/// Filters that go deep, patterns that match anything, and names that lead nowhere.
pub async fn deep_filters(target: Target) {
    let nested = |depth: usize| format!("({}n.gt.1{})", "and(n.gt.0,or(n.lt.9,".repeat(depth), "))".repeat(depth));
    let filters = [
        vec![(vec!["a"; 20_000].join("."), "eq.1".to_owned())],
        vec![("or".to_owned(), nested(1_000))],
        vec![("or".to_owned(), nested(7)), ("scan".to_owned(), "true".to_owned())],
        vec![("code".to_owned(), format!("like.{}", "*a".repeat(127))), ("scan".to_owned(), "true".to_owned())],
        vec![("order".to_owned(), vec!["a"; 5_000].join(","))],
    ];
    let filters = filters.map(|filter| filter.into_iter().map(|(name, value)| (&*name.leak(), value)).collect());
    ask(&target, ROWS, filters.to_vec()).await;
}

/// Asks for one after the other, with several clients, for ever.
async fn ask(target: &Target, path: &str, questions: Vec<Vec<(&str, String)>>) {
    let client = kinora_tests::client();
    let asking = async |number: usize| {
        for at in number.. {
            let question = &questions[at % questions.len()];
            let request = client.get(target.url(path)).header("kinora-client", CLIENT).query(question);
            answered(target, request).await;
        }
    };
    join_all((0..CLIENTS).map(asking)).await;
}

/// Sends a request, and counts how it is answered.
pub async fn answered(target: &Target, request: RequestBuilder) {
    let Ok(response) = request.send().await else {
        target.did("not answered", 1);
        return tokio::time::sleep(PAUSE).await;
    };
    let status = response.status().as_u16();
    let bytes = response.bytes().await.map_or(0, |body| body.len() as u64);
    target.did(format!("answered {status}"), 1);
    target.did("KiB read", bytes >> 10);
}

/// Differences, digests, verifications and dry runs, whose clients leave after some milliseconds.
pub async fn abandoned(target: Target) {
    let client = kinora_tests::client();
    let upcaster = Handwritten::trapping_upcaster("Noted", "Told");
    let uploaded = client.post(target.url("/v1/modules")).body(upcaster).send().await;
    let module: Value = match uploaded {
        Ok(answer) => answer.json().await.unwrap_or_default(),
        Err(_) => Value::Null,
    };
    let dry_run = json!({"upcasters": [module["digest"]]});
    let leaving = async |number: usize| {
        for n in number as u64.. {
            let of_version = |what: &str| target.url(&format!("/v1/projections/things/versions/{}/{what}", n % 2 + 1));
            let request = match n % 5 {
                0 => client.get(target.url("/v1/projections/things/diff?from=1&to=2")),
                1 => client.get(target.url("/v1/projections/things/diff/rows?from=1&to=2")),
                2 => client.get(of_version("digest")),
                3 => client.get(of_version("verification")),
                _ => client.post(target.url("/v1/upcasters/dry-run")).json(&dry_run),
            };
            let patience = Duration::from_millis(5 + n * 37 % 200);
            let asked = request.header("kinora-client", CLIENT).send();
            match tokio::time::timeout(patience, asked).await {
                Ok(Ok(answer)) => target.did(format!("answered {}", answer.status().as_u16()), 1),
                Ok(Err(_)) => target.did("not answered", 1),
                Err(_) => target.did("abandoned", 1),
            }
        }
    };
    join_all((0..LEAVING).map(leaving)).await;
}
