//! The crew of a stepper: nobody yet, one instance, or several side by side, each with its share of the partitions.

use kinora_sandbox::Failure;

use crate::replay::instances::Instances;
use crate::replay::pace::Pace;
use crate::replay::sink::{Guest, Sink};

/// Who applies the events.
pub enum Crew<S: Sink> {
    None,
    One(Box<S::Guest>),
    Several(Instances<S>),
}

impl<S: Sink> Crew<S> {
    /// Whether the next event is the first one of an instance.
    pub fn is_fresh(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether those that are there are of the other kind than the next window is for.
    pub fn is_unfit(&self, for_several: bool) -> bool {
        match self {
            Self::None => false,
            Self::One(_) => for_several,
            Self::Several(_) => !for_several,
        }
    }

    /// The one instance. Several have been let go before.
    pub fn one(&mut self, sink: &S) -> Result<&mut S::Guest, Failure> {
        if !matches!(self, Self::One(_)) {
            *self = Self::One(Box::new(sink.instance()?));
        }
        match self {
            Self::One(guest) => Ok(guest),
            Self::None | Self::Several(_) => Err(Failure::storage("an instance is gone")),
        }
    }

    /// As many instances as a window has been dealt out to. A single one has been let go before.
    pub fn several(&mut self, sink: &S, count: usize, pace: &impl Pace) -> Result<&Instances<S>, Failure> {
        if !matches!(self, Self::Several(_)) {
            *self = Self::Several(Instances::start(sink, count, &pace.gather(), pace.throttle())?);
        }
        match self {
            Self::Several(instances) => Ok(instances),
            Self::None | Self::One(_) => Err(Failure::storage("instances are gone")),
        }
    }

    /// Bytes of guest memory.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(guest) => guest.memory_bytes(),
            Self::Several(instances) => instances.memory(),
        }
    }

    /// Bytes that wait for a commit.
    pub fn pending_bytes(&self, sink: &S) -> usize {
        match self {
            Self::Several(instances) => instances.pending(),
            Self::None | Self::One(_) => sink.pending_bytes(),
        }
    }
}
