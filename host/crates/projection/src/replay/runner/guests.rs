//! What a runner does with its guests: gives them windows of the right size, one guest or several.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::feed::ahead::Ahead;
use crate::replay::partitions::Instances;
use crate::replay::turns::Turn;
use kinora_sandbox::{Failure, Projector};
use kinora_types::Progress;

use crate::replay::runner::{Runner, Stop, storage};

/// Events that cross into the guest at once.
pub(crate) const WINDOW_EVENTS: usize = 2_048;

/// The same where the guest reads many rows that it does not hold: the more it asks for at once, the less each costs.
const LARGE_WINDOW_EVENTS: usize = 32_768;

/// Windows whose events several instances gather at most, once a window is large: the same where rows are small.
const GATHERED_WINDOWS: usize = 8;

/// Bytes of rows that guests may read for what crosses at once.
const READ_BYTES: u64 = 32 << 20;

/// Windows grow where more than one event in so many has a row read, and shrink again where far fewer have.
const READS_FROM_ONE_IN: u64 = 16;

/// Events to go from which on a second thread reads ahead.
const AHEAD_FROM_EVENTS: u64 = 16_384;

/// Who applies the events.
pub(crate) enum Guest {
    None,
    One(Box<Projector>),
    /// One for each share of the partitions.
    Several(Instances),
}

impl Runner {
    /// Fills the window with what comes next: one event if it is to run alone, read ahead if there is far to go.
    pub(crate) fn next_window(&mut self, upto: Progress, alone: bool) -> Result<(), Stop> {
        if alone || self.ahead.as_ref().is_some_and(|ahead| ahead.upto > upto) {
            self.ahead = None;
        }
        if !alone && self.ahead.is_none() && upto.0 - self.applied.0 >= AHEAD_FROM_EVENTS {
            let (source, limit) = (self.parts.source.clone(), Arc::clone(&self.window_events));
            let throttle = self.turn.as_ref().map(Turn::throttle);
            self.ahead = Some(Ahead::start(source, self.applied, upto, limit, throttle)?);
        }
        let taken = self.ahead.as_ref().and_then(Ahead::next);
        let read = match (taken, &self.ahead) {
            (Some(Ok(window)), Some(ahead)) => {
                ahead.give_back(std::mem::replace(&mut self.window, window));
                return Ok(());
            }
            (Some(Err(error)), _) => Err(error),
            _ => {
                self.ahead = None;
                let limit = if alone { 1 } else { self.window_events.load(Ordering::Relaxed) };
                self.parts.source.read(&mut self.window, self.applied, upto, limit)
            }
        };
        // What came before the damage stays.
        read.or_else(|error| self.commit().and(Err(storage(error))))
    }

    /// Runs the guest on the window.
    pub(crate) fn apply(&mut self) -> Result<(), Failure> {
        if let Some(failure) = self.window.failure.take() {
            return Err(failure);
        }
        if !self.window.dealt.is_empty() {
            return self.apply_dealt();
        }
        if self.window.events.is_empty() {
            return Ok(());
        }
        if matches!(self.guest, Guest::Several(_)) {
            self.change_guest()?;
        }
        if matches!(self.guest, Guest::None) {
            self.guest = Guest::One(Box::new(self.parts.projector.instantiate(Box::new(self.rows.clone()))?));
        }
        match &mut self.guest {
            Guest::One(projector) => {
                let _work = self.turn.as_ref().map(Turn::work);
                projector.apply(&self.window.events)
            }
            Guest::None | Guest::Several(_) => Ok(()),
        }
    }

    /// Gives each of several instances its share of the window.
    pub(crate) fn apply_dealt(&mut self) -> Result<(), Failure> {
        if matches!(self.guest, Guest::One(_)) {
            self.change_guest()?;
        }
        if matches!(self.guest, Guest::None) {
            let (count, max_bytes) = (self.window.dealt.len(), self.parts.commit_bytes);
            let instances = Instances::start(
                &self.parts.projector,
                &self.rows,
                count,
                max_bytes,
                &self.gather,
                self.turn.as_ref().map(Turn::throttle),
            )?;
            self.guest = Guest::Several(instances);
        }
        if let Guest::Several(instances) = &self.guest {
            instances.apply(std::mem::take(&mut self.window.dealt), self.applied, self.window.next);
            if instances.has_failed() {
                return Err(self.failed());
            }
        }
        Ok(())
    }

    /// What the next guest is to see has to be committed by the one before.
    pub(crate) fn change_guest(&mut self) -> Result<(), Failure> {
        let pending = (self.committed, self.applied);
        if let Err(failure) = self.flush() {
            self.failed_at.get_or_insert(pending);
            return Err(failure);
        }
        self.guest = Guest::None;
        Ok(())
    }

    /// Ends several instances of which one has failed, and lets the events of its window be gone through one by one; those of
    /// many windows, window by window first.
    pub(crate) fn failed(&mut self) -> Failure {
        let unknown = || Failure::storage("an instance failed and does not say why");
        let Guest::Several(instances) = std::mem::replace(&mut self.guest, Guest::None) else { return unknown() };
        match instances.end() {
            Some(failed) => {
                self.failed_at = Some(if failed.is_gathered {
                    self.be_wary();
                    (failed.from, failed.from)
                } else {
                    (failed.from, failed.next)
                });
                failed.failure
            }
            None => unknown(),
        }
    }

    /// Makes what crosses at once as large as it pays.
    pub(crate) fn size_windows(&mut self) {
        let (window, gather) = (self.window_events.load(Ordering::Relaxed), self.gather.load(Ordering::Relaxed));
        let events = self.applied.0.saturating_sub(self.sized_at.0);
        // Instances read rows when they have gathered enough.
        if events < (window * gather) as u64 {
            return;
        }
        self.sized_at = self.applied;
        let (rows, bytes) = self.rows.reads_since();
        let at_once = bytes / events.div_ceil((window * gather) as u64).max(1);
        if rows * READS_FROM_ONE_IN > events && at_once * 2 <= READ_BYTES && !self.is_wary {
            if window < LARGE_WINDOW_EVENTS {
                self.window_events.store(window * 2, Ordering::Relaxed);
            } else {
                self.gather.store((gather * 2).min(GATHERED_WINDOWS), Ordering::Relaxed);
            }
        } else if rows * READS_FROM_ONE_IN * 4 < events || at_once > READ_BYTES {
            if gather > 1 {
                self.gather.store(gather / 2, Ordering::Relaxed);
            } else {
                self.window_events.store((window / 2).max(WINDOW_EVENTS), Ordering::Relaxed);
            }
        }
    }

    /// From now on, what crosses at once is small.
    fn be_wary(&mut self) {
        tracing::debug!("what several windows gathered has failed: from here on they are small");
        self.is_wary = true;
        self.gather.store(1, Ordering::Relaxed);
        self.window_events.store(WINDOW_EVENTS, Ordering::Relaxed);
    }

    /// Bytes of guest memory.
    pub(crate) fn memory(&self) -> usize {
        match &self.guest {
            Guest::None => 0,
            Guest::One(projector) => projector.memory_bytes(),
            Guest::Several(instances) => instances.memory(),
        }
    }
}
