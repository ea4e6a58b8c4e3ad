//! Writing and reading the pieces that messages are made of.

use std::ffi::{CStr, CString};

use super::{STRINGS_MAX, WireError};

/// "No limit": a number that no limit can have.
const UNLIMITED: u64 = u64::MAX;

/// Builds a message.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn limit(&mut self, value: Option<u64>) -> &mut Self {
        self.u64(value.unwrap_or(UNLIMITED))
    }

    pub(super) fn string(&mut self, value: &CStr) -> &mut Self {
        self.bytes(value.to_bytes_with_nul())
    }

    pub(super) fn strings(&mut self, values: &[CString]) -> Result<&mut Self, WireError> {
        let count = u32::try_from(values.len())
            .ok()
            .filter(|count| *count <= STRINGS_MAX);
        self.u32(count.ok_or(WireError::TooLarge)?);
        for value in values {
            self.string(value);
        }
        Ok(self)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes a message apart; whatever is missing is [`WireError::Malformed`].
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, WireError> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn limit(&mut self) -> Result<Option<u64>, WireError> {
        self.u64()
            .map(|value| (value != UNLIMITED).then_some(value))
    }

    pub(super) fn string(&mut self) -> Result<CString, WireError> {
        let value = CStr::from_bytes_until_nul(self.0)
            .ok()
            .ok_or(WireError::Malformed)?;
        self.0 = self
            .0
            .get(value.to_bytes_with_nul().len()..)
            .unwrap_or_default();
        Ok(value.to_owned())
    }

    pub(super) fn strings(&mut self) -> Result<Vec<CString>, WireError> {
        let count = self.u32()?;
        if count > STRINGS_MAX {
            return Err(WireError::Malformed);
        }
        (0..count).map(|_| self.string()).collect()
    }

    /// The rest of the message: 36 characters, the name of an instance.
    pub(super) fn text(&mut self) -> Result<String, WireError> {
        let text: [u8; 36] = self.array()?;
        String::from_utf8(text.to_vec())
            .ok()
            .ok_or(WireError::Malformed)
    }

    pub(super) fn end(&self) -> Result<(), WireError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(WireError::Malformed)
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (value, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(WireError::Malformed)?;
        self.0 = rest;
        Ok(*value)
    }
}
