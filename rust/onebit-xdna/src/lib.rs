//! Exact products of int8 activations with ternary matrices on the XDNA 2 NPU of Ryzen AI machines, or on the simulator of
//! its array, which executes the bytes that the NPU would get.
//!
//! ```
//! use onebit_xdna::Device;
//! # fn main() -> onebit_xdna::Result<()> {
//! let device = Device::simulator()?;
//! let weights = device.upload_i8(2, 3, &[1, 0, -1, 1, 1, 1])?;
//! let event = weights.submit(vec![10, 20, 30], 1)?;
//! assert_eq!(event.wait()?, [-20, 60]);
//! assert!(device.stats()?.dispatches > 0);
//! # Ok(())
//! # }
//! ```
//!
//! `onebit-hip` has the same shape for GPUs.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub use onebit::device::{DeviceInfo, DeviceStats, Event, Weights as TernaryWeights};
pub use onebit::{Error, ErrorKind, Result};

use onebit::device::{DeviceOptions, Kind};
use std::ops::Deref;

/// Which NPU, and how it is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Of NPUs.
    pub index: u32,
    /// That share the packing of weights and activations; 0: one per CPU this process may use.
    pub threads: u32,
    /// Path of `libonebit_xrt.so`; `None`: beside the library or the program, or where the loader looks.
    pub xrt_module: Option<String>,
}

/// An NPU, or the simulator of one. Any number of threads may use it; products take turns.
///
/// What it does is that of [`onebit::device::Device`].
#[derive(Debug)]
pub struct Device {
    device: onebit::device::Device,
}

impl Device {
    /// Opens an NPU. [`ErrorKind::Unavailable`]: the library was built without XRT, or without the compiler for the cores;
    /// [`ErrorKind::Device`]: the message says what the machine lacks, and what to do.
    ///
    /// ```no_run
    /// let npu = onebit_xdna::Device::open(&onebit_xdna::Options::default()).unwrap();
    /// println!("{}", npu.info().unwrap().description);
    /// ```
    pub fn open(options: &Options) -> Result<Device> {
        Device::with(DeviceOptions {
            index: options.index,
            threads: options.threads,
            xrt_module: options.xrt_module.clone(),
            ..DeviceOptions::new(Kind::Npu)
        })
    }

    /// Opens the simulator, on any machine. Its results are those of an NPU, its times are not.
    pub fn simulator() -> Result<Device> {
        Device::with(DeviceOptions::new(Kind::NpuSimulator))
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

/// What a state of a command (as in XRT's `ert.h`, 0: none) and an errno of the driver mean on this machine, and what to do.
///
/// ```
/// let text = onebit_xdna::explain(8, 0).unwrap();
/// assert!(text.contains("ERT_CMD_STATE_TIMEOUT"));
/// ```
pub fn explain(state: u32, error_number: i32) -> Result<String> {
    onebit::device::explain_npu_error(state, error_number)
}
