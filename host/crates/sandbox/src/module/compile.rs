//! Compiling a module, and checking an upload: by a child process, which has as long as it may.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::Error;
use crate::limits::Limits;
use crate::module::child::{Task, Verdict, arguments, verdict};
use crate::module::manifest::Kind;

/// Bytes of what the compiler says about a failure; the rest is cut.
const MESSAGE_BYTES: u64 = 16 << 10;

/// How much larger than a module its machine code is at most, and how large that of a small one.
const CODE_FACTOR: u64 = 64;
const CODE_BYTES: u64 = 64 << 20;

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
        .args(arguments(task, limits))
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
    match verdict(said)? {
        (Verdict::Accepted(kind), code) => Ok((kind, code)),
        _ => Err(Error::Compile("the compiler's process says something else than it was asked".into())),
    }
}
