//! Exact products of int8 activations with ternary matrices on AMD GPUs, with the same shape as `onebit-xdna`.
//!
//! ```
//! use onebit_hip::{Device, ErrorKind, Options};
//! match Device::open(&Options::default()) {
//!     Ok(gpu) => {
//!         let weights = gpu.upload_i8(2, 3, &[1, 0, -1, 1, 1, 1]).unwrap();
//!         assert_eq!(weights.gemm(&[10, 20, 30], 1).unwrap(), [-20, 60]);
//!     }
//!     Err(error) => assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Device)),
//! }
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub use onebit::device::{DeviceInfo, DeviceStats, Event, Weights as TernaryWeights};
pub use onebit::{Error, ErrorKind, Result};

use onebit::device::{DeviceOptions, Kind};
use std::ops::Deref;

/// Which GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Of GPUs.
    pub index: u32,
    /// That share the packing of weights; 0: one per CPU this process may use.
    pub threads: u32,
}

/// A GPU. Any number of threads may use it; products take turns.
///
/// What it does is that of [`onebit::device::Device`].
#[derive(Debug)]
pub struct Device {
    device: onebit::device::Device,
}

impl Device {
    /// Opens a GPU. [`ErrorKind::Unavailable`]: the library was built without GPUs; [`ErrorKind::Device`]: there is none that
    /// can be used, and why.
    pub fn open(options: &Options) -> Result<Device> {
        let options = DeviceOptions {
            index: options.index,
            threads: options.threads,
            ..DeviceOptions::new(Kind::Gpu)
        };
        Ok(Device {
            device: onebit::device::Device::open(&options)?,
        })
    }
}

impl Deref for Device {
    type Target = onebit::device::Device;

    fn deref(&self) -> &onebit::device::Device {
        &self.device
    }
}
