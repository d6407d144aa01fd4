//! Errors as values.

use std::fmt;

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument that has no meaning, such as the name of no instruction set.
    Argument,
    /// The operating system refused: open, read, map.
    Io,
    /// Bytes that break the format they claim to have.
    Format,
    /// Well formed, but not something that the library implements.
    Unsupported,
    /// A value outside its range, a full context.
    OutOfRange,
    /// No memory.
    OutOfMemory,
    /// An accelerator or its driver.
    Device,
    /// The caller asked to stop.
    Cancelled,
    /// In use by another call, or a queue is full.
    Busy,
    /// Not in a state for this call, such as an empty text to go on from.
    State,
    /// A kind of device that the library was built without.
    Unavailable,
    /// A mistake of the library.
    Internal,
}

impl ErrorKind {
    pub(crate) fn from_status(status: i32) -> ErrorKind {
        match status {
            onebit_sys::ONEBIT_ERROR_ARGUMENT | onebit_sys::ONEBIT_ERROR_TOO_SMALL => ErrorKind::Argument,
            onebit_sys::ONEBIT_ERROR_IO => ErrorKind::Io,
            onebit_sys::ONEBIT_ERROR_FORMAT => ErrorKind::Format,
            onebit_sys::ONEBIT_ERROR_UNSUPPORTED => ErrorKind::Unsupported,
            onebit_sys::ONEBIT_ERROR_OUT_OF_RANGE => ErrorKind::OutOfRange,
            onebit_sys::ONEBIT_ERROR_OUT_OF_MEMORY => ErrorKind::OutOfMemory,
            onebit_sys::ONEBIT_ERROR_DEVICE => ErrorKind::Device,
            onebit_sys::ONEBIT_ERROR_CANCELLED => ErrorKind::Cancelled,
            onebit_sys::ONEBIT_ERROR_BUSY => ErrorKind::Busy,
            onebit_sys::ONEBIT_ERROR_STATE => ErrorKind::State,
            onebit_sys::ONEBIT_ERROR_UNAVAILABLE => ErrorKind::Unavailable,
            _ => ErrorKind::Internal,
        }
    }
}

/// What went wrong: a kind for programs, a message for people that names the thing, the value and what was expected.
///
/// ```
/// use onebit::{ErrorKind, Model};
/// let error = Model::load("/does/not/exist.gguf").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Io);
/// assert!(error.message().contains("/does/not/exist.gguf"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            kind,
            message: message.into(),
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message, without a trailing full stop.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_but_one_has_a_kind() {
        let kinds: Vec<ErrorKind> = (1..=13).map(ErrorKind::from_status).collect();
        assert_eq!(kinds.iter().filter(|k| **k == ErrorKind::Internal).count(), 1);
        assert_eq!(kinds[12], ErrorKind::Internal);
        assert_eq!(ErrorKind::from_status(99), ErrorKind::Internal);
    }

    #[test]
    fn displays_its_message() {
        let error: Box<dyn std::error::Error + Send + Sync> = Box::new(Error::new(ErrorKind::Io, "model.gguf: no such file"));
        assert_eq!(error.to_string(), "model.gguf: no such file");
    }
}
