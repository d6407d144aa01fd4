//! Choosing the next token.

use crate::error::Result;
use crate::ffi;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// How tokens are chosen. The steps and their order are llama.cpp's: penalties and biases, top-k, top-p, min-p,
/// temperature, draw.
///
/// ```
/// use onebit::{Sampler, SamplerOptions};
/// let sampler = Sampler::new(&SamplerOptions { temperature: 0.7, seed: 42, ..Default::default() }).unwrap();
/// assert!(Sampler::new(&SamplerOptions { top_p: 2.0, ..Default::default() }).is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SamplerOptions {
    /// 0 to 100; 0: always the most likely token.
    pub temperature: f64,
    /// Draw from the `top_k` most likely; 0: all.
    pub top_k: u32,
    /// Draw from the most likely that sum to this; 1: off.
    pub top_p: f64,
    /// Drop tokens below this times the best; 0: off.
    pub min_p: f64,
    /// 0.01 to 100; 1: off.
    pub repeat_penalty: f64,
    /// Tokens that penalties look back on; `None`: all.
    pub repeat_last_n: Option<u32>,
    /// -100 to 100; 0: off.
    pub presence_penalty: f64,
    /// -100 to 100; 0: off.
    pub frequency_penalty: f64,
    /// The same seed gives the same text.
    pub seed: u64,
    /// Added to the logits of tokens, each of which may come once; minus infinity bans one.
    pub logit_bias: Vec<(i32, f32)>,
}

impl Default for SamplerOptions {
    fn default() -> SamplerOptions {
        SamplerOptions {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.0,
            repeat_last_n: Some(64),
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: 0,
            logit_bias: Vec::new(),
        }
    }
}

impl SamplerOptions {
    fn biases(&self) -> Vec<onebit_sys::onebit_logit_bias> {
        self.logit_bias
            .iter()
            .map(|&(token, bias)| onebit_sys::onebit_logit_bias { token, bias })
            .collect()
    }

    /// `biases` outlives the result.
    fn to_c(&self, biases: &[onebit_sys::onebit_logit_bias]) -> onebit_sys::onebit_sampler_options {
        onebit_sys::onebit_sampler_options {
            struct_size: std::mem::size_of::<onebit_sys::onebit_sampler_options>(),
            temperature: self.temperature,
            top_p: self.top_p,
            min_p: self.min_p,
            repeat_penalty: self.repeat_penalty,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            top_k: i64::from(self.top_k),
            repeat_last_n: self.repeat_last_n.map_or(-1, i64::from),
            seed: self.seed,
            logit_bias: biases.as_ptr(),
            logit_biases: biases.len(),
        }
    }
}

/// Chooses tokens; holds the state of its random numbers and what penalties look back on.
///
/// It moves between threads, and one at a time uses it:
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<onebit::Sampler>();
/// ```
#[derive(Debug)]
pub struct Sampler {
    raw: NonNull<onebit_sys::onebit_sampler>,
    _one_thread: PhantomData<Cell<()>>,
}

// SAFETY: the library lets any thread use a sampler, one at a time.
unsafe impl Send for Sampler {}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: the handle is valid and used by nobody else: this is its owner's end.
        unsafe { onebit_sys::onebit_sampler_free(self.raw.as_ptr()) }
    }
}

impl Sampler {
    /// Errors name the option, its value and its range.
    pub fn new(options: &SamplerOptions) -> Result<Sampler> {
        let biases = options.biases();
        let c = options.to_c(&biases);
        let mut raw = std::ptr::null_mut();
        // SAFETY: options with a size, whose array of biases lives; a place for a handle.
        ffi::check(unsafe { onebit_sys::onebit_sampler_create(&c, &mut raw) })?;
        Ok(Sampler {
            raw: ffi::handle(raw)?,
            _one_thread: PhantomData,
        })
    }

    /// Always the most likely token.
    ///
    /// # Panics
    /// Where there is no memory.
    pub fn greedy() -> Sampler {
        match Sampler::new(&SamplerOptions {
            temperature: 0.0,
            ..SamplerOptions::default()
        }) {
            Ok(sampler) => sampler,
            Err(error) => panic!("a greedy sampler: {}", error),
        }
    }

    pub(crate) fn raw(&mut self) -> *mut onebit_sys::onebit_sampler {
        self.raw.as_ptr()
    }

    /// Tokens for penalties to look back on: the prompt. What the sampler chooses it accepts by itself.
    pub fn accept(&mut self, tokens: &[i32]) -> Result<()> {
        // SAFETY: a valid handle, ids that are as many as they say.
        ffi::check(unsafe { onebit_sys::onebit_sampler_accept(self.raw(), tokens.as_ptr(), tokens.len()) })
    }

    /// Forgets accepted tokens. Random numbers go on.
    pub fn forget(&mut self) -> Result<()> {
        // SAFETY: a valid handle.
        ffi::check(unsafe { onebit_sys::onebit_sampler_forget(self.raw()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_reach_c() {
        let options = SamplerOptions {
            repeat_last_n: None,
            top_k: 7,
            logit_bias: vec![(3, -1.5)],
            ..SamplerOptions::default()
        };
        let biases = options.biases();
        let c = options.to_c(&biases);
        assert_eq!((c.repeat_last_n, c.top_k, c.logit_biases), (-1, 7, 1));
        assert_eq!((biases[0].token, biases[0].bias), (3, -1.5));
    }
}
