//! Exact products of int8 activations with ternary matrices on AMD GPUs (through HIP; NVIDIA's through the CUDA driver), or
//! in the emulator of the same kernels. It has the shape of `onebit-xdna`.
//!
//! ```
//! use onebit_hip::Device;
//! # fn main() -> onebit_hip::Result<()> {
//! let device = Device::simulator()?;
//! let weights = device.upload_i8(2, 3, &[1, 0, -1, 1, 1, 1])?;
//! let event = weights.submit(vec![10, 20, 30], 1)?;
//! assert_eq!(event.wait()?, [-20, 60]);
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub use onebit::device::{DeviceInfo, DeviceStats, Event, Weights as TernaryWeights};
pub use onebit::{Error, ErrorKind, Result};

use onebit::device::{DeviceOptions, Kind};
use std::ops::Deref;

/// How a GPU is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// That share the packing of weights; 0: one per CPU this process may use.
    pub threads: u32,
}

/// A GPU, or the emulator of one. Any number of threads may use it; products take turns.
///
/// What it does is that of [`onebit::device::Device`].
#[derive(Debug)]
pub struct Device {
    device: onebit::device::Device,
}

impl Device {
    /// Opens the first GPU. [`ErrorKind::Device`]: there is none that can be used, and why, or the library was built without
    /// kernels for it.
    ///
    /// ```no_run
    /// let gpu = onebit_hip::Device::open(&onebit_hip::Options::default()).unwrap();
    /// println!("{}", gpu.info().unwrap().description);
    /// ```
    pub fn open(options: &Options) -> Result<Device> {
        Device::with(DeviceOptions {
            threads: options.threads,
            ..DeviceOptions::new(Kind::Gpu)
        })
    }

    /// Opens the emulator, on any machine. Its results are those of a GPU, its times are not.
    pub fn simulator() -> Result<Device> {
        Device::with(DeviceOptions::new(Kind::GpuSimulator))
    }

    fn with(options: DeviceOptions) -> Result<Device> {
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
