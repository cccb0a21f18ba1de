//! Which of a community's adapters is served.

use std::{collections::HashSet, path::Path};

use store::Adapter;

/// What is served, and what would be but for this.
#[derive(Debug, Default)]
pub(super) struct Choice<'a> {
    /// What is served; none for the base alone.
    pub(super) adapter: Option<&'a Adapter>,
    /// What a member's withdrawal forbids to serve.
    pub(super) stale: Vec<&'a Adapter>,
    /// Whose file is not there.
    pub(super) missing: Vec<&'a Adapter>,
}

/// Chooses the newest, of each name only the latest version. `adapters` are all of a community, newest first.
pub(super) fn choose(adapters: &[Adapter]) -> Choice<'_> {
    let mut choice = Choice::default();
    let (mut names, mut stale_files) = (HashSet::new(), HashSet::new());
    for adapter in adapters {
        let is_latest = names.insert(adapter.name.as_str());
        if adapter.stale.is_some() {
            stale_files.insert(adapter.path.as_str());
            if is_latest {
                choice.stale.push(adapter);
            }
            continue;
        }
        // A later version that is stale may have been written over the file.
        if !is_latest || stale_files.contains(adapter.path.as_str()) {
            continue;
        }
        if Path::new(&adapter.path).is_file() {
            choice.adapter = Some(adapter);
            return choice;
        }
        choice.missing.push(adapter);
    }
    choice
}

#[cfg(test)]
mod tests {
    use chat::{AdapterId, CommunityId};
    use chrono::DateTime;
    use expect_test::{Expect, expect};
    use store::Stale;

    use super::*;

    /// Shows the choice among adapters that are written as `name path`, newest first, with `stale` behind it where it is.
    fn check(adapters: &[&str], expected: Expect) {
        let folder = tempfile::tempdir().unwrap();
        for file in ["a", "b"] {
            std::fs::write(folder.path().join(file), "weights").unwrap();
        }
        let read = |(index, written): (usize, &&str)| {
            let mut words = written.split(' ');
            let (name, path) = (words.next().unwrap(), words.next().unwrap());
            let made_at = DateTime::from_timestamp(100 - index as i64, 0).unwrap();
            let stale = words.next().map(|_| Stale { at: made_at, reason: "a member withdrew".to_owned() });
            let (id, path) = (AdapterId(index as i32), folder.path().join(path).display().to_string());
            Adapter { id, community: CommunityId(1), name: name.to_owned(), path, members: vec![], made_at, stale }
        };
        let adapters: Vec<Adapter> = adapters.iter().enumerate().map(read).collect();
        let Choice { adapter, stale, missing } = choose(&adapters);
        let ids = |adapters: Vec<&Adapter>| adapters.iter().map(|adapter| adapter.id.0).collect::<Vec<_>>();
        let chosen = adapter.map(|adapter| adapter.id.0);
        expected.assert_eq(&format!("{chosen:?} stale {:?} missing {:?}", ids(stale), ids(missing)));
    }

    #[test]
    fn the_newest_is_served_that_may_be_and_is_there() {
        check(&[], expect!["None stale [] missing []"]);
        check(&["crew a", "crew b", "others b"], expect!["Some(0) stale [] missing []"]);
        check(&["crew gone", "crew b", "others b"], expect!["Some(2) stale [] missing [0]"]);
        check(&["crew gone", "crew b"], expect!["None stale [] missing [0]"]);
        check(&["crew a stale", "crew b", "others b"], expect!["Some(2) stale [0] missing []"]);
        check(&["crew a stale", "others a", "more b"], expect!["Some(2) stale [0] missing []"]);
        check(&["crew a", "crew a stale"], expect!["Some(0) stale [] missing []"]);
        check(&["crew a stale", "crew a stale"], expect!["None stale [0] missing []"]);
    }
}
