//! The line of a version that is under way: what does not fit is left out, and no word is broken.

use unicode_width::UnicodeWidthStr;

/// Between two parts of a line.
const GAP: &str = "  ";

/// The most and the least columns of a bar.
const BAR: (usize, usize) = (32, 8);

/// A name, a bar that is filled to a share, and what is said of the version, the most important first.
pub fn line<'a>(name: &str, share: f64, said: impl IntoIterator<Item = &'a str>, width: usize) -> String {
    let (mut kept, mut used) = (Vec::new(), name.width());
    for part in said {
        let with = used + GAP.width() + part.width();
        if with <= width {
            kept.push(part);
            used = with;
        }
    }
    let room = width.saturating_sub(used + GAP.width()).min(BAR.0);
    let bar = (room >= BAR.1).then(|| bar(share, room));
    let parts = std::iter::once(name).chain(bar.as_deref()).chain(kept);
    parts.collect::<Vec<_>>().join(GAP)
}

fn bar(share: f64, columns: usize) -> String {
    // Casts saturate, and NaN is 0.
    let filled = ((share * columns as f64) as usize).min(columns);
    ["█".repeat(filled), "░".repeat(columns - filled)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: [&str; 5] = ["replaying", "1,234,567/25,000,000", "stalled for 2h05m", "12345 events/s", "1h17m left"];

    #[test]
    fn a_line_has_a_bar_and_everything_where_there_is_room() {
        let found = line("counts 2", 0.5, ["ready", "7/14"], 40);
        assert_eq!(found, "counts 2  ████████░░░░░░░░░  ready  7/14");
    }

    #[test]
    fn a_line_fits_its_width_and_breaks_no_word() {
        let name = "the-arrivals-and-departures-of-all-airports-on-the-east-coast 12";
        for (name, width) in [(name, 80), ("ontime 2", 80), (name, 200), ("ontime 2", 44)] {
            let found = line(name, 0.3, SAID, width);
            assert!(found.width() <= width && found.starts_with(name) && found.contains("replaying"), "{found}");
            for part in found.split(GAP).skip(1).filter(|part| !part.contains(['█', '░'])) {
                assert!(SAID.contains(&part), "{part:?} of {found}");
            }
        }
    }
}
