//! Who may ask: this machine, by its own names, from this page. A site elsewhere that a visitor's browser has open can
//! send requests here too; neither a name of its own that resolves to this machine nor a form of its own gets through.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::api::ApiError;

/// Sent with everything. The page loads nothing from elsewhere and holds no script or style but its files'.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The host names that may be asked for, beside those of this machine.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    hosts: Arc<[String]>,
}

impl Guard {
    pub(super) fn new(hosts: Vec<String>) -> Self {
        Self { hosts: hosts.into_iter().map(|host| host.to_lowercase()).collect() }
    }

    fn admits(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = text(headers, &header::HOST).unwrap_or_default().to_lowercase();
        let name = without_port(&host);
        if !is_this_machine(name) && !self.hosts.iter().any(|known| *known == name || *known == host) {
            let why = "This page answers only under the names of its own machine, such as localhost; others are named \
                       in the configuration, in web.hosts.";
            return Err(ApiError::new(StatusCode::FORBIDDEN, why));
        }
        let Some(origin) = text(headers, &header::ORIGIN).map(str::to_lowercase) else { return Ok(()) };
        let from = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if from != Some(host.as_str()) {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "Another site may not speak for you here."));
        }
        Ok(())
    }
}

/// Lets in what may come in, and adds the headers that keep a browser to this page.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.admits(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    }
}

fn is_this_machine(name: &str) -> bool {
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        Guard::new(vec!["Chat.example.org".to_owned()]).admits(&headers).is_ok()
    }

    #[test]
    fn only_names_of_this_machine_and_those_that_were_set_are_answered() {
        for host in
            ["localhost", "LOCALHOST:8017", "127.0.0.1:8017", "[::1]:8017", "chat.example.org", "chat.example.org:80"]
        {
            assert!(admits(host, None), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:8017", "localhost.evil.example", "10.0.0.7", "", "[::2]:1"]
        {
            assert!(!admits(host, None), "{host}");
        }
        assert!(Guard::new(Vec::new()).admits(&HeaderMap::new()).is_err());
    }

    #[test]
    fn other_sites_are_turned_away() {
        assert!(admits("localhost:8017", Some("http://localhost:8017")));
        assert!(admits("chat.example.org", Some("https://chat.example.org")));
        for origin in
            ["https://evil.example", "http://localhost:9000", "http://127.0.0.1:8017", "null", "localhost:8017"]
        {
            assert!(!admits("localhost:8017", Some(origin)), "{origin}");
        }
    }
}
