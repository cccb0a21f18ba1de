//! Models on this machine: which there are to be had, how they come here, and where they lie.
//!
//! It must not know what a model says or who serves it: what it hands on is the path of a whole file.

mod catalogue;
mod choice;
mod download;
mod folder;
mod hub;
mod lock;
mod part;
mod source;

pub use catalogue::{Catalogue, Entry, Quantisation};
pub use choice::chosen;
pub use download::{Event, PullError, Pulled, pull};
pub use folder::{Held, ModelsFolder, Record, hash};
pub use hub::{Hub, HubError, Patience};
pub use lock::InUse;
pub use source::{Label, Source};
