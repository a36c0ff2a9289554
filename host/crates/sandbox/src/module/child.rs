//! The compiler's process: a child of the host, in which everything happens that looks into an upload.
//!
//! Neither parsers nor Cranelift are covered by wasmtime's promise of security against hostile input, and some modules
//! take gigabytes or minutes. So the host starts itself again with an empty environment, confined to memory and
//! processor time ([`super::confine`]), an upload on standard input and what it says of it on standard output: a line
//! of JSON, and then machine code. Nothing else.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::engine;
use crate::error::Error;
use crate::limits::Limits;
use crate::module::component::{CONTRACT_VERSION, componentize};
use crate::module::confine::{confine, isolated};
use crate::module::lines::{Line, lines};
use crate::module::manifest::Kind;

/// The hidden subcommand that a host starts itself with.
pub const CHILD_COMMAND: &str = "compile-module";

/// What the child is to do with an upload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Say what it is.
    Check,
    /// Make machine code of it, too.
    Compile,
    /// Say where in its source some places of it are.
    Lines,
}

impl Task {
    const ALL: [Self; 3] = [Self::Check, Self::Compile, Self::Lines];

    fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Compile => "compile",
            Self::Lines => "lines",
        }
    }
}

/// What the child says of an upload, in a line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted(Kind),
    Refused(Refusal),
    Lines(Vec<Vec<Line>>),
}

/// Why an upload is refused, as it comes out of the child.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
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

/// What the program is started with for a task: the task; bytes of address space, seconds of processor time, bytes of
/// guest stack, bytes of a module.
pub fn arguments(task: Task, limits: &Limits) -> [String; 6] {
    let Limits { compile_memory_bytes, compile_seconds, stack_bytes, module_bytes, .. } = limits;
    let [memory, seconds] = [compile_memory_bytes, compile_seconds].map(u64::to_string);
    let [stack, module] = [stack_bytes, module_bytes].map(usize::to_string);
    [CHILD_COMMAND.to_owned(), task.as_str().to_owned(), memory, seconds, stack, module]
}

/// Takes the line from what comes after it.
pub fn verdict(mut said: Vec<u8>) -> Result<(Verdict, Vec<u8>), Error> {
    let unclear = || Error::Compile("the compiler's process does not say what the module is".into());
    let end = said.iter().position(|byte| *byte == b'\n').ok_or_else(unclear)?;
    let code = said.split_off(end + 1);
    match serde_json::from_slice(&said).map_err(|_| unclear())? {
        Verdict::Refused(refusal) => Err(refusal.into()),
        verdict => Ok((verdict, code)),
    }
}

/// The child's side: reads an upload from standard input, says what it is on standard output, and after that its
/// machine code.
///
/// Arguments: see [`arguments`]; after them, offsets of places whose lines are wanted.
pub fn compile_child(arguments: impl Iterator<Item = String>) -> ExitCode {
    let mut arguments: Vec<String> = arguments.collect();
    // Where the kernel allows that, all of this happens in a process that sees no other one.
    if let Some(ended) = isolated(CHILD_COMMAND, &mut arguments) {
        return ended;
    }
    let [task, numbers @ ..] = arguments.as_slice() else { return misused() };
    let numbers: Result<Vec<u64>, _> = numbers.iter().map(|text| text.parse()).collect();
    let Ok([memory_bytes, seconds, stack_bytes, module_bytes, offsets @ ..]) = numbers.as_deref() else {
        return misused();
    };
    let Some(task) = Task::ALL.into_iter().find(|known| known.as_str() == task) else { return misused() };
    let bytes = |limit: &u64| usize::try_from(*limit).unwrap_or(usize::MAX);
    let limits = Limits { stack_bytes: bytes(stack_bytes), module_bytes: bytes(module_bytes), ..Limits::default() };
    match confine(*memory_bytes, Duration::from_secs(*seconds)).and_then(|()| child(task, &limits, offsets)) {
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

fn child(task: Task, limits: &Limits, offsets: &[u64]) -> Result<(), String> {
    let text = |cause: std::io::Error| cause.to_string();
    let mut upload = Vec::new();
    std::io::stdin().read_to_end(&mut upload).map_err(text)?;
    let (component, kind) = match componentize(&upload, limits) {
        Ok(made) => made,
        Err(why) => return say(&Verdict::Refused(why.into())),
    };
    drop(upload);
    match task {
        Task::Check => return say(&Verdict::Accepted(kind)),
        Task::Lines => return say(&Verdict::Lines(lines(&component, offsets))),
        Task::Compile => {}
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
