//! Generated input, the same again for the same seed.

use fastrand::Rng;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Generates input. A failing test prints the seed; `SEED=… cargo test` runs it again.
#[derive(Debug)]
pub struct Generator {
    random: Rng,
    seed: u64,
}

/// Texts that break parsers, keys and escapes.
const TEXTS: [&str; 24] = [
    "", " ", "\0", "\n", "\u{7f}", "\u{85}", "\u{2028}", "\u{feff}", "\u{202e}", "😀", "e\u{301}", "'", "\"",
    "\\", "{", "}", "%", "%00", ":", ",", "null", "-1", "<script>", "../..",
];

/// Longer ones a client cannot send.
const LONGEST_URL_TEXT: usize = 8_000;

impl Generator {
    /// With the seed in `SEED`, else with a random one.
    pub fn seeded() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the seed to run a failed test with again")]
        let chosen = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = chosen.unwrap_or_else(|| fastrand::u64(..));
        Self { random: Rng::with_seed(seed), seed }
    }

    /// Another one, for what goes on at the same time.
    pub fn fork(&mut self) -> Self {
        Self { random: self.random.fork(), seed: self.seed }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.random.usize(..one_in) == 0
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.random.usize(..end)
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Up to some thirty odd characters; now and then far more.
    pub fn text(&mut self) -> String {
        let pieces = if self.chance(20) { self.below(2000) } else { self.below(8) };
        (0..pieces)
            .map(|_| match self.below(4) {
                0 => self.pick(&TEXTS).to_owned(),
                1 => self.random.char(..).to_string(),
                _ => self.random.alphanumeric().to_string(),
            })
            .collect()
    }

    /// Any JSON, not deep.
    pub fn value(&mut self) -> Value {
        self.value_within(3)
    }

    fn value_within(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.random.bool()),
            2 => json!(self.random.i64(..)),
            3 => json!(f64::from(self.random.i32(..)) / 8.0),
            4 | 5 => json!(self.text()),
            6 => (0..self.below(4)).map(|_| self.value_within(depth - 1)).collect(),
            _ => Value::Object(
                (0..self.below(4)).map(|_| (self.text(), self.value_within(depth - 1))).collect(),
            ),
        }
    }

    /// An object that has each of these fields, but for some, whose value is its own, or else anything.
    pub fn object(&mut self, fields: &[(&str, Value)]) -> Map<String, Value> {
        let mut object = Map::new();
        for (name, good) in fields {
            match self.below(4) {
                0 => {}
                1 => {
                    object.insert((*name).to_owned(), self.value());
                }
                _ => {
                    object.insert((*name).to_owned(), good.clone());
                }
            }
        }
        if self.chance(2) {
            object.insert(self.text(), self.value());
        }
        object
    }

    /// A JSON text with an end missing, a byte too many, or something else than an object in it: never a JSON
    /// object.
    pub fn broken_object(&mut self, object: &Map<String, Value>) -> String {
        let text = Value::Object(object.clone()).to_string();
        match self.below(4) {
            0 => {
                let end = (0..self.below(text.len())).rev().find(|&end| text.is_char_boundary(end));
                text[..end.unwrap_or(0)].to_owned()
            }
            1 => text + "}",
            2 => format!("[{text}]"),
            _ => format!("\u{1}{}", self.text()),
        }
    }

    /// A path segment or query value: percent-encoded bytes of any kind, or plain nonsense that a URL may hold.
    pub fn url_text(&mut self) -> String {
        let pieces = if self.chance(30) { self.below(1000) } else { self.below(12) };
        let text: String = (0..pieces)
            .map(|_| match self.below(5) {
                0 => format!("%{:02X}", self.random.u8(..)),
                1 => {
                    self.pick(&["%", "%z", "%2", "+", "=", ";", "@", ":", "~", "$", "!", "*", ","]).to_owned()
                }
                2 => crate::encoded(&self.text()),
                _ => self.random.alphanumeric().to_string(),
            })
            .collect();
        text.chars().take(LONGEST_URL_TEXT).collect()
    }

    /// An id that could be one.
    pub fn id(&mut self) -> String {
        Uuid::from_u128(self.random.u128(..)).to_string()
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the generated input was that of SEED={}", self.seed);
        }
    }
}
