//! The sections `[ledger]` and `[[witness]]`: who is asked for cosignatures, and how many there
//! must be.

use antiphon_core::name::AgentName;
use antiphon_engine::cosign::{CosigningPolicy, OnMissing};
use antiphon_ledger::key::{Algorithm, KeyError, VerifierKey};
use antiphon_witness::Prefix;

use super::error::ConfigError;
use super::keys::LEDGER;
use super::table::{SourceFile, Table};
use super::{inner, once};

/// Who is asked, and how much is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witnesses {
    /// How many cosignatures there must be, and what follows without.
    pub policy: CosigningPolicy,
    /// The witnesses, in configured order.
    pub list: Vec<WitnessConfig>,
}

/// One witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessConfig {
    /// Its name, for people.
    pub name: String,
    /// Where it is asked, as it was written.
    pub url: String,
    /// Where it is asked.
    pub prefix: Prefix,
    /// The key that its cosignatures are checked with.
    pub key: VerifierKey,
}

pub(super) fn read(roots: &[Table<'_>], nothing: &SourceFile) -> Result<Witnesses, ConfigError> {
    let mut list: Vec<WitnessConfig> = Vec::new();
    for root in roots {
        for table in root.tables("witness")? {
            let witness = witness(&table)?;
            if list.iter().any(|before| before.name == witness.name) {
                return Err(table.bad("name", "is that of another witness"));
            }
            if list.iter().any(|before| before.key == witness.key) {
                return Err(table.bad("key", "is that of another witness"));
            }
            list.push(witness);
        }
    }
    let tables = inner(roots, "ledger", nothing, LEDGER)?;
    let required = once(&tables, "cosignatures_required", Table::integer)?.unwrap_or(0);
    let required = usize::try_from(required).unwrap_or(usize::MAX);
    let asks = tables.iter().find(|it| it.has("cosignatures_required"));
    if let Some(table) = asks.filter(|_asks| required > list.len()) {
        let message = format!(
            "asks for more than the {} witnesses that are named",
            list.len()
        );
        return Err(table.bad("cosignatures_required", message));
    }
    let on_missing = match once(&tables, "on_missing", Table::choice)? {
        Some("stop") => OnMissing::Stop,
        _ => OnMissing::Alarm,
    };
    Ok(Witnesses {
        policy: CosigningPolicy {
            required,
            on_missing,
        },
        list,
    })
}

fn witness(table: &Table<'_>) -> Result<WitnessConfig, ConfigError> {
    let name: AgentName = table.must("name", Table::name)?;
    let url = table.must("url", Table::text)?;
    let prefix = url
        .parse()
        .map_err(|error: antiphon_witness::PrefixError| {
            table.bad("url", format!("is no place of a witness: {error}"))
        })?;
    let key: VerifierKey = table
        .must("key", Table::text)?
        .parse()
        .map_err(|error: KeyError| table.bad("key", format!("is wrong: {error}")))?;
    if key.algorithm() != Algorithm::CosignatureV1 {
        return Err(table.bad("key", "is the key of a log, not of a witness"));
    }
    Ok(WitnessConfig {
        name: name.to_string(),
        url,
        prefix,
        key,
    })
}
