//! Proofs of determinism: a projector is what a read model needs, which is that the same events give the same rows, in
//! any batches, after any number of restarts. Proved on a sample of history before a version replays, and on all of it
//! when somebody asks.

use std::ops::ControlFlow;
use std::time::Instant;

use kinora_readmodel::{KeyRange, Most, RowDifference, Snapshot, first_difference};
use kinora_sandbox::{Category, Failure, RowSchemas};
use kinora_types::{Budget, Position, Progress};

use crate::record::pace::{FixedPace, REFERENCE};
use crate::record::proof::{Proof, Validation};
use crate::replay::rows::unread;
use crate::trial::cast::Cast;
use crate::trial::events::Events;
use crate::trial::rehearsal::{Interrupted, Rehearsal, Watch};
use crate::trial::sample::sample;

/// From nearly the same to one batch for all.
const OTHERS: [FixedPace; 4] = [
    FixedPace { batch: 1, commit: 1, fresh: false, shares: 1 },
    FixedPace { batch: 7, commit: 7, fresh: true, shares: 1 },
    FixedPace { batch: 64, commit: 500, fresh: false, shares: 1 },
    FixedPace { batch: 4_096, commit: 4_096, fresh: false, shares: 1 },
];

/// By partition, for projectors that say that their rows depend on nothing else.
const PARTITIONED: FixedPace = FixedPace { batch: 64, commit: 1_000, fresh: false, shares: 3 };

/// Events of the sample that cannot be handled (out of their context, or at all): they are left out, and are faults
/// when the replay gets there. A sample ends at the first one beyond this.
const MAX_LEFT_OUT: usize = 8;

/// Rows that are read and checked at once.
const CHECKED_ROWS: usize = 500;

/// The first event after which the rows depend on how events were handed over.
#[derive(Clone, Debug)]
pub struct Divergence {
    pub position: Option<u64>,
    pub event_type: Option<String>,
    pub schema: Option<u32>,
    /// The first row that differs, in the order of tables and keys.
    pub row: Option<RowDifference>,
    /// How events were handed over for the one and for the other.
    pub ways: [String; 2],
    /// What was said, if an event could be applied in one of the ways only.
    pub fault: Option<String>,
}

impl Divergence {
    /// As the fault of a version.
    pub fn failure(&self) -> Failure {
        let [one, other] = &self.ways;
        let after = match (&self.position, &self.event_type, self.schema) {
            (Some(position), Some(kind), Some(schema)) => format!("after event {position} ({kind} schema {schema})"),
            _ => "in the end".into(),
        };
        let text = |row: &Option<String>| row.clone().unwrap_or_else(|| "not there".into());
        let what = match (&self.row, &self.fault) {
            (_, Some(fault)) => format!("the event is handled {one}, but {other} it is not: {fault}"),
            (Some(row), None) => format!(
                "row {:?} of table {:?} is {} {one}, but {} {other}",
                row.key,
                row.table,
                text(&row.one),
                text(&row.other)
            ),
            (None, None) => format!("the rows {one} are not those {other}"),
        };
        let message = format!(
            "the projector is not deterministic: {after}, {what}; what it keeps in memory between calls has to be a \
             cache of rows, and nothing may depend on batches, on the order of a hash map, or on more than the \
             partition that it declares"
        );
        let failure = Failure::new(Category::Nondeterministic, message);
        self.position.map_or(failure.clone(), |position| failure.at(Position(position)))
    }
}

/// Checks a projector against itself on a sample of history, and tells where that is.
pub fn prove(cast: &Cast, tell: &dyn Fn(Validation), watch: Watch<'_>) -> Result<Proof, Interrupted> {
    let started = Instant::now();
    let positions = sample(&cast.log, &cast.routes, cast.from).map_err(Failure::storage)?;
    let partitioned = cast.partition().map(|_| PARTITIONED);
    let others: Vec<FixedPace> = OTHERS.into_iter().chain(partitioned).collect();
    let (ways, all) = (others.len() as u64 + 1, Events::Sample(positions.clone()));
    let mut at = |way, events: &Events, progress| {
        tell(Validation { way, ways, events: events.upto(progress), of: events.count() });
        watch(progress)
    };
    let (reference, events, left_out) = reference(cast, positions, &mut |progress| at(1, &all, progress))?;
    let wanted = reference.snapshot()?;
    check_rows(&wanted, &cast.modules.budget)?;
    for (way, pace) in (2..).zip(others.iter().copied()) {
        let mut other = Rehearsal::new(cast, pace)?;
        let same = match other.run(&events, events.end(), &mut |progress| at(way, &events, progress)) {
            Ok(()) => digest(&wanted)? == digest(&other.snapshot()?)?,
            Err(Interrupted::Failed(failure)) if !is_by_chance(&failure) => false,
            Err(interrupted) => return Err(interrupted),
        };
        if !same {
            let failure = difference(cast, &events, [REFERENCE, pace], watch)?.failure();
            let category = if pace.shares > 1 { Category::Partition } else { failure.category };
            return Err(Failure { category, ..failure }.into());
        }
    }
    Ok(Proof {
        events: events.count(),
        left_out,
        ways,
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Whether it says nothing of the projector: the same could go well another time.
fn is_by_chance(failure: &Failure) -> bool {
    matches!(failure.category, Category::Storage | Category::Time | Category::Cancelled)
}

/// Refuses rows that are not what their tables declare: queries believe the schema.
fn check_rows(snapshot: &Snapshot, budget: &Budget) -> Result<(), Failure> {
    let most = Most::rows(CHECKED_ROWS, budget);
    let unusable = |why| Failure::new(Category::Rule, why);
    let schemas = RowSchemas::new(snapshot.tables()).map_err(unusable)?;
    for (number, table) in (0..).zip(snapshot.tables()).filter(|(_, table)| table.schema.is_some()) {
        let mut range = KeyRange::default();
        loop {
            let rows = snapshot.scan(number, &range, &most).map_err(unread)?.rows;
            let Some((last, _)) = rows.last() else { break };
            range.start = Some(format!("{last}\0"));
            for (key, row) in rows {
                schemas.check(number, &row).map_err(|why| {
                    let message = format!("row {key:?} of table {:?} is not what its schema says: {why}", table.name);
                    Failure::new(Category::Rule, message)
                })?;
            }
        }
    }
    Ok(())
}

fn digest(snapshot: &Snapshot) -> Result<[u8; 32], Failure> {
    snapshot.digest(&Budget::unlimited()).map_err(Failure::storage)
}

/// Runs the reference, and leaves out what it cannot apply.
pub fn reference(
    cast: &Cast,
    mut positions: Vec<u64>,
    watch: Watch<'_>,
) -> Result<(Rehearsal, Events, u64), Interrupted> {
    let mut rehearsal = Rehearsal::new(cast, REFERENCE)?;
    let mut left_out = 0;
    loop {
        let events = Events::Sample(positions);
        match rehearsal.run(&events, events.end(), watch) {
            Ok(()) => return Ok((rehearsal, events, left_out as u64)),
            Err(Interrupted::Failed(Failure { category, position: Some(at), .. })) if category != Category::Storage => {
                let Events::Sample(mut kept) = events else { return Err(Interrupted::Cancelled) };
                if left_out == MAX_LEFT_OUT {
                    kept.retain(|position| *position < at.0);
                } else {
                    kept.retain(|position| *position != at.0);
                    left_out += 1;
                }
                positions = kept;
            }
            Err(interrupted) => return Err(interrupted),
        }
    }
}

/// Finds the first event after which two ways differ, by halves: each question is answered by a run of its own, from
/// the first event on.
pub fn difference(
    cast: &Cast,
    events: &Events,
    paces: [FixedPace; 2],
    watch: Watch<'_>,
) -> Result<Divergence, Interrupted> {
    let (mut same, mut differ) = (0, events.count());
    while differ - same > 1 {
        let middle = same + (differ - same) / 2;
        if compare(cast, events, events.after(middle), paces, watch)?.is_some() {
            differ = middle;
        } else {
            same = middle;
        }
    }
    let found = compare(cast, events, events.after(differ), paces, watch)?;
    let (row, fault) = found.unwrap_or_default();
    let position = events.after(differ).last();
    let event = position.map(|position| cast.log.event(position)).transpose().map_err(Failure::storage)?.flatten();
    Ok(Divergence {
        position: position.map(|position| position.0),
        event_type: event.as_ref().map(|event| event.kind.clone()),
        schema: event.map(|event| event.schema),
        row,
        ways: paces.map(|pace| pace.to_string()),
        fault,
    })
}

/// The first row that differs after `upto`, or what failed in one way only.
type Found = (Option<RowDifference>, Option<String>);

fn compare(
    cast: &Cast,
    events: &Events,
    upto: Progress,
    paces: [FixedPace; 2],
    watch: Watch<'_>,
) -> Result<Option<Found>, Interrupted> {
    let mut ended = Vec::new();
    for pace in paces {
        let mut rehearsal = Rehearsal::new(cast, pace)?;
        match rehearsal.run(events, upto, watch) {
            Ok(()) => ended.push(rehearsal),
            Err(Interrupted::Failed(failure)) if !is_by_chance(&failure) => {
                return Ok(Some((None, Some(failure.message))));
            }
            Err(interrupted) => return Err(interrupted),
        }
    }
    let [one, other] = ended.as_slice() else { return Ok(None) };
    let row = first_difference(&one.snapshot()?, &other.snapshot()?, &Budget::unlimited()).map_err(Failure::storage)?;
    Ok(row.map(|row| (Some(row), None)))
}

/// Watches nothing.
pub fn unwatched(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
