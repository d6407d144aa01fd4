//! Text to token ids and back.

use crate::error::Result;
use crate::ffi;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

/// How a text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// The first and last tokens that the model asks for are added.
    pub add_special: bool,
    /// Text such as `<|eot_id|>` becomes its control token.
    pub parse_special: bool,
}

impl Default for EncodeOptions {
    fn default() -> EncodeOptions {
        EncodeOptions {
            add_special: true,
            parse_special: true,
        }
    }
}

impl EncodeOptions {
    pub(crate) fn flags(self) -> u32 {
        let no_special = if self.add_special {
            0
        } else {
            onebit_sys::ONEBIT_ENCODE_NO_SPECIAL
        };
        let plain = if self.parse_special { 0 } else { onebit_sys::ONEBIT_ENCODE_PLAIN };
        no_special | plain
    }
}

/// What a tokenizer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerInfo {
    /// `"llama-bpe"`, `"gpt-2"`, `"llama-spm"` and others.
    pub kind: String,
    /// Tokens in the vocabulary.
    pub size: u32,
    /// The token that begins a text.
    pub bos: Option<i32>,
    /// The token that ends a text.
    pub eos: Option<i32>,
    /// Texts begin with `bos`.
    pub adds_bos: bool,
}

/// A model's tokenizer. It never changes: any number of threads may use one.
///
/// ```no_run
/// # fn main() -> onebit::Result<()> {
/// let tokenizer = onebit::Tokenizer::load("model.gguf")?;
/// let ids = tokenizer.encode("Hello world", Default::default())?;
/// assert_eq!(tokenizer.decode(&ids, false)?, b"Hello world");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Tokenizer {
    raw: NonNull<onebit_sys::onebit_tokenizer>,
}

// SAFETY: the library lets any number of threads use a tokenizer at once, and free it on any.
unsafe impl Send for Tokenizer {}
// SAFETY: as above.
unsafe impl Sync for Tokenizer {}

impl Drop for Tokenizer {
    fn drop(&mut self) {
        // SAFETY: the handle is valid and used by nobody else: this is its owner's end.
        unsafe { onebit_sys::onebit_tokenizer_free(self.raw.as_ptr()) }
    }
}

impl Tokenizer {
    /// Of a model file, without its weights.
    pub fn load(path: impl AsRef<Path>) -> Result<Tokenizer> {
        let path = ffi::c_text("path", path.as_ref().as_os_str().as_bytes())?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: a terminated text and a place for a handle.
        ffi::check(unsafe { onebit_sys::onebit_tokenizer_load(path.as_ptr(), &mut raw) })?;
        Ok(Tokenizer { raw: ffi::handle(raw)? })
    }

    /// # Safety
    /// `model` is a valid handle.
    pub(crate) unsafe fn of_model(model: *const onebit_sys::onebit_model) -> Result<Tokenizer> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: the caller's promise; a place for a handle.
        ffi::check(unsafe { onebit_sys::onebit_model_tokenizer(model, &mut raw) })?;
        Ok(Tokenizer { raw: ffi::handle(raw)? })
    }

    fn raw(&self) -> *const onebit_sys::onebit_tokenizer {
        self.raw.as_ptr()
    }

    /// What it is.
    pub fn info(&self) -> Result<TokenizerInfo> {
        let mut info = onebit_sys::onebit_tokenizer_info {
            struct_size: std::mem::size_of::<onebit_sys::onebit_tokenizer_info>(),
            kind: std::ptr::null(),
            size: 0,
            bos: -1,
            eos: -1,
            adds_bos: 0,
        };
        // SAFETY: a valid handle, a struct that says its size.
        ffi::check(unsafe { onebit_sys::onebit_tokenizer_get_info(self.raw(), &mut info) })?;
        let id = |id: i32| if id < 0 { None } else { Some(id) };
        Ok(TokenizerInfo {
            // SAFETY: a terminated text of this handle.
            kind: unsafe { ffi::owned_text(info.kind) },
            size: info.size,
            bos: id(info.bos),
            eos: id(info.eos),
            adds_bos: info.adds_bos != 0,
        })
    }

    /// The ids of a text of any bytes.
    pub fn encode(&self, text: impl AsRef<[u8]>, options: EncodeOptions) -> Result<Vec<i32>> {
        let text = text.as_ref();
        ffi::array(|ids, capacity, count| {
            // SAFETY: a valid handle; text and output are as long as they say.
            unsafe {
                onebit_sys::onebit_tokenizer_encode(self.raw(), text.as_ptr().cast(), text.len(), options.flags(), ids, capacity, count)
            }
        })
    }

    /// The bytes of a text; control tokens give their text where `special`, else nothing.
    pub fn decode(&self, tokens: &[i32], special: bool) -> Result<Vec<u8>> {
        let flags = if special { onebit_sys::ONEBIT_DECODE_SPECIAL } else { 0 };
        ffi::array(|bytes: *mut u8, capacity, count| {
            // SAFETY: a valid handle; ids and output are as long as they say.
            unsafe { onebit_sys::onebit_tokenizer_decode(self.raw(), tokens.as_ptr(), tokens.len(), flags, bytes.cast(), capacity, count) }
        })
    }

    /// The bytes of one token as a part of a text; they may begin or end inside a character.
    pub fn piece(&self, token: i32, special: bool) -> Result<Vec<u8>> {
        let flags = if special { onebit_sys::ONEBIT_DECODE_SPECIAL } else { 0 };
        ffi::array(|bytes: *mut u8, capacity, count| {
            // SAFETY: a valid handle, an output that is as long as it says.
            unsafe { onebit_sys::onebit_tokenizer_piece(self.raw(), token, flags, bytes.cast(), capacity, count) }
        })
    }

    fn attributes(&self, token: i32) -> Result<u32> {
        let mut attributes = 0;
        // SAFETY: a valid handle, a place for a number.
        ffi::check(unsafe { onebit_sys::onebit_tokenizer_attributes(self.raw(), token, &mut attributes) })?;
        Ok(attributes)
    }

    /// Generation stops at this token.
    pub fn is_end(&self, token: i32) -> Result<bool> {
        Ok(self.attributes(token)? & onebit_sys::ONEBIT_TOKEN_END != 0)
    }

    /// A token that is no text.
    pub fn is_control(&self, token: i32) -> Result<bool> {
        Ok(self.attributes(token)? & onebit_sys::ONEBIT_TOKEN_CONTROL != 0)
    }

    /// The id of exactly this text, such as `<|eot_id|>`.
    pub fn find(&self, text: impl AsRef<[u8]>) -> Result<Option<i32>> {
        let text = text.as_ref();
        let mut token = -1;
        // SAFETY: a valid handle, a text that is as long as it says, a place for an id.
        ffi::check(unsafe { onebit_sys::onebit_tokenizer_find(self.raw(), text.as_ptr().cast(), text.len(), &mut token) })?;
        Ok(if token < 0 { None } else { Some(token) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_say_what_is_left_out() {
        assert_eq!(EncodeOptions::default().flags(), 0);
        assert_eq!(
            EncodeOptions {
                add_special: false,
                parse_special: true
            }
            .flags(),
            onebit_sys::ONEBIT_ENCODE_NO_SPECIAL
        );
        assert_eq!(
            EncodeOptions {
                add_special: true,
                parse_special: false
            }
            .flags(),
            onebit_sys::ONEBIT_ENCODE_PLAIN
        );
    }
}
