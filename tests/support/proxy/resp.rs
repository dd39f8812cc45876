//! As much of the Redis protocol as tells where a command or a reply ends.

/// A command's words, and how many bytes it took; `None` while some are still to come.
pub fn read_command(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    assert_eq!(bytes.first().unwrap_or(&b'*'), &b'*', "a client sends arrays");
    let (words, mut at) = line(bytes)?;
    let mut command = Vec::new();
    for _ in 0..count(words) {
        let (length, start) = line(bytes.get(at..)?)?;
        let (start, length) = (at + start, count(length));
        let word = bytes.get(start..start + length)?;
        command.push(String::from_utf8_lossy(word).into_owned());
        at = start + length + 2;
    }
    (at <= bytes.len()).then_some((command, at))
}

/// How many bytes a reply takes; `None` while some are still to come.
pub fn read_reply(bytes: &[u8]) -> Option<usize> {
    let (head, mut at) = line(bytes)?;
    match bytes.first()? {
        b'$' | b'=' | b'!' if !is_null(head) => at += count(head) + 2,
        kind @ (b'*' | b'~' | b'>' | b'%' | b'|') if !is_null(head) => {
            let pairs = matches!(kind, b'%' | b'|');
            for _ in 0..count(head) * if pairs { 2 } else { 1 } {
                at += read_reply(bytes.get(at..)?)?;
            }
        }
        _ => {}
    }
    (at <= bytes.len()).then_some(at)
}

/// The first line's text without its first byte, and where the next line starts.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((bytes.get(1..end)?, end + 2))
}

fn is_null(head: &[u8]) -> bool {
    head == b"-1"
}

fn count(head: &[u8]) -> usize {
    let text = std::str::from_utf8(head).expect("a count is text");
    text.parse().unwrap_or_else(|_| panic!("a count is a number, not {text}"))
}

#[test]
fn a_command_ends_where_its_last_word_does() {
    let bytes = b"*2\r\n$3\r\nGET\r\n$4\r\n\r\n\r\n\r\n*1\r\n";
    assert_eq!(read_command(bytes), Some((vec!["GET".to_owned(), "\r\n\r\n".to_owned()], 23)));
    for cut in 0..23 {
        assert_eq!(read_command(&bytes[..cut]), None, "{cut}");
    }
}

#[test]
fn a_reply_ends_where_its_last_part_does() {
    for reply in [
        "+OK\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "$2\r\n\r\n\r\n",
        "*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
        "*0\r\n",
        "%1\r\n+a\r\n:1\r\n",
    ] {
        let followed = format!("{reply}+OK\r\n");
        assert_eq!(read_reply(followed.as_bytes()), Some(reply.len()), "{reply:?}");
        for cut in 0..reply.len() {
            assert_eq!(read_reply(&reply.as_bytes()[..cut]), None, "{reply:?} {cut}");
        }
    }
}
