//! [`World`]: one log from its making to its end, over several lives, on a disk that a seed has spoiled.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fastrand::Rng;
use kinora_log::simulation::{self, Site};
use kinora_log::{AppendError, AppendRequest, Durability, Error, Log, Options};
use kinora_storage::Storage;
use rocksdb::Env;

use crate::drive::FaultyDrive;
use crate::faults::{Death, Faults};
use crate::history::{self, Answer, History};
use crate::requests::Requests;
use crate::trace::Trace;

const BLOCK: u64 = 4096;

/// Syncs come from the simulation.
const PUT_OFF: Durability = Durability::Interval(1);

type Waiting = Pin<Box<dyn Future<Output = Answer> + Send>>;

pub struct World {
    rng: Rng,
    storage: Storage,
    site: Site,
    drive: FaultyDrive,
    /// Whether the disk forgets and rots. Otherwise it only tears what was not synced, dies and refuses.
    lies: bool,
    requests: Requests,
    history: History,
    /// What no end may take away, and what only the end of the power may.
    durable: u64,
    acknowledged: u64,
    in_tables: u64,
    /// Whether files were damaged since the last opening, and what they were before.
    rotten: bool,
    sound: Option<Vec<(&'static str, Vec<u8>)>>,
}

/// An append that is made while another one is on its way.
struct Beside {
    request: AppendRequest,
    expected: Answer,
    written: u64,
    answer: Arc<Mutex<Option<Result<Answer, Waiting>>>>,
}

/// What becomes of a log that was opened.
enum Opened {
    Log(Log),
    /// It is to be tried again.
    Failed,
    /// Too much is lost.
    Refused,
}

/// Runs a seed, and gives back what happened.
pub fn run(seed: u64, printed: bool) -> Trace {
    let mut rng = Rng::with_seed(seed);
    let drive = FaultyDrive::new(rng.fork(), Trace::new(printed));
    let limit_bytes = BLOCK * rng.u64(8..64);
    let site = Site {
        dir: "/kinora-log-simulated".into(),
        env: Env::mem_env().unwrap(),
        drive: Arc::new(drive.clone()),
        initial_bytes: 4 * BLOCK as usize,
        limit_bytes,
    };
    let storage = Storage::default();
    let mut world = World {
        lies: rng.u8(..3) == 0,
        rng,
        history: History::new(&storage),
        storage,
        site,
        drive: drive.clone(),
        requests: Requests::default(),
        durable: 0,
        acknowledged: 0,
        in_tables: 0,
        rotten: false,
        sound: None,
    };
    let lives = world.rng.usize(2..7);
    let outlives = (0..lives).all(|_| world.live());
    if outlives {
        world.rest();
    }
    drive.take_trace()
}

impl World {
    fn note(&self, what: impl Debug) {
        self.drive.note(&format!("{what:?}"));
    }

    /// From an opening to an end. `false`: it was the last one.
    fn live(&mut self) -> bool {
        let faults = Faults::draw(&mut self.rng, self.site.limit_bytes, self.lies);
        self.drive.behaves(faults);
        let durability = if self.rng.u8(..3) == 0 { PUT_OFF } else { Durability::Sync };
        let log = match self.open(durability) {
            Opened::Log(log) => log,
            Opened::Failed => {
                self.drive.count("opening failed");
                // It may have begun a new time, and what is mended now would be of an earlier one.
                self.sound = None;
                let death = self.drive.died().unwrap_or(Death::OfProcess);
                self.end(death);
                return true;
            }
            Opened::Refused => return false,
        };
        let mut failed = false;
        for _ in 0..self.rng.u64(1..60) {
            if self.drive.died().is_some() {
                break;
            }
            match self.rng.u8(..20) {
                0 => {
                    simulation::flush(&log).unwrap();
                    self.drive.tables_were_flushed();
                }
                1..4 => failed |= self.sync(&log, failed),
                _ => failed |= self.append(&log, failed),
            }
            // Who has seen it relies on it.
            self.durable = self.durable.max(log.progress().0);
        }
        self.drive.meanwhile(None);
        self.finish(log, failed);
        true
    }

    /// Ends a life, in one way or another.
    fn finish(&mut self, log: Log, failed: bool) {
        let death = match self.drive.died() {
            Some(death) => Some(death),
            None => [None, Some(Death::OfPower), Some(Death::OfProcess)][self.rng.usize(..3)],
        };
        if let Some(death) = death {
            simulation::crash(log);
            return self.end(death);
        }
        let written = self.history.end();
        drop(log);
        if !failed && !self.drive.failed() {
            // All is in tables, synced or not.
            self.drive.count("closed");
            (self.durable, self.acknowledged, self.in_tables) = (written, written, written);
        }
        let closed = !failed && !self.drive.failed();
        let death = self.drive.died().unwrap_or(if self.rng.bool() { Death::OfPower } else { Death::OfProcess });
        self.end(death);
        // Whatever becomes of a journal that is not needed, it is not missed.
        if closed && !self.rotten && self.rng.u8(..4) == 0 {
            self.drive.count("lost a journal that nobody needed");
            self.drive.lose_journal();
        }
    }

    fn end(&mut self, death: Death) {
        self.drive.count(match death {
            Death::OfPower => "power cut",
            Death::OfProcess => "process died",
        });
        self.drive.ends(death);
        if death == Death::OfPower || self.drive.lost() {
            self.acknowledged = 0;
        }
        if self.lies && !self.rotten && self.rng.bool() {
            self.drive.count("rotten");
            self.rotten = true;
            self.sound = Some(self.drive.rot());
        }
    }

    fn open(&mut self, durability: Durability) -> Opened {
        let options = Options { durability, keep_requests: Duration::from_secs(86_400), ..Options::default() };
        let said = self.drive.said();
        match simulation::open(&self.storage, &self.site, options.clone()) {
            Ok(log) => {
                self.check(&log, said);
                Opened::Log(log)
            }
            Err(error) if self.drive.failed() => {
                self.note(error.to_string());
                let damaged = matches!(error, Error::JournalDamaged { .. });
                assert!(self.lies || !damaged, "it is not the journal that fails: {error}");
                Opened::Failed
            }
            Err(error) => {
                self.note(error.to_string());
                assert!(self.lies, "an honest disk, and the log does not open: {error}");
                assert!(matches!(error, Error::JournalDamaged { .. }), "it is the journal: {error}");
                self.drive.count("refused");
                let again = simulation::open(&self.storage, &self.site, options.clone()).err();
                assert!(again.is_some() || self.drive.failed(), "what was refused once is taken");
                // What was refused has changed nothing: mended, it is what it was.
                let Some(sound) = self.sound.take() else { return Opened::Refused };
                self.drive.mend(sound);
                self.rotten = false;
                self.drive.behaves(Faults::default());
                let said = self.drive.said();
                let log = match simulation::open(&self.storage, &self.site, options) {
                    Ok(log) => log,
                    Err(error) => {
                        assert!(self.drive.forgot(), "what was refused has been changed: {error}");
                        return Opened::Refused;
                    }
                };
                self.drive.count("mended");
                self.check(&log, said);
                Opened::Log(log)
            }
        }
    }

    /// Checks a log that has just been opened, and takes up how far it goes.
    fn check(&mut self, log: &Log, said: Option<u64>) {
        let end = log.progress().0;
        self.drive.note(&format!("opened at {end} of {}", self.history.end()));
        assert!(end <= self.history.end(), "{end} events, and only {} were accepted", self.history.end());
        let spoiled = self.rotten || self.drive.forgot();
        let known = self.in_tables.max(said.unwrap_or_default());
        let least = if spoiled { known } else { known.max(self.durable).max(self.acknowledged) };
        assert!(end >= least, "{end} events, and {least} were to be there");
        if end < self.history.end() {
            self.drive.count("lost what was not durable");
        }
        if end > self.durable.max(self.acknowledged) {
            self.drive.count("kept what nobody was told of");
        }
        assert!(self.history.ends_at(&self.storage, end), "a part of a request is there, up to {end}");
        self.compare(log);
        (self.durable, self.acknowledged, self.in_tables) = (end, end, end);
        (self.rotten, self.sound) = (false, None);
    }

    fn compare(&self, log: &Log) {
        assert!(history::events(log) == self.history.events(), "the events are others than those that were accepted");
        let report = log.verify(|_| {}).unwrap();
        assert_eq!((report.events, report.faults), (self.history.end(), 0), "{:?}", report.named);
    }

    /// Syncs what was put off. `true`: that failed.
    fn sync(&mut self, log: &Log, failed: bool) -> bool {
        let written = self.history.end();
        let beside = self.beside(log, failed);
        let synced = simulation::sync(log);
        self.note(synced.as_ref().map_err(ToString::to_string));
        match &synced {
            Ok(()) if failed => {}
            Ok(()) => self.durable = self.durable.max(written),
            Err(error) => assert!(self.drive.failed(), "nothing was refused: {error}"),
        }
        let failed = failed || synced.is_err();
        self.hear(log, beside, failed)
    }

    /// Appends. `true`: that failed, and so will all that comes after it.
    fn append(&mut self, log: &Log, failed: bool) -> bool {
        let request = self.requests.draw(&mut self.rng, self.history.end());
        if failed {
            let answer = history::at_once(log.append(request));
            assert!(matches!(answer, Err(AppendError::Poisoned)), "it goes on after a failure: {answer:?}");
            self.drive.count("refused after a failure");
            return true;
        }
        let expected = self.history.append(&request);
        let written = self.history.end();
        let beside = self.beside(log, failed);
        let answer = history::at_once(log.append(request));
        let failed = self.judge(log, expected, answer, written);
        self.hear(log, beside, failed)
    }

    /// Prepares an append that comes while a frame is on its way to the disk.
    fn beside(&mut self, log: &Log, failed: bool) -> Option<Beside> {
        if failed || self.rng.u8(..4) > 0 {
            return None;
        }
        let request = self.requests.draw(&mut self.rng, self.history.end());
        let expected = self.history.append(&request);
        let beside = Beside { request: request.clone(), expected, written: self.history.end(), answer: Arc::default() };
        let (answer, log) = (Arc::clone(&beside.answer), log.clone());
        // If syncs are put off, an append writes, and so cannot come beside a write.
        let only_syncing = log.durability() != Durability::Sync;
        let append = move || {
            let mut waiting: Waiting = Box::pin(async move { log.append(request).await });
            let polled = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            *answer.lock().unwrap() = Some(match polled {
                Poll::Ready(answer) => Ok(answer),
                Poll::Pending => Err(waiting),
            });
        };
        self.drive.meanwhile(Some((only_syncing, Box::new(append))));
        Some(beside)
    }

    /// Hears of an append that was made beside another one, or makes it now if it was not. `true`: it failed.
    fn hear(&mut self, log: &Log, beside: Option<Beside>, failed: bool) -> bool {
        self.drive.meanwhile(None);
        let Some(beside) = beside else { return failed };
        let begun = beside.answer.lock().unwrap().take();
        let answer = match begun {
            Some(begun) => {
                self.drive.count("appended beside");
                begun.unwrap_or_else(history::at_once)
            }
            None => history::at_once(log.append(beside.request)),
        };
        self.judge(log, beside.expected, answer, beside.written) || failed
    }

    /// Compares an answer with the one that was to come. `true`: the log has failed.
    fn judge(&mut self, log: &Log, expected: Answer, answer: Answer, written: u64) -> bool {
        self.note(answer.as_ref().map_err(ToString::to_string));
        match (answer, expected) {
            (Ok(answer), Ok(expected)) => {
                assert_eq!(answer, expected);
                self.drive.count(if answer.duplicate { "duplicate" } else { "accepted" });
            }
            (Err(AppendError::Rejected(answer)), Err(AppendError::Rejected(expected))) => {
                assert_eq!(answer, expected);
                self.drive.count("rejected");
            }
            (Err(AppendError::OutcomeUnknown | AppendError::Poisoned), _) if self.drive.failed() => return true,
            (answer, expected) => panic!("it answers {answer:?}, and {expected:?} was to come"),
        }
        // All that an answer rests on is as durable as the answer.
        let stays = if log.durability() == Durability::Sync { &mut self.durable } else { &mut self.acknowledged };
        *stays = written.max(*stays);
        false
    }

    /// The end of all: on a disk that is sound again the log is what it was, and knows all that it has accepted.
    fn rest(&mut self) {
        self.drive.behaves(Faults::default());
        let Opened::Log(log) = self.open(Durability::Sync) else { return };
        let accepted: Vec<_> = self.history.accepted().iter().rev().take(20).cloned().collect();
        for (request, _) in accepted.into_iter().filter(|(request, _)| !request.has_new_ids) {
            let answer = history::at_once(log.append(request)).unwrap();
            assert!(answer.duplicate, "what was accepted is accepted again");
        }
        drop(log);
        self.end(Death::OfPower);
        if let Opened::Log(log) = self.open(Durability::Sync) {
            drop(log);
        }
    }
}
