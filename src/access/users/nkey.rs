//! Nkeys: Ed25519 keys in the form that NATS gives them.
//!
//! The public key of a user is 35 bytes in base32 (RFC 4648, section 6): a byte that makes the first letter a `U`, the key,
//! and a checksum of both. Whoever has the private key signs the nonce of the server's INFO with it.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};

/// A user's public key.
#[derive(Clone)]
pub(super) struct UserKey(DecodingKey);

impl UserKey {
    /// Reads a key as people write it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = decode(text)?;
        // The library takes the key as a JWK has it.
        DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(bytes)).ok().map(Self)
    }

    /// Whether the nonce was signed with the private half. The signature may be in either alphabet of base64.
    pub(super) fn has_signed(&self, nonce: &[u8], signature: &str) -> bool {
        let either = |engine: &GeneralPurpose| engine.decode(signature).ok();
        let bytes = either(&URL_SAFE).or_else(|| either(&STANDARD)).filter(|bytes| bytes.len() == 64);
        let Some(bytes) = bytes.filter(|_| !nonce.is_empty()) else { return false };
        matches!(crypto::verify(&URL_SAFE_NO_PAD.encode(bytes), nonce, &self.0, Algorithm::EdDSA), Ok(true))
    }
}

/// Whether this is the public key of a user.
pub fn is_user_key(text: &str) -> bool {
    decode(text).is_some()
}

/// The key within the text.
fn decode(text: &str) -> Option<[u8; 32]> {
    if text.len() != TEXT_BYTES {
        return None;
    }
    let mut bytes = [0_u8; TEXT_BYTES * 5 / 8];
    for (at, letter) in text.bytes().enumerate() {
        let five_bits = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        for bit in 0..5 {
            let to = at * 5 + bit;
            bytes[to / 8] |= (five_bits >> (4 - bit) & 1) << (7 - to % 8);
        }
    }
    let (body, sum) = bytes.split_at(33);
    let is_good = body[0] == USER && sum == checksum(body).to_le_bytes();
    if is_good { body[1..].try_into().ok() } else { None }
}

/// CRC-16 with the polynomial of CCITT, from zero on (XMODEM).
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(
            sum ^ u16::from(*byte) << 8,
            |sum, _| {
                if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 }
            },
        )
    })
}

/// Letters of a public key: 35 bytes, eight letters for each five.
const TEXT_BYTES: usize = 56;
/// The byte in front of a user's key: 20 is the place of `U` among the letters of base32.
const USER: u8 = 20 << 3;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);

#[cfg(test)]
mod tests {
    use super::*;

    // Made by the Python package nkeys 0.2.1 from the seed of the bytes 0 to 31.
    const KEY: &str = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK";
    const ACCOUNT: &str = "AAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QPZV";
    const NONCE: &[u8] = b"PXoWU7zWAMt75FY";
    const SIGNATURE: &str =
        "bnxg5G8aOV2LQdSE_lcM9clxm_fbTTZxsqQ1EpTNgJXmH6z5ezesd49kXfuNhoAqw_DmEtsGcNsJdug9wMuRDQ";

    #[test]
    fn the_nonce_is_signed_with_the_key() {
        let key = UserKey::parse(KEY).unwrap();
        let standard = SIGNATURE.replace('-', "+").replace('_', "/");
        for signature in [SIGNATURE, &standard, &format!("{SIGNATURE}=="), &format!("{standard}==")] {
            assert!(key.has_signed(NONCE, signature), "{signature}");
        }
        assert!(!key.has_signed(b"PXoWU7zWAMt75FZ", SIGNATURE));
        assert!(!key.has_signed(b"", SIGNATURE));
        for cut in 0..SIGNATURE.len() {
            assert!(!key.has_signed(NONCE, &SIGNATURE[..cut]), "{cut}");
        }
        assert!(!key.has_signed(NONCE, &format!("{SIGNATURE}A")));
        assert!(!key.has_signed(NONCE, &"A".repeat(86)));
        assert!(!key.has_signed(NONCE, "not base64!"));
    }

    #[test]
    fn every_letter_of_a_key_counts() {
        assert!(is_user_key(KEY));
        assert!(!is_user_key(ACCOUNT), "that of an account");
        assert!(!is_user_key(&KEY.to_lowercase()));
        for at in 0..KEY.len() {
            assert!(!is_user_key(&KEY[..at]));
            for other in ["A", "B", "7", "1", "ä"] {
                if !KEY[at..].starts_with(other) {
                    let changed = format!("{}{other}{}", &KEY[..at], &KEY[at + 1..]);
                    assert!(!is_user_key(&changed), "{changed}");
                }
            }
        }
        assert!(!is_user_key(&format!("{KEY}A")));
    }

    /// The check value of CRC-16/XMODEM in every catalogue of checksums.
    #[test]
    fn the_checksum_is_xmodems() {
        assert_eq!(checksum(b"123456789"), 0x31c3);
    }
}
