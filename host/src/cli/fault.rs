//! A fault as people read it.

use std::fmt;

use kinora_client::api::versions::Fault;

use crate::cli::output::clean;

pub struct Described<'a>(pub &'a Fault);

impl fmt::Display for Described<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.0;
        write!(formatter, "  category: {}", fault.category)?;
        if let Some(position) = fault.position {
            write!(formatter, "\n  position: {position}")?;
        }
        if let Some(kind) = &fault.event_type {
            write!(formatter, "\n  event:    {kind}")?;
        }
        if let Some(schema) = fault.schema {
            write!(formatter, " schema {schema}")?;
        }
        if let Some(stream) = &fault.stream {
            write!(formatter, "\n  stream:   {}", clean(stream))?;
        }
        write!(formatter, "\n  message:  {}", fault.message.trim_end().replace('\n', "\n            "))?;
        fault.backtrace.iter().try_for_each(|frame| write!(formatter, "\n    at {}", clean(frame)))?;
        if fault.hint.is_empty() { Ok(()) } else { write!(formatter, "\n  hint:     {}", clean(&fault.hint)) }
    }
}
