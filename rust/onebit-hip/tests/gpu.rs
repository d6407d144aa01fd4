//! A GPU that opens is exact; one that does not says why.

use onebit::device::{DeviceOptions, Kind};
use onebit_hip::{Device, ErrorKind, Options};

#[test]
fn exact_or_a_typed_error() {
    let gpu = match Device::open(&Options::default()) {
        Ok(gpu) => gpu,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Device), "{:?}", error);
            assert!(error.message().contains("GPU") || error.kind() == ErrorKind::Device, "{}", error);
            return;
        }
    };
    let cpu = onebit::device::Device::open(&DeviceOptions::new(Kind::Cpu)).unwrap();
    for (rows, columns, tokens) in [(5u32, 7u32, 1u32), (161, 257, 33)] {
        let codes: Vec<u8> = (0..rows * columns).map(|i| (i.wrapping_mul(2654435761) >> 13) as u8 % 3).collect();
        let x: Vec<i8> = (0..tokens * columns).map(|i| (i.wrapping_mul(2246822519) >> 11) as i8).collect();
        let expected = cpu.upload_codes(rows, columns, &codes).unwrap().gemm(&x, tokens).unwrap();
        assert_eq!(gpu.upload_codes(rows, columns, &codes).unwrap().gemm(&x, tokens).unwrap(), expected);
    }
}
