//! `groupchat doctor`: says of each part of a set-up whether it works, and how to mend what does not.

use anyhow::ensure;
use secrecy::SecretString;
use tokio::net::TcpListener;

use super::{
    ConfigArgs,
    database::Database,
    import::data_folder,
    run::{discord_settings, telegram_settings},
};
use crate::{
    config::{ApiMessages, Config, Model, Web},
    doctor::Finding,
    models::{Catalogue, ModelsFolder, chosen},
    platform::{discord, telegram},
    runner::RunnerClient,
};

/// Looks at everything and prints what it finds. Fails where something is wrong.
pub(super) async fn run(args: ConfigArgs) -> anyhow::Result<()> {
    let config = args.load()?;
    println!("ok     configuration: it can be read");
    let mut wrong = 0;
    let mut tell = |findings: Vec<Finding>| {
        for finding in findings {
            println!("{finding}");
            wrong += usize::from(finding.is_wrong());
        }
    };
    let (opened, finding) = database(&config).await;
    tell(vec![finding]);
    tell(vec![model(&config).await]);
    tell(web(&config.web).await);
    tell(vec![training(&config)]);
    match discord_settings(&config) {
        Some(settings) => tell(discord::doctor::examine(&settings).await),
        None => tell(vec![Finding::note(
            "Discord",
            "no token is set, so it is not used",
            "README.md, \"On Discord\", says how to get one; put it into GROUPCHAT__DISCORD__TOKEN",
        )]),
    }
    match telegram_settings(&config) {
        Some(settings) => {
            tell(telegram::doctor::examine(&settings, opened.as_ref().map(|database| &database.store)).await)
        }
        None => tell(vec![Finding::note(
            "Telegram",
            "no token is set, so it is not used",
            "README.md, \"On Telegram\", says how to get one; put it into GROUPCHAT__TELEGRAM__TOKEN",
        )]),
    }
    if let Some(database) = opened {
        database.store.close().await;
    }
    ensure!(wrong == 0, "{wrong} of these must be mended before `groupchat run` works; see above");
    Ok(())
}

/// Opens the database, and says how that went.
async fn database(config: &Config) -> (Option<Database>, Finding) {
    let opened = async {
        let data = data_folder(None, config)?;
        let url: Option<&SecretString> = config.database.url.as_ref();
        let database = Database::open(url, &data).await?;
        let what = match url {
            Some(_) => "the server of database.url answers, and its schema is up to date".to_owned(),
            None => format!("the private PostgreSQL in {} starts, and its schema is up to date", data.display()),
        };
        anyhow::Ok((database, what))
    };
    match opened.await {
        Ok((database, what)) => (Some(database), Finding::fine("database", what)),
        Err(error) => {
            let mend = "README.md, \"When something is wrong\", may help";
            (None, Finding::wrong("database", format!("{error:#}"), mend))
        }
    }
}

async fn model(config: &Config) -> Finding {
    match config.model.clone() {
        Model { path: Some(path), .. } => match model_runner::GgufHeader::read(&path) {
            Ok(_) => Finding::fine("model", format!("{} can be read", path.display())),
            Err(error) => Finding::wrong("model", error.to_string(), "set model.path to a whole GGUF file"),
        },
        Model { url: Some(url), api_key, name, .. } => {
            let asked = async { RunnerClient::new(&url, api_key, name)?.health().await.map_err(anyhow::Error::from) };
            match asked.await {
                Ok(()) => Finding::fine("model", format!("the server at {url} answers")),
                Err(error) => {
                    let mend = "start that server, or correct model.url; until then the Markov voices speak";
                    Finding::wrong("model", format!("{error:#}"), mend)
                }
            }
        }
        Model { name, .. } => model_of_the_folder(name.as_deref(), config)
            .unwrap_or_else(|error| Finding::wrong("model", format!("{error:#}"), "see `groupchat model list`")),
    }
}

/// The model that is served where neither a file nor a server is named.
fn model_of_the_folder(name: Option<&str>, config: &Config) -> anyhow::Result<Finding> {
    let folder = ModelsFolder::below(&data_folder(None, config)?);
    let source = chosen(name, &Catalogue::shipped(), &folder)?;
    let fetch_anew = format!("`groupchat model rm {0}` and `groupchat model pull {0}` bring it anew", source.name);
    let Some(held) = folder.held(&source.label)? else {
        return Ok(Finding::note(
            "model",
            format!("{} is not here, so personas speak with Markov chains of what their members wrote", source.name),
            format!(
                "`groupchat model pull {}` fetches it; or set model.path to a GGUF file, or model.url to a server",
                source.name
            ),
        ));
    };
    let (name, path) = (&source.name, held.path.display());
    if let Some(record) = held.record.as_ref().filter(|_| !held.is_whole()) {
        let what = format!("{name} has {} bytes, and had {} when it came: {path}", held.size, record.size);
        return Ok(Finding::wrong("model", what, fetch_anew));
    }
    Ok(match model_runner::GgufHeader::read(&held.path) {
        Err(error) => Finding::wrong("model", format!("{name}: {error} ({path})"), fetch_anew),
        Ok(_) if held.record.is_none() => {
            Finding::fine("model", format!("{name} is served; {path} can be read, and was put there by hand"))
        }
        Ok(_) => Finding::fine(
            "model",
            format!("{name} is served; {path} is as long as it came (`groupchat model verify` reads every byte)"),
        ),
    })
}

async fn web(web: &Web) -> Vec<Finding> {
    if !web.enabled {
        return Vec::new();
    }
    let about = "web page";
    vec![match TcpListener::bind(web.listen).await {
        Ok(_) => Finding::fine(about, format!("{} is free", web.listen)),
        Err(error) => Finding::note(
            about,
            format!("{} cannot be had: {error}", web.listen),
            "fine if groupchat is running already; else set web.listen to an address that is free",
        ),
    }]
}

/// What may be learned from, and why.
fn training(config: &Config) -> Finding {
    let about = "training";
    match config.training.discord_api_messages {
        ApiMessages::Permitted => Finding::note(
            about,
            "messages from Discord's API may teach voices",
            format!("because: {}", config.training.reason),
        ),
        ApiMessages::Forbidden => Finding::fine(
            about,
            "messages that came through Discord's API teach nothing, as its Developer Policy wants; personas learn from what \
             members exported themselves (`groupchat import`)",
        ),
    }
}
