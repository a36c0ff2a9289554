//! [`FaultyDrive`]: a drive in memory that tears, refuses, dies, forgets and rots, as a seed says. Chores that are to
//! run beside run at moments that follow from the seed, too, so that nothing depends on threads.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use kinora_log::simulation::{Chore, Drive, DriveFile, Running, Way};

use crate::faults::{Death, Faults, Refusal};
use crate::file::File;
use crate::trace::Trace;

pub const JOURNAL: &str = "JOURNAL";
pub const WITNESS: &str = "DURABLE";

/// Written at once when a file grows.
const GROWN_AT_ONCE: u64 = 3 * 4096;

#[derive(Clone)]
pub struct FaultyDrive(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    chores: Mutex<Vec<Arc<Later>>>,
}

struct State {
    rng: Rng,
    files: BTreeMap<&'static str, File>,
    faults: Faults,
    steps: u64,
    syncs: u64,
    died: Option<Death>,
    /// Whether something was refused since the opening.
    refused: bool,
    lost: bool,
    forgot: bool,
    /// To be done while the next frame is on its way, or only while it is synced.
    meanwhile: Option<(bool, Box<dyn FnOnce() + Send>)>,
    /// Behind the last frame.
    end: u64,
    /// Whether anybody but the journal itself, in want of room, can have flushed the tables since the opening.
    flushed: bool,
    trace: Trace,
}

/// A chore that is put off by some steps.
struct Later {
    chore: Mutex<Option<Chore>>,
    steps: Mutex<u64>,
    result: Mutex<Option<io::Result<()>>>,
}

/// What becomes of a step.
enum Fate {
    Done,
    Dies,
    Refused,
}

impl Fate {
    /// What the caller hears.
    fn told(&self) -> io::Result<()> {
        match self {
            Self::Done => Ok(()),
            Self::Dies => Err(dead()),
            Self::Refused => Err(refused()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn dead() -> io::Error {
    io::Error::other("nobody is there any more")
}

fn refused() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Later {
    fn run(&self) {
        let chore = lock(&self.chore).take();
        if let Some(chore) = chore {
            let result = chore();
            *lock(&self.result) = Some(result);
        }
    }
}

impl FaultyDrive {
    pub fn new(rng: Rng, trace: Trace) -> Self {
        let state = State {
            rng,
            files: BTreeMap::new(),
            faults: Faults::default(),
            steps: 0,
            syncs: 0,
            died: None,
            refused: false,
            lost: false,
            forgot: false,
            meanwhile: None,
            end: 0,
            flushed: false,
            trace,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), chores: Mutex::default() }))
    }

    /// The disk from now on.
    pub fn behaves(&self, faults: Faults) {
        let state = &mut *self.state();
        state.trace.note(&format!("{faults:?}"));
        (state.faults, state.steps, state.died, state.refused) = (faults, 0, None, false);
        (state.syncs, state.end, state.flushed, state.lost) = (0, 0, false, false);
    }

    /// Has something done while the next frame is on its way, or only while it is synced; nothing, without it.
    pub fn meanwhile(&self, what: Option<(bool, Box<dyn FnOnce() + Send>)>) {
        self.state().meanwhile = what;
    }

    pub fn died(&self) -> Option<Death> {
        self.state().died
    }

    /// Whether it is no wonder if something fails.
    pub fn failed(&self) -> bool {
        let state = self.state();
        state.died.is_some() || state.refused
    }

    /// Whether a sync was refused since the opening: what was in the cache may be gone.
    pub fn lost(&self) -> bool {
        self.state().lost
    }

    /// Whether it has ever forgotten anything.
    pub fn forgot(&self) -> bool {
        self.state().forgot
    }

    /// What is left after an end.
    pub fn ends(&self, death: Death) {
        lock(&self.0.chores).clear();
        let State { rng, files, trace, meanwhile, .. } = &mut *self.state();
        *meanwhile = None;
        trace.note(&format!("{death:?}"));
        for file in files.values_mut() {
            match death {
                Death::OfPower => file.power_cut(rng),
                Death::OfProcess if rng.bool() => file.evict(),
                Death::OfProcess => {}
            }
        }
    }

    /// Damages a file or both while nobody uses them, and gives back what they were.
    pub fn rot(&self) -> Vec<(&'static str, Vec<u8>)> {
        let State { rng, files, trace, .. } = &mut *self.state();
        let sound = files.iter().map(|(name, file)| (*name, file.seen().to_vec())).collect();
        let which = rng.u8(..8);
        for (name, file) in files.iter_mut() {
            let chosen = match which {
                0 => true,
                1 | 2 => *name == WITNESS,
                _ => *name == JOURNAL,
            };
            if chosen {
                for _ in 0..rng.u8(1..4) {
                    if !file.seen().is_empty() {
                        trace.note(&format!("{name}: {}", file.rot(rng)));
                    }
                }
            }
        }
        sound
    }

    /// The journal is gone, or is none any more.
    pub fn lose_journal(&self) {
        let State { rng, files, trace, .. } = &mut *self.state();
        let gone = rng.bool();
        trace.note(if gone { "the journal is gone" } else { "the journal is empty" });
        if gone {
            files.remove(JOURNAL);
        } else {
            files.insert(JOURNAL, File::new(b""));
        }
    }

    /// Makes files what they were.
    pub fn mend(&self, files: Vec<(&'static str, Vec<u8>)>) {
        self.state().files = files.into_iter().map(|(name, bytes)| (name, File::new(&bytes))).collect();
    }

    /// The tables were flushed by somebody else.
    pub fn tables_were_flushed(&self) {
        self.state().flushed = true;
    }

    /// What the witness says, if it is sound.
    pub fn said(&self) -> Option<u64> {
        let state = self.state();
        let bytes = state.files.get(WITNESS)?.seen();
        let (number, sum) = bytes.split_first_chunk::<8>()?;
        (sum == crc32fast::hash(number).to_le_bytes()).then(|| u64::from_le_bytes(*number))
    }

    pub fn note(&self, line: &str) {
        self.state().trace.note(line);
    }

    pub fn count(&self, what: &'static str) {
        self.state().trace.count(what);
    }

    /// The trace as far as it goes.
    pub fn take_trace(&self) -> Trace {
        std::mem::take(&mut self.state().trace)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// The beginning of everything that a disk does.
    fn step(&self, what: &str) -> io::Result<Fate> {
        let is_sync = what.starts_with("sync");
        let due: Vec<_> = {
            let mut chores = lock(&self.0.chores);
            let mut due = Vec::new();
            chores.retain(|chore| {
                let mut steps = lock(&chore.steps);
                *steps = steps.saturating_sub(1);
                if *steps == 0 {
                    due.push(Arc::clone(chore));
                }
                *steps > 0
            });
            due
        };
        due.iter().for_each(|chore| chore.run());
        let state = &mut *self.state();
        if state.died.is_some() {
            return Err(dead());
        }
        state.steps += 1;
        let step = state.steps;
        state.syncs += u64::from(is_sync);
        let number = |refusal: &Refusal| if refusal.only_syncs { state.syncs } else { step };
        let refuses = |refusal: &Refusal| {
            let number = number(refusal);
            (is_sync || !refusal.only_syncs) && (refusal.at == number || refusal.for_good && refusal.at < number)
        };
        let fate = match (state.faults.dies, &state.faults.refuses) {
            (Some((at, death)), _) if at <= step => {
                state.died = Some(death);
                Fate::Dies
            }
            (_, Some(refusal)) if refuses(refusal) => {
                state.refused = true;
                Fate::Refused
            }
            _ => Fate::Done,
        };
        let ending = match fate {
            Fate::Done => "",
            Fate::Dies => ": the end",
            Fate::Refused => ": refused",
        };
        state.trace.note(&format!("  {step} {what}{ending}"));
        Ok(fate)
    }

    fn open_now(&self, name: &'static str, way: Way) -> io::Result<Open> {
        self.step(&format!("open {name} {way:?}"))?.told()?;
        let mut state = self.state();
        if way == Way::Direct && state.faults.cached_only == Some(true) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let heard = Mutex::new(state.file(name)?.failures());
        Ok(Open { drive: self.clone(), name, way, heard })
    }

    /// Something else that happens while this is under way.
    fn go_on_beside(&self, syncing: bool) {
        let what = {
            let mut state = self.state();
            state.meanwhile.take_if(|(only_syncing, _)| syncing || !*only_syncing)
        };
        if let Some((_, what)) = what {
            what();
        }
    }
}

impl State {
    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        self.files.get_mut(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn forgets(&mut self) -> bool {
        let forgets = self.rng.u8(..100) < self.faults.forgets;
        if forgets {
            self.forgot = true;
            self.trace.count("forgotten");
        }
        forgets
    }
}

impl Drive for FaultyDrive {
    fn open(&self, name: &'static str, way: Way) -> io::Result<Arc<dyn DriveFile>> {
        Ok(Arc::new(self.open_now(name, way)?))
    }

    fn replace(&self, name: &'static str, bytes: &[u8]) -> io::Result<()> {
        let fate = self.step(&format!("replace {name}"))?;
        let state = &mut *self.state();
        if matches!(fate, Fate::Done) || state.rng.bool() {
            state.files.insert(name, File::new(bytes));
        }
        fate.told()
    }

    fn grow(&self, name: &'static str, from: u64, to: u64) -> io::Result<()> {
        let mut at = from;
        while at < to {
            let fate = self.step(&format!("grow {name} {at}"))?;
            let state = &mut *self.state();
            let zeros = vec![0; usize::try_from(GROWN_AT_ONCE.min(to - at)).unwrap()];
            let start = usize::try_from(at).unwrap();
            at += zeros.len() as u64;
            if let Some((most, always)) = state.faults.full
                && at > most
                && (always || state.rng.bool())
            {
                // A log lives without growth: nothing else may come of it.
                state.trace.count("full");
                return Err(io::ErrorKind::StorageFull.into());
            }
            if state.faults.no_descriptors && state.rng.u8(..3) > 0 {
                state.trace.count("no descriptors");
                return Err(io::Error::from_raw_os_error(24));
            }
            let State { rng, files, .. } = state;
            let file = files.get_mut(name).unwrap();
            match fate {
                Fate::Done => file.write(start, &zeros),
                Fate::Dies | Fate::Refused => file.tear(rng, start, &zeros),
            }
            if matches!(fate, Fate::Dies) {
                state.trace.count("died while growing");
            }
            fate.told()?;
        }
        self.state().trace.count("grown");
        let open = self.open_now(name, Way::Cached)?;
        let (fate, writes) = open.begin_sync()?;
        open.settle(fate, writes)
    }

    fn beside(&self, thread: &'static str, chore: Chore) -> Option<Box<dyn Running>> {
        let state = &mut *self.state();
        if state.rng.u8(..100) < state.faults.declines {
            state.trace.count("not run beside");
            return None;
        }
        state.trace.count(thread);
        state.flushed |= thread == "log-flush";
        let steps = state.rng.u64(1..10);
        state.trace.note(&format!("  {thread} in {steps} steps"));
        let later =
            Arc::new(Later { chore: Mutex::new(Some(chore)), steps: Mutex::new(steps), result: Mutex::default() });
        lock(&self.0.chores).push(Arc::clone(&later));
        Some(Box::new(Waited { drive: self.clone(), later }))
    }
}

struct Waited {
    drive: FaultyDrive,
    later: Arc<Later>,
}

impl Running for Waited {
    fn is_finished(&self) -> bool {
        lock(&self.later.result).is_some()
    }

    fn wait(self: Box<Self>) -> io::Result<()> {
        // Nothing runs after an end.
        if self.drive.died().is_none() {
            self.later.run();
        }
        lock(&self.later.result).take().unwrap_or_else(|| Err(dead()))
    }
}

struct Open {
    drive: FaultyDrive,
    name: &'static str,
    way: Way,
    /// Failed syncs of the file that this one knows of: each open file is told of each once.
    heard: Mutex<u64>,
}

impl Open {
    fn begin_sync(&self) -> io::Result<(Fate, usize)> {
        let fate = self.drive.step(&format!("sync {}", self.name))?;
        Ok((fate, self.drive.state().file(self.name)?.unsynced()))
    }

    /// What becomes of the first writes in the cache.
    fn settle(&self, fate: Fate, writes: usize) -> io::Result<()> {
        let state = &mut *self.drive.state();
        let forgets = state.forgets();
        let State { rng, files, trace, lost, .. } = state;
        let file = files.get_mut(self.name).unwrap();
        match fate {
            Fate::Done if *lock(&self.heard) < file.failures() => {
                trace.count("sync failed elsewhere");
                *lock(&self.heard) = file.failures();
                return Err(refused());
            }
            Fate::Done if forgets => file.lose(None, writes),
            Fate::Done => file.sync(writes),
            Fate::Dies => trace.count("died while syncing"),
            Fate::Refused => {
                trace.count("sync refused");
                *lost = true;
                file.fail(rng, writes);
                *lock(&self.heard) = file.failures();
            }
        }
        fate.told()
    }
}

impl DriveFile for Open {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.drive.state().file(self.name)?.seen().len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.drive.step(&format!("read {} {} at {at}", self.name, bytes.len()))?.told()?;
        let mut state = self.drive.state();
        let at = usize::try_from(at).unwrap();
        let found = state.file(self.name)?.seen().get(at..at + bytes.len());
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let fate = self.drive.step(&format!("write {} {} at {at}", self.name, bytes.len()))?;
        if self.name == JOURNAL {
            self.drive.go_on_beside(false);
        }
        let state = &mut *self.drive.state();
        let direct = self.way == Way::Direct;
        if direct && state.faults.cached_only.is_some() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let forgets = direct && state.forgets();
        let State { rng, files, trace, end, flushed, .. } = state;
        if self.name == JOURNAL {
            if *end > at + bytes.len() as u64 {
                trace.count("gone round");
                if !*flushed {
                    trace.count("flushed for want of room");
                }
            }
            *end = at + bytes.len() as u64;
        }
        let (file, at) = (files.get_mut(self.name).unwrap(), usize::try_from(at).unwrap());
        match fate {
            Fate::Done if forgets => file.write_and_forget(at, bytes),
            Fate::Done if direct => file.write_through(at, bytes),
            Fate::Done => file.write(at, bytes),
            Fate::Dies | Fate::Refused if direct => file.tear_through(rng, at, bytes),
            Fate::Dies | Fate::Refused => file.tear(rng, at, bytes),
        }
        match fate {
            Fate::Done => {}
            Fate::Dies => trace.count("died while writing"),
            Fate::Refused => trace.count("write refused"),
        }
        fate.told()
    }

    fn sync(&self) -> io::Result<()> {
        let (fate, writes) = self.begin_sync()?;
        if self.name == JOURNAL {
            self.drive.go_on_beside(true);
        }
        self.settle(fate, writes)
    }
}
