//! Rows: decoded once, kept while hot, written back when the host wants to commit.

use std::any::Any;
use std::marker::PhantomData;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::Fault;

/// Rows that a scan asks the host for at once.
const PAGE_ROWS: u32 = 1_000;

/// Bytes of rows that are handed over at once, about: more would only hold more memory.
const WRITE_BYTES: usize = 1 << 20;

/// Rows of a table that are kept decoded after a flush; beyond it the cache starts afresh.
const CACHED_ROWS: usize = 50_000;

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
    fn end(&mut self) {
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

/// Which rows to scan: keys in byte order.
#[derive(Clone, Debug, Default)]
pub struct Scan<'a> {
    start: Option<&'a str>,
    end: Option<&'a str>,
    reverse: bool,
}

impl<'a> Scan<'a> {
    /// All rows.
    pub fn all() -> Self {
        Self::default()
    }

    /// Keys from here on, this one included.
    pub fn from(mut self, start: &'a str) -> Self {
        self.start = Some(start);
        self
    }

    /// Keys up to here, this one not included.
    pub fn to(mut self, end: &'a str) -> Self {
        self.end = Some(end);
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
    fn get(&mut self, table: u32, key: &str) -> Option<Vec<u8>>;
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

/// A hash map whose order never matters: rows leave it sorted.
type Cache<T> = HashMap<Box<str>, Cached<T>, FixedState>;

trait AnyCache {
    fn as_any(&mut self) -> &mut dyn Any;
    /// Hands over what has changed, in pieces.
    fn flush(&mut self, write: &mut dyn FnMut(Column, Column)) -> Result<(), Fault>;
}

impl<T: Serialize + 'static> AnyCache for Cache<T> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn flush(&mut self, write: &mut dyn FnMut(Column, Column)) -> Result<(), Fault> {
        let mut dirty: Vec<_> = self.iter_mut().filter(|(_, cached)| cached.dirty).collect();
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
        if self.len() > CACHED_ROWS {
            self.clear();
        }
        Ok(())
    }
}

/// The rows of this projector.
pub struct Rows {
    backend: Box<dyn Backend>,
    tables: Vec<(&'static str, Option<Box<dyn AnyCache>>)>,
}

impl Rows {
    #[doc(hidden)]
    pub fn new(backend: Box<dyn Backend>, tables: impl Iterator<Item = &'static str>) -> Self {
        Self { backend, tables: tables.map(|name| (name, None)).collect() }
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
        scan: &Scan<'_>,
        mut visit: impl FnMut(&str, T) -> bool,
    ) -> Result<(), Fault>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        // What this instance holds back has to be seen, too.
        self.flush()?;
        let index = self.index(table.name)?;
        let (mut start, mut end) = (scan.start.map(str::to_owned), scan.end.map(str::to_owned));
        loop {
            let page = self.backend.scan(index, start.as_deref(), end.as_deref(), scan.reverse, PAGE_ROWS);
            let Some((last, _)) = page.last() else { return Ok(()) };
            // A key never holds a NUL, so this is the key right after the last one.
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
        match cache.entry_ref(key) {
            EntryRef::Occupied(mut cached) => drop(cached.insert(new)),
            EntryRef::Vacant(vacant) => drop(vacant.insert_entry_with_key(key.into(), new)),
        }
        Ok(())
    }

    /// The number and the cache of a table, and what is behind the cache.
    fn cache<T>(&mut self, table: Table<T>) -> Result<(u32, &mut Cache<T>, &mut dyn Backend), Fault>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        let name = table.name;
        // The declared name mostly is the very same text, so that its address tells.
        let same = |declared: &str| std::ptr::eq(declared, name) || declared == name;
        let Some((index, (_, cache))) = (0..).zip(&mut self.tables).find(|(_, declared)| same(declared.0)) else {
            return Err(undeclared(name));
        };
        let cache = cache.get_or_insert_with(|| Box::new(Cache::<T>::default()));
        let Some(cache) = cache.as_any().downcast_mut::<Cache<T>>() else {
            return Err(Fault::new(format!("table {name:?} is used with rows of two types")));
        };
        Ok((index, cache, &mut *self.backend))
    }

    fn cached<T>(&mut self, table: Table<T>, key: &str) -> Result<&mut Cached<T>, Fault>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        let name = table.name;
        let (index, cache, backend) = self.cache(table)?;
        match cache.entry_ref(key) {
            EntryRef::Occupied(cached) => Ok(cached.into_mut()),
            EntryRef::Vacant(vacant) => {
                let row = backend.get(index, key).map(|json| decode(name, key, &json)).transpose()?;
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

fn decode<T: DeserializeOwned>(table: &str, key: &str, json: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(json)
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
