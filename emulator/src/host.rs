//! The host's side of things that the system takes as arguments: clock, randomness, signals.

use cp::clock::Clock;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The host's clock, in the system's time zone.
pub struct HostClock {
    zone: TimeZone,
}

impl HostClock {
    /// A clock in the named zone, or in the host's own.
    ///
    /// # Errors
    /// The name, when the host's time zone database does not have it.
    pub fn new(zone: Option<&str>) -> Result<Self, String> {
        let zone = match zone {
            None => TimeZone::system(),
            Some(name) => TimeZone::get(name).map_err(|e| format!("[system] timezone '{name}': {e}"))?,
        };
        Ok(Self { zone })
    }
}

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn zone(&self) -> TimeZone {
        self.zone.clone()
    }
}

/// Characters of generated passwords: upper case and digits without those that look alike.
const PASSWORD_ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Length of generated passwords: what a VM password field holds.
const PASSWORD_CHARS: usize = 8;

/// Octets from the host's random source.
///
/// # Errors
/// The host's error.
pub fn random(buffer: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(buffer).map_err(|e| std::io::Error::other(e.to_string()))
}

/// A password of eight characters, about 40 bits.
///
/// # Errors
/// The host's error, when there is no randomness to be had.
pub fn random_password() -> std::io::Result<String> {
    let mut bytes = [0u8; PASSWORD_CHARS];
    random(&mut bytes)?;
    // 32 characters: every octet picks one without bias.
    Ok(bytes
        .iter()
        .map(|b| char::from(PASSWORD_ALPHABET[usize::from(*b) % PASSWORD_ALPHABET.len()]))
        .collect())
}
