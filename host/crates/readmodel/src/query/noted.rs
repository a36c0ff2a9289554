//! Notes on fields that nobody has declared: whether any of the rows that a query looks at has them. If none has, the
//! name may be misspelled, and the answer says so.

use crate::error::Error;
use crate::layout::fields::has;
use crate::query::list_query::Row;
use crate::query::walk::Rows;

pub(crate) struct Noted<'q> {
    /// Those that no row has had so far.
    left: Vec<&'q str>,
    looked: bool,
}

impl<'q> Noted<'q> {
    pub fn new(fields: &'q [String]) -> Self {
        Self { left: fields.iter().map(String::as_str).collect(), looked: false }
    }

    pub fn look_at(&mut self, rows: &[Row]) -> Result<(), Error> {
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

/// Rows that are noted as they are read.
pub(crate) struct Noting<'a, 'q> {
    pub rows: &'a mut dyn Rows,
    pub noted: &'a mut Noted<'q>,
}

impl Rows for Noting<'_, '_> {
    fn rows(&mut self, count: usize) -> Result<Vec<Row>, Error> {
        let rows = self.rows.rows(count)?;
        self.noted.look_at(&rows)?;
        Ok(rows)
    }

    fn is_at_end(&mut self) -> Result<bool, Error> {
        self.rows.is_at_end()
    }

    fn visited(&self) -> usize {
        self.rows.visited()
    }
}
