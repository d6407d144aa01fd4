//! The simulated array against the CPU's scalar kernels, and what opening an NPU says.

use onebit::device::{DeviceOptions, Kind};
use onebit_xdna::{Device, ErrorKind, Options};

#[test]
fn the_array_gives_the_integers_of_the_scalar_kernels() {
    let npu = Device::simulator().unwrap();
    let scalar = DeviceOptions {
        isa: Some("scalar".into()),
        ..DeviceOptions::new(Kind::Cpu)
    };
    let cpu = onebit::device::Device::open(&scalar).unwrap();
    for (rows, columns, tokens) in [(5u32, 7u32, 1u32), (160, 256, 32), (161, 257, 33), (1300, 40, 3)] {
        let codes: Vec<u8> = (0..rows * columns).map(|i| (i.wrapping_mul(2654435761) >> 13) as u8 % 3).collect();
        let x: Vec<i8> = (0..tokens * columns).map(|i| (i.wrapping_mul(2246822519) >> 11) as i8).collect();
        let expected = cpu.upload_codes(rows, columns, &codes).unwrap().gemm(&x, tokens).unwrap();
        let weights = npu.upload_codes(rows, columns, &codes).unwrap();
        assert_eq!(
            weights.submit(x, tokens).unwrap().wait().unwrap(),
            expected,
            "{}x{}x{}",
            rows,
            columns,
            tokens
        );
    }
    let stats = npu.stats().unwrap();
    assert_eq!((stats.products, stats.failures), (4, 0));
    assert!(stats.simulated_ddr_bytes > 0);
    assert!(npu.info().unwrap().simulated);
}

#[test]
fn an_npu_that_cannot_be_opened_says_why() {
    let options = Options {
        xrt_module: Some("/no/module.so".into()),
        ..Options::default()
    };
    let error = Device::open(&options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Device);
    assert!(error.message().contains("/no/module.so"), "{}", error);
}
