//! What the host finds in memory beside itself: the guests' image, parameters, perhaps a disk.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use boot::bundle::write::Writer;
use boot::bundle::{Kind, Owner};

use crate::images::check::Format;

/// The contents of a bundle.
#[derive(Debug, Default)]
pub struct Contents {
    /// The image that all guests run, and its format.
    pub image: Option<(Vec<u8>, Format)>,
    /// Each guest's parameter line.
    pub guest_parameters: Vec<String>,
    /// Commands for the host's operator.
    pub script: Option<String>,
    /// The files, where they are not on a disk.
    pub disk: Option<Vec<u8>>,
}

impl Contents {
    /// Writes the bundle; returns its length in bytes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<u64> {
        let mut writer = Writer::new();
        if let Some((image, format)) = &self.image {
            let kind = if *format == Format::Elf {
                Kind::Elf
            } else {
                Kind::Flat
            };
            writer.add(kind, Owner::All, "image", image.as_slice())?;
        }
        for (guest, line) in (0..).zip(&self.guest_parameters) {
            let name = format!("parameters-{guest}");
            writer.add(
                Kind::GuestParameters,
                Owner::Guest(guest),
                &name,
                line.as_bytes(),
            )?;
        }
        if let Some(script) = &self.script {
            writer.add(Kind::Script, Owner::All, "script", script.as_bytes())?;
        }
        if let Some(disk) = &self.disk {
            writer.add(Kind::Disk, Owner::All, "files", disk.as_slice())?;
        }
        writer.write(BufWriter::new(File::create(path)?))
    }
}

#[cfg(test)]
mod tests {
    use boot::bundle::Bundle;

    use super::*;

    #[test]
    fn the_host_finds_what_was_put_in() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let contents = Contents {
            image: Some((b"image".to_vec(), Format::Elf)),
            guest_parameters: vec!["seed=1".to_owned(), "seed=2".to_owned()],
            script: Some("op=list".to_owned()),
            disk: Some(vec![7; 5000]),
        };
        let length = contents.write(file.path()).unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        assert_eq!(bytes.len() as u64, length);
        let bundle = Bundle::parse(&bytes).unwrap();
        let text = |guest| {
            bundle
                .find(Kind::GuestParameters, guest)
                .unwrap()
                .text()
                .unwrap()
        };
        assert_eq!((text(0), text(1)), ("seed=1", "seed=2"));
        assert_eq!(
            bundle.find(Kind::Elf, 1).unwrap().verify().unwrap(),
            b"image"
        );
        let script = bundle.find(Kind::Script, 1).unwrap();
        assert_eq!(script.text().unwrap(), "op=list");
        assert_eq!(
            bundle.find(Kind::Disk, 0).unwrap().verify().unwrap(),
            [7; 5000]
        );
        assert!(bundle.find(Kind::Flat, 0).is_none());
    }
}
