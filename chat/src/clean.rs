//! Stub.
/// Stub.
#[derive(Debug)]
pub struct Cleaner;
/// Stub.
#[derive(Debug)]
pub struct Rejected;
