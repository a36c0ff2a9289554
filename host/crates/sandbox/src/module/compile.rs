//! Compiling a module, in a child process of its own: everything that looks into an upload.
//!
//! Neither parsers nor Cranelift are covered by wasmtime's promise of security against hostile input, and some modules
//! take gigabytes or minutes. So the host starts itself again with an empty environment, confined to memory and
//! processor time ([`super::confine`]), an upload on standard input and what it says of it on standard output: a line
//! of JSON, and then machine code. Nothing else.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::engine::engine;
use crate::error::Error;
use crate::limits::Limits;
use crate::module::component::{CONTRACT_VERSION, componentize};
use crate::module::confine::{confine, isolated};
use crate::module::manifest::Kind;

/// The hidden subcommand that a host starts itself with.
pub const CHILD_COMMAND: &str = "compile-module";

/// Bytes of what the compiler says about a failure; the rest is cut.
const MESSAGE_BYTES: u64 = 16 << 10;

/// How much larger than a module its machine code is at most, and how large that of a small one.
const CODE_FACTOR: u64 = 64;
const CODE_BYTES: u64 = 64 << 20;

/// What the child is to do with an upload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Say what it is.
    Check,
    /// Make machine code of it, too.
    Compile,
}

impl Task {
    fn as_str(self) -> &'static str {
        if self == Self::Check { "check" } else { "compile" }
    }
}

/// What the child says of an upload, in a line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Accepted(Kind),
    Refused(Refusal),
}

/// Why an upload is refused, as it comes out of the child.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Refusal {
    NotWasm(String),
    TooLarge { actual: usize, limit: usize },
    ForeignImports(Vec<String>),
    MissingExports(String),
    OtherContract(String),
    Contract(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::NotWasm(why) => Self::NotWasm(why),
            Error::TooLarge { actual, limit } => Self::TooLarge { actual, limit },
            Error::ForeignImports(names) => Self::ForeignImports(names),
            Error::MissingExports(which) => Self::MissingExports(which),
            Error::OtherContract { built_for, .. } => Self::OtherContract(built_for),
            Error::Contract(why) => Self::Contract(why),
            other => Self::Contract(other.to_string()),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotWasm(why) => Self::NotWasm(why),
            Refusal::TooLarge { actual, limit } => Self::TooLarge { actual, limit },
            Refusal::ForeignImports(names) => Self::ForeignImports(names),
            Refusal::MissingExports(which) => Self::MissingExports(which),
            Refusal::OtherContract(built_for) => Self::OtherContract { built_for, wanted: CONTRACT_VERSION },
            Refusal::Contract(why) => Self::Contract(why),
        }
    }
}

/// Says what an upload is, or why it is refused, by running `program compile-module`.
pub async fn check(program: &Path, upload: Vec<u8>, limits: &Limits) -> Result<Kind, Error> {
    run(program, Task::Check, upload, limits).await.map(|(kind, _)| kind)
}

/// Compiles an upload in the same way. The result is for [`super::engine::engine`] with the same limits on the same
/// machine.
pub async fn compile(program: &Path, upload: Vec<u8>, limits: &Limits) -> Result<(Kind, Vec<u8>), Error> {
    run(program, Task::Compile, upload, limits).await
}

async fn run(program: &Path, task: Task, upload: Vec<u8>, limits: &Limits) -> Result<(Kind, Vec<u8>), Error> {
    let failed = |cause: std::io::Error| Error::Compile(format!("the compiler's process failed: {cause}"));
    let mut child = tokio::process::Command::new(program)
        .arg(CHILD_COMMAND)
        .arg(task.as_str())
        .args([limits.compile_memory_bytes, limits.compile_seconds].map(|limit| limit.to_string()))
        .args([limits.stack_bytes, limits.module_bytes].map(|limit| limit.to_string()))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Error::Compile("the compiler's process has no pipes".into()));
    };
    let most = (upload.len() as u64).saturating_mul(CODE_FACTOR).saturating_add(CODE_BYTES);
    let feed = async move {
        // A compiler that gives up early closes its end; its exit status says why.
        let _ = stdin.write_all(&upload).await;
    };
    let (mut said, mut message) = (Vec::new(), Vec::new());
    let (mut stdout, mut stderr) = (stdout.take(most), stderr.take(MESSAGE_BYTES));
    let run = async {
        let (_, read, told) = tokio::join!(feed, stdout.read_to_end(&mut said), stderr.read_to_end(&mut message));
        read.and(told).map_err(failed)?;
        // One that has more to say hears that nobody listens.
        drop((stdout, stderr));
        child.wait().await.map_err(failed)
    };
    let Ok(status) = tokio::time::timeout(Duration::from_secs(limits.compile_seconds), run).await else {
        let seconds = limits.compile_seconds;
        return Err(Error::Compile(format!("it takes longer than {seconds} s, the limit sandbox.compile_seconds")));
    };
    let status = status?;
    if !status.success() {
        let message = String::from_utf8_lossy(&message);
        let message = message.trim();
        let (bytes, seconds) = (limits.compile_memory_bytes, limits.compile_seconds);
        let hint = format!("(limits: sandbox.compile_memory_bytes {bytes}, sandbox.compile_seconds {seconds})");
        return Err(Error::Compile(format!("the compiler ended with {status}: {message} {hint}")));
    }
    verdict(said)
}

/// Takes the line from what comes after it.
fn verdict(mut said: Vec<u8>) -> Result<(Kind, Vec<u8>), Error> {
    let unclear = || Error::Compile("the compiler's process does not say what the module is".into());
    let end = said.iter().position(|byte| *byte == b'\n').ok_or_else(unclear)?;
    let code = said.split_off(end + 1);
    match serde_json::from_slice(&said).map_err(|_| unclear())? {
        Verdict::Accepted(kind) => Ok((kind, code)),
        Verdict::Refused(refusal) => Err(refusal.into()),
    }
}

/// The child's side: reads an upload from standard input, says what it is on standard output, and after that its
/// machine code.
///
/// Arguments: the task, `check` or `compile`; bytes of address space, seconds of processor time, bytes of guest stack, bytes of a module.
pub fn compile_child(arguments: impl Iterator<Item = String>) -> ExitCode {
    let mut arguments: Vec<String> = arguments.collect();
    // Where the kernel allows that, all of this happens in a process that sees no other one.
    if let Some(ended) = isolated(CHILD_COMMAND, &mut arguments) {
        return ended;
    }
    let [task, numbers @ ..] = arguments.as_slice() else { return misused() };
    let numbers: Result<Vec<u64>, _> = numbers.iter().map(|text| text.parse()).collect();
    let Ok([memory_bytes, seconds, stack_bytes, module_bytes]) = numbers.as_deref() else { return misused() };
    let task = if task == Task::Check.as_str() { Task::Check } else { Task::Compile };
    let bytes = |limit: &u64| usize::try_from(*limit).unwrap_or(usize::MAX);
    let limits = Limits { stack_bytes: bytes(stack_bytes), module_bytes: bytes(module_bytes), ..Limits::default() };
    match confine(*memory_bytes, Duration::from_secs(*seconds)).and_then(|()| child(task, &limits)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn misused() -> ExitCode {
    eprintln!("{CHILD_COMMAND} is for the host's own use");
    ExitCode::from(2)
}

fn child(task: Task, limits: &Limits) -> Result<(), String> {
    let text = |cause: std::io::Error| cause.to_string();
    let mut upload = Vec::new();
    std::io::stdin().read_to_end(&mut upload).map_err(text)?;
    let (component, kind) = match componentize(&upload, limits) {
        Ok(made) => made,
        Err(why) => return say(&Verdict::Refused(why.into())),
    };
    drop(upload);
    if task == Task::Check {
        return say(&Verdict::Accepted(kind));
    }
    let engine = engine(limits).map_err(|error| error.to_string())?;
    let code = engine.precompile_component(&component).map_err(|cause| format!("{cause:#}"))?;
    say(&Verdict::Accepted(kind))?;
    std::io::stdout().write_all(&code).map_err(text)
}

fn say(verdict: &Verdict) -> Result<(), String> {
    let mut line = serde_json::to_vec(verdict).map_err(|cause| cause.to_string())?;
    line.push(b'\n');
    std::io::stdout().write_all(&line).map_err(|cause| cause.to_string())
}
