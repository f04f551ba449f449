//! Values as text, as on a command line: read, printed, and checked for what the machine can hold.

use std::time::Duration;

use zmtp::Frame;

use super::{AddressFilter, FileMode};

/// A value of an option.
pub(super) trait TextValue: Sized {
    /// Reads it; `None`: the text is no such value.
    fn parse(text: &str) -> Option<Self>;

    /// Prints it so that [`parse`](TextValue::parse) reads the same value.
    fn print(&self) -> String;

    /// Whether the engine can reckon with it, whatever the option.
    fn is_sane(&self) -> bool {
        true
    }
}

macro_rules! text_value_numbers {
    ($($number:ty),*) => {
        $(impl TextValue for $number {
            fn parse(text: &str) -> Option<$number> {
                text.parse().ok()
            }

            fn print(&self) -> String {
                self.to_string()
            }
        })*
    };
}

text_value_numbers!(i32, u32, u64, usize);

impl TextValue for bool {
    fn parse(text: &str) -> Option<bool> {
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "on" | "yes" => Some(true),
            "0" | "false" | "off" | "no" => Some(false),
            _ => None,
        }
    }

    fn print(&self) -> String {
        u8::from(*self).to_string()
    }
}

impl TextValue for Duration {
    /// A number and `us`, `ms`, `s` or `m`; milliseconds if there is no unit, as in C.
    fn parse(text: &str) -> Option<Duration> {
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(split)?;
        let unit_nanos: u128 = match unit.trim() {
            "us" | "µs" => 1_000,
            "" | "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" | "min" => 60_000_000_000,
            _ => return None,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        // No unit has more than that.
        let part = part.get(..PART_DIGITS).unwrap_or(part);
        let digits = format!("{whole}{part}").parse::<u128>().ok()?;
        let nanos = digits.checked_mul(unit_nanos)? / 10u128.pow(part.len() as u32);
        let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
        Some(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
    }

    fn print(&self) -> String {
        match (self.as_secs(), self.subsec_nanos()) {
            (seconds, 0) if seconds > 0 => format!("{seconds}s"),
            (_, nanos) if nanos % 1_000_000 == 0 => format!("{}ms", self.as_millis()),
            (_, nanos) if nanos % 1_000 == 0 => format!("{}us", self.as_micros()),
            (_, nanos) => format!("{}.{:03}us", self.as_micros(), nanos % 1_000),
        }
    }

    /// A hundred years, since an instant plus a longer time may be past what a clock can show.
    fn is_sane(&self) -> bool {
        *self <= TIME_MAX
    }
}

impl TextValue for String {
    fn parse(text: &str) -> Option<String> {
        Some(text.to_string())
    }

    fn print(&self) -> String {
        self.clone()
    }
}

impl TextValue for Frame {
    fn parse(text: &str) -> Option<Frame> {
        Some(Frame::from(text))
    }

    fn print(&self) -> String {
        String::from_utf8_lossy(self).into_owned()
    }
}

impl TextValue for AddressFilter {
    fn parse(text: &str) -> Option<AddressFilter> {
        text.parse().ok()
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl TextValue for FileMode {
    fn parse(text: &str) -> Option<FileMode> {
        text.parse().ok()
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl TextValue for (String, Vec<u8>) {
    fn parse(text: &str) -> Option<(String, Vec<u8>)> {
        let (name, value) = text.split_once(':')?;
        Some((name.to_string(), value.as_bytes().to_vec()))
    }

    fn print(&self) -> String {
        format!("{}:{}", self.0, String::from_utf8_lossy(&self.1))
    }
}

impl<T: TextValue> TextValue for Option<T> {
    fn parse(text: &str) -> Option<Option<T>> {
        match text {
            "" | "-1" | "never" | "none" => Some(None),
            _ => T::parse(text).map(Some),
        }
    }

    fn print(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_string(), T::print)
    }

    fn is_sane(&self) -> bool {
        self.as_ref().is_none_or(T::is_sane)
    }
}

impl<T: TextValue> TextValue for Vec<T> {
    fn parse(text: &str) -> Option<Vec<T>> {
        text.split(',').filter(|item| !item.is_empty()).map(T::parse).collect()
    }

    fn print(&self) -> String {
        self.iter().map(T::print).collect::<Vec<_>>().join(",")
    }
}

/// An option's name without what does not tell options apart: `ZMQ_SNDHWM`, `SndHwm` and `sndhwm` are one.
pub(super) fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.trim_start_matches("zmq_").trim_start_matches("zefiro_").replace(['_', '-'], "")
}

/// Digits behind the point that can make a difference.
const PART_DIGITS: usize = 12;

const TIME_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
