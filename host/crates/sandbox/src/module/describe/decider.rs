//! Checks of what a decider says of itself.

use std::collections::BTreeSet;

use kinora_types::{EventType, RESERVED};

use super::{Checker, distinct, event_type, needs};
use crate::error::Error;
use crate::limits::Limits;
use crate::module::manifest::{ClaimSpec, CommandSpec, DeciderManifest, EmittedSpec, OwnScope};
use crate::module::schemas::DeciderSchemas;
use crate::run::bindings::decider::kinora::engine::deciding;

/// Bytes of a category or of the beginning of a tag: an id follows it.
const SCOPE_BYTES: usize = 128;

pub fn decider(manifest: deciding::DeciderManifest, limits: &Limits) -> Result<DeciderManifest, Error> {
    let checker = Checker { limits };
    checker.text("name", &manifest.name)?;
    for (what, count) in [
        ("commands", manifest.commands.len()),
        ("events that it folds", manifest.folds.len()),
        ("ignores", manifest.ignores.len()),
        ("events that it emits", manifest.emits.len()),
        ("claims", manifest.claims.len()),
    ] {
        checker.count(what, count)?;
    }
    if manifest.commands.is_empty() || manifest.emits.is_empty() {
        return Err(Error::Manifest("it takes no command, or emits no event, so it would decide nothing".into()));
    }
    let schemas = manifest.commands.iter().map(|command| &command.schema);
    let schemas = schemas.chain(manifest.emits.iter().map(|emitted| &emitted.schema));
    checker.schemas(schemas.flatten().map(String::len).sum())?;

    let commands: Vec<_> =
        manifest.commands.into_iter().map(|command| checker.command(command)).collect::<Result<_, _>>()?;
    distinct("command", commands.iter().map(|command| command.name.clone()))?;
    let folds = manifest.folds.into_iter().map(event_type).collect::<Result<Vec<_>, _>>()?;
    distinct("folded event type", folds.iter().map(EventType::to_string))?;
    let emits: Vec<_> = manifest.emits.into_iter().map(|emitted| checker.emitted(emitted)).collect::<Result<_, _>>()?;
    distinct("emitted event type", emits.iter().map(|emitted| emitted.kind.to_string()))?;
    DeciderSchemas::new(&commands, &emits).map_err(Error::Manifest)?;
    let claims: Vec<_> = manifest.claims.into_iter().map(|claim| checker.claim(claim)).collect::<Result<_, _>>()?;
    distinct("claim", claims.iter().map(|claim| claim.scope.clone()))?;
    known(&folds, &manifest.ignores, &emits)?;
    let (name, ignores, needs) = (manifest.name, manifest.ignores, needs(manifest.needs));
    Ok(DeciderManifest { name, scope: checker.scope(manifest.scope)?, commands, folds, ignores, emits, claims, needs })
}

/// What is emitted has to be folded or ignored: else the decider could not go on from what it has decided.
fn known(folds: &[EventType], ignores: &[String], emits: &[EmittedSpec]) -> Result<(), Error> {
    let folded: BTreeSet<_> = folds.iter().collect();
    let ignored = |name: &str| ignores.iter().any(|ignored| ignored == name || ignored == "*");
    let lost = emits.iter().map(|emitted| &emitted.kind);
    let lost = lost.into_iter().find(|kind| !folded.contains(kind) && !ignored(&kind.name));
    match lost {
        None => Ok(()),
        Some(kind) => Err(Error::Manifest(format!("it emits {kind}, and neither folds nor ignores that"))),
    }
}

impl Checker<'_> {
    fn scope(&self, scope: deciding::OwnScope) -> Result<OwnScope, Error> {
        let (text, separator, made): (_, _, fn(String) -> OwnScope) = match scope {
            deciding::OwnScope::Category(category) => (category, '-', OwnScope::Category),
            deciding::OwnScope::Tag(prefix) => (prefix, ':', OwnScope::Tag),
        };
        // Else an event could be of two aggregates: `a-b-1` of `b-1` in `a`, and of `1` in `a-b`.
        if text.contains(separator) {
            return Err(Error::Manifest(format!(
                "{text:?} has {separator:?}, behind which the id of an aggregate begins"
            )));
        }
        if text.is_empty() || text.len() > SCOPE_BYTES || text.contains(char::is_control) || text.starts_with(RESERVED)
        {
            return Err(Error::Manifest(format!(
                "{text:?} is no category and no tag: 1 to {SCOPE_BYTES} bytes, without control characters, and not \
                 beginning with {RESERVED}"
            )));
        }
        Ok(made(text))
    }

    fn command(&self, command: deciding::CommandType) -> Result<CommandSpec, Error> {
        self.name("command", &command.name)?;
        if command.name == "state" {
            return Err(Error::Manifest("a command is called \"state\", where states are shown: rename it".to_owned()));
        }
        self.text("description", &command.description)?;
        let schema = self.schema(&format!("schema of command {:?}", command.name), command.schema)?;
        Ok(CommandSpec { name: command.name, description: command.description, schema })
    }

    fn emitted(&self, emitted: deciding::EmittedType) -> Result<EmittedSpec, Error> {
        let kind = event_type(emitted.kind)?;
        if kind.name.starts_with(RESERVED) {
            return Err(Error::Manifest(format!("it emits {kind}, and {RESERVED} is for what the host does")));
        }
        let schema = self.schema(&format!("schema of event {kind}"), emitted.schema)?;
        Ok(EmittedSpec { kind, schema })
    }

    fn claim(&self, claim: deciding::ClaimType) -> Result<ClaimSpec, Error> {
        self.name("claim", &claim.scope)?;
        self.name("code of a claim", &claim.code)?;
        self.text("message of a claim", &claim.message)?;
        Ok(ClaimSpec { scope: claim.scope, code: claim.code, message: claim.message })
    }
}
