//! The option that says where the host writes pages.

use std::path::PathBuf;

use super::qemu::size;

/// Where the host writes pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paging {
    /// Nowhere.
    None,
    /// To a new disk of so many bytes.
    Disk(u64),
    /// To an image that is there.
    File(PathBuf),
    /// To memory of so many bytes, with what else the host is told of it.
    Model(u64, String),
}

impl Paging {
    /// What the option's value names.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        if let Some(model) = text.strip_prefix("model:") {
            let bytes = size(model.split(':').next().unwrap_or_default())?;
            return Ok(Self::Model(bytes, text.to_owned()));
        }
        Ok(match size(text) {
            Ok(bytes) => Self::Disk(bytes),
            Err(_) => Self::File(text.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_disk_and_a_word_a_file() {
        let parse = |text| Paging::parse(text).unwrap();
        assert_eq!(parse("none"), Paging::None);
        assert_eq!(parse("64M"), Paging::Disk(64 << 20));
        assert_eq!(parse("a/b.img"), Paging::File("a/b.img".into()));
        let model = "model:1M:100:10";
        assert_eq!(parse(model), Paging::Model(1 << 20, model.to_owned()));
        assert!(Paging::parse("model:x").is_err());
    }
}
