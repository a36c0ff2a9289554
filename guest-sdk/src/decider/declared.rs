//! All that a decider declares: its rules, with the commands and events that its enums have.

use super::deciding::Decider;
use super::kind::Kind;
use super::rules::Rules;
use crate::event::Fault;
use crate::schema::{Variant, read_variants, written_variants};

pub struct Declared {
    pub rules: Rules,
    pub commands: Vec<Kind>,
    /// What is folded, and what may be decided.
    pub events: Vec<Kind>,
}

impl Declared {
    /// # Errors
    /// The enums are not such as can be sent, or the rules name what they do not have.
    pub fn of<D: Decider>() -> Result<Self, Fault> {
        let rules = D::describe();
        let commands = kinds(read_variants::<D::Command>(), "Command")?;
        let mut events = kinds(written_variants::<D::Event>(), "Event")?;
        for (name, version) in &rules.schemas {
            let Some(kind) = events.iter_mut().find(|kind| kind.name == *name) else {
                return Err(Fault::new(format!(
                    "describe() gives the schema of {name:?}, which is no variant of Event"
                )));
            };
            kind.version = *version;
        }
        Ok(Self { rules, commands, events })
    }

    /// Types and schemas of what is folded, for batches of events.
    pub fn folds(&self) -> Vec<(String, u32)> {
        self.events.iter().map(|kind| (kind.name.clone(), kind.version)).collect()
    }
}

fn kinds(variants: Option<Vec<Variant>>, of: &str) -> Result<Vec<Kind>, Fault> {
    let variants = variants.filter(|variants| !variants.is_empty()).ok_or_else(|| {
        Fault::new(format!("{of} is not an enum with variants and #[serde(tag = \"type\", content = \"data\")]"))
    })?;
    let kind = |Variant { name, description, data }| Kind { name, description, version: 1, data };
    Ok(variants.into_iter().map(kind).collect())
}
