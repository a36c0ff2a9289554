//! Roles: sets of actions with a name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What somebody does with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// See that something is there, and how it does: projections, modules, limits, metrics.
    Look,
    /// Read events.
    Read,
    /// Read rows.
    Query,
    /// Append events.
    Append,
    /// Upload modules, and change projections.
    Deploy,
    /// Stop versions and let them go on, and make backups.
    Operate,
}

/// What a key or a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Reader,
    Writer,
    Deployer,
    Operator,
    Admin,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role; there are reader, writer, deployer, operator and admin")]
pub struct InvalidRole(pub String);

impl Role {
    pub const ALL: [Self; 5] = [Self::Reader, Self::Writer, Self::Deployer, Self::Operator, Self::Admin];

    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Deployer => "deployer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// All read; each of the others does one thing more, and an administrator everything.
    pub fn allows(self, action: Action) -> bool {
        match action {
            Action::Look | Action::Read | Action::Query => true,
            Action::Append => matches!(self, Self::Writer | Self::Admin),
            Action::Deploy => matches!(self, Self::Deployer | Self::Admin),
            Action::Operate => matches!(self, Self::Operator | Self::Deployer | Self::Admin),
        }
    }
}

impl Action {
    /// The least role that has it.
    pub fn role(self) -> Role {
        match self {
            Self::Look | Self::Read | Self::Query => Role::Reader,
            Self::Append => Role::Writer,
            Self::Deploy => Role::Deployer,
            Self::Operate => Role::Operator,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| InvalidRole(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_role_of_an_action_has_it_and_so_has_an_administrator() {
        for action in [Action::Look, Action::Read, Action::Query, Action::Append, Action::Deploy, Action::Operate] {
            assert!(action.role().allows(action) && Role::Admin.allows(action), "{action:?}");
        }
        assert!(!Role::Reader.allows(Action::Append) && !Role::Writer.allows(Action::Deploy));
        assert!(!Role::Operator.allows(Action::Deploy) && !Role::Deployer.allows(Action::Append));
    }

    #[test]
    fn roles_have_names() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!("Admin".parse::<Role>(), Err(InvalidRole("Admin".into())));
    }
}
