//! Files that users write, read with a bound.

use std::path::Path;

/// The text of a file of at most `most` bytes.
pub fn read_text(path: &Path, most: u64) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > most {
        return Err(format!("{size} bytes are more than such a file may have ({most})"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(
            read_text(&path, 4).unwrap_err(),
            "5 bytes are more than such a file may have (4)"
        );
        assert!(read_text(&dir.path().join("absent"), 9).is_err());
    }
}
