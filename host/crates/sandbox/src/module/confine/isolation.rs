//! Isolation of the compiler's process by the kernel: namespaces of its own, and Landlock. Neither is everywhere, so
//! both are taken where they are there.

use std::process::{Command, ExitCode};

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, Scope};
use rustix::process::{Signal, set_parent_process_death_signal};

/// The last argument of the process that is in the namespaces already.
const WITHIN: &str = "within";

/// Namespaces in which there is nothing: no other process, no network, no shared memory, no mounts to change. That of
/// users lets anybody make the others.
const NAMESPACES: libc::c_int =
    libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWNS;

/// The newest rules of Landlock that are asked for; a kernel that knows fewer keeps those.
const RULES: ABI = ABI::V6;

/// Runs this program again with the same command, in namespaces of its own, and says how it ended. `None`: this process
/// is in them, or the kernel does not allow any; then it has to do the work itself.
pub fn isolated(command: &str, arguments: &mut Vec<String>) -> Option<ExitCode> {
    if arguments.pop_if(|last| last == WITHIN).is_some() {
        // Nobody would end this one, if the process that waits for it were killed.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        return None;
    }
    if !leave() {
        return None;
    }
    let within = Command::new("/proc/self/exe").arg(command).args(&*arguments).arg(WITHIN).status().ok()?;
    let code = within.code().and_then(|code| u8::try_from(code).ok());
    Some(code.map_or_else(
        || {
            eprintln!("{within}");
            ExitCode::FAILURE
        },
        ExitCode::from,
    ))
}

/// Whether the processes that this one starts from now on are in namespaces of their own.
///
/// Contract: the process has one thread, else the kernel refuses.
#[allow(unsafe_code)]
pub fn leave() -> bool {
    // SAFETY: a system call with flags and nothing else. It touches no memory.
    unsafe { libc::unshare(NAMESPACES) == 0 }
}

/// From now on this process opens no file, connects to nothing, and signals no process but itself.
pub fn landlock() -> Result<(), String> {
    let text = |cause: landlock::RulesetError| format!("Landlock: {cause}");
    let rules = Ruleset::default().handle_access(AccessFs::from_all(RULES)).map_err(text)?;
    let rules = rules.handle_access(AccessNet::from_all(RULES)).map_err(text)?;
    let rules = rules.scope(Scope::from_all(RULES)).map_err(text)?;
    rules.create().map_err(text)?.restrict_self().map_err(text).map(drop)
}
