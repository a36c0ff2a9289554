//! The confinement of the compiler's process: what it gives up before it reads a module: memory and time beyond its
//! limits, files, and on Linux every system call that computing does not need. Whoever takes it over has a pipe to read
//! and a pipe to write, and no more.

use std::time::Duration;

/// Files that may be open: standard input, output and error, which are open already.
const OPEN_FILES: u64 = 3;

/// Confines this process, and every thread that it starts from now on.
pub fn confine(memory_bytes: u64, time: Duration) -> Result<(), String> {
    use rlimit::{Resource, setrlimit};
    let limit =
        |what: Resource, limit: u64| setrlimit(what, limit, limit).map_err(|cause| format!("{what:?}: {cause}"));
    limit(Resource::AS, memory_bytes)?;
    limit(Resource::CPU, time.as_secs())?;
    limit(Resource::CORE, 0)?;
    // Nothing is written but the pipe.
    limit(Resource::FSIZE, 0)?;
    limit(Resource::NOFILE, OPEN_FILES)?;
    system_calls()
}

/// Elsewhere the limits above, the empty environment and the pipes have to do.
#[cfg(not(target_os = "linux"))]
fn system_calls() -> Result<(), String> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn system_calls() -> Result<(), String> {
    use linux::{ALLOWED, filter};
    use seccompiler::{SeccompAction, apply_filter};
    let text = |cause: seccompiler::Error| format!("the system calls cannot be limited: {cause}");
    // Threads are started with clone, whose arguments a filter can see; clone3 hides them in memory. The C library
    // takes the older call where the newer one does not exist. Of two filters that refuse, the one that came last says
    // how.
    let clone3 = filter([(libc::SYS_clone3, Vec::new())], SeccompAction::Allow, missing())?;
    let mut allowed: Vec<_> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    allowed.push((libc::SYS_clone, vec![linux::threads_only()?]));
    allowed.push((libc::SYS_clone3, Vec::new()));
    let others = filter(allowed, refused(), SeccompAction::Allow)?;
    apply_filter(&clone3).map_err(text)?;
    apply_filter(&others).map_err(text)
}

#[cfg(target_os = "linux")]
fn missing() -> seccompiler::SeccompAction {
    seccompiler::SeccompAction::Errno(libc::ENOSYS.unsigned_abs())
}

/// An error rather than the end: libraries ask for what they can do without, such as the number of processors.
#[cfg(target_os = "linux")]
fn refused() -> seccompiler::SeccompAction {
    seccompiler::SeccompAction::Errno(libc::EPERM.unsigned_abs())
}

#[cfg(target_os = "linux")]
mod linux {
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };

    /// Memory, threads, time, signals of its own, the pipes, and the end.
    pub const ALLOWED: [i64; 36] = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_lseek,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_membarrier,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_sysinfo,
        libc::SYS_prlimit64,
        libc::SYS_getrusage,
        libc::SYS_prctl,
        libc::SYS_seccomp,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_tgkill,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    pub fn filter(
        rules: impl IntoIterator<Item = (i64, Vec<SeccompRule>)>,
        otherwise: SeccompAction,
        matching: SeccompAction,
    ) -> Result<BpfProgram, String> {
        let text = |cause: seccompiler::BackendError| format!("the system calls cannot be limited: {cause}");
        let architecture = std::env::consts::ARCH.try_into().map_err(text)?;
        let filter =
            SeccompFilter::new(rules.into_iter().collect(), otherwise, matching, architecture).map_err(text)?;
        filter.try_into().map_err(text)
    }

    /// A thread of this process, not a process of its own.
    pub fn threads_only() -> Result<SeccompRule, String> {
        let flag = u64::from(libc::CLONE_THREAD.unsigned_abs());
        let flagged = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag);
        flagged.and_then(|flagged| SeccompRule::new(vec![flagged])).map_err(|cause| cause.to_string())
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Set for the process that confines itself.
    const CONFINED: &str = "KINORA_TEST_CONFINED";

    /// Runs itself again, since what is given up is given up for good.
    #[test]
    fn a_confined_process_computes_in_threads_and_reaches_nothing() {
        if std::env::var_os(CONFINED).is_some() {
            return confined();
        }
        let (_, module) = module_path!().split_once("::").unwrap();
        let name = format!("{module}::a_confined_process_computes_in_threads_and_reaches_nothing");
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", &name, "--nocapture"]).env(CONFINED, "yes").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        for line in
            ["read: false", "write: false", "connect: false", "run: false", "thread: 6000000", "allocate: false"]
        {
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
    }
}
