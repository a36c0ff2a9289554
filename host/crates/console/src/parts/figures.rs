//! Figures as people read them.

use jiff::Timestamp;
use maud::{Markup, html};

/// With a comma between thousands.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len().saturating_mul(4) / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub fn bytes(value: u64) -> String {
    let mut size = value as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{size} {unit}") } else { format!("{size:.1} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

pub fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1_000.0),
        seconds if seconds < 10.0 => format!("{seconds:.1} s"),
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.0} h", seconds / 3_600.0),
        seconds => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// How long ago, with the moment itself for whoever wants it exactly.
pub fn since(time: Timestamp) -> Markup {
    let ago = Timestamp::now().duration_since(time).as_secs_f64();
    let exact = time.to_string();
    let words = if ago < 1.0 { "just now".to_owned() } else { format!("{} ago", duration(ago)) };
    html! { time datetime=(exact) title=(exact) { (words) } }
}

pub fn percent(part: f64, whole: f64) -> f64 {
    if whole <= 0.0 { 0.0 } else { (part / whole * 100.0).clamp(0.0, 100.0) }
}

/// How much of a limit is used, as a bar with words. Nearly all of it is a warning.
pub fn used(percent: f64, words: &str) -> Markup {
    let tone = if percent >= 90.0 { "full" } else { "some" };
    shaped(percent, words, tone)
}

/// How much of something there is, as a bar with words.
pub fn bar(percent: f64, words: &str) -> Markup {
    shaped(percent, words, "some")
}

fn shaped(percent: f64, words: &str, tone: &str) -> Markup {
    html! {
        svg.bar.(tone) viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=(words) {
            rect.track width="100" height="6" rx="3" {}
            rect.part width=(format!("{percent:.1}")) height="6" rx="3" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_at_a_glance() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        let whole = [bar, used].map(|shape| shape(100.0, "all").into_string());
        assert!(whole.iter().all(|shape| shape.contains("width=\"100.0\"")), "{whole:?}");
        assert_eq!([0, 1_023, 1_536, 5 << 40].map(bytes), ["0 B", "1023 B", "1.5 KiB", "5.0 TiB"]);
        let durations = [0.25, 5.0, 90.0, 600.0, 7_200.0, 864_000.0].map(duration);
        assert_eq!(durations, ["250 ms", "5.0 s", "90 s", "10 min", "2 h", "10 days"]);
    }
}
