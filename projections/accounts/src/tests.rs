//! Tests of the accounts, native: without a host, and without WebAssembly.
