//! What a secret key and a public key make (RFC 7748): by graviola, whose proven assembly is nearly three times as fast
//! as portable code, where the processor has what it needs; else by curve25519-dalek.

use curve25519_dalek::montgomery::MontgomeryPoint;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The point that both sides arrive at; `None`: the public key is one of the few with which every secret makes zero.
pub(super) fn shared_point(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    if fast::works() { fast::shared_point(secret, public) } else { portable::shared_point(secret, public) }
}

/// The public key of a secret one.
pub(super) fn public_of(secret: &[u8; 32]) -> [u8; 32] {
    if fast::works() { fast::public_of(secret) } else { portable::public_of(secret) }
}

mod portable {
    use super::*;

    pub(super) fn shared_point(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        let point = Zeroizing::new(MontgomeryPoint(*public).mul_clamped(*secret).0);
        (!bool::from(point.ct_eq(&[0; 32]))).then_some(point)
    }

    pub(super) fn public_of(secret: &[u8; 32]) -> [u8; 32] {
        MontgomeryPoint::mul_base_clamped(*secret).0
    }
}

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
mod fast {
    use graviola::key_agreement::x25519::{PublicKey, StaticPrivateKey};

    use super::*;

    /// Whether the processor has all that graviola needs, which panics where it has not.
    pub(super) fn works() -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            has!("aes")
                && has!("pclmulqdq")
                && has!("bmi1")
                && has!("bmi2")
                && has!("adx")
                && has!("avx")
                && has!("avx2")
        }
        #[cfg(target_arch = "aarch64")]
        {
            use std::arch::is_aarch64_feature_detected as has;
            has!("neon") && has!("aes") && has!("pmull") && has!("sha2")
        }
    }

    pub(super) fn shared_point(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        let shared = StaticPrivateKey::from_array(secret).diffie_hellman(&PublicKey::from_array(public));
        shared.ok().map(|shared| Zeroizing::new(shared.0))
    }

    pub(super) fn public_of(secret: &[u8; 32]) -> [u8; 32] {
        StaticPrivateKey::from_array(secret).public_key().as_bytes()
    }
}

#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
mod fast {
    pub(super) use super::portable::{public_of, shared_point};

    pub(super) fn works() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The agreement of RFC 7748, section 6.1.
    #[test]
    fn alice_and_bob_agree_as_in_the_specification() {
        let alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let both = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        let of_alice = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        assert_eq!(public_of(&alice), of_alice);
        assert_eq!(shared_point(&alice, &public_of(&bob)).as_deref(), Some(&both));
        assert_eq!(shared_point(&bob, &of_alice).as_deref(), Some(&both));
    }

    #[test]
    fn fast_and_portable_are_the_same() {
        if !fast::works() {
            return;
        }
        let mut keys: Vec<[u8; 32]> = (0..64).map(|_| crate::mechanism::curve::random().unwrap()).collect();
        // Around the prime, its multiples with the bit that does not count, and the points of small order.
        let small = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ];
        keys.extend(small.map(hex));
        keys.push([0xff; 32]);
        let secrets = keys.clone();
        for secret in &secrets {
            assert_eq!(fast::public_of(secret), portable::public_of(secret));
            for public in &keys {
                assert_eq!(fast::shared_point(secret, public), portable::shared_point(secret, public), "{public:x?}");
            }
        }
        for public in small.map(hex) {
            assert_eq!(shared_point(&[7; 32], &public), None, "{public:x?}");
        }
    }

    fn hex(text: &str) -> [u8; 32] {
        std::array::from_fn(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
    }
}
