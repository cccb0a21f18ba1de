//! A grammar in GBNF, which says which tokens may come next.

use llama_cpp_2::{
    sampling::LlamaSampler,
    token::{LlamaToken, data::LlamaTokenData, data_array::LlamaTokenDataArray},
};

use super::{COMPLAINT, Model, complaint};
use crate::{
    gbnf,
    sampling::{Grammar, TokenId},
};

/// A grammar and how far the answer has come in it.
pub(crate) struct GrammarSampler(LlamaSampler);

impl Model {
    /// Reads a grammar, whose first rule is called `root`.
    ///
    /// # Errors
    /// What llama.cpp says is wrong with it.
    pub(crate) fn grammar(&self, grammar: &str) -> Result<GrammarSampler, String> {
        gbnf::check(grammar)?;
        COMPLAINT.take();
        LlamaSampler::grammar(&self.inner, grammar, "root")
            .map(GrammarSampler)
            .map_err(|_| complaint("it has no rule called root, or is not written in GBNF"))
    }
}

impl Grammar for GrammarSampler {
    fn retain(&mut self, candidates: &mut Vec<TokenId>) {
        let data = candidates.iter().map(|&token| LlamaTokenData::new(LlamaToken(token), 0.0, 0.0)).collect();
        let mut data = LlamaTokenDataArray::new(data, false);
        // What is not allowed gets a logit of minus infinity.
        self.0.apply(&mut data);
        let allowed = data.data.iter().filter(|candidate| candidate.logit() > f32::NEG_INFINITY);
        *candidates = allowed.map(|candidate| candidate.id().0).collect();
    }

    fn accept(&mut self, token: TokenId) {
        self.0.accept(LlamaToken(token));
    }
}
