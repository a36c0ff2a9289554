//! A fault: why a version stopped, and what to do about it.

use serde::{Deserialize, Serialize};

use kinora_sandbox::{Category, Failure};
use kinora_types::EventType;

/// Why a version stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Stable, such as `panic` or `unknown-event`.
    pub category: String,
    /// The event that could not be handled, where one is to blame.
    pub position: Option<u64>,
    pub event_type: Option<String>,
    pub schema: Option<u32>,
    #[serde(default)]
    pub stream: Option<String>,
    pub message: String,
    /// Where in the guest it happened, innermost first.
    #[serde(default)]
    pub backtrace: Vec<String>,
    /// The limit that was in the way, if one was.
    #[serde(default)]
    pub limit: Option<LimitHit>,
    /// What to do about it.
    #[serde(default)]
    pub hint: String,
}

/// A limit of the sandbox that a guest hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitHit {
    /// Its name within `sandbox`.
    pub name: String,
    pub value: u64,
}

impl Fault {
    pub fn new(failure: &Failure, event: Option<EventType>) -> Self {
        let (event_type, schema) = event.map(|event| (event.name, event.schema)).unzip();
        Self {
            category: failure.category.as_str().to_owned(),
            position: failure.position.map(|position| position.0),
            event_type,
            schema,
            message: failure.message.clone(),
            backtrace: failure.backtrace_with_lines(),
            limit: failure.limit.as_ref().map(|limit| LimitHit { name: limit.name.to_owned(), value: limit.value }),
            hint: hint(failure),
            stream: None,
        }
    }

    /// Whether it would happen again in the same place. The host's own trouble, such as a full disk, may have passed.
    pub fn is_lasting(&self) -> bool {
        self.category != Category::Storage.as_str()
    }

    /// Whether one event is to blame, whatever comes before and after it.
    pub fn is_of_one_event(&self) -> bool {
        let others = [Category::Storage, Category::Nondeterministic, Category::Partition];
        self.position.is_some() && others.iter().all(|other| self.category != other.as_str())
    }
}

/// What can be done about a failure.
fn hint(failure: &Failure) -> String {
    if let Some(limit) = &failure.limit {
        return format!("mend the guest and deploy it again; {}, and resume this version", limit.hint());
    }
    let hint = match failure.category {
        Category::Storage => "look at the host's output and its disk, then resume this version",
        Category::UnknownEvent => "handle or ignore the type, or add an upcaster, and deploy again",
        Category::Quarantined => {
            "look why the host ended (its output, its memory, the kernel's log), then resume the version for one more \
             time, or retire it and deploy a mended one"
        }
        Category::Nondeterministic => "mend the projector and deploy it again; nothing else is affected",
        _ if failure.position.is_some() => {
            "`kinora repro` runs the event alone: mend the guest and deploy it again, or skip the event for a reason"
        }
        _ => "mend the guest and deploy it again; nothing else is affected",
    };
    hint.to_owned()
}
