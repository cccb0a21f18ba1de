//! Stub.
/// Stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptSet;
