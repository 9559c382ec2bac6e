//! From the settings to what is accepted of clients.

use crate::config::{HeaderMap, ProxyProtocol, Settings};
use crate::http::{Limits, Policy, ProxyMode, SecureSchemeFields, Underscores};

/// What is accepted of peers whose word is not taken, and of those whose is.
pub struct Policies {
    pub stranger: Policy,
    pub trusted: Policy,
}

impl Policies {
    pub fn new(settings: &Settings) -> Policies {
        let stranger = Policy {
            limits: Limits::new(
                settings.limit_request_line,
                settings.limit_request_fields,
                settings.limit_request_field_size,
                settings.limit_request_body,
            ),
            proxy: match settings.proxy_protocol {
                ProxyProtocol::Off => ProxyMode::Off,
                ProxyProtocol::V1 => ProxyMode::V1,
                ProxyProtocol::V2 => ProxyMode::V2,
                ProxyProtocol::Auto => ProxyMode::Auto,
            },
            underscores: match settings.header_map {
                HeaderMap::Drop => Underscores::Drop,
                HeaderMap::Refuse => Underscores::Refuse,
                HeaderMap::Dangerous => Underscores::Keep,
            },
            underscore_fields: Vec::new(),
            secure_scheme_fields: SecureSchemeFields::default(),
            obsolete_folding: settings.permit_obsolete_folding,
            strip_name_spaces: settings.strip_header_spaces,
            unconventional_methods: settings.permit_unconventional_http_method,
            unconventional_versions: settings.permit_unconventional_http_version,
            casefold_methods: settings.casefold_http_method,
        };
        let trusted = Policy {
            underscore_fields: settings.forwarder_headers.list().to_vec(),
            secure_scheme_fields: SecureSchemeFields(settings.secure_scheme_headers.clone()),
            ..stranger.clone()
        };
        Policies { stranger, trusted }
    }
}
