//! Placeholder.
use super::*;
/// i
#[derive(Debug)] pub struct CompiledIntent;
/// r
#[derive(Debug)] pub struct CompiledRule;
/// w
#[derive(Debug)] pub struct CompiledWorker;
/// e
#[derive(Debug, thiserror::Error)] #[error("{path}: {message}")] pub struct PolicyError { /// p
 pub path: String, /// m
 pub message: String }
pub(super) fn compile(source: PolicySource) -> Result<Policy, PolicyError> { Ok(Policy::assemble(source, Vec::new(), BTreeMap::new(), BTreeMap::new())) }
