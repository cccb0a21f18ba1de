//! The hub that models come from, over HTTP as Hugging Face documents it.
//!
//! `{endpoint}/{repository}/resolve/main/{file}` answers with what the file is (`X-Linked-Size`, `X-Linked-Etag`,
//! `X-Repo-Commit`) and sends on to another host that has the bytes. Redirects are followed here and not by the library,
//! since the token is for the hub alone and what the hub says stands on the answer that redirects. It must not know where
//! the bytes go. See <https://huggingface.co/docs/huggingface_hub/package_reference/file_download>.

mod error;
mod headers;

use std::time::Duration;

use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{self, HeaderValue},
    redirect::Policy,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::timeout;

pub use self::error::HubError;
use self::headers::{Told, is_the_rest, retry_after, text};
pub(super) use self::{error::Retry, headers::Found};
use super::Source;

/// How often the way to a file may lead elsewhere.
const MAX_REDIRECTS: usize = 8;
/// The most that is read of a list of a repository's files.
const LONGEST_LIST: usize = 4 << 20;
/// How many files of a repository are named in a sentence.
const NAMED_FILES: usize = 12;

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes.
    pub stall: Duration,
    /// Before the second of several tries; twice as long each time.
    pub pause: Duration,
    /// How many tries in a row may bring nothing.
    pub tries: u32,
    /// The longest wait that the hub may ask for.
    pub longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(15), stall: seconds(30), pause: seconds(1), tries: 5, longest: seconds(60) }
    }
}

/// The hub.
#[derive(Debug, Clone)]
pub struct Hub {
    http: Client,
    endpoint: Url,
    token: Option<SecretString>,
    /// How long to wait for what.
    pub patience: Patience,
}

/// The bytes of a file, as they come.
pub(super) struct Body {
    response: Response,
    host: String,
    stall: Duration,
    /// The first byte that comes.
    pub starts_at: u64,
}

impl Body {
    /// Appends what comes next; false at the end.
    pub(super) async fn read(&mut self, buffer: &mut Vec<u8>) -> Result<bool, HubError> {
        let host = || self.host.clone();
        match timeout(self.stall, self.response.chunk()).await {
            Ok(Ok(Some(chunk))) => buffer.extend_from_slice(&chunk),
            Ok(Ok(None)) => return Ok(false),
            // The address of the redirect is a signature that opens the file: it belongs into no log.
            Ok(Err(error)) => return Err(HubError::Broken { host: host(), source: Some(error.without_url()) }),
            Err(_) => return Err(HubError::Stalled { host: host(), waited: self.stall }),
        }
        Ok(true)
    }

    /// What it is where the bytes end too early.
    pub(super) fn ended_early(&self) -> HubError {
        HubError::Broken { host: self.host.clone(), source: None }
    }
}

impl Hub {
    /// The hub at an address such as `https://huggingface.co`.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn new(endpoint: &str, token: Option<SecretString>, patience: Patience) -> anyhow::Result<Self> {
        let url = Url::parse(endpoint.trim_end_matches('/')).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none());
        let Some(endpoint) = url else {
            anyhow::bail!("HF_ENDPOINT is \"{endpoint}\", which is no address; https://huggingface.co is one");
        };
        let agent = concat!("groupchat/", env!("CARGO_PKG_VERSION"));
        let mut http = Client::builder().redirect(Policy::none()).connect_timeout(patience.connect).user_agent(agent);
        if is_this_machine(&endpoint) {
            // A proxy does not reach what listens on this machine only.
            http = http.no_proxy();
        }
        Ok(Self { http: http.build()?, endpoint, token, patience })
    }

    /// Where it is, for people.
    pub fn host(&self) -> String {
        host(&self.endpoint)
    }

    /// What the hub says of a file.
    pub(super) async fn look(&self, source: &Source) -> Result<Found, HubError> {
        let (_, told) = self.follow(&Method::HEAD, source, 0).await?;
        told.found().ok_or_else(|| HubError::Strange {
            host: self.host(),
            what: "without the file's size and its X-Linked-Etag or ETag".to_owned(),
        })
    }

    /// Asks for the bytes from `from` on. A server that cannot do so may send all of them.
    pub(super) async fn open(&self, source: &Source, found: &Found, from: u64) -> Result<Body, HubError> {
        let (response, told) = self.follow(&Method::GET, source, from).await?;
        let (host, stall) = (host(response.url()), self.patience.stall);
        if told.etag.as_ref().is_some_and(|etag| *etag != found.etag) {
            return Err(HubError::Changed);
        }
        let starts_at = match (response.status(), from) {
            (StatusCode::PARTIAL_CONTENT, from) if from > 0 => from,
            (StatusCode::OK, _) => 0,
            (status, _) => return Err(HubError::Strange { host, what: status.to_string() }),
        };
        if starts_at > 0 && !is_the_rest(response.headers(), from, found.size) {
            return Err(HubError::NoRest(host));
        }
        Ok(Body { response, host, stall, starts_at })
    }

    /// Goes from the hub to where the file is. A HEAD ends at the answer that says all there is to know.
    async fn follow(&self, method: &Method, source: &Source, from: u64) -> Result<(Response, Told), HubError> {
        let mut url = self.address(&format!("{}/resolve/main/{}", source.repository, source.file))?;
        let mut told = Told::default();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.ask(method, url.clone(), from).await?;
            if self.is_hub(&url) {
                told.by_the_hub(response.headers());
            }
            let status = response.status();
            if let (true, Some(location)) = (status.is_redirection(), text(response.headers(), "location")) {
                if *method == Method::HEAD && told.size.is_some() && told.etag.is_some() {
                    return Ok((response, told));
                }
                url = self.next(&url, location)?;
            } else if status.is_success() {
                told.by_the_answer(response.headers());
                return Ok((response, told));
            } else {
                return Err(self.refused(source, &url, response).await);
            }
        }
        Err(HubError::Astray { host: self.host(), whereto: "on and on to other addresses".to_owned() })
    }

    async fn ask(&self, method: &Method, url: Url, from: u64) -> Result<Response, HubError> {
        let host = host(&url);
        let mut request = self.http.request(method.clone(), url.clone());
        // Some servers compress, and then neither length nor ranges are those of the file.
        request = request.header(header::ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        if let Some(token) = self.token.as_ref().filter(|_| self.is_hub(&url)) {
            request = request.header(header::AUTHORIZATION, bearer(token)?);
        }
        match timeout(self.patience.stall, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(HubError::Unreachable { host, source: error.without_url() }),
            Ok(Err(error)) => Err(HubError::Broken { host, source: Some(error.without_url()) }),
            Err(_) => Err(HubError::Stalled { host, waited: self.patience.stall }),
        }
    }

    /// Where a redirect leads.
    fn next(&self, from: &Url, location: &str) -> Result<Url, HubError> {
        let astray = |whereto: &str| HubError::Astray { host: host(from), whereto: whereto.to_owned() };
        let next = from.join(location).map_err(|_| astray("to what is no address"))?;
        match next.scheme() {
            "https" => Ok(next),
            "http" if self.endpoint.scheme() == "http" => Ok(next),
            "http" => Err(astray("from https to http, where anybody on the way could read and change the file")),
            _ => Err(astray("to what is neither https nor http")),
        }
    }

    /// Whether an address is the hub's own, to the port: only there the token goes, and only what it says counts.
    fn is_hub(&self, url: &Url) -> bool {
        url.origin() == self.endpoint.origin()
    }

    fn address(&self, path: &str) -> Result<Url, HubError> {
        let address = format!("{}/{path}", self.endpoint.as_str().trim_end_matches('/'));
        Url::parse(&address).map_err(|_| HubError::Missing(format!("{address} is no address")))
    }

    /// Why an answer was not what we asked for.
    async fn refused(&self, source: &Source, url: &Url, response: Response) -> HubError {
        let (host, status) = (host(url), response.status());
        let code = text(response.headers(), "x-error-code").unwrap_or_default();
        match status {
            StatusCode::TOO_MANY_REQUESTS => HubError::Busy { host, retry_after: retry_after(response.headers()) },
            StatusCode::RANGE_NOT_SATISFIABLE => HubError::NoRest(host),
            _ if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                HubError::Trouble { host, status }
            }
            // Beside the hub it means that the address, which is good for some minutes, is so no longer.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if !self.is_hub(url) => HubError::Trouble { host, status },
            // So the hub answers for a repository that does not exist, too, lest anybody learn which private ones do.
            StatusCode::UNAUTHORIZED if code == "RepoNotFound" => self.missing(source).await,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.locked(source, status),
            StatusCode::NOT_FOUND => self.missing(source).await,
            _ => HubError::Strange { host, what: status.to_string() },
        }
    }

    fn locked(&self, source: &Source, status: StatusCode) -> HubError {
        let (host, file) = (self.host(), format!("{}/{}", source.repository, source.file));
        if self.token.is_some() && status == StatusCode::UNAUTHORIZED {
            return HubError::BadToken { host, file, status };
        }
        let page = format!("{}/{}", self.endpoint.as_str().trim_end_matches('/'), source.repository);
        HubError::Locked { host, file, status, page }
    }

    /// Says what there is instead of a file that is not there.
    async fn missing(&self, source: &Source) -> HubError {
        let (repository, host) = (&source.repository, self.host());
        let sentence = match self.files(repository).await.as_deref() {
            None => format!(
                "{host} has no repository {repository} that it shows; look at its name, or set HF_TOKEN if it is private"
            ),
            Some([]) => format!("{repository} on {host} has no GGUF file; take another repository"),
            Some(files) => {
                let named: Vec<&str> = files.iter().take(NAMED_FILES).map(String::as_str).collect();
                let more = if files.len() > NAMED_FILES { " and others" } else { "" };
                format!("{repository} on {host} has no {}, but {}{more}", source.file, named.join(", "))
            }
        };
        HubError::Missing(sentence)
    }

    /// The GGUF files of a repository; none where it does not say.
    async fn files(&self, repository: &str) -> Option<Vec<String>> {
        #[derive(Deserialize)]
        struct Repository {
            siblings: Vec<File>,
        }
        #[derive(Deserialize)]
        struct File {
            rfilename: String,
        }
        let mut response =
            self.ask(&Method::GET, self.address(&format!("api/models/{repository}")).ok()?, 0).await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let mut list = Vec::new();
        while let Some(chunk) = timeout(self.patience.stall, response.chunk()).await.ok()?.ok()? {
            list.extend_from_slice(&chunk);
            if list.len() > LONGEST_LIST {
                return None;
            }
        }
        let repository: Repository = serde_json::from_slice(&list).ok()?;
        Some(repository.siblings.into_iter().map(|f| f.rfilename).filter(|name| name.ends_with(".gguf")).collect())
    }
}

fn bearer(token: &SecretString) -> Result<HeaderValue, HubError> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
    let mut value = value.map_err(|_| HubError::Missing("HF_TOKEN holds what no token has; set it anew".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

fn is_this_machine(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default();
    name == "localhost" || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(endpoint: &str) -> Hub {
        Hub::new(endpoint, None, Patience::default()).unwrap()
    }

    #[test]
    fn redirects_lead_neither_to_http_nor_out_of_the_web() {
        let from = Url::parse("https://huggingface.co/a/b/resolve/main/c").unwrap();
        let hub = hub("https://huggingface.co");
        let next = |location| hub.next(&from, location).map_err(|error| error.to_string());
        assert_eq!(next("/d/e").unwrap().as_str(), "https://huggingface.co/d/e");
        assert_eq!(next("https://cdn.example/x").unwrap().as_str(), "https://cdn.example/x");
        assert!(next("http://huggingface.co/x").unwrap_err().contains("from https to http"));
        assert!(next("file:///etc/passwd").is_err());
    }

    #[test]
    fn the_hub_is_its_scheme_name_and_port() {
        let hub = hub("https://huggingface.co/");
        for (address, own) in [
            ("https://huggingface.co:443/x", true),
            ("http://huggingface.co/x", false),
            ("https://huggingface.co:8443/x", false),
            ("https://huggingface.co.evil.example/x", false),
            ("https://cdn-lfs.huggingface.co/x", false),
        ] {
            assert_eq!(hub.is_hub(&Url::parse(address).unwrap()), own, "{address}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        for endpoint in ["huggingface.co", "ftp://huggingface.co", "", "https://"] {
            let error = Hub::new(endpoint, None, Patience::default()).unwrap_err().to_string();
            assert!(error.starts_with("HF_ENDPOINT is"), "{error}");
        }
        let mirror = hub("http://mirror.example/huggingface/");
        assert_eq!(mirror.address("a/b").unwrap().as_str(), "http://mirror.example/huggingface/a/b");
    }
}
