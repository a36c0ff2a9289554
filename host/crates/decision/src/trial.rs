//! Trials: all of history is folded, and recorded commands are decided again on the state just before their first
//! event.
//!
//! A decision has no other input than that state and the command. So the version that made it makes it again (an
//! audit), and another one shows in what it differs before it goes live: of all that was decided, and then of what is,
//! as long as it waits (a shadow).

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::sync::Arc;

use kinora_files::Place;
use kinora_log::{Filter, Log, Recorded as Event, SearchRange, Streams};
use kinora_sandbox::{Failure, Outcome as Verdict, OwnScope};
use kinora_types::{Budget, Direction, Micros, Position, Progress, Revision, StreamName, Tag};

use crate::error::Error;
use crate::lane::{Asked, DecidedEvent, Kept, Outlook, Track, decided_events, faulted};
use crate::record::command::{Command, Recorded, is_same_json};
use crate::record::report::{Difference, Report};
use crate::rejections::{Rejected, Rejections};
use crate::scope::{Baseline, Scope};

/// Events that are read at once.
const WINDOW: usize = 1_000;

/// Aggregates that are folded once more in another way, to be compared.
const COMPARED: usize = 1_000;

/// Aggregates by tag that are counted: whether one was seen before is kept in memory.
const COUNTED: usize = 1_000_000;

/// Who decides a recorded command again.
pub enum Judge {
    /// One version, whoever has decided it then.
    Version(Arc<Track>),
    /// Each version what it has decided.
    OfThatTime(BTreeMap<u32, Arc<Track>>),
}

/// A pass over history, as far as it goes when it begins.
pub struct Trial {
    log: Log,
    decider: String,
    scope: OwnScope,
    outlooks: BTreeMap<u32, Outlook>,
    /// `None`: each version decides what it has decided.
    only: Option<u32>,
    report: Report,
    seen: Seen,
    /// Where the next pass begins.
    next: Position,
    rejections: Arc<Rejections>,
    /// The number of the first one that it knows nothing of.
    next_rejected: u64,
    /// Those that are to be decided again.
    rejected: VecDeque<Arc<Rejected>>,
    /// Where it is said at which event it is, should the host end there.
    place: Place,
    budget: Budget,
}

/// Aggregates that were seen, by hash, and some of them by name.
#[derive(Default)]
struct Seen {
    hashes: HashSet<u64>,
    hasher: RandomState,
    some: Vec<Scope>,
}

impl Seen {
    /// Whether an aggregate is new. Of a stream the revision of the event says so.
    fn is_new(&mut self, scope: &Scope, revision: Revision) -> bool {
        match scope {
            Scope::Stream(_) => revision == Revision(0),
            Scope::Tags(_) => self.hashes.len() < COUNTED && self.hashes.insert(self.hasher.hash_one(scope)),
        }
    }
}

impl Trial {
    /// `None`, if there is no version to judge by.
    pub fn new(log: Log, judge: Judge, budget: &Budget) -> Option<Self> {
        let (tracks, only) = match judge {
            Judge::Version(track) => (BTreeMap::from([(track.version, Arc::clone(&track))]), Some(track.version)),
            Judge::OfThatTime(tracks) => (tracks, None),
        };
        let last = tracks.values().next_back()?;
        let (decider, scope) = (last.decider.clone(), last.rules.decider.manifest.scope.clone());
        let rejections = Arc::clone(&last.rejections);
        let outlook = |(version, track): (u32, Arc<Track>)| {
            // Else one with many aggregates would be folded from the first event on for each of the last ones.
            let snapshots = track.snapshots.aside();
            let kept = Kept { snapshots, from_events: u64::MAX, when_let_go: true, to_check: Vec::new() };
            (version, Outlook::new(track, budget, Some(kept)))
        };
        let outlooks = tracks.into_iter().map(outlook).collect();
        let (report, seen, budget) = (Report::default(), Seen::default(), budget.clone());
        let (next, next_rejected, rejected) = (Position(0), 0, VecDeque::new());
        Some(Self {
            log,
            decider,
            scope,
            outlooks,
            only,
            report,
            seen,
            next,
            rejections,
            next_rejected,
            rejected,
            place: Place::default(),
            budget,
        })
    }

    /// Has it pass over as many events, and over commands that were rejected before this number.
    pub fn beginning_at(mut self, from: Progress, rejected: u64) -> Self {
        (self.next, self.next_rejected) = (Position(from.0), rejected);
        self
    }

    /// Has it say, while guests run, in which window of events it is.
    pub fn watched(&mut self, place: Place) -> &mut Self {
        self.place = place;
        self
    }

    /// Runs to where the log is now, and gives what came of it. Blocks.
    ///
    /// # Errors
    /// The first event that cannot be folded; a state that depends on how it was folded; trouble of the log.
    pub fn run(&mut self, goes_on: impl Fn() -> bool) -> Result<Report, Error> {
        let upto = self.pass(goes_on)?;
        self.compare(upto)?;
        Ok(std::mem::take(&mut self.report))
    }

    /// Goes on to where the log is now, and gives what has come of it since the last [`Self::run`]. Blocks.
    ///
    /// # Errors
    /// The first event that cannot be folded; trouble of the log.
    pub fn go_on(&mut self, goes_on: impl Fn() -> bool) -> Result<&Report, Error> {
        self.pass(goes_on)?;
        Ok(&self.report)
    }

    /// What of it is done stays done, if it ends early.
    fn pass(&mut self, goes_on: impl Fn() -> bool) -> Result<Progress, Error> {
        let upto = self.log.progress();
        self.collect_rejected();
        let place = self.place.clone();
        while let Some(window) = self.window(self.next, upto)? {
            let _here = place.enter(self.next.0);
            for event in &window.events {
                self.rejected_again(Progress(event.position.0), &goes_on)?;
                self.may_go_on(&goes_on)?;
                self.look(event)?;
                self.next = Position(event.position.0 + 1);
                self.outlooks.values_mut().for_each(Outlook::tidy);
            }
            match window.next {
                Some(next) => self.next = next,
                None => break,
            }
        }
        self.next = Position(upto.0);
        self.rejected_again(upto, &goes_on)?;
        Ok(upto)
    }

    fn may_go_on(&self, goes_on: impl Fn() -> bool) -> Result<(), Error> {
        self.budget.look(1).map_err(|why| faulted(&Failure::exhausted(why)))?;
        if goes_on() { Ok(()) } else { Err(Error::Ends) }
    }

    /// Takes note of commands that were rejected since the last pass, in the order of what they were decided on.
    fn collect_rejected(&mut self) {
        let new = self.rejections.since(self.next_rejected);
        self.next_rejected = new.last().map_or(self.next_rejected, |last| last.number + 1);
        self.rejected.extend(new);
        self.rejected.make_contiguous().sort_by_key(|rejected| rejected.upto);
    }

    /// Decides commands again that were rejected when the log had so many events, or fewer.
    fn rejected_again(&mut self, upto: Progress, goes_on: impl Fn() -> bool) -> Result<(), Error> {
        while let Some(rejected) = self.rejected.pop_front_if(|rejected| rejected.upto <= upto) {
            self.may_go_on(&goes_on)?;
            self.one_rejected_again(&rejected)?;
            self.outlooks.values_mut().for_each(Outlook::tidy);
        }
        Ok(())
    }

    fn window(&self, from: Position, upto: Progress) -> Result<Option<kinora_log::FoundEvents>, Error> {
        if !upto.includes(from) {
            return Ok(None);
        }
        let streams = match &self.scope {
            OwnScope::Category(category) => Streams::Prefix(format!("{category}-")),
            OwnScope::Tag(_) => Streams::All,
        };
        let range = SearchRange { from, upto, direction: Direction::Forwards, limit: WINDOW };
        let mut events = Vec::new();
        let next = self.log.visit(&Filter { streams, selection: None }, range, |position, record| {
            events.push(record.to_owned(position));
            ControlFlow::Continue(())
        })?;
        Ok(Some(kinora_log::FoundEvents { events, next }))
    }

    /// Decides again what the event came of, if it is the first of a command, and folds it.
    fn look(&mut self, event: &Event) -> Result<(), Error> {
        let scopes = self.scopes_of(event);
        if scopes.is_empty() {
            return Ok(());
        }
        self.report.events += 1;
        if let Some(recorded) = Recorded::of(event.metadata.as_deref()).filter(|it| it.decider == self.decider) {
            self.again(event, recorded)?;
        }
        if self.only.is_some() {
            let upto = Progress::through(event.position);
            for outlook in self.outlooks.values_mut() {
                // What was decided again stands behind all events of its command already.
                let behind: Vec<Scope> = scopes.iter().filter(|it| !outlook.has_folded(it, upto)).cloned().collect();
                outlook.prepare(&behind, upto).map_err(|failure| faulted(&failure))?;
            }
        }
        for scope in scopes {
            if self.seen.is_new(&scope, event.revision) {
                self.report.aggregates += 1;
                if self.seen.some.len() < COMPARED {
                    self.seen.some.push(scope);
                }
            }
        }
        Ok(())
    }

    /// The scopes of aggregates that an event belongs to.
    fn scopes_of(&self, event: &Event) -> Vec<Scope> {
        match &self.scope {
            OwnScope::Category(_) => event.stream.parse().map(Scope::Stream).into_iter().collect(),
            OwnScope::Tag(prefix) => {
                let start = format!("{prefix}:");
                let own = event.tags.iter().filter(|tag| tag.starts_with(&start));
                own.filter_map(|tag| Some(Scope::Tags(vec![tag.parse().ok()?]))).collect()
            }
        }
    }

    /// Decides a command again that was rejected.
    fn one_rejected_again(&mut self, rejected: &Rejected) -> Result<(), Error> {
        let Rejected { command: recorded, rejection, upto, .. } = rejected;
        let report = &mut self.report;
        let version = self.only.unwrap_or(recorded.version);
        let outlook = self.outlooks.get_mut(&version);
        let asked = outlook.and_then(|outlook| asked(&outlook.track, recorded).map(|asked| (outlook, asked)));
        let now = if let Some((outlook, asked)) = asked {
            let (verdict, scopes) =
                decide(outlook, &asked, &recorded.reads, Position(upto.0)).map_err(|failure| faulted(&failure))?;
            report.rejections.commands += 1;
            match verdict {
                Verdict::Rejected(now) if now.code == rejection.code => {
                    report.rejections.same += 1;
                    return Ok(());
                }
                Verdict::Rejected(now) => {
                    report.rejections.otherwise += 1;
                    format!("rejected: {}", now.code)
                }
                Verdict::Wants(_) => {
                    report.rejections.otherwise += 1;
                    "it wants to see more than it may".to_owned()
                }
                Verdict::Unchanged => {
                    report.rejections.accepted += 1;
                    "unchanged".to_owned()
                }
                Verdict::Accepted(_) => {
                    // Its states are those of events that will never be there.
                    outlook.forget(&scopes);
                    report.rejections.accepted += 1;
                    "accepted".to_owned()
                }
            }
        } else {
            report.rejections.commands += 1;
            report.rejections.unknown += 1;
            format!("version {version} takes no such command, or is gone")
        };
        let mut difference = difference(recorded, Position(upto.0), now);
        difference.was_rejected = Some(rejection.code.clone());
        report.note(difference);
        Ok(())
    }

    fn again(&mut self, event: &Event, recorded: Recorded) -> Result<(), Error> {
        let version = self.only.unwrap_or(recorded.version);
        let difference = |now: String| difference(&recorded, event.position, now);
        let Some(outlook) = self.outlooks.get_mut(&version) else {
            self.report.commands += 1;
            self.report.unknown += 1;
            self.report.note(difference(format!("there is no version {version} any more")));
            return Ok(());
        };
        let track = Arc::clone(&outlook.track);
        let Some(asked) = asked(&track, &recorded) else {
            self.report.commands += 1;
            self.report.unknown += 1;
            self.report.note(difference("it takes no such command".to_owned()));
            return Ok(());
        };
        let were: Vec<Event> = originals(&self.log, &recorded, event)?;
        let verdict = decide(outlook, &asked, &recorded.reads, event.position);
        let verdict = verdict.map_err(|failure| faulted(&failure))?;
        self.report.commands += 1;
        match verdict {
            (Verdict::Accepted(emitted), scopes) => {
                let events = decided_events(&track, &asked, emitted).map_err(|failure| faulted(&failure))?;
                match differs(&events, &were) {
                    None => {
                        self.report.same += 1;
                        stand(outlook, &scopes, &were);
                    }
                    Some(how) => {
                        self.report.different += 1;
                        self.report.note(difference(how));
                        outlook.forget(&scopes);
                    }
                }
            }
            (Verdict::Unchanged, _) => {
                self.report.unchanged += 1;
                self.report.note(difference("unchanged".to_owned()));
            }
            (Verdict::Rejected(rejection), _) => {
                self.report.rejected += 1;
                self.report.note(difference(format!("rejected: {}", rejection.code)));
            }
            (Verdict::Wants(_), _) => {
                self.report.different += 1;
                self.report.note(difference("it wants to see more than it may".to_owned()));
            }
        }
        Ok(())
    }

    /// States must not depend on how events were batched, nor on having been saved.
    fn compare(&mut self, upto: Progress) -> Result<(), Error> {
        let Some(outlook) = self.only.and_then(|only| self.outlooks.get_mut(&only)) else { return Ok(()) };
        let mut other = Outlook::new(Arc::clone(&outlook.track), &self.budget, None);
        for scope in &self.seen.some {
            // All of them together may be more than an instance holds.
            outlook.tidy();
            other.tidy();
            let one = outlook.state(scope, upto)?;
            let another = other.state_one_by_one(scope, upto)?;
            if one.saved != another.saved {
                return Err(unstable(scope, "whether its events are folded together or one by one"));
            }
            if other.reloaded(scope, &one.saved)? != one.saved {
                return Err(unstable(scope, "whether it was saved and loaded in between"));
            }
        }
        Ok(())
    }
}

fn difference(recorded: &Recorded, position: Position, now: String) -> Difference {
    let Recorded { id, name, aggregate, .. } = recorded;
    let (name, aggregate, position) = (name.clone(), aggregate.clone(), position.0);
    Difference { command: *id, name, aggregate, position, was_rejected: None, now }
}

fn unstable(scope: &Scope, on: &str) -> Error {
    let message = format!("the state of {scope} depends on {on}");
    faulted(&Failure::new(kinora_sandbox::Category::Nondeterministic, message))
}

/// A recorded command as one that is asked; `None`, if this version takes no such command.
fn asked(track: &Track, recorded: &Recorded) -> Option<Asked> {
    let manifest = &track.rules.decider.manifest;
    let kind = manifest.commands.iter().position(|command| command.name == recorded.name)?;
    let kind = u32::try_from(kind).ok()?;
    // Whoever may append may append what looks like a command.
    track.rules.decider.schemas.check_command(kind, recorded.data.get()).ok()?;
    if recorded.reads.len() > track.limits.scopes {
        return None;
    }
    let command = Command {
        aggregate: recorded.aggregate.clone(),
        name: recorded.name.clone(),
        data: recorded.data.clone(),
        key: None,
        expected: None,
        metadata: None,
        time: Micros(recorded.time),
    };
    let command = Arc::new(command);
    Some(Asked {
        kind,
        scope: Scope::own(&manifest.scope, &recorded.aggregate).ok()?,
        stream: Scope::stream(&manifest.scope, &recorded.aggregate).ok()?,
        id: recorded.id,
        command,
    })
}

/// All events of a command.
fn originals(log: &Log, recorded: &Recorded, first: &Event) -> Result<Vec<Event>, Error> {
    let mut events = vec![first.clone()];
    for number in 1..recorded.events {
        let Some(position) = log.position_of(recorded.id.event(number))? else { break };
        events.extend(log.event(position)?);
    }
    Ok(events)
}

/// The verdict on the state before a position, with all scopes that it was decided on.
fn decide(
    outlook: &mut Outlook,
    asked: &Asked,
    reads: &[Scope],
    before: Position,
) -> Result<(Verdict, Vec<Scope>), Failure> {
    let upto = Progress(before.0);
    let mut scopes = vec![asked.scope.clone()];
    scopes.extend(reads.iter().filter(|scope| **scope != asked.scope).cloned());
    let limit = outlook.track.limits.scopes;
    loop {
        let slots = outlook.prepare(&scopes, upto)?;
        let numbers = slots.iter().map(|(number, _)| *number).collect();
        let mut verdicts = outlook.decide(&[(asked, numbers)])?;
        let verdict = verdicts.pop().unwrap_or(Verdict::Unchanged);
        let Verdict::Wants(wanted) = &verdict else { return Ok((verdict, scopes)) };
        let known = scopes.len();
        for scope in wanted.iter().cloned().filter_map(|scope| Scope::wanted(scope).ok()) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        if scopes.len() == known || scopes.len() > limit {
            return Ok((verdict, scopes));
        }
    }
}

/// In what the events of a command are others than they were.
fn differs(now: &[DecidedEvent], were: &[Event]) -> Option<String> {
    if now.len() != were.len() {
        return Some(format!("{} events, there were {}", now.len(), were.len()));
    }
    now.iter().zip(were).find_map(|(now, was)| {
        let is_same = now.kind.name == was.kind
            && now.kind.schema == was.schema
            && now.stream.as_str() == was.stream
            && now.tags.iter().map(Tag::as_str).eq(was.tags.iter().map(String::as_str))
            && is_same_json(now.data.get(), &was.data);
        (!is_same).then(|| format!("{} in {}: {}", now.kind, now.stream, now.data))
    })
}

/// What was decided again is what is there, so the slots are where the log is after it.
fn stand(outlook: &mut Outlook, scopes: &[Scope], were: &[Event]) {
    let Some(last) = were.iter().map(|event| event.position).max() else { return };
    let is_together = were.windows(2).all(|pair| matches!(pair, [one, next] if one.position.0 + 1 == next.position.0));
    if !is_together {
        return outlook.forget(scopes);
    }
    for scope in scopes {
        let belongs = |event: &&Event| {
            let stream: Option<StreamName> = event.stream.parse().ok();
            let tags: Vec<Tag> = event.tags.iter().filter_map(|tag| tag.parse().ok()).collect();
            stream.is_some_and(|stream| scope.has(&stream, &tags))
        };
        let revision: Option<Revision> = were.iter().rev().find(belongs).map(|event| event.revision);
        if let Some(slot) = outlook.slots.get(scope) {
            let revision = match scope {
                Scope::Stream(_) => revision.or(slot.baseline.revision),
                Scope::Tags(_) => None,
            };
            let baseline = Baseline { upto: Progress::through(last), revision };
            let more = baseline.events_since(slot.baseline);
            outlook.slots.put(scope.clone(), slot.number, baseline, more);
        }
    }
}
