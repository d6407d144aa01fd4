//! The C interface of `libonebit.so`, as `include/onebit/onebit.h` declares it; that header says what each function does,
//! and which may be called at the same time. The safe crates over it are `onebit`, `onebit-xdna` and `onebit-hip`.
//!
//! ```
//! // SAFETY: takes nothing and can be called at any time.
//! let version = unsafe { onebit_sys::onebit_version() };
//! assert_eq!(version >> 16, onebit_sys::ONEBIT_VERSION_MAJOR);
//! ```
#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_void};

/// The version of the interface that is declared here.
pub const ONEBIT_VERSION_MAJOR: u32 = 0;
/// See [`ONEBIT_VERSION_MAJOR`].
pub const ONEBIT_VERSION_MINOR: u32 = 1;
/// See [`ONEBIT_VERSION_MAJOR`].
pub const ONEBIT_VERSION_PATCH: u32 = 0;

/// What a function returns: `ONEBIT_OK` or an error.
pub type onebit_status = i32;

pub const ONEBIT_OK: i32 = 0;
pub const ONEBIT_ERROR_ARGUMENT: i32 = 1;
pub const ONEBIT_ERROR_IO: i32 = 2;
pub const ONEBIT_ERROR_FORMAT: i32 = 3;
pub const ONEBIT_ERROR_UNSUPPORTED: i32 = 4;
pub const ONEBIT_ERROR_OUT_OF_RANGE: i32 = 5;
pub const ONEBIT_ERROR_OUT_OF_MEMORY: i32 = 6;
pub const ONEBIT_ERROR_DEVICE: i32 = 7;
pub const ONEBIT_ERROR_CANCELLED: i32 = 8;
pub const ONEBIT_ERROR_TOO_SMALL: i32 = 9;
pub const ONEBIT_ERROR_BUSY: i32 = 10;
pub const ONEBIT_ERROR_STATE: i32 = 11;
pub const ONEBIT_ERROR_UNAVAILABLE: i32 = 12;
pub const ONEBIT_ERROR_INTERNAL: i32 = 13;
pub const ONEBIT_DEVICE_AUTO: i32 = 0;
pub const ONEBIT_DEVICE_CPU: i32 = 1;
pub const ONEBIT_DEVICE_NPU: i32 = 2;
pub const ONEBIT_DEVICE_NPU_SIM: i32 = 3;
pub const ONEBIT_DEVICE_GPU: i32 = 4;
pub const ONEBIT_DEVICE_GPU_SIM: i32 = 5;
pub const ONEBIT_ENCODE_NO_SPECIAL: u32 = 1;
pub const ONEBIT_ENCODE_PLAIN: u32 = 2;
pub const ONEBIT_DECODE_SPECIAL: u32 = 1;
pub const ONEBIT_TOKEN_END: u32 = 1;
pub const ONEBIT_TOKEN_CONTROL: u32 = 2;
pub const ONEBIT_CHAT_CONTINUES: u32 = 1;
pub const ONEBIT_CHAT_ANSWER: u32 = 2;
pub const ONEBIT_KV_F16: i32 = 0;
pub const ONEBIT_KV_F32: i32 = 1;
pub const ONEBIT_KV_Q8: i32 = 2;
pub const ONEBIT_GENERATE_IGNORE_END: u32 = 1;
pub const ONEBIT_FINISH_NONE: i32 = 0;
pub const ONEBIT_FINISH_LENGTH: i32 = 1;
pub const ONEBIT_FINISH_END: i32 = 2;
pub const ONEBIT_FINISH_STOPPED: i32 = 3;
pub const ONEBIT_TERNARY_CODES: i32 = 0;
pub const ONEBIT_TERNARY_I8: i32 = 1;

/// An opaque handle.
#[repr(C)]
pub struct onebit_model {
    _private: [u8; 0],
}

/// An opaque handle.
#[repr(C)]
pub struct onebit_tokenizer {
    _private: [u8; 0],
}

/// An opaque handle.
#[repr(C)]
pub struct onebit_sampler {
    _private: [u8; 0],
}

/// An opaque handle.
#[repr(C)]
pub struct onebit_session {
    _private: [u8; 0],
}

/// An opaque handle.
#[repr(C)]
pub struct onebit_device {
    _private: [u8; 0],
}

/// An opaque handle.
#[repr(C)]
pub struct onebit_weights {
    _private: [u8; 0],
}

/// An opaque handle.
#[repr(C)]
pub struct onebit_event {
    _private: [u8; 0],
}

/// Progress of a load.
pub type onebit_progress = Option<unsafe extern "C" fn(user: *mut c_void, fraction: f64)>;
/// Progress of a prompt; anything but 0 stops.
pub type onebit_feed_progress = Option<unsafe extern "C" fn(user: *mut c_void, fraction: f64) -> i32>;
/// A generated token with its bytes; anything but 0 stops.
pub type onebit_on_token = Option<unsafe extern "C" fn(user: *mut c_void, token: i32, text: *const c_char, bytes: usize) -> i32>;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_model_options {
    pub struct_size: usize,
    pub threads: u32,
    pub prefill_device: i32,
    pub decode_device: i32,
    pub npu_share: i32,
    pub isa: *const c_char,
    pub i2s_block: i32,
    pub reserved: u32,
    pub progress: onebit_progress,
    pub progress_user: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_model_info {
    pub struct_size: usize,
    pub architecture: *const c_char,
    pub name: *const c_char,
    pub chat_format: *const c_char,
    pub device: *const c_char,
    pub why_cpu: *const c_char,
    pub isa: *const c_char,
    pub layers: u32,
    pub embedding_size: u32,
    pub heads: u32,
    pub kv_heads: u32,
    pub head_size: u32,
    pub feed_forward_size: u32,
    pub context: u32,
    pub vocabulary: u32,
    pub threads: u32,
    pub prefill_device: i32,
    pub decode_device: i32,
    pub npu_share: i32,
    pub weight_bytes_per_token: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_model_stats {
    pub struct_size: usize,
    pub dispatches: u64,
    pub failures: u64,
    pub uploaded_bytes: u64,
    pub downloaded_bytes: u64,
    pub simulated_ddr_bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_tokenizer_info {
    pub struct_size: usize,
    pub kind: *const c_char,
    pub size: u32,
    pub bos: i32,
    pub eos: i32,
    pub adds_bos: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_chat_message {
    pub role: *const c_char,
    pub content: *const c_char,
    pub content_bytes: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_logit_bias {
    pub token: i32,
    pub bias: f32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_sampler_options {
    pub struct_size: usize,
    pub temperature: f64,
    pub top_p: f64,
    pub min_p: f64,
    pub repeat_penalty: f64,
    pub presence_penalty: f64,
    pub frequency_penalty: f64,
    pub top_k: i64,
    pub repeat_last_n: i64,
    pub seed: u64,
    pub logit_bias: *const onebit_logit_bias,
    pub logit_biases: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_session_options {
    pub struct_size: usize,
    pub context: u32,
    pub batch: u32,
    pub kv_type: i32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_session_info {
    pub struct_size: usize,
    pub tokens: u32,
    pub context: u32,
    pub kv_bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_token_logit {
    pub token: i32,
    pub logit: f32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_device_options {
    pub struct_size: usize,
    pub kind: i32,
    pub index: u32,
    pub threads: u32,
    pub reserved: u32,
    pub isa: *const c_char,
    pub xrt_module: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_device_info {
    pub struct_size: usize,
    pub description: *const c_char,
    pub kind: i32,
    pub simulated: i32,
    pub max_rows: u32,
    pub max_columns: u32,
    pub queue: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_device_stats {
    pub struct_size: usize,
    pub products: u64,
    pub failures: u64,
    pub macs: u64,
    pub dispatches: u64,
    pub reopens: u64,
    pub uploaded_bytes: u64,
    pub downloaded_bytes: u64,
    pub simulated_ddr_bytes: u64,
    pub weight_bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct onebit_weights_info {
    pub struct_size: usize,
    pub rows: u32,
    pub columns: u32,
    pub bytes: u64,
}

extern "C" {
    pub fn onebit_version() -> u32;
    pub fn onebit_version_string() -> *const c_char;
    pub fn onebit_status_name(status: i32) -> *const c_char;
    pub fn onebit_last_error() -> *const c_char;
    pub fn onebit_model_options_init(options: *mut onebit_model_options, struct_size: usize) -> onebit_status;
    pub fn onebit_model_load(path: *const c_char, options: *const onebit_model_options, model: *mut *mut onebit_model) -> onebit_status;
    pub fn onebit_model_free(model: *mut onebit_model);
    pub fn onebit_model_get_info(model: *const onebit_model, info: *mut onebit_model_info) -> onebit_status;
    pub fn onebit_model_get_stats(model: *const onebit_model, stats: *mut onebit_model_stats) -> onebit_status;
    pub fn onebit_model_check_placement(model: *const onebit_model) -> onebit_status;
    pub fn onebit_tokenizer_load(path: *const c_char, tokenizer: *mut *mut onebit_tokenizer) -> onebit_status;
    pub fn onebit_model_tokenizer(model: *const onebit_model, tokenizer: *mut *mut onebit_tokenizer) -> onebit_status;
    pub fn onebit_tokenizer_free(tokenizer: *mut onebit_tokenizer);
    pub fn onebit_tokenizer_get_info(tokenizer: *const onebit_tokenizer, info: *mut onebit_tokenizer_info) -> onebit_status;
    pub fn onebit_tokenizer_encode(
        tokenizer: *const onebit_tokenizer,
        text: *const c_char,
        bytes: usize,
        flags: u32,
        tokens: *mut i32,
        capacity: usize,
        count: *mut usize,
    ) -> onebit_status;
    pub fn onebit_tokenizer_decode(
        tokenizer: *const onebit_tokenizer,
        tokens: *const i32,
        n: usize,
        flags: u32,
        text: *mut c_char,
        capacity: usize,
        bytes: *mut usize,
    ) -> onebit_status;
    pub fn onebit_tokenizer_piece(
        tokenizer: *const onebit_tokenizer,
        token: i32,
        flags: u32,
        text: *mut c_char,
        capacity: usize,
        bytes: *mut usize,
    ) -> onebit_status;
    pub fn onebit_tokenizer_attributes(tokenizer: *const onebit_tokenizer, token: i32, attributes: *mut u32) -> onebit_status;
    pub fn onebit_tokenizer_find(tokenizer: *const onebit_tokenizer, text: *const c_char, bytes: usize, token: *mut i32) -> onebit_status;
    pub fn onebit_chat_encode(
        model: *const onebit_model,
        messages: *const onebit_chat_message,
        n: usize,
        flags: u32,
        tokens: *mut i32,
        capacity: usize,
        count: *mut usize,
    ) -> onebit_status;
    pub fn onebit_sampler_options_init(options: *mut onebit_sampler_options, struct_size: usize) -> onebit_status;
    pub fn onebit_sampler_create(options: *const onebit_sampler_options, sampler: *mut *mut onebit_sampler) -> onebit_status;
    pub fn onebit_sampler_free(sampler: *mut onebit_sampler);
    pub fn onebit_sampler_accept(sampler: *mut onebit_sampler, tokens: *const i32, n: usize) -> onebit_status;
    pub fn onebit_sampler_forget(sampler: *mut onebit_sampler) -> onebit_status;
    pub fn onebit_session_options_init(options: *mut onebit_session_options, struct_size: usize) -> onebit_status;
    pub fn onebit_session_create(
        model: *const onebit_model,
        options: *const onebit_session_options,
        session: *mut *mut onebit_session,
    ) -> onebit_status;
    pub fn onebit_session_free(session: *mut onebit_session);
    pub fn onebit_session_get_info(session: *const onebit_session, info: *mut onebit_session_info) -> onebit_status;
    pub fn onebit_session_tokens(session: *const onebit_session, tokens: *mut i32, capacity: usize, count: *mut usize) -> onebit_status;
    pub fn onebit_session_feed(
        session: *mut onebit_session,
        tokens: *const i32,
        n: usize,
        progress: onebit_feed_progress,
        user: *mut c_void,
    ) -> onebit_status;
    pub fn onebit_session_feed_hidden(
        session: *mut onebit_session,
        tokens: *const i32,
        n: usize,
        hidden: *mut f32,
        capacity: usize,
    ) -> onebit_status;
    pub fn onebit_session_append(session: *mut onebit_session, token: i32) -> onebit_status;
    pub fn onebit_session_truncate(session: *mut onebit_session, count: usize) -> onebit_status;
    pub fn onebit_session_logits(session: *mut onebit_session, logits: *mut f32, capacity: usize) -> onebit_status;
    pub fn onebit_session_hidden(session: *mut onebit_session, hidden: *mut f32, capacity: usize) -> onebit_status;
    pub fn onebit_session_top(session: *mut onebit_session, k: u32, top: *mut onebit_token_logit, count: *mut u32) -> onebit_status;
    pub fn onebit_session_generate(
        session: *mut onebit_session,
        sampler: *mut onebit_sampler,
        limit: i64,
        flags: u32,
        on_token: onebit_on_token,
        user: *mut c_void,
        finish: *mut i32,
    ) -> onebit_status;
    pub fn onebit_session_next(
        session: *mut onebit_session,
        sampler: *mut onebit_sampler,
        flags: u32,
        token: *mut i32,
        finish: *mut i32,
    ) -> onebit_status;
    pub fn onebit_session_cancel(session: *mut onebit_session) -> onebit_status;
    pub fn onebit_session_clear_cancel(session: *mut onebit_session) -> onebit_status;
    pub fn onebit_device_options_init(options: *mut onebit_device_options, struct_size: usize) -> onebit_status;
    pub fn onebit_device_open(options: *const onebit_device_options, device: *mut *mut onebit_device) -> onebit_status;
    pub fn onebit_device_free(device: *mut onebit_device);
    pub fn onebit_device_get_info(device: *const onebit_device, info: *mut onebit_device_info) -> onebit_status;
    pub fn onebit_device_get_stats(device: *const onebit_device, stats: *mut onebit_device_stats) -> onebit_status;
    pub fn onebit_device_is_lost(device: *const onebit_device, lost: *mut i32) -> onebit_status;
    pub fn onebit_device_reopen(device: *mut onebit_device) -> onebit_status;
    pub fn onebit_device_explain(
        kind: i32,
        state: u32,
        error_number: i32,
        text: *mut c_char,
        capacity: usize,
        bytes: *mut usize,
    ) -> onebit_status;
    pub fn onebit_weights_create(
        device: *mut onebit_device,
        format: i32,
        rows: u32,
        columns: u32,
        data: *const c_void,
        stride: usize,
        weights: *mut *mut onebit_weights,
    ) -> onebit_status;
    pub fn onebit_weights_free(weights: *mut onebit_weights);
    pub fn onebit_weights_get_info(weights: *const onebit_weights, info: *mut onebit_weights_info) -> onebit_status;
    pub fn onebit_gemm(
        weights: *const onebit_weights,
        x: *const i8,
        tokens: u32,
        x_stride: usize,
        out: *mut i32,
        out_stride: usize,
    ) -> onebit_status;
    pub fn onebit_gemm_submit(
        weights: *const onebit_weights,
        x: *const i8,
        tokens: u32,
        x_stride: usize,
        out: *mut i32,
        out_stride: usize,
        event: *mut *mut onebit_event,
    ) -> onebit_status;
    pub fn onebit_event_wait(event: *mut onebit_event) -> onebit_status;
    pub fn onebit_event_query(event: *const onebit_event, done: *mut i32) -> onebit_status;
    pub fn onebit_event_free(event: *mut onebit_event);
}
