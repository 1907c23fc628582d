//! The name by which everything of this data directory is labelled in the engine.

use std::{fs, io, path::Path};

/// The directory's id: made at the first start, the same ever after. In a file of its own, so that
/// an operator can ask the engine for what belongs to it.
pub fn instance_id(directory: &Path) -> io::Result<String> {
    if let Some(id) = existing_instance(directory)? {
        return Ok(id);
    }
    let path = directory.join("instance");
    // The random part of a version 7 UUID.
    let id = uuid::Uuid::now_v7().simple().to_string().split_off(20);
    fs::write(&path, format!("{id}\n"))?;
    Ok(id)
}

/// The directory's id, if a service was ever started in it.
pub fn existing_instance(directory: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(directory.join("instance")) {
        Ok(id) => Ok(Some(id.trim().to_owned()).filter(|id| !id.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stays_the_same() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(existing_instance(directory.path()).unwrap(), None);
        let id = instance_id(directory.path()).unwrap();
        assert_eq!(id.len(), 12);
        assert_eq!(instance_id(directory.path()).unwrap(), id);
    }
}
