//! Compiling a component, in a child process of its own.
//!
//! Cranelift is not covered by wasmtime's promise of security against hostile input, and some modules take gigabytes or
//! minutes. So the host starts itself again as a compiler with an empty environment, confined to memory and processor
//! time ([`super::confine`]), a component on standard input and machine code on standard output; nothing else.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::engine::engine;
use crate::error::Error;
use crate::limits::Limits;
use crate::module::confine::confine;

/// The hidden subcommand that a host starts itself with.
pub const CHILD_COMMAND: &str = "compile-module";

/// Bytes of what the compiler says about a failure; the rest is cut.
const MESSAGE_BYTES: u64 = 16 << 10;

/// Compiles a component by running `program compile-module`. The result is for [`super::engine::engine`] with the
/// same limits on the same machine.
pub async fn compile(program: &Path, component: Vec<u8>, limits: &Limits) -> Result<Vec<u8>, Error> {
    let failed = |cause: std::io::Error| Error::Compile(format!("the compiler's process failed: {cause}"));
    let mut child = tokio::process::Command::new(program)
        .arg(CHILD_COMMAND)
        .arg(limits.compile_memory_bytes.to_string())
        .arg(limits.compile_seconds.to_string())
        .arg(limits.stack_bytes.to_string())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Error::Compile("the compiler's process has no pipes".into()));
    };
    let feed = async move {
        // A compiler that gives up early closes its end; its exit status says why.
        let _ = stdin.write_all(&component).await;
    };
    let (mut code, mut message) = (Vec::new(), Vec::new());
    let mut stderr = stderr.take(MESSAGE_BYTES);
    let run = async {
        let (_, read, said) = tokio::join!(feed, stdout.read_to_end(&mut code), stderr.read_to_end(&mut message));
        read.and(said).map_err(failed)?;
        child.wait().await.map_err(failed)
    };
    let Ok(status) = tokio::time::timeout(Duration::from_secs(limits.compile_seconds), run).await else {
        let seconds = limits.compile_seconds;
        return Err(Error::Compile(format!("it takes longer than {seconds} s, the limit sandbox.compile_seconds")));
    };
    match status? {
        status if status.success() => Ok(code),
        status => {
            let said = String::from_utf8_lossy(&message);
            let said = said.trim();
            let (bytes, seconds) = (limits.compile_memory_bytes, limits.compile_seconds);
            let hint = format!("(limits: sandbox.compile_memory_bytes {bytes}, sandbox.compile_seconds {seconds})");
            Err(Error::Compile(format!("the compiler ended with {status}: {said} {hint}")))
        }
    }
}

/// The child's side: reads a component from standard input, writes machine code to standard output.
///
/// Arguments: bytes of address space, seconds of processor time, bytes of guest stack.
pub fn compile_child(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
    let (Some(memory_bytes), Some(seconds), Some(stack_bytes)) = (number(), number(), number()) else {
        eprintln!("{CHILD_COMMAND} is for the host's own use");
        return ExitCode::from(2);
    };
    match child(memory_bytes, Duration::from_secs(seconds), stack_bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn child(memory_bytes: u64, time: Duration, stack_bytes: u64) -> Result<(), String> {
    let text = |cause: std::io::Error| cause.to_string();
    confine(memory_bytes, time)?;
    let mut component = Vec::new();
    std::io::stdin().read_to_end(&mut component).map_err(text)?;
    let limits = Limits { stack_bytes: usize::try_from(stack_bytes).unwrap_or(usize::MAX), ..Limits::default() };
    let engine = engine(&limits).map_err(|error| error.to_string())?;
    let code = engine.precompile_component(&component).map_err(|cause| format!("{cause:#}"))?;
    std::io::stdout().write_all(&code).map_err(text)
}
