//! All connections of a door: how many there may be, in all and of one address, and which has to go for another.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kinora_engine::limits::HttpLimits;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use crate::edge::caller::network;

/// Idle connections that are compared when one has to go. To look at all of them for each that comes would be a gift to
/// whoever opens many; the next ones are looked at the next time.
const COMPARED: usize = 64;

pub struct Connections {
    limits: watch::Receiver<HttpLimits>,
    /// Connections at once, whatever the limits say.
    most: Option<usize>,
    /// Set when all of them have to go.
    stop: CancellationToken,
    open: Mutex<Open>,
}

/// The address of a connection, and its number.
type Id = (IpAddr, u64);

struct Open {
    next: u64,
    by_id: BTreeMap<Id, Arc<Activity>>,
    of_address: HashMap<IpAddr, usize>,
    /// The last one that was looked at when one had to go.
    seen: Id,
}

impl Default for Open {
    fn default() -> Self {
        let seen = (Ipv4Addr::UNSPECIFIED.into(), 0);
        Self { next: 0, by_id: BTreeMap::new(), of_address: HashMap::new(), seen }
    }
}

/// A place on the line, until it is dropped.
pub struct Place {
    id: Id,
    connections: Arc<Connections>,
    pub activity: Arc<Activity>,
}

impl Connections {
    pub fn new(limits: watch::Receiver<HttpLimits>, most: Option<usize>, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { limits, most, stop, open: Mutex::default() })
    }

    /// A place for a connection from this address. If there is none, one goes that has been idle for long; first one
    /// that has never asked for anything. `None`, if all are at work.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let HttpLimits { connections, address_connections, .. } = *self.limits.borrow();
        let (connections, address_connections) =
            (self.most.unwrap_or(connections), self.most.unwrap_or(address_connections));
        let mut open = self.open();
        let of_address = open.of_address.get(&address).copied().unwrap_or(0);
        if of_address >= address_connections {
            open.evict(Some(address))?;
        } else if open.by_id.len() >= connections {
            open.evict(None)?;
        }
        let (id, activity) = ((address, open.next), Arc::new(Activity::new(self.stop.child_token())));
        open.next += 1;
        open.by_id.insert(id, Arc::clone(&activity));
        *open.of_address.entry(address).or_default() += 1;
        Some(Place { id, connections: Arc::clone(self), activity })
    }

    /// Closes all that have been idle for too long.
    pub fn close_overdue(&self) {
        let HttpLimits { head_seconds: head, idle_seconds: idle, .. } = *self.limits.borrow();
        for activity in self.open().by_id.values() {
            let limit = |is_new| if is_new { head } else { idle };
            if activity.idle().is_some_and(|idle| idle.milliseconds / 1_000 >= limit(idle.is_new)) {
                activity.close.cancel();
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn evict(&mut self, of: Option<IpAddr>) -> Option<()> {
        let (first, last) = match of {
            Some(address) => ((address, 0), (address, u64::MAX)),
            None => (*self.by_id.first_key_value()?.0, *self.by_id.last_key_value()?.0),
        };
        let seen = if (first..=last).contains(&self.seen) { self.seen } else { last };
        let behind = self.by_id.range((Bound::Excluded(seen), Bound::Included(last)));
        let around = behind.chain(self.by_id.range(first..=seen));
        let idle = around.filter_map(|(id, activity)| Some((activity.idle()?, *id))).take(COMPARED);
        let idle: Vec<_> = idle.collect();
        self.seen = idle.last()?.1;
        let (_, id) = idle.into_iter().max_by_key(|(idle, _)| (idle.is_new, idle.milliseconds))?;
        self.remove(id)?.close.cancel();
        Some(())
    }

    fn remove(&mut self, id: Id) -> Option<Arc<Activity>> {
        let removed = self.by_id.remove(&id)?;
        if let Some(count) = self.of_address.get_mut(&id.0) {
            *count -= 1;
            if *count == 0 {
                self.of_address.remove(&id.0);
            }
        }
        Some(removed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().remove(self.id);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::activity::UnderWay;
    use super::*;

    fn connections(all: usize, of_address: usize) -> Arc<Connections> {
        let limits = HttpLimits { connections: all, address_connections: of_address, ..HttpLimits::default() };
        Connections::new(watch::channel(limits).1, None, CancellationToken::new())
    }

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn a_new_connection_takes_the_place_of_one_that_does_nothing() {
        let connections = connections(2, 2);
        let (silent, asked) = (connections.admit(address(1)).unwrap(), connections.admit(address(2)).unwrap());
        drop(UnderWay::begin(&asked.activity));
        let third = connections.admit(address(3)).unwrap();
        assert!(silent.activity.close.is_cancelled() && !asked.activity.close.is_cancelled());
        let _busy = [UnderWay::begin(&asked.activity), UnderWay::begin(&third.activity)];
        assert!(connections.admit(address(4)).is_none(), "all are at work");
        drop(silent);
        assert!(connections.admit(address(4)).is_none(), "it had lost its place before");
        drop(third);
        assert!(connections.admit(address(4)).is_some());
    }

    #[test]
    fn one_address_has_a_part_of_the_places_only() {
        let connections = connections(10, 2);
        let places: Vec<_> = (0..2).map(|_| connections.admit(address(1)).unwrap()).collect();
        let _busy: Vec<_> = places.iter().map(|place| UnderWay::begin(&place.activity)).collect();
        assert!(connections.admit(address(1)).is_none());
        assert!(connections.admit(address(2)).is_some());
    }

    #[test]
    fn of_many_that_do_nothing_each_has_to_go_some_time() {
        let connections = connections(10 * COMPARED, 10 * COMPARED);
        let silent: Vec<_> = (0..10 * COMPARED).map(|_| connections.admit(address(1)).unwrap()).collect();
        let new: Vec<_> = (0..10 * COMPARED).map(|_| connections.admit(address(2)).unwrap()).collect();
        let closed = |places: &[Place]| places.iter().filter(|place| place.activity.close.is_cancelled()).count();
        // Those that came later are as idle, and as new.
        assert_eq!(closed(&silent) + closed(&new), 10 * COMPARED);
        assert!(closed(&silent) > 5 * COMPARED, "{}", closed(&silent));
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let six = |text: &str| network(text.parse().unwrap());
        assert_eq!(six("2001:db8::1"), six("2001:db8::ffff:1"));
        assert_ne!(six("2001:db8::1"), six("2001:db8:0:1::1"));
        assert_eq!(six("::ffff:10.0.0.1"), network(address(1)));
    }

    #[test]
    fn what_is_idle_for_too_long_is_closed() {
        let limits = HttpLimits { head_seconds: 0, idle_seconds: 3_600, ..HttpLimits::default() };
        let connections = Connections::new(watch::channel(limits).1, None, CancellationToken::new());
        let (silent, asked) = (connections.admit(address(1)).unwrap(), connections.admit(address(1)).unwrap());
        let working = connections.admit(address(1)).unwrap();
        drop(UnderWay::begin(&asked.activity));
        let _busy = UnderWay::begin(&working.activity);
        connections.close_overdue();
        let closed = [&silent, &asked, &working].map(|place| place.activity.close.is_cancelled());
        assert_eq!(closed, [true, false, false]);
    }
}
