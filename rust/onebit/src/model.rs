//! Models: load, what they are, where they run.

use crate::device::Kind;
use crate::error::{Error, ErrorKind, Result};
use crate::ffi;
use crate::session::{Session, SessionOptions};
use crate::tokenizer::Tokenizer;
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

/// How a model is loaded.
///
/// ```no_run
/// use onebit::{device::Kind, ModelOptions};
/// # fn main() -> onebit::Result<()> {
/// let model = ModelOptions { prefill: Some(Kind::NpuSimulator), threads: 2, ..Default::default() }.load("model.gguf")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelOptions {
    /// 0: one per CPU this process may use.
    pub threads: u32,
    /// Where prompts are evaluated; `None`: an NPU, a GPU or the CPU, the first of them that opens.
    pub prefill: Option<Kind>,
    /// Where generated tokens are; `None`: a GPU where one opens, else the CPU.
    pub decode: Option<Kind>,
    /// Percent of the rows of each matrix that the NPU takes; `None`: measured.
    pub npu_share: Option<u8>,
    /// Instruction set of the CPU kernels; `None`: the best there is.
    pub isa: Option<String>,
    /// Block size of I2_S tensors, 64 or 128; `None`: by the file.
    pub i2s_block: Option<u32>,
}

impl ModelOptions {
    /// Loads a GGUF file, or the first of its shards.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Model> {
        self.load_c(path.as_ref(), None)
    }

    /// The same; `progress` is called with the share that is done.
    pub fn load_with_progress(&self, path: impl AsRef<Path>, mut progress: impl FnMut(f64)) -> Result<Model> {
        self.load_c(
            path.as_ref(),
            Some(&mut |fraction| {
                progress(fraction);
                true
            }),
        )
    }

    fn load_c(&self, path: &Path, progress: Option<&mut dyn FnMut(f64) -> bool>) -> Result<Model> {
        let path = ffi::c_text("path", path.as_os_str().as_bytes())?;
        let isa = ffi::optional_text("isa", &self.isa)?;
        let i2s_block = self.i2s_block.unwrap_or(0);
        let mut nothing = |_: f64| true;
        let mut callback = ffi::Callback::new(progress.unwrap_or(&mut nothing));
        let options = onebit_sys::onebit_model_options {
            struct_size: size_of::<onebit_sys::onebit_model_options>(),
            threads: self.threads,
            prefill_device: Kind::to_c(self.prefill),
            decode_device: Kind::to_c(self.decode),
            npu_share: self.npu_share.map_or(-1, i32::from),
            isa: ffi::pointer(&isa),
            i2s_block: i32::try_from(i2s_block)
                .map_err(|_| Error::new(ErrorKind::Argument, format!("i2s_block is {}, expected 64 or 128", i2s_block)))?,
            reserved: 0,
            progress: Some(ffi::on_progress),
            progress_user: callback.user(),
        };
        let mut raw = std::ptr::null_mut();
        // SAFETY: a terminated text, options with a size whose texts and callback live, a place for a handle.
        let status = unsafe { onebit_sys::onebit_model_load(path.as_ptr(), &options, &mut raw) };
        let model = ffi::check(status).and_then(|()| Ok(Model { raw: ffi::handle(raw)? }));
        callback.finish();
        model
    }
}

/// What a model is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// `"bitnet-b1.58"`.
    pub architecture: String,
    /// `general.name` of the file, or empty.
    pub name: String,
    /// `"plain"`, `"bitnet"`, `"llama3"`, `"chatml"` or `"falcon3"`.
    pub chat_format: String,
    /// NPU and GPU in words; empty where everything is on the CPU.
    pub device: String,
    /// Why an automatic choice took no NPU or no GPU, or empty.
    pub why_cpu: String,
    /// Instruction set of the CPU kernels.
    pub isa: String,
    /// Blocks of attention and feed-forward.
    pub layers: u32,
    /// Elements of a hidden state.
    pub embedding_size: u32,
    /// Heads of queries.
    pub heads: u32,
    /// Heads of keys and values.
    pub kv_heads: u32,
    /// Elements of a head.
    pub head_size: u32,
    /// Elements between the feed-forward matrices.
    pub feed_forward_size: u32,
    /// Positions of the longest text.
    pub context: u32,
    /// Logits of a token.
    pub vocabulary: u32,
    /// Threads in use.
    pub threads: u32,
    /// Where prompts are evaluated.
    pub prefill: Option<Kind>,
    /// Where generated tokens are.
    pub decode: Option<Kind>,
    /// Percent of the rows that the NPU takes.
    pub npu_share: u32,
    /// Bytes of weights read for one decoded token.
    pub weight_bytes_per_token: u64,
}

/// Where the work of a model ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelStats {
    /// Commands that the NPU completed, kernels that the GPU ran.
    pub dispatches: u64,
    /// Calls whose rows the CPU did in the place of an NPU, times that a GPU was left.
    pub failures: u64,
    /// To the NPU.
    pub uploaded_bytes: u64,
    /// From the NPU.
    pub downloaded_bytes: u64,
    /// Between the simulated array and its memory; 0 on hardware.
    pub simulated_ddr_bytes: u64,
}

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions before the conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    fn c_text(self) -> *const std::os::raw::c_char {
        let text: &'static [u8] = match self {
            Role::System => b"system\0",
            Role::User => b"user\0",
            Role::Assistant => b"assistant\0",
        };
        text.as_ptr().cast()
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who says it.
    pub role: Role,
    /// What is said. Text that spells a control token stays text.
    pub content: String,
}

impl ChatMessage {
    /// A message.
    pub fn new(role: Role, content: impl Into<String>) -> ChatMessage {
        ChatMessage {
            role,
            content: content.into(),
        }
    }
}

/// Where in a conversation messages stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatTurn {
    /// The conversation begins with them.
    pub first: bool,
    /// The assistant's answer follows.
    pub answer: bool,
}

/// A loaded model. Any number of threads may use one and have sessions of it, which take turns.
///
/// ```
/// fn shared<T: Send + Sync>() {}
/// shared::<onebit::Model>();
/// ```
#[derive(Debug)]
pub struct Model {
    raw: NonNull<onebit_sys::onebit_model>,
}

// SAFETY: the library lets any number of threads use a model at once, and free it on any.
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: the handle is valid and used by nobody else: this is its owner's end.
        unsafe { onebit_sys::onebit_model_free(self.raw.as_ptr()) }
    }
}

impl Model {
    /// With the default options.
    pub fn load(path: impl AsRef<Path>) -> Result<Model> {
        ModelOptions::default().load(path)
    }

    pub(crate) fn raw(&self) -> *const onebit_sys::onebit_model {
        self.raw.as_ptr()
    }

    /// What it is.
    pub fn info(&self) -> Result<ModelInfo> {
        // SAFETY: pointers and numbers, all of which may be 0.
        let mut c: onebit_sys::onebit_model_info = unsafe { std::mem::zeroed() };
        c.struct_size = size_of::<onebit_sys::onebit_model_info>();
        // SAFETY: a valid handle, a struct that says its size.
        ffi::check(unsafe { onebit_sys::onebit_model_get_info(self.raw(), &mut c) })?;
        // SAFETY: terminated texts of this handle, for each of the calls.
        let text = |raw| unsafe { ffi::owned_text(raw) };
        Ok(ModelInfo {
            architecture: text(c.architecture),
            name: text(c.name),
            chat_format: text(c.chat_format),
            device: text(c.device),
            why_cpu: text(c.why_cpu),
            isa: text(c.isa),
            layers: c.layers,
            embedding_size: c.embedding_size,
            heads: c.heads,
            kv_heads: c.kv_heads,
            head_size: c.head_size,
            feed_forward_size: c.feed_forward_size,
            context: c.context,
            vocabulary: c.vocabulary,
            threads: c.threads,
            prefill: Kind::from_c(c.prefill_device),
            decode: Kind::from_c(c.decode_device),
            npu_share: u32::try_from(c.npu_share).unwrap_or(0),
            weight_bytes_per_token: c.weight_bytes_per_token,
        })
    }

    /// Where its work ran so far. Waits for the forward pass in progress.
    pub fn stats(&self) -> Result<ModelStats> {
        let mut c = onebit_sys::onebit_model_stats {
            struct_size: size_of::<onebit_sys::onebit_model_stats>(),
            dispatches: 0,
            failures: 0,
            uploaded_bytes: 0,
            downloaded_bytes: 0,
            simulated_ddr_bytes: 0,
        };
        // SAFETY: a valid handle, a struct that says its size.
        ffi::check(unsafe { onebit_sys::onebit_model_get_stats(self.raw(), &mut c) })?;
        Ok(ModelStats {
            dispatches: c.dispatches,
            failures: c.failures,
            uploaded_bytes: c.uploaded_bytes,
            downloaded_bytes: c.downloaded_bytes,
            simulated_ddr_bytes: c.simulated_ddr_bytes,
        })
    }

    /// An error, with why, where work since the load did not run where the options sent it.
    pub fn check_placement(&self) -> Result<()> {
        // SAFETY: a valid handle.
        ffi::check(unsafe { onebit_sys::onebit_model_check_placement(self.raw()) })
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        // SAFETY: a valid handle.
        unsafe { Tokenizer::of_model(self.raw()) }
    }

    /// A new text with the default options.
    pub fn session(&self) -> Result<Session> {
        self.session_with(&SessionOptions::default())
    }

    /// A new text.
    pub fn session_with(&self, options: &SessionOptions) -> Result<Session> {
        Session::create(self, options)
    }

    /// The tokens of messages that follow each other, at least one, in the model's chat format.
    ///
    /// ```no_run
    /// use onebit::{ChatMessage, ChatTurn, Model, Role};
    /// # fn main() -> onebit::Result<()> {
    /// let model = Model::load("model.gguf")?;
    /// let ids = model.encode_chat(&[ChatMessage::new(Role::User, "Hello")], ChatTurn { first: true, answer: true })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn encode_chat(&self, messages: &[ChatMessage], turn: ChatTurn) -> Result<Vec<i32>> {
        let list: Vec<onebit_sys::onebit_chat_message> = messages
            .iter()
            .map(|m| onebit_sys::onebit_chat_message {
                role: m.role.c_text(),
                content: m.content.as_ptr().cast(),
                content_bytes: m.content.len(),
            })
            .collect();
        let continues = if turn.first { 0 } else { onebit_sys::ONEBIT_CHAT_CONTINUES };
        let answer = if turn.answer { onebit_sys::ONEBIT_CHAT_ANSWER } else { 0 };
        ffi::array(|ids, capacity, count| {
            // SAFETY: a valid handle; messages, their texts and the output are as long as they say.
            unsafe { onebit_sys::onebit_chat_encode(self.raw(), list.as_ptr(), list.len(), continues | answer, ids, capacity, count) }
        })
    }
}
