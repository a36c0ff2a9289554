//! Bindings that wasmtime generates from `wit/`, and small helpers on its column types.

pub mod projector {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "projector",
        imports: { default: trappable },
        exports: { default: async },
    });
}

pub mod upcaster {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "upcaster",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "kinora:engine/types": super::projector::kinora::engine::types,
            "kinora:engine/diagnostics": super::projector::kinora::engine::diagnostics,
        },
    });
}

pub mod decider {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "decider",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "kinora:engine/types": super::projector::kinora::engine::types,
            "kinora:engine/diagnostics": super::projector::kinora::engine::diagnostics,
        },
    });
}

pub use projector::kinora::engine::types::{Batch, Texts};

impl Texts {
    pub fn push(&mut self, text: &[u8]) -> Result<(), TextsTooLong> {
        self.bytes.extend_from_slice(text);
        self.ends.push(u32::try_from(self.bytes.len()).map_err(|_| TextsTooLong)?);
        Ok(())
    }

    /// Adds the texts of another column, or none of them if they do not fit.
    pub fn append(&mut self, other: &Self) -> Result<(), TextsTooLong> {
        let start = u32::try_from(self.bytes.len()).map_err(|_| TextsTooLong)?;
        u32::try_from(self.bytes.len() + other.bytes.len()).map_err(|_| TextsTooLong)?;
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| start + end));
        Ok(())
    }

    pub fn clear(&mut self) {
        self.ends.clear();
        self.bytes.clear();
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Text `index`, or nothing where the column has no such text (or lies about where it ends).
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let start = match index.checked_sub(1) {
            Some(previous) => *self.ends.get(previous)? as usize,
            None => 0,
        };
        self.bytes.get(start..*self.ends.get(index)? as usize)
    }

    /// All texts in order. Stops early where `ends` falls or points beyond `bytes`; see [`Texts::check`].
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map_while(move |end| {
            let text = self.bytes.get(start..*end as usize)?;
            start = *end as usize;
            Some(text)
        })
    }

    /// Whether a column that came from a guest is what the contract says: `ends` never falls, ends with the bytes.
    pub fn check(&self, what: &str) -> Result<(), String> {
        let mut start = 0;
        for (index, end) in self.ends.iter().enumerate() {
            if *end < start || *end as usize > self.bytes.len() {
                return Err(format!(
                    "{what}: text {index} ends at {end}, which is before its start or after the bytes"
                ));
            }
            start = *end;
        }
        if start as usize != self.bytes.len() {
            return Err(format!("{what}: the texts end at {start}, but there are {} bytes", self.bytes.len()));
        }
        Ok(())
    }
}

/// A column beyond the 4 GiB that its offsets can name.
#[derive(Debug, thiserror::Error)]
#[error("a column of texts has more than 4 GiB")]
pub struct TextsTooLong;

// The type is generated, so there is no place for a derive.
#[allow(clippy::derivable_impls)]
impl Default for Texts {
    fn default() -> Self {
        Self { ends: Vec::new(), bytes: Vec::new() }
    }
}

// The type is generated, so there is no place for a derive.
#[allow(clippy::derivable_impls)]
impl Default for Batch {
    fn default() -> Self {
        Self {
            positions: Vec::new(),
            revisions: Vec::new(),
            times: Vec::new(),
            kinds: Vec::new(),
            streams: Texts::default(),
            payloads: Texts::default(),
            metadata: Texts::default(),
            tags: Texts::default(),
        }
    }
}

impl Batch {
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Bytes of all texts.
    pub fn text_bytes(&self) -> usize {
        [&self.streams, &self.payloads, &self.metadata, &self.tags].iter().map(|texts| texts.bytes.len()).sum()
    }

    /// Adds the events of another batch behind these. If they do not fit, what is here then is void.
    pub fn append(&mut self, other: &Self) -> Result<(), TextsTooLong> {
        self.positions.extend_from_slice(&other.positions);
        self.revisions.extend_from_slice(&other.revisions);
        self.times.extend_from_slice(&other.times);
        self.kinds.extend_from_slice(&other.kinds);
        self.streams.append(&other.streams)?;
        self.payloads.append(&other.payloads)?;
        self.metadata.append(&other.metadata)?;
        self.tags.append(&other.tags)
    }

    pub fn clear(&mut self) {
        self.positions.clear();
        self.revisions.clear();
        self.times.clear();
        self.kinds.clear();
        self.streams.clear();
        self.payloads.clear();
        self.metadata.clear();
        self.tags.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_column_gives_back_what_was_pushed() {
        let mut texts = Texts::default();
        for text in ["a", "", "bcd"] {
            texts.push(text.as_bytes()).unwrap();
        }
        assert_eq!(texts.iter().collect::<Vec<_>>(), [&b"a"[..], b"", b"bcd"]);
        assert_eq!((texts.get(1), texts.get(2), texts.get(3)), (Some(&b""[..]), Some(&b"bcd"[..]), None));
        assert_eq!(texts.check("it"), Ok(()));
    }

    #[test]
    fn lengths_that_lie_are_found_and_never_read_beyond_the_bytes() {
        let lies = [(vec![2, 1], 2), (vec![1, 9], 2), (vec![1], 2), (vec![], 1), (vec![u32::MAX], 3)];
        for (ends, bytes) in lies {
            let texts = Texts { ends: ends.clone(), bytes: vec![b'x'; bytes] };
            assert!(texts.check("it").is_err(), "{ends:?}");
            assert!(texts.iter().count() <= ends.len());
            assert_eq!(texts.get(5), None);
        }
    }
}
