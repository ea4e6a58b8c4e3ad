//! Numbered migrations of the log's schema, each in one transaction and never changed once it
//! has run anywhere.
//!
//! In: which have run, with the SHA-256 of each. Out: the views, which are made anew instead.

use antiphon_engine::fail;
use antiphon_engine::ports::store::StoreError;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// `application_id` of the log: `Antp` in ASCII.
pub(crate) const APPLICATION_ID: i32 = 0x416E_7470;

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

/// Every migration, oldest first, numbered from 1.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "log",
    sql: include_str!("../migrations/0001_log.sql"),
}];

/// Brings the database behind `connection` to the newest schema.
///
/// # Errors
/// [`StoreError::Version`] when a newer program has migrated it; [`StoreError::Damaged`] when it is
/// another program's, or a migration that ran is not the one that we know.
pub(crate) fn migrate(
    connection: &mut Connection,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let done = check(connection, migrations)?;
    for migration in migrations
        .iter()
        .filter(|migration| migration.version > done)
    {
        run(connection, migration).map_err(|error| error.of_store("migrated", 0))?;
    }
    Ok(())
}

/// The newest migration that has run; 0 for an empty database.
pub(crate) fn check(connection: &Connection, migrations: &[Migration]) -> Result<u32, StoreError> {
    let known = migrations.last().map_or(0, |migration| migration.version);
    let (application, found, tables) =
        identity(connection).map_err(|error| error.of_store("opened", 0))?;
    if application == 0 && found == 0 && tables == 0 {
        return Ok(0);
    }
    let damaged = |what: String| StoreError::Damaged { seq: 0, what };
    if application != APPLICATION_ID {
        return Err(damaged("the file is another program's database".to_owned()));
    }
    if found > known {
        return Err(StoreError::Version { found, known });
    }
    for migration in migrations
        .iter()
        .filter(|migration| migration.version <= found)
    {
        let recorded =
            checksum(connection, migration.version).map_err(|error| error.of_store("opened", 0))?;
        if recorded.as_deref() != Some(Sha256::digest(migration.sql).as_slice()) {
            let Migration { version, name, .. } = migration;
            return Err(damaged(format!(
                "migration {version:04}_{name} is not the one that ran"
            )));
        }
    }
    Ok(found)
}

fn identity(connection: &Connection) -> Result<(i32, u32, u32), Error> {
    let application = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables = "SELECT count(*) FROM sqlite_schema";
    Ok((
        application,
        version,
        connection.query_row(tables, [], |row| row.get(0))?,
    ))
}

fn checksum(connection: &Connection, version: u32) -> Result<Option<Vec<u8>>, Error> {
    let sql = "SELECT sha256 FROM migration WHERE version = ?1";
    Ok(connection
        .query_row(sql, [version], |row| row.get(0))
        .optional()?)
}

fn run(connection: &mut Connection, migration: &Migration) -> Result<(), Error> {
    let Migration { version, name, sql } = *migration;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {version};
         CREATE TABLE IF NOT EXISTS migration (
             version INTEGER PRIMARY KEY,
             name    TEXT NOT NULL,
             sha256  BLOB NOT NULL
         ) STRICT;"
    ))?;
    transaction.execute_batch(sql)?;
    transaction.execute(
        "INSERT INTO migration (version, name, sha256) VALUES (?1, ?2, ?3)",
        (version, name, Sha256::digest(sql).as_slice()),
    )?;
    fail::step("start.migrated")?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Migration = Migration {
        version: 1,
        name: "a",
        sql: "CREATE TABLE a (x);",
    };
    const SECOND: Migration = Migration {
        version: 2,
        name: "b",
        sql: "CREATE TABLE b (x);",
    };
    const BROKEN: Migration = Migration {
        version: 2,
        name: "b",
        sql: "CREATE TABLE b (x); CREATE TABLE a (x);",
    };

    fn migrated(migrations: &[Migration]) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, migrations).unwrap();
        connection
    }

    #[test]
    fn a_migration_runs_once_and_the_next_follows() {
        let mut connection = migrated(&[FIRST]);
        migrate(&mut connection, &[FIRST]).unwrap();
        migrate(&mut connection, &[FIRST, SECOND]).unwrap();
        assert_eq!(check(&connection, &[FIRST, SECOND]).unwrap(), 2);
        connection
            .execute_batch("SELECT a.x, b.x FROM a, b")
            .unwrap();
    }

    #[test]
    fn a_migration_that_was_changed_refuses_to_open() {
        let mut connection = migrated(&[FIRST]);
        let changed = Migration {
            sql: "CREATE TABLE a (x, y);",
            ..FIRST
        };
        let error = migrate(&mut connection, &[changed]).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_newer_schema_refuses_to_open() {
        let mut connection = migrated(&[FIRST, SECOND]);
        let error = migrate(&mut connection, &[FIRST]).unwrap_err();
        assert!(
            matches!(error, StoreError::Version { found: 2, known: 1 }),
            "{error}"
        );
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing() {
        let mut connection = migrated(&[FIRST]);
        migrate(&mut connection, &[FIRST, BROKEN]).unwrap_err();
        assert_eq!(check(&connection, &[FIRST]).unwrap(), 1);
        migrate(&mut connection, &[FIRST, SECOND]).unwrap();
    }

    #[test]
    fn another_programs_database_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        let error = migrate(&mut connection, &[FIRST]).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
}
