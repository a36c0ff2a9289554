//! Modules: what became of them, and what they say of themselves.

use kinora_api::modules as api;
use kinora_projection::Use;
use kinora_sandbox::{
    DeciderManifest, Kind, Manifest, ModuleState, Needs, OwnScope, Partition, ProjectorManifest, Status, Step,
    UpcasterManifest,
};
use kinora_types::EventType;

use crate::edge::problem::Problem;
use crate::wire::{queries, versions};

pub fn module(status: Status) -> api::Module {
    let manifest = status.manifest().map(manifest);
    let mut module = api::Module {
        digest: status.digest,
        state: api::ModuleState::Compiling,
        kind: kind(status.kind),
        bytes: status.bytes,
        compiling_for_ms: None,
        compile_ms: None,
        error: None,
        manifest,
    };
    match status.state {
        ModuleState::Compiling { since } => {
            module.compiling_for_ms = Some(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
        }
        ModuleState::Ready { compile_ms, .. } => {
            module.state = api::ModuleState::Ready;
            module.compile_ms = Some(compile_ms);
        }
        ModuleState::Refused(error) => {
            module.state = api::ModuleState::Refused;
            module.error = Some(Problem::from(error).into());
        }
    }
    module
}

fn kind(kind: Kind) -> api::ModuleKind {
    match kind {
        Kind::Projector => api::ModuleKind::Projector,
        Kind::Upcaster => api::ModuleKind::Upcaster,
        Kind::Decider => api::ModuleKind::Decider,
    }
}

fn manifest(manifest: Manifest) -> api::Manifest {
    match manifest {
        Manifest::Projector(manifest) => api::Manifest::Projector(projector(manifest)),
        Manifest::Upcaster(manifest) => api::Manifest::Upcaster(upcaster(manifest)),
        Manifest::Decider(manifest) => api::Manifest::Decider(decider(manifest)),
    }
}

fn projector(manifest: ProjectorManifest) -> api::ProjectorManifest {
    api::ProjectorManifest {
        name: manifest.name,
        handles: manifest.handles.into_iter().map(event_type).collect(),
        ignores: manifest.ignores,
        tables: manifest.tables.into_iter().map(queries::table).collect(),
        queries: manifest.queries.into_iter().map(queries::named_query).collect(),
        needs: needs(manifest.needs),
        partition: manifest.partition.map(|partition| match partition {
            Partition::Stream => api::Partition::Stream,
            Partition::Tag(start) => api::Partition::Tag(start),
        }),
    }
}

fn upcaster(manifest: UpcasterManifest) -> api::UpcasterManifest {
    let step =
        |step: Step| api::Step { from: event_type(step.from), to: step.to.into_iter().map(event_type).collect() };
    api::UpcasterManifest {
        name: manifest.name,
        steps: manifest.steps.into_iter().map(step).collect(),
        needs: needs(manifest.needs),
    }
}

fn decider(manifest: DeciderManifest) -> api::DeciderManifest {
    api::DeciderManifest {
        name: manifest.name,
        scope: match manifest.scope {
            OwnScope::Category(category) => api::OwnScope::Category(category),
            OwnScope::Tag(prefix) => api::OwnScope::Tag(prefix),
        },
        commands: manifest
            .commands
            .into_iter()
            .map(|command| api::CommandType {
                name: command.name,
                description: command.description,
                schema: command.schema,
            })
            .collect(),
        folds: manifest.folds.into_iter().map(event_type).collect(),
        ignores: manifest.ignores,
        emits: manifest
            .emits
            .into_iter()
            .map(|emitted| api::EmittedType {
                kind: emitted.kind.name,
                schema: emitted.kind.schema,
                data: emitted.schema,
            })
            .collect(),
        claims: manifest
            .claims
            .into_iter()
            .map(|claim| api::ClaimType { scope: claim.scope, code: claim.code, message: claim.message })
            .collect(),
        needs: needs(manifest.needs),
    }
}

fn event_type(kind: EventType) -> api::EventType {
    api::EventType { kind: kind.name, schema: kind.schema }
}

fn needs(needs: Needs) -> api::Needs {
    api::Needs { metadata: needs.metadata, tags: needs.tags }
}

pub fn used(found: Use) -> api::Use {
    api::Use {
        projection: found.projection,
        version: found.version,
        state: versions::state(found.state),
        live: found.live,
        role: kind(found.role),
    }
}
