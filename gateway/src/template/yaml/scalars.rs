//! Plain scalars as SAM reads them: by the rules of YAML 1.1, under which `yes` is true and `010` is eight.

use super::Value;

/// The value of a scalar without quotes and tags.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Literal("true".to_owned());
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Literal("false".to_owned());
        }
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return Value::Text(text.to_owned());
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(number) = integer(digits) {
        return Value::Literal((sign * number).to_string());
    }
    // A sign needs a digit before the point.
    match float(digits).filter(|_| digits.len() == text.len() || !digits.starts_with('.')) {
        Some(number) => Value::Literal(written(f64::from(sign as i8) * number)),
        None => Value::Text(text.to_owned()),
    }
}

/// `None` too for one that is larger than any use of it.
fn integer(digits: &str) -> Option<i128> {
    let parse = |digits: &str, radix: u32| {
        let digits = digits.replace('_', "");
        i128::from_str_radix(&digits, radix).ok().filter(|_| !digits.starts_with(['+', '-']))
    };
    if let Some(digits) = digits.strip_prefix("0b") {
        return parse(digits, 2);
    }
    if let Some(digits) = digits.strip_prefix("0x") {
        return parse(digits, 16);
    }
    if digits.contains(':') {
        return sexagesimal(digits);
    }
    match digits.strip_prefix('0') {
        Some(digits) if digits.bytes().all(|byte| byte == b'_') => Some(0),
        Some(digits) => parse(digits, 8),
        None => parse(digits, 10).filter(|_| !digits.starts_with('_')),
    }
}

/// `1:30` is ninety.
fn sexagesimal(digits: &str) -> Option<i128> {
    let mut parts = digits.split(':');
    let first = parts.next().filter(|first| !first.starts_with(['0', '_', '+', '-']))?;
    parts.try_fold(first.replace('_', "").parse().ok()?, |sum: i128, part| {
        let is_part = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        let part = part.parse::<i128>().ok().filter(|part| is_part && *part < 60)?;
        sum.checked_mul(60)?.checked_add(part)
    })
}

/// With a point, and with a sign in its exponent if it has one.
fn float(digits: &str) -> Option<f64> {
    let (whole, rest) = digits.split_once('.')?;
    let (fraction, exponent) = match rest.split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction, Some(exponent)),
        None => (rest, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let is_exponent = |text: &str| {
        let power = text.strip_prefix(['+', '-']).unwrap_or_default();
        !power.is_empty() && power.bytes().all(|byte| byte.is_ascii_digit())
    };
    let starts = if whole.is_empty() { fraction } else { whole };
    let has_digit = starts.starts_with(|first: char| first.is_ascii_digit());
    if !has_digit || !is_digits(whole) || !is_digits(fraction) || !exponent.is_none_or(is_exponent) {
        return None;
    }
    digits.replace('_', "").parse().ok()
}

/// As Python writes it, and so SAM.
fn written(number: f64) -> String {
    let text = format!("{number:?}");
    match text.split_once('e') {
        Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power}"),
        Some((digits, power)) => format!("{digits}e-{:0>2}", &power[1..]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PyYAML's safe loader makes of them.
    #[test]
    fn scalars_are_those_of_yaml_1_1() {
        let literals = [
            ("yes", "true"),
            ("Off", "false"),
            ("True", "true"),
            ("010", "8"),
            ("-017", "-15"),
            ("0", "0"),
            ("0_", "0"),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("+5", "5"),
            ("1:30", "90"),
            ("3600", "3600"),
            ("1.10", "1.1"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("-1.5e+3", "-1500.0"),
            ("1.0e-7", "1e-07"),
        ];
        for (text, value) in literals {
            assert_eq!(resolve(text), Value::Literal(value.to_owned()), "{text}");
        }
        for text in [
            "y",
            "yEs",
            "089",
            "012345678901",
            "1e3",
            "1.2.3.4",
            "80:80",
            "2010-09-09",
            "-",
            ".",
            "+",
            "0x",
            "1.0e3",
            "-.5",
        ] {
            assert_eq!(resolve(text), Value::Text(text.to_owned()), "{text}");
        }
        assert_eq!(resolve("~"), Value::Null);
    }
}
