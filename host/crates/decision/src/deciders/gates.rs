//! Gates of a version: what its promotion will ask, looked at before somebody tries.

use kinora_projection::Stop;

use super::Deciders;
use super::versions::of;
use crate::error::Error;
use crate::record::control::{State, Version};
use crate::rules::Rules;

/// A gate, whether it is open, and why. Whoever promotes can pass over those that say so.
#[derive(Clone, Debug)]
pub struct Gate {
    pub gate: &'static str,
    pub passed: bool,
    pub reason: String,
}

/// All gates of a version, as they are now.
#[derive(Clone, Debug)]
pub struct Gates {
    pub live: Option<u32>,
    pub gates: Vec<Gate>,
}

impl Deciders {
    /// Looks at all that a promotion of a version would ask. What it emits and folds is known once its modules are
    /// compiled.
    pub async fn gates(&self, name: &str, version: u32) -> Result<Gates, Error> {
        let decider = self.find(name)?;
        let (live, found) = {
            let catalog = decider.catalog();
            (catalog.live, of(&catalog, name, version)?.clone())
        };
        let mut gates = vec![ready(&found)];
        if found.state == State::Standby {
            gates.push(gate("differences", true, "it has decided before"));
        } else {
            let differences = decider.differences(version, &found);
            let reason = match (differences, &found.report) {
                (_, None) => "recorded commands are not decided again yet".to_owned(),
                (0, Some(report)) => format!("it decides all {} recorded commands as they were", report.commands),
                (some, Some(_)) => format!("it decides {some} commands otherwise than they were decided"),
            };
            gates.push(gate("differences", differences == 0 && found.report.is_some(), reason));
        }
        match Rules::ready(&self.modules, found.module, &found.upcasters) {
            Ok(rules) => {
                gates.push(stops(&self.stops_at(&rules).await?));
                gates.push(one_way(&self.lost_by(&decider, &rules).await?));
            }
            Err(why) => {
                let why = why.to_string();
                gates.extend(["stops", "one_way"].map(|name| gate(name, false, why.as_str())));
            }
        }
        Ok(Gates { live, gates })
    }
}

fn gate(gate: &'static str, passed: bool, reason: impl Into<String>) -> Gate {
    Gate { gate, passed, reason: reason.into() }
}

fn ready(found: &Version) -> Gate {
    let may = matches!(found.state, State::Ready | State::Standby | State::Live);
    let why = found.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    gate("ready", may, format!("it is {}{why}", found.state))
}

fn stops(stops: &[Stop]) -> Gate {
    let one = |stop: &Stop| format!("{} version {} stops at {}", stop.projection, stop.version, stop.kind);
    match stops {
        [] => gate("stops", true, "every live projection takes what it emits"),
        some => gate("stops", false, some.iter().map(one).collect::<Vec<_>>().join("; ")),
    }
}

fn one_way(lost: &[String]) -> Gate {
    match lost {
        [] => gate("one_way", true, "it folds all that has been decided"),
        some => gate("one_way", false, format!("it does not fold {}, which is in the log", some.join(", "))),
    }
}
