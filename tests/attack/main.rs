//! Attacks on a host, one after the other and then all at once: what its other clients notice, how much memory it
//! takes, and whether it serves everybody once they are over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attacker;
mod attacks;
mod bare;
mod bodies;
mod bystander;
mod connections;
mod floods;
mod ground;
mod guests;
mod questions;
mod readers;
mod report;
mod target;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use kinora_tests::bench::{ROUNDS, Server, stolen};

use attacker::Attacker;
use attacks::ATTACKS;
use bystander::{Bystander, Seen};
use ground::Ground;
use report::Attacked;

/// How long others are looked at before and during an attack, unless SECONDS says otherwise.
const SECONDS: u64 = 4;

/// How long all attacks go on together, unless TOGETHER says otherwise.
const TOGETHER: u64 = 30;

/// What an attack has to come to its full size.
const RISE: Duration = Duration::from_secs(2);

/// Within this time after an attack everybody has to be served.
const AFTER: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [bare::ARGUMENT] => bare::serve().await,
        [attacker::ARGUMENT, name, address] => attacker::attack(name, address.parse().unwrap()).await,
        // `cargo test` runs benches, too, without this argument; there is nothing to test here.
        _ if !arguments.iter().any(|argument| argument == "--bench") => {}
        _ => return measure().await,
    }
    ExitCode::SUCCESS
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

async fn measure() -> ExitCode {
    let only = std::env::var("ATTACKS").unwrap_or_default();
    let chosen: Vec<_> = ATTACKS.iter().map(|attack| attack.name).filter(|name| name.contains(&only)).collect();
    let (rounds, span) = (number("ROUNDS", ROUNDS as u64), Duration::from_secs(number("SECONDS", SECONDS)));
    let ground = Ground::prepare().await;
    let bare = Server::start(&[bare::ARGUMENT.as_ref()]);
    let (before, field) = (stolen(), Field::new(&ground, bare.address(), span));
    let mut attacks: Vec<_> =
        chosen.iter().map(|name| Attacked { name: (*name).to_owned(), ..Attacked::default() }).collect();
    'rounds: for round in 0..rounds {
        for attacked in &mut attacks {
            field.attack(attacked).await;
            eprintln!("round {}, {}: done", round + 1, attacked.name);
            if attacked.died {
                break 'rounds;
            }
        }
    }
    if !attacks.iter().any(|attacked| attacked.died) {
        attacks.push(field.all_at_once(&chosen, Duration::from_secs(number("TOGETHER", TOGETHER))).await);
    }
    let after = stolen();
    let steal = (after.0 - before.0) / (after.1 - before.1).max(1.0) * 100.0;
    let cores = std::thread::available_parallelism().unwrap();
    println!("{rounds} rounds on {cores} cores, of which {steal:.1} % went to neighbours\n");
    report::print(&attacks);
    let bound = ground.bound as f64 / f64::from(1 << 20);
    println!("\nby its limits, the host may have {bound:.0} MiB");
    attacks.iter().flat_map(Attacked::noticed).for_each(|noticed| println!("noticed: {noticed}"));
    let failures: Vec<_> = attacks.iter().flat_map(|attacked| attacked.failures(bound)).collect();
    failures.iter().for_each(|failure| println!("FAILED: {failure}"));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The host that is attacked, the bare server beside it, and somebody who asks both of them.
struct Field<'a> {
    ground: &'a Ground,
    of_ground: Bystander,
    bare: SocketAddr,
    of_bare: Bystander,
    span: Duration,
}

impl<'a> Field<'a> {
    fn new(ground: &'a Ground, bare: &str, span: Duration) -> Self {
        let url = format!("http://{bare}");
        let of_ground = Bystander::new(&ground.host.url, &ground.operators);
        Self { ground, of_ground, bare: bare.parse().unwrap(), of_bare: Bystander::new(&url, &url), span }
    }

    /// One round of one attack, on the host and on the bare server.
    async fn attack(&self, attacked: &mut Attacked) {
        let (idle, under, _) = look(&self.of_bare, &attacked.name, self.bare, self.span).await;
        attacked.bare_idle.push(idle);
        attacked.bare_under.push(under);
        self.ground.forget_peak();
        let (idle, under, did) = look(&self.of_ground, &attacked.name, self.ground.address, self.span).await;
        attacked.idle.push(idle);
        attacked.under.push(under);
        attacked.did = did;
        self.note_end(attacked).await;
    }

    async fn all_at_once(&self, names: &[&str], span: Duration) -> Attacked {
        let name = "all of them at once".to_owned();
        let mut attacked = Attacked { name, did: "what each does by itself".to_owned(), ..Attacked::default() };
        self.ground.forget_peak();
        attacked.idle.push(self.of_ground.look(self.span).await);
        let attackers: Vec<_> = names.iter().map(|name| Attacker::start(name, self.ground.address)).collect();
        tokio::time::sleep(RISE).await;
        attacked.under.push(self.of_ground.look(span).await);
        drop(attackers);
        self.note_end(&mut attacked).await;
        attacked
    }

    /// Whether everybody is served now that the attack is over, and how much memory it took.
    async fn note_end(&self, attacked: &mut Attacked) {
        let served = self.of_ground.is_served_within(AFTER).await;
        attacked.served_after.push(served.map(|after| after.as_secs_f64() * 1e3));
        attacked.died = !self.ground.is_alive();
        attacked.peak_mebibytes = attacked.peak_mebibytes.max(self.ground.host.peak_memory().unwrap_or_default());
    }
}

/// Looks at a server before an attack and during it. Gives what was seen, and what the attack did.
async fn look(bystander: &Bystander, name: &str, address: SocketAddr, span: Duration) -> (Seen, Seen, String) {
    let idle = bystander.look(span).await;
    let attacker = Attacker::start(name, address);
    tokio::time::sleep(RISE).await;
    let under = bystander.look(span).await;
    let did = attacker.end();
    (idle, under, did)
}
