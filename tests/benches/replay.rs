//! Bench of replays: how fast history is replayed, from the log on disk to committed rows, next to the same folds in
//! native Rust and into SQLite; and what a replay does to appends and queries meanwhile.
//!
//! Each contestant runs in a process of its own, in turns, on the same log. `ROUNDS` says how often, `PARTS` which of
//! `flights`, `ledger`, `accounts`, `cores`, `linear`, `live` and `load` to measure (all unless it is set).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "replay/live.rs"]
mod live;
#[path = "replay/native.rs"]
mod native;
#[path = "replay/process.rs"]
mod process;
#[path = "replay/sqlite.rs"]
mod sqlite;
#[path = "replay/workload.rs"]
mod workload;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use kinora_tests::bench::{MAX_STEAL, RETRIES, ROUNDS, stolen};
use kinora_tests::{Program, module};
use serde_json::json;

use process::{Used, Watch};
use workload::{Workload, movement};

const LEDGER: Workload = Workload::Ledger { accounts: 10_000, events: 4_000_000 };
const ACCOUNTS: Workload = Workload::Ledger { accounts: 5_000_000, events: 10_000_000 };
const LINEAR: Workload = Workload::Ledger { accounts: 10_000, events: 20_000_000 };

#[derive(Clone, Copy, PartialEq)]
enum Contestant {
    Kinora,
    /// The host may use one core only.
    KinoraOnOneCore,
    Native,
    Sqlite,
}

impl Contestant {
    fn name(self) -> &'static str {
        match self {
            Self::Kinora => "kinora",
            Self::KinoraOnOneCore => "kinora, one core",
            Self::Native => "native",
            Self::Sqlite => "sqlite",
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, child, contestant, workload, data] = arguments.as_slice()
        && child == "child"
    {
        println!("{}", run_child(contestant, workload, Path::new(data)).to_json());
        return;
    }
    // `cargo test` runs benches, too, with this argument missing; there is nothing to test here.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let parts = std::env::var("PARTS").unwrap_or_else(|_| "flights,ledger,accounts,cores,linear,live,load".into());
    let folder = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("bench-replay");
    println!("{rounds} rounds on {} cores\n", std::thread::available_parallelism().unwrap());
    use Contestant::{Kinora, KinoraOnOneCore, Native, Sqlite};
    for part in parts.split(',') {
        match part {
            "flights" => compare(&Workload::Flights, &[Kinora, Native, Sqlite], &folder, rounds),
            "ledger" => compare(&LEDGER, &[Kinora, Native, Sqlite], &folder, rounds),
            "accounts" => compare(&ACCOUNTS, &[Kinora, Native, Sqlite], &folder, rounds),
            "cores" => {
                println!("two threads that share nothing do {:.2} times what one does", scaling(rounds));
                compare(&LEDGER, &[Kinora, KinoraOnOneCore], &folder, rounds);
            }
            "linear" => linear(&LINEAR.folder(&folder)),
            "live" => live::measure(&folder, &LEDGER),
            "load" => load(&folder),
            _ => panic!("{part:?} is no part of this bench"),
        }
    }
}

fn run_child(contestant: &str, workload: &str, data: &Path) -> Used {
    let workload = match workload {
        "flights" => Workload::Flights,
        _ => Workload::Ledger { accounts: 0, events: 0 },
    };
    if contestant == "native" { native::run(&workload, data) } else { sqlite::run(&workload, data) }
}

/// Lets the contestants fold a workload, in turns, and prints what they took.
fn compare(workload: &Workload, contestants: &[Contestant], folder: &Path, rounds: usize) {
    let data = workload.folder(folder);
    let mut taken: Vec<Vec<Used>> = vec![Vec::new(); contestants.len()];
    let mut steals = Vec::new();
    for _ in 0..rounds {
        for (contestant, taken) in contestants.iter().zip(&mut taken) {
            let (used, steal) = undisturbed(|| run(*contestant, workload, &data));
            eprintln!("{} {}: {used:.2?}, {:.1} % steal", workload.name(), contestant.name(), steal * 100.0);
            taken.push(used);
            steals.push(steal);
        }
    }
    let most = steals.iter().copied().fold(0.0, f64::max);
    println!("{} (at most {:.1} % of the machine's time went to others)", workload.name(), most * 100.0);
    print(contestants, &taken);
}

/// Measures again what was measured while the machine worked for others.
fn undisturbed<T>(mut measure: impl FnMut() -> T) -> (T, f64) {
    let mut tries = 0;
    loop {
        let before = stolen();
        let measured = measure();
        let after = stolen();
        let steal = (after.0 - before.0) / (after.1 - before.1).max(1.0);
        tries += 1;
        if steal <= MAX_STEAL || tries > RETRIES {
            return (measured, steal);
        }
    }
}

fn run(contestant: Contestant, workload: &Workload, data: &Path) -> Used {
    match contestant {
        Contestant::Kinora => replay(workload, Program::command(data)),
        Contestant::KinoraOnOneCore => {
            let host = Program::command(data);
            let mut command = Command::new("taskset");
            command.args(["-c", "0"]).arg(host.get_program()).args(host.get_args());
            replay(workload, command)
        }
        Contestant::Native | Contestant::Sqlite => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let name = if matches!(workload, Workload::Flights) { "flights" } else { "ledger" };
            let output = command.args(["child", contestant.name(), name]).arg(data).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Used::from_json(&String::from_utf8(output.stdout).unwrap())
        }
    }
}

#[tokio::main]
async fn replay(workload: &Workload, mut command: Command) -> Used {
    command.args(["--listen", "127.0.0.1:0"]);
    let host = Program::start_command(command);
    let api = host.api();
    let (projector, upcasters) = workload.modules();
    let projector = api.upload(module(projector)).await;
    let mut digests = Vec::new();
    for upcaster in upcasters {
        digests.push(api.upload(module(upcaster)).await);
    }
    let digests: Vec<&str> = digests.iter().map(String::as_str).collect();
    let watch = Watch::of(&host.process_id().to_string());
    let version = api.deploy("replayed", &projector, &digests).await;
    let status = api.until_state("replayed", version, "ready").await;
    let seconds = status["replayed_in_ms"].as_f64().unwrap() / 1000.0;
    let used = watch.used(status["applied"].as_u64().unwrap(), Some(seconds));
    if let Workload::Ledger { accounts, events } = workload {
        check_account(&api, version, *accounts, *events).await;
    }
    let retired = api.post(&format!("projections/replayed/versions/{version}/retire"), json!({})).await;
    assert_eq!(retired.status, 200, "{retired:?}");
    host.stop();
    used
}

/// An account is what the movements say.
async fn check_account(api: &kinora_tests::Api, version: u64, accounts: u64, events: u64) {
    let account = movement(events / 2, accounts).account;
    let (mut balance, mut lowest, mut deposits) = (0, 0, 0);
    for movement in (0..events).map(|index| movement(index, accounts)).filter(|found| found.account == account) {
        balance += if movement.is_deposit { movement.cents } else { -movement.cents };
        lowest = balance.min(lowest);
        deposits += u64::from(movement.is_deposit);
    }
    let row = api.get(&format!("read-models/replayed/accounts/a{account:07}?version={version}")).await;
    let found = (&row.body["balance"], &row.body["lowest"], &row.body["deposits"]);
    assert_eq!(found, (&json!(balance), &json!(lowest), &json!(deposits)), "{row:?}");
}

/// What a second core is worth here at most: threads that parse JSON, each its own, next to one alone. The cores of a
/// virtual machine often share one. The median of some rounds.
fn scaling(rounds: usize) -> f64 {
    let parse = || {
        let text = serde_json::to_vec(&json!({"account": "a0001234", "cents": 1250, "day": 19876})).unwrap();
        (0..2_000_000).for_each(|_| drop(std::hint::black_box(serde_json::from_slice::<serde_json::Value>(&text))));
    };
    let together = |threads: usize| {
        let started = Instant::now();
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(parse))));
        started.elapsed().as_secs_f64()
    };
    let mut gains: Vec<f64> = (0..rounds.max(1)).map(|_| 2.0 * together(1) / together(2)).collect();
    gains.sort_by(f64::total_cmp);
    gains[gains.len() / 2]
}

fn print(contestants: &[Contestant], taken: &[Vec<Used>]) {
    let mut table = Table::new();
    let header = ["", "events/s", "from", "to", "per core", "CPU s", "peak MiB", "written MiB", "time to first"];
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let median = |taken: &[Used], figure: fn(&Used) -> f64| {
        let mut figures: Vec<f64> = taken.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        (figures[figures.len() / 2], figures[0], figures[figures.len() - 1])
    };
    let (first, ..) = median(&taken[0], |used| used.seconds);
    for (contestant, taken) in contestants.iter().zip(taken) {
        let (rate, from, to) = median(taken, |used| used.events / used.seconds);
        let (per_core, ..) = median(taken, |used| used.events / used.cpu);
        let whole = |figure: f64| format!("{figure:.0}");
        table.add_row([
            contestant.name().to_owned(),
            whole(rate),
            whole(from),
            whole(to),
            whole(per_core),
            format!("{:.2}", median(taken, |used| used.cpu).0),
            whole(median(taken, |used| used.peak_mib).1.max(median(taken, |used| used.peak_mib).2)),
            whole(median(taken, |used| used.written_mib).0),
            format!("{:.2}", median(taken, |used| used.seconds).0 / first),
        ]);
    }
    table.lines().for_each(|line| println!("{}", line.trim_end()));
    println!();
}

/// When a replay of 20 million events has passed each million.
#[tokio::main]
async fn linear(data: &Path) {
    let host = Program::start(data);
    let api = host.api();
    let projector = api.upload(module("ledger")).await;
    let version = api.deploy("replayed", &projector, &[]).await;
    let path = format!("projections/replayed/versions/{version}");
    let (started, mut marks) = (Instant::now(), [1_u64, 2, 5, 10, 15, 20].into_iter().peekable());
    println!("{}", LINEAR.name());
    while let Some(mark) = marks.peek() {
        let status = api.get(&path).await.body;
        assert_ne!(status["state"], "faulted", "{status}");
        if status["applied"].as_u64().unwrap() >= mark * 1_000_000 {
            let seconds = started.elapsed().as_secs_f64();
            println!("  {mark:>2} million events after {seconds:.2} s: {:.2} s a million", seconds / *mark as f64);
            marks.next();
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    api.until_state("replayed", version, "ready").await;
    println!("  peak memory {:.0} MiB\n", host.peak_memory().unwrap_or_default());
    api.post(&format!("{path}/retire"), json!({})).await;
    host.stop();
}

/// How long a host takes to load a module that has been compiled before.
fn load(folder: &Path) {
    let data = LEDGER.folder(folder);
    let (dir, secret) = (data.join("modules"), data.join("secret.key"));
    assert!(dir.exists(), "the part `ledger` comes before the part `load`");
    let secret = kinora_files::secret(&secret).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let mut took: Vec<f64> = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        let (compiler, limits) = (PathBuf::from("nowhere"), kinora_sandbox::Limits::default());
        let probation = kinora_files::Probation::open(&data.join("probation"));
        let opening = kinora_sandbox::Opening { compiler, secret, limits, probation, paused: false };
        let modules = kinora_sandbox::Modules::open(&dir, opening).unwrap();
        took.push(started.elapsed().as_secs_f64() * 1000.0 / modules.list().len() as f64);
    }
    took.sort_by(f64::total_cmp);
    println!("loading a compiled module: {:.2} ms (from {:.2} to {:.2})\n", took[10], took[0], took[19]);
}
