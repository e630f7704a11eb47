//! What clients say.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::fields::{Fields, read_bool, read_string};
use crate::code::{ErrorCode, FrameError};
use crate::envelope::Feature;
use crate::limit::REFERENCE_LEN_MAX;

const NAMES: [&str; 5] = ["type", "data", "feature", "reference", "confirmationEnabled"];

/// A frame of a client: valid JSON, its parts still raw.
pub struct ClientFrame<'a> {
    fields: Fields<'a, 5>,
    kind: Option<Cow<'a, str>>,
}

impl<'a> ClientFrame<'a> {
    /// Reads a text frame.
    ///
    /// # Errors
    /// `INVALID_JSON`.
    pub fn parse(text: &'a str) -> Result<Self, FrameError> {
        let fields =
            Fields::read(text, &NAMES).map_err(|error| FrameError::new(ErrorCode::InvalidJson, error))?;
        let kind = fields.raw(0).and_then(|raw| read_string(raw, "type").ok());
        Ok(Self { fields, kind })
    }

    /// The `type`, when it is there and a string.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The `data` object's named fields.
    ///
    /// # Errors
    /// `INVALID_FIELD` when there is no `data`, or it is not an object.
    pub fn data<const N: usize>(
        &self,
        names: &'static [&'static str; N],
    ) -> Result<Fields<'a, N>, FrameError> {
        let json = self
            .fields
            .present(1)
            .ok_or_else(|| FrameError::field("data", "is missing"))?;
        Fields::read(json.get(), names).map_err(|_| FrameError::field("data", "must be an object"))
    }

    /// The raw `data`, for types with a reader of their own; an empty object when there is none.
    pub fn raw_data(&self) -> &'a str {
        self.fields.present(1).map_or("{}", RawValue::get)
    }

    /// The `feature`, RELIABLE when there is none.
    ///
    /// # Errors
    /// `INVALID_FIELD`.
    pub fn feature(&self) -> Result<Feature, FrameError> {
        let Some(raw) = self.fields.present(2) else {
            return Ok(Feature::Reliable);
        };
        match raw.get() {
            "\"RELIABLE\"" => Ok(Feature::Reliable),
            "\"FAST\"" => Ok(Feature::Fast),
            _ => Err(FrameError::field("feature", "must be \"RELIABLE\" or \"FAST\"")),
        }
    }

    /// The `reference`, if any.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it is not a string of 1 to 256 bytes.
    pub fn reference(&self) -> Result<Option<Cow<'a, str>>, FrameError> {
        let Some(raw) = self.fields.present(3) else {
            return Ok(None);
        };
        let reference = read_string(raw, "reference")?;
        if reference.is_empty() || reference.len() > REFERENCE_LEN_MAX {
            return Err(FrameError::field("reference", "must have 1 to 256 bytes"));
        }
        Ok(Some(reference))
    }

    /// What may stand in a frame of any type, whether that type looks at it or not. `reference`: as it was read; one that is malformed was not.
    ///
    /// # Errors
    /// `INVALID_FIELD` naming the first field that is malformed.
    pub fn check_header(&self, reference: Option<&str>) -> Result<(), FrameError> {
        if !self.raw_data().starts_with('{') {
            return Err(FrameError::field("data", "must be an object"));
        }
        if reference.is_none() {
            self.reference()?;
        }
        self.feature()?;
        self.confirmation_enabled()?;
        Ok(())
    }

    /// `confirmationEnabled`, true when absent.
    ///
    /// # Errors
    /// `INVALID_FIELD`.
    pub fn confirmation_enabled(&self) -> Result<bool, FrameError> {
        self.fields
            .present(4)
            .map_or(Ok(true), |raw| read_bool(raw, "confirmationEnabled"))
    }
}

/// The `options` of `AUTH_CLIENT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuthOptions {
    /// `ack: "client"`: delivery is proven by `MESSAGE_ACK` instead of by the WebSocket's pong.
    pub client_ack: bool,
    /// `MESSAGE_ACCEPTED` is wanted.
    pub accepted: bool,
    /// Missed messages are wanted at login, before any live one.
    pub replay: bool,
}

/// The data of `AUTH_CLIENT`, well formed as JSON; whether it is believed is for the login to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthRequest<'a> {
    /// As given.
    pub app_id: Cow<'a, str>,
    /// As given, not yet known to be a user id.
    pub user_id: Cow<'a, str>,
    /// What is shown for it.
    pub token: Option<Cow<'a, str>>,
    /// Defaults where absent.
    pub options: AuthOptions,
}

impl<'a> AuthRequest<'a> {
    /// Reads the data of an `AUTH_CLIENT`.
    ///
    /// # Errors
    /// `INVALID_FIELD` naming the first field at fault.
    pub fn read(frame: &ClientFrame<'a>) -> Result<Self, FrameError> {
        let data = frame.data(&["appId", "userId", "token", "options"])?;
        let required = |index, name: &str| match data.raw(index) {
            Some(raw) => read_string(raw, name),
            None => Err(FrameError::field(name, "is missing")),
        };
        Ok(Self {
            app_id: required(0, "appId")?,
            user_id: required(1, "userId")?,
            token: data.present(2).map(|raw| read_string(raw, "token")).transpose()?,
            options: data.present(3).map_or(Ok(AuthOptions::default()), read_options)?,
        })
    }
}

fn read_options(raw: &RawValue) -> Result<AuthOptions, FrameError> {
    let fields = Fields::read(raw.get(), &["ack", "accepted", "replay"])
        .map_err(|_| FrameError::field("options", "must be an object"))?;
    let client_ack = match fields.present(0).map(RawValue::get) {
        None | Some("\"transport\"") => false,
        Some("\"client\"") => true,
        Some(_) => {
            return Err(FrameError::field(
                "options.ack",
                "must be \"transport\" or \"client\"",
            ));
        }
    };
    let flag = |index, name| {
        fields
            .present(index)
            .map_or(Ok(false), |raw| read_bool(raw, name))
    };
    Ok(AuthOptions {
        client_ack,
        accepted: flag(1, "options.accepted")?,
        replay: flag(2, "options.replay")?,
    })
}
