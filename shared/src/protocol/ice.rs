//! The ICE username fragment, the only thing that is read of a signal's `data`.

use serde_json::value::RawValue;

use crate::json::Object;

/// Most fragments that a description may have, and the longest
/// ([RFC 8839](https://www.rfc-editor.org/rfc/rfc8839#section-5.4)).
const MOST: usize = 16;
const LONGEST: usize = 256;

/// Those of a session description, which is the SDP or an object that holds it as `sdp`. None where there is none, or
/// are too many to tell.
pub(super) fn of_description(data: &RawValue) -> Vec<String> {
    let text = match Object::parse(data.get().as_bytes()) {
        Ok(object) => object.text("sdp").ok().flatten(),
        Err(_) => serde_json::from_str(data.get()).ok(),
    };
    let Some(sdp) = text else { return Vec::new() };
    let mut ufrags: Vec<_> =
        sdp.lines().filter_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::trim).collect();
    ufrags.sort_unstable();
    ufrags.dedup();
    let readable = ufrags.len() <= MOST && ufrags.iter().all(|ufrag| is_fragment(ufrag));
    if readable { ufrags.into_iter().map(str::to_owned).collect() } else { Vec::new() }
}

/// That of a candidate.
pub(super) fn of_candidate(data: &RawValue) -> Option<String> {
    let ufrag = Object::parse(data.get().as_bytes()).ok()?.text("usernameFragment").ok()??;
    is_fragment(&ufrag).then_some(ufrag)
}

fn is_fragment(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn a_description_s_fragments_are_found_in_its_sdp() {
        let sdp = r#""v=0\r\na=ice-ufrag:x+\/1\r\nm=video\r\na=ice-ufrag:b\r\na=ice-ufrag:b\r\n""#;
        assert_eq!(of_description(&raw(sdp)), ["b", "x+/1"]);
        assert_eq!(of_description(&raw(&format!(r#"{{"type":"offer","sdp":{sdp}}}"#))), ["b", "x+/1"]);
        for none in ["null", "5", "{}", r#"{"sdp":5}"#, r#""v=0""#, "[]"] {
            assert!(of_description(&raw(none)).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_candidate_may_name_its_fragment() {
        assert_eq!(of_candidate(&raw(r#"{"candidate":"","usernameFragment":"b"}"#)).as_deref(), Some("b"));
        for none in ["null", "{}", r#"{"usernameFragment":null}"#, r#"{"usernameFragment":""}"#, "5", "\"x\""]
        {
            assert_eq!(of_candidate(&raw(none)), None, "{none}");
        }
    }
}
