"""Sketches: figures of any number of values in some kilobytes, with the state that the SDK for Rust keeps."""
