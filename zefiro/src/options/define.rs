//! Define: a type of options, and all that goes with it, out of a table.

use zmtp::SocketType;

use crate::error::{Error, ErrorKind};

/// A row of the option table.
///
/// ```
/// let linger = zefiro::option_table().iter().find(|info| info.field == "linger").expect("it is one");
/// assert_eq!((linger.c_name, linger.number), ("ZMQ_LINGER", 17));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OptionInfo {
    /// The name in the C API.
    pub c_name: &'static str,
    /// The number in the C API; 0 for Zefiro's own.
    pub number: i32,
    /// The field of [`Options`](crate::Options) and the method of [`Builder`](crate::Builder).
    pub field: &'static str,
    /// The unit of the value.
    pub unit: &'static str,
    /// The values allowed.
    pub range: &'static str,
    /// The value it has from the start, as [`Options::set_text`](crate::Options::set_text) reads it; a socket's type or
    /// context may change it.
    pub default: fn() -> String,
    /// When a change takes effect.
    pub effect: &'static str,
    /// Whether C programs can set it.
    pub settable: bool,
    /// Whether C programs can read it.
    pub gettable: bool,
    /// The socket types it is for; empty: no type refuses it.
    pub types: &'static [SocketType],
    /// Whether C programs can set it on those types alone, too.
    pub(crate) refused_in_c: bool,
    /// What it is for.
    pub doc: &'static str,
}

/// Makes a type of options, and all that follows from its rows; before them, fields that are nobody else's business.
///
/// A row is: what it is for, C name, C number, field, type, default; unit, range, effect; access from C (`rw`, `w` or
/// `none`), codec of the C value, the types it can be set `on`, or which it is `for` though C takes it on any, and a
/// `check` for values the field's type cannot exclude.
macro_rules! define_options {
    ($(#[$meta:meta])* $name:ident { $($inner:ident: $inner_type:ty),* };
     $($doc:literal $c_name:literal $number:literal $field:ident: $type:ty = $default:expr;
       $unit:literal, $range:literal, $effect:literal;
       $access:ident $codec:ty $(, on $types:ident)? $(, for $meant:ident)? $(, check $check:expr)?;)*) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $name {
            $(
                #[doc = $doc]
                #[doc = concat!("\n\n`", $c_name, "` · unit: ", $unit, " · default: `", stringify!($default),
                    "` · allowed: ", $range, " · takes effect: ", $effect, ".")]
                pub $field: $type,
            )*
            $(pub(crate) $inner: $inner_type,)*
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $($field: $default,)* $($inner: Default::default(),)* }
            }
        }

        impl $name {
            /// Checks every value's range. Times are at most a hundred years; what has no end is `None`.
            ///
            /// ```
            #[doc = concat!("let options = zefiro::", stringify!($name), "::default();")]
            /// options.validate()?;
            /// # Ok::<(), zefiro::Error>(())
            /// ```
            ///
            /// # Errors
            /// [`InvalidOption`](ErrorKind::InvalidOption), naming the option and what it allows.
            pub fn validate(&self) -> Result<()> {
                $(
                    if !$crate::options::value::TextValue::is_sane(&self.$field) {
                        return Err($crate::options::define::invalid(stringify!($field), $range));
                    }
                    $(
                        let check: fn(&$type) -> bool = $check;
                        if !check(&self.$field) {
                            return Err($crate::options::define::invalid(stringify!($field), $range));
                        }
                    )?
                )*
                Ok(())
            }

            /// Fails if an option has been set that is not for sockets of this type, and would do nothing.
            #[allow(dead_code, unused_variables, reason = "no option of a context is for some types only")]
            pub(crate) fn check_type(&self, socket_type: zmtp::SocketType) -> Result<()> {
                $(
                    let types = $crate::options::define::first_of(&[$($types,)? $($meant)?]);
                    if !types.is_empty() && !types.contains(&socket_type) {
                        let print = <$type as $crate::options::value::TextValue>::print;
                        if print(&self.$field) != print(&$default) {
                            return Err($crate::options::define::not_for(stringify!($field), socket_type, types));
                        }
                    }
                )*
                Ok(())
            }

            /// Sets an option by its field's name or its C name, in any case and with or without `ZMQ_`, from text.
            /// Times are given as `250ms`, `2s`, `1m` or `never`; flags as `1`, `0`, `true`, `false`, `on`, `off`.
            ///
            /// ```
            #[doc = concat!("let mut options = zefiro::", stringify!($name), "::default();")]
            /// options.set_text("ZMQ_IPV6", "on")?;
            /// assert!(options.ipv6 && options.set_text("ipv6", "perhaps").is_err());
            /// # Ok::<(), zefiro::Error>(())
            /// ```
            ///
            /// # Errors
            /// [`InvalidOption`](ErrorKind::InvalidOption): there is no such option, or the text is no value for it.
            /// Then nothing is changed.
            pub fn set_text(&mut self, name: &str, text: &str) -> Result<()> {
                let wanted = $crate::options::value::plain(name);
                $(
                    if wanted == $crate::options::value::plain(stringify!($field)) || wanted == $crate::options::value::plain($c_name) {
                        let value = <$type as $crate::options::value::TextValue>::parse(text);
                        let value = value.ok_or_else(|| $crate::options::define::invalid(name, $range))?;
                        let before = std::mem::replace(&mut self.$field, value);
                        return self.validate().inspect_err(|_| self.$field = before);
                    }
                )*
                Err(Error::with_text(ErrorKind::InvalidOption, "set option", name, "there is no such option"))
            }

            /// An option by name, as [`set_text`](Self::set_text) reads it; `None`: there is no such option.
            ///
            /// ```
            #[doc = concat!("let options = zefiro::", stringify!($name), "::default();")]
            /// assert_eq!(options.text("ipv6").as_deref(), Some("0"));
            /// ```
            pub fn text(&self, name: &str) -> Option<String> {
                let wanted = $crate::options::value::plain(name);
                $(
                    if wanted == $crate::options::value::plain(stringify!($field)) || wanted == $crate::options::value::plain($c_name) {
                        return Some($crate::options::value::TextValue::print(&self.$field));
                    }
                )*
                None
            }

            /// The table of these options.
            ///
            /// ```
            #[doc = concat!("let mut table = zefiro::", stringify!($name), "::table().iter();")]
            /// assert!(table.any(|option| option.field == "ipv6" && option.c_name == "ZMQ_IPV6"));
            /// ```
            pub fn table() -> &'static [$crate::options::OptionInfo] {
                const TABLE: &[$crate::options::OptionInfo] = &[$($crate::options::OptionInfo {
                    c_name: $c_name,
                    number: $number,
                    field: stringify!($field),
                    unit: $unit,
                    range: $range,
                    default: || <$type as $crate::options::value::TextValue>::print(&$default),
                    effect: $effect,
                    settable: $crate::options::define::is_settable(stringify!($access)),
                    gettable: $crate::options::define::is_gettable(stringify!($access)),
                    types: $crate::options::define::first_of(&[$($types,)? $($meant)?]),
                    refused_in_c: !$crate::options::define::first_of(&[$($types)?]).is_empty(),
                    doc: $doc,
                },)*];
                TABLE
            }

            /// Sets by number what the table alone decides.
            fn decode(&mut self, number: i32, value: Option<&[u8]>) -> Option<()> {
                match number {
                    $($number if $number != 0 => <$codec as $crate::options::codec::Codec<$type>>::decode(value, &mut self.$field),)*
                    _ => None,
                }
            }

            /// Reads by number what the table alone decides; answers whether it is a number.
            fn encode(&self, number: i32, out: &mut Vec<u8>) -> Option<bool> {
                match number {
                    $($number if $crate::options::define::is_gettable(stringify!($access)) => {
                        <$codec as $crate::options::codec::Codec<$type>>::encode(&self.$field, out);
                        Some(<$codec as $crate::options::codec::Codec<$type>>::NUMBER)
                    })*
                    _ => None,
                }
            }
        }
    };
}

/// Makes the builder's methods, one for each row.
macro_rules! define_builder_methods {
    ($($doc:literal $c_name:literal $number:literal $field:ident: $type:ty = $default:expr;
       $unit:literal, $range:literal, $effect:literal;
       $access:ident $codec:ty $(, on $types:ident)? $(, for $meant:ident)? $(, check $check:expr)?;)*) => {
        /// The socket's [options](Options).
        impl<K> Builder<K> {
            $(
                #[doc = $doc]
                #[doc = concat!("\n\nSee [`Options::", stringify!($field), "`].")]
                pub fn $field(mut self, value: impl OptionValue<$type>) -> Builder<K> {
                    self.options.$field = value.into_value();
                    self
                }
            )*
        }
    };
}

pub(super) use {define_builder_methods, define_options};

pub(super) fn invalid(name: &str, range: &str) -> Error {
    Error::with_text(ErrorKind::InvalidOption, "set option", name, format!("allowed is: {range}"))
}

pub(super) fn not_for(name: &str, socket_type: SocketType, types: &[SocketType]) -> Error {
    let types: Vec<&str> = types.iter().map(|socket_type| socket_type.name()).collect();
    let why = format!("it is for {}, and does nothing on {}", types.join(", "), socket_type.name());
    Error::with_text(ErrorKind::InvalidOption, "set option", name, why)
}

pub(super) const fn is_settable(access: &str) -> bool {
    matches!(access.as_bytes(), b"rw" | b"w")
}

pub(super) const fn is_gettable(access: &str) -> bool {
    matches!(access.as_bytes(), b"rw")
}

/// The one list there may be, else none.
pub(super) const fn first_of(lists: &[&'static [SocketType]]) -> &'static [SocketType] {
    match lists {
        [list, ..] => list,
        [] => &[],
    }
}
