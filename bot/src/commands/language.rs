//! The languages in which menus describe the commands. What commands answer is in English.

use super::Spec;

/// A language beside English.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// German.
    German,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 1] = [Language::German];

    /// Its code in ISO 639-1, as Discord and Telegram name it.
    pub fn code(self) -> &'static str {
        match self {
            Language::German => "de",
        }
    }
}

impl Spec {
    /// What the command does, in another language; none where nobody has translated it.
    pub fn does_in(&self, language: Language) -> Option<&'static str> {
        let Language::German = language;
        Some(match self.name {
            "summon" => "Holt Personas in den Raum.",
            "dismiss" => "Schickt Personas weg, oder alle.",
            "cast" => "Zeigt, wer hier ist, wer kommen könnte und was eingestellt ist.",
            "topic" => "Nur noch darüber reden; ohne Angabe über alles.",
            "speaker" => "Nur diese sprechen; eine allein hält einen Monolog.",
            "pace" => "Zeigt oder setzt, wie lebhaft es ist.",
            "idle" => "Zeigt oder setzt, nach welcher Stille sie unter sich plaudern.",
            "say" => "Legt einer Persona Worte in den Mund.",
            "more" => "Lässt sie jetzt noch N Dinge sagen, höchstens 20.",
            "reset" => "Fängt neu an: was bisher gesagt wurde, zählt nicht mehr.",
            "tune" => "Zeigt oder setzt, wie Antworten gezogen werden.",
            "consent" => "Sagt, ob es eine Persona von dir geben darf.",
            "forgetme" => "Löscht, was du geschrieben hast, und deine Persona.",
            "policy" => "Zeigt oder setzt, ob Mitglieder zustimmen müssen, bevor sie nachgeahmt werden.",
            "mydata" => "Gibt dir alles, was über dich gespeichert ist, als Datei.",
            "who" => "Zeigt, welche Persona die letzte Nachricht von uns schrieb, und womit.",
            "model" => "Zeigt, womit die Personas sprechen.",
            "history" => "Liest ältere Nachrichten dieses Raums, zeigt, wie weit das ist, oder hält an.",
            "privacy" => "Zeigt, was gespeichert wird, wie lange und wofür.",
            "help" => "Zeigt diese Liste.",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::SPECS;

    #[test]
    fn every_command_is_translated() {
        for language in Language::ALL {
            let missing: Vec<_> = SPECS.iter().filter(|spec| spec.does_in(language).is_none()).collect();
            assert!(missing.is_empty(), "{} lacks {missing:?}", language.code());
        }
    }
}
