//! Ternary (BitNet b1.58) language models from GGUF files, with prompts on the XDNA 2 NPU (or the simulator of its
//! array) or on the CPU.
//!
//! ```no_run
//! use onebit::{Model, Sampler};
//!
//! # fn main() -> onebit::Result<()> {
//! let model = Model::load("model.gguf")?;
//! let mut session = model.session()?;
//! let mut sampler = Sampler::greedy();
//! session.feed_text("In the beginning")?;
//! for text in session.generate(&mut sampler, 64) {
//!     print!("{}", text?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//!
//! [`Model`], [`Tokenizer`], [`Canceller`] and everything in [`device`] are `Send` and `Sync`: any number of threads may
//! use them. Sessions of one model take turns, one forward pass at a time. [`Session`] and [`Sampler`] are `Send` and not
//! `Sync`: they move between threads and are used by one at a time.
//!
//! # Lifetimes
//!
//! Nothing borrows: what a session needs of its model stays until the session is dropped, whichever is dropped first.
#![deny(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]

pub mod device;
mod error;
mod ffi;
mod model;
mod sampler;
mod session;
mod text;
mod tokenizer;

pub use error::{Error, ErrorKind, Result};
pub use model::{ChatMessage, ChatTurn, Model, ModelInfo, ModelOptions, ModelStats, Role};
pub use sampler::{Sampler, SamplerOptions};
pub use session::{Canceller, Finish, Generation, KvType, Session, SessionOptions, Step, TokenLogit};
pub use text::Utf8Stream;
pub use tokenizer::{EncodeOptions, Tokenizer, TokenizerInfo};

/// Version of the library in use, `"0.1.0"`.
///
/// ```
/// assert!(onebit::version().starts_with("0."));
/// ```
pub fn version() -> &'static str {
    // SAFETY: takes nothing, can be called at any time, and gives a text that never goes.
    unsafe { ffi::text(onebit_sys::onebit_version_string()) }.unwrap_or("")
}
