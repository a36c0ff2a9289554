//! All attacks by their names.

use futures::future::BoxFuture;

use crate::target::Target;
use crate::{bodies, connections, floods, guests, questions, readers};

pub struct Attack {
    pub name: &'static str,
    /// Goes on for ever.
    pub go: fn(Target) -> BoxFuture<'static, ()>,
}

pub const ATTACKS: [Attack; 16] = [
    Attack { name: "slow loris", go: |at| Box::pin(connections::slow_loris(at)) },
    Attack { name: "idle connections", go: |at| Box::pin(connections::idle(at)) },
    Attack { name: "stalled bodies of 32 MiB", go: |at| Box::pin(bodies::stalled(at)) },
    Attack { name: "bodies that trickle", go: |at| Box::pin(bodies::trickling(at)) },
    Attack { name: "bombs", go: |at| Box::pin(bodies::bombs(at)) },
    Attack { name: "deaf readers of lines", go: |at| Box::pin(readers::of_lines(at)) },
    Attack { name: "deaf followers", go: |at| Box::pin(readers::of_messages(at)) },
    Attack { name: "thousands of values", go: |at| Box::pin(questions::many_values(at)) },
    Attack { name: "huge limits", go: |at| Box::pin(questions::huge_limits(at)) },
    Attack { name: "deep filters", go: |at| Box::pin(questions::deep_filters(at)) },
    Attack { name: "comparisons nobody waits for", go: |at| Box::pin(questions::abandoned(at)) },
    Attack { name: "flood of questions", go: |at| Box::pin(floods::of_questions(at)) },
    Attack { name: "flood of appends", go: |at| Box::pin(floods::of_appends(at)) },
    Attack { name: "flood of keys", go: |at| Box::pin(floods::of_keys(at)) },
    Attack { name: "uploads of garbage", go: |at| Box::pin(guests::garbage(at)) },
    Attack { name: "endless guests", go: |at| Box::pin(guests::endless(at)) },
];
