//! A host that is killed at random moments while everything that it does is under way: appends with keys, transactions
//! with claims, versions that replay, go live and are ended, backups, uploads. What it acknowledged is so, and nothing
//! is done by halves or twice.

mod life;
mod rollouts;
mod upkeep;
mod writers;

use kinora_tests::{Program, Seed, module, until};

use life::Life;
use rollouts::Rollouts;
use upkeep::{Backups, Uploads};
use writers::{Keyed, Transactions};

/// How often a host is killed, unless CRASHES says otherwise.
const KILLS: u64 = 12;

/// After so many kills a log is looked at from its beginning to its end, and another one begins.
const KILLS_OF_A_LOG: u64 = 250;

/// A host is killed after fewer acknowledgements than this, while the next ones are under way.
const LONGEST_LIFE: u64 = 150;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_whatever_it_is_at_has_done_what_it_acknowledged() {
    let kills = std::env::var("CRASHES").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let mut seed = Seed::from_environment();
    let mut done = 0;
    while done < kills {
        let of_log = KILLS_OF_A_LOG.min(kills - done);
        lives(&mut seed, of_log).await;
        done += of_log;
        println!("{done} of {kills} kills");
    }
}

fn start(folder: &std::path::Path) -> Program {
    let mut command = Program::command(&folder.join("data"));
    command.args(["--listen", "127.0.0.1:0", "--backups"]).arg(folder.join("backups"));
    Program::start_command(command)
}

async fn lives(seed: &mut Seed, kills: u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut host = start(dir.path());
    let modules = vec![host.api().upload(module("hostile")).await, host.api().upload(module("tally")).await];
    let (mut keyed, mut transactions) = (Keyed::default(), Transactions::default());
    let (mut rollouts, mut backups, mut uploads) = (Rollouts::of(modules), Backups::default(), Uploads::default());
    for _ in 0..kills {
        let (life, longest) = (Life::of(host.api()), 1 + seed.below(LONGEST_LIFE));
        let killed = async {
            until("acknowledgements", async || life.acknowledged() >= longest).await;
            host.kill();
        };
        tokio::join!(
            keyed.live(&life),
            transactions.live(&life),
            rollouts.live(&life),
            backups.live(&life),
            uploads.live(&life),
            killed,
        );
        host = start(dir.path());
    }
    let api = host.api();
    keyed.check(&api).await;
    transactions.check(&api).await;
    let [left, right] = Transactions::STREAMS;
    rollouts.check(&api, &[Keyed::STREAM, left, right]).await;
    uploads.check(&api).await;
    backups.check(&api, &dir.path().join("backups"), &dir.path().join("restored")).await;
}
