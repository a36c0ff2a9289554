//! Principals: whoever has shown who they are, and what they may do.

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use crate::role::{Action, Role};
use crate::scope::{Extent, Scope};

/// Somebody who is known.
#[derive(Debug)]
pub struct Principal {
    /// `key:NAME`, or `token:ISSUER#SUBJECT`: stable, and never another's.
    pub name: String,
    pub roles: Vec<Role>,
    pub scope: Scope,
    /// From then on it is nobody.
    pub expires: Option<Timestamp>,
    /// Whoever has it since before it was revoked looks here.
    revoked: AtomicBool,
}

/// What somebody wants to do, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    pub action: Action,
    pub streams: Extent<'a>,
    pub projections: Extent<'a>,
    pub tables: Extent<'a>,
}

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("this needs the role {needs}; {who} has {has}")]
    Role { who: String, needs: Role, has: String },
    #[error("{who} does not reach {what}")]
    Scope { who: String, what: String },
}

impl<'a> Asked<'a> {
    pub fn new(action: Action) -> Self {
        Self { action, streams: Extent::Nothing, projections: Extent::Nothing, tables: Extent::Nothing }
    }

    pub fn streams(self, streams: Extent<'a>) -> Self {
        Self { streams, ..self }
    }

    pub fn projections(self, projections: Extent<'a>) -> Self {
        Self { projections, ..self }
    }

    pub fn tables(self, tables: Extent<'a>) -> Self {
        Self { tables, ..self }
    }
}

impl Principal {
    pub fn new(name: String, roles: Vec<Role>, scope: Scope, expires: Option<Timestamp>) -> Self {
        Self { name, roles, scope, expires, revoked: AtomicBool::new(false) }
    }

    /// The only place where it is decided what somebody may do.
    pub fn may(&self, asked: Asked<'_>) -> Result<(), Denied> {
        if !self.roles.iter().any(|role| role.allows(asked.action)) {
            let has = match self.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ") {
                none if none.is_empty() => "none".to_owned(),
                roles => roles,
            };
            return Err(Denied::Role { who: self.name.clone(), needs: asked.action.role(), has });
        }
        let beyond = [
            ("stream", asked.streams, self.scope.reaches_stream(asked.streams)),
            ("projection", asked.projections, self.scope.reaches_projection(asked.projections)),
            ("table", asked.tables, self.scope.reaches_table(asked.tables)),
        ];
        match beyond.into_iter().find(|(_, _, reaches)| !reaches) {
            None => Ok(()),
            Some((kind, extent, _)) => {
                let what = match extent {
                    Extent::One(name) => format!("the {kind} {name}"),
                    Extent::All | Extent::Nothing => format!("all {kind}s, which this needs"),
                };
                Err(Denied::Scope { who: self.name.clone(), what })
            }
        }
    }

    /// Whether it is nobody any more. What takes long asks again and again.
    pub fn is_gone(&self) -> bool {
        self.revoked.load(Ordering::Relaxed) || self.expires.is_some_and(|expires| Timestamp::now() >= expires)
    }

    pub(crate) fn revoke(&self) {
        self.revoked.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn somebody(role: Role, streams: &[&str], projections: &[&str], tables: &[&str]) -> Principal {
        let patterns = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let scope = Scope { streams: patterns(streams), projections: patterns(projections), tables: patterns(tables) };
        Principal::new("key:k".into(), vec![role], scope, None)
    }

    #[test]
    fn a_role_without_scope_reaches_everything_and_no_more_than_its_actions() {
        let writer = somebody(Role::Writer, &[], &[], &[]);
        assert_eq!(writer.may(Asked::new(Action::Append).streams(Extent::All)), Ok(()));
        assert_eq!(writer.may(Asked::new(Action::Query).projections(Extent::One("p"))), Ok(()));
        let denied = writer.may(Asked::new(Action::Deploy)).unwrap_err().to_string();
        assert_eq!(denied, "this needs the role deployer; key:k has writer");
    }

    #[test]
    fn a_scope_of_one_kind_reaches_nothing_of_the_others() {
        let writer = somebody(Role::Writer, &["account-*"], &[], &[]);
        let append = Asked::new(Action::Append);
        assert_eq!(writer.may(append.streams(Extent::One("account-1"))), Ok(()));
        let beyond = |asked| writer.may(asked).unwrap_err().to_string();
        assert_eq!(beyond(append.streams(Extent::One("order-1"))), "key:k does not reach the stream order-1");
        assert_eq!(
            beyond(Asked::new(Action::Read).streams(Extent::All)),
            "key:k does not reach all streams, which this needs"
        );
        assert!(writer.may(Asked::new(Action::Query).projections(Extent::One("p"))).is_err());
    }

    #[test]
    fn tables_are_those_of_the_projections() {
        let reader = somebody(Role::Reader, &[], &["sales"], &["totals"]);
        let query = Asked::new(Action::Query).projections(Extent::One("sales"));
        assert_eq!(reader.may(query.tables(Extent::One("totals"))), Ok(()));
        assert!(reader.may(query.tables(Extent::One("customers"))).is_err());
        assert!(reader.may(query.tables(Extent::All)).is_err(), "a named query may read every table");
        assert!(somebody(Role::Reader, &[], &["sales"], &[]).may(query.tables(Extent::All)).is_ok());
        assert!(reader.may(Asked::new(Action::Query).projections(Extent::One("hr"))).is_err());
    }

    #[test]
    fn without_a_role_nothing_is_allowed() {
        let nobody = Principal::new("key:k".into(), vec![], Scope::default(), None);
        assert!(nobody.may(Asked::new(Action::Look)).unwrap_err().to_string().contains("has none"));
    }
}
