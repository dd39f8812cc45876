//! The form of a string that the platform wrote: a known format, or its words and numbers and the characters between.
//!
//! It is derived from a sample, and tells whether another string could stand in its place: an id for an id of the
//! same kind, a time for a time in the same format; what consists of letters alone is a name and must be the same.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use chrono::DateTime;

pub(crate) const REQUEST_TIME: &str = "%d/%b/%Y:%H:%M:%S %z";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `JKJaXmPLvHcESHA=`: eleven bytes, of which the ninth tells what the id is for.
    Id { kind: u8 },
    /// Other bytes in base64.
    Bytes(usize),
    /// `09/Apr/2015:12:34:56 +0000`
    RequestTime,
    /// Of version 4 or 6.
    Address { v4: bool },
    /// A name with dots, with or without a port.
    Host,
    /// `http` or `https`
    Scheme,
    /// Words, and the characters between them.
    Text(Vec<Word>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Letters alone, and what stands between words.
    Same(String),
    /// Of up to five digits: a count, a port.
    Number,
    /// A code of this length.
    Code(Alphabet, usize),
}

/// In an order in which each holds what those before it hold, as far as codes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    Digits,
    Hexadecimal,
    LowerCase,
    Alphanumeric,
}

impl Form {
    pub(crate) fn of(sample: &str) -> Self {
        let known = [Self::Scheme, Self::RequestTime, Self::Host];
        if let Some(kind) = id_kind(sample) {
            Self::Id { kind }
        } else if let Ok(address) = sample.parse::<IpAddr>() {
            Self::Address { v4: address.is_ipv4() }
        } else if let Some(bytes) = padded_base64(sample) {
            Self::Bytes(bytes)
        } else {
            let form = known.into_iter().find(|form| form.fits(sample));
            form.unwrap_or_else(|| Self::Text(split(sample).into_iter().map(Word::of).collect()))
        }
    }

    /// Whether the text could stand where the sample did.
    pub(crate) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Id { kind } => id_kind(text) == Some(*kind),
            Self::Bytes(length) => padded_base64(text) == Some(*length),
            Self::RequestTime => {
                DateTime::parse_from_str(text, REQUEST_TIME).is_ok_and(|time| {
                    // Parsing is lenient, about leading zeros for one.
                    time.format(REQUEST_TIME).to_string() == text
                })
            }
            Self::Address { v4 } => text.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4() == *v4),
            Self::Host => is_host(text),
            Self::Scheme => matches!(text, "http" | "https"),
            Self::Text(words) => {
                let parts = split(text);
                parts.len() == words.len() && words.iter().zip(parts).all(|(word, part)| word.fits(part))
            }
        }
    }
}

impl Word {
    fn of(sample: &str) -> Self {
        let is_code = sample.bytes().any(|byte| byte.is_ascii_digit());
        let alphabets =
            [Alphabet::Digits, Alphabet::Hexadecimal, Alphabet::LowerCase, Alphabet::Alphanumeric];
        match alphabets.into_iter().find(|alphabet| is_code && alphabet.holds(sample)) {
            None => Self::Same(sample.to_owned()),
            Some(Alphabet::Digits) if sample.len() <= 5 => Self::Number,
            Some(alphabet) => Self::Code(alphabet, sample.len()),
        }
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Same(sample) => sample == text,
            Self::Number => text.len() <= 5 && Alphabet::Digits.holds(text),
            Self::Code(alphabet, length) => text.len() == *length && alphabet.holds(text),
        }
    }
}

impl Alphabet {
    fn holds(self, text: &str) -> bool {
        text.bytes().all(|byte| match self {
            Self::Digits => byte.is_ascii_digit(),
            Self::Hexadecimal => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::LowerCase => byte.is_ascii_digit() || byte.is_ascii_lowercase(),
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
        })
    }
}

/// Runs of letters and digits, and each other character by itself.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (part, after) = rest.split_at(if end == 0 { first.len_utf8() } else { end });
        parts.push(part);
        rest = after;
    }
    parts
}

fn id_kind(text: &str) -> Option<u8> {
    let bytes = URL_SAFE.decode(text).ok()?;
    (bytes.len() == 11).then(|| bytes[8])
}

/// The length of what is encoded; without padding any word could be base64.
fn padded_base64(text: &str) -> Option<usize> {
    text.ends_with('=').then(|| STANDARD.decode(text).ok())?.map(|bytes| bytes.len())
}

fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, "0"));
    let labels: Vec<_> = name.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty() && label.split('-').all(|part| Alphabet::LowerCase.holds(part) && !part.is_empty())
    };
    port.parse::<u16>().is_ok() && labels.len() > 1 && labels.iter().all(is_label)
}
