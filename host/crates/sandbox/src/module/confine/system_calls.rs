//! The system calls that a compiler needs, and of those that reach others only what is about itself.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// Memory, threads, time, the pipes, and the end.
const ALLOWED: [i64; 32] = [
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
    libc::SYS_getrusage,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What a process may change of itself: the names of its threads and of its memory.
const NAMED: [libc::c_int; 2] = [libc::PR_SET_NAME, libc::PR_SET_VMA];

/// From now on every other system call is refused, in this thread and those that it starts.
pub fn limit() -> Result<(), String> {
    let text = |cause: seccompiler::Error| format!("the system calls cannot be limited: {cause}");
    // Threads are started with clone, whose arguments a filter can see; clone3 hides them in memory. The C library
    // takes the older call where the newer one does not exist. Of two filters that refuse, the one that came last says
    // how.
    let clone3 = filter([(libc::SYS_clone3, Vec::new())], SeccompAction::Allow, missing())?;
    let mut allowed: Vec<_> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    allowed.push((libc::SYS_clone, vec![threads_only()?]));
    allowed.push((libc::SYS_clone3, Vec::new()));
    // Its own signals: an abort, for one. No process has the number 0 but whoever asks.
    allowed.push((libc::SYS_tgkill, vec![first_is(u64::from(std::process::id()))?]));
    allowed.push((libc::SYS_prlimit64, vec![first_is(0)?]));
    let named = NAMED.iter().map(|option| first_is(u64::from(option.unsigned_abs())));
    allowed.push((libc::SYS_prctl, named.collect::<Result<_, _>>()?));
    let others = filter(allowed, refused(), SeccompAction::Allow)?;
    apply_filter(&clone3).map_err(text)?;
    apply_filter(&others).map_err(text)
}

fn missing() -> SeccompAction {
    SeccompAction::Errno(libc::ENOSYS.unsigned_abs())
}

/// An error rather than the end: libraries ask for what they can do without, such as the number of processors.
fn refused() -> SeccompAction {
    SeccompAction::Errno(libc::EPERM.unsigned_abs())
}

fn filter(
    rules: impl IntoIterator<Item = (i64, Vec<SeccompRule>)>,
    otherwise: SeccompAction,
    matching: SeccompAction,
) -> Result<BpfProgram, String> {
    let text = |cause: seccompiler::BackendError| format!("the system calls cannot be limited: {cause}");
    let architecture = std::env::consts::ARCH.try_into().map_err(text)?;
    let filter = SeccompFilter::new(rules.into_iter().collect(), otherwise, matching, architecture).map_err(text)?;
    filter.try_into().map_err(text)
}

/// A thread of this process, not a process of its own.
fn threads_only() -> Result<SeccompRule, String> {
    let flag = u64::from(libc::CLONE_THREAD.unsigned_abs());
    rule(SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag))
}

/// A call whose first argument is this number.
fn first_is(number: u64) -> Result<SeccompRule, String> {
    rule(SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, number))
}

fn rule(condition: Result<SeccompCondition, seccompiler::BackendError>) -> Result<SeccompRule, String> {
    condition.and_then(|condition| SeccompRule::new(vec![condition])).map_err(|cause| cause.to_string())
}
