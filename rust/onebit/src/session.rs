//! One text being read and written.

use crate::error::Result;
use crate::ffi;
use crate::model::Model;
use crate::sampler::Sampler;
use crate::text::Utf8Stream;
use crate::tokenizer::{EncodeOptions, Tokenizer};
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::size_of;
use std::ptr::NonNull;
use std::sync::Arc;

/// Type of the keys and values that a session keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvType {
    /// Half precision.
    #[default]
    F16,
    /// Single precision.
    F32,
    /// 8 bits and a scale.
    Q8,
}

/// How a session is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Positions; 0: the model's own, which is also the most.
    pub context: u32,
    /// Prompt tokens per forward pass; 0: 512.
    pub batch: u32,
    /// Of keys and values.
    pub kv_type: KvType,
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The limit, or the context is full.
    Length,
    /// A token that ends the text.
    End,
}

/// What [`Session::next_token`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This token joined the text.
    Token(i32),
    /// This token joined the text and ends it.
    End(i32),
    /// The context is full.
    Full,
}

/// A token with its logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenLogit {
    /// Its id.
    pub token: i32,
    /// In full precision.
    pub logit: f32,
}

#[derive(Debug)]
struct Handle {
    raw: NonNull<onebit_sys::onebit_session>,
}

// SAFETY: the library frees a session on any thread. A session's owner uses it from one thread at a time (`Session` is not
// `Sync`); what others hold, a `Canceller`, calls only functions that any thread may call at any time.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is valid, and the last owner lets go of it.
        unsafe { onebit_sys::onebit_session_free(self.raw.as_ptr()) }
    }
}

/// Cancels what a session does, from any thread.
///
/// ```no_run
/// # fn main() -> onebit::Result<()> {
/// # let model = onebit::Model::load("model.gguf")?;
/// # let mut session = model.session()?;
/// let canceller = session.canceller();
/// std::thread::spawn(move || {
///     std::thread::sleep(std::time::Duration::from_secs(5));
///     canceller.cancel();
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Canceller {
    handle: Arc<Handle>,
}

impl Canceller {
    /// What is running, or else the next to start, ends with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) before
    /// its next forward pass; what was evaluated stays. The request is then spent.
    pub fn cancel(&self) {
        // SAFETY: a valid handle; any thread may call this at any time. It fails for null only.
        let _ = unsafe { onebit_sys::onebit_session_cancel(self.handle.raw.as_ptr()) };
    }

    /// Takes back a cancel that nothing has met yet.
    pub fn clear(&self) {
        // SAFETY: as in `cancel`.
        let _ = unsafe { onebit_sys::onebit_session_clear_cancel(self.handle.raw.as_ptr()) };
    }
}

/// One text: its tokens, their keys and values, and the loop that generates.
///
/// It moves between threads, and one at a time uses it:
///
/// ```
/// fn moves<T: Send>() {}
/// moves::<onebit::Session>();
/// ```
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<onebit::Session>();
/// ```
#[derive(Debug)]
pub struct Session {
    handle: Arc<Handle>,
    tokenizer: Tokenizer,
    vocabulary: usize,
    embedding_size: usize,
    _one_thread: PhantomData<Cell<()>>,
}

impl Session {
    pub(crate) fn create(model: &Model, options: &SessionOptions) -> Result<Session> {
        let c = onebit_sys::onebit_session_options {
            struct_size: size_of::<onebit_sys::onebit_session_options>(),
            context: options.context,
            batch: options.batch,
            kv_type: match options.kv_type {
                KvType::F16 => onebit_sys::ONEBIT_KV_F16,
                KvType::F32 => onebit_sys::ONEBIT_KV_F32,
                KvType::Q8 => onebit_sys::ONEBIT_KV_Q8,
            },
            reserved: 0,
        };
        let info = model.info()?;
        let tokenizer = model.tokenizer()?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: a valid handle, options with a size, a place for a handle.
        ffi::check(unsafe { onebit_sys::onebit_session_create(model.raw(), &c, &mut raw) })?;
        Ok(Session {
            handle: Arc::new(Handle { raw: ffi::handle(raw)? }),
            tokenizer,
            vocabulary: info.vocabulary as usize,
            embedding_size: info.embedding_size as usize,
            _one_thread: PhantomData,
        })
    }

    fn raw(&self) -> *mut onebit_sys::onebit_session {
        self.handle.raw.as_ptr()
    }

    /// To cancel it from another thread.
    pub fn canceller(&self) -> Canceller {
        Canceller {
            handle: Arc::clone(&self.handle),
        }
    }

    /// Its model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The text so far.
    pub fn tokens(&self) -> Result<Vec<i32>> {
        // SAFETY: a valid handle, an output that is as long as it says.
        ffi::array(|ids, capacity, count| unsafe { onebit_sys::onebit_session_tokens(self.raw(), ids, capacity, count) })
    }

    /// Appends tokens and evaluates them as a prompt.
    pub fn feed(&mut self, tokens: &[i32]) -> Result<()> {
        // SAFETY: a valid handle, ids that are as many as they say, no callback.
        ffi::check(unsafe { onebit_sys::onebit_session_feed(self.raw(), tokens.as_ptr(), tokens.len(), None, std::ptr::null_mut()) })
    }

    /// The same; `progress` is called between batches with the share that is done, and stops by returning false:
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled), and what was evaluated stays.
    pub fn feed_with_progress(&mut self, tokens: &[i32], mut progress: impl FnMut(f64) -> bool) -> Result<()> {
        let mut callback = ffi::Callback::new(&mut progress);
        let user = callback.user();
        // SAFETY: a valid handle, ids that are as many as they say, a callback that lives.
        let status =
            unsafe { onebit_sys::onebit_session_feed(self.raw(), tokens.as_ptr(), tokens.len(), Some(ffi::on_feed_progress), user) };
        let result = ffi::check(status);
        callback.finish();
        result
    }

    /// Encodes a text and feeds it. Tokens that begin a text are added where this one is empty so far.
    pub fn feed_text(&mut self, text: &str) -> Result<()> {
        let options = EncodeOptions {
            add_special: self.tokens()?.is_empty(),
            parse_special: true,
        };
        let ids = self.tokenizer.encode(text, options)?;
        self.feed(&ids)
    }

    /// Feeds tokens and gives the final normalised hidden state of each, one after the other, `embedding_size` floats each.
    pub fn feed_hidden(&mut self, tokens: &[i32]) -> Result<Vec<f32>> {
        let mut hidden = vec![0.0; tokens.len() * self.embedding_size];
        // SAFETY: a valid handle; ids and output are as many as they say.
        let status =
            unsafe { onebit_sys::onebit_session_feed_hidden(self.raw(), tokens.as_ptr(), tokens.len(), hidden.as_mut_ptr(), hidden.len()) };
        ffi::check(status)?;
        Ok(hidden)
    }

    /// Appends one token and evaluates it as generation does: for callers that choose themselves.
    pub fn append(&mut self, token: i32) -> Result<()> {
        // SAFETY: a valid handle.
        ffi::check(unsafe { onebit_sys::onebit_session_append(self.raw(), token) })
    }

    /// Forgets all tokens after the first `count`.
    pub fn truncate(&mut self, count: usize) -> Result<()> {
        // SAFETY: a valid handle.
        ffi::check(unsafe { onebit_sys::onebit_session_truncate(self.raw(), count) })
    }

    /// Full-precision logits of the token after the text.
    pub fn logits(&mut self) -> Result<Vec<f32>> {
        let mut logits = vec![0.0; self.vocabulary];
        // SAFETY: a valid handle, an output that is as long as it says.
        ffi::check(unsafe { onebit_sys::onebit_session_logits(self.raw(), logits.as_mut_ptr(), logits.len()) })?;
        Ok(logits)
    }

    /// The final normalised hidden state of the last token.
    pub fn hidden(&mut self) -> Result<Vec<f32>> {
        let mut hidden = vec![0.0; self.embedding_size];
        // SAFETY: a valid handle, an output that is as long as it says.
        ffi::check(unsafe { onebit_sys::onebit_session_hidden(self.raw(), hidden.as_mut_ptr(), hidden.len()) })?;
        Ok(hidden)
    }

    /// The `k` largest logits, best first; 1 to the size of the vocabulary.
    pub fn top(&mut self, k: u32) -> Result<Vec<TokenLogit>> {
        let room = (k as usize).min(self.vocabulary);
        let mut top = vec![onebit_sys::onebit_token_logit { token: 0, logit: 0.0 }; room.max(1)];
        let mut count = 0;
        // SAFETY: a valid handle, room for k entries: a k beyond the vocabulary is refused before anything is written.
        ffi::check(unsafe { onebit_sys::onebit_session_top(self.raw(), k, top.as_mut_ptr(), &mut count) })?;
        Ok(top
            .iter()
            .take(count as usize)
            .map(|t| TokenLogit {
                token: t.token,
                logit: t.logit,
            })
            .collect())
    }

    /// Chooses a token and appends it. `ignore_end`: no token ends the text.
    pub fn next_token(&mut self, sampler: &mut Sampler, ignore_end: bool) -> Result<Step> {
        let flags = if ignore_end { onebit_sys::ONEBIT_GENERATE_IGNORE_END } else { 0 };
        let (mut token, mut finish) = (-1, 0);
        // SAFETY: valid handles, places for two numbers.
        ffi::check(unsafe { onebit_sys::onebit_session_next(self.raw(), sampler.raw(), flags, &mut token, &mut finish) })?;
        Ok(match finish {
            onebit_sys::ONEBIT_FINISH_END => Step::End(token),
            onebit_sys::ONEBIT_FINISH_LENGTH => Step::Full,
            _ => Step::Token(token),
        })
    }

    /// Generates up to `limit` tokens, as an iterator over pieces of text.
    ///
    /// ```no_run
    /// # fn main() -> onebit::Result<()> {
    /// # let model = onebit::Model::load("model.gguf")?;
    /// # let mut session = model.session()?;
    /// # let mut sampler = onebit::Sampler::greedy();
    /// let mut generation = session.generate(&mut sampler, 100);
    /// for text in &mut generation {
    ///     print!("{}", text?);
    /// }
    /// println!(" ({:?})", generation.finish());
    /// # Ok(())
    /// # }
    /// ```
    pub fn generate<'a>(&'a mut self, sampler: &'a mut Sampler, limit: usize) -> Generation<'a> {
        Generation {
            session: self,
            sampler,
            left: limit,
            ignore_end: false,
            stream: Utf8Stream::new(),
            finish: None,
            done: false,
            tokens: 0,
        }
    }
}

/// Text as it is generated: an iterator over pieces of whole characters, none of them empty. After an error it ends.
#[derive(Debug)]
pub struct Generation<'a> {
    session: &'a mut Session,
    sampler: &'a mut Sampler,
    left: usize,
    ignore_end: bool,
    stream: Utf8Stream,
    finish: Option<Finish>,
    done: bool,
    tokens: usize,
}

impl Generation<'_> {
    /// Goes on past tokens that end the text.
    pub fn ignore_end(mut self) -> Self {
        self.ignore_end = true;
        self
    }

    /// Why it ended; `None` before that, and after an error.
    pub fn finish(&self) -> Option<Finish> {
        self.finish
    }

    /// Tokens generated so far, without the one that ended the text.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The next piece, empty where a token gave no whole character.
    fn step(&mut self) -> Result<String> {
        let step = if self.left == 0 {
            Step::Full
        } else {
            self.session.next_token(self.sampler, self.ignore_end)?
        };
        match step {
            Step::Token(token) => {
                self.left -= 1;
                self.tokens += 1;
                Ok(self.stream.push(&self.session.tokenizer.piece(token, false)?))
            }
            Step::End(_) => Ok(self.end(Finish::End)),
            Step::Full => Ok(self.end(Finish::Length)),
        }
    }

    fn end(&mut self, finish: Finish) -> String {
        self.finish = Some(finish);
        self.done = true;
        self.stream.finish()
    }
}

impl Iterator for Generation<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        while !self.done {
            match self.step() {
                Ok(text) if text.is_empty() => continue,
                Ok(text) => return Some(Ok(text)),
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl std::iter::FusedIterator for Generation<'_> {}
