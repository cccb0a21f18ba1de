//! The shape of a model.

/// The sizes and constants of a decoder of the Qwen2 or Qwen3 kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Which kind.
    pub family: Family,
    /// Tokens that it knows.
    pub vocabulary: usize,
    /// Elements of a token's state.
    pub width: usize,
    /// Elements between the two halves of a feed-forward part.
    pub feed_forward: usize,
    /// Layers.
    pub layers: usize,
    /// Heads that ask.
    pub heads: usize,
    /// Heads that are asked.
    pub key_heads: usize,
    /// Elements a head.
    pub head_size: usize,
    /// The base of the angles by which heads are turned.
    pub rope_base: f64,
    /// What keeps a norm from dividing by zero.
    pub epsilon: f32,
}

/// A kind of model, by the name it has in GGUF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Qwen2 and Qwen2.5: biases on queries, keys and values.
    Qwen2,
    /// Qwen3: queries and keys are normed.
    Qwen3,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Qwen2, Self::Qwen3];

    /// What `general.architecture` says.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }
}

/// A matrix of a layer that an adapter may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Module {
    /// What a token asks.
    Query,
    /// What it answers to.
    Key,
    /// What it answers.
    Value,
    /// What becomes of the answers.
    Output,
    /// The half of the feed-forward part that decides.
    Gate,
    /// The half that is decided on.
    Up,
    /// The way back.
    Down,
}

impl Module {
    /// All of them, in the order in which they are computed.
    pub const ALL: [Self; 7] = [Self::Query, Self::Key, Self::Value, Self::Output, Self::Gate, Self::Up, Self::Down];

    /// Its name in GGUF, as in `blk.0.attn_q.weight`.
    pub fn gguf_name(self) -> &'static str {
        match self {
            Self::Query => "attn_q",
            Self::Key => "attn_k",
            Self::Value => "attn_v",
            Self::Output => "attn_output",
            Self::Gate => "ffn_gate",
            Self::Up => "ffn_up",
            Self::Down => "ffn_down",
        }
    }

    /// Its name in transformers and PEFT, as in `model.layers.0.self_attn.q_proj.weight`.
    pub fn peft_name(self) -> &'static str {
        match self {
            Self::Query => "self_attn.q_proj",
            Self::Key => "self_attn.k_proj",
            Self::Value => "self_attn.v_proj",
            Self::Output => "self_attn.o_proj",
            Self::Gate => "mlp.gate_proj",
            Self::Up => "mlp.up_proj",
            Self::Down => "mlp.down_proj",
        }
    }

    /// What it is called on the command line: the last part of its name in PEFT, without `_proj`.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Query => "q",
            Self::Key => "k",
            Self::Value => "v",
            Self::Output => "o",
            Self::Gate => "gate",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl Shape {
    /// Outputs and inputs of a matrix.
    pub fn size_of(&self, module: Module) -> (usize, usize) {
        let (queries, keys) = (self.heads * self.head_size, self.key_heads * self.head_size);
        match module {
            Module::Query => (queries, self.width),
            Module::Key | Module::Value => (keys, self.width),
            Module::Output => (self.width, queries),
            Module::Gate | Module::Up => (self.feed_forward, self.width),
            Module::Down => (self.width, self.feed_forward),
        }
    }
}
