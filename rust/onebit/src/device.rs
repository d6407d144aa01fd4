//! The device level: exact products of int8 activations with ternary matrices, on whatever computes them. The crates
//! `onebit-xdna` and `onebit-hip` open one kind each; [`Kind::Cpu`] is the oracle that they are compared with.
//!
//! ```
//! use onebit::device::{Device, DeviceOptions, Kind};
//! # fn main() -> onebit::Result<()> {
//! let device = Device::open(&DeviceOptions::new(Kind::Cpu))?;
//! let weights = device.upload_i8(2, 3, &[1, 0, -1, 1, 1, 1])?;
//! assert_eq!(weights.gemm(&[10, 20, 30], 1)?, [-20, 60]);
//! # Ok(())
//! # }
//! ```

use crate::error::{Error, ErrorKind, Result};
use crate::ffi;
use std::mem::size_of;
use std::ptr::NonNull;

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The CPU's kernels.
    Cpu,
    /// An XDNA 2 NPU, through XRT.
    Npu,
    /// The simulator of its array.
    NpuSimulator,
    /// A GPU: the first that HIP, or else the CUDA driver, opens.
    Gpu,
    /// The emulator of its kernels, on the CPU.
    GpuSimulator,
}

impl Kind {
    pub(crate) fn to_c(kind: Option<Kind>) -> i32 {
        match kind {
            None => onebit_sys::ONEBIT_DEVICE_AUTO,
            Some(Kind::Cpu) => onebit_sys::ONEBIT_DEVICE_CPU,
            Some(Kind::Npu) => onebit_sys::ONEBIT_DEVICE_NPU,
            Some(Kind::NpuSimulator) => onebit_sys::ONEBIT_DEVICE_NPU_SIM,
            Some(Kind::Gpu) => onebit_sys::ONEBIT_DEVICE_GPU,
            Some(Kind::GpuSimulator) => onebit_sys::ONEBIT_DEVICE_GPU_SIM,
        }
    }

    pub(crate) fn from_c(kind: i32) -> Option<Kind> {
        [Kind::Cpu, Kind::Npu, Kind::NpuSimulator, Kind::Gpu, Kind::GpuSimulator]
            .iter()
            .copied()
            .find(|k| Kind::to_c(Some(*k)) == kind)
    }
}

/// Which device, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceOptions {
    /// What computes.
    pub kind: Kind,
    /// Of NPUs; 0 for other kinds.
    pub index: u32,
    /// Of the CPU's products, or of packing for others; 0: one per CPU this process may use.
    pub threads: u32,
    /// Instruction set of the CPU's kernels; `None`: the best there is.
    pub isa: Option<String>,
    /// Path of `libonebit_xrt.so`, for an NPU; `None`: beside the library or the program, or where the loader looks.
    pub xrt_module: Option<String>,
}

impl DeviceOptions {
    /// The first device of a kind.
    pub fn new(kind: Kind) -> DeviceOptions {
        DeviceOptions {
            kind,
            index: 0,
            threads: 0,
            isa: None,
            xrt_module: None,
        }
    }
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// `"array simulator (npu2)"`.
    pub description: String,
    /// Its times say nothing about hardware.
    pub simulated: bool,
    /// Of a matrix.
    pub max_rows: u32,
    /// Of a matrix.
    pub max_columns: u32,
    /// Events that may be unfinished.
    pub queue: u32,
}

/// What a device did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceStats {
    /// Products completed.
    pub products: u64,
    /// Products that failed.
    pub failures: u64,
    /// Multiply-accumulates of completed products, without padding.
    pub macs: u64,
    /// Commands that the device completed.
    pub dispatches: u64,
    /// See [`Device::reopen`].
    pub reopens: u64,
    /// To the device.
    pub uploaded_bytes: u64,
    /// From the device.
    pub downloaded_bytes: u64,
    /// Between the simulated array and its memory.
    pub simulated_ddr_bytes: u64,
    /// Of matrices that the device holds, packed.
    pub weight_bytes: u64,
}

/// A device. Any number of threads may use one; products take turns.
#[derive(Debug)]
pub struct Device {
    raw: NonNull<onebit_sys::onebit_device>,
}

// SAFETY: the library lets any number of threads use a device at once, and free it on any.
unsafe impl Send for Device {}
// SAFETY: as above.
unsafe impl Sync for Device {}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: the handle is valid and used by nobody else: this is its owner's end.
        unsafe { onebit_sys::onebit_device_free(self.raw.as_ptr()) }
    }
}

impl Device {
    /// [`ErrorKind::Unavailable`]: a kind that the library was built without; [`ErrorKind::Device`]: one that cannot be used.
    pub fn open(options: &DeviceOptions) -> Result<Device> {
        let isa = ffi::optional_text("isa", &options.isa)?;
        let module = ffi::optional_text("xrt_module", &options.xrt_module)?;
        let c = onebit_sys::onebit_device_options {
            struct_size: size_of::<onebit_sys::onebit_device_options>(),
            kind: Kind::to_c(Some(options.kind)),
            index: options.index,
            threads: options.threads,
            reserved: 0,
            isa: ffi::pointer(&isa),
            xrt_module: ffi::pointer(&module),
        };
        let mut raw = std::ptr::null_mut();
        // SAFETY: options with a size, whose texts live; a place for a handle.
        ffi::check(unsafe { onebit_sys::onebit_device_open(&c, &mut raw) })?;
        Ok(Device { raw: ffi::handle(raw)? })
    }

    fn raw(&self) -> *mut onebit_sys::onebit_device {
        self.raw.as_ptr()
    }

    /// What it is.
    pub fn info(&self) -> Result<DeviceInfo> {
        // SAFETY: pointers and numbers, all of which may be 0.
        let mut c: onebit_sys::onebit_device_info = unsafe { std::mem::zeroed() };
        c.struct_size = size_of::<onebit_sys::onebit_device_info>();
        // SAFETY: a valid handle, a struct that says its size.
        ffi::check(unsafe { onebit_sys::onebit_device_get_info(self.raw(), &mut c) })?;
        Ok(DeviceInfo {
            // SAFETY: a terminated text of this handle.
            description: unsafe { ffi::owned_text(c.description) },
            simulated: c.simulated != 0,
            max_rows: c.max_rows,
            max_columns: c.max_columns,
            queue: c.queue,
        })
    }

    /// What it did so far. Waits for the product in progress.
    pub fn stats(&self) -> Result<DeviceStats> {
        // SAFETY: numbers, all of which may be 0.
        let mut c: onebit_sys::onebit_device_stats = unsafe { std::mem::zeroed() };
        c.struct_size = size_of::<onebit_sys::onebit_device_stats>();
        // SAFETY: a valid handle, a struct that says its size.
        ffi::check(unsafe { onebit_sys::onebit_device_get_stats(self.raw(), &mut c) })?;
        Ok(DeviceStats {
            products: c.products,
            failures: c.failures,
            macs: c.macs,
            dispatches: c.dispatches,
            reopens: c.reopens,
            uploaded_bytes: c.uploaded_bytes,
            downloaded_bytes: c.downloaded_bytes,
            simulated_ddr_bytes: c.simulated_ddr_bytes,
            weight_bytes: c.weight_bytes,
        })
    }

    /// It failed in a way that it does not recover from by itself: products fail until [`reopen`](Device::reopen).
    pub fn is_lost(&self) -> Result<bool> {
        let mut lost = 0;
        // SAFETY: a valid handle, a place for a number.
        ffi::check(unsafe { onebit_sys::onebit_device_is_lost(self.raw(), &mut lost) })?;
        Ok(lost != 0)
    }

    /// A fresh context where the last one was lost; matrices are uploaded again.
    /// [`ErrorKind::Unsupported`] for a GPU, which a process does not get back.
    pub fn reopen(&self) -> Result<()> {
        // SAFETY: a valid handle.
        ffi::check(unsafe { onebit_sys::onebit_device_reopen(self.raw()) })
    }

    /// Uploads a matrix of -1, 0 and +1, row after row.
    pub fn upload_i8(&self, rows: u32, columns: u32, weights: &[i8]) -> Result<Weights> {
        expect_len("weights", weights.len(), rows, columns)?;
        self.upload(onebit_sys::ONEBIT_TERNARY_I8, rows, columns, weights.as_ptr().cast())
    }

    /// Uploads a matrix of the codes 0, 1 and 2 for -1, 0 and +1, row after row.
    pub fn upload_codes(&self, rows: u32, columns: u32, codes: &[u8]) -> Result<Weights> {
        expect_len("codes", codes.len(), rows, columns)?;
        self.upload(onebit_sys::ONEBIT_TERNARY_CODES, rows, columns, codes.as_ptr().cast())
    }

    fn upload(&self, format: i32, rows: u32, columns: u32, data: *const std::os::raw::c_void) -> Result<Weights> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: a valid handle, rows * columns elements of one byte (the callers checked), a place for a handle.
        ffi::check(unsafe { onebit_sys::onebit_weights_create(self.raw(), format, rows, columns, data, 0, &mut raw) })?;
        Ok(Weights {
            raw: ffi::handle(raw)?,
            rows,
            columns,
        })
    }
}

/// `len` is a * b, neither of which is 0.
fn expect_len(what: &str, len: usize, a: u32, b: u32) -> Result<()> {
    if a > 0 && b > 0 && (a as usize).checked_mul(b as usize) == Some(len) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Argument,
        format!("{}: {} elements, expected {} x {}", what, len, a, b),
    ))
}

/// A ternary matrix that a device holds. Any number of threads may use one.
#[derive(Debug)]
pub struct Weights {
    raw: NonNull<onebit_sys::onebit_weights>,
    rows: u32,
    columns: u32,
}

// SAFETY: the library lets any number of threads use a matrix at once, and free it on any.
unsafe impl Send for Weights {}
// SAFETY: as above.
unsafe impl Sync for Weights {}

impl Drop for Weights {
    fn drop(&mut self) {
        // SAFETY: the handle is valid and used by nobody else; events keep what they need.
        unsafe { onebit_sys::onebit_weights_free(self.raw.as_ptr()) }
    }
}

impl Weights {
    /// Of its outputs.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Of its inputs.
    pub fn columns(&self) -> u32 {
        self.columns
    }

    fn output(&self, tokens: u32) -> Result<Vec<i32>> {
        let len = (tokens as usize).checked_mul(self.rows as usize);
        let len = len.ok_or_else(|| {
            Error::new(
                ErrorKind::OutOfRange,
                format!("{} tokens x {} rows are too many", tokens, self.rows),
            )
        })?;
        Ok(vec![0; len])
    }

    /// `out[t][r]` = sum over c of `w[r][c] * x[t][c]`: x is tokens x columns, the result tokens x rows.
    pub fn gemm(&self, x: &[i8], tokens: u32) -> Result<Vec<i32>> {
        let mut out = self.output(tokens)?;
        self.gemm_into(x, tokens, &mut out)?;
        Ok(out)
    }

    /// The same, into memory of the caller.
    pub fn gemm_into(&self, x: &[i8], tokens: u32, out: &mut [i32]) -> Result<()> {
        expect_len("x", x.len(), tokens, self.columns)?;
        expect_len("out", out.len(), tokens, self.rows)?;
        // SAFETY: a valid handle; input and output were checked to be tokens x columns and tokens x rows.
        ffi::check(unsafe { onebit_sys::onebit_gemm(self.raw.as_ptr(), x.as_ptr(), tokens, 0, out.as_mut_ptr(), 0) })
    }

    /// Begins a product; the event owns its memory. [`ErrorKind::Busy`] where as many are unfinished as the device's queue
    /// takes.
    ///
    /// ```
    /// # use onebit::device::{Device, DeviceOptions, Kind};
    /// # fn main() -> onebit::Result<()> {
    /// let device = Device::open(&DeviceOptions::new(Kind::Cpu))?;
    /// let weights = device.upload_codes(1, 4, &[0, 1, 2, 2])?;
    /// let event = weights.submit(vec![1, 2, 3, 4], 1)?;
    /// assert_eq!(event.wait()?, [6]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit(&self, x: Vec<i8>, tokens: u32) -> Result<Event> {
        expect_len("x", x.len(), tokens, self.columns)?;
        let mut out = self.output(tokens)?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: a valid handle; input and output were checked to be tokens x columns and tokens x rows. The event owns
        // both, neither reads, writes nor moves their contents before it is done, and its drop waits; an event that is
        // leaked leaks them too.
        ffi::check(unsafe { onebit_sys::onebit_gemm_submit(self.raw.as_ptr(), x.as_ptr(), tokens, 0, out.as_mut_ptr(), 0, &mut raw) })?;
        Ok(Event {
            raw: ffi::handle(raw)?,
            out,
            _x: x,
        })
    }
}

/// A product under way. Dropping it waits.
#[derive(Debug)]
pub struct Event {
    raw: NonNull<onebit_sys::onebit_event>,
    out: Vec<i32>,
    _x: Vec<i8>,
}

// SAFETY: the library lets any number of threads query and wait for an event, and free it on any; the memory of the product
// is touched by the library alone until `wait` takes the event.
unsafe impl Send for Event {}
// SAFETY: as above; `&Event` gives no way to the memory.
unsafe impl Sync for Event {}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the handle is valid; freeing waits, so that the memory may go after it.
        unsafe { onebit_sys::onebit_event_free(self.raw.as_ptr()) }
    }
}

impl Event {
    /// Done, or failed.
    pub fn is_done(&self) -> Result<bool> {
        let mut done = 0;
        // SAFETY: a valid handle, a place for a number.
        ffi::check(unsafe { onebit_sys::onebit_event_query(self.raw.as_ptr(), &mut done) })?;
        Ok(done != 0)
    }

    /// The product, tokens x rows.
    pub fn wait(mut self) -> Result<Vec<i32>> {
        // SAFETY: a valid handle.
        ffi::check(unsafe { onebit_sys::onebit_event_wait(self.raw.as_ptr()) })?;
        Ok(std::mem::take(&mut self.out))
    }
}

/// What a state of a command (as in XRT's `ert.h`, 0: none) and an errno of the driver mean on this machine, and what to do.
///
/// ```
/// let text = onebit::device::explain_npu_error(8, 0).unwrap();
/// assert!(text.contains("ERT_CMD_STATE_TIMEOUT"));
/// ```
pub fn explain_npu_error(state: u32, error_number: i32) -> Result<String> {
    let bytes = ffi::array(|text: *mut u8, capacity, count| {
        // SAFETY: an output that is as long as it says.
        unsafe { onebit_sys::onebit_device_explain(onebit_sys::ONEBIT_DEVICE_NPU, state, error_number, text.cast(), capacity, count) }
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_without_overflow() {
        assert!(expect_len("x", 6, 2, 3).is_ok());
        assert_eq!(expect_len("x", 5, 2, 3).unwrap_err().message(), "x: 5 elements, expected 2 x 3");
        assert!(expect_len("x", 0, 0, 3).is_err());
        assert!(expect_len("x", 0, u32::MAX, u32::MAX).is_err());
    }

    #[test]
    fn kinds_go_there_and_back() {
        for kind in [Kind::Cpu, Kind::Npu, Kind::NpuSimulator, Kind::Gpu, Kind::GpuSimulator] {
            assert_eq!(Kind::from_c(Kind::to_c(Some(kind))), Some(kind));
        }
        assert_eq!(Kind::from_c(Kind::to_c(None)), None);
    }
}
