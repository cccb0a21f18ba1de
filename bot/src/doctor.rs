//! What is wrong with a set-up, and how to mend it.

use std::fmt;

/// How something is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Fine,
    Note(String),
    Wrong(String),
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    about: String,
    what: String,
    verdict: Verdict,
}

impl Finding {
    /// It is as it should be.
    pub fn fine(about: &str, what: impl Into<String>) -> Self {
        Self { about: about.to_owned(), what: what.into(), verdict: Verdict::Fine }
    }

    /// It may be as it was meant; `mend` says what to do where it was not.
    pub fn note(about: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { about: about.to_owned(), what: what.into(), verdict: Verdict::Note(mend.into()) }
    }

    /// It does not work; `mend` says what to do.
    pub fn wrong(about: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { about: about.to_owned(), what: what.into(), verdict: Verdict::Wrong(mend.into()) }
    }

    /// Whether it does not work.
    pub fn is_wrong(&self) -> bool {
        matches!(self.verdict, Verdict::Wrong(_))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { about, what, verdict } = self;
        match verdict {
            Verdict::Fine => write!(f, "ok     {about}: {what}"),
            Verdict::Note(mend) => write!(f, "note   {about}: {what}\n       {mend}"),
            Verdict::Wrong(mend) => write!(f, "WRONG  {about}: {what}\n       {mend}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_and_what_to_do() {
        let wrong = Finding::wrong("model", "the file is missing", "put it there");
        assert_eq!(wrong.to_string(), "WRONG  model: the file is missing\n       put it there");
        assert_eq!(Finding::fine("model", "it is there").to_string(), "ok     model: it is there");
    }
}
