//! Rows: decoded once, kept while hot, written back when the host wants to commit.

use std::any::Any;
use std::borrow::Cow;
use std::marker::PhantomData;

use foldhash::fast::FixedState;
use hashbrown::hash_map::EntryRef;
use hashbrown::{Equivalent, HashMap};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::Fault;

/// Rows that a scan asks the host for at once.
const PAGE_ROWS: u32 = 1_000;

/// Bytes of rows that are handed over at once, about: more would only hold more memory.
const WRITE_BYTES: usize = 1 << 20;

/// Rows of a table that are kept decoded after a flush; beyond it the cache is emptied.
const CACHED_ROWS: usize = 50_000;

/// Rows that are read at once.
const FETCHED_ROWS: usize = 8_192;

/// A table of the read model, by name, with the type of its rows.
pub struct Table<T> {
    name: &'static str,
    rows: PhantomData<fn() -> T>,
}

impl<T> Table<T> {
    pub const fn new(name: &'static str) -> Self {
        Self { name, rows: PhantomData }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Table<T> {}

/// A key of several parts, such as a date and a route. A slash within a part becomes `%2F`, a percent sign `%25`.
pub fn composite_key<const N: usize>(parts: [&str; N]) -> String {
    let mut key = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for (number, part) in parts.into_iter().enumerate() {
        if number > 0 {
            key.push('/');
        }
        for character in part.chars() {
            match character {
                '/' => key.push_str("%2F"),
                '%' => key.push_str("%25"),
                other => key.push(other),
            }
        }
    }
    key
}

/// Texts, one after the other; the contract's `texts`.
#[doc(hidden)]
#[derive(Default)]
pub struct Column {
    pub ends: Vec<u32>,
    pub bytes: Vec<u8>,
}

impl Column {
    pub fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.end();
    }

    /// Ends a text that was written to `bytes`.
    pub(crate) fn end(&mut self) {
        // The address space of a guest ends where a u32 does.
        self.ends.push(self.bytes.len() as u32);
    }

    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map_while(move |end| {
            let text = self.bytes.get(start..*end as usize)?;
            start = *end as usize;
            Some(text)
        })
    }
}

/// A row as it is stored: key and JSON text.
#[doc(hidden)]
pub type Stored = (String, Vec<u8>);

/// Which rows to scan: keys in byte order, owned or borrowed.
///
/// ```
/// use kinora_sdk::Scan;
///
/// let day = "2013-01-01";
/// let of_a_day = Scan::all().from(day).to(format!("{day}0"));
/// let newest_first = Scan::all().reversed();
/// # let _ = (of_a_day, newest_first);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Scan<'a> {
    start: Option<Cow<'a, str>>,
    end: Option<Cow<'a, str>>,
    reverse: bool,
}

impl<'a> Scan<'a> {
    /// All rows.
    pub fn all() -> Self {
        Self::default()
    }

    /// Keys from here on, this one included.
    pub fn from(mut self, start: impl Into<Cow<'a, str>>) -> Self {
        self.start = Some(start.into());
        self
    }

    /// Keys up to here, this one not included.
    pub fn to(mut self, end: impl Into<Cow<'a, str>>) -> Self {
        self.end = Some(end.into());
        self
    }

    /// From the last to the first.
    pub fn reversed(mut self) -> Self {
        self.reverse = true;
        self
    }
}

/// Where rows come from and go to: the host's imports, or a map in a test. Values are JSON text.
#[doc(hidden)]
pub trait Backend {
    /// Rows in the order of the keys; an empty one where there is none.
    fn get_many(&mut self, table: u32, keys: Column) -> Column;
    /// A page of rows, empty at the end.
    fn scan(&mut self, table: u32, start: Option<&str>, end: Option<&str>, reverse: bool, limit: u32) -> Vec<Stored>;
    /// Keys in byte order; an empty value deletes.
    fn write(&mut self, table: u32, keys: Column, values: Column);
}

/// A row that was read or written since the cache was emptied; `row` is `None` where there is none.
struct Cached<T> {
    row: Option<T>,
    dirty: bool,
}

/// The rows of a table that are in memory. The order of the hash map never matters: rows leave it sorted.
struct Cache<T> {
    rows: HashMap<Box<str>, Cached<T>, FixedState>,
    /// Keys of rows to read before they are needed.
    wanted: Vec<Box<str>>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { rows: HashMap::default(), wanted: Vec::new() }
    }
}

/// A key to look up. Equality goes eight bytes at a time, which a guest's `memcmp` does not.
#[derive(Hash)]
struct Lookup<'a>(&'a str);

impl Equivalent<Box<str>> for Lookup<'_> {
    fn equivalent(&self, key: &Box<str>) -> bool {
        let (ours, rest) = self.0.as_bytes().as_chunks::<8>();
        let (theirs, their_rest) = key.as_bytes().as_chunks::<8>();
        let same = |(ours, theirs): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*ours) == u64::from_ne_bytes(*theirs);
        self.0.len() == key.len()
            && ours.iter().zip(theirs).all(same)
            && rest.iter().zip(their_rest).all(|(ours, theirs)| ours == theirs)
    }
}

trait AnyCache: Any {
    /// Reads what is wanted, and gives the number of rows.
    fn fetch(&mut self, table: &str, read: &mut dyn FnMut(Column) -> Column) -> Result<usize, Fault>;
    /// Hands over what has changed, in pieces.
    fn flush(&mut self, write: &mut dyn FnMut(Column, Column)) -> Result<(), Fault>;
}

impl<T: Serialize + DeserializeOwned + 'static> AnyCache for Cache<T> {
    fn fetch(&mut self, table: &str, read: &mut dyn FnMut(Column) -> Column) -> Result<usize, Fault> {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.sort_unstable();
        wanted.dedup();
        let count = wanted.len();
        let mut wanted = wanted.into_iter();
        loop {
            let chunk: Vec<_> = wanted.by_ref().take(FETCHED_ROWS).collect();
            if chunk.is_empty() {
                return Ok(count);
            }
            let mut keys = Column::default();
            chunk.iter().for_each(|key| keys.push(key.as_bytes()));
            let found = read(keys);
            for (key, json) in chunk.into_iter().zip(found.texts()) {
                let row = if json.is_empty() { None } else { Some(decode(table, &key, json)?) };
                self.rows.entry(key).or_insert(Cached { row, dirty: false });
            }
        }
    }

    fn flush(&mut self, write: &mut dyn FnMut(Column, Column)) -> Result<(), Fault> {
        let mut dirty: Vec<_> = self.rows.iter_mut().filter(|(_, cached)| cached.dirty).collect();
        dirty.sort_unstable_by(|a, b| a.0.cmp(b.0));
        let (mut keys, mut values) = (Column::default(), Column::default());
        for (key, cached) in dirty {
            cached.dirty = false;
            keys.push(key.as_bytes());
            if let Some(row) = &cached.row {
                serde_json::to_writer(&mut values.bytes, row)
                    .map_err(|cause| Fault::new(format!("row {key:?} does not encode: {cause}")))?;
            }
            values.end();
            if values.bytes.len() >= WRITE_BYTES {
                write(std::mem::take(&mut keys), std::mem::take(&mut values));
            }
        }
        if !keys.ends.is_empty() {
            write(keys, values);
        }
        if self.rows.len() > CACHED_ROWS {
            self.rows.clear();
        }
        Ok(())
    }
}

/// The rows of this projector.
pub struct Rows {
    backend: Box<dyn Backend>,
    tables: Vec<(&'static str, Option<Box<dyn AnyCache>>)>,
    /// How many rows were read since [`Rows::read_since`] was called last.
    read: usize,
}

/// What is behind the caches, and how often it was asked.
struct Behind<'a> {
    backend: &'a mut dyn Backend,
    read: &'a mut usize,
}

/// Takes down which rows events are going to touch.
pub struct Wanted<'a>(&'a mut Rows);

impl Wanted<'_> {
    /// This row, which an event is going to touch.
    pub fn row<T>(&mut self, table: Table<T>, key: &str)
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        // A table that is not declared is complained about when it is used.
        if let Ok((_, cache, _)) = self.0.cache(table)
            && !cache.rows.contains_key(&Lookup(key))
        {
            cache.wanted.push(key.into());
        }
    }
}

impl Rows {
    #[doc(hidden)]
    pub fn new(backend: Box<dyn Backend>, tables: impl Iterator<Item = &'static str>) -> Self {
        Self { backend, tables: tables.map(|name| (name, None)).collect(), read: 0 }
    }

    /// Reads rows before they are needed, all at once.
    #[doc(hidden)]
    pub fn fetch(&mut self, want: impl FnOnce(&mut Wanted<'_>)) -> Result<(), Fault> {
        want(&mut Wanted(self));
        for (index, (name, cache)) in (0..).zip(&mut self.tables) {
            if let Some(cache) = cache {
                self.read += cache.fetch(name, &mut |keys| self.backend.get_many(index, keys))?;
            }
        }
        Ok(())
    }

    /// How many rows have been read since the last call.
    #[doc(hidden)]
    pub fn read_since(&mut self) -> usize {
        std::mem::take(&mut self.read)
    }

    /// A row to change; a new one if there is none.
    ///
    /// # Errors
    /// The table is not declared, or what is stored does not decode as `T`.
    pub fn entry<T>(&mut self, table: Table<T>, key: &str) -> Result<&mut T, Fault>
    where
        T: Default + Serialize + DeserializeOwned + 'static,
    {
        let cached = self.cached(table, key)?;
        cached.dirty = true;
        Ok(cached.row.get_or_insert_default())
    }

    /// A row to look at.
    ///
    /// # Errors
    /// As [`Rows::entry`].
    pub fn get<T>(&mut self, table: Table<T>, key: &str) -> Result<Option<&T>, Fault>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        Ok(self.cached(table, key)?.row.as_ref())
    }

    /// Puts a row, whatever was there: nothing is read for it.
    ///
    /// # Errors
    /// As [`Rows::entry`].
    pub fn put<T>(&mut self, table: Table<T>, key: &str, row: T) -> Result<(), Fault>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        self.replace(table, key, Some(row))
    }

    /// Deletes a row, if it is there.
    ///
    /// # Errors
    /// As [`Rows::entry`].
    pub fn delete<T>(&mut self, table: Table<T>, key: &str) -> Result<(), Fault>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        self.replace(table, key, None)
    }

    /// Visits rows in the order of their keys, as they are now, until `visit` answers `false`.
    ///
    /// # Errors
    /// As [`Rows::entry`].
    pub fn scan<T>(
        &mut self,
        table: Table<T>,
        scan: Scan<'_>,
        mut visit: impl FnMut(&str, T) -> bool,
    ) -> Result<(), Fault>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        // A scan sees the rows that this instance has not written yet, too.
        self.flush()?;
        let index = self.index(table.name)?;
        let (mut start, mut end) = (scan.start.map(Cow::into_owned), scan.end.map(Cow::into_owned));
        loop {
            let page = self.backend.scan(index, start.as_deref(), end.as_deref(), scan.reverse, PAGE_ROWS);
            let Some((last, _)) = page.last() else { return Ok(()) };
            // A key never contains a NUL, so this is the key right after the last one.
            if scan.reverse {
                end = Some(last.clone())
            } else {
                start = Some(format!("{last}\0"))
            }
            for (key, json) in &page {
                if !visit(key, decode(table.name, key, json)?) {
                    return Ok(());
                }
            }
        }
    }

    fn index(&self, name: &str) -> Result<u32, Fault> {
        let declared = (0..).zip(&self.tables).find(|(_, declared)| declared.0 == name);
        declared.map(|(index, _)| index).ok_or_else(|| undeclared(name))
    }

    /// Sets a row without looking at what was there.
    fn replace<T>(&mut self, table: Table<T>, key: &str, row: Option<T>) -> Result<(), Fault>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        let (_, cache, _) = self.cache(table)?;
        let new = Cached { row, dirty: true };
        match cache.rows.entry_ref(&Lookup(key)) {
            EntryRef::Occupied(mut cached) => drop(cached.insert(new)),
            EntryRef::Vacant(vacant) => drop(vacant.insert_entry_with_key(key.into(), new)),
        }
        Ok(())
    }

    /// The number and the cache of a table, and what is behind the cache.
    fn cache<T>(&mut self, table: Table<T>) -> Result<(u32, &mut Cache<T>, Behind<'_>), Fault>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        let name = table.name;
        // The declared name mostly is the same text at the same address, which is quicker to compare.
        let same = |declared: &str| std::ptr::eq(declared, name) || declared == name;
        let Some((index, (_, cache))) = (0..).zip(&mut self.tables).find(|(_, declared)| same(declared.0)) else {
            return Err(undeclared(name));
        };
        let cache = cache.get_or_insert_with(|| Box::new(Cache::<T>::default()));
        let any: &mut dyn Any = &mut **cache;
        let Some(cache) = any.downcast_mut::<Cache<T>>() else {
            return Err(Fault::new(format!("table {name:?} is used with rows of two types")));
        };
        Ok((index, cache, Behind { backend: &mut *self.backend, read: &mut self.read }))
    }

    fn cached<T>(&mut self, table: Table<T>, key: &str) -> Result<&mut Cached<T>, Fault>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        let name = table.name;
        let (index, cache, behind) = self.cache(table)?;
        match cache.rows.entry_ref(&Lookup(key)) {
            EntryRef::Occupied(cached) => Ok(cached.into_mut()),
            EntryRef::Vacant(vacant) => {
                let mut keys = Column::default();
                keys.push(key.as_bytes());
                *behind.read += 1;
                let found = behind.backend.get_many(index, keys).bytes;
                let row = if found.is_empty() { None } else { Some(decode(name, key, &found)?) };
                Ok(vacant.insert_entry_with_key(key.into(), Cached { row, dirty: false }).into_mut())
            }
        }
    }

    #[doc(hidden)]
    pub fn flush(&mut self) -> Result<(), Fault> {
        for (index, (_, cache)) in (0..).zip(&mut self.tables) {
            if let Some(cache) = cache {
                cache.flush(&mut |keys, values| self.backend.write(index, keys, values))?;
            }
        }
        Ok(())
    }
}

fn undeclared(table: &str) -> Fault {
    Fault::new(format!("table {table:?} is not declared in describe()"))
}

fn decode<T: DeserializeOwned>(table: &str, key: &str, row: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(row)
        .map_err(|cause| Fault::new(format!("row {key:?} of table {table:?} does not decode: {cause}")))
}

#[cfg(test)]
mod tests {
    use super::composite_key;

    #[test]
    fn parts_stay_apart() {
        assert_eq!(composite_key(["a/b", "100%", "c"]), "a%2Fb/100%25/c");
    }
}
