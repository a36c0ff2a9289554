//! Wrong keys that are shown at the entrance: nobody tries keys without end, from one address or from many. In a minute
//! an address may show a few, and once all together have shown many, one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kinora_engine::limits::HttpLimits;

/// What is counted in one go.
const SPAN: Duration = Duration::from_secs(60);

/// Addresses that are told apart; those beyond count as one.
const ADDRESSES: usize = 10_000;

pub struct WrongKeys {
    /// Wrong keys of all, and of one address.
    most: u32,
    most_of_address: u32,
    counted: Mutex<Counted>,
}

struct Counted {
    since: Instant,
    all: u32,
    of_address: HashMap<Option<IpAddr>, u32>,
}

impl WrongKeys {
    pub fn new(limits: &HttpLimits) -> Self {
        let counted = Counted { since: Instant::now(), all: 0, of_address: HashMap::new() };
        Self { most: limits.wrong_keys, most_of_address: limits.address_wrong_keys, counted: Mutex::new(counted) }
    }

    /// Counts a key as wrong before it is looked at, so that many at once are no more than one after the other.
    ///
    /// # Errors
    /// How long to wait.
    pub fn count(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        self.count_at(address, Instant::now())
    }

    fn count_at(&self, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = now.saturating_duration_since(counted.since);
        if gone >= SPAN {
            *counted = Counted { since: now, all: 0, of_address: HashMap::new() };
        }
        let who = counted.who(address);
        let of_address = counted.of_address.get(&who).copied().unwrap_or(0);
        let most = if counted.all >= self.most { 1 } else { self.most_of_address };
        if of_address >= most {
            return Err(SPAN.saturating_sub(gone));
        }
        counted.all = counted.all.saturating_add(1);
        counted.of_address.insert(who, of_address + 1);
        Ok(())
    }

    /// The key was right: it does not count.
    pub fn was_right(&self, address: Option<IpAddr>) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let who = counted.who(address);
        counted.all = counted.all.saturating_sub(1);
        if let Some(count) = counted.of_address.get_mut(&who) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Counted {
    fn who(&self, address: Option<IpAddr>) -> Option<IpAddr> {
        address.filter(|_| self.of_address.len() < ADDRESSES || self.of_address.contains_key(&address))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn address(last: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(last.into()))
    }

    #[test]
    fn an_address_may_show_a_few_a_minute_and_a_right_key_does_not_count() {
        let keys = WrongKeys::new(&HttpLimits { address_wrong_keys: 3, wrong_keys: 100, ..HttpLimits::default() });
        let start = Instant::now();
        for _ in 0..3 {
            keys.count_at(address(1), start).unwrap();
            keys.was_right(address(1));
            keys.count_at(address(1), start).unwrap();
        }
        let wait = keys.count_at(address(1), start + SPAN / 2).unwrap_err();
        assert!(wait <= SPAN / 2 && wait > SPAN / 3, "{wait:?}");
        keys.count_at(address(2), start).unwrap();
        keys.count_at(address(1), start + SPAN + SPAN).unwrap();
    }

    #[test]
    fn beyond_what_all_may_an_address_has_one_and_memory_has_an_end() {
        let keys = WrongKeys::new(&HttpLimits { address_wrong_keys: 10, wrong_keys: 4, ..HttpLimits::default() });
        let start = Instant::now();
        (0..4).for_each(|_| keys.count_at(address(1), start).unwrap());
        assert!(keys.count_at(address(1), start).is_err());
        keys.count_at(address(2), start).unwrap();
        assert!(keys.count_at(address(2), start).is_err());
        let few = u32::try_from(ADDRESSES).unwrap();
        let taken = (10..few * 2).filter(|last| keys.count_at(address(*last), start).is_ok()).count();
        assert!(taken <= ADDRESSES, "{taken}");
        assert!(keys.counted.lock().unwrap().of_address.len() <= ADDRESSES + 1);
    }
}
