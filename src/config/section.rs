//! A section of the settings: a struct whose fields are rows of the table.

use super::value::Value;

/// The values of a section, by the names of its settings.
pub trait Section {
    /// The value of a setting; nothing if it is not in this section.
    fn get(&self, name: &str) -> Option<Value>;

    /// Checks a value and stores it; the error is the reason for refusing it.
    ///
    /// # Panics
    /// The setting is not in this section.
    fn set(&mut self, name: &str, value: Value) -> Result<(), String>;
}

/// Makes the struct of a section, its defaults and its rows of the table.
///
/// The attributes of a field have the meaning of the fields of
/// [`Setting`](super::setting::Setting), and must be in this order. Those in `$()?`
/// can be left out. Without `default`, it is that of the type: `None`, `False`,
/// nothing. `check` is the function that turns a value into the field's type or
/// says why it cannot; without it, the type's own does. `tested` names the test that
/// shows the effect, as `module::function` in `tests/e2e`; a setting that has an
/// effect needs one.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        #[section($heading:literal)]
        pub struct $Section:ident {
            $(
                $(#[doc = $help:literal])+
                $(#[flags($($flag:literal),+)])?
                #[kind($kind:expr)]
                $(#[choices($choices:expr)])?
                $(#[default($default:expr)])?
                $(#[variable($variable:literal, $to_value:expr)])?
                $(#[support($support:expr)])?
                $(#[check($check:expr)])?
                $(#[tested($test:literal)])?
                pub $name:ident: $type:ty,
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Section {
            $( $(#[doc = $help])+ pub $name: $type, )+
        }

        impl $Section {
            /// The rows of the table.
            pub const ROWS: &[$crate::config::setting::Setting] = &[
                $( $crate::config::setting::Setting {
                    name: stringify!($name),
                    section: $heading,
                    flags: &[$($($flag),+)?],
                    kind: $kind,
                    choices: section!(@or &[] $(, $choices)?),
                    variable: section!(@or None $(, Some(($variable, $to_value)))?),
                    support: section!(
                        @or $crate::config::setting::Support::Works $(, $support)?
                    ),
                    help: concat!($($help, "\n"),+),
                    default: || $crate::config::value::ToValue::to_value(&{
                        let default: $type = section!(@or Default::default() $(, $default)?);
                        default
                    }),
                    #[cfg(test)]
                    tested: section!(@or None $(, Some($test))?),
                }, )+
            ];
        }

        impl Default for $Section {
            fn default() -> Self {
                Self { $( $name: section!(@or Default::default() $(, $default)?), )+ }
            }
        }

        impl $crate::config::section::Section for $Section {
            fn get(&self, name: &str) -> Option<$crate::config::value::Value> {
                use $crate::config::value::ToValue;
                match name {
                    $( stringify!($name) => Some(self.$name.to_value()), )+
                    _ => None,
                }
            }

            fn set(
                &mut self,
                name: &str,
                value: $crate::config::value::Value,
            ) -> Result<(), String> {
                match name {
                    $( stringify!($name) => {
                        self.$name = section!(
                            @or $crate::config::value::FromValue::from_value(value)
                            $(, $check(value))?
                        )?;
                    } )+
                    _ => panic!("{name} is not in this section"),
                }
                Ok(())
            }
        }
    };
    (@or $default:expr) => { $default };
    (@or $default:expr, $given:expr) => { $given };
}

pub(super) use section;
