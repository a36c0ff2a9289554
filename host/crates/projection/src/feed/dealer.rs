//! A dealer of events: by their partition, to instances that work side by side.

use kinora_sandbox::{Batch, Category, Failure, Partition, Texts};

/// Deals events out to instances by their partition.
#[derive(Clone)]
pub struct Dealer {
    by: Partition,
    instances: usize,
}

impl Dealer {
    /// `None` if there is nothing to deal out, or nobody to deal to.
    pub fn new(by: Option<&Partition>, instances: usize) -> Option<Self> {
        by.filter(|_| instances > 1).map(|by| Self { by: by.clone(), instances })
    }

    /// A batch for each instance. The events of a partition stay together, and in their order.
    pub fn deal(&self, events: &Batch) -> Result<Vec<Batch>, Failure> {
        let mut dealt: Vec<Batch> = std::iter::repeat_with(Batch::default).take(self.instances).collect();
        let lost = || Failure::new(Category::Rule, "a column is shorter than its batch");
        for index in 0..events.len() {
            let stream = events.streams.get(index).ok_or_else(lost)?;
            let name = match &self.by {
                Partition::Stream => stream,
                Partition::Tag(prefix) => first_tag(events.tags.get(index).unwrap_or_default(), prefix.as_bytes()),
            };
            let share = crc32fast::hash(name) as usize % self.instances;
            let batch = dealt.get_mut(share).ok_or_else(lost)?;
            let add = |column: &mut Texts, text: Option<&[u8]>| {
                column.push(text.ok_or_else(lost)?).map_err(|cause| Failure::new(Category::Rule, cause.to_string()))
            };
            batch.positions.push(*events.positions.get(index).ok_or_else(lost)?);
            batch.revisions.push(*events.revisions.get(index).ok_or_else(lost)?);
            batch.times.push(*events.times.get(index).ok_or_else(lost)?);
            batch.kinds.push(*events.kinds.get(index).ok_or_else(lost)?);
            add(&mut batch.streams, Some(stream))?;
            add(&mut batch.payloads, events.payloads.get(index))?;
            if !events.metadata.is_empty() {
                add(&mut batch.metadata, events.metadata.get(index))?;
            }
            if !events.tags.is_empty() {
                add(&mut batch.tags, events.tags.get(index))?;
            }
        }
        Ok(dealt)
    }
}

fn first_tag<'a>(tags: &'a [u8], prefix: &[u8]) -> &'a [u8] {
    tags.split(|byte| *byte == b'\n').find(|tag| tag.starts_with(prefix)).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn batch(events: &[(&str, &str)]) -> Batch {
        let mut batch = Batch::default();
        for (position, (stream, tags)) in (0_u64..).zip(events) {
            batch.positions.push(position);
            batch.revisions.push(0);
            batch.times.push(0);
            batch.kinds.push(0);
            batch.streams.push(stream.as_bytes()).unwrap();
            batch.payloads.push(format!("{{\"n\":{position}}}").as_bytes()).unwrap();
            batch.tags.push(tags.as_bytes()).unwrap();
        }
        batch
    }

    /// Which positions each instance gets.
    fn dealt(by: Partition, events: &[(&str, &str)]) -> Vec<Vec<u64>> {
        let dealer = Dealer::new(Some(&by), 3).unwrap();
        let dealt = dealer.deal(&batch(events)).unwrap();
        for batch in &dealt {
            for (position, payload) in batch.positions.iter().zip(batch.payloads.iter()) {
                assert_eq!(payload, format!("{{\"n\":{position}}}").as_bytes(), "an event keeps its data");
            }
        }
        dealt.into_iter().map(|batch| batch.positions).collect()
    }

    #[test]
    fn the_events_of_a_partition_stay_together_in_their_order_and_none_is_lost() {
        let names: Vec<String> = (0..100).map(|n| format!("s{}", n % 20)).collect();
        let events: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        let dealt = dealt(Partition::Stream, &events);
        assert!(dealt.iter().all(|positions| !positions.is_empty() && positions.is_sorted()));
        for (share, positions) in dealt.iter().enumerate() {
            for position in positions {
                let with_it = |other: &u64| names[*other as usize] == names[*position as usize];
                let elsewhere = dealt.iter().enumerate().filter(|(other, _)| *other != share);
                assert!(!elsewhere.flat_map(|(_, positions)| positions).any(with_it));
            }
        }
        assert_eq!(dealt.iter().map(Vec::len).sum::<usize>(), events.len());
    }

    #[test]
    fn the_first_tag_with_the_beginning_decides() {
        let events = [("a", "x:1\nk:7"), ("b", "k:7"), ("c", "k:7\nk:8"), ("d", ""), ("e", "x:1")];
        let dealt = dealt(Partition::Tag("k:".into()), &events);
        assert!(dealt.iter().any(|positions| positions.starts_with(&[0, 1, 2])), "{dealt:?}");
        assert!(dealt.iter().any(|positions| positions.ends_with(&[3, 4])), "{dealt:?}");
    }
}
