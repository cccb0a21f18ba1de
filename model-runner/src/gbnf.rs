//! Looks over a grammar before llama.cpp reads it.
//!
//! llama.cpp writes repetitions out one by one, calls itself for each bracket, and counts from the smaller number to the
//! greater without looking which is which: `"x"{5,2}` takes all memory. What is wrong with a grammar otherwise, llama.cpp
//! says itself.
//!
//! Format: <https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md>.

/// Elements of all rules with their repetitions written out.
const MOST_ELEMENTS: u64 = 50_000;
/// Brackets within brackets.
const DEEPEST: usize = 64;

/// Checks that a grammar can be read in a moment.
///
/// # Errors
/// A sentence for whoever sent it.
pub(crate) fn check(grammar: &str) -> Result<(), String> {
    if grammar.contains('\0') {
        return Err("a grammar holds no zero character".to_owned());
    }
    let mut scanner = Scanner { rest: grammar.chars().peekable(), groups: vec![Group::default()] };
    scanner.scan()
}

/// What is between two brackets, or all of the grammar.
#[derive(Default)]
struct Group {
    /// Elements, but for those of the last item.
    before: u64,
    /// Elements of the last item, which a repetition would multiply.
    last: u64,
}

impl Group {
    fn push(&mut self, elements: u64) {
        self.before = self.all();
        self.last = elements;
    }

    fn all(&self) -> u64 {
        self.before.saturating_add(self.last)
    }
}

struct Scanner<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    /// From the outermost to the innermost.
    groups: Vec<Group>,
}

impl Scanner<'_> {
    fn scan(&mut self) -> Result<(), String> {
        while let Some(character) = self.rest.next() {
            match character {
                '#' => drop(self.rest.by_ref().find(|&character| character == '\n')),
                '"' => {
                    let length = self.skip_to('"');
                    self.group().push(length);
                }
                '[' => {
                    let length = self.skip_to(']');
                    self.group().push(length);
                }
                '(' => self.open()?,
                ')' => self.close(),
                '{' => self.repeat()?,
                character if is_name(character) => {
                    while self.rest.next_if(|&next| is_name(next)).is_some() {}
                    self.group().push(1);
                }
                _ => {}
            }
            if self.groups.iter().map(Group::all).fold(0, u64::saturating_add) > MOST_ELEMENTS {
                return Err(format!("a grammar has at most {MOST_ELEMENTS} elements with its repetitions written out"));
            }
        }
        Ok(())
    }

    fn group(&mut self) -> &mut Group {
        self.groups.last_mut().expect("the outermost is never taken out")
    }

    /// How many characters come before the end of a text or a class.
    fn skip_to(&mut self, end: char) -> u64 {
        let mut length = 1;
        while let Some(character) = self.rest.next() {
            match character {
                character if character == end => break,
                '\\' => drop(self.rest.next()),
                _ => {}
            }
            length += 1;
        }
        length
    }

    fn open(&mut self) -> Result<(), String> {
        if self.groups.len() > DEEPEST {
            return Err(format!("brackets in a grammar stand at most {DEEPEST} deep"));
        }
        self.groups.push(Group::default());
        Ok(())
    }

    /// llama.cpp refuses a bracket that closes nothing.
    fn close(&mut self) {
        if self.groups.len() > 1 {
            let elements = self.group().all();
            self.groups.pop();
            self.group().push(elements.saturating_add(1));
        }
    }

    /// `{3}`, `{3,}`, `{,3}` or `{3,5}`; llama.cpp refuses anything else.
    fn repeat(&mut self) -> Result<(), String> {
        let mut inside = String::new();
        while let Some(character) = self.rest.next_if(|&next| next != '}') {
            inside.push(character);
        }
        let (least, most) = inside.split_once(',').unwrap_or((&inside, &inside));
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let (least, most) = (number(least).unwrap_or(0), number(most));
        if most.is_some_and(|most| most < least) {
            return Err(format!(
                "a repetition in a grammar goes from the smaller number to the greater, not {{{inside}}}"
            ));
        }
        let group = self.group();
        group.last = group.last.saturating_mul(most.unwrap_or(least).saturating_add(1));
        Ok(())
    }
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-' || character == '_'
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    fn check(grammar: &str, expected: Expect) {
        expected.assert_eq(super::check(grammar).map_or_else(|sentence| sentence, |()| "fine".to_owned()).as_str());
    }

    #[test]
    fn what_can_be_read_in_a_moment_is_fine() {
        check("", expect!["fine"]);
        check(
            "root ::= \"a\\\"{5,2}\" [{5,2}\\]] ( x | y ){2,5} # {5,2}\nx ::= \"b\"{,3} y ::= \"c\"{100,}",
            expect!["fine"],
        );
        check("root ::= )))", expect!["fine"]);
    }

    #[test]
    fn what_takes_all_memory_is_refused_in_words() {
        check(
            "root ::= \"x\"{5,2}",
            expect!["a repetition in a grammar goes from the smaller number to the greater, not {5,2}"],
        );
        check(
            "root ::= ((\"x\"{50}){50}){50}",
            expect!["a grammar has at most 50000 elements with its repetitions written out"],
        );
        check(
            "root ::= \"x\"{99999}",
            expect!["a grammar has at most 50000 elements with its repetitions written out"],
        );
        check(&format!("root ::= {}\"x\"", "(".repeat(70)), expect!["brackets in a grammar stand at most 64 deep"]);
        check("root ::= \"\0\"", expect!["a grammar holds no zero character"]);
    }
}
