//! Which model `groupchat run` serves, and the offer to fetch it where it is not here.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use indicatif::DecimalBytes;
use tokio::{task::spawn_blocking, time::Instant};

use crate::{
    Clock,
    config::{HubSettings, Model},
    models::{Catalogue, Event, Hub, ModelsFolder, Patience, Source, chosen, pull},
};

/// How often the log says how far a pull is.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// How often an answer that is none is asked for again.
const QUESTIONS: usize = 3;

/// What is served.
pub(super) struct Offer {
    /// The configuration, with the path of a model that is here.
    pub model: Model,
    /// The file that is served as soon as it is there.
    pub awaited: Option<PathBuf>,
    /// What is to be fetched.
    pub wanted: Option<Wanted>,
}

/// A model that somebody asked for.
pub(super) struct Wanted {
    source: Source,
    folder: ModelsFolder,
}

impl Offer {
    /// Looks for the model that the configuration means, and asks once whether to fetch it.
    ///
    /// # Errors
    /// Where `model.name` means nothing, or the folder cannot be read.
    pub(super) async fn make(model: &Model, data: &Path) -> anyhow::Result<Self> {
        let model = model.clone();
        if model.path.is_some() || model.url.is_some() {
            return Ok(Self { model, awaited: None, wanted: None });
        }
        let folder = ModelsFolder::below(data);
        let source = chosen(model.name.as_deref(), &Catalogue::shipped(), &folder)?;
        let held = folder.held(&source.label).with_context(|| format!("cannot read {}", folder.path().display()))?;
        let file = folder.file(&source.label);
        match held {
            Some(held) if held.is_whole() => {
                return Ok(Self { model: Model { path: Some(file), ..model }, awaited: None, wanted: None });
            }
            Some(_) => {
                tracing::warn!(
                    "{} is damaged, so Markov chains speak; `groupchat model verify` says more",
                    source.name
                );
                return Ok(Self { model, awaited: None, wanted: None });
            }
            None => {}
        }
        let wanted = wants(&model, &source, &folder).await?;
        if !wanted {
            say_how(&source, &folder)?;
        }
        Ok(Self { model, awaited: Some(file), wanted: wanted.then_some(Wanted { source, folder }) })
    }
}

/// Says in the log how to come to a model later.
fn say_how(source: &Source, folder: &ModelsFolder) -> anyhow::Result<()> {
    let (name, size) = (&source.name, size(source));
    tracing::info!(
        "{name} is not here, so Markov chains speak; `groupchat model pull {name}` fetches it ({size}), and it speaks as soon \
         as it is there"
    );
    let others: Vec<String> = folder.all()?.into_iter().map(|held| held.label.to_string()).collect();
    if !others.is_empty() {
        tracing::info!("other models are here: {}; model.name or model.path chooses one of them", others.join(", "));
    }
    Ok(())
}

/// Asks whoever sits at the terminal, unless they said no before or there are models here already.
async fn wants(model: &Model, source: &Source, folder: &ModelsFolder) -> anyhow::Result<bool> {
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    let has_others = model.name.is_none() && !folder.all()?.is_empty();
    if !can_ask || folder.is_declined() || has_others {
        return Ok(false);
    }
    let what = if model.name.is_none() { "The default model" } else { "The model" };
    let question = format!("{what}, {}, has {}. Fetch it now? [Y/n] ", source.name, size(source));
    let answer = spawn_blocking(move || ask(&question, &mut io::stdin().lock(), &mut io::stderr())).await?;
    match answer.context("cannot ask at the terminal")? {
        Some(false) => {
            folder.decline().with_context(|| format!("cannot write into {}", folder.path().display()))?;
            Ok(false)
        }
        answer => Ok(answer.is_some()),
    }
}

fn size(source: &Source) -> String {
    source.size.map_or_else(|| "a size that the hub knows".to_owned(), |size| DecimalBytes(size).to_string())
}

/// Asks until there is an answer; none where nobody gives one, which is not to be remembered.
fn ask(question: &str, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<Option<bool>> {
    for _ in 0..QUESTIONS {
        write!(output, "{question}")?;
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim().to_lowercase().as_str() {
            "" | "y" | "yes" => return Ok(Some(true)),
            "n" | "no" => return Ok(Some(false)),
            _ => {}
        }
    }
    Ok(None)
}

impl Wanted {
    /// Fetches it, and says in the log how that goes. A failure is no reason for the bot to end.
    pub(super) async fn fetch(self) {
        let fetched = tokio::spawn(self.pull_with_log());
        // The task ends with whoever waits for it.
        let mut fetched = AbortOnDrop(fetched);
        if let Err(error) = (&mut fetched.0).await {
            tracing::warn!(%error, "the pull of the model was interrupted");
        }
    }

    async fn pull_with_log(self) {
        let Self { source, folder } = self;
        let name = &source.name;
        let HubSettings { endpoint, token } = HubSettings::from_environment();
        let pulled = async {
            let hub = Hub::new(&endpoint, token, Patience::default())?;
            let mut last = Instant::now();
            let mut all = 0;
            let tell = |event| match event {
                Event::Waits(why) => tracing::info!("{why}; that is waited for"),
                Event::Begins { from, size } => {
                    all = size;
                    tracing::info!("fetching {name}: {} of {} are here", DecimalBytes(from), DecimalBytes(size));
                }
                Event::At(bytes) if last.elapsed() >= TELL_EVERY => {
                    last = Instant::now();
                    tracing::info!("fetching {name}: {} of {}", DecimalBytes(bytes), DecimalBytes(all));
                }
                Event::At(_) => {}
                Event::Again { why, after } => {
                    tracing::warn!("fetching {name}: {why}; once more in {} seconds", after.as_secs_f32());
                }
            };
            anyhow::Ok(pull(&hub, &folder, &source, &Clock::system(), tell).await?)
        };
        match pulled.await {
            Ok(_) => tracing::info!("{name} is here"),
            Err(error) => tracing::warn!("{name} could not be fetched, so Markov chains speak: {error:#}"),
        }
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, answer: Option<bool>, questions: usize) {
        let mut shown = Vec::new();
        assert_eq!(ask("Now? ", &mut typed.as_bytes(), &mut shown).unwrap(), answer, "{typed:?}");
        assert_eq!(String::from_utf8(shown).unwrap(), "Now? ".repeat(questions));
    }

    #[test]
    fn a_question_ends_with_an_answer_or_with_nobody() {
        check("\n", Some(true), 1);
        check("Y\n", Some(true), 1);
        check("no\n", Some(false), 1);
        check("what?\nn\n", Some(false), 2);
        check("", None, 1);
        check("a\nb\nc\nyes\n", None, 3);
    }
}
