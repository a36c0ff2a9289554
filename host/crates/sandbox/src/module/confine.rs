//! The confinement of the compiler's process: what it gives up before it reads a module: memory and time beyond its
//! limits, files, and on Linux every system call that computing does not need. Whoever takes it over has a pipe to read
//! and a pipe to write, and no more.
//!
//! Three walls stand behind each other on Linux, since a kernel may lack some of them: namespaces in which there is no
//! other process and no network, Landlock, by which it opens and signals nothing, and a filter of system calls and
//! their arguments, without which the process ends.

#[cfg(target_os = "linux")]
mod isolation;
#[cfg(target_os = "linux")]
mod system_calls;

use std::time::Duration;

#[cfg(target_os = "linux")]
pub use isolation::isolated;

/// Files that may be open: standard input, output and error, which are open already.
const OPEN_FILES: u64 = 3;

/// Confines this process, and every thread that it starts from now on.
pub fn confine(memory_bytes: u64, time: Duration) -> Result<(), String> {
    use rlimit::{Resource, setrlimit};
    let limit =
        |what: Resource, limit: u64| setrlimit(what, limit, limit).map_err(|cause| format!("{what:?}: {cause}"));
    // Before there are no more files: it takes one for a moment.
    #[cfg(target_os = "linux")]
    isolation::landlock()?;
    limit(Resource::AS, memory_bytes)?;
    limit(Resource::CPU, time.as_secs())?;
    limit(Resource::CORE, 0)?;
    // Nothing is written but the pipe.
    limit(Resource::FSIZE, 0)?;
    limit(Resource::NOFILE, OPEN_FILES)?;
    #[cfg(target_os = "linux")]
    system_calls::limit()?;
    Ok(())
}

/// Elsewhere the limits above, the empty environment and the pipes have to do.
#[cfg(not(target_os = "linux"))]
pub fn isolated(_: &str, _: &mut Vec<String>) -> Option<std::process::ExitCode> {
    None
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Set for the process that confines itself.
    const CONFINED: &str = "KINORA_TEST_CONFINED";

    /// Runs a test again in a process of its own, since what is given up is given up for good, and gives what it says.
    fn again(test: &str) -> String {
        let (_, module) = module_path!().split_once("::").unwrap();
        let name = format!("{module}::{test}");
        let mut command = Command::new(std::env::current_exe().unwrap());
        let arguments = ["--exact", &name, "--nocapture", "--test-threads=1"];
        let output = command.args(arguments).env(CONFINED, "yes").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    #[test]
    fn a_confined_process_computes_in_threads_and_reaches_nothing() {
        if std::env::var_os(CONFINED).is_some() {
            return confined();
        }
        let said = again("a_confined_process_computes_in_threads_and_reaches_nothing");
        for line in [
            "read: false",
            "write: false",
            "connect: false",
            "run: false",
            "thread: 6000000",
            "allocate: false",
            "signal by name: false",
            "signal by thread: false",
            "signal itself: true",
            "limit others: false",
            "watch others: false",
            "new namespace: false",
        ] {
            assert!(said.contains(line), "{line} is not in {said}");
        }
    }

    fn confined() {
        let file = std::env::temp_dir().join(format!("kinora-confined-{}", std::process::id()));
        confine(1 << 30, Duration::from_secs(10)).unwrap();
        println!("read: {}", std::fs::read("/proc/self/status").is_ok());
        println!("write: {}", std::fs::write(file, "x").is_ok());
        println!(
            "connect: {}",
            std::net::TcpStream::connect("127.0.0.1:1")
                .is_err_and(|cause| { cause.kind() == std::io::ErrorKind::ConnectionRefused })
        );
        println!("run: {}", Command::new("/bin/true").status().is_ok());
        let sum = std::thread::spawn(|| vec![3_u64; 2_000_000].iter().sum::<u64>()).join().unwrap();
        println!("thread: {sum}");
        println!("allocate: {}", Vec::<u8>::new().try_reserve_exact(2 << 30).is_ok());
        reach_others();
    }

    /// What would end, limit or watch the process that started this one. Nothing is sent: 0 is no signal.
    #[allow(unsafe_code)]
    fn reach_others() {
        let (parent, own) = (std::os::unix::process::parent_id(), std::process::id());
        let [parent, own] = [parent, own].map(i64::from);
        // SAFETY: numbers only, and null where a call would write.
        let works = |call: i64, arguments: [i64; 4]| unsafe {
            let [first, second, third, fourth] = arguments;
            libc::syscall(call, first, second, third, fourth) == 0
        };
        println!("signal by name: {}", works(libc::SYS_kill, [parent, 0, 0, 0]));
        println!("signal by thread: {}", works(libc::SYS_tgkill, [parent, parent, 0, 0]));
        println!("signal itself: {}", works(libc::SYS_tgkill, [own, own, 0, 0]));
        println!("limit others: {}", works(libc::SYS_prlimit64, [parent, 0, 0, 0]));
        println!("watch others: {}", works(libc::SYS_ptrace, [i64::from(libc::PTRACE_SEIZE), parent, 0, 0]));
        println!("new namespace: {}", isolation::leave());
    }

    /// Without the filter of system calls: what Landlock alone refuses, on a kernel that has it.
    #[test]
    fn landlock_refuses_files_and_signals_to_others() {
        if std::env::var_os(CONFINED).is_some() {
            isolation::landlock().unwrap();
            println!("read: {}", std::fs::read("/proc/self/status").is_ok());
            return reach_others();
        }
        let said = again("landlock_refuses_files_and_signals_to_others");
        // The last of its rules, and so all of them, came with signals: it is there, or it is not.
        let is_there = said.contains("read: false");
        assert_eq!(said.contains("signal by name: false"), is_there, "{said}");
    }
}
