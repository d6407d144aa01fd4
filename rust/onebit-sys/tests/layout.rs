//! The declarations are those of the C header: structs and constants as a C compiler lays them out
//! (`tests/capi/layout.txt`, which the C test `capi.layout` holds to the header), functions by name.

use onebit_sys::*;
use std::collections::BTreeSet;
use std::mem::{size_of, size_of_val, MaybeUninit};

const LAYOUT: &str = include_str!("../../../tests/capi/layout.txt");
const MAP: &str = include_str!("../../../src/capi/libonebit.map");
const SOURCE: &str = include_str!("../src/lib.rs");

macro_rules! fields {
    ($lines:expr, $name:ident { $($field:ident),* }) => {
        $lines.push(format!("struct {} {}", stringify!($name), size_of::<$name>()));
        let value = MaybeUninit::<$name>::zeroed();
        // SAFETY: every member of these structs may be 0.
        let value = unsafe { value.assume_init() };
        let start = &value as *const $name as usize;
        $($lines.push(format!(
            "field {}.{} {} {}",
            stringify!($name),
            stringify!($field),
            &value.$field as *const _ as usize - start,
            size_of_val(&value.$field)
        ));)*
    };
}

macro_rules! values {
    ($lines:expr, $($name:ident),*) => { $($lines.push(format!("value {} {}", stringify!($name), $name));)* };
}

fn declared() -> Vec<String> {
    let mut lines = Vec::new();
    fields!(
        lines,
        onebit_model_options {
            struct_size,
            threads,
            prefill_device,
            decode_device,
            npu_share,
            isa,
            i2s_block,
            reserved,
            progress,
            progress_user
        }
    );
    fields!(
        lines,
        onebit_model_info {
            struct_size,
            architecture,
            name,
            chat_format,
            device,
            why_cpu,
            isa,
            layers,
            embedding_size,
            heads,
            kv_heads,
            head_size,
            feed_forward_size,
            context,
            vocabulary,
            threads,
            prefill_device,
            decode_device,
            npu_share,
            weight_bytes_per_token
        }
    );
    fields!(
        lines,
        onebit_model_stats {
            struct_size,
            dispatches,
            failures,
            uploaded_bytes,
            downloaded_bytes,
            simulated_ddr_bytes
        }
    );
    fields!(
        lines,
        onebit_tokenizer_info {
            struct_size,
            kind,
            size,
            bos,
            eos,
            adds_bos
        }
    );
    fields!(
        lines,
        onebit_chat_message {
            role,
            content,
            content_bytes
        }
    );
    fields!(lines, onebit_logit_bias { token, bias });
    fields!(
        lines,
        onebit_sampler_options {
            struct_size,
            temperature,
            top_p,
            min_p,
            repeat_penalty,
            presence_penalty,
            frequency_penalty,
            top_k,
            repeat_last_n,
            seed,
            logit_bias,
            logit_biases
        }
    );
    fields!(
        lines,
        onebit_session_options {
            struct_size,
            context,
            batch,
            kv_type,
            reserved
        }
    );
    fields!(
        lines,
        onebit_session_info {
            struct_size,
            tokens,
            context,
            kv_bytes
        }
    );
    fields!(lines, onebit_token_logit { token, logit });
    fields!(
        lines,
        onebit_device_options {
            struct_size,
            kind,
            index,
            threads,
            reserved,
            isa,
            xrt_module
        }
    );
    fields!(
        lines,
        onebit_device_info {
            struct_size,
            description,
            kind,
            simulated,
            max_rows,
            max_columns,
            queue,
            reserved
        }
    );
    fields!(
        lines,
        onebit_device_stats {
            struct_size,
            products,
            failures,
            macs,
            dispatches,
            reopens,
            uploaded_bytes,
            downloaded_bytes,
            simulated_ddr_bytes,
            weight_bytes
        }
    );
    fields!(
        lines,
        onebit_weights_info {
            struct_size,
            rows,
            columns,
            bytes
        }
    );
    values!(
        lines,
        ONEBIT_OK,
        ONEBIT_ERROR_ARGUMENT,
        ONEBIT_ERROR_IO,
        ONEBIT_ERROR_FORMAT,
        ONEBIT_ERROR_UNSUPPORTED,
        ONEBIT_ERROR_OUT_OF_RANGE,
        ONEBIT_ERROR_OUT_OF_MEMORY,
        ONEBIT_ERROR_DEVICE,
        ONEBIT_ERROR_CANCELLED,
        ONEBIT_ERROR_TOO_SMALL,
        ONEBIT_ERROR_BUSY,
        ONEBIT_ERROR_STATE,
        ONEBIT_ERROR_UNAVAILABLE,
        ONEBIT_ERROR_INTERNAL,
        ONEBIT_DEVICE_AUTO,
        ONEBIT_DEVICE_CPU,
        ONEBIT_DEVICE_NPU,
        ONEBIT_DEVICE_NPU_SIM,
        ONEBIT_DEVICE_GPU,
        ONEBIT_DEVICE_GPU_SIM,
        ONEBIT_ENCODE_NO_SPECIAL,
        ONEBIT_ENCODE_PLAIN,
        ONEBIT_DECODE_SPECIAL,
        ONEBIT_TOKEN_END,
        ONEBIT_TOKEN_CONTROL,
        ONEBIT_CHAT_CONTINUES,
        ONEBIT_CHAT_ANSWER,
        ONEBIT_KV_F16,
        ONEBIT_KV_F32,
        ONEBIT_KV_Q8,
        ONEBIT_GENERATE_IGNORE_END,
        ONEBIT_FINISH_NONE,
        ONEBIT_FINISH_LENGTH,
        ONEBIT_FINISH_END,
        ONEBIT_FINISH_STOPPED,
        ONEBIT_TERNARY_CODES,
        ONEBIT_TERNARY_I8
    );
    lines
}

#[test]
fn structs_and_constants_are_those_of_c() {
    let declared = declared();
    let expected: Vec<&str> = LAYOUT.lines().collect();
    assert!(expected.len() > 100, "layout.txt has {} lines", expected.len());
    assert_eq!(declared, expected);
}

#[test]
fn functions_are_those_that_the_library_exports() {
    let name = |line: &str, prefix: &str, end: char| -> Option<String> {
        let rest = line.trim().strip_prefix(prefix)?;
        rest.split(end).next().map(str::to_string)
    };
    let exported: BTreeSet<String> = MAP
        .lines()
        .filter(|l| l.trim().starts_with("onebit_"))
        .filter_map(|l| name(l, "", ';'))
        .collect();
    let declared: BTreeSet<String> = SOURCE.lines().filter_map(|l| name(l, "pub fn ", '(')).collect();
    assert!(exported.len() > 40);
    assert_eq!(declared, exported);
}

#[test]
fn the_library_is_of_the_declared_version() {
    // SAFETY: takes nothing and can be called at any time.
    let version = unsafe { onebit_version() };
    assert_eq!(
        version,
        ONEBIT_VERSION_MAJOR << 16 | ONEBIT_VERSION_MINOR << 8 | ONEBIT_VERSION_PATCH
    );
}
