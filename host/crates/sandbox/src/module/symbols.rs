//! Symbols of a module: whoever wants to know where in its source a call ended starts the compiler's process for it.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::limits::Limits;
use crate::module::child::{Task, Verdict, arguments, verdict};
use crate::module::lines::Line;

/// Bytes of memory and time that a look into debug information may take.
const MEMORY_BYTES: u64 = 1 << 30;
const TIME: Duration = Duration::from_secs(10);

/// Bytes of what it says.
const ANSWER_BYTES: u64 = 1 << 20;

/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(2);

/// Where the debug information of a module is, and who reads it.
#[derive(Debug)]
pub struct Symbols {
    pub compiler: PathBuf,
    /// What was uploaded.
    pub source: PathBuf,
    pub limits: Arc<Limits>,
}

impl Symbols {
    /// The lines of places in a module, or nothing if they cannot be found in time. Blocks.
    pub fn lines(&self, offsets: &[u64]) -> Vec<Vec<Line>> {
        if offsets.is_empty() {
            return Vec::new();
        }
        self.ask(offsets).filter(|lines| lines.len() == offsets.len()).unwrap_or_default()
    }

    fn ask(&self, offsets: &[u64]) -> Option<Vec<Vec<Line>>> {
        let source = std::fs::read(&self.source).ok()?;
        let limits =
            Limits { compile_memory_bytes: MEMORY_BYTES, compile_seconds: TIME.as_secs(), ..(*self.limits).clone() };
        let mut child = Command::new(&self.compiler)
            .args(arguments(Task::Lines, &limits))
            .args(offsets.iter().map(u64::to_string))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
        std::thread::scope(|scope| {
            // One that gives up early closes its end.
            scope.spawn(move || drop(stdin.write_all(&source)));
            let answer = scope.spawn(move || {
                let mut answer = Vec::new();
                stdout.take(ANSWER_BYTES).read_to_end(&mut answer).map(|_| answer).ok()
            });
            let began = Instant::now();
            while !answer.is_finished() && began.elapsed() < TIME {
                std::thread::sleep(LOOK);
            }
            let _ = child.kill();
            let _ = child.wait();
            match verdict(answer.join().ok()??).ok()? {
                (Verdict::Lines(lines), _) => Some(lines),
                _ => None,
            }
        })
    }
}
