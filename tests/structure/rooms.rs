//! Rooms: how many files stand together, how long a file and its lines are, and how a file begins.

use std::collections::BTreeMap;
use std::path::Path;

use crate::workspace::WORKSPACE;

/// A dozen names can be kept in mind at once; the two more are for a room that is about to be divided.
const FILES_IN_A_FOLDER: usize = 14;

/// About ten screens. Whoever looks for something in more than that looks for a part of it that should be a file.
const LINES_IN_A_FILE: usize = 700;

/// Two files fit side by side. rustfmt keeps to it, but for comments and long texts.
const COLUMNS: usize = 120;

/// A header says which thing the file is: a noun. A question says what it is about.
const QUESTIONS: [&str; 9] = ["What", "How", "Whether", "Where", "Which", "Who", "Why", "When", "If"];

#[derive(Debug, PartialEq)]
enum Flaw {
    Long { lines: usize },
    Wide { line: usize, columns: usize },
    NoHeader,
    Question(String),
}

fn flaws(text: &str, is_rust: bool) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_IN_A_FILE {
        flaws.push(Flaw::Long { lines });
    }
    let widths = text.lines().map(|line| line.chars().count()).enumerate();
    flaws.extend(
        widths.filter(|(_, columns)| *columns > COLUMNS).map(|(line, columns)| Flaw::Wide { line: line + 1, columns }),
    );
    if is_rust {
        match text.lines().next().and_then(|line| line.strip_prefix("//! ")) {
            None => flaws.push(Flaw::NoHeader),
            Some(header) if QUESTIONS.contains(&header.split(' ').next().unwrap()) => {
                flaws.push(Flaw::Question(header.to_owned()));
            }
            Some(_) => {}
        }
    }
    flaws
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "{} in all:\n{}", found.len(), found.join("\n"));
}

#[test]
fn no_folder_has_more_files_than_one_can_keep_in_mind() {
    let mut folders: BTreeMap<&Path, usize> = BTreeMap::new();
    let files = WORKSPACE.files(&[".rs"]);
    for file in &files {
        *folders.entry(file.parent().unwrap()).or_default() += 1;
    }
    let crowded = folders.into_iter().filter(|(_, files)| *files > FILES_IN_A_FOLDER);
    assert_none(
        &crowded.map(|(folder, files)| format!("{}: {files} files", WORKSPACE.shown(folder))).collect::<Vec<_>>(),
    );
}

#[test]
fn files_are_short_their_lines_fit_and_their_headers_say_which_thing_they_are() {
    let mut found = Vec::new();
    for file in WORKSPACE.files(&[".rs", ".wit", ".c"]) {
        // What the compiler is to refuse has expected lines and columns, and is read beside its answer.
        let is_rust =
            file.extension().is_some_and(|ending| ending == "rs") && !file.parent().unwrap().ends_with("tests/ui");
        let flaws = flaws(&std::fs::read_to_string(&file).unwrap(), is_rust);
        found.extend(flaws.into_iter().map(|flaw| format!("{}: {flaw:?}", WORKSPACE.shown(&file))));
    }
    assert_none(&found);
}

#[test]
fn flaws_are_found() {
    assert_eq!(flaws("//! A thing.\n\nstruct Thing;\n", true), []);
    assert_eq!(flaws("//! Whatever is whole.\n", true), []);
    assert_eq!(flaws("struct Thing;\n", true), [Flaw::NoHeader]);
    assert_eq!(flaws("//! What a thing is.\n", true), [Flaw::Question("What a thing is.".to_owned())]);
    assert_eq!(flaws(&format!("//! A\n// {}é", "é".repeat(116)), true), []);
    assert_eq!(flaws(&format!("//! A\n// {}", "é".repeat(118)), true), [Flaw::Wide { line: 2, columns: 121 }]);
    assert_eq!(flaws(&"\n".repeat(701), false), [Flaw::Long { lines: 701 }]);
}
