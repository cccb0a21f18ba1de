//! Whom a message pings: what its text names, as far as `allowed_mentions` lets it.

use serde_json::Value;

use super::world::FakeMessage;

impl FakeMessage {
    /// The users whom the message pings.
    pub fn mentions(&self) -> Vec<u64> {
        let mut users: Vec<u64> = self.named_users().into_iter().filter(|user| self.may_ping_user(*user)).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    pub fn mentions_everyone(&self) -> bool {
        let named = self.content.contains("@everyone") || self.content.contains("@here");
        named && self.allowed_mentions.as_ref().is_none_or(|allowed| parses(allowed, "everyone"))
    }

    fn may_ping_user(&self, user: u64) -> bool {
        let Some(allowed) = &self.allowed_mentions else { return true };
        let listed = allowed["users"].as_array().is_some_and(|users| users.iter().any(|id| read_id(id) == Some(user)));
        listed || parses(allowed, "users")
    }

    fn named_users(&self) -> Vec<u64> {
        let after_each = self.content.split("<@").skip(1);
        let number = |rest: &str| rest.trim_start_matches('!').split_once('>').and_then(|(id, _)| id.parse().ok());
        after_each.filter_map(number).collect()
    }
}

/// Whether a webhook's message can ping nobody, whatever its text says.
pub fn pings_nobody(allowed: Option<&Value>) -> bool {
    let empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let silent = |allowed: &Value| {
        allowed["parse"].is_array() && ["parse", "users", "roles"].iter().all(|kind| empty(&allowed[*kind]))
    };
    allowed.is_some_and(silent)
}

fn parses(allowed: &Value, kind: &str) -> bool {
    allowed["parse"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k == kind))
}

fn read_id(id: &Value) -> Option<u64> {
    id.as_str().map_or_else(|| id.as_u64(), |text| text.parse().ok())
}
