//! The console: how long each page takes a host with many projections, many events, a large and a wide table and an
//! event of a megabyte, next to a page that asks nothing.
//!
//! `PROJECTIONS` (100 unless it is set), `EVENTS` (a million) and `ROWS` (100,000) choose how much there is; `LOOKS`
//! (20) how often each page is looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use kinora_tests::bench::Figures;
use kinora_tests::{Api, Program, module};
use serde_json::{Map, Value, json};

/// What every page is to answer within, once it was looked at.
const WITHIN_MS: f64 = 200.0;

/// Events of an append, and appends at once.
const APPEND: u64 = 1_000;
const AT_ONCE: usize = 8;

/// Rows with many columns, and how many those are.
const WIDE_ROWS: u64 = 60;
const COLUMNS: u64 = 500;

/// Bytes of the data of the large event.
const LARGE: usize = 1_000_000;

/// How long all of it may take to be there.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// The projection that has all rows; the others only look through the rest of the log.
const BIG: &str = "big";

/// The page that asks nothing.
const BARE: &str = "/console/nothing";

struct Size {
    projections: u64,
    events: u64,
    rows: u64,
    looks: u64,
}

impl Size {
    fn wanted() -> Self {
        let number =
            |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().expect("a number"));
        Self {
            projections: number("PROJECTIONS", 100),
            events: number("EVENTS", 1_000_000),
            rows: number("ROWS", 100_000),
            looks: number("LOOKS", 20),
        }
    }
}

#[tokio::main]
async fn main() {
    // `cargo test` runs benches, too, with this argument missing; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let size = Size::wanted();
    let dir = tempfile::tempdir().unwrap();
    let mut command = Program::command(dir.path());
    let limit = format!("projections.projections={}", size.projections + 1);
    command.args(["--listen", "127.0.0.1:0", "--limit", &limit]);
    let host = Program::start_command(command);
    let api = host.api();
    let started = Instant::now();
    filled(&api, &size).await;
    println!("{} events after {:.0} s", size.events + size.rows, started.elapsed().as_secs_f64());
    let started = Instant::now();
    deployed(&api, &size).await;
    println!("{} projections are live after {:.0} s more", size.projections + 1, started.elapsed().as_secs_f64());
    let memory = host.memory().unwrap_or_default();
    let (threads, files) = (of_process(&host, "task"), of_process(&host, "fd"));
    println!("the host has {memory:.0} MiB, {threads} threads, {files} open files\n");
    looked_at(&api, &size).await;
}

/// How many threads or open files a host has. Only Linux tells.
fn of_process(host: &Program, what: &str) -> usize {
    std::fs::read_dir(format!("/proc/{}/{what}", host.process_id())).map_or(0, Iterator::count)
}

/// Rows first, then what nobody handles, with the large event last.
async fn filled(api: &Api, size: &Size) {
    let wide: Map<String, Value> = (0..COLUMNS).map(|n| (format!("column_{n:03}"), json!(n))).collect();
    let rows = (0..size.rows.div_ceil(APPEND)).map(|append| {
        let numbers = append * APPEND..((append + 1) * APPEND).min(size.rows);
        let one = |n: u64| {
            let data = if n < WIDE_ROWS { json!(wide) } else { json!({"n": n, "kind": format!("k{}", n % 40)}) };
            json!({"stream": format!("row-{n:07}"), "events": [{"type": "Loose", "data": data}]})
        };
        numbers.map(one).collect::<Vec<_>>()
    });
    let aside = (0..size.events.div_ceil(APPEND)).map(|append| {
        let event =
            |n: u64| json!({"type": format!("Aside{}", n % 20), "data": {"n": n}, "tags": [format!("t:{}", n % 9)]});
        let events: Vec<_> = (0..APPEND.min(size.events - append * APPEND)).map(event).collect();
        vec![json!({"stream": format!("aside-{append}"), "events": events})]
    });
    // What the rows are made of comes before all else.
    for part in [rows.collect::<Vec<_>>(), aside.collect()] {
        let appended = stream::iter(part).map(|appends| async move {
            let answer = api.post("transactions", json!({"appends": appends})).await;
            assert_eq!(answer.status, 201, "{answer:?}");
        });
        appended.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    }
    let large = json!({"type": "Aside0", "data": {"text": "x".repeat(LARGE)}});
    assert_eq!(api.post("streams/large/events", large).await.status, 201);
}

async fn deployed(api: &Api, size: &Size) {
    let digest = api.upload(module("shapes")).await;
    let deploy = async |name: String, start: u64| {
        let body = json!({"module": digest, "promote": "when_ready", "start": {"position": start}});
        let answer = api.post(&format!("projections/{name}/versions"), body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    };
    deploy(BIG.to_owned(), 0).await;
    for number in 0..size.projections {
        deploy(format!("p{number:05}"), size.rows).await;
    }
    let started = Instant::now();
    loop {
        let all = api.client.get(api.at("projections")).send().await.unwrap().json::<Value>().await.unwrap();
        let live = |one: &&Value| one["versions"][0]["state"] == "live" && one["versions"][0]["lag"] == 0;
        let ready = all["projections"].as_array().unwrap().iter().filter(live).count() as u64;
        if ready > size.projections {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{ready} projections are live");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn looked_at(api: &Api, size: &Size) {
    let last = size.rows + size.events;
    let of_big = |rest: &str| format!("/console/read-models/{BIG}{rest}");
    let pages = [
        BARE.to_owned(),
        "/console/".to_owned(),
        "/console/?from=50".to_owned(),
        "/console/find?q=p000".to_owned(),
        "/console/events".to_owned(),
        "/console/events?types=Aside7&tags=t:3".to_owned(),
        format!("/console/events?from={}", last / 2),
        "/console/events/7".to_owned(),
        format!("/console/events/{last}"),
        "/console/read-models".to_owned(),
        of_big(""),
        of_big("/loose"),
        of_big("/loose?field=key&operator=gte&value=row-0050000"),
        of_big("/loose/row?key=row-0000001"),
        format!("/console/projections/{BIG}"),
        format!("/console/projections/{BIG}/versions/1"),
        "/console/projections/p00001".to_owned(),
        "/console/deploy".to_owned(),
        "/console/commands".to_owned(),
        "/console/modules".to_owned(),
        "/console/system".to_owned(),
    ];
    let (mut figures, mut slow) = (Figures::default(), Vec::new());
    for path in &pages {
        let mut took = Vec::new();
        // The first one finds nothing in memory.
        for look in 0..=size.looks {
            let asked = Instant::now();
            let request = api.client.get(format!("{}{path}", api.url)).header("accept", "text/html");
            let page = request.send().await.unwrap();
            let status = page.status();
            let bytes = page.bytes().await.unwrap().len();
            let ms = asked.elapsed().as_secs_f64() * 1_000.0;
            assert!(status.is_success() || path == BARE, "{path}: {status}");
            match look {
                0 => figures.add(&format!("{path}, {} KiB, first look", bytes / 1_024), "ms", ms),
                _ => took.push(ms),
            }
        }
        took.iter().for_each(|ms| figures.add(path, "ms", *ms));
        took.sort_by(f64::total_cmp);
        if took[took.len() / 2] > WITHIN_MS {
            slow.push(path.as_str());
        }
    }
    figures.print();
    match slow.as_slice() {
        [] => println!("\nevery page answers within {WITHIN_MS} ms"),
        some => println!("\nnot within {WITHIN_MS} ms: {}", some.join(", ")),
    }
}
