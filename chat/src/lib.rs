//! The vocabulary of a group chat: who is there, what was said, and how a window of it becomes a prompt.
//!
//! Nothing here does I/O, awaits, reads a clock or knows a platform's library. Every other crate speaks in these types.

pub mod clean;
pub mod ids;
pub mod markup;
pub mod member;
pub mod message;
pub mod model_markup;
pub mod names;
pub mod prompt;
pub mod room;
pub mod sanitise;
pub mod scripts;
pub mod wire;

pub use clean::{Cleaner, Rejected};
pub use ids::{AdapterId, CommunityId, MemberId, MemberKey, MessageKey, OutboxId, PersonaId, RoomId};
pub use member::{Consent, ConsentPolicy, ConsentSource, MayImitate, Member, Persona};
pub use message::{Author, Message, Origin, Platform, Provenance, WINDOW_LEN, Window};
pub use model_markup::ModelMarkup;
pub use names::Names;
pub use prompt::{Line, PROMPT_VERSION, Piece, Thinking};
pub use room::{ForcedSpeaker, Pacing, RoomSettings, Sampling};
pub use scripts::ScriptSet;
