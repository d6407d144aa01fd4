//! Continues a text, with the prompt on the simulated NPU:
//!
//!     cargo run --example generate -- MODEL TEXT [TOKENS [cpu|npu|npu-sim]]

use onebit::device::Kind;
use onebit::{ModelOptions, Sampler};
use std::io::Write;

fn generate(model: &str, text: &str, tokens: usize, prefill: Kind) -> Result<(), Box<dyn std::error::Error>> {
    let model = ModelOptions {
        prefill: Some(prefill),
        ..ModelOptions::default()
    }
    .load(model)?;
    let mut session = model.session()?;
    let mut sampler = Sampler::greedy();
    session.feed_text(text)?;

    let mut out = std::io::stdout().lock();
    let mut generation = session.generate(&mut sampler, tokens);
    for piece in &mut generation {
        out.write_all(piece?.as_bytes())?;
        out.flush()?;
    }

    // An NPU that did not do its part is an error here; without this call it is only counted.
    model.check_placement()?;
    let (info, stats) = (model.info()?, model.stats()?);
    let device = if info.device.is_empty() { "the CPU" } else { &info.device };
    eprintln!(
        "\nprompt on {}: {} dispatches, {} bytes to it, {} bytes from it",
        device, stats.dispatches, stats.uploaded_bytes, stats.downloaded_bytes
    );
    Ok(())
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (model, text) = match arguments.as_slice() {
        [model, text, ..] => (model, text),
        _ => {
            eprintln!("usage: generate MODEL TEXT [TOKENS [cpu|npu|npu-sim]]");
            std::process::exit(2);
        }
    };
    let tokens = arguments.get(2).and_then(|t| t.parse().ok()).unwrap_or(64);
    let prefill = match arguments.get(3).map(String::as_str) {
        Some("cpu") => Kind::Cpu,
        Some("npu") => Kind::Npu,
        _ => Kind::NpuSimulator,
    };
    if let Err(error) = generate(model, text, tokens, prefill) {
        eprintln!("generate: {}", error);
        std::process::exit(1);
    }
}
