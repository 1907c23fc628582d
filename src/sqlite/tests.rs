use super::*;

const SCHEMA: &[&str] = &["CREATE TABLE t (n INTEGER PRIMARY KEY)"];

fn insert(n: i64) -> impl FnOnce(&Tx) -> Result<(), Error> + Send + 'static {
    move |tx| {
        tx.execute("INSERT INTO t VALUES (?1)", [n])?;
        Ok(())
    }
}

async fn count(database: &Database) -> i64 {
    database.read(|tx| Ok(tx.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)).await.unwrap()
}

#[tokio::test]
async fn a_failed_write_leaves_its_neighbours_alone() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(&directory.path().join("db"), SCHEMA).unwrap();
    let (first, second, third) =
        tokio::join!(database.write(insert(1)), database.write(insert(1)), database.write(insert(2)));
    assert!(first.is_ok() && second.is_err() && third.is_ok());
    assert_eq!(count(&database).await, 2);
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(&directory.path().join("db"), SCHEMA).unwrap();
    database.write_later(insert(1));
    database.write(insert(2)).await.unwrap();
    assert_eq!(count(&database).await, 2);
}

#[test]
fn a_file_of_a_newer_program_is_refused_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    drop(Database::open(&path, &["CREATE TABLE t (n)", "CREATE TABLE u (n)"]).unwrap());
    let refused = Database::open(&path, SCHEMA).err().unwrap();
    assert!(matches!(refused, OpenError::Migrate { source: MigrationError::Newer { found: 2, known: 1 }, .. }));
}

#[test]
fn an_upgrade_keeps_a_copy_of_what_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sqlite");
    drop(Database::open(&path, SCHEMA).unwrap());
    drop(Database::open(&path, &["CREATE TABLE t (n INTEGER PRIMARY KEY)", "CREATE TABLE u (n)"]).unwrap());
    assert!(directory.path().join("db.schema-1.sqlite").exists());
}
