//! Stop strings, found wherever the borders between tokens fall.

/// Lets text through up to the first stop string, and holds back what may turn out to be the beginning of one.
#[derive(Debug)]
pub(crate) struct StopStrings {
    stops: Vec<String>,
    held: String,
}

/// What became of a piece of text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// This much may be sent; more may follow.
    On(String),
    /// A stop string came: this much stands before it, and nothing follows.
    Stopped(String),
}

impl StopStrings {
    /// Empty stop strings would stop everything; they are passed over.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self { stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(), held: String::new() }
    }

    /// Takes a piece of text and gives what may be sent of all that came so far.
    pub(crate) fn push(&mut self, text: &str) -> Passed {
        self.held.push_str(text);
        if let Some(start) = self.first_match() {
            self.held.truncate(start);
            return Passed::Stopped(std::mem::take(&mut self.held));
        }
        let kept = self.held.split_off(self.held.len() - self.longest_beginning());
        Passed::On(std::mem::replace(&mut self.held, kept))
    }

    /// Gives what was held back, when no more text comes.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the stop string begins that is complete first; of several that end there, the longest. The earliest start
    /// would depend on how the text was cut into pieces.
    fn first_match(&self) -> Option<usize> {
        let ends = |stop: &String| self.held.find(stop.as_str()).map(|start| (start + stop.len(), start));
        self.stops.iter().filter_map(ends).min().map(|(_, start)| start)
    }

    /// The length in bytes of the longest end of the text that a stop string begins with.
    fn longest_beginning(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let first = self.held.len().saturating_sub(longest);
        (first..self.held.len())
            .filter(|&start| self.held.is_char_boundary(start))
            .find(|&start| self.stops.iter().any(|stop| stop.starts_with(&self.held[start..])))
            .map_or(0, |start| self.held.len() - start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut strings = StopStrings::new(stops.iter().map(|&stop| stop.to_owned()).collect());
        let mut sent = String::new();
        for piece in pieces {
            match strings.push(piece) {
                Passed::On(text) => sent.push_str(&text),
                Passed::Stopped(text) => return (sent + &text, true),
            }
        }
        (sent + &strings.finish(), false)
    }

    #[test]
    fn a_stop_string_is_found_across_pieces() {
        assert_eq!(run(&["\n\n", "Bo:"], &["hi\n", "there\nB", "o: x"]), ("hi\nthere\n".to_owned(), true));
        assert_eq!(run(&["\n"], &["one\ntwo"]), ("one".to_owned(), true));
    }

    #[test]
    fn what_only_looked_like_one_is_sent_in_the_end() {
        assert_eq!(run(&["<end>"], &["a <e", "n"]), ("a <en".to_owned(), false));
        assert_eq!(run(&["aab"], &["a", "a", "a", "b", "c"]), ("a".to_owned(), true));
        assert_eq!(run(&[""], &["a", "b"]), ("ab".to_owned(), false));
    }

    #[test]
    fn nothing_is_held_without_need() {
        let mut strings = StopStrings::new(vec!["😅!".to_owned()]);
        assert_eq!(strings.push("ha 😅"), Passed::On("ha ".to_owned()));
        assert_eq!(strings.push("?"), Passed::On("😅?".to_owned()));
    }

    proptest! {
        #[test]
        fn the_cut_does_not_depend_on_the_pieces(
            text in "[ab😅]{0,16}",
            stops in prop::collection::vec("[ab😅]{1,3}", 0..4),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let characters: Vec<String> = text.chars().map(String::from).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(characters.len() + 1)).collect();
            cuts.extend([0, characters.len()]);
            cuts.sort_unstable();
            let pieces: Vec<String> = cuts.windows(2).map(|cut| characters[cut[0]..cut[1]].concat()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let (sent, stopped) = run(&stops, &pieces);
            prop_assert_eq!(&(sent.clone(), stopped), &run(&stops, &[&text]));
            prop_assert!(text.starts_with(&sent));
            prop_assert!(stops.iter().all(|stop| !sent.contains(stop)));
            prop_assert_eq!(stopped, stops.iter().any(|stop| text.contains(stop)));
        }
    }
}
