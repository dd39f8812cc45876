//! Names as AWS would give them: API ids, function ARNs, the logical ids that SAM generates.

use super::intrinsics::{ACCOUNT, REGION};

/// Ten lowercase letters and digits, the same for the same logical id.
pub(super) fn api_id(logical_id: &str) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    // FNV-1a: stable across runs and releases, which the standard hasher does not promise.
    let mut hash = logical_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    std::iter::repeat_with(|| {
        let letter = LETTERS[usize::try_from(hash % 36).unwrap_or_default()];
        hash /= 36;
        char::from(letter)
    })
    .take(10)
    .collect()
}

pub(super) fn function_arn(logical_id: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{logical_id}")
}

/// The logical id in what names a function: its name, its ARN, or an integration URI around that.
pub(super) fn function_in(text: &str) -> &str {
    let text = text.rsplit_once(":function:").map_or(text, |(_, name)| name);
    let text = text.rsplit_once("/functions/").map_or(text, |(_, name)| name);
    text.split(['/', ':', '.']).next().unwrap_or(text)
}

/// The logical id of the route that SAM generates for a `Routes` entry of a WebSocket API.
pub(super) fn websocket_route_id(api: &str, route_key: &str) -> String {
    let key = route_key.trim_start_matches('$').to_lowercase();
    let mut letters = key.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{api}{first}{}Route", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_id_looks_like_one_of_aws() {
        let id = api_id("HttpApi");
        assert_eq!(id.len(), 10);
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        assert_ne!(id, api_id("WsApi"));
        assert_eq!(id, api_id("HttpApi"));
    }

    #[test]
    fn a_function_is_found_in_whatever_names_it() {
        let arn = function_arn("Signaling");
        assert_eq!(function_in(&arn), "Signaling");
        assert_eq!(function_in(&format!("{arn}:live")), "Signaling");
        assert_eq!(function_in("Signaling"), "Signaling");
        let uri = format!("arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations");
        assert_eq!(function_in(&uri), "Signaling");
    }

    #[test]
    fn generated_route_ids_are_sams() {
        assert_eq!(websocket_route_id("WsApi", "$default"), "WsApiDefaultRoute");
        assert_eq!(websocket_route_id("WsApi", "newMessage"), "WsApiNewmessageRoute");
    }
}
