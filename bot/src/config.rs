//! The configuration: a TOML file, the environment over it, and nothing else. It is read once and passed on.
//!
//! Environment variables are named `GROUPCHAT__SECTION__KEY`, as in `GROUPCHAT__MODEL__URL`. A secret comes from a
//! variable or from a file that a `_file` key names; it is never logged.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::quotas::Limits;

/// A group that has been silent for so long will not mind a second; a laptop is glad of the memory.
const DEFAULT_REST_AFTER_MINUTES: u32 = 30;

/// What the operator set. Every key is described in config/groupchat.toml.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the history is.
    pub database: Database,
    /// The web page.
    pub web: Web,
    /// Discord.
    pub discord: Discord,
    /// Telegram.
    pub telegram: Telegram,
    /// What may be learned from.
    pub training: Training,
    /// Who may be imitated.
    pub people: People,
    /// Where words come from.
    pub model: Model,
    /// How much may be said.
    pub quotas: Limits,
    /// What is logged.
    pub log: Log,
}

/// Where the history is: a server by URL, or a private one in a folder.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// A Postgres server; without it a private one is started.
    pub url: Option<SecretString>,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
    /// The folder of the private server and of everything else that is kept.
    pub data: Option<PathBuf>,
}

/// The web page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// Whether it is served.
    pub enabled: bool,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The host names, beside those of this machine, under which it may be asked for.
    pub hosts: Vec<String>,
}

impl Default for Web {
    fn default() -> Self {
        Self { enabled: true, listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8017)), hosts: Vec::new() }
    }
}

/// Discord. It is used where there is a token.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Discord {
    /// The bot's token.
    pub token: Option<SecretString>,
    /// A file that holds it.
    pub token_file: Option<PathBuf>,
    /// What personas are called there, with `{name}` for the member's name.
    pub persona_name: String,
    /// The servers, by id, in which commands are offered; none for all.
    pub command_guilds: Vec<u64>,
    /// The shards that this process runs.
    pub shards: Option<ShardRange>,
    /// Another server than Discord's, as HOST:PORT.
    pub address: Option<String>,
    /// A certificate to be trusted beside the well-known ones, in PEM.
    pub tls_ca: Option<PathBuf>,
}

impl Default for Discord {
    fn default() -> Self {
        Self {
            token: None,
            token_file: None,
            persona_name: "{name} (AI)".to_owned(),
            command_guilds: Vec::new(),
            shards: None,
            address: None,
            tls_ca: None,
        }
    }
}

/// Telegram. It is used where there is a token.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telegram {
    /// The bot's token.
    pub token: Option<SecretString>,
    /// A file that holds it.
    pub token_file: Option<PathBuf>,
    /// The bold line above what a persona says, with `{name}` for the member's name.
    pub persona_line: String,
    /// The tokens of further bots that personas speak through.
    pub persona_bots: Vec<SecretString>,
    /// A file that holds them, one a line.
    pub persona_bots_file: Option<PathBuf>,
    /// The address at which Telegram brings what happens; without it, it is fetched.
    pub webhook_url: Option<String>,
    /// Where the program listens for that, behind a reverse proxy.
    pub webhook_listen: SocketAddr,
    /// Another Bot API server than Telegram's.
    pub api_url: Option<String>,
}

impl Default for Telegram {
    fn default() -> Self {
        Self {
            token: None,
            token_file: None,
            persona_line: "{name} (AI)".to_owned(),
            persona_bots: Vec::new(),
            persona_bots_file: None,
            webhook_url: None,
            webhook_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8018)),
            api_url: None,
        }
    }
}

/// A range of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardRange {
    /// The first, from 0 on.
    pub first: u32,
    /// The last.
    pub last: u32,
    /// How many there are in all processes.
    pub total: u32,
}

/// What may be learned from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Whether messages that came through Discord's API may be.
    pub discord_api_messages: ApiMessages,
    /// Why they may.
    pub reason: String,
}

/// Whether messages that came through a platform's API may be learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiMessages {
    /// They may not.
    #[default]
    Forbidden,
    /// The platform has permitted it.
    Permitted,
}

/// Who may be imitated.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct People {
    /// How many days somebody who left a server keeps their persona.
    pub grace_days: u16,
}

impl Default for People {
    fn default() -> Self {
        Self { grace_days: 7 }
    }
}

/// Where words come from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// A GGUF file, served by a runner of our own.
    pub path: Option<PathBuf>,
    /// An OpenAI-compatible server instead.
    pub url: Option<String>,
    /// Its key.
    pub api_key: Option<SecretString>,
    /// A file that holds the key.
    pub api_key_file: Option<PathBuf>,
    /// With a URL, the name of the model on that server, where it serves several; with neither path nor URL, the model of
    /// the models folder that is served.
    pub name: Option<String>,
    /// Threads of our runner; none for one per physical core.
    pub threads: Option<u32>,
    /// Context of our runner, in tokens.
    pub context: Option<u32>,
    /// How many requests our runner works on at once.
    pub parallel: Option<u32>,
    /// After how many minutes without a request our runner lets go of the model; 0 for never.
    pub rest_after_minutes: Option<u32>,
    /// Whether the server is shown each message at once; none for where that costs nobody money.
    pub prefill: Option<bool>,
}

impl Model {
    /// After how long without a request our runner lets go of the model; none for never.
    pub fn rest_after(&self) -> Option<Duration> {
        let minutes = self.rest_after_minutes.unwrap_or(DEFAULT_REST_AFTER_MINUTES);
        (minutes > 0).then(|| Duration::from_secs(60 * u64::from(minutes)))
    }
}

/// What is logged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A filter such as `info` or `info,bot=debug`. Message text appears from `debug` on, never before.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info,sqlx=warn".to_owned() }
    }
}

impl Config {
    /// Reads the file, where there is one, and the environment over it.
    ///
    /// # Errors
    /// A sentence that names the file or variable, the key and the remedy.
    pub fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        Self::read(path, environment())
    }

    fn read(path: Option<&Path>, environment: BTreeMap<String, String>) -> anyhow::Result<Self> {
        let mut table = toml::Table::new();
        if let Some(path) = path {
            let text = fs::read_to_string(path).with_context(|| {
                format!("cannot read the configuration {}; config/groupchat.toml is one to begin with", path.display())
            })?;
            // Read as a whole first: an error then shows line, column and what is known.
            toml::from_str::<Config>(&text).with_context(|| format!("in the configuration {}", path.display()))?;
            table = toml::from_str(&text).with_context(|| format!("in the configuration {}", path.display()))?;
        }
        for (variable, value) in &environment {
            overlay(&mut table, variable, value)?;
            // One at a time, so that an error can say which variable it is about.
            Config::deserialize(table.clone())
                .map_err(|error| anyhow::anyhow!("in the environment variable {variable}: {}", error.message()))?;
        }
        let mut config = Config::deserialize(table).context("in the configuration")?;
        config.database.url = secret(config.database.url, config.database.url_file.as_deref(), "database.url")?;
        config.model.api_key = secret(config.model.api_key, config.model.api_key_file.as_deref(), "model.api_key")?;
        config.discord.token = secret(config.discord.token, config.discord.token_file.as_deref(), "discord.token")?;
        config.telegram.token = secret(config.telegram.token, config.telegram.token_file.as_deref(), "telegram.token")?;
        config.telegram.read_persona_bots()?;
        config.check()?;
        Ok(config)
    }

    /// Looks for what contradicts itself.
    fn check(&self) -> anyhow::Result<()> {
        if self.model.path.is_some() && self.model.url.is_some() {
            bail!("model.path and model.url are both set; give the one that is to be used");
        }
        if !self.discord.persona_name.contains("{name}") {
            bail!("discord.persona_name is \"{}\", without {{name}} for the member's name", self.discord.persona_name);
        }
        self.telegram.check()?;
        if let Some(ShardRange { first, last, total }) = self.discord.shards
            && (first > last || last >= total)
        {
            bail!("discord.shards goes from {first} to {last} of {total}; shards are counted from 0 to total - 1");
        }
        if self.training.discord_api_messages == ApiMessages::Permitted && self.training.reason.trim().is_empty() {
            bail!(
                "training.discord_api_messages is \"permitted\" without training.reason; say there how Discord permitted it, \
                 since its Developer Policy forbids training on what came through its API"
            );
        }
        Ok(())
    }
}

impl Telegram {
    fn read_persona_bots(&mut self) -> anyhow::Result<()> {
        let Some(path) = &self.persona_bots_file else { return Ok(()) };
        if !self.persona_bots.is_empty() {
            bail!("telegram.persona_bots and telegram.persona_bots_file are both set; give one of them");
        }
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read telegram.persona_bots_file {}", path.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        self.persona_bots = lines.map(|token| SecretString::from(token.to_owned())).collect();
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        if !self.persona_line.contains("{name}") {
            bail!("telegram.persona_line is \"{}\", without {{name}} for the member's name", self.persona_line);
        }
        if let Some(url) = self.webhook_url.as_ref().filter(|url| !url.starts_with("https://")) {
            bail!("telegram.webhook_url is \"{url}\"; Telegram calls addresses that begin with https:// only");
        }
        Ok(())
    }
}

/// Where data is kept unless the operator says otherwise: /var/lib/groupchat for root, the user's data folder else.
///
/// # Errors
/// Where neither is known.
pub fn default_data_folder() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/groupchat"));
    }
    let home = variable("HOME").map(PathBuf::from);
    let base = match (variable("XDG_DATA_HOME"), home) {
        (Some(data), _) => PathBuf::from(data),
        (None, Some(home)) if cfg!(target_os = "macos") => home.join("Library/Application Support"),
        (None, Some(home)) => home.join(".local/share"),
        (None, None) => bail!("HOME is not set, so there is no folder for the data; name one with --data"),
    };
    Ok(base.join("groupchat"))
}

/// The hub that models come from.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// Its address.
    pub endpoint: String,
    /// The token that opens what it does not give to everybody.
    pub token: Option<SecretString>,
}

impl HubSettings {
    /// What HF_ENDPOINT and HF_TOKEN say, the variables that the hub's own tools read.
    pub fn from_environment() -> Self {
        Self {
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned()),
            token: variable("HF_TOKEN").map(SecretString::from),
        }
    }
}

/// The hub where none is named.
const HUB: &str = "https://huggingface.co";

#[expect(clippy::disallowed_methods, reason = "this is the module that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

const PREFIX: &str = "GROUPCHAT__";

fn environment() -> BTreeMap<String, String> {
    std::env::vars().filter(|(name, _)| name.starts_with(PREFIX)).collect()
}

/// Sets `section.key` to what a variable says: a TOML value where it is one, else text.
fn overlay(table: &mut toml::Table, variable: &str, value: &str) -> anyhow::Result<()> {
    let name = variable.strip_prefix(PREFIX).unwrap_or(variable).to_lowercase();
    let Some((section, key)) = name.split_once("__") else {
        bail!("the environment variable {variable} names no key; it is written {PREFIX}SECTION__KEY");
    };
    let value = match toml::from_str::<toml::Table>(&format!("value = {value}")) {
        Ok(mut parsed) => parsed.remove("value").expect("it was just set"),
        Err(_) => toml::Value::String(value.to_owned()),
    };
    let section = table.entry(section).or_insert_with(|| toml::Table::new().into());
    let Some(section) = section.as_table_mut() else {
        bail!("the environment variable {variable} names a section that is no section");
    };
    section.insert(key.to_owned(), value);
    Ok(())
}

fn secret(given: Option<SecretString>, file: Option<&Path>, key: &str) -> anyhow::Result<Option<SecretString>> {
    match (given, file) {
        (Some(_), Some(_)) => bail!("{key} and {key}_file are both set; give one of them"),
        (None, Some(path)) => {
            let text =
                fs::read_to_string(path).with_context(|| format!("cannot read {key}_file {}", path.display()))?;
            Ok(Some(SecretString::from(text.trim().to_owned())))
        }
        // A variable that a compose file passes through may be set to nothing.
        (given, None) => Ok(given.filter(|secret| !secret.expose_secret().is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn read(text: &str, environment: &[(&str, &str)]) -> anyhow::Result<Config> {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), text)?;
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::read(Some(file.path()), environment).map_err(|error| {
            let shown = format!("{error:#}").replace(&file.path().display().to_string(), "FILE");
            anyhow::anyhow!(shown)
        })
    }

    fn check_error(text: &str, environment: &[(&str, &str)], expected: Expect) {
        expected.assert_eq(&read(text, environment).unwrap_err().to_string());
    }

    #[test]
    fn the_shipped_configuration_is_the_default() {
        let shipped = include_str!("../../config/groupchat.toml");
        let config = read(shipped, &[]).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let config = read(
            "[web]\nlisten = \"127.0.0.1:1\"\n",
            &[
                ("GROUPCHAT__WEB__LISTEN", "127.0.0.1:2"),
                ("GROUPCHAT__WEB__ENABLED", "false"),
                ("GROUPCHAT__MODEL__THREADS", "3"),
                ("GROUPCHAT__DATABASE__URL", "postgres://u:p@h/d"),
            ],
        )
        .unwrap();
        assert_eq!(config.web.listen.port(), 2);
        assert!(!config.web.enabled);
        assert_eq!(config.model.threads, Some(3));
        assert_eq!(config.database.url.unwrap().expose_secret(), "postgres://u:p@h/d");
    }

    #[test]
    fn a_runner_rests_after_half_an_hour_unless_it_is_told_never_to() {
        let rest_after = |text: &str| read(text, &[]).unwrap().model.rest_after();
        assert_eq!(rest_after(""), Some(Duration::from_secs(1800)));
        assert_eq!(rest_after("[model]\nrest_after_minutes = 5\n"), Some(Duration::from_secs(300)));
        assert_eq!(rest_after("[model]\nrest_after_minutes = 0\n"), None);
    }

    #[test]
    fn a_secret_is_read_from_a_file_and_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "hush-hush\n").unwrap();
        let config = read(&format!("[model]\napi_key_file = {:?}\n", file.path()), &[]).unwrap();
        assert!(!format!("{config:?}").contains("hush"));
        assert_eq!(config.model.api_key.unwrap().expose_secret(), "hush-hush");
    }

    #[test]
    fn errors_name_the_place_and_the_remedy() {
        check_error(
            "[web]\nlissten = 1\n",
            &[],
            expect![[r#"
            in the configuration FILE: TOML parse error at line 2, column 1
              |
            2 | lissten = 1
              | ^^^^^^^
            unknown field `lissten`, expected one of `enabled`, `listen`, `hosts`
        "#]],
        );
        check_error(
            "",
            &[("GROUPCHAT__WEB__LISTEN", "here")],
            expect!["in the environment variable GROUPCHAT__WEB__LISTEN: invalid socket address syntax"],
        );
        check_error(
            "",
            &[("GROUPCHAT__WEB", "1")],
            expect!["the environment variable GROUPCHAT__WEB names no key; it is written GROUPCHAT__SECTION__KEY"],
        );
        check_error(
            "[model]\npath = \"a\"\nurl = \"b\"\n",
            &[],
            expect!["model.path and model.url are both set; give the one that is to be used"],
        );
        check_error(
            "[model]\napi_key = \"a\"\napi_key_file = \"b\"\n",
            &[],
            expect!["model.api_key and model.api_key_file are both set; give one of them"],
        );
        let missing = Config::read(Some(Path::new("/nowhere/x.toml")), BTreeMap::new()).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/x.toml"));
    }
}
