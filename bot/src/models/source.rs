//! Which file of the hub is meant by what somebody typed, and what it is called here.

use std::fmt;

use anyhow::{Context, bail, ensure};

use super::{Catalogue, Entry, Quantisation};

/// What a model is called on this machine: the name of its file in the models folder, without `.gguf`. It holds letters,
/// digits, dots, dashes and underscores alone and begins with no dot, so that it can be joined to any path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

impl Label {
    /// Takes a name that is safe as one.
    pub fn new(name: &str) -> Option<Self> {
        is_plain(name).then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is called here.
    pub label: Label,
    /// What to type for it, as `qwen3-0.6b:q4_k_m` or `OWNER/REPOSITORY/FILE.gguf`.
    pub name: String,
    /// Its repository, as `OWNER/NAME`.
    pub repository: String,
    /// Its path in the repository.
    pub file: String,
    /// About how long it is in bytes, where that is known beforehand.
    pub size: Option<u64>,
}

impl Source {
    /// The file that is taken where none is named.
    pub fn default_of(catalogue: &Catalogue) -> Self {
        Self::parse(&catalogue.default, catalogue).expect("the shipped catalogue has its default")
    }

    /// What `NAME`, `NAME:QUANTISATION` or `OWNER/REPOSITORY/FILE.gguf` means; the first quantisation where none is named.
    ///
    /// # Errors
    /// A sentence that says what there is instead.
    pub fn parse(text: &str, catalogue: &Catalogue) -> anyhow::Result<Self> {
        if text.contains('/') {
            return Self::on_the_hub(text, catalogue);
        }
        let (name, quantisation) = text.split_once(':').map_or((text, None), |(name, q)| (name, Some(q)));
        let name = name.to_lowercase();
        let entry = catalogue.entry(&name).with_context(|| {
            format!(
                "there is no model \"{name}\" in the catalogue, which has {}; any other is named as on the hub, \
                 OWNER/REPOSITORY/FILE.gguf",
                catalogue.names()
            )
        })?;
        match quantisation {
            None => Ok(Self::of(entry, entry.quantisations.first().expect("a model in the catalogue has a file"))),
            Some(wanted) => {
                let found = entry.quantisation(&wanted.to_lowercase());
                let has = || entry.quantisations.iter().map(|q| q.name.as_str()).collect::<Vec<_>>().join(", ");
                let found = found.with_context(|| format!("{name} has no quantisation \"{wanted}\", but {}", has()))?;
                Ok(Self::of(entry, found))
            }
        }
    }

    /// A file of the catalogue.
    pub fn of(entry: &Entry, quantisation: &Quantisation) -> Self {
        Self {
            label: Label(format!("{}-{}", entry.name, quantisation.name)),
            name: format!("{}:{}", entry.name, quantisation.name),
            repository: quantisation.repository.clone(),
            file: quantisation.file.clone(),
            size: Some(quantisation.size),
        }
    }

    fn on_the_hub(text: &str, catalogue: &Catalogue) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        ensure!(
            parts.len() >= 3 && parts.iter().all(|part| is_plain(part)),
            "\"{text}\" is no file of the hub; that is written OWNER/REPOSITORY/FILE.gguf, in letters, digits, dots, dashes \
             and underscores"
        );
        let Some(stem) = text.strip_suffix(".gguf") else {
            bail!("\"{text}\" does not end in .gguf; name the repository's file, as OWNER/REPOSITORY/FILE.gguf");
        };
        ensure!(
            !is_a_piece(stem),
            "{text} is one of several pieces of a model, which are not put together here; take a file that is whole"
        );
        let (repository, file) = (parts[..2].join("/"), parts[2..].join("/"));
        for entry in &catalogue.models {
            // Under two names one file would be fetched and kept twice.
            if let Some(known) = entry.quantisations.iter().find(|q| q.repository == repository && q.file == file) {
                return Ok(Self::of(entry, known));
            }
        }
        let label = Label(stem.replace('/', "--"));
        Ok(Self { label, name: text.to_owned(), repository, file, size: None })
    }
}

fn is_plain(name: &str) -> bool {
    let may_stand = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(may_stand)
}

/// Whether a name ends as llama.cpp's splitter names the pieces: `-00001-of-00003`.
fn is_a_piece(stem: &str) -> bool {
    let number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut ends = stem.rsplitn(4, '-');
    matches!((ends.next(), ends.next(), ends.next()), (Some(all), Some("of"), Some(this)) if number(all) && number(this))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let said = match Source::parse(text, &Catalogue::shipped()) {
            Ok(Source { label, name, repository, file, .. }) => format!("{label} = {name} = {repository} {file}"),
            Err(error) => format!("{error:#}"),
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn names_and_paths_lead_to_files() {
        check(
            "qwen3-0.6b",
            expect!["qwen3-0.6b-q4_k_m = qwen3-0.6b:q4_k_m = unsloth/Qwen3-0.6B-GGUF Qwen3-0.6B-Q4_K_M.gguf"],
        );
        check(
            "Qwen3-0.6B:Q8_0",
            expect!["qwen3-0.6b-q8_0 = qwen3-0.6b:q8_0 = Qwen/Qwen3-0.6B-GGUF Qwen3-0.6B-Q8_0.gguf"],
        );
        check(
            "Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf",
            expect!["qwen3-0.6b-q8_0 = qwen3-0.6b:q8_0 = Qwen/Qwen3-0.6B-GGUF Qwen3-0.6B-Q8_0.gguf"],
        );
        check("a/b/c/d.gguf", expect!["a--b--c--d = a/b/c/d.gguf = a/b c/d.gguf"]);
    }

    #[test]
    fn what_leads_nowhere_says_what_would() {
        check("qwen3-0.6b:q2", expect![[r#"qwen3-0.6b has no quantisation "q2", but q4_k_m, q8_0"#]]);
        check(
            "gpt-6",
            expect![[
                r#"there is no model "gpt-6" in the catalogue, which has qwen3-0.6b, qwen2.5-0.5b-instruct, qwen3-1.7b, qwen3-4b, qwen3-4b-instruct-2507, qwen3.5-0.8b, qwen3.5-2b, qwen3.5-4b; any other is named as on the hub, OWNER/REPOSITORY/FILE.gguf"#
            ]],
        );
        check(
            "a/../../etc/passwd.gguf",
            expect![[
                r#""a/../../etc/passwd.gguf" is no file of the hub; that is written OWNER/REPOSITORY/FILE.gguf, in letters, digits, dots, dashes and underscores"#
            ]],
        );
        check(
            "a/b/c.bin",
            expect![[
                r#""a/b/c.bin" does not end in .gguf; name the repository's file, as OWNER/REPOSITORY/FILE.gguf"#
            ]],
        );
        check(
            "a/b/big-00001-of-00002.gguf",
            expect![
                "a/b/big-00001-of-00002.gguf is one of several pieces of a model, which are not put together here; take a file that is whole"
            ],
        );
    }
}
