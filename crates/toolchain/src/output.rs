//! Writing components.

use std::{fs, io::Write, path::Path};

use crate::BuildError;

/// Writes a file whole or not at all; `false` when it was there already with these bytes.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool, BuildError> {
    if fs::read(path).is_ok_and(|existing| existing == bytes) {
        return Ok(false);
    }
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(BuildError::file(dir))?;
    let mut file = tempfile::Builder::new()
        .prefix(".building-")
        .tempfile_in(dir)
        .map_err(BuildError::file(dir))?;
    file.write_all(bytes).map_err(BuildError::file(file.path()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let readable = fs::Permissions::from_mode(0o644);
        file.as_file()
            .set_permissions(readable)
            .map_err(BuildError::file(path))?;
    }
    file.persist(path)
        .map_err(|error| BuildError::file(path)(error.error))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c.wasm");
        assert!(write_if_changed(&path, b"one").unwrap());
        assert!(!write_if_changed(&path, b"one").unwrap());
        assert!(write_if_changed(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
