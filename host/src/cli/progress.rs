//! A bar for long work: on stderr, where there is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

pub struct Bar(ProgressBar);

impl Bar {
    /// Of `events` events; 0 if that is not known.
    pub fn new(events: u64) -> Self {
        Self::with_style(events, "{human_pos} of {human_len} events  {per_sec:.0}  {eta} left")
    }

    /// Of `bytes` bytes; 0 if that is not known.
    pub fn bytes(bytes: u64) -> Self {
        Self::with_style(bytes, "{bytes} of {total_bytes}  {bytes_per_sec}  {eta} left")
    }

    fn with_style(length: u64, template: &str) -> Self {
        let bar = if length > 0 { ProgressBar::new(length) } else { ProgressBar::no_length() };
        // A template that is not understood is a matter of looks only.
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    pub fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}
