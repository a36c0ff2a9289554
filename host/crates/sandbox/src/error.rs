//! Errors of a module (an [`Error`], told to whoever uploads) and of a call of a guest (a [`Failure`], which becomes
//! the fault of a projection's version).

use kinora_types::Position;

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
            Self::Memory => "memory-limit",
            Self::Stack => "stack-limit",
            Self::Table => "table-limit",
            Self::Rule => "contract",
            Self::UnknownEvent => "unknown-event",
            Self::Upcast => "upcast",
            Self::Nondeterministic => "nondeterministic",
            Self::Partition => "partition",
            Self::Storage => "storage",
        }
    }
}

/// Why a call of a guest did not end well.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub category: Category,
    /// The event, where the guest or the host knows it.
    pub position: Option<Position>,
    pub message: String,
    /// The guest's functions that it happened in, innermost first, with file and line where the module knows them.
    pub backtrace: Box<[String]>,
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
        Self { category, position: None, message: message.into(), backtrace: Box::default(), limit: None }
    }

    /// More than a limit of the sandbox allows.
    pub fn over(category: Category, what: impl std::fmt::Display, name: &'static str, value: u64) -> Self {
        let message = format!("{what}; the limit sandbox.{name} is {value}");
        Self { limit: Some(Box::new(Exceeded { name, value })), ..Self::new(category, message) }
    }

    pub fn storage(cause: impl std::fmt::Display) -> Self {
        Self::new(Category::Storage, cause.to_string())
    }

    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }
}
