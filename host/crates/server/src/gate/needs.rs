//! Needs: for each operation an action, and what of it its path names. An operation that is not here is refused to
//! all where a host knows its clients.

use axum::extract::RawPathParams;
use kinora_access::{Action, Asked, Extent};

/// Which of something an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Nothing,
    All,
    /// The one in the path, under this name.
    Named(&'static str),
}

/// What whoever asks for an operation has to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    action: Action,
    streams: Which,
    projections: Which,
    tables: Which,
}

const STREAM: Which = Which::Named("stream");
const PROJECTION: Which = Which::Named("name");
const TABLE: Which = Which::Named("table");

impl Need {
    const fn new(action: Action) -> Self {
        Self { action, streams: Which::Nothing, projections: Which::Nothing, tables: Which::Nothing }
    }

    const fn streams(self, streams: Which) -> Self {
        Self { streams, ..self }
    }

    const fn projections(self, projections: Which) -> Self {
        Self { projections, ..self }
    }

    const fn tables(self, tables: Which) -> Self {
        Self { tables, ..self }
    }

    /// By the id of an operation. `None`: there is no such operation.
    pub fn of(operation: &str) -> Option<Self> {
        use Action::{Append, Deploy, Look, Operate, Query, Read};
        use Which::All;
        Some(match operation {
            // The streams of a transaction are in its body: its handler asks again.
            "append" => Self::new(Append).streams(STREAM),
            "transact" => Self::new(Append),
            "read_stream" => Self::new(Read).streams(STREAM),
            // A claim is of no stream.
            "read_log" | "claim" => Self::new(Read).streams(All),
            "log" | "list_modules" | "module" | "module_uses" | "list_projections" | "limits" | "readiness"
            | "metrics" | "describe" | "health" => Self::new(Look),
            "upload_module" => Self::new(Deploy),
            "delete_module" => Self::new(Deploy).projections(All),
            // They show events, or what was made of them, and change every projection that they concern.
            "dry_run_upcasters" | "follow_upcaster" => Self::new(Deploy).streams(All).projections(All),
            "projection" | "history" | "version" | "gates" => Self::new(Look).projections(PROJECTION),
            "deploy" | "set" | "promote" | "rollback" | "review" | "retire" | "skip" => {
                Self::new(Deploy).projections(PROJECTION)
            }
            "retry" | "abort" | "pause" | "resume" => Self::new(Operate).projections(PROJECTION),
            "verify" | "rows_digest" => Self::new(Operate).projections(PROJECTION),
            "diff" | "diff_rows" => Self::new(Query).projections(PROJECTION).tables(All),
            // They hold events.
            "upcasting" => Self::new(Read).streams(All).projections(PROJECTION),
            "reproduction" | "diff_events" => Self::new(Read).streams(All).projections(PROJECTION).tables(All),
            "read_model" => Self::new(Query).projections(PROJECTION),
            // A projector reads what it likes to answer.
            "named_query" => Self::new(Query).projections(PROJECTION).tables(All),
            "rows" | "row" => Self::new(Query).projections(PROJECTION).tables(TABLE),
            // What comes of a command is for its rules to say; its handler asks for the stream of its aggregate.
            "command" | "commands" => Self::new(Append),
            // It holds events of all that the decision looks at.
            "command_reproduction" => Self::new(Append).streams(All),
            "aggregate" | "rejections" => Self::new(Read).streams(All),
            "list_deciders" => Self::new(Look),
            "decider" | "decider_history" | "decider_gates" => Self::new(Look).projections(PROJECTION),
            "deploy_decider" | "promote_decider" | "roll_back_decider" | "retire_decider" => {
                Self::new(Deploy).projections(PROJECTION)
            }
            "audit_decider" => Self::new(Operate).projections(PROJECTION),
            "create_backup" | "list_backups" | "settings" => Self::new(Operate).streams(All).projections(All),
            _ => return None,
        })
    }

    /// Whether it changes what others rely on: a projection, a decider, a module.
    pub fn is_change(&self) -> bool {
        matches!(self.action, Action::Deploy | Action::Operate)
    }

    /// What is asked with these names. `None`: a name is missing.
    pub fn asked<'a>(&self, names: &'a RawPathParams) -> Option<Asked<'a>> {
        self.asked_of(|wanted| names.iter().find(|(name, _)| *name == wanted).map(|(_, one)| one))
    }

    /// What is asked of one projection, or of none in particular yet. `None`: the operation is about more than that.
    pub fn asked_of_projection<'a>(&self, projection: &'a str) -> Option<Asked<'a>> {
        if projection.is_empty() {
            return Some(Asked::new(self.action));
        }
        self.asked_of(|wanted| (Which::Named(wanted) == PROJECTION).then_some(projection))
    }

    fn asked_of<'a>(&self, named: impl Fn(&'static str) -> Option<&'a str>) -> Option<Asked<'a>> {
        let extent = |which: Which| match which {
            Which::Nothing => Some(Extent::Nothing),
            Which::All => Some(Extent::All),
            Which::Named(wanted) => named(wanted).map(Extent::One),
        };
        let asked = Asked::new(self.action).streams(extent(self.streams)?);
        Some(asked.projections(extent(self.projections)?).tables(extent(self.tables)?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::router::document;

    #[test]
    fn every_operation_says_what_it_needs_by_names_that_are_in_its_path() {
        let mut found = 0;
        for (path, item) in &document().paths.paths {
            for operation in [&item.get, &item.post, &item.put, &item.patch, &item.delete].into_iter().flatten() {
                let id = operation.operation_id.as_deref().unwrap();
                let need = Need::of(id).ok_or_else(|| format!("{id} does not say what it needs")).unwrap();
                for which in [need.streams, need.projections, need.tables] {
                    if let Which::Named(name) = which {
                        assert!(path.contains(&format!("{{{name}}}")), "{id}: {path} has no {name}");
                    }
                }
                found += 1;
            }
        }
        assert!(found > 40, "{found} operations");
    }

    #[test]
    fn what_changes_something_is_not_for_readers() {
        for (path, item) in &document().paths.paths {
            for operation in [&item.post, &item.put, &item.patch, &item.delete].into_iter().flatten() {
                let need = Need::of(operation.operation_id.as_deref().unwrap()).unwrap();
                assert!(!kinora_access::Role::Reader.allows(need.action), "{path}");
            }
        }
    }
}
