//! Looks over a grammar before llama.cpp reads it.
//!
//! llama.cpp writes repetitions out one by one, calls itself for each bracket, and counts from the smaller number to the
//! greater without looking which is which: `"x"{5,2}` takes all memory. What is wrong with a grammar otherwise, llama.cpp
//! says itself.
//!
//! Format: <https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md>.

use std::collections::HashMap;

/// Elements of all rules with their repetitions written out.
const MOST_ELEMENTS: u64 = 50_000;
/// Brackets within brackets.
const DEEPEST: usize = 64;
/// Ways from a rule through others to something that can be written. llama.cpp follows all of them at each token.
const MOST_WAYS: u64 = 100_000;

/// Checks that a grammar can be read in a moment.
///
/// # Errors
/// A sentence for whoever sent it.
pub(crate) fn check(grammar: &str) -> Result<(), String> {
    if grammar.contains('\0') {
        return Err("a grammar holds no zero character".to_owned());
    }
    let groups = vec![Group::default()];
    let mut scanner = Scanner { rest: grammar.chars().peekable(), groups, names: Vec::new() };
    scanner.scan()?;
    let ways = Ways::of(&scanner.names);
    if ways > MOST_WAYS {
        return Err(format!("the rules of a grammar lead to one another in at most {MOST_WAYS} ways"));
    }
    Ok(())
}

/// A rule's name where it stands: as what is defined, or as what is referred to.
enum Name {
    Defined(String),
    Used(String),
}

/// How many ways lead from a rule to what can be written, at most: as if each rule that it names could come first.
#[derive(Default)]
struct Ways<'a> {
    used_by: HashMap<&'a str, Vec<&'a str>>,
    /// Of rules that were counted; 1 for those that are being counted, which is where a rule leads back to itself.
    counted: HashMap<&'a str, u64>,
}

impl<'a> Ways<'a> {
    /// Of the rule with the most.
    fn of(names: &'a [Name]) -> u64 {
        let mut ways = Self::default();
        let mut rule = "";
        for name in names {
            match name {
                Name::Defined(name) => rule = name,
                Name::Used(name) => ways.used_by.entry(rule).or_default().push(name),
            }
        }
        let rules: Vec<&str> = ways.used_by.keys().copied().collect();
        rules.into_iter().map(|rule| ways.count(rule)).max().unwrap_or(0)
    }

    /// The depth is bounded by the number of names in a grammar of a few thousand bytes.
    fn count(&mut self, rule: &'a str) -> u64 {
        if let Some(&counted) = self.counted.get(rule) {
            return counted;
        }
        self.counted.insert(rule, 1);
        let used = self.used_by.get(rule).cloned().unwrap_or_default();
        let ways = used.into_iter().map(|used| self.count(used)).fold(1, u64::saturating_add);
        self.counted.insert(rule, ways);
        ways
    }
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
    names: Vec<Name>,
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
                    let mut name = String::from(character);
                    name.extend(std::iter::from_fn(|| self.rest.next_if(|&next| is_name(next))));
                    while self.rest.next_if(|next| next.is_whitespace()).is_some() {}
                    let is_defined = self.rest.peek() == Some(&':');
                    self.names.push(if is_defined { Name::Defined(name) } else { Name::Used(name) });
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
        let doubling: String = (0..40).map(|rule| format!("r{rule} ::= r{0} | r{0}\n", rule + 1)).collect();
        check(
            &format!("root ::= r0\n{doubling}r40 ::= \"x\""),
            expect!["the rules of a grammar lead to one another in at most 100000 ways"],
        );
    }

    #[test]
    fn rules_that_lead_back_to_themselves_are_fine() {
        check(
            "root ::= value\nvalue ::= object | array | string\nobject ::= \"{\" (string \":\" value)* \"}\"\n\
             array ::= \"[\" (value (\",\" value)*)? \"]\"\nstring ::= \"x\"",
            expect!["fine"],
        );
    }
}
