//! The story of the demo: each step, done and told.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use comfy_table::{CellAlignment, Table, presets};
use flights::{Feed, Timeline};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::api::Api;
use crate::clients::Clients;
use crate::host::Host;

/// Clients that ask while version 2 comes.
const CLIENTS: usize = 4;

/// How long each version answers before the next switch.
const BETWEEN_SWITCHES: Duration = Duration::from_secs(1);

pub async fn tell(host: &Host) -> anyhow::Result<()> {
    let began = Instant::now();
    let api = Api::new(&host.url)?;
    title("Kinora: a year of flights, two versions of a projection, a switch and a way back");

    step(1, "A host");
    say(format!("listens on {} and keeps its data in {}", host.url, host.data.display()));

    step(2, "Timeline: every flight that left New York in 2013, as it happened");
    feed(host).await?;

    step(3, "Version 1 of the projection `ontime`");
    let (upcaster, _) = api.upload(&host.modules.join("departures.wasm")).await?;
    let (module, compiled) = api.upload(&host.modules.join("ontime-v1.wasm")).await?;
    say(format!("uploaded a projector and an upcaster as WebAssembly; compiled in {compiled} ms"));
    let version = api.deploy("ontime", &module, &[&upcaster]).await?;
    replay(&api, version).await?;
    switch(&api, &format!("versions/{version}/promote")).await?;
    best_carriers(&api).await?;

    step(4, "Version 2, in parallel, while clients keep asking version 1");
    say("it counts as on time what the Department of Transportation does (less than 15 minutes late, not up to 15),");
    say("and adds percentiles, the history of each aircraft, and a query for the worst routes");
    let clients = Clients::start(&api, CLIENTS, "carriers", &["UA", "DL", "B6", "EV"]);
    let (module, _) = api.upload(&host.modules.join("ontime-v2.wasm")).await?;
    let version = api.deploy("ontime", &module, &[&upcaster]).await?;
    replay(&api, version).await?;

    step(5, "What would change? Both versions are compared at the same event");
    differences(&api).await?;

    step(6, "Promote, go back, promote again");
    for path in ["versions/2/promote", "rollback", "versions/2/promote"] {
        switch(&api, path).await?;
        tokio::time::sleep(BETWEEN_SWITCHES).await;
    }
    let seen = clients.stop().await?;
    let versions: Vec<_> = seen.versions.iter().map(u64::to_string).collect();
    say(format!(
        "{} clients got {} answers meanwhile: {} failed or mixed; versions in turn: {}",
        CLIENTS,
        thousands(seen.answers as u64),
        seen.failed,
        versions.join(" -> ")
    ));
    say(format!("half of the answers within {:.1?}, the slowest in {:.1?}", seen.median, seen.slowest));
    ensure!(seen.failed == 0, "{} answers failed or were mixed", seen.failed);
    ensure!(seen.agreed && seen.versions == [1, 2, 1, 2], "the clients saw other versions: {versions:?}");

    step(7, "What only version 2 can answer");
    worst_routes(&api).await?;

    println!();
    say(format!("All of this took {:.1} s.", began.elapsed().as_secs_f64()));
    if let Some(memory) = host.peak_memory() {
        say(format!("The host had {memory} MiB of memory at most."));
    }
    Ok(())
}

async fn feed(host: &Host) -> anyhow::Result<()> {
    let timeline = Arc::new(Timeline::load()?);
    let bar = bar(timeline.len() as u64);
    let fed = Feed::new(&host.url).run(timeline, |done| bar.set_position(done)).await?;
    bar.finish_and_clear();
    say(format!(
        "{} events appended over HTTP in {:.1} s: {} a second, on disk before they are acknowledged",
        thousands(fed.events),
        fed.took.as_secs_f64(),
        thousands((fed.events as f64 / fed.took.as_secs_f64()) as u64)
    ));
    say("departures before July in schema 1 (local time), later ones in schema 2 (UTC): history is never rewritten");
    Ok(())
}

async fn replay(api: &Api, version: u64) -> anyhow::Result<()> {
    let bar = bar(0);
    let status = api
        .until_ready("ontime", version, |status| {
            bar.set_length(status["head"].as_u64().map_or(0, |head| head + 1));
            bar.set_position(status["applied"].as_u64().unwrap_or_default());
        })
        .await?;
    bar.finish_and_clear();
    let figure =
        |name: &str| status[name].as_u64().with_context(|| format!("version {version} has no {name}: {status}"));
    let (events, took) = (figure("applied")?, figure("replayed_in_ms")?);
    let rate = events.saturating_mul(1_000).checked_div(took);
    let rate = rate.map_or_else(String::new, |rate| format!(": {} a second", thousands(rate)));
    say(format!("version {version} replayed {} events in {:.1} s{rate}", thousands(events), took as f64 / 1000.0));
    Ok(())
}

async fn switch(api: &Api, path: &str) -> anyhow::Result<()> {
    let asked = Instant::now();
    let status = api.post(&format!("projections/ontime/{path}"), &json!({})).await?;
    let what = if path == "rollback" { "rolled back" } else { "promoted" };
    say(format!("{what}: version {} is live, {:.1?} after the request", status["live"], asked.elapsed()));
    Ok(())
}

async fn best_carriers(api: &Api) -> anyhow::Result<()> {
    let answer = api.get("read-models/ontime/carriers?order=share_on_time.desc&limit=5").await?;
    let rows = rows(&answer).map(|row| {
        let fields = &row["row"];
        [
            text(&row["key"]),
            text(&fields["flights"]),
            percent(&fields["share_on_time"]),
            text(&fields["mean_arrival_delay"]),
        ]
    });
    show(["most punctual carriers", "flights", "on time", "mean delay (min)"], rows);
    Ok(())
}

async fn differences(api: &Api) -> anyhow::Result<()> {
    let asked = Instant::now();
    let diff = api.get("projections/ontime/diff?from=1&to=2&samples=0").await?;
    let tables = diff["tables"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|table| ["table", "added", "removed", "changed", "unchanged"].map(|column| text(&table[column])));
    show(["table", "added", "removed", "changed", "unchanged"], tables);
    say(format!("found in {:.1} s at position {}", asked.elapsed().as_secs_f64(), diff["position"]));
    let mut shares = Vec::new();
    for carrier in ["UA", "DL", "B6", "EV"] {
        let share = async |version: u64| -> anyhow::Result<String> {
            let row = api.get(&format!("read-models/ontime/carriers/{carrier}?version={version}")).await?;
            Ok(percent(&row["share_on_time"]))
        };
        shares.push([carrier.to_owned(), share(1).await?, share(2).await?]);
    }
    show(["on time, for example", "version 1", "version 2"], shares);
    Ok(())
}

async fn worst_routes(api: &Api) -> anyhow::Result<()> {
    let path = "read-models/ontime/queries/worst-routes";
    let arguments = json!({"from": "2013-07-01", "to": "2013-08-01", "limit": 5, "min_flights": 100});
    let request = api.client.get(api.at(path)).query(&[("arguments", arguments.to_string())]);
    let answer: Value = serde_json::from_str(&request.send().await?.error_for_status()?.text().await?)?;
    let routes = answer["routes"].as_array().into_iter().flatten().map(|route| {
        [
            text(&route["route"]),
            text(&route["flights"]),
            percent(&route["share_on_time"]),
            text(&route["mean_arrival_delay"]),
        ]
    });
    show(["worst routes in July", "flights", "on time", "mean delay (min)"], routes);
    let prefix = "N328AA/2013-12";
    let flights = api.get(&format!("read-models/ontime/aircraft_flights?key=like.{prefix}*&limit=4")).await?;
    let flights = rows(&flights).map(|row| {
        let fields = &row["row"];
        [
            text(&row["key"]),
            format!("{} -> {}", text(&fields["origin"]), text(&fields["dest"])),
            text(&fields["status"]),
            text(&fields["arrival_delay"]),
        ]
    });
    show(["an aircraft in December", "route", "status", "late (min)"], flights);
    Ok(())
}

pub fn what_next(host: &Host) {
    let program = host.program.display();
    println!("\nThe host is still there. In another terminal, try:\n");
    println!("  export KINORA_URL={}", host.url);
    println!("  {program} status");
    println!("  {program} query ontime carriers --order share_on_time.desc");
    println!("  {program} query ontime aircraft_flights --filter 'key=like.N14228/*' --limit 10");
    println!("  {program} diff ontime --from 1 --to 2");
    println!("  {program} tail --limit 5");
    println!("  {program} rollback ontime");
    println!("\nCtrl-C ends it.");
}

fn title(text: &str) {
    println!("{text}");
}

fn step(number: u32, text: &str) {
    println!("\n{number}. {text}");
}

fn say(text: impl AsRef<str>) {
    println!("   {}", text.as_ref());
}

/// A bar on a terminal; nothing elsewhere, where the lines that follow say it all.
fn bar(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "   {bar:40} {human_pos}/{human_len} events, {per_sec}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

fn rows(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["rows"].as_array().into_iter().flatten()
}

fn show<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in rows {
        table.add_row(row);
    }
    println!();
    for line in table.lines() {
        println!("     {}", line.trim_end());
    }
    println!();
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Number(number) if number.is_u64() => thousands(number.as_u64().unwrap_or_default()),
        other => other.to_string(),
    }
}

fn percent(share: &Value) -> String {
    share.as_f64().map_or_else(String::new, |share| format!("{:.1} %", share * 100.0))
}

fn thousands(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}
