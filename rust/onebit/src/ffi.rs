//! What every call into the library shares: statuses, texts, arrays in two calls, callbacks that panic.

use crate::error::{Error, ErrorKind, Result};
use std::any::Any;
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr::NonNull;

/// The error of the call that gave `status`, on this thread.
pub(crate) fn check(status: onebit_sys::onebit_status) -> Result<()> {
    if status == onebit_sys::ONEBIT_OK {
        return Ok(());
    }
    // SAFETY: the message is a terminated text of this thread, valid until its next failing call.
    let message = unsafe { CStr::from_ptr(onebit_sys::onebit_last_error()) };
    Err(Error::new(ErrorKind::from_status(status), message.to_string_lossy()))
}

/// A handle that a call which succeeded wrote.
pub(crate) fn handle<T>(raw: *mut T) -> Result<NonNull<T>> {
    NonNull::new(raw).ok_or_else(|| Error::new(ErrorKind::Internal, "the library gave no handle"))
}

/// # Safety
/// `raw` is null, or a terminated text that lives as long as `'a`.
pub(crate) unsafe fn text<'a>(raw: *const c_char) -> Option<&'a str> {
    if raw.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(raw) }.to_str().ok()
}

/// # Safety
/// `raw` is null, or a terminated text.
pub(crate) unsafe fn owned_text(raw: *const c_char) -> String {
    if raw.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned()
}

/// A text for the library; a 0 byte in it is an error that names `what`.
pub(crate) fn c_text(what: &str, text: impl Into<Vec<u8>>) -> Result<CString> {
    CString::new(text).map_err(|e| {
        Error::new(
            ErrorKind::Argument,
            format!("{}: a 0 byte at {}, expected none", what, e.nul_position()),
        )
    })
}

/// Keeps an optional text alive beside its pointer.
pub(crate) fn optional_text(what: &str, text: &Option<String>) -> Result<Option<CString>> {
    text.as_ref().map(|t| c_text(what, t.as_str())).transpose()
}

pub(crate) fn pointer(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(std::ptr::null(), |t| t.as_ptr())
}

/// An array that the library writes: `call` with no room for the count, then with room. The count does not change between.
pub(crate) fn array<T: Copy + Default>(mut call: impl FnMut(*mut T, usize, *mut usize) -> onebit_sys::onebit_status) -> Result<Vec<T>> {
    let mut count = 0;
    check(call(std::ptr::null_mut(), 0, &mut count))?;
    let mut values = vec![T::default(); count];
    if count > 0 {
        check(call(values.as_mut_ptr(), values.len(), &mut count))?;
        values.truncate(count);
    }
    Ok(values)
}

/// A closure that C calls with a number, and the panic that ended it.
pub(crate) struct Callback<'a> {
    call: &'a mut dyn FnMut(f64) -> bool,
    panic: Option<Box<dyn Any + Send>>,
}

impl<'a> Callback<'a> {
    pub(crate) fn new(call: &'a mut dyn FnMut(f64) -> bool) -> Callback<'a> {
        Callback { call, panic: None }
    }

    pub(crate) fn user(&mut self) -> *mut c_void {
        self as *mut Callback<'a> as *mut c_void
    }

    /// False asks to stop. No panic passes; it goes on in `finish`.
    fn run(&mut self, fraction: f64) -> bool {
        if self.panic.is_some() {
            return false;
        }
        let call = &mut self.call;
        match catch_unwind(AssertUnwindSafe(|| call(fraction))) {
            Ok(go_on) => go_on,
            Err(panic) => {
                self.panic = Some(panic);
                false
            }
        }
    }

    /// After the library's call.
    pub(crate) fn finish(self) {
        if let Some(panic) = self.panic {
            resume_unwind(panic);
        }
    }
}

/// # Safety
/// `user` is [`Callback::user`] of a callback that lives and that nothing else uses.
pub(crate) unsafe extern "C" fn on_progress(user: *mut c_void, fraction: f64) {
    // SAFETY: the caller's promise.
    let callback = unsafe { &mut *(user as *mut Callback<'_>) };
    callback.run(fraction);
}

/// # Safety
/// As for [`on_progress`].
pub(crate) unsafe extern "C" fn on_feed_progress(user: *mut c_void, fraction: f64) -> i32 {
    // SAFETY: the caller's promise.
    let callback = unsafe { &mut *(user as *mut Callback<'_>) };
    i32::from(!callback.run(fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_take_two_calls() {
        let mut calls = 0;
        let values = array::<i32>(|out, capacity, count| {
            calls += 1;
            // SAFETY: `count` is a place for a number, `out` one for `capacity` of them.
            unsafe {
                *count = 3;
                for i in 0..capacity {
                    *out.add(i) = i as i32 + 7;
                }
            }
            onebit_sys::ONEBIT_OK
        });
        assert_eq!(values.unwrap(), [7, 8, 9]);
        assert_eq!(calls, 2);
    }

    #[test]
    fn texts_with_a_zero_byte_are_refused() {
        let error = c_text("path", "a\0b").unwrap_err();
        assert_eq!(error.message(), "path: a 0 byte at 1, expected none");
    }

    #[test]
    fn panics_wait_for_the_end_of_the_call() {
        let mut calls = 0;
        let mut body = |_: f64| -> bool {
            calls += 1;
            panic!("mine");
        };
        let mut callback = Callback::new(&mut body);
        let user = callback.user();
        for _ in 0..2 {
            // SAFETY: the callback lives, and only this uses it.
            assert_eq!(unsafe { on_feed_progress(user, 0.5) }, 1);
        }
        let caught = catch_unwind(AssertUnwindSafe(|| callback.finish())).unwrap_err();
        assert_eq!(caught.downcast_ref::<&str>(), Some(&"mine"));
        assert_eq!(calls, 1);
    }
}
