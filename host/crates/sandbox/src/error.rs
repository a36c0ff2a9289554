//! Errors of a module (an [`Error`], told to whoever uploads) and of a call of a guest (a [`Failure`], which becomes
//! the fault of a projection's version).

use std::sync::Arc;

use kinora_types::{Exhausted, Position};

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("the upload is not WebAssembly: {0}")]
    NotWasm(String),
    #[error("the module has {actual} bytes, the limit sandbox.module_bytes is {limit}")]
    TooLarge { actual: usize, limit: usize },
    #[error("the module imports what Kinora does not offer: {}", .0.join(", "))]
    ForeignImports(Vec<String>),
    #[error("the module lacks exports of the contract: {0}")]
    MissingExports(String),
    #[error("the module does not fit the contract: {0}")]
    Contract(String),
    #[error(
        "the module was built for kinora:engine@{built_for}, and this host runs modules of kinora:engine@{wanted}: \
         build it anew with the current SDK"
    )]
    OtherContract { built_for: String, wanted: &'static str },
    #[error("the module could not be compiled: {0}")]
    Compile(String),
    #[error("describe() failed: {0}")]
    Describe(String),
    #[error("the manifest is not valid: {0}")]
    Manifest(String),
    #[error("module {0} is not known")]
    Unknown(kinora_types::Digest),
    #[error("module {0} is still being compiled")]
    Compiling(kinora_types::Digest),
    #[error("{waiting} modules are compiled or wait for that already, the limit is sandbox.compiles_waiting")]
    Busy { waiting: usize },
    #[error("there is no room for another module: the limit {limit} is {value}")]
    TooMany { limit: &'static str, value: u64 },
    #[error(
        "the host ended {ends} times while it was compiled or asked what it is, so it is not tried again by itself"
    )]
    Quarantined { ends: u32 },
    #[error("the host was started without guests, so it was not asked what it is")]
    NotTried,
    #[error("module {digest} was refused: {why}")]
    Refused { digest: kinora_types::Digest, why: Box<Error> },
    /// `actual` and `wanted` are a noun with its article.
    #[error("module {digest} is {actual}, not {wanted}")]
    WrongKind { digest: kinora_types::Digest, actual: &'static str, wanted: &'static str },
    #[error("the WebAssembly engine could not be set up: {0}")]
    Engine(String),
    #[error("the module store at {path} failed: {cause}")]
    Store { path: String, cause: String },
}

/// Which rule a guest broke, or which limit it hit. Stable: it stands in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// The guest itself reported that it cannot handle an event.
    Fault,
    Panic,
    Trap,
    Fuel,
    /// It took longer than it may, by the clock.
    Time,
    /// Nobody waits for it any more: it was ended, and nothing is wrong.
    Cancelled,
    Memory,
    Stack,
    Table,
    /// The guest broke a rule of the contract or a limit on rows, keys, values or outputs.
    Rule,
    /// An event that is neither handled, nor ignored, nor brought to a handled one by an upcaster.
    UnknownEvent,
    Upcast,
    /// The rows depend on batches or restarts.
    Nondeterministic,
    /// The projector declares that its rows depend on one partition only, and they do not.
    Partition,
    /// The host has ended while it ran, and more than once.
    Quarantined,
    /// The host's own trouble: the log or the read model cannot be read or written.
    Storage,
}

impl Category {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Panic => "panic",
            Self::Trap => "trap",
            Self::Fuel => "fuel-limit",
            Self::Time => "time-limit",
            Self::Cancelled => "cancelled",
            Self::Memory => "memory-limit",
            Self::Stack => "stack-limit",
            Self::Table => "table-limit",
            Self::Rule => "contract",
            Self::UnknownEvent => "unknown-event",
            Self::Upcast => "upcast",
            Self::Nondeterministic => "nondeterministic",
            Self::Partition => "partition",
            Self::Quarantined => "quarantined",
            Self::Storage => "storage",
        }
    }
}

/// Where in a guest a call ended: known by the names of functions, and for whoever takes the time by files and lines.
pub trait Frames: std::fmt::Debug + Send + Sync {
    /// The functions, innermost first, with file and line where the module says them. Starts a process, and waits for
    /// it.
    fn with_lines(&self) -> Vec<String>;
}

/// Why a call of a guest did not end well.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub category: Category,
    /// The event, where the guest or the host knows it.
    pub position: Option<Position>,
    pub message: String,
    /// The guest's functions that it happened in, innermost first.
    pub backtrace: Box<[String]>,
    /// The same, for whoever wants to know files and lines.
    pub frames: Option<Arc<dyn Frames>>,
    /// The limit that was in the way, if one was.
    pub limit: Option<Box<Exceeded>>,
}

/// A limit that somebody wanted to go beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Its name within `sandbox`.
    pub name: &'static str,
    pub value: u64,
}

impl Exceeded {
    /// How to have more of it.
    pub fn hint(&self) -> String {
        format!(
            "if it needs that much, start the host with --limit sandbox.{}=N for an N above {}",
            self.name, self.value
        )
    }
}

/// What is wrong with a module, as the fault of a version that waited for it.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let category = if let Error::WrongKind { .. } = error { Category::Upcast } else { Category::Rule };
        Self::new(category, error.to_string())
    }
}

impl Failure {
    pub fn new(category: Category, message: impl Into<String>) -> Self {
        let (position, backtrace, frames, limit) = Default::default();
        Self { category, position, message: message.into(), backtrace, frames, limit }
    }

    /// More than a limit of the sandbox allows.
    pub fn over(category: Category, what: impl std::fmt::Display, name: &'static str, value: u64) -> Self {
        let message = format!("{what}; the limit sandbox.{name} is {value}");
        Self { limit: Some(Box::new(Exceeded { name, value })), ..Self::new(category, message) }
    }

    /// Ended by the budget that it has from whoever waits for it.
    pub fn exhausted(why: Exhausted) -> Self {
        let category = if why == Exhausted::Cancelled { Category::Cancelled } else { Category::Time };
        Self::new(category, why.to_string())
    }

    /// The guest's functions that it happened in, with file and line where the module knows them. Blocks.
    pub fn backtrace_with_lines(&self) -> Vec<String> {
        self.frames.as_ref().map_or_else(|| self.backtrace.to_vec(), |frames| frames.with_lines())
    }

    /// Whether it was ended only because nobody waits for it any more.
    pub fn is_cancelled(&self) -> bool {
        self.category == Category::Cancelled
    }

    pub fn storage(cause: impl std::fmt::Display) -> Self {
        Self::new(Category::Storage, cause.to_string())
    }

    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }
}
