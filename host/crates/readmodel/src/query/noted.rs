//! Rows as a query sees them: as readers are shown them, with notes on fields that nobody has declared. If none of the
//! rows has such a field, its name may be misspelled, and the answer says so.

use std::borrow::Cow;

use kinora_types::TableSpec;

use crate::error::Error;
use crate::layout::fields::has;
use crate::layout::shown::shown;
use crate::query::list_query::Row;
use crate::query::walk::Rows;

pub(crate) struct Noted<'q> {
    table: &'q TableSpec,
    /// Those that no row has had so far.
    left: Vec<&'q str>,
    looked: bool,
}

impl<'q> Noted<'q> {
    pub fn new(table: &'q TableSpec, fields: &'q [String]) -> Self {
        Self { table, left: fields.iter().map(String::as_str).collect(), looked: false }
    }

    /// Rows as they are stored become what is shown of them.
    pub fn take(&mut self, mut rows: Vec<Row>) -> Result<Vec<Row>, Error> {
        for row in &mut rows {
            if let Cow::Owned(json) = shown(self.table, &row.json)? {
                row.json = json.into();
            }
        }
        self.look_at(&rows)?;
        Ok(rows)
    }

    fn look_at(&mut self, rows: &[Row]) -> Result<(), Error> {
        self.looked |= !rows.is_empty();
        for row in rows {
            if self.left.is_empty() {
                break;
            }
            let mut left = Vec::with_capacity(self.left.len());
            for field in self.left.drain(..) {
                let is_there = has(&row.json, field);
                if !is_there.map_err(|cause| Error::Corrupt(format!("row {:?} is not JSON: {cause}", row.key)))? {
                    left.push(field);
                }
            }
            self.left = left;
        }
        Ok(())
    }

    /// The fields that no row had, if there was one.
    pub fn absent(self) -> Vec<String> {
        if self.looked { self.left.into_iter().map(str::to_owned).collect() } else { Vec::new() }
    }
}

/// Rows that are taken note of as they are read.
pub(crate) struct Noting<'a, 'q> {
    pub rows: &'a mut dyn Rows,
    pub noted: &'a mut Noted<'q>,
}

impl Rows for Noting<'_, '_> {
    fn rows(&mut self, count: usize) -> Result<Vec<Row>, Error> {
        self.noted.take(self.rows.rows(count)?)
    }

    fn is_at_end(&mut self) -> Result<bool, Error> {
        self.rows.is_at_end()
    }

    fn visited(&self) -> usize {
        self.rows.visited()
    }
}
