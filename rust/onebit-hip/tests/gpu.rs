//! GPU kernels against the CPU's scalar ones: in the emulator, and on a GPU where one opens; else an error that says why.

use onebit::device::{DeviceOptions, Kind};
use onebit_hip::{Device, ErrorKind, Options};

fn expect_exact(gpu: &Device) {
    let scalar = DeviceOptions {
        isa: Some("scalar".into()),
        ..DeviceOptions::new(Kind::Cpu)
    };
    let cpu = onebit::device::Device::open(&scalar).unwrap();
    for (rows, columns, tokens) in [(5u32, 7u32, 1u32), (16, 256, 3), (161, 257, 16), (70, 300, 33)] {
        let codes: Vec<u8> = (0..rows * columns).map(|i| (i.wrapping_mul(2654435761) >> 13) as u8 % 3).collect();
        let x: Vec<i8> = (0..tokens * columns).map(|i| (i.wrapping_mul(2246822519) >> 11) as i8).collect();
        let expected = cpu.upload_codes(rows, columns, &codes).unwrap().gemm(&x, tokens).unwrap();
        let weights = gpu.upload_codes(rows, columns, &codes).unwrap();
        assert_eq!(
            weights.submit(x, tokens).unwrap().wait().unwrap(),
            expected,
            "{}x{}x{}",
            rows,
            columns,
            tokens
        );
    }
    let stats = gpu.stats().unwrap();
    assert_eq!((stats.products, stats.failures, stats.weight_bytes), (4, 0, 0));
    assert_eq!(stats.dispatches, 4);
}

#[test]
fn the_emulator_gives_the_integers_of_the_scalar_kernels() {
    let gpu = Device::simulator().unwrap();
    assert!(gpu.info().unwrap().simulated);
    expect_exact(&gpu);
}

#[test]
fn a_gpu_is_exact_or_says_why_it_is_not_there() {
    match Device::open(&Options::default()) {
        Ok(gpu) => expect_exact(&gpu),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Device);
            assert!(error.message().contains("GPU"), "{}", error);
        }
    }
}
