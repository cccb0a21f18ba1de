//! What llama.cpp takes a model's word for, and ends the process where it is not true.
//!
//! Each rule here stands for a `GGML_ASSERT` or an exception that nobody catches in llama.cpp of the version that is
//! built in; what it refuses by itself in words is left to it. Sources: `load_hparams` in llama-model.cpp,
//! `llama_vocab::impl::load` in llama-vocab.cpp, llama-hparams.h.

use super::{BadGguf, facts::Facts};

/// `LLAMA_MAX_LAYERS` and `LLAMA_MAX_EXPERTS`.
const MAX_BLOCKS: u32 = 512;
const MAX_EXPERTS: u32 = 1024;

/// Checks the values of a model.
pub(super) fn check(facts: &Facts, architecture: &str) -> Result<(), BadGguf> {
    let family = Family { facts, architecture };
    family.check_sizes()?;
    family.check_experts()?;
    family.check_reals()?;
    check_vocabulary(facts)
}

/// The values whose keys begin with the name of the family.
struct Family<'a> {
    facts: &'a Facts,
    architecture: &'a str,
}

impl Family<'_> {
    fn number(&self, name: &str) -> Option<u32> {
        self.facts.number(&format!("{}.{name}", self.architecture))
    }

    fn bound(&self, name: &str, least: u32, most: u32) -> Result<(), BadGguf> {
        match self.number(name) {
            Some(number) if !(least..=most).contains(&number) => Err(BadGguf::Damaged(format!(
                "{}.{name} is {number}, and {least} to {most} would be possible",
                self.architecture
            ))),
            _ => Ok(()),
        }
    }

    fn check_sizes(&self) -> Result<(), BadGguf> {
        self.bound("block_count", 1, MAX_BLOCKS)?;
        // llama.cpp gives it to its callers as a signed number, and a model that was made for none cannot answer.
        self.bound("context_length", 1, i32::MAX as u32)?;
        self.bound("nextn_predict_layers", 0, self.number("block_count").unwrap_or(MAX_BLOCKS))
    }

    fn check_experts(&self) -> Result<(), BadGguf> {
        self.bound("expert_count", 0, MAX_EXPERTS)?;
        // A list of how many are used, one number a block, is not looked at.
        match self.number("expert_count").unwrap_or(0) {
            0 => {
                self.bound("expert_used_count", 0, 0)?;
                self.bound("expert_group_count", 0, 0)
            }
            experts => {
                self.bound("expert_used_count", 1, experts)?;
                self.bound("expert_group_count", 0, experts - 1)
            }
        }
    }

    fn check_reals(&self) -> Result<(), BadGguf> {
        for name in ["layer_norm_epsilon", "layer_norm_rms_epsilon", "group_norm_epsilon"] {
            let key = format!("{}.attention.{name}", self.architecture);
            if let Some(epsilon) = self.facts.real(&key).filter(|epsilon| !(0.0..1.0).contains(epsilon)) {
                return Err(BadGguf::Damaged(format!("{key} is {epsilon}")));
            }
        }
        let key = format!("{}.rope.scaling.type", self.architecture);
        match self.facts.text(&key) {
            None | Some("none" | "linear" | "yarn" | "longrope") => Ok(()),
            Some(other) => Err(BadGguf::Damaged(format!("{key} is the unknown word {other:?}"))),
        }
    }
}

fn check_vocabulary(facts: &Facts) -> Result<(), BadGguf> {
    if let Some(place) = facts.repeated_token {
        return Err(BadGguf::Damaged(format!("the token at place {place} is there twice")));
    }
    // What no other token stands for is spelt in bytes, and a byte that is no token ends the process.
    if facts.text("tokenizer.ggml.model") == Some("llama") && !facts.tokens.is_empty() {
        let missing = (0..=u8::MAX).find(|&byte| {
            !facts.tokens.contains(format!("<0x{byte:02X}>").as_bytes()) && !facts.tokens.contains([byte].as_slice())
        });
        if let Some(byte) = missing {
            return Err(BadGguf::Damaged(format!("the vocabulary has no token for the byte {byte}")));
        }
    }
    Ok(())
}
