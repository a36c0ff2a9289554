//! Posting lists: at which positions the events of a type, with a tag, or of a category of streams stand.
//!
//! A list is cut into chunks, one for each commit that added to it: the key is the name and the first position, the
//! value is the distance from each position to the one before. So a bulk append writes a chunk for a name, and not an
//! entry for an event, and a search skips whole chunks.

use rocksdb::{DB, DBRawIterator};

use kinora_types::{Direction, StreamName};

use crate::error::Error;
use crate::read::lookup;
use crate::read::streams::{self, StreamList};
use crate::record::keys;
use crate::record::selection::{Filter, Item, Selection, Streams};

/// The value of a chunk with these positions, which go upwards.
pub fn encode(positions: &[u64]) -> Result<Vec<u8>, postcard::Error> {
    let distances = positions.windows(2).filter_map(|pair| Some(pair.last()? - pair.first()?));
    postcard::to_allocvec(&distances.collect::<Vec<u64>>())
}

/// The positions of a chunk that begins at `first`, or `None` if these bytes are no chunk.
pub fn decode(first: u64, value: &[u8]) -> Option<Vec<u64>> {
    let (distances, rest) = postcard::take_from_bytes::<Vec<u64>>(value).ok()?;
    let mut positions = Vec::with_capacity(distances.len() + 1);
    let mut at = first;
    positions.push(at);
    for distance in distances {
        at = at.checked_add(distance).filter(|next| *next > at)?;
        positions.push(at);
    }
    rest.is_empty().then_some(positions)
}

/// One list, searched in one direction.
struct List<'a> {
    db: &'a DB,
    /// None until it is searched: where a rarer list ends the search, it never is.
    rows: Option<DBRawIterator<'a>>,
    family: &'static str,
    name: String,
    direction: Direction,
    /// The chunk that `rows` stands on.
    chunk: Vec<u64>,
    /// The last question and its answer: all that lies between them has the same answer.
    known: Option<(u64, Option<u64>)>,
}

impl<'a> List<'a> {
    fn new(db: &'a DB, family: &'static str, name: &str, direction: Direction) -> Self {
        Self { db, rows: None, family, name: name.to_owned(), direction, chunk: Vec::new(), known: None }
    }

    fn find(&mut self, at: u64) -> Result<Option<u64>, Error> {
        let between = |asked: u64, answer: Option<u64>| match self.direction {
            Direction::Forwards => asked <= at && answer.is_none_or(|answer| at <= answer),
            Direction::Backwards => at <= asked && answer.is_none_or(|answer| answer <= at),
        };
        if let Some((asked, answer)) = self.known
            && between(asked, answer)
        {
            return Ok(answer);
        }
        let answer = match self.direction {
            Direction::Forwards => self.from(at)?,
            Direction::Backwards => self.upto(at)?,
        };
        self.known = Some((at, answer));
        Ok(answer)
    }

    fn from(&mut self, at: u64) -> Result<Option<u64>, Error> {
        if !self.covers(at) {
            // Mostly the next chunk has it.
            if self.chunk.last().is_some_and(|last| *last < at) {
                self.load(|rows, _| rows.next())?;
            }
            // A chunk that begins before has it, if there is one that does.
            if !self.covers(at) && at > 0 {
                self.load(|rows, name| rows.seek_for_prev(keys::posting(name, at)))?;
            }
            if self.chunk.last().is_none_or(|last| *last < at) {
                self.load(|rows, name| rows.seek(keys::posting(name, at)))?;
            }
        }
        Ok(self.chunk.get(self.chunk.partition_point(|position| *position < at)).copied())
    }

    fn upto(&mut self, at: u64) -> Result<Option<u64>, Error> {
        if !self.covers(at) {
            self.load(|rows, name| rows.seek_for_prev(keys::posting(name, at)))?;
        }
        let before = self.chunk.partition_point(|position| *position <= at);
        Ok(before.checked_sub(1).and_then(|last| self.chunk.get(last)).copied())
    }

    fn covers(&self, at: u64) -> bool {
        self.chunk.first().is_some_and(|first| *first <= at) && self.chunk.last().is_some_and(|last| at <= *last)
    }

    /// Takes up the chunk that `rows` is moved to, or none if it belongs to another list.
    fn load(&mut self, to: impl FnOnce(&mut DBRawIterator<'a>, &str)) -> Result<(), Error> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            none => {
                let family = lookup::family(self.db, self.family)?;
                none.insert(self.db.raw_iterator_cf_opt(family, lookup::under_one_name()))
            }
        };
        to(rows, &self.name);
        self.chunk.clear();
        let Some((key, value)) = rows.item() else { return Ok(rows.status()?) };
        if let Some(first) = keys::posted_under(key, &self.name) {
            self.chunk = decode(first, value).ok_or_else(|| lookup::bad_key(self.family, key))?;
        }
        Ok(())
    }
}

/// How often lists are searched in vain for a position that all of them have, before the one that was reached is taken
/// for a match.
const LEAPS: usize = 64;

/// A search for events, in one direction.
pub struct Matches<'a> {
    direction: Direction,
    node: Node<'a>,
    /// Whether a match may be none, so that no step takes long.
    in_steps: bool,
    leaps: usize,
}

enum Node<'a> {
    Every,
    List(Box<List<'a>>),
    Stream(Box<StreamList<'a>>),
    Any(Vec<Node<'a>>),
    All(Vec<Node<'a>>),
}

impl<'a> Matches<'a> {
    /// In steps, none of which takes long, however far apart the matches are: a position that is found may be none, so
    /// its event has to be looked at.
    pub fn new(db: &'a DB, filter: &Filter, direction: Direction) -> Result<Self, Error> {
        // The streams first: they are rarer.
        let mut all = Vec::new();
        all.extend(stream_node(db, &filter.streams, direction)?);
        all.extend(filter.selection.iter().map(|selection| selected(db, selection, direction)));
        let node = if all.is_empty() { Node::Every } else { Node::All(all) };
        Ok(Self { direction, node, in_steps: true, leaps: 0 })
    }

    /// Of all streams.
    pub fn of(db: &'a DB, selection: &Selection, direction: Direction) -> Self {
        Self { direction, node: selected(db, selection, direction), in_steps: false, leaps: 0 }
    }

    /// The first position from `at` on, in the direction of the search, that matches; of streams with a prefix, it
    /// may be one of their category only.
    pub fn find(&mut self, at: u64) -> Result<Option<u64>, Error> {
        let mut walk = Walk { in_steps: self.in_steps, leaps: 0, left: u64::MAX };
        let found = self.node.find(at, self.direction, &mut walk);
        self.leaps = walk.leaps;
        found
    }

    /// How often the last search went on in vain.
    pub fn leaps(&self) -> usize {
        self.leaps
    }

    /// The same, with a number of looks into lists that it may take.
    pub fn find_within(&mut self, at: u64, left: &mut u64) -> Result<Option<u64>, Error> {
        let mut walk = Walk { in_steps: false, leaps: 0, left: *left };
        let found = self.node.find(at, self.direction, &mut walk);
        *left = walk.left;
        found
    }
}

/// How far a search may go, and how far it went.
struct Walk {
    /// Whether it stops after some leaps in vain, and goes on when it is asked again.
    in_steps: bool,
    leaps: usize,
    /// Looks into lists that are left.
    left: u64,
}

impl Walk {
    fn look(&mut self) -> Result<(), Error> {
        self.left = self.left.checked_sub(1).ok_or(Error::LongSearch)?;
        Ok(())
    }
}

/// `None`: every event, or so many streams that no list is better than the log itself.
fn stream_node<'a>(db: &'a DB, streams: &Streams, direction: Direction) -> Result<Option<Node<'a>>, Error> {
    let one = |stream: &StreamName| Ok::<_, Error>(Node::Stream(Box::new(StreamList::new(db, stream, direction)?)));
    match streams {
        Streams::All => Ok(None),
        Streams::One(stream) => one(stream).map(Some),
        Streams::Prefix(prefix) => {
            if let Some(few) = streams::few_with_prefix(db, prefix)? {
                return Ok(Some(Node::Any(few.iter().map(one).collect::<Result<_, _>>()?)));
            }
            let Some(categories) = streams::few_categories(db, prefix)? else { return Ok(None) };
            let list = |name: String| Node::List(Box::new(List::new(db, keys::BY_CATEGORY, &name, direction)));
            Ok(Some(Node::Any(categories.into_iter().map(list).collect())))
        }
    }
}

fn selected<'a>(db: &'a DB, selection: &Selection, direction: Direction) -> Node<'a> {
    let list = |family, name: &str| Node::List(Box::new(List::new(db, family, name, direction)));
    let item = |item: &Item| {
        let types: Vec<_> = item.types.iter().map(|name| list(keys::BY_TYPE, name)).collect();
        // The tags first: they are rarer.
        let mut all: Vec<_> = item.tags.iter().map(|tag| list(keys::BY_TAG, tag.as_str())).collect();
        if !types.is_empty() {
            all.push(Node::Any(types));
        }
        if all.is_empty() { Node::Every } else { Node::All(all) }
    };
    Node::Any(selection.items.iter().map(item).collect())
}

impl Node<'_> {
    fn find(&mut self, at: u64, direction: Direction, walk: &mut Walk) -> Result<Option<u64>, Error> {
        match self {
            Self::Every => Ok(Some(at)),
            Self::List(list) => {
                walk.look()?;
                list.find(at)
            }
            Self::Stream(list) => {
                walk.look()?;
                list.find(at)
            }
            Self::Any(nodes) => {
                let mut nearest = None;
                for node in nodes {
                    if let Some(found) = node.find(at, direction, walk)? {
                        nearest = Some(match (nearest, direction) {
                            (None, _) => found,
                            (Some(other), Direction::Forwards) => found.min(other),
                            (Some(other), Direction::Backwards) => found.max(other),
                        });
                    }
                }
                Ok(nearest)
            }
            Self::All(nodes) => {
                // Each list moves the search on to its own next position, until all agree on one.
                let mut at = at;
                loop {
                    let mut next = at;
                    for node in nodes.iter_mut() {
                        match node.find(next, direction, walk)? {
                            Some(found) => next = found,
                            None => return Ok(None),
                        }
                    }
                    if next == at || (walk.in_steps && walk.leaps >= LEAPS) {
                        return Ok(Some(next));
                    }
                    at = next;
                    walk.leaps += 1;
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_survives_the_round_trip_and_is_small() {
        for positions in [vec![7], vec![7, 8, 300, u64::MAX]] {
            assert_eq!(decode(7, &encode(&positions).unwrap()), Some(positions));
        }
        assert_eq!(encode(&[9_000_000]).unwrap(), [0]);
        assert_eq!(encode(&[9_000_000, 9_000_001, 9_000_005]).unwrap(), [2, 1, 4]);
    }

    #[test]
    fn bytes_that_are_no_chunk_are_refused() {
        for (what, value) in
            [("empty", &[][..]), ("cut", &[2, 1]), ("too long", &[1, 1, 1]), ("standing still", &[1, 0])]
        {
            assert_eq!(decode(7, value), None, "{what}");
        }
        assert_eq!(decode(u64::MAX, &[1, 1]), None);
    }
}
