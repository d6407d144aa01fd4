//! The model in the box through the safe interface.

use onebit::device::Kind;
use onebit::{
    ChatMessage, ChatTurn, EncodeOptions, ErrorKind, Finish, Model, ModelOptions, Role, Sampler, SamplerOptions, SessionOptions, Step,
};
use std::path::PathBuf;

fn model_file() -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");
    let mut files = std::fs::read_dir(folder)
        .expect("models/ of the tree")
        .flatten()
        .map(|entry| entry.path());
    files
        .find(|path| path.extension().map_or(false, |e| e == "gguf"))
        .expect("a model in models/")
}

fn load(prefill: Kind) -> Model {
    ModelOptions {
        prefill: Some(prefill),
        threads: 2,
        ..ModelOptions::default()
    }
    .load(model_file())
    .unwrap()
}

fn continued(model: &Model, prompt: &str, tokens: usize, sampler: &mut Sampler) -> String {
    let mut session = model.session().unwrap();
    session.feed_text(prompt).unwrap();
    session.generate(sampler, tokens).collect::<onebit::Result<String>>().unwrap()
}

fn greedy(model: &Model, prompt: &str, tokens: usize) -> String {
    continued(model, prompt, tokens, &mut Sampler::greedy())
}

#[test]
fn the_text_does_not_depend_on_where_the_prompt_was_read() {
    let (cpu, npu) = (load(Kind::Cpu), load(Kind::NpuSimulator));
    let prompt = "In the beginning God created the heaven and the earth.";
    let text = greedy(&cpu, prompt, 40);
    assert!(text.split_whitespace().count() > 10, "{:?}", text);
    assert_eq!(greedy(&npu, prompt, 40), text);
    assert_ne!(greedy(&cpu, "It is a truth", 40), text);
    npu.check_placement().unwrap();
    assert!(npu.stats().unwrap().dispatches > 0);
    assert_eq!(cpu.stats().unwrap().dispatches, 0);
    assert_eq!(npu.info().unwrap().prefill, Some(Kind::NpuSimulator));
}

#[test]
fn pieces_are_the_decoded_tokens() {
    let model = load(Kind::Cpu);
    let mut session = model.session().unwrap();
    session.feed_text("And he said unto them,").unwrap();
    let prompt = session.tokens().unwrap().len();
    let mut sampler = Sampler::greedy();
    let mut generation = session.generate(&mut sampler, 30).ignore_end();
    let mut text = String::new();
    for piece in &mut generation {
        let piece = piece.unwrap();
        assert!(!piece.is_empty());
        text.push_str(&piece);
    }
    assert_eq!(generation.finish(), Some(Finish::Length));
    assert_eq!(generation.tokens(), 30);
    assert!(generation.next().is_none());
    let tokens = session.tokens().unwrap();
    assert_eq!(tokens.len(), prompt + 30);
    let pieces: Vec<u8> = tokens[prompt..]
        .iter()
        .flat_map(|t| session.tokenizer().piece(*t, false).unwrap())
        .collect();
    assert_eq!(text, String::from_utf8_lossy(&pieces));
}

#[test]
fn own_choices_truncation_and_hidden_states() {
    let model = load(Kind::Cpu);
    let info = model.info().unwrap();
    let mut session = model
        .session_with(&SessionOptions {
            batch: 3,
            ..SessionOptions::default()
        })
        .unwrap();
    let ids = session
        .tokenizer()
        .encode("The Lord is my shepherd", EncodeOptions::default())
        .unwrap();
    let hidden = session.feed_hidden(&ids).unwrap();
    let size = info.embedding_size as usize;
    assert_eq!(hidden.len(), ids.len() * size);
    assert_eq!(hidden[hidden.len() - size..], session.hidden().unwrap()[..]);
    let logits = session.logits().unwrap();
    assert_eq!(logits.len(), info.vocabulary as usize);
    let best = session.top(2).unwrap();
    assert!(best[0].logit >= best[1].logit);
    assert_eq!(logits[best[0].token as usize], best[0].logit);
    assert_eq!(session.top(0).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(session.top(u32::MAX).unwrap_err().kind(), ErrorKind::OutOfRange);
    session.append(best[0].token).unwrap();
    session.truncate(ids.len()).unwrap();
    assert_eq!(session.logits().unwrap(), logits);
    assert_eq!(
        session.next_token(&mut Sampler::greedy(), true).unwrap(),
        Step::Token(best[0].token)
    );
    assert_eq!(session.truncate(1000).unwrap_err().kind(), ErrorKind::OutOfRange);
}

#[test]
fn seeds_repeat() {
    let model = load(Kind::Cpu);
    let draw = |seed| {
        let options = SamplerOptions {
            temperature: 1.5,
            seed,
            ..SamplerOptions::default()
        };
        continued(&model, "Behold", 24, &mut Sampler::new(&options).unwrap())
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn a_context_that_is_full_ends_the_text() {
    let model = load(Kind::Cpu);
    let mut session = model
        .session_with(&SessionOptions {
            context: 12,
            ..SessionOptions::default()
        })
        .unwrap();
    session.feed_text("And").unwrap();
    let mut sampler = Sampler::greedy();
    let mut generation = session.generate(&mut sampler, 1000).ignore_end();
    assert!(generation.by_ref().all(|piece| piece.is_ok()));
    assert_eq!(generation.finish(), Some(Finish::Length));
    assert_eq!(session.tokens().unwrap().len(), 12);
    assert_eq!(session.next_token(&mut sampler, true).unwrap(), Step::Full);
    assert_eq!(session.feed(&[1]).unwrap_err().kind(), ErrorKind::OutOfRange);
}

#[test]
fn threads_share_a_model() {
    let model = load(Kind::Cpu);
    let prompts = ["Noah", "Elizabeth", "And Moses", "Mr. Darcy"];
    let expected: Vec<String> = prompts.iter().map(|p| greedy(&model, p, 16)).collect();
    let mut got = Vec::new();
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for prompt in prompts {
            let model = &model;
            threads.push(scope.spawn(move || greedy(model, prompt, 16)));
        }
        for thread in threads {
            got.push(thread.join().unwrap());
        }
    });
    assert_eq!(got, expected);
}

#[test]
fn a_cancel_from_another_thread_is_met() {
    let model = load(Kind::Cpu);
    let mut session = model.session().unwrap();
    session.feed_text("And").unwrap();
    let canceller = session.canceller();
    let mut sampler = Sampler::greedy();
    let mut generation = session.generate(&mut sampler, 100).ignore_end();
    assert!(generation.next().unwrap().is_ok());
    std::thread::spawn(move || canceller.cancel()).join().unwrap();
    assert_eq!(generation.next().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(generation.next().is_none());
    assert_eq!(generation.finish(), None);
    // The request is spent.
    assert!(session.generate(&mut sampler, 1).ignore_end().all(|piece| piece.is_ok()));
    // A canceller may outlive its session.
    let late = session.canceller();
    drop(session);
    late.cancel();
    late.clear();
}

#[test]
fn sessions_outlive_their_model() {
    let model = load(Kind::Cpu);
    let expected = greedy(&model, "Now", 8);
    let mut session = model.session().unwrap();
    let tokenizer = model.tokenizer().unwrap();
    drop(model);
    session.feed_text("Now").unwrap();
    let text: String = session.generate(&mut Sampler::greedy(), 8).collect::<onebit::Result<_>>().unwrap();
    assert_eq!(text, expected);
    assert_eq!(
        tokenizer.decode(&session.tokens().unwrap(), false).unwrap(),
        format!("Now{}", text).into_bytes()
    );
}

#[test]
fn progress_stops_and_panics_pass() {
    let model = load(Kind::Cpu);
    let mut session = model
        .session_with(&SessionOptions {
            batch: 2,
            ..SessionOptions::default()
        })
        .unwrap();
    let ids = vec![65; 8];
    let error = session.feed_with_progress(&ids, |share| share < 0.5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(session.tokens().unwrap().len(), 4);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        session.feed_with_progress(&ids, |_| panic!("mine"))
    }));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"mine"));
    assert!(session.logits().is_ok(), "the session goes on");

    let mut last = 0.0;
    ModelOptions {
        prefill: Some(Kind::Cpu),
        ..ModelOptions::default()
    }
    .load_with_progress(model_file(), |share| last = share)
    .unwrap();
    assert_eq!(last, 1.0);
}

#[test]
fn chats_are_encoded() {
    let model = load(Kind::Cpu);
    let messages = [
        ChatMessage::new(Role::System, "Be brief."),
        ChatMessage::new(Role::User, "Who art thou?"),
    ];
    let turn = ChatTurn { first: true, answer: true };
    let ids = model.encode_chat(&messages, turn).unwrap();
    let text = model.tokenizer().unwrap().decode(&ids, true).unwrap();
    assert!(String::from_utf8_lossy(&text).contains("Who art thou?"));
    assert_eq!(model.encode_chat(&[], turn).unwrap_err().kind(), ErrorKind::Argument);
}

#[test]
fn errors_name_what_is_wrong() {
    let error = Model::load("/no/such.gguf").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("/no/such.gguf"), "{}", error);
    let options = ModelOptions {
        isa: Some("z80".into()),
        ..ModelOptions::default()
    };
    assert!(options.load(model_file()).unwrap_err().message().contains("z80"));
    let options = ModelOptions {
        i2s_block: Some(u32::MAX),
        ..ModelOptions::default()
    };
    assert_eq!(options.load(model_file()).unwrap_err().kind(), ErrorKind::Argument);
    let error = Sampler::new(&SamplerOptions {
        min_p: f64::NAN,
        ..SamplerOptions::default()
    })
    .unwrap_err();
    assert!(error.message().contains("min_p"), "{}", error);
    let model = load(Kind::Cpu);
    let mut session = model.session().unwrap();
    assert_eq!(session.logits().unwrap_err().kind(), ErrorKind::State);
    assert_eq!(session.feed(&[-1]).unwrap_err().kind(), ErrorKind::OutOfRange);
}

#[test]
fn defaults_are_the_librarys() {
    // SAFETY: numbers and pointers, all of which may be 0; the init function is told the size.
    let c = unsafe {
        let mut c: onebit_sys::onebit_sampler_options = std::mem::zeroed();
        assert_eq!(
            onebit_sys::onebit_sampler_options_init(&mut c, std::mem::size_of_val(&c)),
            onebit_sys::ONEBIT_OK
        );
        c
    };
    let ours = SamplerOptions::default();
    assert_eq!((c.temperature, c.top_p, c.min_p), (ours.temperature, ours.top_p, ours.min_p));
    assert_eq!(
        (c.repeat_penalty, c.presence_penalty, c.frequency_penalty),
        (ours.repeat_penalty, ours.presence_penalty, ours.frequency_penalty)
    );
    assert_eq!(
        (c.top_k, c.repeat_last_n, c.seed),
        (i64::from(ours.top_k), ours.repeat_last_n.map_or(-1, i64::from), ours.seed)
    );
}
