//! What a case has left: registers, details of interruptions, storage.

use super::case::RESULT;

/// Its bytes.
pub(crate) struct Result(Vec<u8>);

/// A part of it: its name, where it begins, its length.
type Field = (&'static str, usize, usize);

/// The parts by name. Old PSWs and details are as they stand in the lowcore; what nobody has stored is 11.
const FIELDS: &[Field] = &[
    ("external parameter", 0, 4),
    ("external code", 4, 4),
    ("supervisor-call code", 8, 4),
    ("program-interruption length", 12, 2),
    ("program-interruption code", 14, 2),
    ("data-exception code", 16, 4),
    ("monitor class", 20, 2),
    ("PER details", 22, 10),
    ("exception access id", 32, 1),
    ("other access ids", 33, 7),
    ("translation-exception identification", 40, 8),
    ("monitor code", 48, 8),
    ("input/output details", 56, 16),
    ("facility list", 72, 8),
    ("restart old PSW", 80, 16),
    ("external old PSW", 96, 16),
    ("supervisor-call old PSW", 112, 16),
    ("program old PSW", 128, 16),
    ("machine-check old PSW", 144, 16),
    ("input/output old PSW", 160, 16),
    ("general registers", 176, 128),
    ("control registers", 304, 128),
    ("access registers", 432, 64),
    ("floating-point registers", 496, 128),
    ("floating-point control", 624, 4),
    ("prefix", 628, 4),
    ("class of the interruption", 632, 8),
    ("storage keys", 640, 16),
    ("storage", 656, 64),
];

impl Result {
    /// The result that a line holds, if it is one.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let byte = |at| u8::from_str_radix(line.get(2 * at..2 * at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..RESULT).map(byte).collect();
        bytes.filter(|_| line.len() == 2 * RESULT).map(Self)
    }

    /// The code of the program interruption, if there was one.
    pub(crate) fn program_code(&self) -> u16 {
        u16::from_be_bytes([self.0[14], self.0[15]])
    }

    /// A part.
    pub(crate) fn part(&self, name: &str) -> &[u8] {
        let field = FIELDS.iter().find(|field| field.0 == name);
        let (_, start, length) = field.expect("the part has this name");
        &self.0[*start..start + length]
    }

    /// The parts in which two results differ.
    pub(crate) fn differing(&self, other: &Self) -> Vec<&'static str> {
        let differs = |(_, start, length): &&Field| {
            let range = *start..start + length;
            self.0[range.clone()] != other.0[range]
        };
        let fields = FIELDS.iter().filter(differs);
        fields.map(|(name, ..)| *name).collect()
    }

    /// For people: these parts of both.
    pub(crate) fn tell(&self, hosted: &Self, names: &[&str]) -> String {
        let fields = FIELDS.iter().filter(|(name, ..)| names.contains(name));
        let texts = fields.map(|(name, start, length)| {
            let range = *start..start + length;
            let pieces = self.0[range.clone()]
                .chunks(8)
                .zip(hosted.0[range].chunks(8));
            let differing = pieces
                .enumerate()
                .filter(|(_, (bare, hosted))| bare != hosted);
            let pieces = differing.map(|(number, (bare, hosted))| {
                format!("{number}: {} bare, {} hosted", hex(bare), hex(hosted))
            });
            format!("{name} {}", pieces.collect::<Vec<_>>().join(", "))
        });
        texts.collect::<Vec<_>>().join("; ")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
