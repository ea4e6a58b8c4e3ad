//! Ledgers where they lie: roots, exported folders, evidence bundles, proofs of forks; read, judged
//! and written.
//!
//! In: paths. Out: audits, folders, proofs. Nothing here needs an owner: a root is read beside one
//! that runs. Not here: what makes a ledger good (`antiphon-ledger`), who says it (the commands).

pub(crate) mod compare;
pub(crate) mod error;
pub(crate) mod export;
pub(crate) mod judge;
pub(crate) mod live;
pub(crate) mod place;
pub(crate) mod prove;
pub(crate) mod remembered;
pub(crate) mod run;
pub(crate) mod source;
