//! Discord's errors as its documentation lists them: HTTP status, JSON code, message and the tree of form errors.

use serde_json::{Value, json};

/// What a REST call answers when it does not succeed.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub status: u16,
    pub code: u64,
    pub message: String,
    pub errors: Option<Value>,
}

impl ApiError {
    fn new(status: u16, code: u64, message: &str) -> Self {
        Self { status, code, message: message.to_owned(), errors: None }
    }

    /// A 50035 whose tree of errors names one field.
    pub fn invalid_form(field: &str, code: &str, message: &str) -> Self {
        let mut error = Self::new(400, 50035, "Invalid Form Body");
        error.errors = Some(json!({ field: { "_errors": [{ "code": code, "message": message }] } }));
        error
    }

    pub fn too_long(field: &str, limit: usize) -> Self {
        let message = format!("Must be {limit} or fewer in length.");
        Self::invalid_form(field, "BASE_TYPE_BAD_LENGTH", &message)
    }

    pub fn body(&self) -> Value {
        match &self.errors {
            Some(errors) => json!({ "code": self.code, "message": self.message, "errors": errors }),
            None => json!({ "code": self.code, "message": self.message }),
        }
    }
}

pub fn not_found() -> ApiError {
    ApiError::new(404, 0, "404: Not Found")
}

pub fn unauthorised() -> ApiError {
    ApiError::new(401, 0, "401: Unauthorized")
}

pub fn unknown_application() -> ApiError {
    ApiError::new(404, 10002, "Unknown Application")
}

pub fn unknown_channel() -> ApiError {
    ApiError::new(404, 10003, "Unknown Channel")
}

pub fn unknown_guild() -> ApiError {
    ApiError::new(404, 10004, "Unknown Guild")
}

pub fn unknown_member() -> ApiError {
    ApiError::new(404, 10007, "Unknown Member")
}

pub fn unknown_message() -> ApiError {
    ApiError::new(404, 10008, "Unknown Message")
}

pub fn unknown_user() -> ApiError {
    ApiError::new(404, 10013, "Unknown User")
}

pub fn unknown_webhook() -> ApiError {
    ApiError::new(404, 10015, "Unknown Webhook")
}

pub fn unknown_interaction() -> ApiError {
    ApiError::new(404, 10062, "Unknown interaction")
}

pub fn unknown_command() -> ApiError {
    ApiError::new(404, 10063, "Unknown application command")
}

pub fn too_many_webhooks() -> ApiError {
    ApiError::new(400, 30007, "Maximum number of webhooks reached (15)")
}

pub fn already_acknowledged() -> ApiError {
    ApiError::new(400, 40060, "Interaction has already been acknowledged.")
}

pub fn missing_access() -> ApiError {
    ApiError::new(403, 50001, "Missing Access")
}

pub fn not_the_author() -> ApiError {
    ApiError::new(403, 50005, "Cannot edit a message authored by another user")
}

pub fn empty_message() -> ApiError {
    ApiError::new(400, 50006, "Cannot send an empty message")
}

pub fn not_a_text_channel() -> ApiError {
    ApiError::new(400, 50008, "Cannot send messages in a non-text channel")
}

pub fn missing_permissions() -> ApiError {
    ApiError::new(403, 50013, "Missing Permissions")
}

pub fn invalid_webhook_token() -> ApiError {
    ApiError::new(401, 50027, "Invalid Webhook Token")
}

pub fn thread_is_archived() -> ApiError {
    ApiError::new(400, 50083, "Thread is archived")
}

pub fn invalid_json() -> ApiError {
    ApiError::new(400, 50109, "The request body contains invalid JSON.")
}

pub fn reply_needs_history() -> ApiError {
    ApiError::new(400, 160_002, "Cannot reply without permission to read message history")
}

pub fn forum_needs_a_thread() -> ApiError {
    ApiError::new(400, 220_001, "Webhooks posted to forum channels must have a thread_name or thread_id")
}

/// The answer of a server that has trouble of its own, or that a test made fail.
pub fn trouble(status: u16) -> ApiError {
    ApiError::new(status, 0, &format!("{status}: the test made this call fail"))
}
