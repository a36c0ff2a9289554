//! The reproduction of a decision: the command, the events that it is decided on, the modules and the limits, in one
//! JSON document that runs anywhere, without a host and without the log.
//!
//! A decision has no other input than these. So a bundle is made of a command whenever somebody asks for it, whatever
//! the command came to, and what it comes to here is found by running the bundle itself.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use kinora_log::{Log, RecordRef, SearchRange};
use kinora_projection::{EventRecord, Wasm, Workshop};
use kinora_sandbox::{
    Category, Commands, Decider as Guest, DeciderManifest, Failure, Limits, Modules, Outcome as Verdict, Texts,
};
use kinora_types::{Budget, Direction, Micros, Position, Progress, Revision, StreamName, Tag};

use crate::error::Error;
use crate::lane::{Asked, Track};
use crate::record::command::{Command, CommandId};
use crate::rules::Rules;
use crate::scope::Scope;

/// The shape of a bundle. Another one is refused, never guessed at.
const FORMAT: u32 = 1;

/// Bytes of the data and metadata of the events in a bundle. A longer history is no attachment.
const EVENT_BYTES: usize = 16 << 20;

/// Everything that one decision depends on.
#[derive(Serialize, Deserialize)]
pub struct Bundle {
    pub format: u32,
    pub decider: String,
    pub version: u32,
    pub command: CommandRecord,
    /// What it came to when the bundle was made, on the events below.
    pub outcome: Decision,
    /// What it is decided on, its aggregate first.
    pub scopes: Vec<Scope>,
    /// How many it may be decided on.
    pub most_scopes: usize,
    /// All events of these, in the order of the log.
    pub events: Vec<EventRecord>,
    pub limits: Limits,
    pub module: Wasm,
    pub upcasters: Vec<Wasm>,
}

#[derive(Serialize, Deserialize)]
pub struct CommandRecord {
    pub id: CommandId,
    pub aggregate: String,
    pub name: String,
    pub data: Box<RawValue>,
    /// Microseconds since the Unix epoch.
    pub time: u64,
}

/// What a command came to.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Accepted {
        events: Vec<Made>,
    },
    Unchanged,
    Rejected {
        code: String,
        message: String,
    },
    /// It has to see what the bundle does not have.
    Wants {
        scopes: Vec<Scope>,
    },
    Failed {
        category: String,
        message: String,
        backtrace: Vec<String>,
    },
}

/// An event that came of it.
#[derive(Serialize, Deserialize)]
pub struct Made {
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    /// None: that of the aggregate.
    pub stream: Option<String>,
    pub data: Box<RawValue>,
    pub tags: Vec<String>,
}

/// A command, and the version that would decide it.
pub struct Undecided {
    pub(crate) track: Arc<Track>,
    pub(crate) asked: Asked,
    pub(crate) modules: Arc<Modules>,
}

impl Undecided {
    /// Everything that the decision depends on. Decides, to see what it comes to and what it has to see. Blocks.
    ///
    /// # Errors
    /// [`Error::TooLong`]; trouble of the log.
    pub fn bundle(&self, budget: &Budget) -> Result<Bundle, Error> {
        let Self { track, asked, modules } = self;
        let Command { aggregate, name, data, time, .. } = &*asked.command;
        let (aggregate, name, data) = (aggregate.clone(), name.clone(), data.clone());
        let wasm = |digest| Ok::<_, Error>(Wasm::new(digest, &modules.source(digest)?));
        let mut bundle = Bundle {
            format: FORMAT,
            decider: track.decider.clone(),
            version: track.version,
            command: CommandRecord { id: asked.id, aggregate, name, data, time: time.0 },
            outcome: Decision::Unchanged,
            scopes: Vec::new(),
            most_scopes: track.limits.scopes,
            events: Vec::new(),
            limits: (**modules.limits()).clone(),
            module: wasm(track.rules.decider.digest)?,
            upcasters: track.rules.upcasters.iter().map(|module| wasm(module.digest)).collect::<Result<_, _>>()?,
        };
        let (upto, mut wanted) = (track.log.progress(), vec![asked.scope.clone()]);
        loop {
            bundle.scopes.append(&mut wanted);
            bundle.events = events(&track.log, &bundle.scopes, upto, budget)?;
            bundle.outcome = decision(run(&bundle, &track.rules, budget), &track.rules.decider.manifest);
            match &bundle.outcome {
                Decision::Wants { scopes } if bundle.scopes.len() + scopes.len() <= track.limits.scopes => {
                    wanted.clone_from(scopes);
                }
                _ => return Ok(bundle),
            }
        }
    }
}

/// All events of scopes, each once.
fn events(log: &Log, scopes: &[Scope], upto: Progress, budget: &Budget) -> Result<Vec<EventRecord>, Error> {
    let (mut events, mut left) = (Vec::new(), EVENT_BYTES);
    let mut take = |position: Position, record: &RecordRef<'_>| {
        let bytes = record.data.len() + record.metadata.map_or(0, str::len) + record.tags.len();
        match (budget.look(1), left.checked_sub(bytes)) {
            (Ok(()), Some(rest)) if upto.includes(position) => {
                left = rest;
                events.push(record.to_owned(position));
                Ok(())
            }
            (Ok(()), None) => Err(Error::TooLong { bytes: EVENT_BYTES }),
            (Ok(()), Some(_)) => Ok(()),
            (Err(why), _) => Err(crate::lane::faulted(&Failure::exhausted(why))),
        }
    };
    for scope in scopes {
        let mut failed = None;
        let mut visit = |position: Position, record: RecordRef<'_>| match take(position, &record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        };
        match scope {
            Scope::Stream(stream) => {
                log.visit_stream(stream, Revision(0), Direction::Forwards, usize::MAX, visit)?;
            }
            Scope::Tags(tags) => {
                let mut from = Some(Position(0));
                while let Some(at) = from {
                    let range = SearchRange { from: at, upto, direction: Direction::Forwards, limit: usize::MAX };
                    from = log.visit(&Scope::filter(tags), range, &mut visit)?;
                    from = from.filter(|next| upto.includes(*next));
                }
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
    }
    events.sort_by_key(|event: &kinora_log::Recorded| event.position);
    events.dedup_by_key(|event| event.position);
    let records: Result<Vec<_>, Failure> = events.iter().map(EventRecord::new).collect();
    records.map_err(|failure| crate::lane::faulted(&failure))
}

/// Decides the command of a bundle on its events, with a fresh instance.
fn run(bundle: &Bundle, rules: &Rules, budget: &Budget) -> Result<Verdict, Failure> {
    let Bundle { command, scopes: known, events, .. } = bundle;
    let manifest = &rules.decider.manifest;
    let invalid = |why: String| Failure::new(Category::Rule, why);
    let kind = manifest.commands.iter().position(|known| known.name == command.name);
    let kind = kind.and_then(|kind| u32::try_from(kind).ok());
    let kind = kind.ok_or_else(|| invalid(format!("it takes no command {}", command.name)))?;
    rules.decider.schemas.check_command(kind, command.data.get()).map_err(invalid)?;
    let own = Scope::own(&manifest.scope, &command.aggregate).map_err(|cause| invalid(cause.to_string()))?;
    let (mut guest, mut fold) = (rules.decider.pre.instantiate(budget)?, rules.fold(budget));
    let (mut scopes, mut slots) = (vec![own], Vec::new());
    loop {
        for scope in scopes.iter().skip(slots.len()).cloned().collect::<Vec<_>>() {
            let slot = u32::try_from(slots.len()).unwrap_or(u32::MAX);
            slots.push(slot);
            guest.load(slot, &scope.to_guest(), &[])?;
            let own = events.iter().filter(|event| belongs(&scope, event));
            fold.records(own, |batch| guest.evolve(&vec![slot; batch.len()], batch))?;
        }
        let verdict = decide(&mut guest, manifest, kind, command, &slots)?;
        let Verdict::Wants(wanted) = &verdict else { return Ok(verdict) };
        let before = scopes.len();
        for scope in wanted.iter().cloned().filter_map(|scope| Scope::wanted(scope).ok()) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        let more = scopes.get(before..).unwrap_or_default();
        // What the bundle does not have is somebody else's to add.
        if more.is_empty() || more.iter().any(|scope| !known.contains(scope)) || scopes.len() > bundle.most_scopes {
            let missing = more.iter().filter(|scope| !known.contains(scope)).map(Scope::to_guest).collect();
            return Ok(Verdict::Wants(missing));
        }
    }
}

fn belongs(scope: &Scope, event: &EventRecord) -> bool {
    let stream: Option<StreamName> = event.stream.parse().ok();
    let tags: Vec<Tag> = event.tags.iter().filter_map(|tag| tag.parse().ok()).collect();
    stream.is_some_and(|stream| scope.has(&stream, &tags))
}

fn decide(
    guest: &mut Guest,
    manifest: &DeciderManifest,
    kind: u32,
    command: &CommandRecord,
    slots: &[u32],
) -> Result<Verdict, Failure> {
    let text = |text: &str| {
        let mut column = Texts::default();
        column.push(text.as_bytes()).map_err(|cause| Failure::new(Category::Rule, cause.to_string()))?;
        Ok::<_, Failure>(column)
    };
    let commands = Commands {
        kinds: vec![kind],
        ids: text(&command.aggregate)?,
        times: vec![Micros(command.time).0],
        seeds: vec![command.id.seed()],
        payloads: text(command.data.get())?,
        slot_ends: vec![u32::try_from(slots.len()).unwrap_or(u32::MAX)],
        slots: slots.to_vec(),
    };
    Ok(guest.decide(&commands, manifest)?.pop().unwrap_or(Verdict::Unchanged))
}

fn decision(verdict: Result<Verdict, Failure>, manifest: &DeciderManifest) -> Decision {
    match verdict {
        Ok(Verdict::Unchanged) => Decision::Unchanged,
        Ok(Verdict::Rejected(rejection)) => Decision::Rejected { code: rejection.code, message: rejection.message },
        Ok(Verdict::Wants(scopes)) => {
            Decision::Wants { scopes: scopes.into_iter().filter_map(|scope| Scope::wanted(scope).ok()).collect() }
        }
        Ok(Verdict::Accepted(emitted)) => {
            let made = emitted.into_iter().map(|event| {
                let kind = usize::try_from(event.kind).ok().and_then(|kind| manifest.emits.get(kind));
                let (kind, schema) = kind.map_or_else(Default::default, |it| (it.kind.name.clone(), it.kind.schema));
                Made { kind, schema, stream: event.stream, data: event.data, tags: event.tags }
            });
            Decision::Accepted { events: made.collect() }
        }
        Err(failure) => Decision::Failed {
            category: failure.category.as_str().to_owned(),
            backtrace: failure.backtrace_with_lines(),
            message: failure.message,
        },
    }
}

/// Runs the command of a bundle, with its own module or another one. `compiler` is the program that compiles modules.
pub async fn rerun(bundle: &Bundle, module: Option<Vec<u8>>, compiler: PathBuf) -> anyhow::Result<Decision> {
    anyhow::ensure!(bundle.format == FORMAT, "the bundle has format {}, this program knows {FORMAT}", bundle.format);
    let workshop = Workshop::open(bundle.limits.clone(), compiler)?;
    let own = || bundle.module.bytes().map_err(anyhow::Error::msg);
    let decider = workshop.compiled(module.map_or_else(own, Ok)?).await?.into_decider()?;
    let mut upcasters = Vec::new();
    for upcaster in &bundle.upcasters {
        upcasters.push(workshop.compiled(upcaster.bytes().map_err(anyhow::Error::msg)?).await?.into_upcaster()?);
    }
    let rules = Rules::new(decider, upcasters).map_err(anyhow::Error::msg)?;
    let manifest = Arc::clone(&rules.decider);
    Ok(decision(run(bundle, &rules, &Budget::unlimited()), &manifest.manifest))
}
