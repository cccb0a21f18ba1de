//! What may be an answer, one rule a file. Rules over a single message come first, then those over all of them.

pub(super) mod balance;
pub(super) mod commands;
pub(super) mod duplicates;
pub(super) mod links;
pub(super) mod mentions_only;
pub(super) mod near_duplicates;
pub(super) mod normal;
pub(super) mod thinning;
