//! What is measured: the rows of a dataset's folder, as `groupchat dataset` writes it.

use std::{
    fmt,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context, bail, ensure};
use chat::MemberId;
use corpus::dataset::{Kind, Row};

/// The rows of one split, and those that were learned from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// What was learned from.
    pub train: Vec<Row>,
    /// What is measured, none of it learned from.
    pub held_out: Vec<Row>,
}

impl Dataset {
    /// Reads a split and the one that was learned from.
    ///
    /// # Errors
    /// A sentence with the remedy, where there is no dataset, a split is empty, or somebody speaks in the split who has
    /// said nothing that could be learned from.
    pub fn read(folder: &Path, split: &str) -> anyhow::Result<Self> {
        ensure!(split != "train", "the split train was learned from, so it measures nothing; give --split test");
        let (train, held_out) = (Self::rows(folder, "train")?, Self::rows(folder, split)?);
        let stranger = held_out.iter().find(|row| !train.iter().any(|known| is_said_by(known, row.member)));
        if let Some(row) = stranger {
            bail!(
                "{} speaks in the split {split} but has no reply in the split train, so nothing can be known of them; make \
                 the dataset again from a longer history, or without them",
                row.speaker
            );
        }
        Ok(Self { train, held_out })
    }

    /// Reads the rows of one split.
    ///
    /// # Errors
    /// A sentence with the remedy, where there is no dataset or the split is empty.
    pub fn rows(folder: &Path, split: &str) -> anyhow::Result<Vec<Row>> {
        let file = folder.join("chatml").join(format!("{split}.jsonl"));
        let reader = BufReader::new(File::open(&file).with_context(|| no_dataset(folder))?);
        let mut rows = Vec::new();
        for (index, line) in reader.lines().enumerate() {
            let line = line.with_context(|| damaged(&file.display()))?;
            let place = || format!("{}, line {},", file.display(), index + 1);
            rows.push(serde_json::from_str(&line).with_context(|| damaged(&place()))?);
        }
        ensure!(
            !rows.is_empty(),
            "the split {split} of {} is empty; make the dataset again from a longer history",
            folder.display()
        );
        Ok(rows)
    }
}

/// At most so many of the rows, evenly spread.
pub(crate) fn spread<'a>(rows: &[&'a Row], limit: Option<usize>) -> Vec<&'a Row> {
    let wanted = limit.map_or(rows.len(), |limit| limit.min(rows.len()));
    (0..wanted).map(|place| rows[place * rows.len() / wanted]).collect()
}

fn is_said_by(row: &Row, member: MemberId) -> bool {
    row.kind == Kind::Reply && row.member == member
}

fn no_dataset(folder: &Path) -> String {
    format!("there is no dataset in {}; `groupchat dataset` makes one", folder.display())
}

fn damaged(what: &dyn fmt::Display) -> String {
    format!("{what} is not as `groupchat dataset` writes it; make the dataset again")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use expect_test::{Expect, expect};

    use super::*;

    fn row(member: i32, speaker: &str, kind: &str) -> String {
        format!(
            r#"{{"messages":[{{"role":"user","content":"?"}},{{"role":"assistant","content":"!"}}],"kind":"{kind}","speaker":"{speaker}","member":{member},"room":1,"at":"2025-04-14T18:42:29Z"}}"#
        )
    }

    fn check(train: &str, test: &str, split: &str, expected: Expect) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("chatml")).unwrap();
        fs::write(folder.path().join("chatml/train.jsonl"), train).unwrap();
        fs::write(folder.path().join("chatml/test.jsonl"), test).unwrap();
        let shown = match Dataset::read(folder.path(), split) {
            Ok(dataset) => format!("{} rows, {:?}", dataset.train.len(), dataset.held_out),
            Err(error) => format!("{error:#}").replace(&folder.path().display().to_string(), "DIR"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn rows_are_read_and_what_cannot_be_measured_says_why() {
        let (ada, bo) = (row(1, "Ada", "reply"), row(2, "Bo", "reply"));
        check(
            &format!("{ada}\n{bo}\n"),
            &row(1, "Ada", "next_speaker"),
            "test",
            expect![[
                r#"2 rows, [Row { prompt: "?", answer: "!", kind: NextSpeaker, speaker: "Ada", member: MemberId(1), room: RoomId(1), at: 2025-04-14T18:42:29Z }]"#
            ]],
        );
        check(
            &ada,
            &bo,
            "test",
            expect![
                "Bo speaks in the split test but has no reply in the split train, so nothing can be known of them; make the dataset again from a longer history, or without them"
            ],
        );
        check(
            &ada,
            "",
            "test",
            expect!["the split test of DIR is empty; make the dataset again from a longer history"],
        );
        check(
            &ada,
            "{}",
            "test",
            expect![
                "DIR/chatml/test.jsonl, line 1, is not as `groupchat dataset` writes it; make the dataset again: missing field `messages` at line 1 column 2"
            ],
        );
        check(
            &ada,
            &ada,
            "validation",
            expect![
                "there is no dataset in DIR; `groupchat dataset` makes one: No such file or directory (os error 2)"
            ],
        );
        check(
            &ada,
            &ada,
            "train",
            expect!["the split train was learned from, so it measures nothing; give --split test"],
        );
    }
}
