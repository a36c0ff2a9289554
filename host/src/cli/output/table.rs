//! A table that fits a width: what is too much for it goes to lines of its own, or is left out. No word is broken.

use unicode_width::UnicodeWidthStr;

/// Between two columns.
const GAP: usize = 2;

/// The least width in which a text can be read that goes on below itself.
const TEXT_WIDTH: usize = 24;

/// How far lines stand in that belong to the row above them.
const INDENT: usize = 4;

/// What becomes of columns that do not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// They stand below their row, a line each.
    Below,
    /// They are not shown.
    LeftOut,
}

pub struct Table {
    header: Vec<String>,
    /// The columns that stand to the right.
    numbers: Vec<usize>,
    /// The columns that can be done without first.
    spare: Vec<usize>,
    rest: Rest,
    rows: Vec<Vec<String>>,
}

/// Where each column stands.
struct Layout {
    /// The first column stands above its row.
    headed: bool,
    beside: Vec<usize>,
    others: Vec<usize>,
    /// The width of the last column, if it is a text that goes on below itself.
    text: Option<usize>,
}

impl Table {
    /// `numbers` are the columns that stand to the right.
    pub fn new(header: &[&str], numbers: &[usize]) -> Self {
        let header = header.iter().map(|name| (*name).to_owned()).collect();
        Self { header, numbers: numbers.to_vec(), spare: Vec::new(), rest: Rest::Below, rows: Vec::new() }
    }

    /// These columns go first where there is no room for all.
    pub fn spare(mut self, columns: &[usize]) -> Self {
        self.spare = columns.to_vec();
        self
    }

    /// The last columns are left out where there is no room for all.
    pub fn leaving_out(mut self) -> Self {
        self.rest = Rest::LeftOut;
        self
    }

    pub fn add_row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The header, and every row with all of its columns.
    pub fn all_rows(&self) -> impl Iterator<Item = &[String]> {
        std::iter::once(self.header.as_slice()).chain(self.rows.iter().map(Vec::as_slice))
    }

    /// The lines, and the names of the columns that are not in them.
    pub fn lines(&self, width: usize) -> (Vec<String>, Vec<&str>) {
        let widths = self.widths();
        let layout = self.layout(&widths, width);
        let mut lines = vec![self.row(&self.header, &widths, &layout).0];
        for row in &self.rows {
            if layout.headed {
                lines.push(cell(row, 0).to_owned());
            }
            let (first, more) = self.row(row, &widths, &layout);
            lines.push(first);
            lines.extend(more);
            if self.rest == Rest::Below {
                for &column in layout.others.iter().filter(|column| !cell(row, **column).is_empty()) {
                    let name = cell(&self.header, column);
                    let named = if name.is_empty() { String::new() } else { format!("{name}: ") };
                    lines.extend(wrapped(&format!("{named}{}", cell(row, column)), width, INDENT));
                }
            }
        }
        let left_out = if self.rest == Rest::LeftOut { layout.others } else { Vec::new() };
        let lines = lines.into_iter().map(|line| line.trim_end().to_owned()).collect();
        (lines, left_out.into_iter().map(|column| cell(&self.header, column)).collect())
    }

    fn widths(&self) -> Vec<usize> {
        let widest = |column| self.rows.iter().map(|row| cell(row, column).width()).max().unwrap_or_default();
        self.header.iter().enumerate().map(|(column, name)| name.width().max(widest(column))).collect()
    }

    fn layout(&self, widths: &[usize], width: usize) -> Layout {
        let of = |column: &usize| widths.get(*column).copied().unwrap_or_default();
        let taken = |columns: &[usize]| columns.iter().map(|column| of(column) + GAP).sum::<usize>();
        let all: Vec<usize> = (0..widths.len()).collect();
        let mut layout = Layout { headed: false, beside: all, others: Vec::new(), text: None };
        if taken(&layout.beside) <= width + GAP {
            return layout;
        }
        layout.headed = layout.beside.len() > 1 && of(&0) > width / 2;
        let (kept, room) = if layout.headed { (0, width - INDENT) } else { (1, width) };
        if layout.headed {
            layout.beside.remove(0);
        }
        while taken(&layout.beside) > room + GAP {
            let last = layout.beside.last().copied().filter(|last| !self.numbers.contains(last));
            let text = last.filter(|_| self.rest == Rest::Below && layout.beside.len() > kept);
            let before = taken(&layout.beside) - text.map_or(0, |text| of(&text));
            if text.is_some() && room + GAP >= before + TEXT_WIDTH {
                layout.text = Some(room + GAP - before);
                break;
            }
            let Some(gone) = self.next_to_go(&layout.beside, kept, text, &of) else { break };
            layout.beside.retain(|column| *column != gone);
            layout.others.push(gone);
        }
        layout.others.sort_unstable();
        layout
    }

    /// The column that is done without next: a spare one, or the widest; a text at the end only when nothing else is
    /// left.
    fn next_to_go(
        &self,
        beside: &[usize],
        kept: usize,
        text: Option<usize>,
        of: &impl Fn(&usize) -> usize,
    ) -> Option<usize> {
        let open = beside.get(kept..)?;
        if self.rest == Rest::LeftOut {
            return open.last().copied();
        }
        let spare = self.spare.iter().find(|column| open.contains(column)).copied();
        let widest = open.iter().filter(|column| Some(**column) != text).max_by_key(|column| of(column)).copied();
        spare.or(widest).or(text.filter(|text| open.contains(text)))
    }

    /// The line of a row, and the lines on which its text goes on.
    fn row(&self, row: &[String], widths: &[usize], layout: &Layout) -> (String, Vec<String>) {
        let mut line = " ".repeat(if layout.headed { INDENT } else { 0 });
        let mut more = Vec::new();
        for &column in &layout.beside {
            let (text, width) = (cell(row, column), widths.get(column).copied().unwrap_or_default());
            if let Some(room) = layout.text.filter(|_| layout.beside.last() == Some(&column)) {
                let start = line.width();
                // A word that is too long for the column has the whole width.
                let fits = text.split_whitespace().all(|word| word.width() <= room);
                let mut lines = wrapped(text, start + room, if fits { start } else { INDENT });
                if fits && !lines.is_empty() {
                    line.push_str(lines.remove(0).trim_start());
                }
                more = lines;
                continue;
            }
            let padding = " ".repeat(width.saturating_sub(text.width()));
            let gap = " ".repeat(GAP);
            line.push_str(&match self.numbers.contains(&column) {
                true => [&*padding, text, &gap].concat(),
                false => [text, &padding, &gap].concat(),
            });
        }
        (line, more)
    }
}

fn cell(row: &[String], column: usize) -> &str {
    row.get(column).map_or("", String::as_str)
}

/// A text in lines of this width that stand in so far. Lines break between words only.
pub fn wrapped(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.width() + 1 + word.width() > width {
            lines.push([&*" ".repeat(indent), &line].concat());
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push([&*" ".repeat(indent), &line].concat());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: &str = "12000 rows changed in carriers, at most 10 may be; 3 rows removed in routes, at most 0";

    fn words(lines: &[String]) -> Vec<String> {
        let mut words: Vec<String> = lines.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect();
        words.sort();
        words
    }

    #[test]
    fn a_table_that_fits_stands_as_it_is() {
        let mut table = Table::new(&["name", "n"], &[1]);
        table.add_row(["a", "7"]);
        table.add_row(["bcdef", "1000"]);
        assert_eq!(table.lines(80), (vec!["name      n".into(), "a         7".into(), "bcdef  1000".into()], vec![]));
    }

    #[test]
    fn a_long_text_at_the_end_goes_on_below_itself_between_words() {
        let mut table = Table::new(&["gate", "", "reason"], &[]);
        table.add_row(["difference", "closed", REASON]);
        let (lines, _) = table.lines(60);
        assert_eq!(
            lines,
            [
                "gate                reason",
                "difference  closed  12000 rows changed in carriers, at most",
                "                    10 may be; 3 rows removed in routes, at",
                "                    most 0",
            ]
        );
    }

    #[test]
    fn a_word_that_is_too_long_has_a_line_of_its_own() {
        let mut table = Table::new(&["field", "value"], &[]);
        let long = "x".repeat(70);
        table.add_row(["n", "7"]);
        table.add_row(["filler", &*long]);
        let (lines, _) = table.lines(60);
        assert_eq!(lines, ["field   value".to_owned(), "n       7".into(), "filler".into(), format!("    {long}")]);
    }

    #[test]
    fn columns_without_room_stand_below_their_row_the_spare_ones_first() {
        let name = "a-name-of-a-projection-as-long-as-they-are-allowed-to-be-0123456";
        let mut table = Table::new(&["projection", "version", "state", "lag", "module"], &[1, 3]).spare(&[4]);
        table.add_row([name, "12", "replaying, stalled for 2h05m", "123456789", "0123456789ab"]);
        let (lines, left_out) = table.lines(60);
        assert!(lines.iter().all(|line| line.width() <= 60 || line == name), "{lines:#?}");
        assert_eq!(lines.get(1).map(String::as_str), Some(name));
        assert_eq!(lines.last().map(String::as_str), Some("    module: 0123456789ab"));
        assert!(left_out.is_empty());
        for word in ["12", "stalled", "2h05m", "123456789"] {
            assert!(words(&lines).contains(&word.to_owned()), "{lines:#?}");
        }
    }

    #[test]
    fn columns_are_left_out_from_the_end_and_named() {
        let mut table = Table::new(&["key", "one", "two", "three"], &[]).leaving_out();
        table.add_row(["k".to_owned(), "x".repeat(20), "y".repeat(20), "z".repeat(20)]);
        let (lines, left_out) = table.lines(50);
        assert_eq!((left_out, lines.iter().all(|line| line.width() <= 50)), (vec!["three"], true));
    }

    #[test]
    fn no_width_breaks_a_word_or_loses_one() {
        let name = "schedule-of-the-northern-lines";
        for width in 40..140 {
            let mut table = Table::new(&["projection", "at", "what", "who", "why"], &[1]);
            table.add_row([name, "123456", "VersionPromoted", "ada@example.org", REASON]);
            let (lines, _) = table.lines(width);
            let found = words(&lines);
            let expected = [name, "123456", "VersionPromoted", "ada@example.org", REASON].join(" ");
            for word in expected.split(' ') {
                assert!(found.iter().any(|found| found == word), "{width} {word}: {lines:#?}");
            }
            assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:#?}");
        }
    }
}
