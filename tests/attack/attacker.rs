//! An attacker: this program once more, as a process that gives way to all others.
//!
//! Attackers have machines of their own, and take no processor time from the host but by what they ask of it. On one
//! machine they get what host and clients leave over, which comes near to that; what the kernel does for their
//! connections it does in the host's time all the same.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::attacks::ATTACKS;
use crate::target::Target;

/// What this program is started with to attack.
pub const ARGUMENT: &str = "--attack";

/// As many connections as the system allows, and the last in every line for a processor.
const SHELL: &str = "ulimit -n $(ulimit -H -n); exec nice -n 19 \"$0\" \"$@\"";

pub struct Attacker {
    process: Child,
}

impl Attacker {
    pub fn start(name: &str, address: SocketAddr) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", SHELL]).arg(program).args([ARGUMENT, name, &address.to_string()]);
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self { process }
    }

    /// Ends the attack at once, with all of its connections. Gives what it did.
    pub fn end(mut self) -> String {
        drop(self.process.stdin.take());
        let mut told = String::new();
        BufReader::new(self.process.stdout.take().unwrap()).read_line(&mut told).unwrap();
        told.trim().to_owned()
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Attacks until nobody holds the other end of its input, and says what it did.
pub async fn attack(name: &str, address: SocketAddr) {
    let attack = ATTACKS.iter().find(|attack| attack.name == name).unwrap();
    let target = Target::new(address);
    let attacking = tokio::spawn((attack.go)(target.clone()));
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    let _ = ended.await.unwrap();
    println!("{}{}", target.told(), if attacking.is_finished() { ", and it did not go on" } else { "" });
    std::process::exit(0);
}
