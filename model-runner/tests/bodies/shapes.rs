//! The shapes that a body can have.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What is sent.
#[derive(Clone)]
pub struct Body {
    pub content_type: Option<&'static str>,
    pub bytes: Vec<u8>,
}

impl Body {
    pub fn json(value: Value) -> Self {
        Self::bytes(value.to_string())
    }

    fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { content_type: Some("application/json"), bytes: bytes.into() }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} {}", self.content_type, self.bytes.escape_ascii())
    }
}

/// Random bytes, nothing, and a good request under a wrong name.
pub fn no_request() -> impl Strategy<Value = Body> {
    let kinds = [
        None,
        Some("text/plain"),
        Some("application/json; charset=utf-16"),
        Some("application/jsonp"),
        Some("multipart/form-data"),
        Some("application/x-www-form-urlencoded"),
        Some(""),
        Some("application/json"),
    ];
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        Just(Vec::new()),
        Just(whole_request().to_string().into_bytes()),
    ];
    (prop::sample::select(kinds.to_vec()), bytes).prop_map(|(content_type, bytes)| Body { content_type, bytes })
}

/// Any JSON.
pub fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[\\x00-\\x1f\\u{7f}-\\u{9f}\\u{200b}-\\u{202e}\\u{1f468}\\u{200d}]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..6).prop_map(|fields| Value::from(Map::from_iter(fields))),
        ]
    })
}

const KEYS: [&str; 43] = [
    "model",
    "messages",
    "prompt",
    "continuations",
    "lora_name",
    "lora_path",
    "load_inplace",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "n",
    "logprobs",
    "top_logprobs",
    "repetition_penalty",
    "repeat_penalty",
    "repeat_last_n",
    "frequency_penalty",
    "presence_penalty",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
    "dry_penalty_last_n",
    "logit_bias",
    "grammar",
    "allowed_scripts",
    "no_urls",
    "prompt_cache_key",
    "priority",
    "timeout",
    "role",
    "content",
    "type",
    "text",
    "tools",
    "response_format",
    "user",
];

fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(&KEYS[..]).prop_map(str::to_owned), 1 => ".{0,10}"]
}

/// A request that every path takes, those of adapters excepted. It asks for few tokens, so that a test ends.
fn whole_request() -> Value {
    json!({
        "messages": [{"role": "user", "content": "hello"}],
        "continuations": [" you", " there"],
        "lora_name": "one",
        "lora_path": "/nowhere/adapter.gguf",
        "max_tokens": 4,
    })
}

/// Values at the borders of what fields hold.
fn border() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec![
            json!(0),
            json!(-1),
            json!(1),
            json!(2),
            json!(20),
            json!(21),
            json!(0.0),
            json!(-0.0),
            json!(1e-45),
            json!(1e38),
            json!(1e39),
            json!(-1e300),
            json!(u32::MAX),
            json!(u64::from(u32::MAX) + 1),
            json!(i32::MIN),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(""),
            json!("NaN"),
            json!("Infinity"),
            json!("\0"),
            json!("/dev/zero"),
            json!("/"),
            json!([]),
            json!({}),
            json!([null]),
            json!(["", "", ""]),
            json!([""]),
            json!({"65": 100, "66": -100}),
            json!({"65": 1e39}),
            json!({"-1": 1}),
            json!({"99999999999999999999": 1}),
            json!({"280": 100}),
            json!({"include_usage": true}),
            json!(["latin", "cyrillic"]),
            json!(["Latn"]),
            json!("latin"),
            json!([{"role": "system", "content": ""}]),
            json!([{"role": "assistant", "content": "so"}]),
            json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]),
            json!([{"role": "user", "content": "<|im_end|>\u{0}<think>\u{202e}\u{fffd}"}]),
            json!("a ".repeat(3000)),
        ]),
        any_json(),
    ]
}

/// A good request in which some fields are other ones.
pub fn request_with_wrong_fields() -> impl Strategy<Value = Body> {
    let fields = prop::collection::vec((prop::sample::select(&KEYS[..]), border()), 1..4);
    (any::<bool>(), fields).prop_map(|(raw, fields)| {
        let mut request = whole_request();
        let map = request.as_object_mut().unwrap();
        if raw {
            map.remove("messages");
            map.insert("prompt".to_owned(), json!("once upon"));
        }
        map.extend(fields.into_iter().map(|(key, value)| (key.to_owned(), value)));
        Body::json(request)
    })
}

/// A good request that lost its end, or in which bytes are other ones.
pub fn damaged_request() -> impl Strategy<Value = Body> {
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (any::<prop::sample::Index>(), any::<bool>(), damage).prop_map(|(end, cut, damage)| {
        let mut bytes = whole_request().to_string().into_bytes();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        Body::bytes(bytes)
    })
}

fn with(field: &str, value: impl Into<Value>) -> Body {
    let mut request = whole_request();
    request[field] = value.into();
    request["prompt"] = json!("once upon");
    Body::json(request)
}

/// Grammars that are written by chance from the signs of GBNF.
pub fn request_with_grammar() -> impl Strategy<Value = Body> {
    let sign = prop::sample::select(vec![
        "root",
        "::=",
        "a",
        "b",
        "\"x\"",
        "[a-z]",
        "[^",
        "]",
        "(",
        ")",
        "*",
        "+",
        "?",
        "{",
        "}",
        "{2}",
        "{,3}",
        "{1,}",
        "{99999}",
        "|",
        "\n",
        "\"",
        "\\x",
        "\\u00",
        ".",
        "#",
        "-",
        "[\\x00-\\U0010FFFF]",
        "<token>",
        "!",
    ]);
    prop::collection::vec(sign, 0..25).prop_map(|signs| with("grammar", format!("root ::= {}", signs.join(" "))))
}

/// What is known to break programs like this one.
pub fn thought_of() -> Vec<Body> {
    let mut bodies = grammars();
    bodies.extend(
        [
            "{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}],\"max_tokens\":1}",
            "{\"prompt\":\"\\udc00\\ud800\",\"max_tokens\":1}",
            "{\"prompt\":\"a\",\"max_tokens\":1,\"temperature\":NaN}",
            "{\"prompt\":\"a\",\"max_tokens\":1,\"temperature\":Infinity}",
            "{\"prompt\":\"a\",\"max_tokens\":1e400}",
            "{\"prompt\":\"a\",\"prompt\":\"b\",\"max_tokens\":1}",
            "{\"prompt\":\"a\",\"max_tokens\":1}{}",
            "\u{feff}{\"prompt\":\"a\",\"max_tokens\":1}",
            "[]",
            "null",
            "\"\"",
            "1",
            " ",
        ]
        .map(Body::bytes),
    );
    bodies.push(Body::bytes("[".repeat(200_000)));
    bodies.push(Body::bytes("{\"a\":".repeat(100_000)));
    bodies.push(Body::bytes(vec![b' '; 1024 * 1024 + 1]));
    bodies.push(Body::bytes(b"{\"prompt\":\"\xff\xfe\",\"max_tokens\":1}".to_vec()));
    bodies.push(with("stop", vec!["a"; 50_000]));
    bodies.push(with("stop", "a".repeat(500_000)));
    bodies.push(with("continuations", vec!["a"; 50_000]));
    bodies.push(with("continuations", vec!["a ".repeat(300); 10]));
    bodies.push(with("messages", vec![json!({"role": "user", "content": ""}); 20_000]));
    bodies.push(with("logit_bias", Map::from_iter((0..50_000).map(|id| (id.to_string(), json!(-100))))));
    bodies.push(with("logit_bias", Map::from_iter((0..285).map(|id| (id.to_string(), json!(-100))))));
    bodies.push(with("prompt_cache_key", "k".repeat(500_000)));
    bodies.push(with("model", "m".repeat(500_000)));
    bodies.push(with("timeout", 1e-30));
    bodies.push(with("timeout", -1));
    bodies.push(with("lora_path", "/dev/zero"));
    bodies.push(with("lora_path", "a\0b"));
    bodies.push(with("lora_name", "../../etc"));
    bodies
}

fn grammars() -> Vec<Body> {
    let grammars = [
        String::new(),
        "root".to_owned(),
        "root ::=".to_owned(),
        "other ::= \"x\"".to_owned(),
        "root ::= root".to_owned(),
        "root ::= root \"x\" | \"y\"".to_owned(),
        "root ::= a\na ::= b\nb ::= a".to_owned(),
        "root ::= (root)*".to_owned(),
        "root ::= \"\"*".to_owned(),
        "root ::= (\"a\"*)*".to_owned(),
        "root ::= ((\"a\"?)*)*".to_owned(),
        "root ::= missing".to_owned(),
        "root ::= \"x\"{1000000}".to_owned(),
        "root ::= \"x\"{4294967296}".to_owned(),
        "root ::= \"x\"{99999999999999999999999}".to_owned(),
        "root ::= \"x\"{5,2}".to_owned(),
        "root ::= ((((\"x\"{50}){50}){50}){50}){50}".to_owned(),
        "root ::= [".to_owned(),
        "root ::= [z-a]".to_owned(),
        "root ::= \"\\xZZ\"".to_owned(),
        "root ::= \"\\U99999999\"".to_owned(),
        "root ::= \"unfinished".to_owned(),
        "root ::= <[99999]>".to_owned(),
        "root ::= \"never\" [^\\x00-\\U0010FFFF]".to_owned(),
        "\0".to_owned(),
        "root ::= \"a\0b\"".to_owned(),
        format!("root ::= {}\"x\"{}", "(".repeat(50_000), ")".repeat(50_000)),
        format!("root ::= {}\"x\"", "\"a\" | ".repeat(50_000)),
        format!("root ::= \"{}\"", "a".repeat(500_000)),
        format!(
            "root ::= r0\n{}r3000 ::= \"x\"",
            (0..3000).map(|n| format!("r{n} ::= r{}\n", n + 1)).collect::<String>()
        ),
        format!(
            "root ::= r0\n{}r40 ::= \"x\"",
            (0..40).map(|n| format!("r{n} ::= r{0} | r{0}\n", n + 1)).collect::<String>()
        ),
    ];
    grammars.into_iter().map(|grammar| with("grammar", grammar)).collect()
}
