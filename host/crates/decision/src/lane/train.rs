//! A train on its way: what was decided as an append, and what its answer means for everybody in it.

use std::collections::HashMap;

use kinora_log::{
    AppendError, AppendRequest, Appended, Claim, ClaimFailed, ClaimKey, Claims, ClientId, Condition,
    Rejection as Refused, StreamAppend,
};
use kinora_sandbox::{Category, Emitted, Failure, OwnScope, Rejection};
use kinora_types::{ExpectedRevision, InvalidName, NewEvent, Position, Progress, RESERVED, Revision, StreamName, Tag};

use super::slots::Settled;
use super::track::Track;
use super::unit::{Answer, Asked, DecidedEvent, MadeClaim, Outcome, Unit};
use crate::error::Error;
use crate::record::command::{Recorded, metadata, together};
use crate::scope::{Baseline, Scope};

/// A unit, and what came of its commands.
pub struct Decided {
    pub unit: Unit,
    pub outcomes: Vec<Outcome>,
}

/// An append that is to be made.
pub struct Departed {
    pub request: AppendRequest,
    pub client: ClientId,
    pub train: UnderWay,
}

pub struct UnderWay {
    decided: Vec<Decided>,
    scopes: Vec<(Scope, Baseline)>,
    instance: u64,
    /// How many events each stream gets.
    counts: HashMap<StreamName, u64>,
}

impl Decided {
    pub fn has_events(&self) -> bool {
        self.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Accepted { .. }))
    }

    /// A command of it wants what another holds, or gives up what it does not hold.
    fn lose(mut self, rejection: Rejection, lost: &ClaimFailed, at: &[(Scope, Baseline)]) {
        if self.unit.commands.len() == 1 {
            self.outcomes = vec![Outcome::Rejected(rejection)];
            return self.answer(at);
        }
        let is_it = |made: &&MadeClaim| made.claim == lost.claim && made.is_released != lost.take;
        // Of two that take the same, the second one is too late.
        let index = self.unit.claims.iter().rev().find(is_it).map_or(0, |made| made.command);
        self.unit.answer(Err(Error::RejectedTogether { index, rejection }));
    }

    /// Keeps what the rules have said no to, when the log had so many events. Of commands that are decided together,
    /// none stands if one is rejected.
    pub fn note_rejections(&self, track: &Track, upto: Progress) {
        if let ([asked], [Outcome::Rejected(rejection)], false) =
            (self.unit.commands.as_slice(), self.outcomes.as_slice(), self.unit.dry_run)
        {
            track.rejections.note(recorded(track, &self.unit, asked, 0), rejection.clone(), upto);
        }
    }

    /// Gives everybody their answer; `at` says where the scopes are now.
    pub fn answer(self, at: &[(Scope, Baseline)]) {
        let Self { unit, outcomes } = self;
        let version = unit.version;
        let answers = unit.commands.iter().zip(outcomes).map(|(asked, outcome)| {
            let of_stream =
                at.iter().find(|(scope, _)| *scope == asked.scope).and_then(|(_, baseline)| baseline.revision);
            let revision = outcome.revision(&asked.scope, of_stream);
            Answer { id: asked.id, version, outcome, revision }
        });
        let answers = answers.collect();
        unit.answer(Ok(answers));
    }
}

/// The events of a command as they would be appended, and their claims.
///
/// # Errors
/// A name that cannot be one: the decider is at fault.
pub fn events(
    track: &Track,
    asked: &Asked,
    emitted: Vec<Emitted>,
) -> Result<(Vec<DecidedEvent>, Vec<MadeClaim>), Failure> {
    let broken = |cause: InvalidName| Failure::new(Category::Rule, format!("what was decided cannot be kept: {cause}"));
    let manifest = &track.rules.decider.manifest;
    let (mut events, mut claims) = (Vec::new(), Vec::new());
    for (number, emitted) in (0..).zip(emitted) {
        let Emitted { kind, stream, data, mut tags, claims: of_event } = emitted;
        if let OwnScope::Tag(prefix) = &manifest.scope {
            let own = format!("{prefix}:{}", asked.command.aggregate);
            if !tags.contains(&own) {
                tags.push(own);
            }
        }
        let stream: StreamName = match stream {
            None => asked.stream.clone(),
            Some(name) => name.parse().map_err(broken)?,
        };
        if stream.as_str().starts_with(RESERVED) {
            return Err(Failure::new(Category::Rule, format!("{stream} is a stream of the host's own")));
        }
        let tags = tags.iter().map(|tag| tag.parse::<Tag>()).collect::<Result<_, _>>().map_err(broken)?;
        if let Err(why) = track.rules.decider.schemas.check_event(kind, data.get()) {
            return Err(Failure::new(Category::Rule, format!("an event is not what its schema says: {why}")));
        }
        let Some(kind) = manifest.emits.get(kind as usize).map(|emitted| emitted.kind.clone()) else {
            return Err(Failure::new(Category::Rule, "an event of no kind was decided"));
        };
        for claim in of_event {
            let scope = manifest.claims.get(claim.kind as usize).map_or("", |known| known.scope.as_str());
            let key = ClaimKey::new(scope, &claim.value).map_err(broken)?;
            claims.push(MadeClaim {
                claim: Claim { key, owner: stream.clone() },
                is_released: claim.released,
                command: 0,
            });
        }
        events.push(DecidedEvent { id: asked.id.event(number), kind, stream, data, tags, place: None });
    }
    Ok((events, claims))
}

/// The same, without claims.
pub fn events_only(track: &Track, asked: &Asked, emitted: Vec<Emitted>) -> Result<Vec<DecidedEvent>, Failure> {
    events(track, asked, emitted).map(|(events, _)| events)
}

impl Departed {
    /// # Errors
    /// What was decided, if it cannot be written: nobody could decide it again.
    pub fn new(
        track: &Track,
        decided: Vec<Decided>,
        scopes: Vec<(Scope, Baseline)>,
        instance: u64,
    ) -> Result<Self, (Vec<Decided>, Failure)> {
        let mut appends: Vec<StreamAppend> = Vec::new();
        let mut counts: HashMap<StreamName, u64> = HashMap::new();
        let expected = |stream: &StreamName| {
            let known = scopes.iter().find(|(scope, _)| matches!(scope, Scope::Stream(name) if name == stream));
            known.map_or(ExpectedRevision::Any, |(_, baseline)| at(baseline.revision))
        };
        let mut claims = Claims::default();
        for one in decided.iter().filter(|one| one.has_events()) {
            for made in &one.unit.claims {
                let side = if made.is_released { &mut claims.release } else { &mut claims.take };
                side.push(made.claim.clone());
            }
            for (asked, outcome) in one.unit.commands.iter().zip(&one.outcomes) {
                let Outcome::Accepted { events, .. } = outcome else { continue };
                let new = match new_events(track, &one.unit, asked, events) {
                    Ok(new) => new,
                    Err(cause) => {
                        let why = format!("what was decided cannot be kept: {cause}");
                        return Err((decided, Failure::new(Category::Rule, why)));
                    }
                };
                for (event, new) in events.iter().zip(new) {
                    let before = counts.entry(event.stream.clone()).or_default();
                    *before += 1;
                    match appends.last_mut().filter(|last| last.stream == event.stream) {
                        Some(last) => last.events.push(new),
                        None => {
                            let expected = if *before == 1 { expected(&event.stream) } else { ExpectedRevision::Any };
                            appends.push(StreamAppend { stream: event.stream.clone(), expected, events: vec![new] });
                        }
                    }
                }
            }
        }
        let checked = |stream: &StreamName, expected| StreamAppend { stream: stream.clone(), expected, events: vec![] };
        for (scope, baseline) in &scopes {
            if let Scope::Stream(stream) = scope
                && !counts.contains_key(stream)
            {
                appends.push(checked(stream, at(baseline.revision)));
            }
        }
        appends.push(checked(&track.control, ExpectedRevision::Exactly(track.control_revision())));
        let has_new_ids = decided.iter().all(|one| one.unit.commands.iter().all(|asked| asked.command.key.is_none()));
        let client = decided.first().map_or(ClientId::HOST, |one| one.unit.client);
        let condition = condition(&scopes);
        let request = AppendRequest { appends, condition, claims, key: None, has_new_ids };
        Ok(Self { request, client, train: UnderWay { decided, scopes, instance, counts } })
    }
}

fn at(revision: Option<Revision>) -> ExpectedRevision {
    revision.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exactly)
}

/// That nothing has come with the tags that were looked at. All were read up to the same event.
fn condition(scopes: &[(Scope, Baseline)]) -> Option<Condition> {
    let of_tags = scopes.iter().filter_map(|(scope, baseline)| match scope {
        Scope::Tags(tags) => Some((tags, baseline)),
        Scope::Stream(_) => None,
    });
    let (mut selection, mut upto) = (kinora_log::Selection::default(), None::<Progress>);
    for (tags, baseline) in of_tags {
        selection.items.extend(Scope::selection(tags).items);
        upto = Some(upto.map_or(baseline.upto, |least| least.min(baseline.upto)));
    }
    upto.map(|upto| Condition { selection, after: upto.last() })
}

/// The events as the log takes them, the first of them with all that is needed to decide the command again.
fn new_events(
    track: &Track,
    unit: &Unit,
    asked: &Asked,
    events: &[DecidedEvent],
) -> Result<Vec<NewEvent>, serde_json::Error> {
    let Asked { command, id, .. } = asked;
    let recorded = recorded(track, unit, asked, events.len());
    let new = |(number, event): (usize, &DecidedEvent)| {
        let first = (number == 0).then_some(&recorded);
        let metadata = metadata(command.metadata.as_ref(), *id, first)?;
        let DecidedEvent { id, kind, data, tags, .. } = event.clone();
        Ok(NewEvent { id, kind, data, metadata: Some(metadata), tags })
    };
    events.iter().enumerate().map(new).collect()
}

/// A command with all that is needed to decide it again.
fn recorded(track: &Track, unit: &Unit, asked: &Asked, events: usize) -> Recorded {
    let Asked { command, id, .. } = asked;
    Recorded {
        id: *id,
        decider: track.decider.clone(),
        version: track.version,
        aggregate: command.aggregate.clone(),
        name: command.name.clone(),
        data: command.data.clone(),
        time: command.time.0,
        events: u32::try_from(events).unwrap_or(u32::MAX),
        reads: unit.scopes().iter().filter(|scope| **scope != asked.scope).cloned().collect(),
        together: together(unit.commands.iter().map(|asked| &*asked.command)),
    }
}

impl UnderWay {
    /// What the answer of the log means: what the slots are now, and who comes again.
    pub fn arrive(self, track: &Track, result: Result<Appended, AppendError>) -> (Vec<Settled>, Vec<Unit>) {
        match result {
            Ok(appended) if appended.known == 0 && !appended.duplicate => (self.stands(track, &appended), Vec::new()),
            // The same commands came by another lane, too.
            Ok(_) => (self.forgotten(), self.again(track, false)),
            Err(AppendError::Rejected(refused)) => (self.forgotten(), self.refused(track, &refused)),
            // Together they are too much; each by itself may not be.
            Err(AppendError::TooLarge { .. }) if self.decided.len() > 1 => (self.forgotten(), self.again(track, true)),
            Err(error) => {
                let settled = self.forgotten();
                self.decided.into_iter().for_each(|one| one.unit.answer(Err(error.clone().into())));
                (settled, Vec::new())
            }
        }
    }

    /// What the slots are if nothing is known of the append.
    pub fn forgotten(&self) -> Vec<Settled> {
        let forgotten =
            |(scope, _): &(Scope, Baseline)| Settled { scope: scope.clone(), instance: self.instance, baseline: None };
        self.scopes.iter().map(forgotten).collect()
    }

    /// It is in the log: everybody is told where.
    fn stands(self, track: &Track, appended: &Appended) -> Vec<Settled> {
        let Self { mut decided, scopes, instance, counts } = self;
        let last = |stream: &StreamName| {
            appended.streams.iter().find(|(name, _)| name == stream).map(|(_, revision)| *revision)
        };
        let upto = Progress::through(appended.last);
        let now = scopes.into_iter().map(|(scope, before)| {
            let revision = match &scope {
                Scope::Stream(stream) => last(stream).or(before.revision),
                Scope::Tags(_) => None,
            };
            (scope, Baseline { upto, revision })
        });
        let now: Vec<_> = now.collect();
        let mut next: HashMap<StreamName, u64> = HashMap::new();
        let mut position = appended.first.0;
        for one in &mut decided {
            one.note_rejections(track, Progress(position));
            for event in one.outcomes.iter_mut().flat_map(Outcome::events_mut) {
                let revision = next.entry(event.stream.clone()).or_insert_with(|| {
                    let (last, count) = (last(&event.stream).map_or(0, |last| last.0), counts.get(&event.stream));
                    (last + 1).saturating_sub(count.copied().unwrap_or(0))
                });
                event.place = Some((Position(position), Revision(*revision)));
                *revision += 1;
                position += 1;
            }
        }
        decided.into_iter().for_each(|one| one.answer(&now));
        let settled = |(scope, baseline)| Settled { scope, instance, baseline: Some(baseline) };
        now.into_iter().map(settled).collect()
    }

    /// The log has said no: somebody was faster, or holds what is claimed.
    fn refused(self, track: &Track, refused: &Refused) -> Vec<Unit> {
        if refused.wrong_revisions.iter().any(|wrong| wrong.stream == track.control) {
            return self.again(track, false);
        }
        let is_stale = !refused.wrong_revisions.is_empty() || refused.matched.is_some();
        let is_known = !refused.reused_ids.is_empty() || refused.partly_known.is_some();
        let is_one = self.decided.len() == 1;
        if is_known && !is_stale && is_one && self.decided.iter().all(|one| one.unit.attempts > 0) {
            // It was looked up before it was decided, and is not the same.
            self.decided.into_iter().for_each(|one| one.unit.answer(Err(Error::KeyReused)));
            return Vec::new();
        }
        if let (false, false, true, Some(lost)) = (is_stale, is_known, is_one, refused.claims.first()) {
            for one in self.decided {
                one.lose(lost_claim(track, lost), lost, &self.scopes);
            }
            return Vec::new();
        }
        self.again(track, !is_stale)
    }

    /// Everybody once more; by themselves, if it is to be known whose fault it was.
    fn again(self, track: &Track, alone: bool) -> Vec<Unit> {
        let mut again = Vec::new();
        for Decided { mut unit, .. } in self.decided {
            unit.attempts += 1;
            unit.claims.clear();
            unit.alone |= alone;
            let attempts = unit.attempts;
            if track.is_closed() {
                unit.answer(Err(Error::Superseded));
            } else if attempts > track.limits.attempts {
                unit.answer(Err(Error::Conflict { attempts }));
            } else {
                again.push(unit);
            }
        }
        again
    }
}

/// What a lost claim means, as the decider declares it.
fn lost_claim(track: &Track, lost: &ClaimFailed) -> Rejection {
    let claim = &lost.claim;
    let declared = track.rules.decider.manifest.claims.iter().find(|known| known.scope == claim.key.scope);
    let (code, message) =
        declared.map_or(("claim_lost", "another holds this value"), |known| (&known.code, &known.message));
    // Who holds it is not for everybody to know: GET /v1/claims tells those who may.
    let details = serde_json::json!({"scope": claim.key.scope, "value": claim.key.value});
    Rejection { code: code.to_owned(), message: message.to_owned(), details: Some(details.to_string()) }
}
