//! An image as a deck of cards: records of 80 bytes that a card reader, real or virtual, is IPLed from.

use super::flat::{BUNDLE, Flat, IMAGE};
use super::loader::{self, CARD, Segment};

/// Cuts bytes into at least `least` cards; the last ones are filled up with zeroes.
pub(super) fn cut(bytes: &[u8], least: usize) -> Vec<[u8; CARD]> {
    let mut cards: Vec<_> = bytes
        .chunks(CARD)
        .map(|chunk| {
            let mut card = [0; CARD];
            card[..chunk.len()].copy_from_slice(chunk);
            card
        })
        .collect();
    cards.resize(cards.len().max(least), [0; CARD]);
    cards
}

/// The whole deck.
pub(super) fn deck(flat: &Flat, bundle: &[u8]) -> Vec<u8> {
    let parts = [(IMAGE, &*flat.0), (BUNDLE, bundle)];
    let cut = parts.map(|(address, bytes)| (address, cut(bytes, 0)));
    let segments = cut.each_ref().map(|(address, cards)| Segment {
        address: *address as u32,
        cards: cards.len() as u32,
    });
    let mut deck = loader::cards(&segments);
    deck.extend(cut.into_iter().flat_map(|(_, cards)| cards));
    deck.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deck_is_whole_cards_and_its_table_counts_them() {
        let flat = Flat(vec![1; 161]);
        let deck = deck(&flat, &[2; 80]);
        let front = loader::cards(&[]).len();
        assert_eq!(deck.len(), (front + 3 + 1) * CARD);
        let body = &deck[front * CARD..];
        assert!(body[..161].iter().all(|byte| *byte == 1));
        assert!(body[161..240].iter().all(|byte| *byte == 0));
        assert!(body[240..].iter().all(|byte| *byte == 2));
        let table = [0, 1, 0, 0, 0, 0, 0, 3, 0, 0x80, 0, 0, 0, 0, 0, 1];
        let front = &deck[..front * CARD];
        assert!(front.windows(table.len()).any(|bytes| bytes == table));
    }
}
