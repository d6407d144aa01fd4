//! Bytes that arrive in pieces, as text.

/// Turns pieces of UTF-8, which may end inside a character, into whole characters. Bytes that are no UTF-8 become U+FFFD,
/// as in [`String::from_utf8_lossy`].
///
/// ```
/// let mut stream = onebit::Utf8Stream::new();
/// assert_eq!(stream.push(b"caf\xC3"), "caf");
/// assert_eq!(stream.push(b"\xA9!"), "\u{e9}!");
/// assert_eq!(stream.finish(), "");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Utf8Stream {
    // The beginning of a character, at most 3 bytes.
    rest: Vec<u8>,
}

impl Utf8Stream {
    /// An empty stream.
    pub fn new() -> Utf8Stream {
        Utf8Stream::default()
    }

    /// The characters that are whole with these bytes.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.rest.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    match error.error_len() {
                        Some(length) => {
                            text.push('\u{FFFD}');
                            rest = &after[length..];
                        }
                        None => {
                            rest = after;
                            break;
                        }
                    }
                }
            }
        }
        self.rest = rest.to_vec();
        text
    }

    /// What is left when no more bytes come: nothing, or U+FFFD for a character that was never whole.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.rest).into_owned();
        self.rest.clear();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_pieces(bytes: &[u8], size: usize) -> String {
        let mut stream = Utf8Stream::new();
        let mut text: String = bytes.chunks(size).map(|piece| stream.push(piece)).collect();
        text.push_str(&stream.finish());
        text
    }

    #[test]
    fn pieces_of_any_size_give_the_text() {
        let text = "a \u{e9}\u{20ac}\u{1f9e0} z\u{0} \u{10ffff}";
        for size in 1..8 {
            assert_eq!(in_pieces(text.as_bytes(), size), text);
        }
    }

    #[test]
    fn invalid_bytes_are_as_in_from_utf8_lossy() {
        let cases: [&[u8]; 7] = [
            b"\xff",
            b"a\xc3",
            b"\xe2\x82z",
            b"\xf0\x9f\xa7",
            b"\xc0\x80",
            b"\xed\xa0\x80x",
            b"\x80\x80ok\xf5",
        ];
        for bytes in cases {
            for size in 1..4 {
                assert_eq!(in_pieces(bytes, size), String::from_utf8_lossy(bytes), "{:x?} by {}", bytes, size);
            }
        }
    }

    #[test]
    fn no_more_than_a_character_waits() {
        let mut stream = Utf8Stream::new();
        for _ in 0..100 {
            stream.push(b"\xf0\x9f\xa7");
            assert!(stream.rest.len() <= 3);
        }
    }
}
