//! What a REST call brings along: the path in parts, the query, a JSON body, and files from a multipart form.

use std::collections::HashMap;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Multipart, Query, Request};
use axum::http::HeaderName;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::errors::{self, ApiError};

/// Discord takes 10 MiB a file from bots; a whole form stays below this.
const LARGEST_BODY: usize = 32 << 20;

#[derive(Clone)]
pub struct Call {
    pub method: String,
    /// Below `/api/v10`, as a matcher of a test or a line of the log sees it.
    pub path: String,
    pub parts: Vec<String>,
    pub query: HashMap<String, String>,
    pub body: Value,
    pub files: Vec<(String, Vec<u8>)>,
    pub authorisation: Option<String>,
}

impl Call {
    pub async fn read(request: Request) -> Result<Self, ApiError> {
        let path = below_version(request.uri().path()).ok_or_else(errors::not_found)?.to_owned();
        let query = Query::try_from_uri(request.uri()).map(|Query(query)| query).unwrap_or_default();
        let authorisation = header(&request, AUTHORIZATION);
        let multipart = header(&request, CONTENT_TYPE).is_some_and(|kind| kind.starts_with("multipart/form-data"));
        let method = request.method().as_str().to_owned();
        let parts = path.split('/').skip(1).map(decoded).collect();
        let (body, files) = if multipart { read_form(request).await? } else { (read_json(request).await?, Vec::new()) };
        Ok(Self { method, path, parts, query, body, files, authorisation })
    }

    /// The same call as if this part of its body were all of it.
    pub fn with_body(&self, body: &Value) -> Self {
        Self { body: body.clone(), ..self.clone() }
    }

    pub fn flag(&self, name: &str) -> bool {
        self.query.get(name).is_some_and(|value| value == "true" || value == "1")
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.query.get(name)?.parse().ok()
    }
}

fn header(request: &Request, name: HeaderName) -> Option<String> {
    request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn below_version(path: &str) -> Option<&str> {
    path.strip_prefix("/api/v10").filter(|rest| rest.starts_with('/'))
}

async fn read_json(request: Request) -> Result<Value, ApiError> {
    let bytes = to_bytes(request.into_body(), LARGEST_BODY).await.map_err(|_| errors::invalid_json())?;
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(&bytes).map_err(|_| errors::invalid_json())
}

async fn read_form(request: Request) -> Result<(Value, Vec<(String, Vec<u8>)>), ApiError> {
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| errors::invalid_json())?;
    let mut body = json!({});
    let mut files = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|_| errors::invalid_json())? {
        let file = field.file_name().map(str::to_owned);
        let is_payload = field.name() == Some("payload_json");
        let bytes = field.bytes().await.map_err(|_| errors::invalid_json())?;
        match file {
            Some(name) => files.push((name, bytes.to_vec())),
            None if is_payload => body = serde_json::from_slice(&bytes).map_err(|_| errors::invalid_json())?,
            None => {}
        }
    }
    Ok((body, files))
}

/// Undoes percent-encoding, which emoji in paths need.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => (bytes.push(byte), rest = &tail[2..]),
            None => (bytes.push(*first), rest = tail),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
