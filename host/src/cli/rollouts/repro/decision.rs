//! A bundle of a command: decided here as it was there, or by another module.

use std::path::PathBuf;

use anyhow::Context;
use kinora_decision::{Bundle, Decision, rerun};
use serde_json::json;

use crate::cli::output::{Output, clean};

/// Whether there is a decision; if not, the decider fails here, too.
pub async fn run(
    output: &mut Output,
    bytes: &[u8],
    module: Option<Vec<u8>>,
    compiler: PathBuf,
) -> anyhow::Result<bool> {
    let bundle: Bundle = serde_json::from_slice(bytes).context("this is not a bundle of a command")?;
    let decision = rerun(&bundle, module, compiler).await?;
    let command = &bundle.command;
    if output.is_json() {
        let (name, aggregate) = (&command.name, &command.aggregate);
        output.json(&json!({"command": name, "aggregate": aggregate, "decision": decision}).to_string())?;
    } else {
        let (name, aggregate) = (clean(&command.name), clean(&command.aggregate));
        let events = bundle.events.len();
        output.line(format_args!("{name} of {aggregate}, decided on {events} events: {}", command.data))?;
        print(output, &decision)?;
    }
    output.flush()?;
    Ok(!matches!(decision, Decision::Failed { .. }))
}

fn print(output: &mut Output, decision: &Decision) -> anyhow::Result<()> {
    match decision {
        Decision::Accepted { events } => {
            output.line("it is accepted")?;
            events.iter().try_for_each(|event| {
                let stream = event.stream.as_deref().unwrap_or("of its aggregate");
                output.line(format_args!("  {}  {}  {}", clean(stream), clean(&event.kind), clean(event.data.get())))
            })
        }
        Decision::Unchanged => output.line("it changes nothing"),
        Decision::Rejected { code, message } => {
            output.line(format_args!("it is rejected: {}: {}", clean(code), clean(message)))
        }
        Decision::Wants { scopes } => {
            let scopes: Vec<String> = scopes.iter().map(|scope| clean(&scope.to_string())).collect();
            output.line(format_args!("it has to see what is not in the bundle, or too much: {}", scopes.join(", ")))
        }
        Decision::Failed { category, message, backtrace } => {
            output.line(format_args!("{}: {}", clean(category), clean(message)))?;
            backtrace.iter().try_for_each(|frame| output.line(format_args!("    at {}", clean(frame))))
        }
    }
}
