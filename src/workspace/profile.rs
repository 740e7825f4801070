//! What a member shows: which fields there are, what fits into each, and who keeps it.
//!
//! A directory's word on a field is the directory's to change. What it says nothing of is the
//! admins', and stays when the directory writes the rest.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::LazyLock;

use email_address::{EmailAddress, Options};
use oxilangtag::LanguageTag;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};
use crate::ids::MemberId;
use crate::scim::fold;

/// The longest text of a field, in characters.
const LENGTH: usize = 256;
/// The longest `UserID`, in characters.
const USER_ID: usize = 64;

/// A field of a member that admins may write.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The name for people.
    DisplayName,
    /// First name.
    GivenName,
    /// Last name.
    FamilyName,
    /// The address.
    Email,
    /// The `UserID`: the workspace's own name for the member.
    UserId,
    /// The number under which the person is reached.
    Phone,
    /// The line that the member answers on.
    Line,
    /// The language of pages and mails.
    Language,
    /// The time zone.
    TimeZone,
    /// Whom the member reports to.
    Manager,
    /// The address of a picture.
    Picture,
}

impl Field {
    /// Its name in JSON and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::GivenName => "given_name",
            Self::FamilyName => "family_name",
            Self::Email => "email",
            Self::UserId => "user_id",
            Self::Phone => "phone",
            Self::Line => "line",
            Self::Language => "language",
            Self::TimeZone => "time_zone",
            Self::Manager => "manager",
            Self::Picture => "picture",
        }
    }

    /// The fields that people write themselves: no rule that gives rights looks at one of these.
    pub const OWN: [Self; 6] = [
        Self::DisplayName,
        Self::GivenName,
        Self::FamilyName,
        Self::Language,
        Self::TimeZone,
        Self::Picture,
    ];

    /// All fields.
    pub const ALL: [Self; 11] = [
        Self::DisplayName,
        Self::GivenName,
        Self::FamilyName,
        Self::Email,
        Self::UserId,
        Self::Phone,
        Self::Line,
        Self::Language,
        Self::TimeZone,
        Self::Manager,
        Self::Picture,
    ];
}

/// The fields that an admin wrote, as the database keeps them: names with commas between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manual(pub BTreeSet<Field>);

impl Manual {
    /// Reads what [`Self::to_text`] wrote.
    pub fn of(text: &str) -> Self {
        let named = |name: &str| Field::ALL.into_iter().find(|field| field.name() == name);
        Self(text.split(',').filter_map(named).collect())
    }

    /// Names with commas between.
    pub fn to_text(&self) -> String {
        let names: Vec<_> = self.0.iter().map(|field| field.name()).collect();
        names.join(",")
    }
}

/// The line that a member answers on, apart from the phone that a person is reached under. Several
/// members may share a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// Without a number.
    Numberless,
    /// With a number, E.164.
    Numbered {
        /// The number; none while a rule wants one and no admin has assigned it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<String>,
    },
}

impl Line {
    /// What the database keeps of it.
    pub fn of(kind: Option<&str>, number: Option<String>) -> Option<Self> {
        match (kind?, number) {
            ("numbered", number) => Some(Self::Numbered { number }),
            _ => Some(Self::Numberless),
        }
    }
}

/// What an admin says of a member: a field that is left out stays as it is, one that is null is
/// cleared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(
    rename = "MemberEdit",
    extend("examples" = [{"display_name": "Ada Lovelace", "phone": "+44 20 7946 0958", "line": null}])
)]
pub struct Edit {
    /// The name for people.
    pub display_name: Say<String>,
    /// First name.
    pub given_name: Say<String>,
    /// Last name.
    pub family_name: Say<String>,
    /// The address.
    pub email: Say<String>,
    /// The `UserID`, unique in the workspace whatever its case.
    pub user_id: Say<String>,
    /// A phone number in international form.
    pub phone: Say<String>,
    /// The line.
    pub line: Say<Line>,
    /// A language tag (BCP 47).
    pub language: Say<String>,
    /// A time zone of the IANA database.
    pub time_zone: Say<String>,
    /// Another member.
    pub manager: Say<MemberId>,
    /// An `https` URL without credentials.
    pub picture: Say<String>,
}

/// What is said of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Say<T> {
    /// Nothing: it stays as it is.
    #[default]
    Nothing,
    /// That there is none.
    Clear,
    /// What it is.
    Set(T),
}

impl<T: Clone> Say<T> {
    /// The field afterwards.
    pub fn or(&self, before: Option<&T>) -> Option<T> {
        match self {
            Self::Nothing => before.cloned(),
            Self::Clear => None,
            Self::Set(value) => Some(value.clone()),
        }
    }

    /// What it is said to be.
    pub fn set(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Nothing | Self::Clear => None,
        }
    }

    fn is_said(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Say<T> {
    /// What is there, be it null.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(from)?.map_or(Self::Clear, Self::Set))
    }
}

impl<T: JsonSchema> JsonSchema for Say<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Option<T>>()
    }
}

impl Edit {
    /// In the form in which it is kept; an error names the field and what was expected.
    pub fn checked(mut self) -> Result<Self> {
        for (name, text) in [
            ("display_name", &mut self.display_name),
            ("given_name", &mut self.given_name),
            ("family_name", &mut self.family_name),
        ] {
            each(text, |text| plain(text, name, LENGTH))?;
        }
        each(&mut self.email, address)?;
        each(&mut self.user_id, |text| plain(text, "user_id", USER_ID))?;
        each(&mut self.phone, |text| number(text, "phone"))?;
        if let Say::Set(Line::Numbered { number: line }) = &mut self.line {
            *line = Some(number(line.as_deref().unwrap_or_default(), "line")?);
        }
        each(&mut self.language, language)?;
        each(&mut self.time_zone, time_zone)?;
        each(&mut self.picture, picture)?;
        Ok(self)
    }

    /// Both at once; the other has the last word.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        fn last<T>(one: Say<T>, other: Say<T>) -> Say<T> {
            match other {
                Say::Nothing => one,
                said => said,
            }
        }
        Self {
            display_name: last(self.display_name, other.display_name),
            given_name: last(self.given_name, other.given_name),
            family_name: last(self.family_name, other.family_name),
            email: last(self.email, other.email),
            user_id: last(self.user_id, other.user_id),
            phone: last(self.phone, other.phone),
            line: last(self.line, other.line),
            language: last(self.language, other.language),
            time_zone: last(self.time_zone, other.time_zone),
            manager: last(self.manager, other.manager),
            picture: last(self.picture, other.picture),
        }
    }

    /// The fields that it writes.
    pub fn fields(&self) -> BTreeSet<Field> {
        let is_told = [
            (Field::DisplayName, self.display_name.is_said()),
            (Field::GivenName, self.given_name.is_said()),
            (Field::FamilyName, self.family_name.is_said()),
            (Field::Email, self.email.is_said()),
            (Field::UserId, self.user_id.is_said()),
            (Field::Phone, self.phone.is_said()),
            (Field::Line, self.line.is_said()),
            (Field::Language, self.language.is_said()),
            (Field::TimeZone, self.time_zone.is_said()),
            (Field::Manager, self.manager.is_said()),
            (Field::Picture, self.picture.is_said()),
        ];
        let told = is_told.into_iter().filter(|(_, is_told)| *is_told);
        told.map(|(field, _)| field).collect()
    }
}

fn each(field: &mut Say<String>, checked: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    if let Say::Set(text) = field {
        *text = checked(text)?;
    }
    Ok(())
}

fn plain(text: &str, name: &'static str, most: usize) -> Result<String> {
    let text = text.trim();
    fold::check_name(text, name)?;
    if text.chars().count() > most {
        return Err(Error::value(format!(
            "{name} must have at most {most} characters"
        )));
    }
    Ok(text.to_owned())
}

/// A mail address as it was written, if it is one that mail can be sent to.
pub fn address(text: &str) -> Result<String> {
    let text = plain(text, "email", LENGTH)?;
    let options = Options::default()
        .with_required_tld()
        .without_display_text()
        .without_domain_literal();
    match EmailAddress::parse_with_options(&text, options) {
        Ok(_) => Ok(text),
        Err(_) => Err(Error::value(
            "email must be an address such as ada@acme.example",
        )),
    }
}

fn number(text: &str, name: &'static str) -> Result<String> {
    let expected = || {
        Error::value(format!(
            "{name} must be a phone number with its country code, such as +43 1 5880 4"
        ))
    };
    let util = &*PHONE_NUMBER_UTIL;
    let parsed = util.parse(text.trim(), None).map_err(|_| expected())?;
    if !text.trim_start().starts_with('+') || !util.is_valid_number(&parsed) {
        return Err(expected());
    }
    Ok(util.format(&parsed, PhoneNumberFormat::E164).into_owned())
}

fn language(text: &str) -> Result<String> {
    match LanguageTag::parse_and_normalize(text.trim()) {
        Ok(tag) if tag.as_str().len() <= 35 => Ok(tag.into_inner()),
        _ => Err(Error::value("language must be a tag such as en or pt-BR")),
    }
}

fn time_zone(text: &str) -> Result<String> {
    static KNOWN: LazyLock<&'static jiff::tz::TimeZoneDatabase> = LazyLock::new(jiff::tz::db);
    let found = KNOWN.get(text.trim()).ok();
    let name = found.as_ref().and_then(jiff::tz::TimeZone::iana_name);
    name.map(str::to_owned)
        .ok_or_else(|| Error::value("time_zone must be one such as Europe/Vienna"))
}

fn picture(text: &str) -> Result<String> {
    let url = url::Url::from_str(text.trim()).ok();
    let url = url.filter(|url| url.scheme() == "https" && url.has_host());
    // Whoever sees the member would see them.
    let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
    match url {
        Some(url) if url.as_str().len() <= 1_024 => Ok(url.into()),
        _ => Err(Error::value(
            "picture must be an https URL without credentials",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Edit, Field, Line, Manual, Say};

    fn edit(value: Value) -> crate::error::Result<Edit> {
        serde_json::from_value::<Edit>(value).unwrap().checked()
    }

    #[test]
    fn fields_are_kept_in_one_form() {
        let edit = edit(json!({
            "display_name": " Ada Lovelace ", "phone": "+44 (20) 7946 0958", "language": "EN-us",
            "line": {"kind": "numbered", "number": "+1 202-555-0123"}, "time_zone": "europe/vienna",
            "email": "Ada@Acme.Example", "picture": null,
        }))
        .unwrap();
        assert_eq!(edit.display_name, Say::Set("Ada Lovelace".to_owned()));
        assert_eq!(edit.phone, Say::Set("+442079460958".to_owned()));
        assert_eq!(edit.language, Say::Set("en-US".to_owned()));
        assert_eq!(edit.time_zone, Say::Set("Europe/Vienna".to_owned()));
        assert_eq!(edit.email, Say::Set("Ada@Acme.Example".to_owned()));
        let number = Some("+12025550123".to_owned());
        assert_eq!(edit.line, Say::Set(Line::Numbered { number }));
        assert_eq!((edit.picture, edit.given_name), (Say::Clear, Say::Nothing));
    }

    #[test]
    fn what_fits_no_field_is_refused_by_name() {
        for (field, value) in [
            ("phone", json!("020 7946 0958")),
            ("phone", json!("+44 1")),
            ("line", json!({"kind": "numbered", "number": "12"})),
            ("language", json!("english please")),
            ("time_zone", json!("Mars/Olympus")),
            ("email", json!("ada")),
            ("email", json!("Ada <ada@acme.example>")),
            ("email", json!("ada@[127.0.0.1]")),
            ("picture", json!("http://acme.example/ada.png")),
            ("picture", json!("javascript:alert(1)")),
            ("picture", json!("https://ada:secret@acme.example/ada.png")),
            ("picture", json!("https://ada@acme.example/ada.png")),
            ("user_id", json!("x".repeat(65))),
            ("user_id", json!("")),
            ("display_name", json!("\u{202e}adA")),
        ] {
            let refused = edit(json!({ field: value })).unwrap_err();
            assert!(refused.to_string().contains(field), "{field}: {refused}");
        }
    }

    #[test]
    fn the_names_of_fields_read_back() {
        let fields = Field::ALL.into_iter().collect();
        let manual = Manual(fields);
        assert_eq!(Manual::of(&manual.to_text()), manual);
        assert_eq!(Manual::of(""), Manual::default());
        for field in Field::ALL {
            assert_eq!(json!(field), json!(field.name()));
        }
    }
}
