//! Bytes that may never change.
