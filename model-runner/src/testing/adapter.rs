//! A LoRA adapter of random weights for the tiny model.

use std::{fs, io, path::Path};

use super::{
    GgufWriter,
    tiny::{self, Weights},
};

/// How to make a tiny adapter. Under the same fields it is the same to the byte.
#[derive(Debug, Clone, PartialEq)]
pub struct TinyAdapter {
    /// What the weights are drawn from.
    pub seed: u64,
    /// The rank of its pairs of matrices.
    pub rank: usize,
    /// What llama.cpp multiplies the pairs with, over the rank.
    pub alpha: f32,
    /// How large its weights are beside those of the model; 0 for an adapter that changes nothing.
    pub scale: f32,
    /// The family of models that the file claims to be for.
    pub architecture: String,
    /// The version of the prompt that the file claims to be trained with.
    pub prompt_version: Option<u32>,
    /// The SHA-256 that the file claims its model to have.
    pub base_sha256: Option<String>,
    /// Whom the file claims to be trained on, as JSON.
    pub members: Option<String>,
}

impl Default for TinyAdapter {
    fn default() -> Self {
        Self {
            seed: 1,
            rank: 4,
            alpha: 8.0,
            scale: 1.0,
            architecture: "qwen3".to_owned(),
            prompt_version: None,
            base_sha256: None,
            members: None,
        }
    }
}

impl TinyAdapter {
    /// Writes the adapter to a file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.to_bytes())
    }

    /// The adapter as the bytes of a GGUF file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = GgufWriter::new(&self.architecture);
        writer.text("general.type", "adapter");
        writer.text("general.name", &format!("tiny-adapter-{}", self.seed));
        writer.text("adapter.type", "lora");
        writer.real("adapter.lora.alpha", self.alpha);
        if let Some(version) = self.prompt_version {
            writer.number("groupchat.prompt_version", version);
        }
        if let Some(sha256) = &self.base_sha256 {
            writer.text("groupchat.base_sha256", sha256);
        }
        if let Some(members) = &self.members {
            writer.text("groupchat.members", members);
        }
        self.put_pairs(&mut writer);
        writer.into_bytes()
    }

    fn put_pairs(&self, writer: &mut GgufWriter) {
        let mut weights = Weights(self.seed);
        for layer in 0..tiny::LAYERS {
            for (tensor, inputs, outputs) in tiny::MATRICES {
                let name = |side: &str| format!("blk.{layer}.{tensor}.weight.{side}");
                let down = weights.matrix(inputs * self.rank, (inputs as f32).sqrt().recip());
                writer.tensor(&name("lora_a"), &[inputs, self.rank], &down);
                let up = weights.matrix(self.rank * outputs, self.scale * (self.rank as f32).sqrt().recip());
                writer.tensor(&name("lora_b"), &[self.rank, outputs], &up);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_fields_give_the_same_adapter() {
        assert_eq!(TinyAdapter::default().to_bytes(), TinyAdapter::default().to_bytes());
        assert_ne!(TinyAdapter::default().to_bytes(), TinyAdapter { seed: 2, ..TinyAdapter::default() }.to_bytes());
    }
}
