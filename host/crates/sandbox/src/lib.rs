//! The sandbox for other people's code: projectors and upcasters, as WebAssembly components without any capability
//! but the rows that they are handed.
//!
//! The way of a module: `module::component` checks the uploaded bytes and makes a component of them,
//! `module::compile` turns that into machine code in a child process, [`Modules`] keeps both by digest and knows
//! which of the two a [`Module`] is, `run::instance` runs it under [`Limits`].
//!
//! This crate knows nothing of projections, checkpoints or HTTP. What `rows` means for a guest is behind the
//! [`RowAccess`] trait.

mod engine;
mod error;
mod limits;
mod module;
mod run;

pub use error::{Category, Error, Exceeded, Failure, Frames};
pub use limits::Limits;
pub use module::child::{CHILD_COMMAND, compile_child};
pub use module::manifest::{
    ClaimSpec, CommandSpec, DeciderManifest, EmittedSpec, Kind, Manifest, NamedQuery, Needs, OwnScope, Partition,
    ProjectorManifest, Step, UpcasterManifest,
};
pub use module::modules::{ModuleState, Modules, Opening, Status};
pub use module::schemas::{DeciderSchemas, RowSchemas, Schemas};
pub use module::typed::{DeciderModule, Module, ProjectorModule, UpcasterModule};
pub use run::access::{Most, NoRows, Range, RowAccess, Scanned};
pub use run::bindings::{Batch, Texts, TextsTooLong};
pub use run::decider::{Commands, Decider, DeciderPre, Emitted, EmittedClaim, Outcome, Rejection, Scope};
pub use run::instance::{Projector, ProjectorPre, QueryFailure, Upcasted, Upcaster};
pub use run::usage::Usage;

/// What an upload brings, for fuzzing.
pub mod fuzz {
    pub fn module(bytes: &[u8]) {
        let _ = super::module::component::componentize(bytes, &super::Limits::default());
    }

    /// A schema of a query or of rows, checked against itself.
    pub fn schema(bytes: &[u8]) {
        let Ok(schema) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
        if let Ok(rows) = kinora_types::RowSchema::try_from(schema.clone()) {
            let _ = (rows.shown(), rows.shape().misfit(&schema), rows.shape().nearest("a.b"));
        }
        let text = schema.to_string();
        let arguments = Some(schema);
        let query = super::NamedQuery { name: "q".into(), description: String::new(), arguments, answer: None };
        if let Ok(schemas) = super::Schemas::new(&[query]) {
            let _ = schemas.check_arguments("q", &text);
        }
    }
}
