//! Lines of a guest's source, out of the debug information in its module. Whoever wrote a module wrote that, too, and a
//! few bytes of it can name the same megabytes again and again: so it is read in the compiler's process only.

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

/// A function, and where in its source; several stand for one place where functions are inlined, the innermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub function: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
}

/// Lines of one place, at most.
const INLINED: usize = 16;

/// A core module within a component: what debug information it has, and from where its code is counted.
#[derive(Default)]
struct Core<'a> {
    code: Option<(u64, u64)>,
    sections: Vec<(&'a str, &'a [u8])>,
}

/// The lines of places in a component, each given by its offset. A place that nothing is known of has none.
pub fn lines(component: &[u8], offsets: &[u64]) -> Vec<Vec<Line>> {
    let cores = cores(component);
    let line = |offset: &u64| {
        let here = |core: &&Core<'_>| core.code.is_some_and(|(start, end)| (start..end).contains(offset));
        cores.iter().find(here).map(|core| core.lines(*offset)).unwrap_or_default()
    };
    offsets.iter().map(line).collect()
}

/// The core modules of a component, as far as it can be read.
fn cores(component: &[u8]) -> Vec<Core<'_>> {
    let (mut open, mut cores) = (Vec::<Core<'_>>::new(), Vec::new());
    for payload in Parser::new(0).parse_all(component) {
        match payload {
            Ok(Payload::Version { .. }) => open.push(Core::default()),
            Ok(Payload::CodeSectionStart { range, .. }) => {
                if let Some(core) = open.last_mut() {
                    core.code = Some((range.start, range.end));
                }
            }
            Ok(Payload::CustomSection(section)) => {
                if let Some(core) = open.last_mut() {
                    core.sections.push((section.name(), section.data()));
                }
            }
            Ok(Payload::End(_)) => cores.extend(open.pop()),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    cores
}

impl Core<'_> {
    fn lines(&self, offset: u64) -> Vec<Line> {
        let section = |id: SectionId| {
            let found = self.sections.iter().find(|(name, _)| *name == id.name());
            Ok::<_, addr2line::gimli::Error>(EndianSlice::new(found.map_or(&[][..], |(_, data)| data), LittleEndian))
        };
        let Some((start, _)) = self.code else { return Vec::new() };
        let context = Dwarf::load(section).and_then(Context::from_dwarf);
        let Ok(context) = context else { return Vec::new() };
        let Ok(mut frames) = context.find_frames(offset - start).skip_all_loads() else { return Vec::new() };
        let mut lines = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let function = frame.function.as_ref().and_then(|function| Some(function.raw_name().ok()?.into_owned()));
            let location = frame.location.as_ref();
            let file = location.and_then(|location| location.file).map(str::to_owned);
            lines.push(Line { function, file, line: location.and_then(|location| location.line) });
            if lines.len() == INLINED {
                break;
            }
        }
        lines
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A component with a core module, and a custom section with these bytes in that.
    fn component(section: &str, bytes: &str) -> Vec<u8> {
        let custom = format!("(@custom \"{section}\" \"{bytes}\")");
        wat::parse_str(format!("(component (core module (func (export \"f\") unreachable) {custom}))")).unwrap()
    }

    #[test]
    fn what_has_no_debug_information_or_a_broken_one_has_no_lines() {
        for (section, bytes) in
            [("other", ""), (".debug_info", "\\ff\\ff\\ff\\ff\\ff"), (".debug_line", "\\01\\00\\00\\00\\00")]
        {
            let component = component(section, bytes);
            let end = component.len() as u64;
            let offsets: Vec<u64> = (0..end + 2).chain([u64::MAX]).collect();
            assert!(lines(&component, &offsets).into_iter().all(|lines| lines.is_empty()), "{section}");
        }
        assert_eq!(lines(b"no component", &[1]), [[]]);
    }
}
