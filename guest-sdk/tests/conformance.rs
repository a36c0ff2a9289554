//! Conformance of the SDKs for other languages: how numbers and texts are written, as this SDK writes them. The files
//! are what those SDKs are tested against; `UPDATE_EXPECT=1` writes them anew.
#![allow(clippy::unwrap_used)]

use std::path::Path;

/// Numbers that look random and are always the same.
fn numbers(count: usize) -> impl Iterator<Item = u64> {
    let mut state = 88_172_645_463_325_252_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
    .take(count)
}

/// Finite numbers of all sizes: any bits, decimals as people write them, and those where the form changes.
fn floats() -> Vec<f64> {
    let edges = [0.0, -0.0, 1.0, -1.5, 1e-4, 1e-5, 1.234e-5, 9.999e-6, 1e-7, 1e15, 1e16, 1.5e16, 1e21, 1e22, f64::MAX];
    let any = numbers(500).map(f64::from_bits).filter(|float| float.is_finite());
    let decimals = numbers(500).map(|number| (number % 2_000_003) as f64 / 10_000.0 - 100.0);
    let whole = numbers(200).map(|number| (number >> (number % 50)) as f64);
    let small = numbers(300).map(|number| (number % 99_991) as f64 / 10_f64.powi(4 + (number % 9) as i32));
    edges.into_iter().chain(any).chain(decimals).chain(whole).chain(small).collect()
}

/// Texts of characters that JSON escapes, and of such as have one to four bytes.
fn texts() -> Vec<String> {
    let alphabet: Vec<char> =
        ('\0'..='\u{30}').chain("/\\\"\u{7f}\u{80}é\u{2028}\u{fffd}漢🛫\u{10ffff}".chars()).collect();
    let character = |number: u64| alphabet.get((number % alphabet.len() as u64) as usize).copied().unwrap();
    let drawn: Vec<u64> = numbers(2_000).collect();
    drawn.chunks(10).map(|chunk| chunk.iter().map(|number| character(*number)).collect()).collect()
}

fn compare(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), found, "{}", path.display());
}

#[test]
fn numbers_are_written_as_the_file_for_other_languages_says() {
    let line = |float: f64| format!("{:016x} {}\n", float.to_bits(), serde_json::to_string(&float).unwrap());
    compare("numbers.txt", &floats().into_iter().map(line).collect::<String>());
}

#[test]
fn texts_are_written_as_the_file_for_other_languages_says() {
    let points = |text: &str| text.chars().map(|point| format!("{:x}", u32::from(point))).collect::<Vec<_>>().join(",");
    let line = |text: String| format!("{} {}\n", points(&text), serde_json::to_string(&text).unwrap());
    compare("texts.txt", &texts().into_iter().map(line).collect::<String>());
}
